"""Draw people: limbs, chest, head and shadows, and the cards and boards that officials hold up."""

from __future__ import annotations

import math

import cv2
import numpy as np

from experiments.match_clip.camera import NEAR_M, ONE_PX, SHIFT, fixed_point, focal_length_px, project
from experiments.match_clip.limbs import LIMB_ORDERS, limb_colours
from experiments.match_clip.script import Person
from experiments.match_clip.skeletons import ANKLE, HAND, HEAD, NECK, PELVIS, SHOULDER, TOE
from experiments.match_clip.textures import GRASS, SHADOW, paste, text_mask
from experiments.match_clip.world import PEOPLE_SCALE, YELLOW, mix


def draw_person(image, person: Person, points, quads, rows, px_per_m: float, facing: float) -> None:
    """Draw one person: `points` (joints, 2) and `quads` (limbs, 4, 2) in the picture, `px_per_m` pixels a metre.

    `facing`: 1 looks at the camera, −1 away from it. Small people get fewer details.
    """
    large = px_per_m > 45
    first = 2 if px_per_m < 7 else 0  # the far arm, which comes first, is too small to be seen
    for row, quad, colour in list(
        zip(rows, quads, limb_colours(person, rows is LIMB_ORDERS[True]), strict=True)
    )[first:]:
        if px_per_m < 7 and row[4] in ("boots", "skin"):
            continue
        if large:
            _draw_large_limb(image, row, quad, colour, px_per_m)
        else:
            cv2.fillConvexPoly(image, quad, colour, cv2.LINE_AA, SHIFT)
    head = tuple(int(v) for v in fixed_point(points[HEAD]))
    if large:
        _draw_chest(image, person, points, px_per_m, facing)
        _draw_head(image, person, points, px_per_m, facing)
        return
    radius = 0.14 * px_per_m * PEOPLE_SCALE
    cv2.circle(image, head, max(8, round(radius * ONE_PX)), person.skin, -1, cv2.LINE_AA, SHIFT)
    if px_per_m >= 7:
        hair = (head[0] - round(facing * 0.2), head[1] - round(0.055 * px_per_m * ONE_PX))
        cv2.circle(image, hair, round(0.105 * px_per_m * ONE_PX), person.hair, -1, cv2.LINE_AA, SHIFT)


def _draw_large_limb(image, row, quad, colour, px_per_m) -> None:
    """Draw a limb with round ends and a darker edge on one side, so that it looks solid."""
    torso = row[:2] == (NECK, PELVIS)
    if not torso:
        for end, width in ((quad[[0, 3]], row[2]), (quad[[1, 2]], row[3])):
            middle = tuple(int(v) for v in end.mean(axis=0))
            cv2.circle(image, middle, round(width / 2 * px_per_m * ONE_PX), colour, -1, cv2.LINE_AA, SHIFT)
    cv2.fillConvexPoly(image, quad, colour, cv2.LINE_AA, SHIFT)
    dark = quad.copy()
    right_first = quad[0, 0] > quad[3, 0]
    keep = 0.72
    if right_first:
        dark[3], dark[2] = quad[3] + (quad[0] - quad[3]) * keep, quad[2] + (quad[1] - quad[2]) * keep
    else:
        dark[0], dark[1] = quad[0] + (quad[3] - quad[0]) * keep, quad[1] + (quad[2] - quad[1]) * keep
    cv2.fillConvexPoly(image, dark, mix(colour, (0, 0, 0), 0.14), cv2.LINE_AA, SHIFT)


def _draw_chest(image, person: Person, points, px_per_m: float, facing: float) -> None:
    """Draw shoulders, collar and the number."""
    for k in range(2):
        centre = tuple(int(v) for v in fixed_point(points[SHOULDER + k]))
        cv2.circle(image, centre, round(0.085 * px_per_m * ONE_PX), person.shirt, -1, cv2.LINE_AA, SHIFT)
    neck, pelvis = points[NECK], points[PELVIS]
    across = np.abs(points[SHOULDER, 0] - points[SHOULDER + 1, 0])
    collar = tuple(int(v) for v in fixed_point(neck + (pelvis - neck) * 0.01))
    axes = (round(0.085 * px_per_m * ONE_PX), round(0.05 * px_per_m * ONE_PX))
    cv2.ellipse(image, collar, axes, 0, 0, 360, person.trim, -1, cv2.LINE_AA, SHIFT)
    inner = (round(0.065 * px_per_m * ONE_PX), round(0.05 * px_per_m * ONE_PX))
    above = (collar[0], collar[1] - round(0.025 * px_per_m * ONE_PX))
    cv2.ellipse(image, above, inner, 0, 0, 360, person.skin, -1, cv2.LINE_AA, SHIFT)
    if person.number and across > 0.2 * px_per_m:
        mask = text_mask(str(person.number), round((0.34 if facing > 0 else 0.42) * px_per_m))
        narrow = max(1, round(mask.shape[1] * min(1.0, across / (0.42 * px_per_m))))
        mask = cv2.resize(mask, (narrow, mask.shape[0]), interpolation=cv2.INTER_AREA)
        middle = neck + (pelvis - neck) * 0.4
        paste(image, mask, person.trim, middle[0] - narrow / 2, middle[1] - mask.shape[0] / 2)


