"""Draw captions into pictures, for players that ignore a subtitle track.

Each text is drawn only once. It is blended into the planes of yuv420p as they are: each value moves towards the
caption's.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from commentator_lib.runs.fonts import is_plain, missing_characters
from commentator_lib.runs.line_breaks import LINES, balanced, is_right_to_left
from commentator_lib.runs.planes import copy_picture, planes
from commentator_lib.runs.text_shaping import draw_line, shaped

if TYPE_CHECKING:
    import av

_STRIP_OPACITY = 0.6  # of the black behind the words
_WIDEST = 0.92  # of the picture's width
_LINE = 1.4  # distance of lines, in sizes of the font
_LEAST_PX = 6
# BT.709's share of red, green and blue in brightness and in both colours, in yuv420p's range of values.
_TO_YUV = np.array([[46.6, 156.6, 15.8], [-25.7, -86.3, 112.0], [112.0, -101.7, -10.3]], np.float32)
_YUV_ZERO = (16.0, 128.0, 128.0)


class CaptionPainter:
    """Draws captions, each after the commentator's name, at the bottom of yuv420p pictures of one size in pixels.

    A caption has two lines at most: where it would need more, the name is left out, and then the letters are smaller.
    One with letters or numbers that no font has is not drawn, for half of a sentence says something else; other signs
    that no font has are left out.
    """

    def __init__(self, width: int, height: int, commentator: str) -> None:
        self._width, self._height, self._name = width, height, commentator
        self._font_px = max(10, round(min(height / 20, width / 30)))
        self._cached_strip = lru_cache(maxsize=4)(self._strip)

    def painted(self, picture: av.VideoFrame, text: str) -> av.VideoFrame:
        """Return a copy of the picture with the caption in it; the picture itself where there is nothing to draw."""
        strip = self._cached_strip(text)
        if strip is None:
            return picture
        top, blends = strip
        copy = copy_picture(picture)
        for plane, first, (keep, add) in zip(planes(copy), (top, top // 2, top // 2), blends, strict=True):
            area = plane[first : first + len(keep)]
            area[:] = (area * keep + add) >> 8
        return copy

    def _strip(self, text: str) -> tuple[int, list[tuple[np.ndarray, np.ndarray]]] | None:
        """Return (first row, [(keep, add) of each plane]) of a caption: a value x becomes (x · keep + add) / 256."""
        if not text.strip() or any(map(is_plain, missing_characters([text]))):
            return None
        top, pixels = self.draw(text)
        yuv = pixels[..., :3] @ _TO_YUV.T + np.array(_YUV_ZERO, np.float32) * pixels[..., 3:]  # premultiplied
        cover = pixels[..., 3]
        return top, [
            _blend(yuv[..., 0], cover),
            *(_blend(_halved(yuv[..., k]), _halved(cover)) for k in (1, 2)),
        ]

    def draw(self, text: str) -> tuple[int, np.ndarray]:
        """Return (first row, premultiplied RGBA (h, W, 4) in 0–1) of a caption; row and h are even."""
        size_px, lines = self.laid_out(text)
        line_px = round(size_px * _LINE)
        height = min(self._height // 2 * 2, (line_px * len(lines) + round(size_px * 0.8) + 1) // 2 * 2)
        canvas = np.zeros((height, self._width, 4), np.float32)
        canvas[..., 3] = _STRIP_OPACITY
        right_to_left = is_right_to_left(text)
        for k, line in enumerate(lines):
            glyphs = shaped(line, right_to_left)
            left_px = (self._width - glyphs.width * size_px) / 2
            draw_line(canvas, glyphs, left_px, size_px * 1.4 + k * line_px, size_px)
        bottom = round(self._height * 0.04)
        return max(0, self._height - height - bottom) // 2 * 2, canvas

    def laid_out(self, text: str) -> tuple[float, list[str]]:
        """Return (size of the font in pixels, lines) of a caption: the largest size in which it has two lines."""

        def lines_of(words: str, size_px: float) -> list[str]:
            widest = self._width * _WIDEST / size_px
            return balanced(words, widest, lambda line: shaped(line, is_right_to_left(words)).width)

        # A name in Latin letters before Arabic would turn the caption around.
        named = f"{self._name}: {text}"
        if is_right_to_left(named) == is_right_to_left(text):
            lines = lines_of(named, self._font_px)
            if len(lines) <= LINES:
                return self._font_px, lines
        size_px = float(self._font_px)
        while len(lines := lines_of(text, size_px)) > LINES and size_px > _LEAST_PX:
            size_px *= 0.9
        return size_px, lines[:LINES]


def _halved(values: np.ndarray) -> np.ndarray:
    """Return (h, W) values in half the size, as the planes of colour have it."""
    h, w = values.shape
    return values.reshape(h // 2, 2, w // 2, 2).mean(axis=(1, 3))


def _blend(value: np.ndarray, cover: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return uint16 (keep, add) with which `value`, times cover, covers what is there by `cover`, 0–1."""
    keep = np.rint((1.0 - cover) * 256)
    return keep.astype(np.uint16), np.clip(np.rint(value * 256 + 128), 0, 65535 - keep * 255).astype(
        np.uint16
    )
