"""Draws one frame of the scripted football match: a pinhole camera over a stadium measured in metres.

All cameras, from the main one high in the stand to a close-up, look at the same three-dimensional scene, and
people are skeletons in it. Flat sprites, the obvious way, would be less work, but then a zoom, another angle
and a replay of the same goal would each need their own pictures, and nothing would hold them together.

`draw` is a pure function of its arguments: any frame, at any size, in any order. What does not depend on the
frame (grass, crowd, boards, text) is drawn once a size and kept.

World: x along the pitch, y away from the main camera, z up; metres from the centre spot. Image points are
(x, y) in pixels from the top left; colours are RGB.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

if TYPE_CHECKING:
    from experiments.match_clip.match_script import Person, Script

FPS = 25
HALF_LENGTH_M, HALF_WIDTH_M = 52.5, 34.0
GOAL_HALF_WIDTH_M, GOAL_HEIGHT_M, GOAL_DEPTH_M = 3.66, 2.44, 2.0
BALL_RADIUS_M = 0.11
PEOPLE_SCALE = 1.12  # people and ball are a little larger than life: it reads better on small pictures
BALL_SCALE = 1.7

# Poses; what a person does beside running and standing.
RUN, KICK, HEADER, DIVE_LEFT, DIVE_RIGHT, CELEBRATE, DEJECTED, YELLOW, RED, BOARD = range(10)

_BOARDS_X_M, _BOARDS_Y_M, _BOARDS_HEIGHT_M = 57.5, 38.0, 1.0
_GRASS_X_M, _GRASS_Y_M = 64.0, 48.0
_GRASS = ((66, 138, 52), (84, 158, 64))
_RUN_OFF = (58, 118, 52)
_BEYOND = (42, 66, 46)  # the ground outside the grass texture
_SHADOW = (38, 84, 36)
_LINE = (236, 242, 232)
_NIGHT = (16, 20, 34)
_SHIFT = 4  # OpenCV draws with coordinates in 1/16 pixel
_ONE_PX = 1 << _SHIFT
_NEAR_M = 0.5
_CROWD_PHASES = 3
_PANEL_M = 26.0

Colour = tuple[int, int, int]


# --- camera


def aim(position: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Yaw and pitch (radians) of a camera at `position` that looks at `target`; (..., 3) each."""
    away = np.asarray(target, float) - np.asarray(position, float)
    return np.arctan2(away[..., 1], away[..., 0]), np.arctan2(
        away[..., 2], np.hypot(away[..., 0], away[..., 1])
    )


def _projection(camera: np.ndarray, width: int, height: int) -> np.ndarray:
    """(3, 4): world points to image points. `camera`: x, y, z, yaw, pitch, focal length in picture widths."""
    position, (yaw, pitch, focal) = np.asarray(camera[:3], float), (float(value) for value in camera[3:6])
    cos_yaw, sin_yaw, cos_pitch, sin_pitch = math.cos(yaw), math.sin(yaw), math.cos(pitch), math.sin(pitch)
    axes = np.array(
        [
            [sin_yaw, -cos_yaw, 0.0],
            [sin_pitch * cos_yaw, sin_pitch * sin_yaw, -cos_pitch],
            [cos_pitch * cos_yaw, cos_pitch * sin_yaw, sin_pitch],
        ]
    )
    f_px = focal * width
    lens = np.array([[f_px, 0, width / 2], [0, f_px, height / 2], [0, 0, 1]])
    rotated = lens @ axes
    return np.hstack([rotated, -(rotated @ position)[:, None]])


