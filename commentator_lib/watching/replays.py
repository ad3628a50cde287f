"""Recognise a replay: what a new shot shows was shown in an earlier one, as fast or in slow motion.

Each look leaves a small signature. After a cut, the new shot's signatures are laid along those of the last minute, at
several speeds. A match counts only if the moving part matches too: a camera that returns to the same place
matches any moment of its old shot equally well, a replay matches one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from commentator_lib.watching.looks import Look

_KEPT_S = 60.0
_SPEEDS = (0.25, 0.33, 0.4, 0.5, 0.6, 0.75, 0.87, 1.0)  # of a replay, against the first showing
_TRY_S = (1.4, 6.0)  # how long after its start a shot is compared
_TRY_EVERY_S = 0.7
_LEAST_LOOKS = 6
_LARGEST_MISS = 3.0  # mean difference of the signatures, 0–255
_BETTER = 0.5  # the match must miss by less than this share of what a standing picture would


@dataclass(frozen=True, slots=True)
class Found:
    """A match: the old time (s) of the new shot's first look, its mean miss, and that of the best standing picture."""

    seen_s: float
    miss: float
    standing: float


def signature(look: Look) -> np.ndarray:
    """Return a look's signature (12, 32) float32: its brightness, without the edges where graphics are."""
    return look.tiny[3:15].mean(axis=2)


def align(old: np.ndarray, old_s: np.ndarray, new: np.ndarray, new_s: np.ndarray) -> Found | None:
    """Return where the new signatures (N, D) best match the old ones (M, D) of one shot; None where they cannot.

    `old_s` (M,) and `new_s` (N,) are their times in seconds.
    """
    if len(old) < 3:
        return None
    # 1) How far each new signature is from the line between each two neighbouring old ones.
    start, way = old[:-1], np.diff(old, axis=0)  # (M − 1, D)
    square = np.maximum((way * way).sum(axis=1), 1e-6)
    shares = np.clip((new @ way.T - (start * way).sum(axis=1)) / square, 0, 1)  # (N, M − 1)
    miss = np.stack(
        [np.abs(n - start - s[:, None] * way).mean(axis=1) for n, s in zip(new, shares, strict=True)]
    )
    # 2) The best start and speed.
    passed_s = new_s - new_s[0]
    starts_s = (old_s[:-1] + old_s[1:]) / 2  # (M − 1,)
    best: Found | None = None
    standing = float(miss.mean(axis=0).min())
    for speed in _SPEEDS:
        at_s = starts_s[:, None] + speed * passed_s  # (M − 1, N)
        inside = at_s[:, -1] <= old_s[-1]
        if not inside.any():
            continue
        nearest = np.clip(np.searchsorted(old_s, at_s[inside]) - 1, 0, len(old) - 2)
        column = np.arange(len(new))
        # The old looks lie a little apart, so the neighbours may match as well.
        around = np.minimum(miss[column, nearest], miss[column, np.minimum(nearest + 1, len(old) - 2)])
        means = np.minimum(around, miss[column, np.maximum(nearest - 1, 0)]).mean(axis=1)
        k = int(means.argmin())
        if best is None or means[k] < best.miss:
            best = Found(float(at_s[inside][k, 0]), float(means[k]), standing)
    return best


def is_replay(found: Found) -> bool:
    """Return whether a match is a replay for sure."""
    return found.miss < _LARGEST_MISS and found.miss < _BETTER * found.standing


class ReplayFinder:
    """Takes looks one by one, and tells once in a shot that it was shown before."""

    def __init__(self) -> None:
        self._shots: list[list[tuple[float, np.ndarray]]] = [[]]  # of each shot: (time, signature)
        self._told = True  # the first shot was never shown before
        self._tried_s = 0.0

    def start_shot(self, at_s: float) -> None:
        """Take note that a shot began at `at_s`."""
        # Looks of the new shot have already been put to the old one.
        late = [item for item in self._shots[-1] if item[0] >= at_s - 1e-9]
        self._shots[-1] = [item for item in self._shots[-1] if item[0] < at_s - 1e-9]
        self._shots.append(late)
        self._told, self._tried_s = False, at_s

    def push(self, look: Look) -> float | None:
        """Take the next look; return when (s) the shot's start was seen before, once it is sure, or None."""
        self._shots[-1].append((look.at_s, signature(look).ravel()))
        while self._shots[0] and len(self._shots) > 1 and self._shots[0][-1][0] < look.at_s - _KEPT_S:
            del self._shots[0]
        if len(self._shots[-1]) > 600:
            del self._shots[-1][:100]
        # 1) Whether it is time to compare.
        new = self._shots[-1]
        age_s = look.at_s - new[0][0]
        if self._told or len(new) < _LEAST_LOOKS or not _TRY_S[0] <= age_s <= _TRY_S[1]:
            return None
        if look.at_s - self._tried_s < _TRY_EVERY_S:
            return None
        self._tried_s = look.at_s
        # 2) Compare with every earlier shot.
        times_s = np.array([t for t, _ in new])
        pictures = np.array([x for _, x in new])  # (N, 384)
        if len(new) > 12:
            chosen = np.linspace(0, len(new) - 1, 12).astype(int)
            times_s, pictures = times_s[chosen], pictures[chosen]
        best: Found | None = None
        for shot in self._shots[:-1]:
            if not shot:
                continue
            old = np.array([x for _, x in shot])
            found = align(old, np.array([t for t, _ in shot]), pictures, times_s)
            if found is not None and (best is None or found.miss < best.miss):
                best = found
        if best is None or not is_replay(best):
            return None
        self._told = True
        return best.seen_s
