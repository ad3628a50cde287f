"""Video that FFmpeg reads: files, network streams and cameras.

Read with PyAV rather than OpenCV: it gives each frame's own time stamp (variable frame rates, clips without
a declared rate), rotation and aspect, and errors that say what is wrong.
"""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from commentator_lib.media import Frame
from commentator_lib.redact import redact_url
from commentator_lib.sources.base import Source, SourceError, SourceInfo

_DEFAULT_FPS = 25.0
# A declared rate outside this range is ignored: some containers hold such wrong values.
_PLAUSIBLE_FPS = (0.01, 1000.0)
_OPEN_TIMEOUT_S, _READ_TIMEOUT_S = 10.0, 5.0
# A gap in the time stamps longer than this is a fault of the file, not a pause of the picture.
_LONGEST_GAP_S = 10.0
# A file whose pictures end this many seconds before its declared length is cut off.
_MISSING_S = 0.5


class VideoSource(Source):
    """Reads with FFmpeg, frame by frame: the common part of files, streams and devices.

    Raise SourceError with `hint` where there is no picture. A source that breaks off is played up to there, and
    `problem` says why.
    """

    def __init__(self, name: str, max_px: int, hint: str, address: str = "", **how_to_open) -> None:
        import av
        from av.error import FFmpegError

        # 1) Open it, and find its picture.
        shown = redact_url(name)
        self.count, self.end_s = 0, 0.0  # frames decoded, and the media time after the last of them
        self._max_px = max_px
        try:
            self._container = av.open(address or name, **how_to_open)
        except (FFmpegError, ValueError, OSError) as error:
            raise SourceError(f"{shown} {hint} ({_reason(error)})") from None
        if not self._container.streams.video:
            kinds = ", ".join(sorted({s.type for s in self._container.streams})) or "nothing"
            self._container.close()
            raise SourceError(f"{shown} has no picture: what it holds is {kinds}")
        stream = self._container.streams.video[0]
        if stream.codec_context is None:
            self._container.close()
            raise SourceError(f"{shown} is in a format that FFmpeg cannot decode: convert it to H.264")
        # 2) Up to 1080p one decoding thread costs the least processor time; larger pictures need all cores.
        large = stream.width * stream.height > 1920 * 1088
        stream.thread_type = "AUTO"
        stream.codec_context.thread_count = 0 if large else 1
        self._stream = stream
        # 3) Decode the first frame, which shows that there is one, and its size.
        self._frames = self._decode()
        first = next(self._frames, None)
        if first is None:
            self.close()
            raise SourceError(f"{shown} holds no picture that can be decoded; it is damaged or cut off")
        self._frames = itertools.chain([first], self._frames)
        duration = _seconds(stream.duration, stream.time_base)
        if duration is None and self._container.duration:
            duration = self._container.duration / av.time_base
        height, width = first.image.shape[:2]
        self.info = SourceInfo(shown, width, height, self._fps(), duration, live=False)

    def _fps(self) -> float:
        for rate in (self._stream.average_rate, self._stream.guessed_rate):
            if rate and _PLAUSIBLE_FPS[0] <= float(rate) <= _PLAUSIBLE_FPS[1]:
                return float(rate)
        return _DEFAULT_FPS

    def _decode(self) -> Iterator[Frame]:
        from av.error import FFmpegError

        step_s = 1.0 / self._fps()
        zero_s = None
        shift_s = 0.0
        last_s = -step_s
        shown_s = 0.0
        index = 0
        self._not_before_s = 0.0
        try:
            for picture in self._container.decode(self._stream):
                # 1) Its media time from 0 on; a frame without one follows the one before by the nominal step.
                time_s = _seconds(picture.pts, picture.time_base)
                if time_s is None:
                    time_s = last_s + step_s - shift_s + (zero_s or 0.0)
                zero_s = time_s if zero_s is None else zero_s
                pts_s = time_s - zero_s + shift_s
                if not last_s < pts_s <= last_s + _LONGEST_GAP_S:
                    # Time stamps that run backwards or leap are replaced by the nominal step.
                    shift_s += last_s + step_s - pts_s
                    pts_s = last_s + step_s
                last_s = pts_s
                # 2) Convert it to RGB only if it is wanted.
                if pts_s < self._not_before_s - 1e-9:
                    self.skipped += 1
                else:
                    yield Frame(index, pts_s, float("nan"), self._image(picture))
                index += 1
                self.count, self.end_s = index, pts_s + step_s
                shown_s = max(step_s, _seconds(picture.duration, picture.time_base) or 0.0)
            # 3) At the end, check whether the video is as long as declared.
            length_s = self._declared_s()
            if index and length_s is not None and not shift_s:
                missing_s = length_s - (max(0.0, zero_s or 0.0) + last_s + shown_s)
                if missing_s > max(_MISSING_S, 2 * step_s):
                    self.problem = f"the source breaks off after {last_s:.1f} s of {length_s:.1f} s"
        except (FFmpegError, ValueError) as error:
            self.problem = f"the source breaks off after {max(0.0, last_s):.1f} s ({_reason(error)})"

    def _declared_s(self) -> float | None:
        """Return the picture's length as the file states it; None where only sound and picture together have one."""
        stream = self._stream
        if stream.duration is not None:
            return _seconds(stream.duration, stream.time_base)
        if clock := re.fullmatch(r"(\d+):(\d\d):(\d\d\.\d+)", stream.metadata.get("DURATION", "")):
            return int(clock[1]) * 3600 + int(clock[2]) * 60 + float(clock[3])
        return None

    def _image(self, picture) -> np.ndarray:
        """Return a picture as (H, W, 3) uint8 RGB, upright, with square pixels, no side longer than `max_px`."""
        width, height = picture.width, picture.height
        aspect = self._stream.sample_aspect_ratio
        if aspect and 0.2 < float(aspect) < 5:
            width = max(1, round(width * float(aspect)))
        scale = min(1.0, self._max_px / max(width, height))
        width, height = max(1, round(width * scale)), max(1, round(height * scale))
        image = picture.reformat(width=width, height=height, format="rgb24").to_ndarray()
        turns = round(getattr(picture, "rotation", 0) / 90) % 4
        # Rows of odd widths come padded, and a turned picture is a view: models need a plain array.
        return np.ascontiguousarray(np.rot90(image, turns) if turns else image)

    def read(self, not_before_s: float = 0.0) -> Frame | None:
        self._not_before_s = not_before_s
        frame = next(self._frames, None)
        if frame is not None and frame.pts_s < not_before_s - 1e-9:  # the first, decoded on opening
            self.skipped += 1
            frame = next(self._frames, None)
        return frame

    def close(self) -> None:
        self._container.close()


