"""Open what FFmpeg reads, and decode its picture and its sound: the common part of files, streams and devices.

Read with PyAV rather than OpenCV: it gives each frame's own time stamp (variable frame rates, clips without
a declared rate), rotation and aspect, and errors that say what is wrong.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from commentator_lib.media import AudioChunk
from commentator_lib.redact import redact_url
from commentator_lib.sources.base import SourceError
from commentator_lib.sources.colours import SdrConverter, is_beyond_sdr, is_yuv, tag_colours
from commentator_lib.sources.deinterlace import Deinterlacer
from commentator_lib.sources.hls import is_finished, opened_as
from commentator_lib.sources.plain_reasons import plain_reason
from commentator_lib.sources.sound_decoder import WAITING_S, SoundDecoder
from commentator_lib.sources.web import cannot_seek, is_web

if TYPE_CHECKING:
    import av

_DEFAULT_FPS = 25.0
# What stands for an image that nobody wants.
NO_IMAGE = np.zeros((0, 0, 3), np.uint8)
# A declared rate outside this range is ignored: some containers hold such wrong values.
_PLAUSIBLE_FPS = (0.01, 1000.0)
# In a file whose sound is stored behind its picture, so many seconds and packets of pictures wait for it, undecoded.
_LOOK_AHEAD_PACKETS = 1000
# A picture is decoded once so much of the sound after it is there: it is heard without waiting for the next picture.
_SOUND_AFTER_S = 0.25
# Beside a still picture of a file its sound waits; so much of it at the most.
_WAITING_IN_FILE_S = 600.0
# Containers whose header says how long they last; of others, FFmpeg guesses from their last time stamps.
_WITH_LENGTH = ("mov", "matroska", "avi", "asf", "flv", "ogg", "nut", "gif", "apng")


class Pictures(ABC):
    """An open source of pictures: what a file or a live source is read from.

    `shown` is its name without secrets, `fps` its declared rate in frames/s, `duration_s` its length (None: unknown or
    endless), `codec` and `transport` are those of a Source.
    With `wants_images` False, `image` may return an empty image where it returns the decoded picture beside it.
    """

    shown: str
    fps: float = _DEFAULT_FPS
    duration_s: float | None = None
    has_sound: bool = False
    codec: str = ""
    transport: str = ""
    wants_images: bool = True
    is_stored: bool = False  # what comes has been stored before, and comes faster than it was made
    left_out: int = 0  # pictures that it has left out itself
    has_end: bool = False  # its end is its end, and no loss

    @abstractmethod
    def pictures(self) -> Iterator[av.VideoFrame]:
        """Yield pictures as they are decoded; blocking. `pts` is None where a picture has no time stamp.

        Raise av.FFmpegError or ValueError where the source breaks off.
        """

    @abstractmethod
    def image(self, picture: av.VideoFrame) -> tuple[np.ndarray, av.VideoFrame | None]:
        """Return a picture as (H, W, 3) uint8 RGB, upright, with square pixels, and as decoded where it is so, too."""

    def take_sound(self, zero_s: float) -> list[AudioChunk]:
        """Return the sound decoded since the last call; `zero_s` is the time stamp that its times count from."""
        return []

    def has_ended(self) -> bool:
        """Return whether the end that was reached is the source's own, and no loss. It may ask a server."""
        return self.has_end

    def decode_less(self, level: int) -> None:
        """Decode all pictures (0), only those that others need (1), or only key frames (2)."""

    @abstractmethod
    def close(self) -> None:
        """Give back files, sockets and devices; not while another thread reads."""