def _project(projection: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Image points (..., 2) and depths in metres (...) of world points (..., 3)."""
    seen = points @ projection[:, :3].T + projection[:, 3]
    depth = seen[..., 2]
    return seen[..., :2] / np.where(np.abs(depth) < 1e-6, 1e-6, depth)[..., None], depth


def _scale(projection: np.ndarray) -> float:
    """Pixels per metre at a depth of one metre: the focal length in pixels."""
    first, last = projection[0, :3], projection[2, :3]  # across · focal length + centre · ahead, and ahead
    return math.sqrt(first @ first - (first @ last) ** 2)


def _fixed(points: np.ndarray) -> np.ndarray:
    """Image points as OpenCV wants them; far outside is cut off, since its integers overflow."""
    return np.rint(np.clip(points, -8000, 8000) * _ONE_PX).astype(np.int32)


def mix(one: Colour, other: Colour, share: float) -> Colour:
    """`share` of the other colour."""
    return tuple(round(a + (b - a) * share) for a, b in zip(one, other, strict=True))


# --- text and other static pictures


@lru_cache(maxsize=2048)
def _text(text: str, size_px: int) -> np.ndarray:
    """The text as a mask (H, W) uint8, cut to the width of its ink and the height of capitals and descenders."""
    font = ImageFont.load_default(max(4, size_px))
    stroke = size_px // 26
    left, _, right, _ = font.getbbox(text, stroke_width=stroke)
    _, top, _, bottom = font.getbbox("HQ", stroke_width=stroke)
    mask = Image.new("L", (max(1, math.ceil(right - left)), max(1, math.ceil(bottom - top))), 0)
    ImageDraw.Draw(mask).text((-left, -top), text, 255, font=font, stroke_width=stroke)
    return np.asarray(mask)


def _paste(image: np.ndarray, mask: np.ndarray, colour: Colour, x: float, y: float) -> None:
    """Blend a colour into the image through a mask whose top left is at (x, y)."""
    x, y = round(x), round(y)
    x0, y0 = max(0, x), max(0, y)
    x1, y1 = min(image.shape[1], x + mask.shape[1]), min(image.shape[0], y + mask.shape[0])
    if x0 >= x1 or y0 >= y1:
        return
    part = image[y0:y1, x0:x1]
    share = mask[y0 - y : y1 - y, x0 - x : x1 - x, None].astype(np.float32) * (1 / 255)
    part[:] = (part + (np.array(colour, np.float32) - part) * share + 0.5).astype(np.uint8)


@lru_cache(maxsize=4)
def _grass_texture(px_per_m: int) -> np.ndarray:
    """The mown pitch from above, without its lines: those are drawn in the picture, where they stay sharp."""
    width, height = round(2 * _GRASS_X_M * px_per_m), round(2 * _GRASS_Y_M * px_per_m)
    x = (np.arange(width) + 0.5) / px_per_m - _GRASS_X_M
    y = _GRASS_Y_M - (np.arange(height) + 0.5) / px_per_m
    light = (np.floor((x + HALF_LENGTH_M) / 5.25) % 2)[None, :, None]
    image = np.array(_GRASS[0], np.float32) + light * (
        np.array(_GRASS[1], np.float32) - np.array(_GRASS[0], np.float32)
    )
    image = np.repeat(image, height, axis=0)
    outside = (np.abs(x)[None, :] > HALF_LENGTH_M + 2.5) | (np.abs(y)[:, None] > HALF_WIDTH_M + 2.5)
    image[outside] = _RUN_OFF
    rng = np.random.default_rng(1)
    for patch_m, strength in ((6.0, 4.0), (0.9, 5.0), (0.25, 5.0)):
        shape = max(2, round(height / patch_m / px_per_m)), max(2, round(width / patch_m / px_per_m))
        noise = rng.normal(0, strength, shape).astype(np.float32)
        image += cv2.resize(noise, (width, height), interpolation=cv2.INTER_LINEAR)[..., None]
    return np.clip(image, 0, 255).astype(np.uint8)


@lru_cache(maxsize=64)
def _crowd_texture(px_per_m: int, variant: int, phase: int, colours: tuple[Colour, ...]) -> np.ndarray:
    """A panel of seated people from in front, `_PANEL_M` wide; the phases differ by who has moved."""
    rng = np.random.default_rng([2, variant])
    moves = np.random.default_rng([3, variant, phase])
    width, height = round(_PANEL_M * px_per_m), round(28 * px_per_m)
    image = np.full((height, width, 3), (44, 46, 56), np.uint8)
    plain = ((30, 32, 40), (62, 62, 70), (120, 118, 116), (190, 186, 180), (88, 70, 60), (48, 60, 92))
    skins = ((226, 180, 150), (196, 146, 112), (140, 98, 72), (238, 196, 168))
    row_m, seat_m = 0.95, 0.58
    for row in range(int(28 / row_m)):
        y = (row + 0.6) * row_m
        cv2.line(
            image, (0, round((y + 0.32) * px_per_m)), (width, round((y + 0.32) * px_per_m)), (70, 72, 82), 1
        )
        for seat in range(int(_PANEL_M / seat_m)):
            shift, lift = (moves.random(2) - 0.5) * (0.1, 0.24)
            x = (seat + 0.5 + 0.15 * (rng.random() - 0.5)) * seat_m
            if rng.random() < 0.06 or abs(x - _PANEL_M / 2) < 0.5:  # a free seat; the stairs
                continue
            team = rng.random() < 0.45
            shirt = colours[rng.integers(len(colours))] if team else plain[rng.integers(len(plain))]
            shirt = mix(shirt, (20, 20, 30), 0.1 + 0.3 * rng.random())
            centre = np.array([x + shift, y + lift])
            body = tuple(int(v) for v in _fixed(centre * px_per_m))
            cv2.circle(image, body, round(0.25 * px_per_m * _ONE_PX), shirt, -1, cv2.LINE_AA, _SHIFT)
            head = tuple(int(v) for v in _fixed((centre - (0, 0.3)) * px_per_m))
            skin = mix(skins[rng.integers(len(skins))], (30, 30, 40), 0.15)
            cv2.circle(image, head, round(0.135 * px_per_m * _ONE_PX), skin, -1, cv2.LINE_AA, _SHIFT)
    return image


_BRANDS = (
    ("ZENDRUL", (18, 40, 110), (255, 255, 255)),
    ("nordlin", (240, 240, 236), (190, 30, 40)),
    ("OKAVO", (200, 36, 40), (255, 240, 90)),
    ("FIRNIX", (12, 12, 16), (80, 230, 160)),
    ("telmora", (250, 200, 30), (20, 20, 30)),
    ("BRIVANT", (24, 120, 150), (255, 255, 255)),
    ("QUELVO", (255, 255, 255), (30, 60, 160)),
)


@lru_cache(maxsize=32)
def _board_texture(px_per_m: int, variant: int) -> np.ndarray:
    """Advertising boards, one panel of `_PANEL_M`."""
    width, height = round(_PANEL_M * px_per_m), max(2, round(_BOARDS_HEIGHT_M * px_per_m))
    image = np.zeros((height, width, 3), np.uint8)
    count = 4
    for k in range(count):
        name, back, front = _BRANDS[(variant * count + k) % len(_BRANDS)]
        x0, x1 = round(k * width / count), round((k + 1) * width / count)
        image[:, x0:x1] = back
        mask = _text(name, round(0.8 * height))
        _paste(image, mask, front, (x0 + x1 - mask.shape[1]) / 2, (height - mask.shape[0]) / 2)
    image[: max(1, height // 14)] = (200, 204, 210)
    return image


@lru_cache(maxsize=4)
def _noise(width: int, height: int) -> np.ndarray:
    """Sensor noise, larger than the picture: frames use different parts of it."""
    noise = np.random.default_rng(4).normal(0, 1.8, (height + 61, width + 61)).round()
    return np.repeat(np.clip(noise, -6, 6).astype(np.int8)[..., None], 3, axis=2)


# --- stadium


@dataclass(frozen=True)
class _Face:
    """A flat rectangle of the stadium. Corners: lower left, lower right, upper right, upper left."""

    kind: str  # crowd, wall or boards
    number: int
    out: tuple[float, float]  # away from the pitch
    boards_m: float  # from the centre to the boards of its side
    corners: np.ndarray


def _stadium() -> list[_Face]:
    """Four sides of two tiers and boards, in the order in which they are drawn: from the back to the front."""
    up = np.array([0.0, 0.0, 1.0])
    far, right = np.array([0.0, 1.0, 0.0]), np.array([1.0, 0.0, 0.0])
    sides = (
        (far, right, _BOARDS_Y_M, 78.0),
        (-far, -right, _BOARDS_Y_M, 78.0),
        (right, -far, _BOARDS_X_M, 52.0),
        (-right, far, _BOARDS_X_M, 52.0),
    )
    layers: dict[int, list[_Face]] = {}
    for side, (out, along, boards_m, half_m) in enumerate(sides):
        count = round(2 * half_m / _PANEL_M)
        for k in range(count):
            left, step = out * (boards_m + 3) + along * (k * _PANEL_M - half_m), along * _PANEL_M
            parts = [
                ("crowd", left + out * 27 + up * 20, out * 18 + up * 20),
                ("wall", left + out * 26 + up * 16.5, up * 4),
                ("crowd", left + up * 1.6, out * 26 + up * 15),
                ("wall", left, up * 1.7),
            ]
            if 0 < k < count - 1:  # the corners are open
                parts.append(("boards", left - out * 3, up * _BOARDS_HEIGHT_M))
            for layer, (kind, corner, rise) in enumerate(parts):
                corners = np.array([corner, corner + step, corner + step + rise, corner + rise])
                face = _Face(kind, side + k, (float(out[0]), float(out[1])), boards_m, corners)
                layers.setdefault(layer, []).append(face)
    return [face for layer in sorted(layers) for face in layers[layer]]


_FACES = _stadium()
_FACE_CORNERS = np.array([face.corners for face in _FACES])


def _seen_faces(projection, camera, width: int, height: int) -> list[tuple[_Face, np.ndarray]]:
    """The faces in the picture, with their corners there."""
    corners, depth = _project(projection, _FACE_CORNERS)
    inside = depth.min(axis=1) > _NEAR_M
    inside &= (corners.max(axis=1) > 0).all(axis=1) & (corners.min(axis=1) < (width, height)).all(axis=1)
    seen = []
    for k in np.flatnonzero(inside):
        face = _FACES[k]
        # From outside a side is not drawn: the camera looks in over its boards.
        if face.out[0] * camera[0] + face.out[1] * camera[1] < face.boards_m:
            seen.append((face, corners[k]))
    return seen


def _draw_face(image, texture: np.ndarray, corners: np.ndarray) -> None:
    (x0, y0), (x1, y1) = np.floor(corners.min(axis=0)), np.ceil(corners.max(axis=0)) + 1
    x0, y0 = int(max(0, x0)), int(max(0, y0))
    x1, y1 = int(min(image.shape[1], x1)), int(min(image.shape[0], y1))
    height, width = texture.shape[:2]
    source = np.array([[0, height], [width, height], [width, 0], [0, 0]], np.float32)
    matrix = cv2.getPerspectiveTransform(source, (corners - (x0, y0)).astype(np.float32))
    cv2.warpPerspective(
        texture,
        matrix,
        (x1 - x0, y1 - y0),
        dst=image[y0:y1, x0:x1],
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_TRANSPARENT,
    )


_WALL = np.full((2, 2, 3), (64, 68, 80), np.uint8)


def _draw_stands(image, faces, colours, cheer: float, index: int) -> None:
    crowd_px = max(2, round(image.shape[0] / 44))
    for face, corners in faces:
        if face.kind == "wall":
            _draw_face(image, _WALL, corners)
        elif face.kind == "crowd":
            # A calm crowd stirs here and there, now and then; a cheering one moves all over.
            beat = index // 4 if cheer > 0.15 else (index + 17 * face.number) // 30
            phase = (beat + face.number) % _CROWD_PHASES
            _draw_face(image, _crowd_texture(crowd_px, face.number % 3, phase, colours), corners)


def _draw_boards(image, faces) -> None:
    board_px = max(4, round(image.shape[0] / 18))
    for face, corners in faces:
        if face.kind == "boards":
            _draw_face(image, _board_texture(board_px, face.number), corners)


def _draw_ground(image, projection, camera) -> None:
    height, width = image.shape[:2]
    # Without roll the horizon is a level line; rays above it would meet the ground behind the camera.
    horizon = height / 2 + camera[5] * width * math.tan(camera[4])
    top = int(np.clip(math.ceil(horizon + 1), 0, height))
    if top >= height:
        return
    image[top:] = _BEYOND
    px_per_m = int(np.clip(round(width / 60), 2, 20))
    texture = _grass_texture(px_per_m)
    on_ground = np.array([[1 / px_per_m, 0, -_GRASS_X_M], [0, -1 / px_per_m, _GRASS_Y_M], [0, 0, 1]])
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
    """(N, 2, 3) short pieces on the ground: those behind the camera can be left out one by one."""
    pieces = []
    for (x0, y0), (x1, y1) in zip(points, points[1:], strict=False):
        count = max(1, math.ceil(math.hypot(x1 - x0, y1 - y0) / step_m))
        t = np.linspace(0, 1, count + 1)[:, None]
        way = np.array([[x0, y0, 0.0]]) + t * np.array([[x1 - x0, y1 - y0, 0.0]])
        pieces.append(np.stack([way[:-1], way[1:]], axis=1))
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


def _draw_lines(image, projection) -> None:
    seen, depth = _project(projection, _PITCH_LINES)
    height, width = image.shape[:2]
    inside = (depth > _NEAR_M).all(axis=1)
    inside &= (seen.max(axis=1) > 0).all(axis=1) & (seen.min(axis=1) < (width, height)).all(axis=1)
    if not inside.any():
        return
    points = _fixed(seen[inside])
    line_px = 0.12 * _scale(projection) / depth[inside].mean(axis=1)
    whole_px = np.maximum(1, np.rint(line_px)).astype(int)
    for thick in np.unique(whole_px):
        these = whole_px == thick
        # A line thinner than a pixel is drawn fainter instead.
        colour = mix(_GRASS[1], _LINE, float(np.clip(line_px[these].mean() * 1.2, 0.35, 0.92)))
        cv2.polylines(image, list(points[these]), False, colour, int(thick), cv2.LINE_AA, _SHIFT)


def _goal_parts() -> tuple[np.ndarray, np.ndarray]:
    """Frame and net of the right goal: (N, 2, 3) pieces each."""
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


def _draw_goal(image, projection, side: int) -> None:
    mirror = np.array([side, 1, 1])
    box, depth = _project(projection, _GOAL_BOX * mirror)
    if depth.min() < _NEAR_M or box[:, 0].max() < 0 or box[:, 0].min() > image.shape[1]:
        return
    frame, net = _project(projection, _GOAL_FRAME * mirror)[0], _project(projection, _GOAL_NET * mirror)[0]
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
    cv2.polylines(veiled, list(_fixed(net - (x0, y0))), False, (226, 230, 232), thick, cv2.LINE_AA, _SHIFT)
    cv2.addWeighted(
        veiled, 0.55 if px_per_m > 8 else 0.35, part, 0.45 if px_per_m > 8 else 0.65, 0, dst=veiled
    )
    part[:] = veiled
    thick = max(1, round(0.16 * px_per_m))
    cv2.polylines(image, list(_fixed(frame)), False, (250, 250, 250), thick, cv2.LINE_AA, _SHIFT)


_FLAGS = np.array(
    [
        [(x, y, 0), (x, y, 1.7), (x - 0.5, y, 1.5), (x, y, 1.3)]
        for x in (-HALF_LENGTH_M, HALF_LENGTH_M)
        for y in (-HALF_WIDTH_M, HALF_WIDTH_M)
    ]
)


def _draw_flags(image, projection) -> None:
    seen, depth = _project(projection, _FLAGS)
    for (foot, top, tip, low), away in zip(seen, depth, strict=True):
        if away.min() < _NEAR_M or not (0 < foot[0] < image.shape[1] and 0 < foot[1] < image.shape[0]):
            continue
        cv2.polylines(image, [_fixed(np.array([foot, top]))], False, (240, 230, 120), 1, cv2.LINE_AA, _SHIFT)
        cv2.fillConvexPoly(image, _fixed(np.array([top, tip, low])), (235, 70, 40), cv2.LINE_AA, _SHIFT)


# --- people

# Joints of a skeleton; left and right alternate from SHOULDER on.
HEAD, NECK, PELVIS, SHOULDER, ELBOW, HAND, HIP, KNEE, ANKLE, TOE = 0, 1, 2, 3, 5, 7, 9, 11, 13, 15
_JOINTS = 17


def skeletons(xy, heading, phase, speed_m_s, pose, age_s, tall) -> np.ndarray:
    """(N, joints, 3) world points of N people: a running cycle after phase and speed, then their poses."""
    count = len(xy)
    local = np.zeros((count, _JOINTS, 3))  # forward, to the left, up
    moving = np.clip(speed_m_s / 0.8, 0, 1)
    swing = np.minimum(0.16 + 0.11 * speed_m_s, 0.85) * moving
    lean = np.minimum(0.03 * speed_m_s, 0.2)
    local[:, HEAD] = np.stack([lean * 1.15, 0 * lean, 1.67 - lean * 0.2], axis=1)
    local[:, NECK] = np.stack([lean * 0.9, 0 * lean, 1.47 - lean * 0.15], axis=1)
    local[:, PELVIS, 2] = 0.93
    for k, side in enumerate((1, -1)):
        turn = phase + k * math.pi
        thigh = swing * np.sin(turn)
        bend = 0.06 + 1.5 * swing * np.clip(np.cos(turn), 0, 1) + 0.25 * swing
        shin = thigh - bend
        local[:, HIP + k] = (0, 0.1 * side, 0.91)
        local[:, KNEE + k] = local[:, HIP + k] + _swung(thigh, 0.44, 0.03 * side * (1 - moving))
        local[:, ANKLE + k] = local[:, KNEE + k] + _swung(shin, 0.42, 0.01 * side)
        local[:, TOE + k] = local[:, ANKLE + k] + _swung(shin * 0.6 + 1.45, 0.2, 0.03 * side)
        arm = -thigh * 0.9
        flex = 0.25 + 1.1 * np.minimum(speed_m_s / 4, 1)
        local[:, SHOULDER + k] = np.stack([lean * 0.85, 0 * lean + 0.19 * side, 1.42 - lean * 0.15], axis=1)
        local[:, ELBOW + k] = local[:, SHOULDER + k] + _swung(arm, 0.29, 0.08 * side)
        local[:, HAND + k] = local[:, ELBOW + k] + _swung(arm + flex, 0.26, -0.02 * side)
    # The lower foot stands on the ground.
    local[..., 2] += (0.08 - local[:, ANKLE : ANKLE + 2, 2].min(axis=1))[:, None]
    for k in np.flatnonzero(pose):
        _strike(local[k], int(pose[k]), float(age_s[k]))
    local *= (PEOPLE_SCALE * np.asarray(tall))[:, None, None]
    forward = np.stack([np.cos(heading), np.sin(heading)], axis=1)
    left = np.stack([-forward[:, 1], forward[:, 0]], axis=1)
    world = np.empty_like(local)
    world[..., :2] = xy[:, None] + local[..., :1] * forward[:, None] + local[..., 1:2] * left[:, None]
    world[..., 2] = local[..., 2]
    return world


def _swung(angle, length_m: float, sideways) -> np.ndarray:
    """From a joint to the next: forward by `angle` from hanging down."""
    return np.stack([np.sin(angle) * length_m, 0 * angle + sideways, -np.cos(angle) * length_m], axis=-1)


def _strike(local: np.ndarray, pose: int, age_s: float) -> None:
    """Turn one skeleton into a pose, `age_s` after it began."""
    if pose == KICK:
        angle = np.interp(age_s, [0, 0.16, 0.28, 0.5], [0, -1.0, 1.3, 0.3])
        local[KNEE + 1] = local[HIP + 1] + _swung(np.float64(angle), 0.44, -0.02)
        shin = angle - np.interp(age_s, [0, 0.16, 0.26, 0.5], [0.3, 1.3, 0.05, 0.3])
        local[ANKLE + 1] = local[KNEE + 1] + _swung(np.float64(shin), 0.42, 0.0)
        local[TOE + 1] = local[ANKLE + 1] + _swung(np.float64(shin + 1.0), 0.2, 0.0)
        local[HAND] += (0.1, 0.25, 0.35)
        local[ELBOW] += (0.05, 0.15, 0.15)
    elif pose == HEADER:
        local[..., 2] += 0.55 * math.sin(math.pi * min(1.0, age_s / 0.6))
        for k, side in enumerate((1, -1)):
            local[ELBOW + k] = local[SHOULDER + k] + (0.05, 0.24 * side, 0.02)
            local[HAND + k] = local[ELBOW + k] + (0.15, 0.08 * side, 0.15)
    elif pose == CELEBRATE:
        wave = 0.12 * math.sin(age_s * 7)
        for k, side in enumerate((1, -1)):
            local[ELBOW + k] = local[SHOULDER + k] + (0.02, 0.17 * side, 0.2)
            local[HAND + k] = local[ELBOW + k] + (0.03, (0.05 + wave) * side, 0.26)
    elif pose == DEJECTED:
        local[HEAD] += (0.06, 0, -0.04)
        for k, side in enumerate((1, -1)):
            local[ELBOW + k] = local[SHOULDER + k] + (0.1, 0.2 * side, 0.16)
            local[HAND + k] = local[HEAD] + (0.05, 0.1 * side, 0.12)
    elif pose in (YELLOW, RED):
        up = min(1.0, age_s / 0.2)
        local[ELBOW + 1] = local[SHOULDER + 1] + (0.12, -0.05, -0.1 + 0.36 * up)
        local[HAND + 1] = local[ELBOW + 1] + (0.05, 0.0, 0.27 * up)
    elif pose == BOARD:
        for k, side in enumerate((1, -1)):
            local[ELBOW + k] = local[SHOULDER + k] + (0.16, 0.1 * side, 0.1)
            local[HAND + k] = local[ELBOW + k] + (0.06, 0.04 * side, 0.24)
    elif pose in (DIVE_LEFT, DIVE_RIGHT):
        side = 1 if pose == DIVE_LEFT else -1
        for k in range(2):
            local[ELBOW + k] = local[SHOULDER + k] + (0.1, 0.05, 0.24)
            local[HAND + k] = local[ELBOW + k] + (0.1, 0.0, 0.26)
        angle = -side * 1.4 * min(1.0, age_s / 0.35)
        hop = 0.5 * math.sin(math.pi * min(1.0, age_s / 0.6))
        y, z = local[:, 1].copy(), local[:, 2] - 0.25
        local[:, 1] = y * math.cos(angle) - z * math.sin(angle)
        local[:, 2] = y * math.sin(angle) + z * math.cos(angle) + 0.25 + hop


# Limbs: joints at both ends, widths there in metres, what colours them. Drawn for the far side first.
_LEG = (
    (KNEE, ANKLE, 0.125, 0.085, "socks"),
    (ANKLE, TOE, 0.09, 0.075, "boots"),
    (HIP, KNEE, 0.17, 0.13, "skin"),
    (HIP, KNEE, 0.21, 0.21, "shorts"),
)
_ARM = ((ELBOW, HAND, 0.085, 0.07, "skin"), (SHOULDER, ELBOW, 0.14, 0.12, "shirt"))
_SHORTS_LENGTH = 0.7  # share of the thigh


def _limbs(order: tuple[int, int]) -> list[tuple[int, int, float, float, str]]:
    """All limbs of a person, the far arm and leg (0 left, 1 right) first; None stands for the torso."""
    far, near = order
    rows = [(a + far, b + far, wa, wb, what) for a, b, wa, wb, what in _ARM]
    rows += [(a + far, b + far, wa, wb, what) for a, b, wa, wb, what in _LEG]
    rows += [(a + near, b + near, wa, wb, what) for a, b, wa, wb, what in _LEG]
    rows += [(NECK, PELVIS, 0.0, 0.0, "shirt"), (HEAD, NECK, 0.11, 0.12, "skin")]
    rows += [(a + near, b + near, wa, wb, what) for a, b, wa, wb, what in _ARM[::-1]]
    return rows


_FAR_LIMBS = len(_ARM) + len(_LEG)
_ORDERS = {True: _limbs((0, 1)), False: _limbs((1, 0))}  # key: is the left side the far one
_TORSO = next(k for k, limb in enumerate(_ORDERS[True]) if limb[:2] == (NECK, PELVIS))
_LIMB_TABLES = {
    key: (
        np.array([limb[0] for limb in rows]),
        np.array([limb[1] for limb in rows]),
        np.array([limb[2] for limb in rows]),
        np.array([limb[3] for limb in rows]),
        np.array([_SHORTS_LENGTH if limb[4] == "shorts" else 1.0 for limb in rows]),
    )
    for key, rows in _ORDERS.items()
}


def _quads(points: np.ndarray, left_is_far: np.ndarray, px_per_m: np.ndarray) -> np.ndarray:
    """(N, limbs, 4, 2) image points of all limbs of N people."""
    rows = len(_ORDERS[True])
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
def _limb_colours(person: Person, left_is_far: bool) -> list[Colour]:
    """By limb; the far arm and leg lie in the shade."""
    colours = {
        "shirt": person.shirt,
        "shorts": person.shorts,
        "socks": person.socks,
        "skin": person.skin,
        "boots": (24, 24, 28),
    }
    rows = _ORDERS[left_is_far]
    return [mix(colours[row[4]], (0, 0, 0), 0.18 if k < _FAR_LIMBS else 0.0) for k, row in enumerate(rows)]


def _draw_figure(image, person: Person, points, quads, rows, px_per_m: float, facing: float) -> None:
    """One person. `facing`: 1 looks at the camera, −1 away from it. Small ones get fewer strokes."""
    large = px_per_m > 45
    first = 2 if px_per_m < 7 else 0  # the far arm is lost in the body
    for row, quad, colour in list(
        zip(rows, quads, _limb_colours(person, rows is _ORDERS[True]), strict=True)
    )[first:]:
        if px_per_m < 7 and row[4] in ("boots", "skin"):
            continue
        if large:
            _draw_large_limb(image, row, quad, colour, px_per_m)
        else:
            cv2.fillConvexPoly(image, quad, colour, cv2.LINE_AA, _SHIFT)
    head = tuple(int(v) for v in _fixed(points[HEAD]))
    if large:
        _draw_chest(image, person, points, px_per_m, facing)
        _draw_head(image, person, points, px_per_m, facing)
        return
    radius = 0.14 * px_per_m * PEOPLE_SCALE
    cv2.circle(image, head, max(8, round(radius * _ONE_PX)), person.skin, -1, cv2.LINE_AA, _SHIFT)
    if px_per_m >= 7:
        hair = (head[0] - round(facing * 0.2), head[1] - round(0.055 * px_per_m * _ONE_PX))
        cv2.circle(image, hair, round(0.105 * px_per_m * _ONE_PX), person.hair, -1, cv2.LINE_AA, _SHIFT)


def _draw_large_limb(image, row, quad, colour, px_per_m) -> None:
    """A limb with round ends and a darker edge on one side, so that it looks like a body and not like paper."""
    torso = row[:2] == (NECK, PELVIS)
    if not torso:
        for end, width in ((quad[[0, 3]], row[2]), (quad[[1, 2]], row[3])):
            middle = tuple(int(v) for v in end.mean(axis=0))
            cv2.circle(image, middle, round(width / 2 * px_per_m * _ONE_PX), colour, -1, cv2.LINE_AA, _SHIFT)
    cv2.fillConvexPoly(image, quad, colour, cv2.LINE_AA, _SHIFT)
    dark = quad.copy()
    right_first = quad[0, 0] > quad[3, 0]
    keep = 0.72
    if right_first:
        dark[3], dark[2] = quad[3] + (quad[0] - quad[3]) * keep, quad[2] + (quad[1] - quad[2]) * keep
    else:
        dark[0], dark[1] = quad[0] + (quad[3] - quad[0]) * keep, quad[1] + (quad[2] - quad[1]) * keep
    cv2.fillConvexPoly(image, dark, mix(colour, (0, 0, 0), 0.14), cv2.LINE_AA, _SHIFT)


def _draw_chest(image, person: Person, points, px_per_m: float, facing: float) -> None:
    """Shoulders, collar and the number."""
    for k in range(2):
        centre = tuple(int(v) for v in _fixed(points[SHOULDER + k]))
        cv2.circle(image, centre, round(0.085 * px_per_m * _ONE_PX), person.shirt, -1, cv2.LINE_AA, _SHIFT)
    neck, pelvis = points[NECK], points[PELVIS]
    across = np.abs(points[SHOULDER, 0] - points[SHOULDER + 1, 0])
    collar = tuple(int(v) for v in _fixed(neck + (pelvis - neck) * 0.01))
    axes = (round(0.085 * px_per_m * _ONE_PX), round(0.05 * px_per_m * _ONE_PX))
    cv2.ellipse(image, collar, axes, 0, 0, 360, person.trim, -1, cv2.LINE_AA, _SHIFT)
    inner = (round(0.065 * px_per_m * _ONE_PX), round(0.05 * px_per_m * _ONE_PX))
    above = (collar[0], collar[1] - round(0.025 * px_per_m * _ONE_PX))
    cv2.ellipse(image, above, inner, 0, 0, 360, person.skin, -1, cv2.LINE_AA, _SHIFT)
    if person.number and across > 0.2 * px_per_m:
        mask = _text(str(person.number), round((0.34 if facing > 0 else 0.42) * px_per_m))
        narrow = max(1, round(mask.shape[1] * min(1.0, across / (0.42 * px_per_m))))
        mask = cv2.resize(mask, (narrow, mask.shape[0]), interpolation=cv2.INTER_AREA)
        middle = neck + (pelvis - neck) * 0.4
        _paste(image, mask, person.trim, middle[0] - narrow / 2, middle[1] - mask.shape[0] / 2)


def _draw_head(image, person: Person, points, px_per_m: float, facing: float) -> None:
    def oval(dx_m, dy_m, rx_m, ry_m, colour, from_deg=0, to_deg=360):
        centre = tuple(int(v) for v in _fixed(points[HEAD] + np.array([dx_m, dy_m]) * px_per_m))
        axes = (max(1, round(rx_m * px_per_m * _ONE_PX)), max(1, round(ry_m * px_per_m * _ONE_PX)))
        cv2.ellipse(image, centre, axes, 0, from_deg, to_deg, colour, -1, cv2.LINE_AA, _SHIFT)

    # Which way on the picture the face points: from the neck's joints, left shoulder against right.
    across = (points[SHOULDER, 0] - points[SHOULDER + 1, 0]) / px_per_m
    turned = math.copysign(math.sqrt(max(0.0, 1 - min(1.0, abs(across) / 0.42) ** 2)), 1.0) * person_side(
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


def person_side(points: np.ndarray) -> float:
    """1 where the toes point to the right of the picture, −1 to the left."""
    feet = points[TOE : TOE + 2].mean(axis=0) - points[ANKLE : ANKLE + 2].mean(axis=0)
    return 1.0 if feet[0] >= 0 else -1.0


def _draw_shadows(image, bodies: np.ndarray, projection) -> None:
    """Two floodlights' worth: every body flattened on the grass, once to the left and once to the right."""
    height, focal_px = image.shape[0], _scale(projection)
    for lean_x, lean_y in ((0.55, 0.25), (-0.45, 0.2)):
        flat = bodies[:, [ANKLE, PELVIS, HEAD]].copy()
        flat[..., 0] += lean_x * flat[..., 2]
        flat[..., 1] += lean_y * flat[..., 2]
        flat[..., 2] = 0.0
        seen, depth = _project(projection, flat)
        for points, away in zip(seen, depth, strict=True):
            if away.min() < _NEAR_M or points[:, 1].max() < 0 or points[:, 1].min() > height:
                continue
            px_per_m = focal_px / away[0]
            colour = mix(_SHADOW, _GRASS[0], 0.3)
            cv2.polylines(
                image, [_fixed(points)], False, colour, max(1, round(0.26 * px_per_m)), cv2.LINE_AA, _SHIFT
            )


def _draw_ball(image, projection, ball: np.ndarray) -> None:
    radius_m = BALL_RADIUS_M * BALL_SCALE
    centre = ball + (0, 0, radius_m - BALL_RADIUS_M)
    (seen, shade), depth = _project(projection, np.array([centre, (ball[0] + 0.3 * ball[2], ball[1], 0.0)]))
    if depth.min() < _NEAR_M:
        return
    radius = max(1.2, radius_m * _scale(projection) / depth[0])
    point, below = (tuple(int(v) for v in _fixed(p)) for p in (seen, shade))
    size = round(radius * _ONE_PX)
    cv2.ellipse(image, below, (size, size // 2), 0, 0, 360, _SHADOW, -1, cv2.LINE_AA, _SHIFT)
    cv2.circle(image, point, size + _ONE_PX // 3, (60, 70, 60), -1, cv2.LINE_AA, _SHIFT)
    cv2.circle(image, point, size, (252, 252, 250), -1, cv2.LINE_AA, _SHIFT)
    if radius > 5:
        for angle in range(0, 360, 72):
            turn = math.radians(angle + ball[0] * 90)
            spot = seen + np.array([math.cos(turn), math.sin(turn)]) * radius * 0.6
            cv2.circle(
                image, tuple(int(v) for v in _fixed(spot)), size // 4, (40, 40, 44), -1, cv2.LINE_AA, _SHIFT
            )


# --- the scene


def _draw_scene(
    image, script: Script, index: int, camera, world: float, focus=(), sharp: bool = True
) -> None:
    """The stadium as `camera` sees it at world frame `world`. With `focus`, the people a close-up is about:
    just them if `sharp`, else all but them and whoever stands in their way."""
    height, width = image.shape[:2]
    projection = _projection(camera, width, height)
    stadium = not (focus and sharp)
    if stadium:
        image[:] = _NIGHT
        cheer = float(script.cheer[index])
        faces = _seen_faces(projection, camera, width, height)
        _draw_ground(image, projection, camera)
        _draw_stands(image, faces, script.crowd_colours, cheer, index)
        _draw_lines(image, projection)
        _draw_boards(image, faces)
    before, share = int(world), world - int(world)
    after = min(before + 1, len(script.ball) - 1)
    ball = script.ball[before] * (1 - share) + script.ball[after] * share
    xy = script.people_xy[before] * (1 - share) + script.people_xy[after] * share
    speed = np.hypot(*(script.people_xy[after] - script.people_xy[before]).T) * FPS
    phase = script.stride[before] * (1 - share) + script.stride[after] * share
    who = np.arange(len(script.people))
    if focus:
        who = np.array(focus) if sharp else np.setdiff1d(who, focus)
    bodies = skeletons(
        xy[who].astype(float),
        script.heading[before][who].astype(float),
        phase[who],
        speed[who],
        script.pose[before][who],
        script.pose_age_s[before][who] + share / FPS,
        script.tall[who],
    )
    seen, depth = _project(projection, bodies)
    away = depth[:, PELVIS]
    nearest_m = 1.0
    if focus and not sharp:
        subject = np.append(xy[list(focus)].mean(axis=0), 1.0)
        nearest_m = float(_project(projection, subject)[1]) + 1.0
    inside = (away > nearest_m) & (seen[..., 0].max(axis=1) > -9) & (seen[..., 0].min(axis=1) < width + 9)
    inside &= (seen[..., 1].max(axis=1) > -9) & (seen[..., 1].min(axis=1) < height + 40)
    who, bodies, seen, depth, away = who[inside], bodies[inside], seen[inside], depth[inside], away[inside]
    scale = _scale(projection) / away
    left_is_far = depth[:, SHOULDER] > depth[:, SHOULDER + 1]
    quads = _fixed(_quads(seen, left_is_far, scale * PEOPLE_SCALE)) if len(who) else seen
    if stadium and height >= 100:
        _draw_shadows(image, bodies, projection)
    view = np.array([math.cos(camera[3]), math.sin(camera[3])])
    things = [(float(away[k]), "person", k) for k in range(len(who))]
    if stadium:
        _, around = _project(projection, np.array([[-HALF_LENGTH_M, 0, 0], [HALF_LENGTH_M, 0, 0], ball]))
        things += [
            (float(around[0]), "goal", -1),
            (float(around[1]), "goal", 1),
            (float(around[2]), "ball", 0),
        ]
        _draw_flags(image, projection)
    for _, kind, k in sorted(things, reverse=True):
        if kind == "goal":
            _draw_goal(image, projection, k)
        elif kind == "ball":
            _draw_ball(image, projection, ball)
        else:
            person = script.person_at(int(who[k]), before)
            heading = script.heading[before][who[k]]
            facing = -float(np.array([math.cos(heading), math.sin(heading)]) @ view)
            rows = _ORDERS[bool(left_is_far[k])]
            px_per_m = float(scale[k]) * PEOPLE_SCALE
            _draw_figure(image, person, seen[k], quads[k], rows, px_per_m, facing)
            pose = int(script.pose[before][who[k]])
            if pose in (YELLOW, RED):
                _draw_card(image, seen[k][HAND + 1], px_per_m, pose)
            elif pose == BOARD:
                _draw_number_board(image, seen[k], px_per_m, script.board_numbers(before))


def _draw_card(image, hand, px_per_m: float, pose: int) -> None:
    colour = (255, 222, 20) if pose == YELLOW else (225, 20, 30)
    card = hand + np.array([[-0.07, -0.03], [0.07, -0.05], [0.08, -0.24], [-0.06, -0.22]]) * px_per_m
    cv2.fillConvexPoly(image, _fixed(card), colour, cv2.LINE_AA, _SHIFT)


def _draw_number_board(image, points, px_per_m: float, numbers: tuple[int, int]) -> None:
    """The fourth official's board: who goes off in red, who comes on in green."""
    centre = points[HAND : HAND + 2].mean(axis=0) - (0, 0.2 * px_per_m)
    half = np.array([0.46, 0.23]) * px_per_m
    x0, y0 = np.rint(centre - half).astype(int)
    x1, y1 = np.rint(centre + half).astype(int)
    cv2.rectangle(image, (x0, y0), (x1, y1), (18, 18, 20), -1)
    cv2.rectangle(image, (x0, y0), (x1, y1), (120, 124, 130), max(1, round(0.02 * px_per_m)))
    for number, colour, share in zip(numbers, ((255, 60, 50), (70, 255, 90)), (0.26, 0.74), strict=True):
        mask = _text(str(number), round(0.34 * px_per_m))
        _paste(image, mask, colour, x0 + (x1 - x0) * share - mask.shape[1] / 2, centre[1] - mask.shape[0] / 2)


def _draw_close_up(image, script: Script, index: int, camera, world: float, focus: tuple[int, ...]) -> None:
    """A long lens: who it is about is sharp, everything behind a blur."""
    height, width = image.shape[:2]
    small = np.empty((max(36, height // 5), max(64, width // 5), 3), np.uint8)
    _draw_scene(small, script, index, camera, world, focus, sharp=False)
    small = cv2.GaussianBlur(small, (0, 0), max(0.8, small.shape[0] / 60))
    cv2.resize(small, (width, height), dst=image, interpolation=cv2.INTER_CUBIC)
    _draw_scene(image, script, index, camera, world, focus)


def _draw_crowd(image, index: int, seed: int, excited: bool, shirt_colour: Colour) -> None:
    """Supporters close by: rows of people with scarves, flags and telephones."""
    height, width = image.shape[:2]
    rng = np.random.default_rng([5, seed])
    image[:] = (34, 36, 46)
    time_s = index / FPS
    rows, unit = 8, height / 4.6  # pixels per metre in the front row
    colours = (
        shirt_colour,
        shirt_colour,
        mix(shirt_colour, (255, 255, 255), 0.3),
        mix(shirt_colour, (0, 0, 0), 0.4),
    )
    plain = ((40, 42, 52), (96, 96, 104), (206, 202, 196), (120, 60, 50), (60, 80, 120))
    skins = ((226, 180, 150), (196, 146, 112), (140, 98, 72), (238, 196, 168))
    hairs = ((36, 26, 20), (70, 48, 30), (150, 110, 60), (20, 18, 18))
    for row in range(rows):
        scale = unit * (0.55 + 0.45 * row / (rows - 1))
        base = height * (0.03 + 1.0 * (row / (rows - 1)) ** 1.15)
        seat = 0.62 * scale
        offset = rng.random() * seat
        dim = 0.35 * (1 - row / (rows - 1))
        for k in range(-1, int(width / seat) + 2):
            team, arms, shirt_k, skin_k, hair_k = rng.random(), rng.random(), *rng.integers(0, 60, 3)
            beat, start, lean = 4.5 + 4 * rng.random(), 6.28 * rng.random(), rng.random() - 0.5
            shirt = colours[shirt_k % len(colours)] if team < 0.6 else plain[shirt_k % len(plain)]
            shirt, skin, hair = (
                mix(colour, (14, 16, 26), dim)
                for colour in (shirt, skins[skin_k % len(skins)], hairs[hair_k % len(hairs)])
            )
            wave = math.sin(time_s * beat + start)
            jump = (0.22 * abs(wave) if excited else 0.025 * wave) * scale
            x = offset + k * seat + lean * 0.12 * scale + (0.03 * scale * math.sin(time_s * 2 + start))
            y = base - jump
            _draw_supporter(image, x, y, scale, shirt, skin, hair, arms if excited else arms * 0.55, wave)
    if excited:  # photographers
        for k in range(3):
            x, y, fires = np.random.default_rng([6, seed, k, index // 2]).random(3)
            if fires < 0.35:
                spot = (int(x * width), int((0.1 + 0.5 * y) * height))
                cv2.circle(image, spot, max(1, height // 90), (255, 255, 250), -1, cv2.LINE_AA)
                for dx, dy in ((1, 0), (0, 1), (-1, 0), (0, -1)):
                    ray = (spot[0] + dx * height // 28, spot[1] + dy * height // 28)
                    cv2.line(image, spot, ray, (255, 255, 250), max(1, height // 240), cv2.LINE_AA)


def _draw_supporter(image, x, y, scale, shirt, skin, hair, arms: float, wave: float) -> None:
    """Head at (x, y), the body below. `arms` above 0.6: both up; above 0.85: with a scarf between them."""

    def at(dx_m, dy_m):
        return int((x + dx_m * scale) * _ONE_PX), int((y + dy_m * scale) * _ONE_PX)

    def limb(a, b, wide_m, colour):
        cv2.line(image, a, b, colour, max(1, round(wide_m * scale)), cv2.LINE_AA, _SHIFT)

    corners = np.array(
        [at(-0.15, 0.16), at(0.15, 0.16), at(0.25, 0.27), at(0.24, 1.3), at(-0.24, 1.3), at(-0.25, 0.27)]
    )
    cv2.fillConvexPoly(image, corners, shirt, cv2.LINE_AA, _SHIFT)
    dark = mix(shirt, (0, 0, 0), 0.25)
    if scale < 16:
        arms = -1.0  # too small to be seen
    if arms > 0.6:
        for side in (-1, 1):
            elbow, hand = at(0.34 * side, 0.12), at((0.3 + 0.06 * wave) * side, -0.24)
            limb(at(0.21 * side, 0.32), elbow, 0.11, dark)
            limb(elbow, hand, 0.09, skin)
        if arms > 0.85:
            limb(at(-0.32, -0.24), at(0.32, -0.24 + 0.04 * wave), 0.14, dark)
    elif arms >= 0:
        for side in (-1, 1):
            limb(at(0.22 * side, 0.34), at(0.25 * side, 0.66), 0.11, dark)
            limb(at(0.25 * side, 0.66), at((0.06 + 0.03 * wave) * side, 0.6), 0.09, skin)
    radius = round(0.14 * scale * _ONE_PX)
    cv2.circle(image, at(0, -0.02), radius, hair, -1, cv2.LINE_AA, _SHIFT)
    cv2.ellipse(
        image,
        at(0, 0.03),
        (round(radius * 0.82), round(radius * 0.9)),
        0,
        0,
        360,
        skin,
        -1,
        cv2.LINE_AA,
        _SHIFT,
    )
    if scale > 40:
        eye = max(1, round(0.016 * scale * _ONE_PX))
        for side in (-1, 1):
            cv2.circle(image, at(0.045 * side, 0.01), eye, (30, 22, 20), -1, cv2.LINE_AA, _SHIFT)
        mouth = (round(0.045 * scale * _ONE_PX), round((0.03 if arms > 0.6 else 0.01) * scale * _ONE_PX))
        cv2.ellipse(image, at(0, 0.095), mouth, 0, 0, 360, (120, 44, 44), -1, cv2.LINE_AA, _SHIFT)


# --- graphics


_PANEL, _PANEL_2, _WHITE = (14, 20, 44), (34, 44, 84), (255, 255, 255)


def _box(image, x0: float, y0: float, x1: float, y1: float, colour: Colour) -> None:
    image[max(0, round(y0)) : max(0, round(y1)), max(0, round(x0)) : max(0, round(x1))] = colour


def _label(
    image, text: str, size: float, x: float, middle_y: float, colour: Colour, align: float = 0.0
) -> float:
    """Write text; `align` 0 starts at x, 0.5 is centred there. Returns its width."""
    mask = _text(text, round(size))
    _paste(image, mask, colour, x - align * mask.shape[1], middle_y - mask.shape[0] / 2)
    return mask.shape[1]


def scoreboard_box(height: int) -> tuple[int, int, int, int]:
    """x0, y0, x1, y1 of a part of the picture that shows codes and score and nothing else."""
    unit = height / 360
    return round(84 * unit), round(15 * unit), round(236 * unit), round(39 * unit)


def _draw_scoreboard(image, codes: tuple[str, str], colours, score: tuple[int, int], clock: str) -> None:
    unit = image.shape[0] / 360
    y0, y1 = 14 * unit, 40 * unit
    middle = (y0 + y1) / 2
    size = 21 * unit
    numbers = f"{score[0]}-{score[1]}"
    wide = _text(numbers, round(size)).shape[1] / unit + 14
    edges = np.cumsum([16, 66, 60, wide, 60]) * unit
    _box(image, edges[0], y0, edges[1], y1, _PANEL_2)
    _box(image, edges[1], y0, edges[4], y1, _PANEL)
    _label(image, clock, size, (edges[0] + edges[1]) / 2, middle, _WHITE, 0.5)
    _box(image, edges[1] + 2 * unit, y0, edges[1] + 6 * unit, y1, colours[0])
    _box(image, edges[4] - 4 * unit, y0, edges[4], y1, colours[1])
    _label(image, codes[0], size, (edges[1] + edges[2]) / 2 + 3 * unit, middle, _WHITE, 0.5)
    _label(image, numbers, size, (edges[2] + edges[3]) / 2, middle, (255, 236, 120), 0.5)
    _label(image, codes[1], size, (edges[3] + edges[4]) / 2 - 2 * unit, middle, _WHITE, 0.5)


def _draw_caption(image, heading: str, line: str, colour: Colour, icon: str, share: float) -> None:
    """The lower third: a heading on its colour, a line below; `share` of it has slid in."""
    height, width = image.shape[:2]
    unit = height / 360
    big, small = 27 * unit, 20 * unit
    texts = max(
        _text(heading, round(big)).shape[1] + 44 * unit, _text(line, round(small)).shape[1] + 24 * unit
    )
    x0 = 44 * unit
    x1 = x0 + max(260 * unit, texts) * share
    y0, y1, y2 = 272 * unit, 308 * unit, 338 * unit
    dark_text = sum(c * k for c, k in zip(colour, (0.3, 0.59, 0.11), strict=True)) > 150
    _box(image, x0, y0, x1, y1, colour)
    if line:
        _box(image, x0, y1, x1, y2, _PANEL)
    if share < 1:
        return
    ink = _PANEL if dark_text else _WHITE
    x = x0 + 12 * unit
    if icon:
        mark = {"yellow": (255, 222, 20), "red": (225, 20, 30)}[icon]
        _box(image, x, y0 + 6 * unit, x + 17 * unit, y1 - 6 * unit, mark)
        x += 28 * unit
    _label(image, heading, big, x, (y0 + y1) / 2, ink)
    if line:
        _label(image, line, small, x0 + 12 * unit, (y1 + y2) / 2, _WHITE)


def _draw_replay_tag(image) -> None:
    height, width = image.shape[:2]
    unit = height / 360
    wide = _text("REPLAY", round(21 * unit)).shape[1]
    x1 = width - 16 * unit
    x0 = x1 - wide - 20 * unit
    _box(image, x0, 14 * unit, x1, 40 * unit, (190, 20, 40))
    _label(image, "REPLAY", 21 * unit, (x0 + x1) / 2, 27 * unit, _WHITE, 0.5)


def _draw_wipe(image, share: float, colours) -> None:
    """A slanted sheet crosses the picture; half way it covers everything, and the picture below may change."""
    height, width = image.shape[:2]
    left = (-1.85 + 3.3 * share) * width
    for inset, colour in ((0.0, colours[0]), (0.05, _WHITE), (0.09, _PANEL), (0.16, _PANEL_2)):
        x0, x1 = left + inset * width, left + (1.75 - inset) * width
        slant = 0.2 * width
        sheet = np.array([[x0 + slant, 0], [x1 + slant, 0], [x1, height], [x0, height]])
        sheet = np.clip(sheet, -4 * width, 5 * width)
        cv2.fillConvexPoly(image, _fixed(sheet), colour, cv2.LINE_AA, _SHIFT)


def draw(script: Script, index: int, width: int, height: int) -> np.ndarray:
    """Frame `index` of the match, (height, width, 3) uint8 RGB."""
    image = np.empty((height, width, 3), np.uint8)
    shot = script.shots[int(script.shot_of[index])]
    camera, world = script.camera[index], float(script.world[index])
    if shot.kind == "crowd":
        _draw_crowd(image, index, shot.seed, shot.excited, script.team_colours[shot.team])
    elif shot.kind == "close-up":
        _draw_close_up(image, script, index, camera, world, shot.focus)
    else:
        _draw_scene(image, script, index, camera, world)
    noise = _noise(width, height)
    down, right = index * 37 % 61, index * 23 % 59
    image = cv2.add(image, noise[down : down + height, right : right + width], dtype=cv2.CV_8U)
    if script.wipe[index] > 0:
        _draw_wipe(image, float(script.wipe[index]), script.team_colours)
    if shot.kind == "replay":
        _draw_replay_tag(image)
    clock_s = script.clock_start_s + index // FPS
    clock = f"{clock_s // 60:02d}:{clock_s % 60:02d}"
    score = (int(script.score[index][0]), int(script.score[index][1]))
    _draw_scoreboard(image, script.truth.teams, script.team_colours, score, clock)
    if script.caption_of[index] >= 0:
        caption = script.captions[int(script.caption_of[index])]
        share = min(1.0, (index - caption.from_frame + 1) / 5)
        _draw_caption(image, caption.heading, caption.line, caption.colour, caption.icon, share)
    return image
