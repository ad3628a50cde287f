"""What watchers notice, as the whole library passes it on: events, and the facts that a commentator is given.

An event is something that began at one time of the source: a goal on the scoreboard, a cut, a whistle. Facts are what
a commentator may rely on at one moment: what stands on the screen, and what has just happened.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

# Importance of an event: from LEAST (worth a note in the log) to MOST (worth to cut a comment in mid-sentence).
LEAST_IMPORTANCE, MOST_IMPORTANCE = 0, 3


@dataclass(frozen=True, slots=True)
class Event:
    """Something that a watcher noticed.

    `at_s` is the source time of the first frame or sound that shows it, `detected_s` the source time at which it was
    reported, both in seconds. `importance` runs from 0 to 3, `certainty` from 0 to 1. `facts` holds what is known of
    it, as plain values that JSON can hold; its keys depend on the kind (docs/write_a_watcher.md lists them).
    """

    kind: str
    at_s: float
    detected_s: float
    importance: int = 1
    certainty: float = 1.0
    facts: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Facts:
    """What a commentator may rely on: `on_screen` stands there now, `happened` is new, the most important first.

    Keys of `on_screen`, each only where it is known: score [home, away], teams [home, away], clock "67:12",
    period, caption, replay (True while one is shown), shot_s (seconds since the last cut).
    """

    on_screen: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    happened: tuple[Event, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.on_screen or self.happened)
