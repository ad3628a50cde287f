"""Several clips as one source, each once or over and over."""

from __future__ import annotations

import itertools
from pathlib import Path

from commentator_lib.media import Frame
from commentator_lib.sources.base import Source, SourceError, SourceInfo
from commentator_lib.sources.video import FileSource


class Playlist(Source):
    """Plays several clips one after another: over and over until `duration_s` if it is given, else each once.

    Clips may differ in size and rate. Frame numbers and times go on from clip to clip. Raise SourceError where one of
    them is no video.
    """

    def __init__(self, paths: list[str], duration_s: float | None = None, max_px: int = 1280) -> None:
        if not paths:
            raise SourceError("no clip given")
        self._duration_s = duration_s
        self._max_px = max_px
        self._skipped = 0
        # Open each once before anything is played, so that a bad one is reported at once.
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
