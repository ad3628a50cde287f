"""What the real watchers notice in a scripted match, kept in a file, so that what-if runs can be told it again.

In a what-if run nothing is computed. So the watchers run once over the clip, and a watcher that remembers reports the
same events at the same times in every run.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from commentator_lib.events import Event
from commentator_lib.files import write_then_replace
from commentator_lib.media import Frame
from commentator_lib.watching.base import Watcher
from experiments.match_clip.match import match_clip

WATCH_VERSION = 3  # part of the files' names; raise it with every change of what the watchers report


class RecordedWatcher(Watcher):
    """Reports given events, each when the source has come to the time at which it was reported."""

    name = "recorded"

    def __init__(self, events: Sequence[Event]) -> None:
        self._events = sorted(events, key=lambda e: e.detected_s)
        self.reset()

    def reset(self) -> None:
        self._next = 0

    def look(self, frame: Frame) -> list[Event]:
        start = self._next
        while self._next < len(self._events) and self._events[self._next].detected_s <= frame.pts_s + 1e-6:
            self._next += 1
        return self._events[start : self._next]


def noticed_events(duration_s: float, seed: int, height: int = 360) -> list[Event]:
    """Return what the watchers notice in a scripted match; the first call runs them over the clip."""
    from commentator_lib.settings import Settings
    from commentator_lib.sources.open import open_source
    from commentator_lib.watching.factory import make_watchers
    from commentator_lib.watching.watch import watch

    clip, _ = match_clip(duration_s, seed, height)
    path = clip.with_suffix(f".noticed-v{WATCH_VERSION}.json")
    if path.exists():
        return [Event(**row) for row in json.loads(path.read_text(encoding="utf-8"))]
    settings = Settings()
    source = open_source(str(clip))
    try:
        events = list(watch(source, make_watchers(settings), settings.watch_fps))
    finally:
        source.close()
    rows: list[dict[str, Any]] = [{**asdict(event), "facts": dict(event.facts)} for event in events]
    write_then_replace(path, json.dumps(rows, ensure_ascii=False, indent=1) + "\n")
    return [Event(**row) for row in rows]
