"""A canvas for boards: boxes, slanted boxes, pills, crests and text, laid over a picture as a whole.

Lengths are in units: the digits of a score are 20 units high, whatever their size in pixels.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from experiments.boards.fonts import Font, text_mask

Colour = tuple[int, int, int]
DIGIT_UNITS = 20.0
WHITE: Colour = (255, 255, 255)
_FINE = 4  # fractional bits of OpenCV's coordinates


def text_units(text: str, font: Font, digit_units: float = DIGIT_UNITS) -> float:
    """Return how wide a text is, in units."""
    return text_mask(text, font, 40.0).shape[1] * digit_units / 40.0


class Canvas:
    """A transparent picture of so many units; `scale` is one unit in pixels."""

    def __init__(self, width_units: float, height_units: float, scale: float) -> None:
        self.width_units, self.height_units, self.scale = width_units, height_units, scale
        shape = (max(2, math.ceil(height_units * scale)), max(2, math.ceil(width_units * scale)))
        self.colour = np.zeros((*shape, 3), np.float32)
        self.alpha = np.zeros(shape, np.float32)

    def _blend(self, mask: np.ndarray, colour: Colour | np.ndarray, x: int, y: int) -> None:
        """Lay a colour over what is there, through a mask (h, w) of 0 to 1 whose top left is at (x, y), px."""
        x0, y0 = max(0, x), max(0, y)
        x1 = min(self.alpha.shape[1], x + mask.shape[1])
        y1 = min(self.alpha.shape[0], y + mask.shape[0])
        if x0 >= x1 or y0 >= y1:
            return
        new = mask[y0 - y : y1 - y, x0 - x : x1 - x]
        old = self.alpha[y0:y1, x0:x1] * (1 - new)
        total = np.maximum(new + old, 1e-6)
        ink = np.asarray(colour, np.float32)
        part = self.colour[y0:y1, x0:x1]
        part[:] = (part * old[..., None] + ink * new[..., None]) / total[..., None]
        self.alpha[y0:y1, x0:x1] = new + old

    def polygon(self, points: list[tuple[float, float]], colour: Colour, opacity: float = 1.0) -> None:
        """Fill a convex shape given by its corners."""
        mask = np.zeros(self.alpha.shape, np.uint8)
        corners = np.round((np.array(points) * self.scale - 0.5) * 2**_FINE).astype(np.int32)
        cv2.fillConvexPoly(mask, corners, (255,), cv2.LINE_AA, _FINE)
        self._blend(mask.astype(np.float32) * (opacity / 255), colour, 0, 0)

    def box(
        self,
        x0: float,
        y0: float,
        x1: float,
        y1: float,
        colour: Colour,
        opacity: float = 1.0,
        lean: float = 0.0,
        fade: float = 0.0,
    ) -> None:
        """Fill a box; `lean` moves its upper edge to the right, `fade` darkens it downwards by that share."""
        if lean:
            self.polygon([(x0 + lean, y0), (x1 + lean, y0), (x1, y1), (x0, y1)], colour, opacity)
            return
        left, top, right, bottom = (round(v * self.scale) for v in (x0, y0, x1, y1))
        if right <= left or bottom <= top:
            return
        mask = np.full((bottom - top, right - left), opacity, np.float32)
        shade = 1 - fade * np.linspace(0, 1, bottom - top, dtype=np.float32)
        self._blend(mask, np.asarray(colour, np.float32) * shade[:, None, None], left, top)

    def pill(
        self, x0: float, y0: float, x1: float, y1: float, colour: Colour, radius: float, opacity: float = 1.0
    ) -> None:
        """Fill a box with round corners."""
        points: list[tuple[float, float]] = []
        corners = (
            (x1 - radius, y0 + radius, -90),
            (x1 - radius, y1 - radius, 0),
            (x0 + radius, y1 - radius, 90),
            (x0 + radius, y0 + radius, 180),
        )
        for x, y, start in corners:
            for step in range(7):
                angle = math.radians(start + 15 * step)
                points.append((x + radius * math.cos(angle), y + radius * math.sin(angle)))
        self.polygon(points, colour, opacity)

    def text(
        self,
        text: str,
        x: float,
        middle_y: float,
        colour: Colour = WHITE,
        font: Font = Font(),  # noqa: B008 - a frozen value
        digits: float = DIGIT_UNITS,
        align: float = 0.0,
        opacity: float = 1.0,
        most: float = 0.0,
    ) -> float:
        """Write at x: `align` 0 begins there, 0.5 is centred, 1 ends there; return the width in units.

        A text wider than `most` units (where that is given) is narrowed.
        """
        if not text:
            return 0.0
        wide = text_units(text, font, digits)
        if most and wide > most:
            font = Font(font.name, font.narrow * most / wide, font.slant, font.stroke)
        mask = text_mask(text, font, round(digits * self.scale, 2))
        left = x * self.scale - align * mask.shape[1]
        top = middle_y * self.scale - mask.shape[0] / 2
        self._blend(mask.astype(np.float32) * (opacity / 255), colour, round(left), round(top))
        return mask.shape[1] / self.scale

    def crest(self, x: float, y: float, size: float, colour: Colour, ink: Colour, kind: int = 0) -> None:
        """Draw a team's emblem, `size` units high, around (x, y): a shield, a roundel or a diamond."""
        half = size / 2
        if kind % 3 == 0:
            shield = [(-0.8, -0.95), (0.8, -0.95), (0.8, 0.2), (0.0, 1.0), (-0.8, 0.2)]
            self.polygon([(x + half * a, y + half * b) for a, b in shield], ink)
            self.polygon([(x + 0.8 * half * a, y + 0.8 * half * b) for a, b in shield], colour)
            self.box(x - 0.12 * half, y - 0.7 * half, x + 0.12 * half, y + 0.5 * half, ink)
        elif kind % 3 == 1:
            self.pill(x - half, y - half, x + half, y + half, ink, half)
            self.pill(x - 0.8 * half, y - 0.8 * half, x + 0.8 * half, y + 0.8 * half, colour, 0.8 * half)
            self.polygon(
                [(x, y - 0.5 * half), (x + 0.5 * half, y + 0.4 * half), (x - 0.5 * half, y + 0.4 * half)], ink
            )
        else:
            self.polygon([(x, y - half), (x + half, y), (x, y + half), (x - half, y)], ink)
            self.polygon(
                [(x, y - 0.7 * half), (x + 0.7 * half, y), (x, y + 0.7 * half), (x - 0.7 * half, y)], colour
            )

    def lay_over(self, image: np.ndarray, x: float, y: float, opacity: float = 1.0) -> None:
        """Lay the canvas over an image (H, W, 3) uint8 with its top left at (x, y), px; parts outside are cut."""
        left, top = round(x), round(y)
        x0, y0 = max(0, left), max(0, top)
        x1 = min(image.shape[1], left + self.alpha.shape[1])
        y1 = min(image.shape[0], top + self.alpha.shape[0])
        if x0 >= x1 or y0 >= y1:
            return
        rows, columns = slice(y0 - top, y1 - top), slice(x0 - left, x1 - left)
        share = self.alpha[rows, columns, None] * opacity
        part = image[y0:y1, x0:x1]
        part[:] = (part + (self.colour[rows, columns] - part) * share + 0.5).astype(np.uint8)
