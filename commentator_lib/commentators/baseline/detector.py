"""The baseline commentator's detector: SSDLite-MobileNetV2 on COCO, as an ONNX graph without its post-processing.

The graph gives raw box offsets and scores; decoding and suppression are done here in numpy, in a few
small functions that a test can work through by hand: OpenCV's own detection classes expect layers that this
export lacks.

A wide shot is squeezed to 300×300 like any other, and a person of 60 px vanishes in it. `tiles` cuts such
a picture into overlapping squares, whose boxes go back to picture coordinates and are merged by the same
suppression.

onnxruntime runs on one thread: the same picture then always gives the same boxes, and the live run keeps
its other cores.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from commentator_lib.files import package_data

MODELS = package_data("models")
INPUT_PX = 300
# What the graph's box offsets are scaled by: centre y, centre x, height, width.
_VARIANCES = (0.1, 0.1, 0.2, 0.2)
_NMS_IOU = 0.5
# A box that lies with this share of its area in another of its class is a part of the same thing.
_INSIDE = 0.75

COCO = {
    1: "person",
    2: "bicycle",
    3: "car",
    4: "motorcycle",
    5: "airplane",
    6: "bus",
    7: "train",
    8: "truck",
    9: "boat",
    10: "traffic light",
    11: "fire hydrant",
    13: "stop sign",
    14: "parking meter",
    15: "bench",
    16: "bird",
    17: "cat",
    18: "dog",
    19: "horse",
    20: "sheep",
    21: "cow",
    22: "elephant",
    23: "bear",
    24: "zebra",
    25: "giraffe",
    27: "backpack",
    28: "umbrella",
    31: "handbag",
    32: "tie",
    33: "suitcase",
    34: "frisbee",
    35: "skis",
    36: "snowboard",
    37: "sports ball",
    38: "kite",
    39: "baseball bat",
    40: "baseball glove",
    41: "skateboard",
    42: "surfboard",
    43: "tennis racket",
    44: "bottle",
    46: "wine glass",
    47: "cup",
    48: "fork",
    49: "knife",
    50: "spoon",
    51: "bowl",
    52: "banana",
    53: "apple",
    54: "sandwich",
    55: "orange",
    56: "broccoli",
    57: "carrot",
    58: "hot dog",
    59: "pizza",
    60: "donut",
    61: "cake",
    62: "chair",
    63: "couch",
    64: "potted plant",
    65: "bed",
    67: "dining table",
    70: "toilet",
    72: "tv",
    73: "laptop",
    74: "mouse",
    75: "remote",
    76: "keyboard",
    77: "cell phone",
    78: "microwave",
    79: "oven",
    80: "toaster",
    81: "sink",
    82: "refrigerator",
    84: "book",
    85: "clock",
    86: "vase",
    87: "scissors",
    88: "teddy bear",
    89: "hair drier",
    90: "toothbrush",
}


@dataclass(frozen=True, slots=True)
class Detection:
    """One box; `x0, y0, x1, y1` are fractions of the picture's width and height, `score` is in [0, 1]."""

    label: str
    score: float
    x0: float
    y0: float
    x1: float
    y1: float

    @property
    def width(self) -> float:
        """Its width, in fractions of the picture's width."""
        return self.x1 - self.x0

    @property
    def height(self) -> float:
        """Its height, in fractions of the picture's height."""
        return self.y1 - self.y0

    @property
    def area(self) -> float:
        """Its area, in fractions of the picture's area."""
        return max(0.0, self.width) * max(0.0, self.height)

    @property
    def cx(self) -> float:
        """The x of its centre, in fractions of the picture's width."""
        return (self.x0 + self.x1) / 2

    @property
    def cy(self) -> float:
        """The y of its centre, in fractions of the picture's height."""
        return (self.y0 + self.y1) / 2


def overlap(a: Detection, b: Detection) -> float:
    """Return the area that both boxes cover, in fractions of the picture."""
    width = min(a.x1, b.x1) - max(a.x0, b.x0)
    height = min(a.y1, b.y1) - max(a.y0, b.y0)
    return max(0.0, width) * max(0.0, height)


def iou(a: Detection, b: Detection) -> float:
    """Return the intersection over union, 0 for boxes without area."""
    both = overlap(a, b)
    union = a.area + b.area - both
    return both / union if union > 0 else 0.0


def decode_boxes(encoded: np.ndarray, anchors: np.ndarray) -> np.ndarray:
    """Return boxes (N, 4) as ymin, xmin, ymax, xmax, in fractions of the picture and not clipped to it.

    From offsets (N, 4) as ty, tx, th, tw, and anchors (N, 4) as ymin, xmin, ymax, xmax.
    """
    height = anchors[:, 2] - anchors[:, 0]
    width = anchors[:, 3] - anchors[:, 1]
    centre_y = anchors[:, 0] + height / 2
    centre_x = anchors[:, 1] + width / 2
    ty, tx, th, tw = (encoded[:, k] * _VARIANCES[k] for k in range(4))
    y, x = ty * height + centre_y, tx * width + centre_x
    h, w = np.exp(th) * height, np.exp(tw) * width
    return np.stack([y - h / 2, x - w / 2, y + h / 2, x + w / 2], axis=1)


