"""Decide what a score is from readings of its numbers: votes over equal readings, and only legal steps.

A wrong score is worse than none: the first stable reading is a starting point and no event, a step that the sport does
not know needs more readings, and a fall is a correction that needs the most. What no step leads to is never reported;
but where it stands for seconds it is a new starting point, as the score before was misread, or more than one goal fell
unseen.
"""

from __future__ import annotations

from dataclasses import dataclass

Score = tuple[int, ...]

# Equal readings in a row, and the seconds that they must span, for a step that is usual, unusual, or a fall.
_USUAL = (3, 0.35)
_UNUSUAL = (6, 1.4)
_FALL = (6, 1.2)
_ANEW = (12, 4.0)  # for a new starting point
_LARGEST_STEP = 7  # where scores are high; below ten it is three
ADVANTAGE = 45  # what stands for "AD" on a board of tennis
_POINTS = (0, 15, 30, 40, ADVANTAGE)
_NEXT_POINTS = set(zip(_POINTS, _POINTS[1:], strict=False))


@dataclass(frozen=True, slots=True)
class Change:
    """A change of the score that is certain."""

    score: Score
    before: Score
    first_s: float  # source time of the first reading that shows it
    correction: bool


def is_step(before: int, after: int) -> bool:
    """Return whether a number of a score may rise so, in one step of some sport."""
    if (before, after) in _NEXT_POINTS:
        return True
    return 0 < after - before <= _LARGEST_STEP


def step_kind(before: Score, after: Score) -> str:
    """Return what a change of two numbers would be: "usual", "unusual", "fall" or "none" (not to be believed).

    usual: one number rises by one, or by a small step where scores are high. fall: one number goes back by a step.

    >>> step_kind((1, 0), (1, 1)), step_kind((55, 50), (58, 50)), step_kind((2, 1), (1, 1)), step_kind((0, 0), (5, 3))
    ('usual', 'usual', 'fall', 'none')
    """
    if len(before) != len(after):
        return "none"
    changed = [(a, b) for a, b in zip(before, after, strict=True) if a != b]
    if not changed:
        return "same"
    if len(changed) > 1:
        # Both sides never score at once. But a game of tennis that is over leaves 0 for both.
        return "none" if any(after) else "unusual"
    (a, b) = changed[0]
    if b - a == 1 or (is_step(a, b) and (max(before) >= 10 or b in _POINTS)) or (a, b) == (ADVANTAGE, 40):
        return "usual"
    if is_step(a, b) and b - a <= 3:
        return "unusual"
    if a in _POINTS[2:] and not any(after):
        return "unusual"  # a game of tennis is over
    if 0 < a - b <= 3 or (a in _POINTS and b == 0):
        return "fall"
    return "none"


class ScoreVotes:
    """The score so far, and the readings that may change it. `score` is None before the first stable reading."""

    def __init__(self, score: Score | None = None) -> None:
        self.score = score
        self._former: Score | None = None  # the score before the last new starting point
        self._in_doubt = False
        self._candidate: Score | None = None
        self._count = 0
        self._first_s = 0.0

    @property
    def waiting(self) -> bool:
        """Whether a reading waits for more of its kind."""
        return self._candidate is not None or self.score is None

    def forget_reading(self) -> None:
        """Forget the readings that wait for more of their kind."""
        self._candidate = None

    def doubt(self) -> None:
        """Note that the score may have been read in other places than now: what differs is a new start, and no fall."""
        self._in_doubt = self.score is not None
        self._former = None

    def push(self, reading: Score | None, at_s: float) -> Change | None:
        """Take the next reading, None where it could not be read; return the change that it makes certain."""
        if reading is None:
            return None
        if reading == self.score:
            self._candidate, self._in_doubt = None, False
            return None
        if reading != self._candidate:
            self._candidate, self._count, self._first_s = reading, 0, at_s
        self._count += 1
        # 1) The first stable reading is where it starts.
        if self.score is None:
            if self._enough(_USUAL, at_s):
                self._start(reading)
            return None
        # 2) What the reading would be: a step from the score, or from the one before it, which may have been right.
        before, kind = self.score, step_kind(self.score, reading)
        if kind in ("none", "fall") and self._former is not None:
            former = step_kind(self._former, reading)
            before, kind = (self._former, former) if former in ("same", "usual") else (before, kind)
        if kind in ("none", "same") or (self._in_doubt and kind != "usual"):
            if self._enough(_USUAL if kind == "same" or self._in_doubt else _ANEW, at_s):
                self._start(reading)
                self._former = None if kind == "same" else before
            return None
        # 3) A change needs so many equal readings, as is fit for its kind.
        if not self._enough({"usual": _USUAL, "unusual": _UNUSUAL, "fall": _FALL}[kind], at_s):
            return None
        change = Change(reading, before, self._first_s, kind == "fall")
        self._start(reading)
        self._former = None
        return change

    def _enough(self, needed: tuple[int, float], at_s: float) -> bool:
        """Return whether the candidate has had so many readings, over so many seconds."""
        return self._count >= needed[0] and at_s - self._first_s >= needed[1] - 1e-6

    def _start(self, reading: Score) -> None:
        """Take a reading as the score."""
        self.score, self._candidate, self._in_doubt = reading, None, False