class OpenVideo(Pictures):
    """Pictures and sound of what FFmpeg reads: a file's `path`, a URL, or a device.

    `address` is what FFmpeg opens, `name` if empty. `sound_track` counts the sound tracks from 0; −1 stands for the
    default one. `look_ahead_s`: for how long pictures wait for sound that is stored behind them. No side of a picture
    is longer than `max_px`. Raise SourceError with `hint` where there is no picture.
    """

    def __init__(
        self,
        name: str,
        max_px: int,
        hint: str,
        address: str = "",
        sound_track: int = -1,
        look_ahead_s: float = 0.0,
        **how_to_open: Any,
    ) -> None:
        import av
        from av.error import FFmpegError

        # 1) Open it, and find its picture.
        self.shown = redact_url(name)
        self._max_px = max_px
        self._address = address or name
        self._options: dict[str, str] = how_to_open.get("options") or {}
        begun_s = time.monotonic()
        to_open, more = opened_as(self._address, self._options)
        self._playlist = to_open
        try:
            self.container = av.open(to_open, **{**how_to_open, **more})
        except (FFmpegError, ValueError, OSError) as error:
            raise SourceError(
                f"{self.shown} {hint} ({plain_reason(error, time.monotonic() - begun_s)})"
            ) from None
        try:
            stream = chosen_picture(self.container.streams, self.shown)
        except SourceError:
            self.container.close()
            raise
        # 2) Up to 1080p one decoding thread costs the least processor time; larger pictures need all cores.
        large = stream.width * stream.height > 1920 * 1088
        stream.thread_type = "AUTO"
        stream.codec_context.thread_count = 0 if large else 1
        self.stream = stream
        self._aspect = (
            1.0  # of the pixels of the last picture; kept, since an image may be asked for after `close`
        )
        self._sdr = SdrConverter()
        # 3) Find its sound, if it has any, and leave the other streams unread.
        self._look_ahead_s = look_ahead_s
        try:
            sound = _sound_stream(self.container, sound_track, stream, self.shown)
        except SourceError:
            self.container.close()
            raise
        self.covered_until_s = self._covered_until_s()
        waiting_s = _WAITING_IN_FILE_S if look_ahead_s else WAITING_S
        self._sound = None if sound is None else SoundDecoder(sound, waiting_s, self.covered_until_s)
        self.has_sound = sound is not None
        for other in self.container.streams:
            if other is not stream and other is not sound and hasattr(other, "discard"):
                other.discard = type(other.discard).all
        self.fps = self._declared_fps()
        profile = getattr(stream.codec_context, "profile", None)
        self.codec = f"{stream.codec_context.name} ({profile})" if profile else stream.codec_context.name
        self.duration_s = seconds(stream.duration, stream.time_base)
        if self.duration_s is None and self.container.duration:
            self.duration_s = self.container.duration / av.time_base

    def _declared_fps(self) -> float:
        for rate in (self.stream.average_rate, self.stream.guessed_rate):
            if rate and _PLAUSIBLE_FPS[0] <= float(rate) <= _PLAUSIBLE_FPS[1]:
                return float(rate)
        return _DEFAULT_FPS

    def _covered_until_s(self) -> float:
        """Return the time stamp until which the file itself says that it lasts; −inf where it does not."""
        import av

        if self.container.format.name.split(",")[0] not in _WITH_LENGTH:
            return float("-inf")
        start_s = max(0.0, seconds(self.stream.start_time, self.stream.time_base) or 0.0)
        length_s = seconds(self.stream.duration, self.stream.time_base)
        if length_s is None and self.container.duration:
            length_s = self.container.duration / av.time_base
        return float("-inf") if length_s is None else start_s + length_s

    @property
    def heard_until_s(self) -> float | None:
        """Return the time stamp up to which sound has been decoded without a leap of its clock; None without sound."""
        return None if self._sound is None else self._sound.heard_until_s

    def undecodable(self) -> str:
        """Return why not even the first picture could be decoded."""
        if is_web(self._address) and cannot_seek(self._address, self._options):
            return (
                f"{self.shown}: the server cannot seek, and the file's index is at its end; download it first"
            )
        return f"{self.shown} holds no picture that can be decoded; it is damaged or cut off"

    def pictures(self) -> Iterator[av.VideoFrame]:
        """Yield whole pictures as FFmpeg decodes them, and decode the sound that is stored between them."""
        whole = Deinterlacer()
        for picture in self._decoded():
            self._aspect = float(self.stream.sample_aspect_ratio or 1)
            tag_colours(picture)
            yield from whole.push(picture)
        yield from whole.flush()

    def _decoded(self) -> Iterator[av.VideoFrame]:
        if self._sound is None:
            yield from self.container.decode(self.stream)
            return
        sound, waiting = self._sound, deque()
        for packet in self.container.demux(self.stream, sound.stream):
            if packet.stream is sound.stream:
                sound.decode(packet)
            else:
                waiting.append(packet)
            while waiting and (packet.size == 0 or self._is_sounded(waiting)):
                yield from waiting.popleft().decode()
        while waiting:
            yield from waiting.popleft().decode()

    def _is_sounded(self, waiting: deque[Any]) -> bool:
        """Return whether the first waiting packet may be decoded: its sound is there, or was waited for enough."""
        assert self._sound is not None
        first_s, last_s = (seconds(packet.dts, packet.time_base) for packet in (waiting[0], waiting[-1]))
        if first_s is None or last_s is None or len(waiting) > _LOOK_AHEAD_PACKETS:
            return True
        behind = self._sound.end_s is None or self._sound.end_s < first_s + _SOUND_AFTER_S
        return not behind or last_s - first_s >= self._look_ahead_s

    def image(self, picture: av.VideoFrame) -> tuple[np.ndarray, av.VideoFrame | None]:
        width, height = picture.width, picture.height
        if 0.2 < self._aspect < 5:
            width = max(1, round(width * self._aspect))
        turns = turns_of(picture)
        beyond_sdr = is_beyond_sdr(picture)
        copied = not turns and width == picture.width and is_yuv(picture) and not beyond_sdr
        upright = picture if copied else None
        if upright is not None and not self.wants_images:
            return NO_IMAGE, upright
        convert = self._sdr.converted if beyond_sdr else _to_rgb
        return upright_rgb(picture, width, height, self._max_px, convert), upright

    def take_sound(self, zero_s: float) -> list[AudioChunk]:
        return [] if self._sound is None else self._sound.take(zero_s)

    def has_ended(self) -> bool:
        is_hls = self.container.format.name == "hls"
        return self.has_end or (is_hls and is_finished(self._playlist, self._options))

    def decode_less(self, level: int) -> None:
        self.stream.codec_context.skip_frame = ("DEFAULT", "NONREF", "NONKEY")[level]

    def close(self) -> None:
        self.container.close()


