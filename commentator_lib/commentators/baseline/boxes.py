"""Which of the detector's boxes may be named, by which name, and how the boxes of two looks are compared."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from commentator_lib.commentators.baseline.detector import Detection, Detector, iou, suppress, tiles
from commentator_lib.commentators.baseline.motion import Camera

WEAK = 0.25  # a box that only confirms a thing seen before, or hints at more of its kind
_STRONG = 0.5  # a box that counts
_TILE_STRONG = 0.65  # the same in a tile: enlarged detail looks like many things
_LARGE = 0.55  # boxes over this share of the picture are phantoms unless they score _LARGE_SCORE
_LARGE_SCORE = 0.75  # a face filling the picture scored 0.76–0.87 as a person, a bus roof 0.38 as a toilet
SMALL = 0.04  # nothing found larger than this share of the picture: a wide shot, worth its tiles
_TILES_FROM_PX = 480
_TILES_PER_LOOK = 2

_ANIMALS = ["bird", "cat", "dog", "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe"]
# COCO's animals are confused too often to be named one by one: a rabbit was called a bird with score 0.95.
_RENAMED = dict.fromkeys(_ANIMALS, "animal") | {
    "sports ball": "ball",
    "tv": "screen",
    "dining table": "table",
}
# What may be named, and from which score. Clothing and small household things are left out: they are
# rarely worth a sentence and often wrong.
_NAMED = dict.fromkeys(["person", "bicycle", "car", "motorcycle", "animal"], _STRONG) | dict.fromkeys(
    [
        "airplane",
        "bus",
        "train",
        "truck",
        "boat",
        "traffic light",
        "stop sign",
        "umbrella",
        "ball",
        "chair",
        "couch",
        "bed",
        "table",
        "screen",
        "laptop",
        "potted plant",
        "clock",
        "skateboard",
        "surfboard",
    ],
    0.6,
)
_VEHICLES = {"car", "bus", "train", "truck"}


def nameable(found: Sequence[Detection]) -> list[Detection]:
    """Return the detections that may be named, by their spoken names, without phantoms and doubly named vehicles."""
    named = []
    for d in found:
        label = _RENAMED.get(d.label, d.label)
        if label in _NAMED and (d.area <= _LARGE or d.score >= _LARGE_SCORE):
            named.append(Detection(label, d.score, d.x0, d.y0, d.x1, d.y1))
    kept: list[Detection] = []
    for d in suppress(named):
        rivals = [k for k in kept if {k.label, d.label} <= _VEHICLES]
        if all(iou(d, k) <= 0.5 for k in rivals):
            kept.append(d)
    return kept


def strong(box: Detection) -> bool:
    """Return whether a nameable box scores high enough to count."""
    return box.score >= _NAMED[box.label]


def needs_tiles(found: Sequence[Detection], width_px: int) -> bool:
    """Return whether a picture is a wide shot, whose things are too small for one pass over the whole of it."""
    wide = not any(strong(d) and d.area > SMALL for d in found)
    return wide and width_px >= _TILES_FROM_PX


def look_into_tiles(
    detector: Detector, image: np.ndarray, found: Sequence[Detection], turn: int
) -> tuple[list[Detection], list[tuple[float, float, float, float]]]:
    """Run the detector on two tiles of a picture (H, W, 3) in which `found` was found; `turn` 0, 1, … picks the tiles.

    Return (all boxes, the tiles as x0, y0, x1, y1 in fractions of the picture).
    """
    height, width = image.shape[:2]
    squares = tiles(width, height)
    parts: list[Detection] = []
    covered = []
    for k in range(min(_TILES_PER_LOOK, len(squares))):
        x0, y0, x1, y1 = square = squares[(turn * _TILES_PER_LOOK + k) % len(squares)]
        parts += detector.detect_tile(image, square, _TILE_STRONG)
        covered.append((x0 / width, y0 / height, x1 / width, y1 / height))
    sure = [d for d in found if strong(d)]
    return suppress(nameable(parts) + [d for d in found if not strong(d)], kept=sure), covered


def crop(picture: np.ndarray, box: Detection) -> np.ndarray:
    """Return the part of a thumbnail (H, W) inside a box, at least one pixel."""
    height, width = picture.shape[:2]
    x0, y0 = min(width - 1, int(box.x0 * width)), min(height - 1, int(box.y0 * height))
    return picture[y0 : max(y0 + 1, round(box.y1 * height)), x0 : max(x0 + 1, round(box.x1 * width))]


def moved_to(box: Detection, camera: Camera) -> Detection:
    """Return where the camera's motion alone would have carried a box."""
    return Detection(box.label, box.score, box.x0 + camera.dx, box.y0, box.x1 + camera.dx, box.y1)


def growth(old: Detection, new: Detection, camera: Camera) -> float:
    """Return by which factor a box grew, without the camera's zoom.

    Return 1 where width and height changed differently: then it was uncovered or cut off, and did not come closer.
    """
    wider, taller = new.width / old.width, new.height / old.height
    if not 0.8 < wider / taller < 1.25:
        return 1.0
    return min(wider, taller) / camera.scale


def same_thing(old: Detection, new: Detection) -> float:
    """Return how well a box continues another of its class; 0 means not at all.

    Overlap counts most. A fast thing may have moved by a quarter of the picture, but its size may not have changed by
    more than a factor of about two.
    """
    if old.label != new.label:
        return 0.0
    overlap = iou(old, new)
    if overlap > 0.1:
        return 1.0 + overlap
    ratio = old.area / new.area if new.area > 0 else 0.0
    distance = float(np.hypot(old.cx - new.cx, old.cy - new.cy))
    return 0.9 - 2 * distance if distance < 0.25 and 0.4 < ratio < 2.5 else 0.0
