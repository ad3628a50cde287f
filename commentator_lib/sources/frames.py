"""Pictures of a program as a source: a list, an array or a generator of them.

LiveSession(FramesSource(my_frames(), fps=10))
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterable, Sized

import numpy as np

from commentator_lib.errors import named_first_line
from commentator_lib.media import Frame
from commentator_lib.sources.base import Source, SourceError, SourceInfo, check_image


class FramesSource(Source):
    """Plays `frames`, each a (H, W, 3) uint8 RGB array or a Frame; an array of (N, H, W, 3) is N frames.

    Arrays are shown at `fps` frames a second; Frames keep their own `pts_s`. `duration_s` ends the source earlier. A
    generator may block, for example on a camera: the picture then waits for it. Raise SourceError where there is no
    frame, or where the first one is not such a picture.
    """

    def __init__(
        self,
        frames: Iterable[np.ndarray | Frame],
        fps: float = 25.0,
        duration_s: float | None = None,
        spec: str = "frames",
    ) -> None:
        if not 0 < fps < math.inf:
            raise SourceError(f"{fps:g} frames a second cannot be played: give a number above 0")
        if isinstance(frames, np.ndarray) and frames.ndim != 4:
            raise SourceError(
                f"the frames are an array of shape {frames.shape}; wanted is (N, height, width, 3) uint8 RGB"
                + (": [image] makes frames of one picture" if frames.ndim == 3 else "")
            )
        self._frames = iter(frames)
        try:
            self._ahead: np.ndarray | Frame | None = next(self._frames, None)
        except SourceError:
            raise
        except Exception as error:  # code of others, which may fail in any way
            raise SourceError(f"the first frame cannot be read: {named_first_line(error)}") from error
        if self._ahead is None:
            raise SourceError("no frame was given")
        timed = isinstance(self._ahead, Frame)
        image = self._ahead.image if isinstance(self._ahead, Frame) else self._ahead
        check_image(image)
        length_s = len(frames) / fps if isinstance(frames, Sized) and not timed else None
        if duration_s is not None:
            length_s = duration_s if length_s is None else min(length_s, duration_s)
        height, width = image.shape[:2]
        self.info = SourceInfo(spec, width, height, fps, length_s, live=False)
        self._duration_s = duration_s
        self._first_pts_s = self._ahead.pts_s if isinstance(self._ahead, Frame) else 0.0
        self._index = 0

    def read(self, not_before_s: float = 0.0) -> Frame | None:
        while (item := self._next()) is not None:
            if isinstance(item, Frame):
                frame = Frame(self._index, item.pts_s, math.nan, item.image)
            else:
                frame = Frame(self._index, self._index / self.info.fps, math.nan, item)
            if self._duration_s is not None and frame.pts_s - self._first_pts_s >= self._duration_s - 1e-9:
                return None
            self._index += 1
            if frame.pts_s >= not_before_s - 1e-9:
                return frame
            self.skipped += 1
        return None

    def _next(self) -> np.ndarray | Frame | None:
        item, self._ahead = self._ahead, None
        return item if item is not None else next(self._frames, None)

    def close(self) -> None:
        if isinstance(self._frames, Generator):
            self._frames.close()
