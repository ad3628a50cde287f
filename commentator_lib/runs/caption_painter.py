"""Draw captions into pictures, for players that ignore a subtitle track. Each text is drawn only once."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL import ImageFont


class CaptionPainter:
    """Draws captions, each after the commentator's name, at the bottom of pictures of one size in pixels."""

    def __init__(self, width: int, height: int, commentator: str) -> None:
        self._width, self._height, self._name = width, height, commentator
        self._font_px = max(10, round(min(height / 20, width / 30)))
        self._cached_strip = lru_cache(maxsize=4)(self._draw_strip)

    def paint(self, canvas: np.ndarray, text: str) -> None:
        """Blend the caption into `canvas`, (H, W, 3) uint8, in place; do nothing for an empty text."""
        if not text:
            return
        top, colour, cover = self._cached_strip(text)
        area = canvas[top : top + len(colour)]
        area[:] = (area * (1.0 - cover) + colour * cover).astype(np.uint8)

    def _draw_strip(self, text: str) -> tuple[int, np.ndarray, np.ndarray]:
        """Return (first row, colour (h, W, 3), cover (h, W, 1) in 0–1) of a caption's strip, both float32."""
        import matplotlib
        from PIL import Image, ImageDraw, ImageFont

        font = ImageFont.truetype(
            Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSans.ttf", self._font_px
        )
        lines = self._wrap(f"{self._name}: {text}", font)
        line_px = round(self._font_px * 1.35)
        height = min(self._height, line_px * len(lines) + self._font_px)
        strip = Image.new("RGBA", (self._width, height), (0, 0, 0, 150))
        draw = ImageDraw.Draw(strip)
        for k, line in enumerate(lines):
            left = (self._width - draw.textlength(line, font=font)) / 2
            draw.text((left, self._font_px * 0.4 + k * line_px), line, font=font, fill=(255, 255, 255, 255))
        pixels = np.asarray(strip, dtype=np.float32)  # (h, W, 4) RGBA
        bottom = round(self._height * 0.04)
        return max(0, self._height - height - bottom), pixels[..., :3], pixels[..., 3:] / 255.0

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
