"""How far the programme is turned down under the voice, over time.

In dB the gain falls in a straight line during `ATTACK_S` before a comment begins, and rises in a straight line during
`RELEASE_S` after its end. Where two curves overlap the lower one holds. A page ducks by the same curve.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

ATTACK_S = 0.05
RELEASE_S = 0.4

Interval = tuple[float, float]  # from, to, in seconds


class DuckCurve:
    """The programme's level for comments that were heard during `intervals`, in any order; `duck_db` ≥ 0 is in dB."""

    def __init__(self, intervals: Sequence[Interval], duck_db: float) -> None:
        points = _points(_joined(intervals), duck_db)
        self._times_s = np.array([at_s for at_s, _ in points], np.float64)
        self._levels_db = np.array([level_db for _, level_db in points], np.float64)

    def gain(self, at_s: np.ndarray) -> np.ndarray:
        """Return the factor, float32 (N,) in 0–1, at times (N,) that grow, in the seconds of the intervals."""
        if len(at_s) == 0 or len(self._times_s) == 0:
            return np.ones(len(at_s), np.float32)
        # Only the points around these times: a match has thousands.
        low = max(0, int(np.searchsorted(self._times_s, at_s[0])) - 1)
        high = int(np.searchsorted(self._times_s, at_s[-1])) + 1
        levels_db = self._levels_db[low:high]
        if not levels_db.any():
            return np.ones(len(at_s), np.float32)
        return (10.0 ** (np.interp(at_s, self._times_s[low:high], levels_db) / 20.0)).astype(np.float32)


def duck_gain(intervals: Sequence[Interval], duck_db: float, at_s: np.ndarray) -> np.ndarray:
    """Return the programme's factor, float32 (N,), at times (N,) that grow; see `DuckCurve`."""
    return DuckCurve(intervals, duck_db).gain(at_s)


def _joined(intervals: Sequence[Interval]) -> list[Interval]:
    """Return intervals by time; those that overlap as one, those without a length left out."""
    joined: list[Interval] = []
    for from_s, to_s in sorted(i for i in intervals if i[1] > i[0]):
        if joined and from_s <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(to_s, joined[-1][1]))
        else:
            joined.append((from_s, to_s))
    return joined


def _points(intervals: list[Interval], duck_db: float) -> list[tuple[float, float]]:
    """Return (time, level in dB) between which the level is linear, for intervals in order that do not overlap."""
    points: list[tuple[float, float]] = []
    before_s: float | None = None  # the end of the comment before
    for from_s, to_s in intervals:
        if before_s is not None and from_s - before_s < ATTACK_S + RELEASE_S:
            # The rise of one meets the fall of the next.
            meet_s = (ATTACK_S * before_s + RELEASE_S * from_s) / (ATTACK_S + RELEASE_S)
            points.append((meet_s, duck_db * ((meet_s - before_s) / RELEASE_S - 1.0)))
        else:
            if before_s is not None:
                points.append((before_s + RELEASE_S, 0.0))
            points.append((from_s - ATTACK_S, 0.0))
        points += [(from_s, -duck_db), (to_s, -duck_db)]
        before_s = to_s
    return points if before_s is None else [*points, (before_s + RELEASE_S, 0.0)]
