"""Lay out and draw lines of text in any script: direction, fonts, joined and stacked letters, coloured emoji.

A line is divided where its direction (UAX #9), its font or its script changes; HarfBuzz shapes each part and draws its
glyphs. Nothing else of the system than its fonts is needed.
"""

from __future__ import annotations

import functools
import io
import re
import unicodedata
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
from wcwidth import iter_graphemes

from commentator_lib.runs.fonts import UNITS, Face, font_book, font_of, harfbuzz, is_emoji
from commentator_lib.runs.line_breaks import han_language, is_right_to_left

_STEPS = 64  # of a pixel: HarfBuzz draws in whole units
# Controls of direction would count as characters; what they are for is settled by each line's own letters.
_DIRECTIONS = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class Glyph:
    """One glyph of a line: its face and number there, and where it is drawn, in sizes of the font from the left."""

    face: Face
    number: int
    x: float
    y: float  # upwards from the base line


@dataclass(frozen=True, slots=True)
class ShapedLine:
    """The glyphs of a line, and its width in sizes of the font."""

    glyphs: tuple[Glyph, ...]
    width: float


@dataclass(frozen=True, slots=True)
class _Character:
    """A character (a grapheme) of a line with what decides how it is drawn."""

    text: str
    level: int  # of its direction: odd is right to left
    face: Face
    script: str


@functools.lru_cache(maxsize=512)
def shaped(line: str, right_to_left: bool | None = None) -> ShapedLine:
    """Return a line shaped; characters that no font has are left out.

    `right_to_left` is the direction of the text that the line is from; None takes the line's own.
    """
    hb = harfbuzz()
    if right_to_left is None:
        right_to_left = is_right_to_left(line)
    visible = _CONTROLS.sub(" ", _DIRECTIONS.sub("", unicodedata.normalize("NFC", line)))
    characters = _characters(visible, right_to_left)
    runs = [list(run) for _, run in groupby(characters, key=lambda c: (c.level, c.face, c.script))]
    glyphs: list[Glyph] = []
    x = 0
    for run in _in_visual_order(runs):
        buffer = hb.Buffer()
        buffer.add_str("".join(c.text for c in run))
        buffer.guess_segment_properties()
        buffer.direction = "rtl" if run[0].level % 2 else "ltr"
        font = font_of(run[0].face)
        hb.shape(font, buffer)
        for info, position in zip(buffer.glyph_infos, buffer.glyph_positions or (), strict=True):
            at = (x + position.x_offset) / UNITS, position.y_offset / UNITS
            glyphs.append(Glyph(run[0].face, info.codepoint, *at))
            x += position.x_advance
    return ShapedLine(tuple(glyphs), x / UNITS)


def _characters(text: str, right_to_left: bool) -> list[_Character]:
    """Return a text's characters (graphemes) that some font has, in the order of reading."""
    book, language = font_book(), han_language(text)
    parts = list(iter_graphemes(text))
    found: list[_Character] = []
    face, script = None, ""
    for part, level in zip(parts, _levels(parts, right_to_left), strict=True):
        face_here = book.face_for(part, language, face)
        if face_here is None and is_emoji(part):  # in another tone, or with others: what it is at least
            part = part[0]
            face_here = book.face_for(part, language, face)
        if face_here is None:
            continue
        face, script = face_here, _script(part) or script
        found.append(_Character(part, level, face, script))
    return found


def _levels(characters: list[str], right_to_left: bool) -> list[int]:
    """Return each character's level of direction, even for left to right."""
    kinds = {unicodedata.bidirectional(c) for character in characters for c in character}
    if not right_to_left and not kinds & {"R", "AL", "AN"}:
        return [0] * len(characters)
    from bidi import algorithm

    storage: dict[str, Any] = algorithm.get_empty_storage()
    storage |= {"base_level": int(right_to_left), "base_dir": "R" if right_to_left else "L"}
    # The first code point of a character stands for it: the marks on it go where it goes.
    firsts = (c[0] if unicodedata.bidirectional(c[0]) not in ("BN", "NSM", "") else " " for c in characters)
    algorithm.get_embedding_levels("".join(firsts), storage)
    algorithm.explicit_embed_and_overrides(storage)
    algorithm.resolve_weak_types(storage)
    algorithm.resolve_neutral_types(storage, False)
    algorithm.resolve_implicit_levels(storage, False)
    return [one["level"] for one in storage["chars"]]


