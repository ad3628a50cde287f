"""Pictures that do not depend on the frame: grass, crowd, advertising boards, text, sensor noise.

Each is computed once for each size and cached.
"""

from __future__ import annotations

import math
from functools import lru_cache

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from experiments.match_clip.camera import ONE_PX, SHIFT, fixed_point
from experiments.match_clip.world import HALF_LENGTH_M, HALF_WIDTH_M, Colour, mix

BOARDS_X_M, BOARDS_Y_M, BOARDS_HEIGHT_M = 57.5, 38.0, 1.0
GRASS_X_M, GRASS_Y_M = 64.0, 48.0
GRASS = ((66, 138, 52), (84, 158, 64))
_RUN_OFF = (58, 118, 52)
SHADOW = (38, 84, 36)
CROWD_PHASES = 3
PANEL_M = 26.0


@lru_cache(maxsize=2048)
def text_mask(text: str, size_px: int) -> np.ndarray:
    """Return the text as a mask (H, W) uint8: as wide as its ink, as high as capitals and descenders."""
    font = ImageFont.load_default(max(4, size_px))
    stroke = size_px // 26
    left, _, right, _ = font.getbbox(text, stroke_width=stroke)
    _, top, _, bottom = font.getbbox("HQ", stroke_width=stroke)
    mask = Image.new("L", (max(1, math.ceil(right - left)), max(1, math.ceil(bottom - top))), 0)
    ImageDraw.Draw(mask).text((-left, -top), text, 255, font=font, stroke_width=stroke)
    return np.asarray(mask)


def paste(image: np.ndarray, mask: np.ndarray, colour: Colour, x: float, y: float) -> None:
    """Blend a colour into the image through a mask whose top left is at (x, y)."""
    x, y = round(x), round(y)
    x0, y0 = max(0, x), max(0, y)
    x1, y1 = min(image.shape[1], x + mask.shape[1]), min(image.shape[0], y + mask.shape[0])
    if x0 >= x1 or y0 >= y1:
        return
    part = image[y0:y1, x0:x1]
    share = mask[y0 - y : y1 - y, x0 - x : x1 - x, None].astype(np.float32) * (1 / 255)
    part[:] = (part + (np.array(colour, np.float32) - part) * share + 0.5).astype(np.uint8)


@lru_cache(maxsize=4)
def grass_texture(px_per_m: int) -> np.ndarray:
    """Return the mown pitch from above, (H, W, 3) uint8, without its lines: they are drawn sharply in the picture."""
    width, height = round(2 * GRASS_X_M * px_per_m), round(2 * GRASS_Y_M * px_per_m)
    x = (np.arange(width) + 0.5) / px_per_m - GRASS_X_M
    y = GRASS_Y_M - (np.arange(height) + 0.5) / px_per_m
    light = (np.floor((x + HALF_LENGTH_M) / 5.25) % 2)[None, :, None]
    image = np.array(GRASS[0], np.float32) + light * (
        np.array(GRASS[1], np.float32) - np.array(GRASS[0], np.float32)
    )
    image = np.repeat(image, height, axis=0)
    outside = (np.abs(x)[None, :] > HALF_LENGTH_M + 2.5) | (np.abs(y)[:, None] > HALF_WIDTH_M + 2.5)
    image[outside] = _RUN_OFF
    rng = np.random.default_rng(1)
    for patch_m, strength in ((6.0, 4.0), (0.9, 5.0), (0.25, 5.0)):
        shape = max(2, round(height / patch_m / px_per_m)), max(2, round(width / patch_m / px_per_m))
        noise = rng.normal(0, strength, shape).astype(np.float32)
        image += cv2.resize(noise, (width, height), interpolation=cv2.INTER_LINEAR)[..., None]
    return np.clip(image, 0, 255).astype(np.uint8)


