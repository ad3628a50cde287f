"""Decide whether two looks show the same shot, and what joins two shots: a cut, a dissolve or a wipe.

All functions are pure. A cut changes colours, layout and detail within one look. In a dissolve every look between is a
mixture of the picture before and the picture after. In a wipe each place shows the picture before, then perhaps a
graphic, then the picture after, and the places change side one after another.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from commentator_lib.watching.looks import Look

_TRACK_PX = (160, 90)  # width, height at which points are tracked
_OTHER_LAYOUT = 0.65  # below this likeness, the layouts differ
_LOST = 0.2  # with fewer of the points found again than this share, it is another shot
_MIXED = 0.12  # share of the difference's energy that a mixture may leave unexplained
_LIKE = 0.35  # a place shows a picture if it differs by less than this share of what parts the two pictures
_LIKE_LEAST = 9.0  # and by less than this (0–255) in any case


def difference(a: Look, b: Look) -> float:
    """Return the mean absolute difference of two looks, 0–255."""
    return float(np.abs(a.tiny - b.tiny).mean())


def shared_colours(a: Look, b: Look) -> float:
    """Return the share of colours that two looks have in common, 0–1 (histogram intersection, Swain 1991)."""
    return float(np.minimum(a.colours, b.colours).sum())


def likeness(a: Look, b: Look) -> float:
    """Return the correlation of two looks' layouts, in [−1, 1]; 0 where one has none."""
    x, y = a.tiny.mean(axis=2), b.tiny.mean(axis=2)  # (18, 32)
    x, y = x - x.mean(), y - y.mean()
    norm = float(np.sqrt((x * x).sum() * (y * y).sum()))
    return float((x * y).sum()) / norm if norm > 1e-3 else 0.0


@lru_cache(maxsize=32)  # two watchers ask for the same looks
def tracked_share(a: Look, b: Look) -> float | None:
    """Return the share of points of `a` that are found again in `b`; None where `a` has too few.

    Points are tracked forwards and backwards by the method of Lucas and Kanade (1981).
    """
    import cv2

    before, after = (cv2.resize(x.grey, _TRACK_PX, interpolation=cv2.INTER_AREA) for x in (a, b))
    points = cv2.goodFeaturesToTrack(before, 80, 0.01, 5)
    if points is None or len(points) < 8:
        return None
    size = {"winSize": (15, 15), "maxLevel": 3}
    there, ok, error = cv2.calcOpticalFlowPyrLK(before, after, points, None, **size)  # pyright: ignore[reportCallIssue, reportArgumentType]
    back, ok_back, _ = cv2.calcOpticalFlowPyrLK(after, before, there, None, **size)  # pyright: ignore[reportCallIssue, reportArgumentType]
    found = (ok.ravel() == 1) & (ok_back.ravel() == 1) & (error.ravel() < 25)
    return float((found & (np.abs(points - back).reshape(-1, 2).max(axis=1) < 1.5)).mean())


def other_shot(a: Look, b: Look, lost: float = _LOST) -> bool:
    """Return whether two looks belong to different shots: less than the share `lost` of the points is found again.

    A pan changes every pixel, but its points are found again; light changes the colours, but not the layout.
    """
    if difference(a, b) < 6.0 or likeness(a, b) > _OTHER_LAYOUT:
        return False
    share = tracked_share(a, b)
    if share is None:
        return shared_colours(a, b) < 0.6
    return share < lost


def sharpness(look: Look) -> float:
    """Return how much fine detail a look has: the mean step between neighbouring pixels, 0–255."""
    import cv2

    return float(cv2.absdiff(look.grey[:, 1:], look.grey[:, :-1]).mean())


@dataclass(frozen=True, slots=True)
class Mixture:
    """How looks lie between two others: `shares` (N,) of the later one, and the energy left unexplained (N,)."""

    shares: np.ndarray
    left: np.ndarray


def mixture(products: np.ndarray, first: int, last: int) -> Mixture:
    """Return how the looks between `first` and `last` are mixed of these two.

    `products` (K, K) are the scalar products of all looks' pictures. The energy left is relative to that of the
    difference of the two.
    """
    between = np.arange(first + 1, last)
    aa, bb, ab = products[first, first], products[last, last], products[first, last]
    apart = max(aa + bb - 2 * ab, 1e-6)
    xa, xb, xx = products[between, first], products[between, last], products[between, between]
    along = xb - xa - ab + aa  # (x − a)·(b − a)
    shares = along / apart
    left = (xx - 2 * xa + aa) / apart - shares**2
    return Mixture(shares, left)


