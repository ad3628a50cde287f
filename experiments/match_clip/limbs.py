"""The limbs of a person as quadrilaterals in the picture, in drawing order, and their colours."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from experiments.match_clip.script import Person
from experiments.match_clip.skeletons import ANKLE, ELBOW, HAND, HEAD, HIP, KNEE, NECK, PELVIS, SHOULDER, TOE
from experiments.match_clip.world import Colour, mix

# Limbs: (joint, joint, width at the first in metres, width at the second, what gives the colour).
_LEG = (
    (KNEE, ANKLE, 0.125, 0.085, "socks"),
    (ANKLE, TOE, 0.09, 0.075, "boots"),
    (HIP, KNEE, 0.17, 0.13, "skin"),
    (HIP, KNEE, 0.21, 0.21, "shorts"),
)

_ARM = ((ELBOW, HAND, 0.085, 0.07, "skin"), (SHOULDER, ELBOW, 0.14, 0.12, "shirt"))
_SHORTS_LENGTH = 0.7  # share of the thigh


def _limbs(order: tuple[int, int]) -> list[tuple[int, int, float, float, str]]:
    """Return all limbs in drawing order: the far arm and leg first. `order`: (far side, near side), 0 left, 1 right."""
    far, near = order
    rows = [(a + far, b + far, wa, wb, what) for a, b, wa, wb, what in _ARM]
    rows += [(a + far, b + far, wa, wb, what) for a, b, wa, wb, what in _LEG]
    rows += [(a + near, b + near, wa, wb, what) for a, b, wa, wb, what in _LEG]
    rows += [(NECK, PELVIS, 0.0, 0.0, "shirt"), (HEAD, NECK, 0.11, 0.12, "skin")]
    rows += [(a + near, b + near, wa, wb, what) for a, b, wa, wb, what in _ARM[::-1]]
    return rows


_FAR_LIMBS = len(_ARM) + len(_LEG)
LIMB_ORDERS = {True: _limbs((0, 1)), False: _limbs((1, 0))}  # key: whether the left side is the far one
_TORSO = next(k for k, limb in enumerate(LIMB_ORDERS[True]) if limb[:2] == (NECK, PELVIS))

_LIMB_TABLES = {
    key: (
        np.array([limb[0] for limb in rows]),
        np.array([limb[1] for limb in rows]),
        np.array([limb[2] for limb in rows]),
        np.array([limb[3] for limb in rows]),
        np.array([_SHORTS_LENGTH if limb[4] == "shorts" else 1.0 for limb in rows]),
    )
    for key, rows in LIMB_ORDERS.items()
}


def limb_quads(points: np.ndarray, left_is_far: np.ndarray, px_per_m: np.ndarray) -> np.ndarray:
    """Return the corners (N, limbs, 4, 2) in pixels of all limbs of N people.

    `points` (N, joints, 2): image points; `left_is_far` (N,) bool; `px_per_m` (N,): pixels a metre at each person.
    """
    rows = len(LIMB_ORDERS[True])
    a, b = np.empty((len(points), rows, 2)), np.empty((len(points), rows, 2))
    wide_a, wide_b = np.empty((len(points), rows)), np.empty((len(points), rows))
    for key, (from_joint, to_joint, width_a, width_b, length) in _LIMB_TABLES.items():
        who = np.flatnonzero(left_is_far == key)
        a[who], b[who] = points[who][:, from_joint], points[who][:, to_joint]
        b[who] = a[who] + (b[who] - a[who]) * length[None, :, None]
        wide_a[who], wide_b[who] = width_a * px_per_m[who, None], width_b * px_per_m[who, None]
    across = points[:, SHOULDER] - points[:, SHOULDER + 1]
    chest = np.hypot(across[:, 0], across[:, 1]) * 1.12
    wide_a[:, _TORSO] = np.maximum(chest, 0.25 * px_per_m)
    wide_b[:, _TORSO] = np.maximum(chest * 0.78, 0.23 * px_per_m)
    a[:, _TORSO] += (b[:, _TORSO] - a[:, _TORSO]) * -0.04
    along = b - a
    across = np.stack([-along[..., 1], along[..., 0]], axis=-1)
    across /= np.maximum(np.hypot(along[..., 0], along[..., 1]), 0.5)[..., None] * 2
    side_a, side_b = across * wide_a[..., None], across * wide_b[..., None]
    return np.stack([a + side_a, b + side_b, b - side_b, a - side_a], axis=2)


@lru_cache(maxsize=512)
def limb_colours(person: Person, left_is_far: bool) -> list[Colour]:
    """Return the colour of each limb; the far arm and leg are darker."""
    colours = {
        "shirt": person.shirt,
        "shorts": person.shorts,
        "socks": person.socks,
        "skin": person.skin,
        "boots": (24, 24, 28),
    }
    rows = LIMB_ORDERS[left_is_far]
    return [mix(colours[row[4]], (0, 0, 0), 0.18 if k < _FAR_LIMBS else 0.0) for k, row in enumerate(rows)]