@lru_cache(maxsize=64)
def crowd_texture(px_per_m: int, variant: int, phase: int, colours: tuple[Colour, ...]) -> np.ndarray:
    """Return a panel of seated people from the front, `PANEL_M` wide; each phase moves other people."""
    rng = np.random.default_rng([2, variant])
    moves = np.random.default_rng([3, variant, phase])
    width, height = round(PANEL_M * px_per_m), round(28 * px_per_m)
    image = np.full((height, width, 3), (44, 46, 56), np.uint8)
    plain = ((30, 32, 40), (62, 62, 70), (120, 118, 116), (190, 186, 180), (88, 70, 60), (48, 60, 92))
    skins = ((226, 180, 150), (196, 146, 112), (140, 98, 72), (238, 196, 168))
    row_m, seat_m = 0.95, 0.58
    for row in range(int(28 / row_m)):
        y = (row + 0.6) * row_m
        cv2.line(
            image, (0, round((y + 0.32) * px_per_m)), (width, round((y + 0.32) * px_per_m)), (70, 72, 82), 1
        )
        for seat in range(int(PANEL_M / seat_m)):
            shift, lift = (moves.random(2) - 0.5) * (0.1, 0.24)
            x = (seat + 0.5 + 0.15 * (rng.random() - 0.5)) * seat_m
            if rng.random() < 0.06 or abs(x - PANEL_M / 2) < 0.5:  # a free seat; the stairs
                continue
            team = rng.random() < 0.45
            shirt = colours[rng.integers(len(colours))] if team else plain[rng.integers(len(plain))]
            shirt = mix(shirt, (20, 20, 30), 0.1 + 0.3 * rng.random())
            centre = np.array([x + shift, y + lift])
            body = tuple(int(v) for v in fixed_point(centre * px_per_m))
            cv2.circle(image, body, round(0.25 * px_per_m * ONE_PX), shirt, -1, cv2.LINE_AA, SHIFT)
            head = tuple(int(v) for v in fixed_point((centre - (0, 0.3)) * px_per_m))
            skin = mix(skins[rng.integers(len(skins))], (30, 30, 40), 0.15)
            cv2.circle(image, head, round(0.135 * px_per_m * ONE_PX), skin, -1, cv2.LINE_AA, SHIFT)
    return image


_BRANDS = (
    ("ZENDRUL", (18, 40, 110), (255, 255, 255)),
    ("nordlin", (240, 240, 236), (190, 30, 40)),
    ("OKAVO", (200, 36, 40), (255, 240, 90)),
    ("FIRNIX", (12, 12, 16), (80, 230, 160)),
    ("telmora", (250, 200, 30), (20, 20, 30)),
    ("BRIVANT", (24, 120, 150), (255, 255, 255)),
    ("QUELVO", (255, 255, 255), (30, 60, 160)),
)


@lru_cache(maxsize=32)
def board_texture(px_per_m: int, variant: int) -> np.ndarray:
    """Return four advertising boards: a panel of `PANEL_M`."""
    width, height = round(PANEL_M * px_per_m), max(2, round(BOARDS_HEIGHT_M * px_per_m))
    image = np.zeros((height, width, 3), np.uint8)
    count = 4
    for k in range(count):
        name, back, front = _BRANDS[(variant * count + k) % len(_BRANDS)]
        x0, x1 = round(k * width / count), round((k + 1) * width / count)
        image[:, x0:x1] = back
        mask = text_mask(name, round(0.8 * height))
        paste(image, mask, front, (x0 + x1 - mask.shape[1]) / 2, (height - mask.shape[0]) / 2)
    image[: max(1, height // 14)] = (200, 204, 210)
    return image


@lru_cache(maxsize=4)
def sensor_noise(width: int, height: int) -> np.ndarray:
    """Return noise (height + 61, width + 61, 3) int8, larger than the picture: frames use different parts of it."""
    noise = np.random.default_rng(4).normal(0, 1.8, (height + 61, width + 61)).round()
    return np.repeat(np.clip(noise, -6, 6).astype(np.int8)[..., None], 3, axis=2)
