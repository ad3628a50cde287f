"""The features that are kept of each picture until the next one, and how those of two pictures are compared."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from commentator_lib.commentators.baseline.detector import Detection
from commentator_lib.commentators.baseline.motion import Camera

_THUMB = (192, 108)  # width, height in px
SAME_PICTURE = 1.0  # grey levels of mean difference below which a picture adds no evidence
_PAIR_S = 1.6  # between looks farther apart than this motion is not measured


@dataclass(slots=True)
class View:
    """One look at a picture: features, never the picture itself."""

    index: int  # of the frame
    at_s: float  # when it was captured
    aspect: float
    grey: np.ndarray  # thumbnail (108, 192) uint8
    colours: np.ndarray  # (512,) float32, share of the picture in each colour
    boxes: list[Detection] = field(default_factory=list)
    covered: list[tuple[float, float, float, float]] = field(default_factory=list)  # tiles looked into
    changed: np.ndarray | None = None  # (108, 192) bool, where it differs from the view before; None: unknown
    camera: Camera = Camera()
    soon: bool = False  # so soon after the view before that motion can be judged

    def covers(self, box: Detection) -> bool:
        """Return whether the centre of a box lies in a tile that was looked into."""
        return any(x0 <= box.cx <= x1 and y0 <= box.cy <= y1 for x0, y0, x1, y1 in self.covered)


def make_view(index: int, at_s: float, image: np.ndarray) -> View:
    """Return the features of a picture (H, W, 3) uint8 RGB; nothing is detected in it yet."""
    import cv2

    height, width = image.shape[:2]
    small = cv2.resize(image, _THUMB, interpolation=cv2.INTER_AREA)  # (108, 192, 3)
    # Each colour channel in 8 steps: 512 colours.
    coarse = cv2.resize(small, (64, 36), interpolation=cv2.INTER_AREA).astype(np.int64) >> 5  # (36, 64, 3)
    bins = (coarse[..., 0] * 64 + coarse[..., 1] * 8 + coarse[..., 2]).ravel()
    colours = np.bincount(bins, minlength=512).astype(np.float32) / len(bins)
    return View(index, at_s, width / height, cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), colours)


def same_shape(before: View, view: View) -> bool:
    """Return whether two pictures have the same ratio of width to height, but for rounding."""
    return abs(before.aspect / view.aspect - 1) < 0.02


def difference(a: np.ndarray, b: np.ndarray) -> float:
    """Return the mean difference of two grey pictures of one size, in grey levels."""
    import cv2

    return float(cv2.absdiff(a, b).mean())


def same_picture(before: View, view: View) -> bool:
    """Return whether a view shows exactly the picture of the one before."""
    return same_shape(before, view) and difference(before.grey, view.grey) < SAME_PICTURE


def is_soon(before: View, view: View) -> bool:
    """Return whether two views are close enough in time to judge motion between them."""
    return view.at_s - before.at_s <= _PAIR_S


def colours_shared(before: View, view: View) -> float:
    """Return the share of both pictures that has the same colours, in [0, 1]."""
    return float(np.minimum(before.colours, view.colours).sum())