def turns_of(picture: av.VideoFrame) -> int:
    """Return by how many quarter turns a picture is to be turned to stand upright."""
    return round(getattr(picture, "rotation", 0) / 90) % 4


def _to_rgb(picture: av.VideoFrame, width: int, height: int) -> np.ndarray:
    return picture.reformat(width=width, height=height, format="rgb24").to_ndarray()


def upright_rgb(
    picture: av.VideoFrame,
    width: int,
    height: int,
    max_px: int,
    convert: Callable[[av.VideoFrame, int, int], np.ndarray] = _to_rgb,
) -> np.ndarray:
    """Return a picture as (H, W, 3) uint8 RGB, upright, of a width and height, or smaller: no side above `max_px`."""
    scale = min(1.0, max_px / max(width, height))
    image = convert(picture, max(1, round(width * scale)), max(1, round(height * scale)))
    # Rows of odd widths come padded, and a turned picture is a view: models need a plain array.
    turns = turns_of(picture)
    return np.ascontiguousarray(np.rot90(image, turns) if turns else image)


def chosen_picture(streams: Any, shown: str) -> Any:
    """Return the video stream to show: the default one, of several the largest; a cover is none.

    Raise SourceError where there is none that can be decoded.
    """
    from av.stream import Disposition

    covers = [stream for stream in streams.video if stream.disposition & Disposition.attached_pic]
    pictures = [stream for stream in streams.video if stream not in covers]
    if not pictures:
        held = sorted({stream.type for stream in streams if stream not in covers})
        if not covers:
            raise SourceError(f"{shown} has no picture: what it holds is {', '.join(held) or 'nothing'}")
        sound = "sound and " if "audio" in held else ""
        raise SourceError(f"{shown} holds {sound}a cover, no video")
    decodable = [stream for stream in pictures if stream.codec_context is not None]
    if any(stream.codec_context.name == "webp" and not stream.width for stream in decodable):
        raise SourceError(
            f"{shown} is an animated WebP: FFmpeg here cannot decode this kind; convert it to MP4 or GIF"
        )
    if not decodable:
        raise SourceError(f"{shown} is in a format that FFmpeg cannot decode: convert it to H.264")
    default = [stream for stream in decodable if stream.disposition & Disposition.default]
    return max(default or decodable, key=lambda stream: stream.width * stream.height)


def _sound_stream(container: Any, track: int, picture: Any, shown: str) -> Any:
    """Return a container's sound track; None without sound. Raise SourceError for a number too high."""
    tracks = container.streams.audio
    if track >= len(tracks):
        held = "no sound track" if not tracks else f"{len(tracks)} sound tracks, counted from 0"
        raise SourceError(f"{shown} has {held}: sound_track={track} is not one of them")
    stream = tracks[track] if track >= 0 else container.streams.best("audio", related=picture)
    return None if stream is None or stream.codec_context is None else stream


def seconds(value, time_base) -> float | None:
    """Return a time stamp in seconds; None where there is none."""
    return None if value is None or time_base is None else float(value * time_base)
