"""What the watchers of pictures keep of a frame: a few small pictures, computed once for all of them.

The frame is shrunk once by `scene.features`; nothing of its full size is kept. Two watchers that look at the same frame
share the result.
"""

from __future__ import annotations

import threading
import weakref
from dataclasses import dataclass

import numpy as np

from commentator_lib.media import Frame
from commentator_lib.scene import features

TINY_PX = (32, 18)  # width, height of `Look.tiny`
LEAST_APART_S = (
    0.12  # looks nearer to the one before are left out by every watcher, so that they can share their work
)


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What is kept of one frame, at source time `at_s`."""

    at_s: float
    grey: np.ndarray  # (180, 320) uint8
    tiny: np.ndarray  # (18, 32, 3) float32, RGB from 0 to 255
    colours: np.ndarray  # (216,) float32, share of the picture in each of 6×6×6 colours, smoothed

    @property
    def light(self) -> float:
        """The mean brightness, 0–255."""
        return float(self.tiny.mean())


_last = threading.local()  # .image (weak), .at_s and .look of this thread's newest frame


def look_at(frame: Frame) -> Look:
    """Return what is kept of a frame; the same object for the same frame again.

    Any size and shape of picture will do, in grey (H, W) or colour (H, W, 3).
    """
    import cv2

    # 1) The frame that another watcher of this thread has just looked at.
    known = getattr(_last, "image", None)
    if known is not None and known() is frame.image and _last.at_s == frame.pts_s:
        return _last.look
    # 2) Shrink it.
    image = frame.image
    if image.ndim == 2 or image.shape[2] == 1:
        image = np.repeat(image.reshape(*image.shape[:2], 1), 3, axis=2)
    elif image.shape[2] > 3:
        image = image[:, :, :3]
    small = features(Frame(frame.index, frame.pts_s, frame.captured_at_s, np.ascontiguousarray(image)))
    tiny = cv2.resize(small.thumb, TINY_PX, interpolation=cv2.INTER_AREA).astype(np.float32)  # (18, 32, 3)
    # 3) Its colours, smoothed so that a little more light moves no pixel to a wholly different bin.
    counts = cv2.calcHist([small.thumb], [0, 1, 2], None, [6, 6, 6], [0, 256] * 3)  # (6, 6, 6)
    for axis in range(3):
        shares = np.moveaxis(counts, axis, 0)
        ends = np.concatenate([shares[:1], shares, shares[-1:]])
        counts = np.moveaxis(0.25 * ends[:-2] + 0.5 * ends[1:-1] + 0.25 * ends[2:], 0, axis)
    colours = (counts / counts.sum()).ravel().astype(np.float32)
    look = Look(frame.pts_s, small.grey, tiny, colours)
    _last.image, _last.at_s, _last.look = weakref.ref(frame.image), frame.pts_s, look
    return look