class FileSource(VideoSource):
    """One video file. Raise SourceError when it is missing, empty, no video or cut off at its beginning."""

    def __init__(self, path: str | Path, max_px: int = 1280) -> None:
        _check_file(Path(path))
        # "file:" keeps FFmpeg from taking "12:30.mp4" for a protocol called 12.
        super().__init__(
            str(path), max_px, "is not a video that can be read, or it is cut off", f"file:{path}"
        )


class StreamSource(VideoSource):
    """A network stream or a camera, whose frames come at their own time; each is stamped when it is read.

    `name` is a URL, or a device with its FFmpeg `container_format`. A URL with a length is a file on a server and is
    played at the pace of its times. A stream that breaks off ends with the reason in `problem`; it is not opened again.
    """

    def __init__(self, name: str, max_px: int = 1280, container_format: str | None = None) -> None:
        super().__init__(
            name,
            max_px,
            "cannot be opened",
            format=container_format,
            timeout=(_OPEN_TIMEOUT_S, _READ_TIMEOUT_S),
        )
        # FFmpeg gives some endless streams a length of next to nothing.
        endless = container_format is not None or not self.info.duration_s or self.info.duration_s < 0.1
        if endless:
            self.info = dataclasses.replace(self.info, duration_s=None, live=True)


def _check_file(path: Path) -> None:
    if not path.exists():
        raise SourceError(f"no such file: {path}")
    if path.is_dir():
        raise SourceError(f"{path} is a folder: name a video file in it")
    if not path.is_file():  # opening a pipe would wait for its writer
        raise SourceError(f"{path} is not a file: save the video to a file first")
    try:
        with open(path, "rb") as file:
            if not file.read(1):
                raise SourceError(f"{path} is empty")
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror}") from None


def _seconds(value, time_base) -> float | None:
    return None if value is None or time_base is None else float(value * time_base)


def _reason(error: Exception) -> str:
    """Return FFmpeg's words without its error number and the path."""
    return (getattr(error, "strerror", None) or str(error)).strip().rstrip(".")
