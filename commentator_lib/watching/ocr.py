"""Text in a picture: where lines of it stand, and what they say, character by character.

The models are those of the package rapidocr. Its own pipeline takes seconds for a strip; here its detector looks at
small regions only, and its recogniser at lines whose place is known.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

_LINE_PX = 48  # the height that the recogniser wants
_MOST_STRETCH = 20.0  # longest line, in heights


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in a picture: pixels, x1 and y1 excluded."""

    x0: int
    y0: int
    x1: int
    y1: int

    @property
    def width(self) -> int:
        return self.x1 - self.x0

    @property
    def height(self) -> int:
        return self.y1 - self.y0

    @property
    def area(self) -> int:
        """How many pixels it has."""
        return self.width * self.height

    @property
    def middle_y(self) -> float:
        return (self.y0 + self.y1) / 2

    @property
    def middle_x(self) -> float:
        return (self.x0 + self.x1) / 2

    def crop(self, image: np.ndarray) -> np.ndarray:
        """Return the part of an image (H, W, …) inside this box."""
        return image[max(0, self.y0) : self.y1, max(0, self.x0) : self.x1]

    def shared_with(self, other: Box) -> int:
        """Return how many pixels lie in this box and in another one."""
        width = min(self.x1, other.x1) - max(self.x0, other.x0)
        height = min(self.y1, other.y1) - max(self.y0, other.y0)
        return max(0, width) * max(0, height)

    def share_in(self, other: Box) -> float:
        """Return the share of this box that lies in another one, 0 to 1."""
        return self.shared_with(other) / max(1, self.area)

    def scaled(self, factor: float) -> Box:
        """Return the box in a picture that is `factor` times as large, rounded outwards."""
        return Box(
            math.floor(self.x0 * factor),
            math.floor(self.y0 * factor),
            math.ceil(self.x1 * factor),
            math.ceil(self.y1 * factor),
        )

    def grown(self, x_px: float, y_px: float, width: int, height: int) -> Box:
        """Return the box, larger by so many pixels on each side, within a picture of that size."""
        return Box(
            max(0, round(self.x0 - x_px)),
            max(0, round(self.y0 - y_px)),
            min(width, round(self.x1 + x_px)),
            min(height, round(self.y1 + y_px)),
        )


def union(boxes: Sequence[Box]) -> Box:
    """Return the smallest box that holds all boxes."""
    return Box(
        min(b.x0 for b in boxes), min(b.y0 for b in boxes), max(b.x1 for b in boxes), max(b.y1 for b in boxes)
    )


def overlap(a: Box, b: Box) -> float:
    """Return the share of the smaller box that lies in the other one, 0 to 1."""
    return a.shared_with(b) / max(1, min(a.area, b.area))


@dataclass(frozen=True, slots=True)
class Character:
    """A character that was read: `x` is its middle as a share of the line's width, `certainty` in [0, 1]."""

    text: str
    x: float
    certainty: float


@dataclass(frozen=True, slots=True)
class Line:
    """A line of text that was read."""

    characters: tuple[Character, ...]

    @property
    def text(self) -> str:
        return "".join(c.text for c in self.characters)

    @property
    def certainty(self) -> float:
        """The mean certainty of its characters that are no spaces; 0 where there are none."""
        some = [c.certainty for c in self.characters if c.text != " "]
        return float(np.mean(some)) if some else 0.0


@cache
def _load_engine() -> Any:
    """Return rapidocr's detector and recogniser, on one thread each. They are loaded once a process, and stay."""
    from rapidocr import RapidOCR

    engine = RapidOCR(
        params={
            "Global.log_level": "error",
            "Det.limit_type": "max",
            "Det.limit_side_len": 960,
            "EngineConfig.onnxruntime.intra_op_num_threads": 1,
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
        }
    )
    blank = np.full((_LINE_PX, _LINE_PX, 3), 255, np.uint8)
    engine(blank, use_det=True, use_cls=False, use_rec=False)  # each part is loaded with its first use
    engine(blank, use_det=False, use_cls=False, use_rec=True)
    return engine


class TextReader:
    """Finds and reads lines of text. The models are loaded at first use; that raises ImportError without rapidocr."""

    @property
    def _engine(self) -> Any:
        return _load_engine()

    def find_lines(self, image: np.ndarray) -> list[Box]:
        """Return where lines of text stand in a picture (H, W, 3) uint8 RGB, in reading order."""
        found = self._engine.text_det(np.ascontiguousarray(image[..., ::-1]))
        if found.boxes is None:
            return []
        boxes: list[Box] = []
        for corners in np.asarray(found.boxes):  # (4, 2): x, y
            x0, y0 = np.floor(corners.min(axis=0)).astype(int)
            x1, y1 = np.ceil(corners.max(axis=0)).astype(int)
            boxes.append(Box(int(x0), int(y0), int(x1), int(y1)))
        return sorted(boxes, key=lambda b: (b.y0, b.x0))

    def read(self, crops: Sequence[np.ndarray], only: str = "") -> list[Line]:
        """Read lines of text, each (h, w, 3) uint8 RGB; `only`: no other characters can be read.

        Each line is read alone: the widest line of a batch would decide what all of them cost.
        """
        return [self._read_one(crop, only) for crop in crops]

    def _read_one(self, crop: np.ndarray, only: str) -> Line:
        # 1) The line at the recogniser's height, on nothing but its own width.
        recogniser = self._engine.text_rec
        height, width = crop.shape[:2]
        if height < 2 or width < 2:
            return Line(())
        stretch = min(_MOST_STRETCH, max(1.0, width / height))
        line = recogniser.resize_norm_img(np.ascontiguousarray(crop[..., ::-1]), stretch)  # (3, 48, w)
        chances = recogniser.session(line[np.newaxis].astype(np.float32))[0]  # (steps, characters)
        # 2) The likeliest character of each step; repeats are one character, the first of all means none.
        names = recogniser.postprocess_op.character
        if only:
            allowed = np.array([k == 0 or name in only for k, name in enumerate(names)])
            chances = np.where(allowed, chances, 0.0)
            chances = chances / np.maximum(chances.sum(axis=1, keepdims=True), 1e-9)
        best = chances.argmax(axis=1)  # (steps,)
        filled = min(1.0, width / height / stretch)  # the rest of the line is padding
        characters: list[Character] = []
        start = 0
        for stop in range(1, len(best) + 1):
            if stop < len(best) and best[stop] == best[start]:
                continue
            if best[start] != 0:
                certainty = float(chances[start:stop, best[start]].max())
                middle = (start + stop) / 2 / len(best) / filled
                characters.append(Character(names[best[start]], min(1.0, middle), certainty))
            start = stop
        return Line(tuple(characters))
