"""Video files: read frame by frame at the pace of their time stamps, mended where those are wrong."""

from __future__ import annotations

import itertools
import re
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from commentator_lib.media import AudioChunk, Frame
from commentator_lib.sources.base import Source, SourceError, SourceInfo
from commentator_lib.sources.decoding import OpenVideo, seconds
from commentator_lib.sources.plain_reasons import plain_reason
from commentator_lib.sources.timeline import Timeline

# Where nothing changes for longer than this, the picture is shown again at this interval: sound and watchers go on.
_STILL_FROM_S, _STILL_STEP_S = 2.0, 0.5
# A file with one picture is shown for so long.
ONE_PICTURE_S = 5.0
# Sound that lies further ahead of the picture is given later.
_SOUND_AHEAD_S = 2.0
# A file whose pictures end this many seconds before its declared length is cut off.
_MISSING_S = 0.5
# So long do pictures of a file wait for sound that is stored behind them.
_LOOK_AHEAD_S = 4.0


class VideoSource(Source):
    """A video of known length, which FFmpeg reads: a file, or one on a server.

    Raise SourceError where there is no picture. A video that breaks off is played up to there, and `problem` says why.
    """

    # Where nothing changes, the picture is given again; not by who numbers the frames himself.
    repeats_stills = True

    def __init__(self, video: OpenVideo) -> None:
        self.count, self.end_s = 0, 0.0  # frames given or skipped, and the media time after the last of them
        self._video, self.codec = video, video.codec
        self._step_s = 1.0 / video.fps
        self._times = Timeline(self._step_s, video.covered_until_s)
        self._not_before_s = 0.0
        self._is_alone = False  # the file has one picture
        self._sound: deque[AudioChunk] = deque()
        self._sound_until_s = 0.0  # sound up to here may be given
        # Decode the first frame, which shows that there is one, and its size.
        self._frames = self._decode()
        first = next(self._frames, None)
        if first is None:
            why = video.undecodable()
            self.close()
            raise SourceError(why)
        self._frames = itertools.chain([first], self._frames)
        height, width = first.image.shape[:2]
        fps, length_s = video.fps, video.duration_s
        if self._is_alone:
            fps, length_s = 1 / _STILL_STEP_S, self.end_s
        self.info = SourceInfo(
            video.shown, width, height, fps, length_s, live=False, has_sound=video.has_sound
        )

    def _decode(self) -> Iterator[Frame]:
        """Yield the frames, and note at the end whether the video is as long as declared."""
        from av.error import FFmpegError

        before = None
        try:
            for picture, following in self._with_next():
                # 1) Until it comes, the one before is shown.
                last_s = self._times.last_s
                shown_for_s = seconds(picture.duration, picture.time_base) or 0.0
                at_s = self._times.place(
                    seconds(picture.pts, picture.time_base),
                    shown_for_s,
                    None if following is None else seconds(following.pts, following.time_base),
                    self._video.heard_until_s,
                )
                if before is not None and last_s is not None:
                    yield from self._stills(before, last_s, at_s)
                # 2) The picture itself, and how long it lasts where it is the last one.
                self.end_s = at_s + self._step_s
                if following is None and self.repeats_stills:
                    self._is_alone = not (before or self.problem or self._missing_s(shown_for_s))
                    self.end_s = max(self.end_s, self._lasts_until_s(at_s + shown_for_s))
                yield from self._frame(picture, at_s)
                before = picture
            if before is not None and self._times.last_s is not None:
                yield from self._stills(before, self._times.last_s, self.end_s)
                shown_for_s = seconds(before.duration, before.time_base) or 0.0
                if self._missing_s(shown_for_s):
                    last_s, length_s = self._times.last_s, self._declared_s()
                    self.problem = f"the source breaks off after {last_s:.1f} s of {length_s:.1f} s"
        except (FFmpegError, ValueError) as error:
            last_s = self._times.last_s or 0.0
            self.problem = f"the source breaks off after {last_s:.1f} s ({plain_reason(error)})"

    def _with_next(self) -> Iterator[tuple[Any, Any]]:
        """Yield each picture with the one after it, None for the last; raise only after that why there are no more."""
        from av.error import FFmpegError

        before = broken = None
        try:
            for picture in self._video.pictures():
                if before is not None:
                    yield before, picture
                before = picture
        except (FFmpegError, ValueError) as error:
            broken = error
            if before is not None:
                self.problem = "the source breaks off"  # so that the last picture is not taken for a still
        if before is not None:
            yield before, None
        if broken is not None:
            raise broken

    def _frame(self, picture: Any, at_s: float) -> Iterator[Frame]:
        """Yield the frame of a picture; nothing if it is not wanted any more. RGB is made only of what is wanted."""
        index = self.count
        self.count += 1
        if at_s < self._not_before_s - 1e-9:
            self.skipped += 1
            return
        self._video.wants_images = self.wants_images
        image, self.decoded = self._video.image(picture)
        yield Frame(index, at_s, float("nan"), image)

    def _stills(self, picture: Any, from_s: float, to_s: float) -> Iterator[Frame]:
        """Yield a picture again and again, from after it was shown at `from_s` until `to_s`, if that is long."""
        if not self.repeats_stills or to_s - from_s <= max(_STILL_FROM_S, 1.5 * self._step_s):
            return
        for k in range(1, round((to_s - from_s) / _STILL_STEP_S)):
            yield from self._frame(picture, from_s + k * _STILL_STEP_S)

    def _lasts_until_s(self, own_end_s: float) -> float:
        """Return the media time until which the last picture is shown, by its own duration and the file's length."""
        if self.problem:
            return 0.0
        zero_s = self._times.zero_s
        until_s = min(own_end_s, self._video.covered_until_s - zero_s)
        if self._is_alone:
            until_s = max(until_s, ONE_PICTURE_S, (self._video.heard_until_s or 0.0) - zero_s)
        return until_s

    def _missing_s(self, shown_for_s: float) -> float:
        """Return by how much the video is shorter than declared if its last picture is shown so long; 0: it is not."""
        length_s = self._declared_s()
        if length_s is None or self._times.mended:
            return 0.0
        end_s = max(0.0, self._times.zero_s) + (self._times.last_s or 0.0) + max(self._step_s, shown_for_s)
        missing_s = length_s - end_s
        return missing_s if missing_s > max(_MISSING_S, 2 * self._step_s) else 0.0

    def read_sound(self) -> list[AudioChunk]:
        self._sound.extend(self._video.take_sound(self._times.zero_s))
        given: list[AudioChunk] = []
        while self._sound and (self._sound[0].from_s or 0.0) <= self._sound_until_s:
            given.append(self._sound.popleft())
        return given

    def _declared_s(self) -> float | None:
        """Return the picture's length as the file states it; None where only sound and picture together have one."""
        stream = self._video.stream
        if stream.duration is not None:
            return seconds(stream.duration, stream.time_base)
        if clock := re.fullmatch(r"(\d+):(\d\d):(\d\d\.\d+)", stream.metadata.get("DURATION", "")):
            return int(clock[1]) * 3600 + int(clock[2]) * 60 + float(clock[3])
        return None

    def read(self, not_before_s: float = 0.0) -> Frame | None:
        self._not_before_s = not_before_s
        frame = next(self._frames, None)
        if frame is not None and frame.pts_s < not_before_s - 1e-9:  # the first, decoded on opening
            self.skipped += 1
            frame = next(self._frames, None)
        self._sound_until_s = float("inf")
        if frame is not None and self.repeats_stills:
            self._sound_until_s = frame.pts_s + _SOUND_AHEAD_S
        return frame

    def close(self) -> None:
        self._video.close()


class FileSource(VideoSource):
    """One video file. Raise SourceError when it is missing, empty, no video or cut off at its beginning."""

    def __init__(self, path: str | Path, max_px: int = 1280, sound_track: int = -1) -> None:
        _check_file(Path(path))
        hint = "is not a video that can be read, or it is cut off"
        super().__init__(open_file(path, max_px, hint, sound_track))


def open_file(
    path: str | Path, max_px: int, hint: str, sound_track: int = -1, options: dict[str, str] | None = None
) -> OpenVideo:
    """Return an open video file; `options` are FFmpeg's. Raise SourceError with `hint` where it is none."""
    # "file:" keeps FFmpeg from taking "12:30.mp4" for a protocol called 12.
    address = f"file:{path}"
    return OpenVideo(str(path), max_px, hint, address, sound_track, _LOOK_AHEAD_S, options=options)


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
