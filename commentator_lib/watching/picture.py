"""A picture in the sizes in which graphics are found and read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from commentator_lib.media import Frame
from commentator_lib.watching.ocr import Box

WORK_WIDTH_PX = 640  # in which overlays are found
_READ_WIDTH_PX = 1280  # in which they are read; larger pictures are scaled down to it


@dataclass(frozen=True, slots=True)
class Picture:
    """One look: `image` (H, W, 3) uint8 RGB and `grey` (H, W) to read in, `small` (h, w) grey to find overlays in."""

    image: np.ndarray
    grey: np.ndarray
    small: np.ndarray
    at_s: float  # source time

    @property
    def scale(self) -> float:
        """How many times as wide `image` is as `small`."""
        return self.image.shape[1] / self.small.shape[1]

    @property
    def read_in(self) -> tuple[np.ndarray, np.ndarray, float]:
        """What a reader needs: the picture, the same in grey, and its time."""
        return self.image, self.grey, self.at_s

    @property
    def height(self) -> int:
        return int(self.image.shape[0])

    def grown(self, box: Box, x_px: float, y_px: float) -> Box:
        """Return a box of `image`, larger by so many pixels on each side, within the picture."""
        return box.grown(x_px, y_px, int(self.image.shape[1]), int(self.image.shape[0]))


def picture_of(frame: Frame) -> Picture:
    """Return a frame's picture in all sizes."""
    import cv2

    image = np.ascontiguousarray(frame.image)
    if image.shape[1] > _READ_WIDTH_PX:
        factor = _READ_WIDTH_PX / image.shape[1]
        image = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    small = grey
    if grey.shape[1] > WORK_WIDTH_PX:
        factor = WORK_WIDTH_PX / grey.shape[1]
        small = cv2.resize(grey, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    return Picture(image, grey, small, frame.pts_s)
