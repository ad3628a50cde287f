"""Draw the pitch and what is on it: grass, lines, goals, corner flags and the ball."""

from __future__ import annotations

import math

import cv2
import numpy as np

from experiments.match_clip.camera import NEAR_M, ONE_PX, SHIFT, fixed_point, focal_length_px, project
from experiments.match_clip.textures import GRASS, GRASS_X_M, GRASS_Y_M, SHADOW, grass_texture
from experiments.match_clip.world import (
    BALL_RADIUS_M,
    BALL_SCALE,
    GOAL_DEPTH_M,
    GOAL_HALF_WIDTH_M,
    GOAL_HEIGHT_M,
    HALF_LENGTH_M,
    HALF_WIDTH_M,
    mix,
)

_BEYOND = (42, 66, 46)  # colour of the ground outside the grass texture
_LINE = (236, 242, 232)


def draw_ground(image, projection, camera) -> None:
    """Draw the grass, and the ground around it up to the horizon. `projection` (3, 4), `camera` (6,)."""
    height, width = image.shape[:2]
    # A camera without roll has a level horizon; above it a ray would meet the ground behind the camera.
    horizon = height / 2 + camera[5] * width * math.tan(camera[4])
    top = int(np.clip(math.ceil(horizon + 1), 0, height))
    if top >= height:
        return
    image[top:] = _BEYOND
    px_per_m = int(np.clip(round(width / 60), 2, 20))
    texture = grass_texture(px_per_m)
    on_ground = np.array([[1 / px_per_m, 0, -GRASS_X_M], [0, -1 / px_per_m, GRASS_Y_M], [0, 0, 1]])
    matrix = projection[:, [0, 1, 3]] @ on_ground
    matrix = np.array([[1, 0, 0], [0, 1, -top], [0, 0, 1]]) @ matrix
    cv2.warpPerspective(
        texture,
        matrix,
        (width, height - top),
        dst=image[top:],
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_TRANSPARENT,
    )


def _polyline(points: list[tuple[float, float]], step_m: float = 4.0) -> np.ndarray:
    """Return a line on the ground as short pieces (N, 2, 3), so that only those behind the camera are left out."""
    pieces = []
    for (x0, y0), (x1, y1) in zip(points, points[1:], strict=False):
        count = max(1, math.ceil(math.hypot(x1 - x0, y1 - y0) / step_m))
        t = np.linspace(0, 1, count + 1)[:, None]
        points_m = np.array([[x0, y0, 0.0]]) + t * np.array([[x1 - x0, y1 - y0, 0.0]])
        pieces.append(np.stack([points_m[:-1], points_m[1:]], axis=1))
    return np.concatenate(pieces)


def _arc(x: float, y: float, radius: float, from_deg: float, to_deg: float, count: int = 24) -> np.ndarray:
    angles = np.radians(np.linspace(from_deg, to_deg, count + 1))
    return _polyline([(x + radius * math.cos(a), y + radius * math.sin(a)) for a in angles])


def _pitch_lines() -> np.ndarray:
    long, wide = HALF_LENGTH_M, HALF_WIDTH_M
    lines = [
        _polyline([(-long, -wide), (long, -wide), (long, wide), (-long, wide), (-long, -wide)]),
        _polyline([(0, -wide), (0, wide)]),
        _arc(0, 0, 9.15, 0, 360, 48),
        _arc(0, 0, 0.07, 0, 360, 6),
    ]
    for side in (-1, 1):
        for depth, half in ((16.5, 20.16), (5.5, 9.16)):
            x = side * (long - depth)
            lines.append(_polyline([(side * long, -half), (x, -half), (x, half), (side * long, half)]))
        spot = side * (long - 11)
        lines.append(_arc(spot, 0, 0.07, 0, 360, 6))
        facing = 180 if side > 0 else 0
        lines.append(_arc(spot, 0, 9.15, facing - 53, facing + 53, 14))
        for end in (-1, 1):
            start = {(-1, -1): 0, (1, -1): 90, (1, 1): 180, (-1, 1): 270}[side, end]
            lines.append(_arc(side * long, end * wide, 1.0, start, start + 90, 5))
    return np.concatenate(lines)


_PITCH_LINES = _pitch_lines()


def draw_lines(image, projection) -> None:
    """Draw the lines of the pitch."""
    seen, depth = project(projection, _PITCH_LINES)
    height, width = image.shape[:2]
    inside = (depth > NEAR_M).all(axis=1)
    inside &= (seen.max(axis=1) > 0).all(axis=1) & (seen.min(axis=1) < (width, height)).all(axis=1)
    if not inside.any():
        return
    points = fixed_point(seen[inside])
    line_px = 0.12 * focal_length_px(projection) / depth[inside].mean(axis=1)
    whole_px = np.maximum(1, np.rint(line_px)).astype(int)
    for thick in np.unique(whole_px):
        these = whole_px == thick
        # A line thinner than a pixel is drawn one pixel wide and fainter.
        colour = mix(GRASS[1], _LINE, float(np.clip(line_px[these].mean() * 1.2, 0.35, 0.92)))
        cv2.polylines(image, list(points[these]), False, colour, int(thick), cv2.LINE_AA, SHIFT)


