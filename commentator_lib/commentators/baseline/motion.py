"""How the baseline commentator judges motion between two looks: the camera's, a cut, and the places that changed.

`scene.camera_motion` undoes the camera's motion between frames a second apart, to the pixel. This file decides whether
to mention the motion, so it measures how sure it is and how many points were found again. Points are tracked by the
method of Lucas and Kanade (1981), forwards and backwards.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

STILL = 0.02


@dataclass(frozen=True, slots=True)
class Camera:
    """How the picture as a whole moved between two looks.

    `dx`, `dy` are the content's shift in fractions of the width, `scale` its growth. `sure` says that the
    parts of the picture agree; `tracked` is the share of points found again.
    """

    dx: float = 0.0
    dy: float = 0.0
    scale: float = 1.0
    sure: bool = False
    tracked: float = 0.0
    points: int = 0

    @property
    def clear(self) -> bool:
        """Whether it is sure enough to be mentioned, or to measure other motion against it.

        With only a quarter of the points found (a taxi before blurred lights), they agreed on a pan that did not exist.
        """
        return self.sure and (self.tracked >= 0.4 or abs(self.dx) < STILL)

    @property
    def still(self) -> bool:
        """Whether it is too small for parallax, by which near things shift against far ones when the camera travels."""
        return self.sure and max(abs(self.dx), abs(self.dy), abs(self.scale - 1)) < 0.01


def is_cut(before: np.ndarray, after: np.ndarray, colours_shared: float, camera: Camera) -> bool:
    """Return whether two grey thumbnails (H, W) belong to different shots.

    A pan changes every pixel, but its points are found again. A passing bus hides the points, but colours and layout
    stay. Only a cut changes all of them. Pictures without structure have no points and are judged by their colours
    alone.
    """
    if camera.points < 8:
        return colours_shared < 0.4
    if camera.tracked > 0.05:
        return False
    return colours_shared < 0.4 or (colours_shared < 0.8 and likeness(before, after) < 0.5)


def likeness(before: np.ndarray, after: np.ndarray) -> float:
    """Return the correlation of two thumbnails' coarse layout, in [−1, 1]; 0 where one has none."""
    import cv2

    a, b = (cv2.resize(x, (24, 14), interpolation=cv2.INTER_AREA).astype(np.float64) for x in (before, after))
    a, b = a - a.mean(), b - b.mean()
    norm = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / norm if norm > 1e-6 else 0.0


def camera_motion(before: np.ndarray, after: np.ndarray) -> Camera:
    """Return the whole picture's motion between two grey thumbnails (H, W) uint8.

    It is the median over tracked points, and sure only if most points and at least three quarters of the picture agree:
    one large thing that passes must not be taken for a pan. Unlike RANSAC it needs no random numbers.
    """
    import cv2

    points = cv2.goodFeaturesToTrack(before, 120, 0.01, 7)
    if points is None or len(points) < 8:
        return Camera(points=0 if points is None else len(points))
    # 1) Track points forwards and backwards; keep those that come back to where they were.
    there, ok_there, error = _follow(before, after, points)
    back, ok_back, _ = _follow(after, before, there)
    p, q, r = points.reshape(-1, 2), there.reshape(-1, 2), back.reshape(-1, 2)
    found = (ok_there.ravel() == 1) & (ok_back.ravel() == 1) & (error.ravel() < 25)
    found &= np.abs(p - r).max(axis=1) < 1.5
    tracked = float(found.mean())
    if found.sum() < 10:
        return Camera(tracked=tracked, points=len(p))
    p, q = p[found], q[found]
    # 2) The picture's shift: their median.
    height, width = before.shape
    shift = np.median(q - p, axis=0)
    agrees = np.abs(q - p - shift).max(axis=1) < 0.02 * width
    quarter = (p[:, 0] > width / 2).astype(int) + 2 * (p[:, 1] > height / 2)
    agreeing = sum(bool((quarter == k).sum() >= 2 and agrees[quarter == k].mean() > 0.5) for k in range(4))
    # 3) Its growth: how far the points spread, without those near their centre.
    away = np.abs(p - p.mean(axis=0)).max(axis=1) > 0.1 * width
    scale = 1.0
    if away.sum() >= 6:
        spread = np.linalg.norm((p - p.mean(axis=0))[away], axis=1)
        scale = float(np.median(np.linalg.norm((q - q.mean(axis=0))[away], axis=1) / spread))
    sure = bool(tracked > 0.25 and agrees.mean() > 0.6 and agreeing >= 3)
    return Camera(float(shift[0]) / width, float(shift[1]) / width, scale, sure, tracked, len(p))


def _follow(before: np.ndarray, after: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, ...]:
    """Track points (N, 1, 2) from one picture to another; return (positions, whether they were found, errors)."""
    import cv2

    # The stubs do not know that None lets OpenCV make the array of results itself.
    return cv2.calcOpticalFlowPyrLK(before, after, points, None, winSize=(15, 15), maxLevel=3)  # pyright: ignore[reportCallIssue, reportArgumentType]


def changed_places(before: np.ndarray, after: np.ndarray, camera: Camera) -> np.ndarray | None:
    """Return the mask (H, W) bool of the places where `after` differs from `before` after undoing the camera's motion.

    Return None when that motion is not known. What the camera brought into view counts as changed.
    """
    if not camera.sure:
        return None
    import cv2

    height, width = before.shape
    move = np.array([[1, 0, camera.dx * width], [0, 1, camera.dy * width]], np.float32)
    moved = cv2.warpAffine(before, move, (width, height), borderMode=cv2.BORDER_REPLICATE)
    return cv2.absdiff(cv2.blur(moved, (5, 5)), cv2.blur(after, (5, 5))) > 25
