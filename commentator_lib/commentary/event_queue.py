"""The events that were noticed and not told yet: which come next, and which are too old to be told."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from commentator_lib.events import Event

# Seconds after which an event is old news, by its importance 0, 1, 2, 3.
_STALE_S = (3.0, 5.0, 9.0, 12.0)
_MOST_TOLD = 6  # events that one comment is given
_MOST_WAITING = 64


@dataclass(frozen=True, slots=True)
class Noticed:
    """An event, its number in the run, and the clock time at which its first evidence was captured."""

    number: int
    event: Event
    captured_s: float


class EventQueue:
    """Noticed events, each to be told once. Pure: the time is given to every call."""

    def __init__(self) -> None:
        self._waiting: list[Noticed] = []

    def add(self, noticed: Iterable[Noticed]) -> None:
        """Add events that were noticed, or give back those that a comment was to tell and nobody heard."""
        known = {n.number for n in self._waiting}
        self._waiting += [n for n in noticed if n.number not in known]
        del self._waiting[:-_MOST_WAITING]

    def importance(self, now_s: float) -> int:
        """Return the importance of the most important event that waits; -1 where none does."""
        self._drop_stale(now_s)
        return max((n.event.importance for n in self._waiting), default=-1) if self._waiting else -1

    def take(self, now_s: float) -> tuple[Noticed, ...]:
        """Return the events that wait, the most important first and of these the oldest, and forget them all."""
        self._drop_stale(now_s)
        told = sorted(self._waiting, key=lambda n: (-n.event.importance, n.captured_s, n.number))
        self._waiting = []
        return tuple(told[:_MOST_TOLD])

    def _drop_stale(self, now_s: float) -> None:
        if self._waiting:
            self._waiting = [
                n for n in self._waiting if now_s - n.captured_s <= _STALE_S[min(3, n.event.importance)]
            ]