def _goal_parts() -> tuple[np.ndarray, np.ndarray]:
    """Return frame and net of the right goal, each as pieces (N, 2, 3) in metres."""
    x, half, top, depth = HALF_LENGTH_M, GOAL_HALF_WIDTH_M, GOAL_HEIGHT_M, GOAL_DEPTH_M
    frame = [
        [(x, -half, 0), (x, -half, top)],
        [(x, -half, top), (x, half, top)],
        [(x, half, top), (x, half, 0)],
    ]
    net = []
    for y in np.linspace(-half, half, 15):  # roof and back, from the front downwards
        net += [[(x, y, top), (x + depth * 0.55, y, top)], [(x + depth * 0.55, y, top), (x + depth, y, 0)]]
    for share in np.linspace(0, 1, 7):
        back, z = x + depth * (0.55 + 0.45 * (1 - share)), top * share
        net.append([(back, -half, z), (back, half, z)])
        for y in (-half, half):
            net.append([(x, y, z), (back, y, z)])
    for share in np.linspace(0.2, 1.0, 4):
        for y in (-half, half):
            net.append([(x + depth * 0.55 * share, y, 0), (x + depth * 0.55 * share, y, top)])
        net.append([(x + depth * 0.55 * share, -half, top), (x + depth * 0.55 * share, half, top)])
    return np.array(frame, float), np.array(net, float)


_GOAL_FRAME, _GOAL_NET = _goal_parts()
_GOAL_BOX = np.concatenate([_GOAL_FRAME, _GOAL_NET]).reshape(-1, 3)


def draw_goal(image, projection, side: int) -> None:
    """Draw the left (`side` −1) or right (1) goal with a half transparent net."""
    mirror = np.array([side, 1, 1])
    box, depth = project(projection, _GOAL_BOX * mirror)
    if depth.min() < NEAR_M or box[:, 0].max() < 0 or box[:, 0].min() > image.shape[1]:
        return
    frame, net = project(projection, _GOAL_FRAME * mirror)[0], project(projection, _GOAL_NET * mirror)[0]
    (x0, y0), (x1, y1) = (
        np.floor(box.min(axis=0)).astype(int) - 2,
        np.ceil(box.max(axis=0)).astype(int) + 3,
    )
    x0, y0, x1, y1 = max(0, x0), max(0, y0), min(image.shape[1], x1), min(image.shape[0], y1)
    if x0 >= x1 or y0 >= y1:
        return
    part = image[y0:y1, x0:x1]
    px_per_m = float(np.abs(frame[0, 0] - frame[0, 1]).max()) / GOAL_HEIGHT_M
    veiled = part.copy()
    thick = max(1, round(0.02 * px_per_m))
    cv2.polylines(
        veiled, list(fixed_point(net - (x0, y0))), False, (226, 230, 232), thick, cv2.LINE_AA, SHIFT
    )
    cv2.addWeighted(
        veiled, 0.55 if px_per_m > 8 else 0.35, part, 0.45 if px_per_m > 8 else 0.65, 0, dst=veiled
    )
    part[:] = veiled
    thick = max(1, round(0.16 * px_per_m))
    cv2.polylines(image, list(fixed_point(frame)), False, (250, 250, 250), thick, cv2.LINE_AA, SHIFT)


_FLAGS = np.array(
    [
        [(x, y, 0), (x, y, 1.7), (x - 0.5, y, 1.5), (x, y, 1.3)]
        for x in (-HALF_LENGTH_M, HALF_LENGTH_M)
        for y in (-HALF_WIDTH_M, HALF_WIDTH_M)
    ]
)


def draw_flags(image, projection) -> None:
    """Draw the four corner flags."""
    seen, depth = project(projection, _FLAGS)
    for (foot, top, tip, low), away in zip(seen, depth, strict=True):
        if away.min() < NEAR_M or not (0 < foot[0] < image.shape[1] and 0 < foot[1] < image.shape[0]):
            continue
        cv2.polylines(
            image, [fixed_point(np.array([foot, top]))], False, (240, 230, 120), 1, cv2.LINE_AA, SHIFT
        )
        cv2.fillConvexPoly(image, fixed_point(np.array([top, tip, low])), (235, 70, 40), cv2.LINE_AA, SHIFT)


def draw_ball(image, projection, ball: np.ndarray) -> None:
    """Draw the ball at `ball` (3,) in metres, and its shadow."""
    radius_m = BALL_RADIUS_M * BALL_SCALE
    centre = ball + (0, 0, radius_m - BALL_RADIUS_M)
    (seen, shade), depth = project(projection, np.array([centre, (ball[0] + 0.3 * ball[2], ball[1], 0.0)]))
    if depth.min() < NEAR_M:
        return
    radius = max(1.2, radius_m * focal_length_px(projection) / depth[0])
    point, below = (tuple(int(v) for v in fixed_point(p)) for p in (seen, shade))
    size = round(radius * ONE_PX)
    cv2.ellipse(image, below, (size, size // 2), 0, 0, 360, SHADOW, -1, cv2.LINE_AA, SHIFT)
    cv2.circle(image, point, size + ONE_PX // 3, (60, 70, 60), -1, cv2.LINE_AA, SHIFT)
    cv2.circle(image, point, size, (252, 252, 250), -1, cv2.LINE_AA, SHIFT)
    if radius > 5:
        for angle in range(0, 360, 72):
            turn = math.radians(angle + ball[0] * 90)
            spot = seen + np.array([math.cos(turn), math.sin(turn)]) * radius * 0.6
            cv2.circle(
                image,
                tuple(int(v) for v in fixed_point(spot)),
                size // 4,
                (40, 40, 44),
                -1,
                cv2.LINE_AA,
                SHIFT,
            )
