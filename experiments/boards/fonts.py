"""Text as masks, in the fonts that every installation has: those inside matplotlib, Pillow and OpenCV.

A mask is as high as the digits and some room above and below for accents and descenders, so that texts of one size
share one middle. Text is drawn larger and reduced: sizes need not be whole pixels, and can be narrowed and slanted.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from experiments.errors import UserError

_ROOM = 0.45  # room above and below the digits, as a share of their height
_LARGER = 3  # texts are drawn so many times larger, and then reduced
_FILES = {
    "sans": "DejaVuSans.ttf",
    "sans-bold": "DejaVuSans-Bold.ttf",
    "serif-bold": "DejaVuSerif-Bold.ttf",
    "mono-bold": "DejaVuSansMono-Bold.ttf",
    "stix-bold": "STIXGeneralBol.ttf",
    "modern": "cmss10.ttf",
}
_OPENCV = {"rubik": ("sans", 600), "unifont": ("uni", 600)}  # font of OpenCV 5, weight


@dataclass(frozen=True, slots=True)
class Font:
    """A font: `name` as in this module, `narrow` is its width as a share of the usual one, `slant` its shear.

    `stroke` thickens it, as a share of the height of its digits.
    """

    name: str = "sans-bold"
    narrow: float = 1.0
    slant: float = 0.0
    stroke: float = 0.0


@lru_cache(maxsize=64)
def _opened(name: str, size_px: int) -> Any:
    """Return a Pillow font; "aileron" is the one inside Pillow."""
    if name == "aileron":
        return ImageFont.load_default(size_px)
    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    return ImageFont.truetype(str(folder / _FILES[name]), size_px)


@lru_cache(maxsize=16)
def _digit_share(name: str) -> float:
    """Return the height of the digit 0 as a share of the font's size."""
    box = _opened(name, 400).getbbox("0")
    return (box[3] - box[1]) / 400


def _pillow_mask(text: str, font: Font, digit_px: int) -> np.ndarray:
    """Return the text's mask with digits `digit_px` high, before it is narrowed and slanted."""
    opened = _opened(font.name, max(4, round(digit_px / _digit_share(font.name))))
    stroke = round(font.stroke * digit_px)
    left, _, right, _ = opened.getbbox(text, stroke_width=stroke)
    top = opened.getbbox("0")[1]
    room = round(_ROOM * digit_px)
    mask = Image.new("L", (max(1, round(right - left)), digit_px + 2 * room), 0)
    ImageDraw.Draw(mask).text(
        (-left, room - top), text, 255, font=opened, stroke_width=stroke, stroke_fill=255
    )
    return np.asarray(mask)


def _opencv_mask(text: str, font: Font, digit_px: int) -> np.ndarray:
    """Return the same in a font of OpenCV, which knows Chinese and Japanese characters."""
    if not hasattr(cv2, "FontFace"):
        raise UserError("the boards need the fonts of OpenCV 5: pip install 'opencv-python-headless>=5'")
    name, weight = _OPENCV[font.name]
    face = cv2.FontFace(name)
    size_px = round(digit_px * 1.38)  # digits of both fonts are 0.72 of the size
    room = round(_ROOM * digit_px)
    canvas = np.zeros((digit_px + 2 * room, 40 + 2 * size_px * (len(text) + 1), 3), np.uint8)
    cv2.putText(canvas, text, (20, room + digit_px), (255, 255, 255), face, size_px, weight=weight)
    columns = np.flatnonzero(canvas[..., 0].any(axis=0))
    left, right = (int(columns[0]), int(columns[-1]) + 1) if len(columns) else (0, 1)
    return np.ascontiguousarray(canvas[:, left:right, 0])


@lru_cache(maxsize=4096)
def text_mask(text: str, font: Font, digit_px: float) -> np.ndarray:
    """Return the text as a mask (H, W) uint8: digits are `digit_px` high, in the middle of it."""
    large_px = max(8, round(digit_px * _LARGER))
    draw = _opencv_mask if font.name in _OPENCV else _pillow_mask
    large = draw(text, font, large_px)
    if font.slant:
        lean = font.slant * large.shape[0]
        matrix = np.array([[1.0, -font.slant, lean], [0.0, 1.0, 0.0]])
        large = cv2.warpAffine(large, matrix, (large.shape[1] + round(lean), large.shape[0]))
    scale = digit_px / large_px
    width = max(1, round(large.shape[1] * scale * font.narrow))
    height = max(1, round(large.shape[0] * scale))
    return cv2.resize(large, (width, height), interpolation=cv2.INTER_AREA)
