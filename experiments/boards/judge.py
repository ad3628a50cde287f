"""Compare the score events of a clip with its true changes, and sum up clips.

A change is found if an event has exactly its new score, is reported within 3 s of the first frame that shows it, and
names a time within 3 s of that frame; a fall of the score must be marked as a correction, and nothing else may be. An
event of the same kind that is reported later, but before the next change, is late: neither found nor false. Every
other score event is false: a wrong score, a first reading, the same change once more.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from commentator_lib.events import Event
from experiments.boards.script import FPS, SLIDE_FRAMES, Change, Pair

WITHIN_S = 3.0
_ROUNDING_S = 0.5 / FPS
_EARLY_S = (
    SLIDE_FRAMES / FPS
)  # a board that comes back with a new score can be read before it is wholly there


@dataclass(frozen=True)
class Verdict:
    """How the events of one clip, or of several, compare with the truth."""

    clips: int
    duration_s: float
    changes: int
    delays_s: tuple[float, ...]  # one for each change that was found
    late: int
    false: tuple[Event, ...]
    missed: tuple[Change, ...]

    @property
    def recall(self) -> float | None:
        return len(self.delays_s) / self.changes if self.changes else None

    @property
    def false_per_min(self) -> float:
        return 60 * len(self.false) / self.duration_s if self.duration_s else 0.0

    def as_dict(self) -> dict[str, Any]:
        """Return the measures as plain values."""
        return {
            "clips": self.clips,
            "changes": self.changes,
            "recall_3s": None if self.recall is None else round(self.recall, 4),
            "late": self.late,
            "false_changes": len(self.false),
            "false_changes_per_min": round(self.false_per_min, 4),
            "delay_median_s": round(statistics.median(self.delays_s), 3) if self.delays_s else None,
            "minutes": round(self.duration_s / 60, 2),
        }


def score_of(event: Event) -> Pair | None:
    """Return the new score that an event reports, as texts; None where it has none."""
    score = event.facts.get("score")
    if not isinstance(score, Sequence) or isinstance(score, str) or len(score) != 2:
        return None
    return str(score[0]), str(score[1])


def _fits(event: Event, score: Pair | None, change: Change) -> bool:
    marked = bool(event.facts.get("correction", False))
    return (
        score in change.accepts
        and marked == change.correction
        and abs(event.at_s - change.t_s) <= WITHIN_S + _ROUNDING_S
        and event.detected_s >= change.t_s - _EARLY_S
    )


def judge(events: Iterable[Event], changes: Sequence[Change], duration_s: float) -> Verdict:
    """Return how the events of a clip compare with its changes."""
    delays: dict[int, float] = {}
    used: set[tuple[int, Pair | None]] = set()
    late: set[int] = set()
    false: list[Event] = []
    ends = [change.t_s for change in changes[1:]] + [float("inf")]
    for event in sorted((e for e in events if e.kind == "score"), key=lambda e: e.detected_s):
        score = score_of(event)
        for k, change in enumerate(changes):
            if _fits(event, score, change) and (k, score) not in used and event.detected_s <= ends[k]:
                used.add((k, score))
                if event.detected_s <= change.t_s + WITHIN_S + _ROUNDING_S:
                    delays.setdefault(k, max(0.0, event.detected_s - change.t_s))
                else:
                    late.add(k)
                break
        else:
            false.append(event)
    missed = tuple(change for k, change in enumerate(changes) if k not in delays)
    late_only = len(late - set(delays))
    return Verdict(1, duration_s, len(changes), tuple(delays.values()), late_only, tuple(false), missed)


def add_up(verdicts: Iterable[Verdict]) -> Verdict:
    """Return several clips as one."""
    every = list(verdicts)
    return Verdict(
        sum(v.clips for v in every),
        sum(v.duration_s for v in every),
        sum(v.changes for v in every),
        tuple(d for v in every for d in v.delays_s),
        sum(v.late for v in every),
        tuple(e for v in every for e in v.false),
        tuple(c for v in every for c in v.missed),
    )