def _in_visual_order(runs: list[list[_Character]]) -> list[list[_Character]]:
    """Return the runs from left to right (UAX #9, L2): from the highest level down, stretches of it are reversed."""
    ordered = list(runs)
    levels = [run[0].level for run in runs]
    for level in range(max(levels, default=0), 0, -1):
        turned: list[list[_Character]] = []
        for high, stretch in groupby(ordered, key=lambda run: run[0].level >= level):
            members = list(stretch)
            turned += members[::-1] if high else members
        ordered = turned
    return ordered


@functools.lru_cache(maxsize=4096)
def _script(character: str) -> str:
    """Return the script of a character, "" for one of all scripts, such as a space."""
    buffer = harfbuzz().Buffer()
    buffer.add_str(character)
    buffer.guess_segment_properties()
    return buffer.script or ""


def draw_line(canvas: np.ndarray, line: ShapedLine, left_px: float, base_px: float, size_px: float) -> None:
    """Draw a line in white, emoji in their colours, over `canvas`, (H, W, 4) float32 premultiplied RGBA in 0–1.

    `left_px`, `base_px`: where its left end and its base line are, from the top left; `size_px` is the font's size.
    """
    hb = harfbuzz()
    height, width = canvas.shape[:2]
    paint = hb.RasterPaint()
    paint.extents = hb.RasterExtents(0, 0, width, height, 0)
    paint.scale_factor = (_STEPS, _STEPS)
    paint.foreground = hb.Color(255, 255, 255, 255)
    scale = size_px * _STEPS / UNITS
    for glyph in line.glyphs:
        font = font_of(glyph.face)
        x_px, up_px = left_px + glyph.x * size_px, height - base_px + glyph.y * size_px
        if (png := font.get_glyph_color_png(glyph.number)) is not None and len(png.data):
            _draw_picture(canvas, font, glyph.number, png.data, x_px, up_px, size_px)
            continue
        paint.transform = (scale, 0.0, 0.0, scale, x_px * _STEPS, up_px * _STEPS)
        paint.paint_glyph(font, glyph.number)
    image = paint.render()
    if image is not None:
        rows = np.frombuffer(image.buffer, np.uint8).reshape(height, image.extents.stride // 4, 4)
        _cover(canvas, rows[::-1, :width][..., [2, 1, 0, 3]].astype(np.float32) / 255.0)


def _draw_picture(
    canvas: np.ndarray, font: Any, number: int, png: bytes, x_px: float, up_px: float, size_px: float
) -> None:
    """Draw a glyph that is a picture where its outline would be."""
    from PIL import Image

    extents = font.get_glyph_extents(number)
    unit_px = size_px / UNITS
    w, h = max(1, round(extents.width * unit_px)), max(1, round(-extents.height * unit_px))
    left = round(x_px + extents.x_bearing * unit_px)
    top = round(canvas.shape[0] - up_px - extents.y_bearing * unit_px)
    with Image.open(io.BytesIO(png)) as picture:
        pixels = (
            np.asarray(
                picture.convert("RGBA").convert("RGBa").resize((w, h), Image.Resampling.LANCZOS), np.float32
            )
            / 255.0
        )
    rows = slice(max(0, top), min(canvas.shape[0], top + h))
    cols = slice(max(0, left), min(canvas.shape[1], left + w))
    _cover(
        canvas[rows, cols], pixels[rows.start - top : rows.stop - top, cols.start - left : cols.stop - left]
    )


def _cover(canvas: np.ndarray, over: np.ndarray) -> None:
    """Put premultiplied RGBA over a canvas of the same shape."""
    canvas *= 1.0 - over[..., 3:]
    canvas += over