def suppress(found: list[Detection], kept: list[Detection] | None = None) -> list[Detection]:
    """Return the boxes without duplicates (non-maximum suppression), best score first, after those in `kept`.

    A box is dropped when it overlaps a kept one of its class by an IoU over 0.5, or when most of it lies within one:
    the detector often takes a part of a large thing for another thing, and in a tile of a wide shot even more often.
    """
    kept = list(kept or [])
    for box in sorted(found, key=lambda d: (-d.score, d.x0, d.y0)):
        same = [k for k in kept if k.label == box.label]
        if all(iou(box, k) <= _NMS_IOU and overlap(box, k) <= _INSIDE * box.area for k in same):
            kept.append(box)
    return kept


def tiles(width_px: int, height_px: int) -> list[tuple[int, int, int, int]]:
    """Return overlapping squares (x0, y0, x1, y1) in px for a wide shot, left to right.

    Their side is 62 % of the height, and they form one row, centred at 55 % of the height, where a wide shot shows
    people. A second row, for sky and lawn, would double the cost.
    """
    side = max(1, min(width_px, round(0.62 * height_px)))
    top = max(0, min(height_px - side, round(0.55 * height_px - side / 2)))
    count = max(1, -(-width_px // max(1, round(0.85 * side))))
    lefts = np.linspace(0, width_px - side, count)
    return [(round(x), top, round(x) + side, top + side) for x in lefts]


def from_tile(
    box: Detection, tile: tuple[int, int, int, int], width_px: int, height_px: int
) -> Detection | None:
    """Return a tile's box in the whole picture.

    None when it touches an inner edge of its tile, since it is then cut off and a neighbour sees all of it.
    """
    x0, y0, x1, y1 = tile
    edge = 0.02
    cut = (
        (box.x0 < edge and x0 > 0)
        or (box.x1 > 1 - edge and x1 < width_px)
        or (box.y0 < edge and y0 > 0)
        or (box.y1 > 1 - edge and y1 < height_px)
    )
    if cut:
        return None
    w, h = x1 - x0, y1 - y0
    return Detection(
        box.label,
        box.score,
        (x0 + box.x0 * w) / width_px,
        (y0 + box.y0 * h) / height_px,
        (x0 + box.x1 * w) / width_px,
        (y0 + box.y1 * h) / height_px,
    )


def model_file(name: str, folder: Path | None = None) -> Path:
    """Return the path of a model file. Raise FileNotFoundError, which names the file, where it is missing."""
    path = (folder or MODELS) / name
    if not path.is_file():
        raise FileNotFoundError(
            f"the baseline commentator needs {path}, which is missing: reinstall commentator-lib"
        )
    return path


class Detector:
    """Loads its model on construction; for one thread at a time. Raise FileNotFoundError where a file is missing."""

    def __init__(self, folder: Path | None = None) -> None:
        graph = model_file("ssdlite_mobilenet_v2_coco.onnx", folder)
        anchors = model_file("ssdlite_anchors.npy", folder)
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
        self._anchors = np.load(anchors).astype(np.float32)

    def detect(self, image: np.ndarray, min_score: float = 0.5) -> list[Detection]:
        """Find things in an RGB picture (H, W, 3) uint8 of any size, one pass, best score first."""
        import cv2

        small = cv2.resize(image, (INPUT_PX, INPUT_PX), interpolation=cv2.INTER_AREA)
        scaled = small.astype(np.float32) / 127.5 - 1.0  # (300, 300, 3)
        tensor = np.ascontiguousarray(scaled.transpose(2, 0, 1)[None])  # (1, 3, 300, 300)
        outputs = self._session.run(["boxes_enc", "scores"], {"image": tensor})
        encoded, scores = (np.asarray(output)[0] for output in outputs)  # (N, 4), (N, 91)
        return detections(encoded, scores, self._anchors, min_score)

    def detect_tile(
        self, image: np.ndarray, tile: tuple[int, int, int, int], min_score: float = 0.5
    ) -> list[Detection]:
        """Find things in one tile of the picture, in the whole picture's coordinates."""
        height, width = image.shape[:2]
        x0, y0, x1, y1 = tile
        found = self.detect(image[y0:y1, x0:x1], min_score)
        moved = (from_tile(box, tile, width, height) for box in found)
        return [box for box in moved if box is not None]


def detections(
    encoded: np.ndarray, scores: np.ndarray, anchors: np.ndarray, min_score: float
) -> list[Detection]:
    """Turn raw outputs (N, 4) and (N, 91) into suppressed detections, clipped to the picture."""
    anchor, coco_id = np.nonzero(scores[:, 1:] >= min_score)
    if len(anchor) == 0:
        return []
    boxes = np.clip(decode_boxes(encoded[anchor].astype(np.float32), anchors[anchor]), 0.0, 1.0)
    found = []
    for (y0, x0, y1, x1), a, k in zip(boxes, anchor, coco_id, strict=True):
        label = COCO.get(int(k) + 1)
        if label is not None and y1 > y0 and x1 > x0:
            score = float(scores[a, k + 1])
            found.append(Detection(label, score, float(x0), float(y0), float(x1), float(y1)))
    return suppress(found)