def _draw_head(image, person: Person, points, px_per_m: float, facing: float) -> None:
    def oval(dx_m, dy_m, rx_m, ry_m, colour, from_deg=0, to_deg=360):
        centre = tuple(int(v) for v in fixed_point(points[HEAD] + np.array([dx_m, dy_m]) * px_per_m))
        axes = (max(1, round(rx_m * px_per_m * ONE_PX)), max(1, round(ry_m * px_per_m * ONE_PX)))
        cv2.ellipse(image, centre, axes, 0, from_deg, to_deg, colour, -1, cv2.LINE_AA, SHIFT)

    # how far the head is turned to the side, −1 to 1: from the side, the shoulders are close together in the picture
    across = (points[SHOULDER, 0] - points[SHOULDER + 1, 0]) / px_per_m
    turned = math.copysign(math.sqrt(max(0.0, 1 - min(1.0, abs(across) / 0.42) ** 2)), 1.0) * _facing_side(
        points
    )
    oval(0, -0.035, 0.118, 0.135, person.hair)
    if facing < -0.35:
        return
    shift = 0.045 * turned
    dark = mix(person.skin, (60, 20, 10), 0.3)
    oval(-0.108 + shift, 0.01, 0.022, 0.035, dark)
    oval(0.108 + shift, 0.01, 0.022, 0.035, dark)
    oval(shift, 0.02, 0.1, 0.128, person.skin)
    oval(shift * 0.6, -0.075, 0.112, 0.07, person.hair, 180, 360)
    for side in (-1, 1):
        x = 0.04 * side + shift * 1.7
        oval(x, -0.005, 0.02, 0.011, (245, 245, 245))
        oval(x + 0.006 * turned, -0.005, 0.009, 0.011, (40, 28, 24))
        oval(x, -0.034, 0.025, 0.006, person.hair)
    oval(shift * 2.0, 0.035, 0.013, 0.026, mix(person.skin, (90, 30, 20), 0.22))
    oval(shift * 1.8, 0.085, 0.033, 0.012, (150, 70, 66))


def _facing_side(points: np.ndarray) -> float:
    """Return 1 where the toes point to the right of the picture, −1 where they point to the left."""
    feet = points[TOE : TOE + 2].mean(axis=0) - points[ANKLE : ANKLE + 2].mean(axis=0)
    return 1.0 if feet[0] >= 0 else -1.0


def draw_shadows(image, bodies: np.ndarray, projection) -> None:
    """Draw the shadows of two floodlights: every body projected on the grass, once to the left, once to the right."""
    height, focal_px = image.shape[0], focal_length_px(projection)
    for lean_x, lean_y in ((0.55, 0.25), (-0.45, 0.2)):
        flat = bodies[:, [ANKLE, PELVIS, HEAD]].copy()
        flat[..., 0] += lean_x * flat[..., 2]
        flat[..., 1] += lean_y * flat[..., 2]
        flat[..., 2] = 0.0
        seen, depth = project(projection, flat)
        for points, away in zip(seen, depth, strict=True):
            if away.min() < NEAR_M or points[:, 1].max() < 0 or points[:, 1].min() > height:
                continue
            px_per_m = focal_px / away[0]
            colour = mix(SHADOW, GRASS[0], 0.3)
            cv2.polylines(
                image,
                [fixed_point(points)],
                False,
                colour,
                max(1, round(0.26 * px_per_m)),
                cv2.LINE_AA,
                SHIFT,
            )


def draw_card(image, hand, px_per_m: float, pose: int) -> None:
    """Draw the card that a referee holds up: `hand` (2,) is where the hand is in the picture."""
    colour = (255, 222, 20) if pose == YELLOW else (225, 20, 30)
    card = hand + np.array([[-0.07, -0.03], [0.07, -0.05], [0.08, -0.24], [-0.06, -0.22]]) * px_per_m
    cv2.fillConvexPoly(image, fixed_point(card), colour, cv2.LINE_AA, SHIFT)


def draw_number_board(image, points, px_per_m: float, numbers: tuple[int, int]) -> None:
    """Draw the fourth official's board: the number that goes off in red, the one that comes on in green."""
    centre = points[HAND : HAND + 2].mean(axis=0) - (0, 0.2 * px_per_m)
    half = np.array([0.46, 0.23]) * px_per_m
    x0, y0 = np.rint(centre - half).astype(int)
    x1, y1 = np.rint(centre + half).astype(int)
    cv2.rectangle(image, (x0, y0), (x1, y1), (18, 18, 20), -1)
    cv2.rectangle(image, (x0, y0), (x1, y1), (120, 124, 130), max(1, round(0.02 * px_per_m)))
    for number, colour, share in zip(numbers, ((255, 60, 50), (70, 255, 90)), (0.26, 0.74), strict=True):
        mask = text_mask(str(number), round(0.34 * px_per_m))
        paste(image, mask, colour, x0 + (x1 - x0) * share - mask.shape[1] / 2, centre[1] - mask.shape[0] / 2)
