"""One source in place of another while a run goes on."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from commentator_lib.media import AudioChunk, Frame
from commentator_lib.sources.base import Foreseen, LiveStats, Source, SourceInfo, check_frame


class SwitchingSource(Source):
    """Gives the frames of one source, and after `switch` those of another. Frame numbers go on.

    `part` counts the sources from 1 on; media times are each source's own. `switch` may be called from any thread.
    """

    def __init__(self, first: Source) -> None:
        self.part = 1
        self._now = first
        self._next: Source | None = None
        self._lock = threading.Lock()
        self._first_index = 0  # of the present part
        self._index = -1  # of the last frame
        self._skipped = 0  # by the parts before
        self._outages: list[tuple[float, float, str]] = []  # of the parts before

    def switch(self, to: Source) -> None:
        """Go on with another source from the next frame on; one that was to come next is closed."""
        with self._lock:
            before, self._next = self._next, to
        if before is not None:
            before.close()
        self._now.interrupt()

    def read(self, not_before_s: float = 0.0) -> Frame | None:
        while True:
            with self._lock:
                coming, self._next = self._next, None
            if coming is not None:
                self._go_on_with(coming)
                not_before_s = 0.0
            self._now.wants_images = self.wants_images
            frame = self._now.read(not_before_s)
            if frame is None and self._next is not None:
                continue
            if frame is None:
                return None
            if self.wants_images:
                check_frame(frame)  # a class of somebody else may return anything
            self.decoded = self._now.decoded
            self._index = self._first_index + frame.index
            return Frame(self._index, frame.pts_s, frame.captured_at_s, frame.image)

    def _go_on_with(self, coming: Source) -> None:
        self._skipped += self._now.skipped
        self._outages += self._now.outages
        self._now.close()
        self._now, self._first_index = coming, self._index + 1
        self.part += 1

    def foreseen(self) -> Foreseen | None:
        # A class that overrides `read` alone gives other frames than its base class foresees.
        owner = next(cls for cls in type(self._now).__mro__ if "read" in vars(cls) or "foreseen" in vars(cls))
        return self._now.foreseen() if "foreseen" in vars(owner) else None

    def read_sound(self) -> list[AudioChunk]:
        return self._now.read_sound()

    def interrupt(self) -> None:
        self._now.interrupt()

    def close(self) -> None:
        with self._lock:
            coming, self._next = self._next, None
        if coming is not None:
            coming.close()
        self._now.close()

    # --- what the present source says

    @property
    def info(self) -> SourceInfo:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self._now.info

    @property
    def problem(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self._now.problem

    @property
    def skipped(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self._skipped + self._now.skipped

    @property
    def away(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self._now.away

    @property
    def outages(self) -> Sequence[tuple[float, float, str]]:  # pyright: ignore[reportIncompatibleVariableOverride]
        return [*self._outages, *self._now.outages]

    @property
    def live(self) -> LiveStats | None:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self._now.live
