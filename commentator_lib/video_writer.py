"""Write H.264 video files: recordings of a source, exported runs, synthetic clips and measurements.

Options are FFmpeg's own (libx264's for the encoder, the muxer's for the container), so that each caller can choose
what matters for its file: its size, that it is readable after a kill, or that it has the same bytes each time. A file
can hold several sound tracks and one of subtitles beside the picture.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, cast

import numpy as np

if TYPE_CHECKING:
    import av
    from av.audio.stream import AudioStream
    from av.container import OutputContainer

# Samples an encoder gets at a time where it takes any number; also the length of one piece of filled-in silence.
_BLOCK_SAMPLES = 4096


# The subtitles' clock, and what MP4's encoder wants to know of how they look.
_SUBTITLE_CLOCK_HZ = 1000
_SUBTITLE_STYLE = (
    "[Script Info]\r\nScriptType: v4.00+\r\n\r\n[V4+ Styles]\r\nFormat: Name, Fontname, Fontsize\r\n"
    "Style: Default,Sans,18\r\n\r\n[Events]\r\n"
    "Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\r\n"
)
_ANY, _KEY = 0, 1  # FFmpeg's numbers for a picture's type
_UNSPECIFIED = 2  # FFmpeg's number for colours of which nothing is known
BT709 = 1  # and for those of HD
# The conversion's number for a picture's colours, where it is another: both are BT.601, or BT.2020.
_CONVERSIONS = {6: 5, 10: 9}


def conversion_of(colorspace: int) -> int | None:
    """Return the number of FFmpeg's conversion to a picture's `colorspace`; None for the picture's own."""
    return None if colorspace == _UNSPECIFIED else _CONVERSIONS.get(colorspace, colorspace)


class Sink(Protocol):
    """What takes a file's bytes, as they are muxed."""

    def write(self, data: bytes, /) -> int:
        """Take bytes; return how many."""
        ...


@dataclass(frozen=True, slots=True)
class SoundTrack:
    """One sound track of a file: its title as players show it, its rate, and FFmpeg's name of its encoder.

    "aac" is for MP4, "flac" (16 bits, without loss) for Matroska. `channels` is 1 or 2.
    """

    title: str
    rate_hz: int = 48_000
    channels: int = 1
    codec: str = "aac"


