"""Measure local motion with the camera's motion undone, and decide what is a burst of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from commentator_lib.scene import camera_motion
from commentator_lib.watching.looks import Look

GRID = (9, 16)  # rows, columns of the blocks in which motion is measured
_ACTIVE = 10.0  # change of a block, 0–255, from which on it counts as moving
_TOP = 6  # so many of the most active blocks make up the measure
_LITTLE = 7.0  # activity below which no camera motion is looked for
_LEAST_HISTORY = 10  # looks
_NOISE = 8.0  # activity, 0–255, below which differences say little
_SPREAD = 0.12  # least spread of the logarithm of the measure: below it, every breath would be a burst
_SIDES = ("on the left", "in the middle", "on the right")


def local_motion(new: Look, old: Look) -> np.ndarray:
    """Return how much each block changed between two looks beside the camera's motion, (9, 16) float32, 0–255.

    What lies between a pixel's darkest and brightest neighbour counts as unchanged: it may be a misalignment.
    """
    import cv2

    # 1) Without the camera's motion: where that leaves little, nothing has to be undone.
    a, b = new.grey, old.grey  # (180, 320)
    blocks = _blocks(_beyond(a, b, 3))
    if activity(blocks) < _LITTLE:
        return blocks
    warp = camera_motion(a, b)
    if warp is None:
        return blocks
    # 2) Undo it, and leave out what was not in view.
    flags, size = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, (b.shape[1], b.shape[0])
    seen = cv2.warpAffine(b, warp, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    inside = cv2.warpAffine(np.full_like(b, 255), warp, size, flags=flags)
    # 3) A graphic that stays in its place would leave a ghost where the undone motion carries it.
    left = cv2.min(_beyond(a, seen, 5), cv2.absdiff(a, b))
    left[inside < 255] = 0
    return _blocks(left)


def _beyond(new: np.ndarray, old: np.ndarray, reach: int) -> np.ndarray:
    """Return how far each pixel of `new` lies outside the range of its neighbours in `old`, uint8 (180, 320)."""
    import cv2

    around = np.ones((reach, reach), np.uint8)
    return cv2.max(cv2.subtract(new, cv2.dilate(old, around)), cv2.subtract(cv2.erode(old, around), new))


def _blocks(change: np.ndarray) -> np.ndarray:
    """Return the mean of each block (9, 16) of a change (180, 320)."""
    import cv2

    return cv2.resize(change, (GRID[1], GRID[0]), interpolation=cv2.INTER_AREA).astype(np.float32)


def activity(blocks: np.ndarray) -> float:
    """Return the mean of the most active blocks (9, 16), 0–255."""
    return float(np.partition(blocks.ravel(), -_TOP)[-_TOP:].mean())


def active(blocks: np.ndarray) -> np.ndarray:
    """Return which blocks (9, 16) move, bool."""
    return blocks > _ACTIVE


def strength(value: float, before: np.ndarray) -> float:
    """Return by how many robust spreads an activity is above those before it (N,); 0 where these are too few.

    The scale is logarithmic; the spread is 1.48 times the median absolute deviation (Hampel 1974).
    """
    if len(before) < _LEAST_HISTORY:
        return 0.0
    logs = np.log(before + _NOISE)
    middle = float(np.median(logs))
    spread = 1.4826 * float(np.median(np.abs(logs - middle)))
    return (float(np.log(value + _NOISE)) - middle) / max(spread, _SPREAD)


def where(blocks: np.ndarray) -> str:
    """Return in which third of the picture the motion (9, 16) is."""
    weights = np.where(active(blocks), blocks, 0.0).sum(axis=0)  # (16,)
    if weights.sum() <= 0:
        weights = blocks.sum(axis=0) + 1e-6
    place = float((weights * (np.arange(GRID[1]) + 0.5)).sum() / weights.sum()) / GRID[1]
    return _SIDES[min(2, int(place * 3))]


@dataclass(slots=True)
class Burst:
    """A burst that may be one: its first look, how many looks are in it, the most of its strength, and its motion."""

    from_s: float
    looks: int
    strongest: float
    total: np.ndarray  # (9, 16)
    moved: np.ndarray  # (9, 16) bool: blocks that moved in any of its looks
