"""Write H.264 video files: recordings of a source, exported runs, synthetic clips and measurements.

Options are FFmpeg's own (libx264's for the encoder, the muxer's for the container), so that each caller can choose
what matters for its file: its size, that it is readable after a kill, or that it has the same bytes each time. A file
can hold one sound track beside the picture.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import av

_AAC_FRAME_SAMPLES = 1024


class H264Writer:
    """Writes pictures of one size into an H.264 file, with sound if wanted; a context manager.

        with H264Writer(path, 640, 360, fps=25, encoder={"preset": "fast", "crf": "21"}) as video:
            video.write(image)

    `width_px` and `height_px` must be even (the pixels are yuv420p); pictures of another size are scaled.
    `time_base` is one tick of a picture's time in seconds, one picture of `fps` if None. `container` names the
    muxer, None chooses by the file's name. `encoder` are options of libx264, `muxer` of the container.
    `bit_exact` leaves dates and versions out and encodes on one thread: the same pictures give the same bytes.
    `sound_rate_hz` adds a mono AAC track. The file is complete only after the block has ended without an error.

    Raise OSError or av.FFmpegError in `write` or at the block's end where the file cannot be written: the file is
    opened with the first packet.
    """

    def __init__(
        self,
        path: Path,
        width_px: int,
        height_px: int,
        fps: int,
        *,
        encoder: Mapping[str, str],
        muxer: Mapping[str, str] | None = None,
        container: str | None = None,
        time_base: Fraction | None = None,
        bit_exact: bool = False,
        sound_rate_hz: int | None = None,
    ) -> None:
        import av
        from av.codec.context import Flags

        self.width_px, self.height_px = width_px, height_px
        self._time_base = time_base or Fraction(1, fps)
        self._last_tick = -1
        muxer = {**(muxer or {}), **({"fflags": "+bitexact"} if bit_exact else {})}
        self._file = av.open(str(path), "w", format=container, container_options=muxer)
        self._video = self._file.add_stream("libx264", rate=fps, options=dict(encoder))
        self._video.width, self._video.height, self._video.pix_fmt = width_px, height_px, "yuv420p"
        self._video.codec_context.time_base = self._time_base
        if bit_exact:
            self._video.codec_context.thread_count = 1
            self._video.codec_context.flags |= Flags.bitexact
        self._sound_rate_hz = sound_rate_hz
        self._sound = None
        if sound_rate_hz is not None:
            self._sound = self._file.add_stream("aac", rate=sound_rate_hz, layout="mono")

    def write(self, image: np.ndarray | av.VideoFrame, at_s: float | None = None) -> None:
        """Add a picture, (H, W, 3) uint8 RGB or one that FFmpeg decoded, to be shown `at_s` after the start.

        None stands for one tick after the picture before. Times must grow: one that does not is moved to the
        next tick.
        """
        import av

        if isinstance(image, np.ndarray):
            image = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
        picture = image.reformat(width=self.width_px, height=self.height_px, format="yuv420p")
        tick = 0 if at_s is None else round(at_s * self._time_base.denominator / self._time_base.numerator)
        self._last_tick = max(self._last_tick + 1, tick)
        picture.pts, picture.time_base = self._last_tick, self._time_base
        self._file.mux(self._video.encode(picture))

    @property
    def sound_block(self) -> int:
        """How many samples the sound's encoder takes at a time."""
        return (self._sound.codec_context.frame_size if self._sound else 0) or _AAC_FRAME_SAMPLES

    def write_sound(self, samples: np.ndarray, at_sample: int) -> None:
        """Add sound, (N,) int16, whose first sample is the file's sample number `at_sample`."""
        import av

        if self._sound is None or self._sound_rate_hz is None:
            raise ValueError("this file has no sound track: give sound_rate_hz")
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = self._sound_rate_hz
        frame.pts, frame.time_base = at_sample, Fraction(1, self._sound_rate_hz)
        self._file.mux(self._sound.encode(frame))

    def __enter__(self) -> H264Writer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self._file.mux(self._video.encode(None))
                if self._sound is not None:
                    self._file.mux(self._sound.encode(None))
        finally:
            self._file.close()