class H264Writer:
    """Writes pictures of one size into an H.264 file, with sound if wanted; a context manager.

        with H264Writer(path, 640, 360, fps=25, encoder={"preset": "fast", "crf": "21"}) as video:
            video.write(image)

    `width_px` and `height_px` must be even (the pixels are yuv420p); pictures of another size are scaled.
    `time_base` is one tick of a picture's time in seconds, one picture of `fps` if None. `container` names the
    muxer, None chooses by the file's name. `encoder` are options of libx264, `muxer` of the container.
    `bit_exact` leaves dates and versions out and encodes on one thread: the same input gives the same bytes.
    The file says that its colours are meant as those of `colours_of`: for pictures that are written as they were
    decoded. None stands for BT.709, which RGB is converted to. Players start with the first of `sound_tracks`. The
    tracks are to be written side by side: what one of them is ahead of the others stays in memory. `subtitles` is the
    title of a track of text, for MP4 and HLS (WebVTT) only; "" for none. The file is complete only after the block has
    ended without an error. `path` may also be an object with a method `write(bytes)`, and then `container` is to be
    named.

    Raise OSError or av.FFmpegError in `write` or at the block's end where the file cannot be written: the file is
    opened with the first packet.
    """

    def __init__(
        self,
        path: Path | Sink,
        width_px: int,
        height_px: int,
        fps: int,
        *,
        encoder: Mapping[str, str],
        muxer: Mapping[str, str] | None = None,
        container: str | None = None,
        time_base: Fraction | None = None,
        bit_exact: bool = False,
        sound_tracks: Sequence[SoundTrack] = (),
        colours_of: av.VideoFrame | None = None,
        subtitles: str = "",
    ) -> None:
        import av
        from av.codec.context import Flags

        self.width_px, self.height_px = width_px, height_px
        self._time_base = time_base or Fraction(1, fps)
        self._last_tick = -1
        self._rgb_becomes = conversion_of(BT709 if colours_of is None else colours_of.colorspace)
        muxer = {**(muxer or {}), **({"fflags": "+bitexact"} if bit_exact else {})}
        to = str(path) if isinstance(path, Path) else path
        self._file = av.open(to, "w", format=container, container_options=muxer)
        self._video = self._file.add_stream("libx264", rate=fps, options=dict(encoder))
        self._video.width, self._video.height, self._video.pix_fmt = width_px, height_px, "yuv420p"
        self._video.codec_context.time_base = self._time_base
        for name in ("colorspace", "color_primaries", "color_trc"):
            meant = BT709 if colours_of is None else getattr(colours_of, name, _UNSPECIFIED)
            setattr(self._video.codec_context, name, meant)
        if bit_exact:
            self._video.codec_context.thread_count = 1
            self._video.codec_context.flags |= Flags.bitexact
        self._sound = [
            _TrackEncoder(self._file, track, is_default=k == 0, bit_exact=bit_exact)
            for k, track in enumerate(sound_tracks)
        ]
        self._is_webvtt = container == "hls"
        kind = "webvtt" if self._is_webvtt else "mov_text"
        self._subtitles = self._file.add_stream(kind) if subtitles else None
        if self._subtitles is not None:
            self._subtitles.codec_context.time_base = Fraction(1, _SUBTITLE_CLOCK_HZ)
            self._subtitles.codec_context.subtitle_header = _SUBTITLE_STYLE.encode()
            self._subtitles.metadata["handler_name"] = self._subtitles.metadata["title"] = subtitles

    def write(
        self, image: np.ndarray | av.VideoFrame, at_s: float | None = None, is_key: bool = False
    ) -> None:
        """Add a picture, (H, W, 3) uint8 RGB or one that FFmpeg decoded, to be shown `at_s` after the start.

        None stands for one tick after the picture before. Times must grow: one that does not is moved to the
        next tick. `is_key`: decoding may begin with it; the encoder decides for the others.
        """
        import av

        colorspace = None
        if isinstance(image, np.ndarray):
            image = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
            colorspace = self._rgb_becomes
        picture = image.reformat(
            width=self.width_px, height=self.height_px, format="yuv420p", dst_colorspace=colorspace
        )
        tick = 0 if at_s is None else round(at_s * self._time_base.denominator / self._time_base.numerator)
        self._last_tick = max(self._last_tick + 1, tick)
        picture.pts, picture.time_base = self._last_tick, self._time_base
        picture.duration = 0  # left from decoding, as is the type
        picture.pict_type = _KEY if is_key else _ANY
        self._file.mux(self._video.encode(picture))

    def write_sound(self, samples: np.ndarray, at_sample: int, track: int = 0) -> None:
        """Add sound to a track; the first sample is the track's sample number `at_sample`.

        `samples` are (N,) or (N, channels), int16 or float32 in [-1, 1], of any length; (N,) goes to every channel.
        Where `at_sample` leaves a gap it becomes silence; what lies before the samples already written is left out.
        Raise ValueError where the file has no such track, or not so many channels.
        """
        if not 0 <= track < len(self._sound):
            raise ValueError(f"this file has no sound track {track}: name it in sound_tracks")
        self._sound[track].write(samples, at_sample)

    def write_subtitle(self, text: str, from_s: float, to_s: float) -> None:
        """Add a text that is to be read between two times after the start; one after another. Lines end with "\\n".

        Raise ValueError where the file has no track for it.
        """
        import av

        if self._subtitles is None:
            raise ValueError("this file has no subtitles: name the track with `subtitles`")
        words = text.encode("utf-8", "replace")
        if not self._is_webvtt:
            words = len(words).to_bytes(2, "big") + words  # a sample as 3GPP TS 26.245 has it
        packet = av.Packet(words)
        packet.stream, packet.time_base = self._subtitles, Fraction(1, _SUBTITLE_CLOCK_HZ)
        packet.pts = packet.dts = round(from_s * _SUBTITLE_CLOCK_HZ)
        packet.duration = max(1, round(to_s * _SUBTITLE_CLOCK_HZ) - packet.pts)
        self._file.mux(packet)

    def __enter__(self) -> H264Writer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self._file.mux(self._video.encode(None))
                for sound in self._sound:
                    sound.flush()
        finally:
            self._file.close()


