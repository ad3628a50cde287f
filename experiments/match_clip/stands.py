"""Draw the stands: four sides with two tiers of people, walls, and the boards in front of them."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from experiments.match_clip.camera import NEAR_M, project
from experiments.match_clip.textures import (
    BOARDS_HEIGHT_M,
    BOARDS_X_M,
    BOARDS_Y_M,
    CROWD_PHASES,
    PANEL_M,
    board_texture,
    crowd_texture,
)


@dataclass(frozen=True)
class Face:
    """A flat rectangle of the stadium. Corners: lower left, lower right, upper right, upper left."""

    kind: str  # crowd, wall or boards
    number: int
    out: tuple[float, float]  # direction away from the pitch
    boards_m: float  # distance from the centre to the boards of its side
    corners: np.ndarray  # (4, 3) metres


def _stadium() -> list[Face]:
    """Return four sides of two tiers and boards, in drawing order: from the back to the front."""
    up = np.array([0.0, 0.0, 1.0])
    far, right = np.array([0.0, 1.0, 0.0]), np.array([1.0, 0.0, 0.0])
    sides = (
        (far, right, BOARDS_Y_M, 78.0),
        (-far, -right, BOARDS_Y_M, 78.0),
        (right, -far, BOARDS_X_M, 52.0),
        (-right, far, BOARDS_X_M, 52.0),
    )
    layers: dict[int, list[Face]] = {}
    for side, (out, along, boards_m, half_m) in enumerate(sides):
        count = round(2 * half_m / PANEL_M)
        for k in range(count):
            left, step = out * (boards_m + 3) + along * (k * PANEL_M - half_m), along * PANEL_M
            parts = [
                ("crowd", left + out * 27 + up * 20, out * 18 + up * 20),
                ("wall", left + out * 26 + up * 16.5, up * 4),
                ("crowd", left + up * 1.6, out * 26 + up * 15),
                ("wall", left, up * 1.7),
            ]
            if 0 < k < count - 1:  # the corners are open
                parts.append(("boards", left - out * 3, up * BOARDS_HEIGHT_M))
            for layer, (kind, corner, rise) in enumerate(parts):
                corners = np.array([corner, corner + step, corner + step + rise, corner + rise])
                face = Face(kind, side + k, (float(out[0]), float(out[1])), boards_m, corners)
                layers.setdefault(layer, []).append(face)
    return [face for layer in sorted(layers) for face in layers[layer]]


_FACES = _stadium()
_FACE_CORNERS = np.array([face.corners for face in _FACES])


def visible_faces(projection, camera, width: int, height: int) -> list[tuple[Face, np.ndarray]]:
    """Return the faces that are in the picture, each with its corners (4, 2) in pixels."""
    corners, depth = project(projection, _FACE_CORNERS)
    inside = depth.min(axis=1) > NEAR_M
    inside &= (corners.max(axis=1) > 0).all(axis=1) & (corners.min(axis=1) < (width, height)).all(axis=1)
    seen = []
    for k in np.flatnonzero(inside):
        face = _FACES[k]
        # A side between the camera and the pitch is not drawn: it would hide the pitch.
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


def draw_stands(image, faces, colours, cheer: float, index: int) -> None:
    """Draw walls and crowd of the visible faces; `cheer` (0 to 1) says how lively the crowd is at frame `index`."""
    crowd_px = max(2, round(image.shape[0] / 44))
    for face, corners in faces:
        if face.kind == "wall":
            _draw_face(image, _WALL, corners)
        elif face.kind == "crowd":
            # in a calm crowd a panel moves now and then; in a cheering crowd all panels move
            beat = index // 4 if cheer > 0.15 else (index + 17 * face.number) // 30
            phase = (beat + face.number) % CROWD_PHASES
            _draw_face(image, crowd_texture(crowd_px, face.number % 3, phase, colours), corners)


def draw_boards(image, faces) -> None:
    """Draw the advertising boards of the visible faces."""
    board_px = max(4, round(image.shape[0] / 18))
    for face, corners in faces:
        if face.kind == "boards":
            _draw_face(image, board_texture(board_px, face.number), corners)
