"""A pinhole camera: projects world points in metres to image points in pixels.

Image points are (x, y) in pixels from the top left. A camera is a row of six numbers: x, y, z in metres, yaw and
pitch in radians, and the focal length in picture widths.
"""

from __future__ import annotations

import math

import numpy as np

SHIFT = 4  # OpenCV draws with coordinates in 1/16 pixel
ONE_PX = 1 << SHIFT
NEAR_M = 0.5


def aim(position: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return yaw and pitch (...) in radians of a camera at `position` (..., 3) that looks at `target` (..., 3)."""
    away = np.asarray(target, float) - np.asarray(position, float)
    return np.arctan2(away[..., 1], away[..., 0]), np.arctan2(
        away[..., 2], np.hypot(away[..., 0], away[..., 1])
    )


def projection_matrix(camera: np.ndarray, width: int, height: int) -> np.ndarray:
    """Return the (3, 4) matrix that takes homogeneous world points to image points, for a `camera` (6,)."""
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


def project(projection: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the image points (..., 2) in pixels and depths (...) in metres of world points (..., 3)."""
    seen = points @ projection[:, :3].T + projection[:, 3]
    depth = seen[..., 2]
    return seen[..., :2] / np.where(np.abs(depth) < 1e-6, 1e-6, depth)[..., None], depth


def focal_length_px(projection: np.ndarray) -> float:
    """Return the focal length in pixels: how large a metre is at a depth of one metre."""
    # the first row is focal length · (axis to the right) + centre · (axis ahead), the last is the axis ahead
    first, last = projection[0, :3], projection[2, :3]
    return math.sqrt(first @ first - (first @ last) ** 2)


def fixed_point(points: np.ndarray) -> np.ndarray:
    """Return image points (..., 2) as OpenCV's fixed-point int32; clipped, because large values overflow in OpenCV."""
    return np.rint(np.clip(points, -8000, 8000) * ONE_PX).astype(np.int32)
