"""Run watchers over a clip as fast as they go, and measure what that costs.

Watchers see five frames a second, as in a live run. Two simple ones check the benchmark itself: one that knows the
truth, and one that never says a word.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from commentator_lib.events import Event
from commentator_lib.media import Frame
from commentator_lib.sources.open import open_source
from commentator_lib.watching.base import Watcher
from commentator_lib.watching.watch import watch, watched_frames
from experiments.boards.clip import Clip
from experiments.boards.script import Change

WATCH_FPS = 5.0


class TruthWatcher(Watcher):
    """Reports every true change with the first frame that shows it."""

    def __init__(self, changes: Sequence[Change]) -> None:
        self._left = list(changes)

    def look(self, frame: Frame) -> list[Event]:
        found: list[Event] = []
        while self._left and self._left[0].t_s <= frame.pts_s + 1e-6:
            change = self._left.pop(0)
            facts = {"score": list(change.accepts[0]), "correction": change.correction}
            found.append(Event("score", change.t_s, frame.pts_s, facts=facts))
        return found


class SilentWatcher(Watcher):
    """Reports nothing."""


# Returns the watchers for a clip.
MakeWatchers = Callable[[Clip], list[Watcher]]


def graphics_watchers(_clip: Clip) -> list[Watcher]:
    """Return the library's own reader of graphics."""
    from commentator_lib.settings import Settings
    from commentator_lib.watching.graphics import GraphicsWatcher

    return [GraphicsWatcher.from_settings(Settings())]


WATCHERS: dict[str, MakeWatchers] = {
    "graphics": graphics_watchers,
    "truth": lambda clip: [TruthWatcher(clip.changes)],
    "nothing": lambda _clip: [SilentWatcher()],
}


def sampled(path: str) -> list[Frame]:
    """Return the frames of a file that watchers look at."""
    source = open_source(path)
    try:
        return list(watched_frames(source, WATCH_FPS))
    finally:
        source.close()


@dataclass(frozen=True, slots=True)
class Reading:
    """What watchers reported of a clip, and the time that their work took: of the processor, and by the clock."""

    events: tuple[Event, ...]
    duration_s: float
    processor_s: float
    wall_s: float

    @property
    def processor_share(self) -> float:
        """Seconds of processor for a second of video: the share of a core that a live run takes."""
        return self.processor_s / self.duration_s if self.duration_s else 0.0


class _Metered(Watcher):
    """Looks through another watcher, and adds up what that takes; what decoding takes does not count."""

    def __init__(self, inner: Watcher) -> None:
        self.inner = inner
        self.processor_s = self.wall_s = self.last_s = 0.0

    def look(self, frame: Frame) -> list[Event]:
        before, started = time.process_time(), time.perf_counter()
        events = self.inner.look(frame)
        self.processor_s += time.process_time() - before
        self.wall_s += time.perf_counter() - started
        self.last_s = frame.pts_s
        return events


def read(given: str | Sequence[Frame], watchers: Sequence[Watcher]) -> Reading:
    """Let watchers look at a file or at frames. Raise SourceError where it cannot be opened."""
    metered = [_Metered(watcher) for watcher in watchers]
    source = open_source(given)
    try:
        events = tuple(watch(source, metered, WATCH_FPS))
    finally:
        source.close()
        for watcher in watchers:
            watcher.close()
    return Reading(
        events,
        max(each.last_s for each in metered) + 1 / WATCH_FPS,
        sum(each.processor_s for each in metered),
        sum(each.wall_s for each in metered),
    )


def still_frames(path: str, duration_s: float = 20.0) -> list[Frame]:
    """Return the frame in the middle of a file over and over: a clip in which nothing changes."""
    frames = sampled(path)
    image = frames[len(frames) // 2].image
    count = round(duration_s * WATCH_FPS)
    return [Frame(k, k / WATCH_FPS, k / WATCH_FPS, image) for k in range(count)]