class _TrackEncoder:
    """Encodes one sound track: gathers samples until the encoder's block is full."""

    def __init__(self, file: OutputContainer, track: SoundTrack, is_default: bool, bit_exact: bool) -> None:
        from av.codec.context import Flags
        from av.stream import Disposition

        self._file, self._track = file, track
        self._layout = "mono" if track.channels == 1 else "stereo"
        self._stream = cast("AudioStream", file.add_stream(track.codec, rate=track.rate_hz))
        self._stream.codec_context.layout = self._layout
        self._stream.metadata["title"] = track.title
        self._stream.metadata["handler_name"] = track.title  # MP4 players show this one
        self._stream.disposition = Disposition.default if is_default else Disposition(0)
        if bit_exact:
            self._stream.codec_context.thread_count = 1
            self._stream.codec_context.flags |= Flags.bitexact
        self._waiting = np.zeros((0, track.channels), np.float32)
        self._encoded = 0  # samples that the encoder has

    def write(self, samples: np.ndarray, at_sample: int) -> None:
        samples = self._shaped(samples)
        gap = at_sample - (self._encoded + len(self._waiting))
        while gap > 0:
            self._add(np.zeros((min(gap, _BLOCK_SAMPLES), self._track.channels), np.float32))
            gap = at_sample - (self._encoded + len(self._waiting))
        self._add(samples[-gap:] if gap < 0 else samples)

    def flush(self) -> None:
        """Encode what is waiting, and end the track."""
        if len(self._waiting):
            self._encode(self._waiting)
            self._waiting = self._waiting[:0]
        self._file.mux(self._stream.encode(None))

    def _shaped(self, samples: np.ndarray) -> np.ndarray:
        """Return (N,) or (N, channels) samples as (N, channels) float32 without NaN."""
        channels = self._track.channels
        if samples.ndim == 1:
            samples = np.broadcast_to(samples[:, None], (len(samples), channels))
        if samples.shape[1:] != (channels,):
            raise ValueError(
                f"sound of shape {samples.shape} for {self._track.title!r}: wanted is (N,) or (N, {channels})"
            )
        if samples.dtype == np.int16:
            return samples.astype(np.float32) / 32768.0
        return np.nan_to_num(samples.astype(np.float32, copy=False), posinf=1.0, neginf=-1.0)

    def _add(self, samples: np.ndarray) -> None:
        """Encode all whole blocks of what is waiting and `samples`, (N, channels) float32; keep the rest."""
        waiting = np.concatenate([self._waiting, samples])
        block = self._block()
        whole = len(waiting) // block * block
        for start in range(0, whole, block):
            self._encode(waiting[start : start + block])
        self._waiting = waiting[whole:].copy()

    def _block(self) -> int:
        """Return how many samples the encoder takes at a time, which it says once it is open."""
        context = self._stream.codec_context
        if not context.is_open:
            self._file.start_encoding()
        return context.frame_size or _BLOCK_SAMPLES

    def _encode(self, samples: np.ndarray) -> None:
        import av

        form = self._stream.codec_context.format
        if form.name.startswith("s16"):
            samples = np.rint(np.clip(samples, -1.0, 1.0) * 32767.0).astype(np.int16)
        shaped = samples.T if form.is_planar else samples.reshape(1, -1)
        name = ("s16" if samples.dtype == np.int16 else "flt") + ("p" if form.is_planar else "")
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(shaped), format=name, layout=self._layout)
        frame.sample_rate = self._track.rate_hz
        frame.pts, frame.time_base = self._encoded, Fraction(1, self._track.rate_hz)
        self._encoded += len(samples)
        self._file.mux(self._stream.encode(frame))