def is_dissolve(mixed: Mixture) -> bool:
    """Return whether the looks between two shots go evenly from the one to the other, and are mixtures of them."""
    if len(mixed.shares) == 0:
        return False
    steps = np.diff(np.concatenate([[0.0], mixed.shares, [1.0]]))  # (N + 1,)
    even = steps.min() > 0.01 and steps.max() < max(0.7, 1.8 / len(steps))
    # Of a moving edge, a hard one, nothing less than share · (1 − share) is left.
    edge = float((mixed.shares * (1 - mixed.shares)).sum())
    whole = mixed.left.mean() < _MIXED and mixed.left.max() < 2 * _MIXED and mixed.left.sum() < 0.45 * edge
    return bool(even and whole)


@dataclass(frozen=True, slots=True)
class Wipe:
    """A wipe among looks: the first of them that shows it, the first after it, and the colours of its graphic.

    `cover` (216,) is None where no graphic covered most of the picture.
    """

    begins: int
    ends: int
    cover: np.ndarray | None


@lru_cache(maxsize=8)
def find_wipe(looks: tuple[Look, ...]) -> Wipe | None:
    """Return the wipe from the first look to the last, of two different shots; None where it is none.

    Each look between must show the old picture in one region and something else in the rest, and what has changed
    side stays there.
    """
    first, last = looks[0].tiny, looks[-1].tiny
    apart = np.abs(first - last).mean(axis=2)  # (18, 32)
    telling = apart > 2 * _LIKE_LEAST
    if telling.mean() < 0.45:
        return None
    near = np.maximum(_LIKE_LEAST, _LIKE * apart)
    old_before, new_before, parted, most = 1.0, 0.0, 0, 0.0
    cover: np.ndarray | None = None
    begins, ends, olds, newest = 1, len(looks) - 1, [1.0], 0.0
    for k, look in enumerate(looks[1:-1], 1):
        # 1) What each place shows: the old picture, the new one, or something else.
        from_old, from_new = _distance(look.tiny, first), _distance(look.tiny, last)
        old = telling & (from_old < near) & (from_old <= from_new)
        new = telling & (from_new < near) & ~old
        masks = (old, new, telling & ~old & ~new)
        shares = [float(mask.sum() / telling.sum()) for mask in masks]
        loose = [_scatter(mask, telling) for mask in masks]
        # 2) An edge that moves: two regions, each in one piece.
        split = min(shares[:2]) > 0.15 and shares[2] < 0.08 and loose[0] + loose[1] < 0.25
        # 3) Or a graphic in one piece, and beside it one of the pictures.
        beside = shares[2] > 0.8 or any(s > 0.1 and x < 0.3 for s, x in zip(shares[:2], loose, strict=False))
        covered = (
            shares[2] > 0.3 and loose[2] < 0.12 and beside and not _mixes(look.tiny, first, last, masks[2])
        )
        olds.append(shares[0])
        if (split or covered) and not parted:
            begins = k
            while begins > 1 and olds[begins - 2] - olds[begins - 1] > 0.08:
                begins -= 1
        if covered and not split and newest > 0.2:
            return None  # the new picture is seen behind the graphic, not before it
        newest = max(newest, shares[1]) if not parted else newest
        parted += split or covered
        ends = min(ends, k) if shares[1] > 0.9 else ends
        if covered and shares[2] > most:
            most, cover = shares[2], look.colours
        # 4) The old picture shrinks, the new one grows.
        if (loose[0] < 0.3 and shares[0] > old_before + 0.15) or (
            loose[1] < 0.3 and shares[1] < new_before - 0.15
        ):
            return None
        old_before = shares[0] if loose[0] < 0.3 else old_before
        new_before = shares[1] if loose[1] < 0.3 else new_before
    return Wipe(begins, max(begins, ends), cover if most > 0.6 else None) if parted else None


def _distance(picture: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return how far each place of a picture (18, 32, 3) is from the other one's, a neighbour's at best; (18, 32)."""
    import cv2

    around = np.ones((3, 3), np.uint8)
    above = picture - cv2.dilate(other, around)
    below = cv2.erode(other, around) - picture
    return np.maximum(np.maximum(above, below), 0).mean(axis=2)


def _mixes(picture: np.ndarray, first: np.ndarray, last: np.ndarray, mask: np.ndarray) -> bool:
    """Return whether a picture (18, 32, 3) is, within a mask (18, 32), a mixture of two others, as in a dissolve."""
    way, gone = (last - first)[mask], (picture - first)[mask]  # (N, 3)
    share = float((way * gone).sum() / max(float((way * way).sum()), 1e-6))
    left = gone - share * way
    return float((left * left).sum()) < 0.15 * float((way * way).sum())


def _scatter(mask: np.ndarray, within: np.ndarray) -> float:
    """Return the share of a mask's places (18, 32) whose neighbours mostly do not belong to it; 0 for few places."""
    import cv2

    if mask.sum() < 12:
        return 0.0
    size = (3, 3)
    around = cv2.boxFilter(mask.astype(np.float32), -1, size, normalize=False)
    possible = cv2.boxFilter(within.astype(np.float32), -1, size, normalize=False)
    return float((around[mask] < 0.55 * possible[mask]).mean())
