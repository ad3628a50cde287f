"""Several clips as one source, each once or over and over, and the files that list them."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Sequence
from pathlib import Path

from commentator_lib.media import AudioChunk, Frame
from commentator_lib.sources.base import Source, SourceError, SourceInfo
from commentator_lib.sources.decoding import OpenVideo, seconds
from commentator_lib.sources.video import FileSource, VideoSource, open_file

logger = logging.getLogger(__name__)

# A list of clips is no longer than this.
_LIST_MAX_BYTES = 4 << 20
# A key frame before a time is looked for so far back, one after another, among so many packets.
_BACK_S, _KEY_FRAME_PACKETS = (0.0, 2.0, 6.0, 20.0), 2000


class Playlist(Source):
    """Plays clips one after another: over and over until `duration_s`, or without end (`loop`), else each once.

    Clips may differ in size and rate. Frame numbers and times go on from clip to clip, and count from where it begins:
    the first `start_s` seconds are left out. Raise SourceError where one of them is no video.
    """

    def __init__(
        self,
        paths: list[str],
        duration_s: float | None = None,
        max_px: int = 1280,
        sound_track: int = -1,
        start_s: float = 0.0,
        loop: bool = False,
    ) -> None:
        if not paths:
            raise SourceError("no clip given")
        self._duration_s = duration_s
        self._max_px, self._sound_track = max_px, sound_track
        self._skipped = 0
        # Open each once before anything is played, so that a bad one is reported at once.
        infos = []
        for path in paths:
            clip = FileSource(path, max_px, sound_track)
            infos.append(clip.info)
            self.codec = self.codec or clip.codec
            self.decoded = self.decoded or clip.decoded  # whose colours an export has
            clip.close()
        lengths_s = [info.duration_s for info in infos]
        begin, self._from_s = _place_of(lengths_s, start_s)
        spec = paths[0] if len(paths) == 1 else " + ".join(Path(p).name for p in paths)
        if begin == len(paths):
            total_s = sum(filter(None, lengths_s))
            raise SourceError(f"{spec} is {total_s:.1f} s long: it cannot be started at {start_s:g} s")
        length_s = duration_s
        if length_s is None and not loop and all(lengths_s):
            length_s = sum(filter(None, lengths_s)) - start_s
        first = infos[begin]
        width, height = max(i.width for i in infos), max(i.height for i in infos)
        has_sound = any(info.has_sound for info in infos)
        self.info = SourceInfo(spec, width, height, first.fps, length_s, live=False, has_sound=has_sound)
        again = itertools.cycle(paths) if loop or duration_s is not None else ()
        self._order = itertools.chain(paths[begin:], again)
        self._clip: VideoSource | None = None
        self._ahead: Frame | None = None  # the first frame of a clip that does not begin at its beginning
        self._clip_from_s = 0.0
        self._sound: list[AudioChunk] = []  # of the present clip, with its times
        self._given: list[AudioChunk] = []  # with the playlist's times
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
                self._open(path)
            assert self._clip is not None
            self._clip.wants_images = self.wants_images
            frame, self._ahead = self._ahead, None
            if frame is None:
                frame = self._clip.read(min(not_before_s, self._duration_s or not_before_s) - self._offset_s)
            self.decoded = self._clip.decoded
            self._sound += self._clip.read_sound()
            if frame is None:
                self.problem = self.problem or self._clip.problem
                self._skipped += self._clip.skipped
                self._index = self._first_index + self._clip.count
                self._next_s = self._offset_s + self._clip.end_s
                # The clip's sound ends with its picture: the next clip's begins there.
                self._sound = [_until(chunk, self._clip.end_s) for chunk in self._sound]
                self._give_sound()
                self._clip.close()
                self._clip = None
                continue
            self._give_sound()
            pts_s = self._offset_s + frame.pts_s
            if self._over(pts_s):
                return None
            return Frame(self._first_index + frame.index, pts_s, frame.captured_at_s, frame.image)

    def _open(self, path: str) -> None:
        """Open the next clip; the first one of all where it is to begin."""
        from_s, self._from_s = self._from_s, 0.0
        self._first_index = self._index
        self._clip_from_s = 0.0
        if from_s:
            self._clip, self._clip_from_s = open_clip_at(path, from_s, self._max_px, self._sound_track)
            self._clip.wants_images = self.wants_images
            self._ahead = self._clip.read(self._clip_from_s)
            self._skipped -= self._clip.skipped  # these were not wanted
            if self._ahead is not None:
                self._first_index -= self._ahead.index
        else:
            self._clip = FileSource(path, self._max_px, self._sound_track)
        self._offset_s = self._next_s - self._clip_from_s

    def _give_sound(self) -> None:
        """Move the present clip's sound to what `read_sound` returns, with the playlist's times."""
        for chunk in self._sound:
            chunk = _from(chunk, self._clip_from_s)
            if len(chunk.samples):
                from_s = (chunk.from_s or 0.0) + self._offset_s
                self._given.append(AudioChunk(chunk.samples, chunk.sample_rate_hz, from_s))
        self._sound = []

    def read_sound(self) -> list[AudioChunk]:
        given, self._given = self._given, []
        return given

    def _over(self, pts_s: float) -> bool:
        return self._duration_s is not None and pts_s >= self._duration_s - 1e-6

    def close(self) -> None:
        if self._clip is not None:
            self._clip.close()


def _until(chunk: AudioChunk, end_s: float) -> AudioChunk:
    """Return the part of a chunk before a time."""
    count = max(0, round((end_s - (chunk.from_s or 0.0)) * chunk.sample_rate_hz))
    return AudioChunk(chunk.samples[:count], chunk.sample_rate_hz, chunk.from_s)


def _from(chunk: AudioChunk, start_s: float) -> AudioChunk:
    """Return the part of a chunk from a time on."""
    from_s = chunk.from_s or 0.0
    count = max(0, min(len(chunk.samples), round((start_s - from_s) * chunk.sample_rate_hz)))
    return AudioChunk(chunk.samples[count:], chunk.sample_rate_hz, from_s + count / chunk.sample_rate_hz)


def _place_of(lengths_s: Sequence[float | None], start_s: float) -> tuple[int, float]:
    """Return the clip in which a time of a playlist lies, and the time in it; a clip of unknown length has no end.

    >>> _place_of([10.0, 5.0], 12.0)
    (1, 2.0)
    """
    for k, length_s in enumerate(lengths_s):
        if length_s is None or start_s < length_s:
            return k, start_s
        start_s -= length_s
    return len(lengths_s), start_s


def open_clip_at(
    path: str, from_s: float, max_px: int = 1280, sound_track: int = -1
) -> tuple[VideoSource, float]:
    """Return a clip that is read from a key frame before a time on, and that time counted from this frame.

    Where FFmpeg cannot seek in it, it is read from its beginning. Raise SourceError where it is no video.
    """
    video = open_file(path, max_px, "cannot be read", sound_track)
    begins_s = seconds(video.stream.start_time, video.stream.time_base) or 0.0
    key_s = _seek(video, begins_s + from_s)
    if key_s is None:
        logger.info("%s is read from its beginning: FFmpeg cannot seek in it", path)
        video.close()
        video = open_file(path, max_px, "cannot be read", sound_track)
        key_s = begins_s
    return VideoSource(video), begins_s + from_s - key_s


def _seek(video: OpenVideo, at_s: float) -> float | None:
    """Go to a key frame at or before a time stamp, and return its own; None where that fails.

    In some containers, as MPEG-TS, FFmpeg finds the time and no key frame: the next one before is looked for.
    """
    from av.error import FFmpegError

    stream, container = video.stream, video.container
    for back_s in _BACK_S:
        target = round((at_s - back_s) / stream.time_base)
        try:
            container.seek(target, stream=stream)
            packets = itertools.islice(container.demux(stream), _KEY_FRAME_PACKETS)
            key = next((packet for packet in packets if packet.is_keyframe and packet.pts is not None), None)
            key_s = None if key is None else seconds(key.pts, key.time_base)
            if key_s is not None and key_s <= at_s + 1e-3:
                container.seek(target, stream=stream)
                return min(key_s, at_s)
        except FFmpegError as error:
            logger.debug("seeking to %.1f s: %s", at_s - back_s, error)
    return None


def listed_clips(path: str | Path) -> list[str] | None:
    """Return the names in a playlist file (.m3u, .m3u8, or a text with one a line); None where it is none.

    Names are relative to the file's folder. HLS playlists, which FFmpeg plays itself, are none. Raise SourceError for a
    file that cannot be read, or that lists nothing.
    """
    path = Path(path)
    if path.suffix.lower() not in (".m3u", ".m3u8", ".txt") or not path.is_file():
        return None
    try:
        with open(path, "rb") as file:
            data = file.read(_LIST_MAX_BYTES)
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror}") from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")  # as .m3u was before
    if "#EXT-X-" in text:
        return None
    lines = [line.strip() for line in text.splitlines()]
    names = [line for line in lines if line and not line.startswith("#")]
    if not names:
        raise SourceError(f"{path} lists no clips")
    return [_beside(path.parent, name) for name in names]


def _beside(folder: Path, name: str) -> str:
    """Return a listed name as it is seen from here."""
    if "://" in name:
        return name
    if not (folder / name).exists() and "\\" in name:
        name = name.replace("\\", "/")  # a list from Windows
    return str(folder / name)
