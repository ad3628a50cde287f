"""Draw captions into pictures, for players that ignore a subtitle track.

Each text is drawn only once. Captions are grey, so they are blended into the planes of yuv420p as they are: brightness
moves towards the caption's, colour towards none.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from commentator_lib.runs.planes import copy_picture, planes

if TYPE_CHECKING:
    import av
    from PIL import ImageFont

_NO_COLOUR = 128  # of a plane of colour


class CaptionPainter:
    """Draws captions, each after the commentator's name, at the bottom of yuv420p pictures of one size in pixels."""

    def __init__(self, width: int, height: int, commentator: str) -> None:
        self._width, self._height, self._name = width, height, commentator
        self._font_px = max(10, round(min(height / 20, width / 30)))
        self._cached_strip = lru_cache(maxsize=4)(self._strip)

    def painted(self, picture: av.VideoFrame, text: str) -> av.VideoFrame:
        """Return a copy of the picture with the caption in it; the picture itself for an empty text."""
        if not text:
            return picture
        copy = copy_picture(picture)
        top, blends = self._cached_strip(text)
        for plane, first, (keep, add) in zip(planes(copy), (top, top // 2, top // 2), blends, strict=True):
            area = plane[first : first + len(keep)]
            area[:] = (area * keep + add) >> 8
        return copy

    def _strip(self, text: str) -> tuple[int, list[tuple[np.ndarray, np.ndarray]]]:
        """Return (first row, [(keep, add) of each plane]) of a caption: a value x becomes (x · keep + add) / 256."""
        top, grey, cover = self._draw(text)
        brightness = 16 + grey * (219 / 255)  # yuv420p's black is 16, its white 235
        h, w = grey.shape
        halved = cover.reshape(h // 2, 2, w // 2, 2).mean(axis=(1, 3))
        colour = _blend(np.full_like(halved, _NO_COLOUR), halved)
        return top, [_blend(brightness, cover), colour, colour]

    def _draw(self, text: str) -> tuple[int, np.ndarray, np.ndarray]:
        """Return (first row, grey (h, W) in 0–255, cover (h, W) in 0–1) of a caption; row and h are even."""
        import matplotlib
        from PIL import Image, ImageDraw, ImageFont

        font = ImageFont.truetype(
            Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSans.ttf", self._font_px
        )
        lines = self._wrap(f"{self._name}: {text}", font)
        line_px = round(self._font_px * 1.35)
        height = min(self._height, (line_px * len(lines) + self._font_px + 1) // 2 * 2)
        strip = Image.new("RGBA", (self._width, height), (0, 0, 0, 150))
        draw = ImageDraw.Draw(strip)
        for k, line in enumerate(lines):
            left = (self._width - draw.textlength(line, font=font)) / 2
            draw.text((left, self._font_px * 0.4 + k * line_px), line, font=font, fill=(255, 255, 255, 255))
        pixels = np.asarray(strip, dtype=np.float32)  # (h, W, 4) RGBA
        bottom = round(self._height * 0.04)
        return max(0, self._height - height - bottom) // 2 * 2, pixels[..., 0], pixels[..., 3] / 255.0

    def _wrap(self, text: str, font: ImageFont.FreeTypeFont) -> list[str]:
        """Return `text` in lines that fit into the picture, broken between words."""
        lines: list[str] = []
        line = ""
        for word in text.split():
            longer = f"{line} {word}".strip()
            if line and font.getlength(longer) > self._width * 0.92:
                lines.append(line)
                line = word
            else:
                line = longer
        return [*lines, line] if line else lines


def _blend(value: np.ndarray, cover: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return uint16 (keep, add) with which `value` covers what is there by `cover`, 0–1."""
    share = np.rint(cover * 256)
    return (256 - share).astype(np.uint16), np.rint(share * value + 128).astype(np.uint16)
