"""Notice pictures that stand: black ones, and those that freeze after they have moved."""

from __future__ import annotations

from collections import deque

from commentator_lib.watching.looks import Look
from commentator_lib.watching.transitions import other_shot

_BLACK = 24.0  # all of a black picture is darker than this, 0–255
_FROZEN_S = 2.0
_LATELY_S = 1.3  # so long before it froze, it must have shown the same shot
_MOVED_S = 1.0  # so long the picture must have moved before it froze
_STANDS = (1.2, 5.0)  # difference of two frozen looks, 0–255: the largest mean, and that of a block
_BLOCK_PX = 12


def is_black(look: Look) -> bool:
    """Return whether a look is black, but for at most a hundredth of it (a logo)."""
    return look.light < _BLACK and float((look.tiny.max(axis=2) >= _BLACK).mean()) <= 0.01


def stands(a: Look, b: Look) -> bool:
    """Return whether two looks show the same picture, but for the noise of compression."""
    import cv2

    apart = cv2.absdiff(a.grey, b.grey)  # (180, 320)
    if float(apart.mean()) > _STANDS[0]:
        return False
    blocks = cv2.resize(
        apart, (apart.shape[1] // _BLOCK_PX, apart.shape[0] // _BLOCK_PX), interpolation=cv2.INTER_AREA
    )
    return float(blocks.max()) < _STANDS[1]


class FreezeFinder:
    """Takes looks one by one, and tells once that the picture has frozen after it had moved in the same shot."""

    def __init__(self) -> None:
        self._still_from: Look | None = None
        self._lately: deque[Look] = deque(maxlen=14)  # up to the frozen look
        self._moving: Look | None = None  # about a second before the picture stood
        self._before: Look | None = None
        self._moved_from_s: float | None = None
        self._moved = False
        self._told = False

    def start_shot(self, at_s: float) -> None:
        """Take note that a shot began at `at_s`: what moved before it does not count."""
        self._moved_from_s = None
        self._moved = False
        if self._still_from is not None and self._still_from.at_s < at_s:
            self._still_from = None

    def push(self, look: Look) -> float | None:
        """Take the next look; return since when (s) the picture has been frozen, once, or None."""
        before, self._before = self._before, look
        if self._still_from is None:
            self._lately.append(look)
        if before is None:
            return None
        if self._still_from is None:
            if stands(before, look):
                self._still_from, self._told = before, False
                self._moving = next((x for x in self._lately if before.at_s - x.at_s <= _LATELY_S), None)
                self._moved = self._moved_from_s is not None and before.at_s - self._moved_from_s >= _MOVED_S
            elif self._moved_from_s is None:
                self._moved_from_s = look.at_s
            return None
        if not stands(self._still_from, look):
            lasted_s = before.at_s - self._still_from.at_s
            self._still_from = None
            if lasted_s > 0.5 or self._moved_from_s is None:
                self._moved_from_s = look.at_s
            return None
        if not self._moved or self._told or look.at_s - self._still_from.at_s < _FROZEN_S:
            return None
        self._told = True
        # A transition to a still picture that was not recognised is no freeze.
        if self._moving is not None and other_shot(self._moving, self._still_from):
            return None
        return self._still_from.at_s
