"""Draw the broadcaster's graphics: scoreboard, captions, the label of a replay and the wipes before and after it."""

from __future__ import annotations

import cv2
import numpy as np

from experiments.match_clip.camera import SHIFT, fixed_point
from experiments.match_clip.textures import paste, text_mask
from experiments.match_clip.world import Colour

_PANEL, _PANEL_2, _WHITE = (14, 20, 44), (34, 44, 84), (255, 255, 255)


def _box(image, x0: float, y0: float, x1: float, y1: float, colour: Colour) -> None:
    image[max(0, round(y0)) : max(0, round(y1)), max(0, round(x0)) : max(0, round(x1))] = colour


def _label(
    image, text: str, size: float, x: float, middle_y: float, colour: Colour, align: float = 0.0
) -> float:
    """Write text at x (px): `align` 0 starts there, 0.5 is centred there. Return its width in pixels."""
    mask = text_mask(text, round(size))
    paste(image, mask, colour, x - align * mask.shape[1], middle_y - mask.shape[0] / 2)
    return mask.shape[1]


def scoreboard_box(height: int) -> tuple[int, int, int, int]:
    """Return x0, y0, x1, y1 (px) of the part of the picture that shows the team codes and the score only."""
    unit = height / 360
    return round(84 * unit), round(15 * unit), round(236 * unit), round(39 * unit)


def draw_scoreboard(image, codes: tuple[str, str], colours, score: tuple[int, int], clock: str) -> None:
    """Draw the clock, the team codes with their colours, and the score at the top left of the image (H, W, 3)."""
    unit = image.shape[0] / 360
    y0, y1 = 14 * unit, 40 * unit
    middle = (y0 + y1) / 2
    size = 21 * unit
    numbers = f"{score[0]}-{score[1]}"
    wide = text_mask(numbers, round(size)).shape[1] / unit + 14
    edges = np.cumsum([16, 66, 60, wide, 60]) * unit
    _box(image, edges[0], y0, edges[1], y1, _PANEL_2)
    _box(image, edges[1], y0, edges[4], y1, _PANEL)
    _label(image, clock, size, (edges[0] + edges[1]) / 2, middle, _WHITE, 0.5)
    _box(image, edges[1] + 2 * unit, y0, edges[1] + 6 * unit, y1, colours[0])
    _box(image, edges[4] - 4 * unit, y0, edges[4], y1, colours[1])
    _label(image, codes[0], size, (edges[1] + edges[2]) / 2 + 3 * unit, middle, _WHITE, 0.5)
    _label(image, numbers, size, (edges[2] + edges[3]) / 2, middle, (255, 236, 120), 0.5)
    _label(image, codes[1], size, (edges[3] + edges[4]) / 2 - 2 * unit, middle, _WHITE, 0.5)


def draw_caption(image, heading: str, line: str, colour: Colour, icon: str, share: float) -> None:
    """Draw a caption: a heading on its colour, a line below. `share` (0 to 1) is how far it has slid in."""
    height = image.shape[0]
    unit = height / 360
    big, small = 27 * unit, 20 * unit
    texts = max(
        text_mask(heading, round(big)).shape[1] + 44 * unit,
        text_mask(line, round(small)).shape[1] + 24 * unit,
    )
    x0 = 44 * unit
    x1 = x0 + max(260 * unit, texts) * share
    y0, y1, y2 = 272 * unit, 308 * unit, 338 * unit
    dark_text = sum(c * k for c, k in zip(colour, (0.3, 0.59, 0.11), strict=True)) > 150
    _box(image, x0, y0, x1, y1, colour)
    if line:
        _box(image, x0, y1, x1, y2, _PANEL)
    if share < 1:
        return
    ink = _PANEL if dark_text else _WHITE
    x = x0 + 12 * unit
    if icon:
        mark = {"yellow": (255, 222, 20), "red": (225, 20, 30)}[icon]
        _box(image, x, y0 + 6 * unit, x + 17 * unit, y1 - 6 * unit, mark)
        x += 28 * unit
    _label(image, heading, big, x, (y0 + y1) / 2, ink)
    if line:
        _label(image, line, small, x0 + 12 * unit, (y1 + y2) / 2, _WHITE)


def draw_replay_tag(image) -> None:
    """Draw the label "REPLAY" at the top right."""
    height, width = image.shape[:2]
    unit = height / 360
    wide = text_mask("REPLAY", round(21 * unit)).shape[1]
    x1 = width - 16 * unit
    x0 = x1 - wide - 20 * unit
    _box(image, x0, 14 * unit, x1, 40 * unit, (190, 20, 40))
    _label(image, "REPLAY", 21 * unit, (x0 + x1) / 2, 27 * unit, _WHITE, 0.5)


def draw_wipe(image, share: float, colours) -> None:
    """Draw a slanted sheet that crosses the picture as `share` goes from 0 to 1; at 0.5 it covers everything."""
    height, width = image.shape[:2]
    left = (-1.85 + 3.3 * share) * width
    for inset, colour in ((0.0, colours[0]), (0.05, _WHITE), (0.09, _PANEL), (0.16, _PANEL_2)):
        x0, x1 = left + inset * width, left + (1.75 - inset) * width
        slant = 0.2 * width
        sheet = np.array([[x0 + slant, 0], [x1 + slant, 0], [x1, height], [x0, height]])
        sheet = np.clip(sheet, -4 * width, 5 * width)
        cv2.fillConvexPoly(image, fixed_point(sheet), colour, cv2.LINE_AA, SHIFT)
