"""What a layout of a board is, and cells in a row, of which many boards consist."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from experiments.boards.draw import DIGIT_UNITS, WHITE, Canvas, Colour, text_units
from experiments.boards.fonts import Font
from experiments.boards.script import Face


@dataclass(frozen=True, slots=True)
class Layout:
    """A kind of board. `paint` draws it: what it shows, and one unit in pixels.

    `place` is where it stands, as shares of the free room (0 left or top, 1 right or bottom), `margin` the distance
    from the picture's edge as a share of its height. `enter`: how it comes and goes (left, right, top, bottom, fade).
    `names` is a kind of team names; `clock` and `late` go to the course. Where `fill` is not 0, the board is as wide as
    that share of the picture, whatever the size of its digits. `goal`: before the score changes, the board celebrates
    ("within"), or is gone and a banner celebrates elsewhere ("away"). `shrinks`: from some time on it is small, or has
    one part more. `ticker`: a text runs below it. `high`: the score is high, of two digits.
    """

    name: str
    paint: Callable[[Face, float], Canvas]
    place: tuple[float, float]
    sport: str = "football"
    names: str = "latin"
    enter: str = "fade"
    margin: float = 0.045
    clock: bool = True
    late: bool = False
    fill: float = 0.0
    goal: str = ""
    shrinks: bool = False
    ticker: bool = False
    high: bool = False

    def scale(self, face: Face, width_px: int, digits_px: float) -> float:
        """Return one unit in pixels for digits of that height; less where the board would not fit into the picture."""
        units = self.paint(face, 0.5).width_units
        if self.fill:
            return self.fill * width_px / units
        return min(digits_px / DIGIT_UNITS, 0.92 * width_px / units)

    def lay_over(self, image: np.ndarray, canvas: Canvas, shown: float) -> tuple[int, int, int, int]:
        """Lay a board over an image (H, W, 3) as far as it is there; return its place when wholly there, px."""
        height, width = image.shape[:2]
        tall, wide = canvas.alpha.shape
        margin = self.margin * height
        x = margin + self.place[0] * (width - wide - 2 * margin)
        y = margin + self.place[1] * (height - tall - 2 * margin)
        box = round(x), round(y), round(x) + wide, round(y) + tall
        gone = 1 - shown
        x += {"left": -(x + wide), "right": width - x}.get(self.enter, 0.0) * gone
        y += {"top": -(y + tall), "bottom": height - y}.get(self.enter, 0.0) * gone
        if shown > 0:
            canvas.lay_over(image, x, y, shown if self.enter == "fade" else 1.0)
        return box


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of a row: its text, its width in units, its colours. `score`: its digits fade while they change."""

    text: str
    width: float
    back: Colour | None = None
    ink: Colour = WHITE
    font: Font = Font()
    digits: float = DIGIT_UNITS
    align: float = 0.5
    opacity: float = 1.0
    score: bool = False
    fade: float = 0.0
    high: float = 1.0  # its height as a share of the row's


def row(canvas: Canvas, x: float, y0: float, y1: float, cells: list[Cell], ink: float = 1.0) -> float:
    """Draw cells from x on; `ink` is the opacity of those that are a score. Return where they end, in units."""
    for cell in cells:
        middle, half = (y0 + y1) / 2, cell.high * (y1 - y0) / 2
        if cell.back is not None:
            canvas.box(
                x, middle - half, x + cell.width, middle + half, cell.back, cell.opacity, 0.0, cell.fade
            )
        inside = x + 5 + cell.align * (cell.width - 10)
        opacity = ink if cell.score else 1.0
        canvas.text(
            cell.text,
            inside,
            middle,
            cell.ink,
            cell.font,
            cell.digits,
            cell.align,
            opacity,
            max(8.0, cell.width - 8),
        )
        x += cell.width
    return x


def wide_enough(
    texts: tuple[str, ...], font: Font, digits: float, room: float = 16.0, least: float = 0.0
) -> float:
    """Return the width, in units, of cells that hold any of these texts."""
    return max(least, *(text_units(text, font, digits) + room for text in texts))
