"""Moving pictures behind the boards of the development clips: a painted ground, hoardings, a crowd and players.

All of it is computed from a seed. A scene is a large picture of the place, of which each shot's camera sees a part.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Protocol

import cv2
import numpy as np

from experiments.boards.draw import Colour
from experiments.boards.fonts import Font, text_mask
from experiments.boards.script import FPS
from experiments.boards.shots import Shot
from experiments.match_clip.textures import paste, sensor_noise

_WIDE, _TALL = 2.4, 1.7  # size of the place, in pictures
_BOARDS_Y, _BOARDS_HIGH = 0.62, 0.1  # where the hoardings stand, in picture heights
_GROUNDS: dict[str, tuple[tuple[Colour, Colour], ...]] = {
    "football": (
        ((58, 130, 50), (74, 150, 60)),
        ((44, 112, 48), (58, 128, 60)),
        ((84, 142, 62), (98, 158, 70)),
    ),
    "basketball": (((196, 148, 92), (206, 160, 104)), ((176, 122, 74), (186, 132, 80))),
    "tennis": (
        ((48, 96, 160), (50, 98, 164)),
        ((186, 98, 58), (190, 102, 62)),
        ((62, 126, 74), (66, 130, 78)),
    ),
    "cricket": (((96, 150, 66), (106, 160, 74)),),
    "esports": (((46, 52, 78), (66, 58, 92)), ((84, 74, 58), (104, 92, 70))),
}
BRANDS = ("ZENDRUL", "nordlin", "OKAVO", "FIRNIX", "telmora", "BRIVANT", "QUELVO", "Halmere")
_PANELS: tuple[tuple[Colour, Colour], ...] = (
    ((18, 40, 110), (255, 255, 255)),
    ((236, 236, 232), (180, 30, 40)),
    ((190, 34, 40), (255, 236, 90)),
    ((14, 14, 18), (80, 220, 160)),
    ((240, 190, 30), (20, 20, 30)),
)


class Scenes(Protocol):
    """Moving pictures: each frame's picture is a new array (H, W, 3) uint8 RGB."""

    def draw(self, frame: int) -> np.ndarray: ...


@lru_cache(maxsize=8)
def crowd_panel(width: int, height: int, seed: int) -> np.ndarray:
    """Return seats with people on them, (height, width, 3) uint8."""
    rng = np.random.default_rng([11, seed])
    image = np.full((height, width, 3), (52, 54, 64), np.uint8)
    step = max(4, height // 22)
    team = rng.integers(40, 230, 3)
    for y in range(step, height + step, step):
        for x in range(0, width + step, step):
            if rng.random() < 0.08:
                continue
            dx, dy = (int(v) for v in rng.integers(-step // 5, step // 5 + 1, 2))
            shirt = team if rng.random() < 0.4 else rng.integers(20, 220, 3)
            skin = np.array((214, 168, 136)) * rng.uniform(0.5, 1.1)
            cv2.circle(
                image, (x + dx, y + dy), max(1, step * 2 // 5), tuple(int(v) for v in shirt), -1, cv2.LINE_AA
            )
            head = tuple(int(min(255, v)) for v in skin)
            cv2.circle(image, (x + dx, y + dy - step // 2), max(1, step // 5), head, -1, cv2.LINE_AA)
    return image


def ground(width: int, height: int, sport: str, seed: int) -> np.ndarray:
    """Return the ground from above with stripes, lines and worn patches, (height, width, 3) uint8."""
    rng = np.random.default_rng([12, seed])
    pairs = _GROUNDS[sport]
    pair = pairs[int(rng.integers(len(pairs)))]
    stripes = (np.arange(width) // max(1, width // 18) % 2)[None, :, None]
    image = np.array(pair[0], np.float32) + stripes * (
        np.array(pair[1], np.float32) - np.array(pair[0], np.float32)
    )
    image = np.repeat(image, height, axis=0)
    for cell_px, strength in ((height / 9, 5.0), (height / 60, 5.0), (2.0, 4.0)):
        shape = max(2, round(height / cell_px)), max(2, round(width / cell_px))
        noise = rng.normal(0, strength, shape).astype(np.float32)
        image += cv2.resize(noise, (width, height), interpolation=cv2.INTER_LINEAR)[..., None]
    painted = np.clip(image, 0, 255).astype(np.uint8)
    thick, chalk = max(1, height // 140), (226, 230, 224)
    if sport == "esports":
        for _ in range(60):
            x, y = int(rng.integers(width)), int(rng.integers(height))
            size = rng.integers(height // 30, height // 5, 2)
            shade = tuple(int(v) for v in rng.integers(30, 150, 3))
            cv2.rectangle(painted, (x, y), (x + int(size[0]), y + int(size[1])), shade, -1)
        return painted
    cv2.rectangle(painted, (width // 20, height // 12), (width * 19 // 20, height * 11 // 12), chalk, thick)
    cv2.line(painted, (width // 2, height // 12), (width // 2, height * 11 // 12), chalk, thick)
    if sport != "tennis":
        cv2.circle(painted, (width // 2, height // 2), height // 5, chalk, thick, cv2.LINE_AA)
    cv2.rectangle(painted, (width // 20, height // 4), (width // 6, height * 3 // 4), chalk, thick)
    cv2.rectangle(painted, (width * 5 // 6, height // 4), (width * 19 // 20, height * 3 // 4), chalk, thick)
    return painted


def hoardings(image: np.ndarray, y0: int, y1: int, texts: tuple[str, ...], seed: int) -> None:
    """Paint advertising boards with these texts, one after another, across an image."""
    count = max(4, image.shape[1] // max(1, 7 * (y1 - y0)))
    for k in range(count):
        x0, x1 = k * image.shape[1] // count, (k + 1) * image.shape[1] // count
        back, ink = _PANELS[(k + seed) % len(_PANELS)]
        image[y0:y1, x0:x1] = back
        mask = text_mask(texts[(k + seed) % len(texts)], Font("sans-bold"), 0.42 * (y1 - y0))
        paste(image, mask, ink, (x0 + x1 - mask.shape[1]) / 2, (y0 + y1 - mask.shape[0]) / 2)


class GroundScenes:
    """A ground with players. `texts` stand on the hoardings; of several rows, each stays `row_s` seconds."""

    def __init__(
        self,
        sport: str,
        seed: int,
        width: int,
        height: int,
        shots: tuple[Shot, ...],
        *,
        texts: tuple[tuple[str, ...], ...] = (BRANDS,),
        row_s: float = 8.0,
        numbers: bool = False,
    ) -> None:
        self.width, self.height, self.shots, self.row_s = width, height, shots, row_s
        rng = np.random.default_rng([13, seed])
        size = round(_WIDE * width), round(_TALL * height)
        place = np.empty((size[1], size[0], 3), np.uint8)
        y0, y1 = round(_BOARDS_Y * height), round((_BOARDS_Y + _BOARDS_HIGH) * height)
        place[:y0] = crowd_panel(size[0], y0, seed % 5)
        place[y1:] = ground(size[0], size[1] - y1, sport, seed)
        self._places: list[np.ndarray] = []
        for row in texts:
            painted = place.copy()
            hoardings(painted, y0, y1, row, seed)
            self._places.append(painted)
        self._players = rng.uniform((0.05, 0.5), (0.95, 0.97), (16, 2)) * size  # (players, 2) px of the place
        self._speeds = rng.normal(0, 0.09 * width, (16, 2)) * (1.0, 0.35)  # px a second
        self._shirts = rng.integers(20, 250, (3, 3))
        self._shirt_numbers = rng.permutation(np.arange(1, 24))[:16] if numbers else None

    def draw(self, frame: int) -> np.ndarray:
        """Return the picture of a frame."""
        shot = next(s for s in self.shots if s.from_frame <= frame < s.to_frame)
        if shot.kind == "crowd":
            image = self._crowd(shot, frame)
        else:
            image = self._ground(shot, frame)
        noise = sensor_noise(self.width, self.height)
        down, right = frame * 37 % 61, frame * 23 % 59
        return cv2.add(image, noise[down : down + self.height, right : right + self.width], dtype=cv2.CV_8U)

    def _window(self, shot: Shot, frame: int) -> tuple[float, float, float]:
        """Return left, top (px of the place) and magnification of what the camera sees."""
        x, y, zoom = shot.view(frame)
        zoom = max(zoom, 1.05) * (1.6 if shot.kind == "close" else 1.0)
        left = x * (_WIDE * self.width - self.width / zoom)
        top = (0.3 + 0.6 * y) * (_TALL * self.height - self.height / zoom)
        return left, top, zoom

    def _ground(self, shot: Shot, frame: int) -> np.ndarray:
        left, top, zoom = self._window(shot, frame)
        place = self._places[int(frame / FPS / self.row_s) % len(self._places)]
        matrix = np.array([[zoom, 0, -zoom * left], [0, zoom, -zoom * top]])
        image = cv2.warpAffine(place, matrix, (self.width, self.height), borderMode=cv2.BORDER_REPLICATE)
        at = self._players + self._speeds * np.sin(frame / FPS * 0.8 + np.arange(16))[:, None]
        seen = (at - (left, top)) * zoom
        for k in np.argsort(seen[:, 1]):
            shirt = self._shirts[k % 2]
            self._player(
                image, float(seen[k][0]), float(seen[k][1]), 0.13 * self.height * zoom, shirt, int(k), frame
            )
        if shot.kind == "close":
            small = cv2.resize(image, (self.width // 6, self.height // 6), interpolation=cv2.INTER_AREA)
            image = cv2.resize(small, (self.width, self.height), interpolation=cv2.INTER_CUBIC)
            k = shot.seed % 16
            sway = 0.06 * self.width * np.sin(frame / FPS * 1.4 + k)
            x, y = self.width * (0.35 + 0.3 * (k % 3) / 2) + sway, 1.35 * self.height
            self._player(image, x, y, 1.2 * self.height, self._shirts[k % 2], k, frame)
        return image

    def _player(
        self, image: np.ndarray, x: float, y: float, tall: float, shirt: np.ndarray, k: int, frame: int
    ) -> None:
        """Draw a player who stands at (x, y), px, `tall` px high."""
        colour = tuple(int(v) for v in shirt)
        dark = tuple(int(v * 0.5) for v in shirt)
        skin = (206, 160, 128) if k % 3 else (120, 84, 62)
        stride = 0.12 * tall * np.sin(frame / FPS * 9 + k)
        hip = (round(x), round(y - 0.46 * tall))
        for side in (-1, 1):
            foot = (round(x + side * stride), round(y))
            cv2.line(image, hip, foot, skin, max(1, round(0.09 * tall)), cv2.LINE_AA)
            arm = (round(x + side * (0.2 * tall + 0.3 * stride)), round(y - 0.46 * tall))
            cv2.line(
                image, (round(x), round(y - 0.76 * tall)), arm, skin, max(1, round(0.07 * tall)), cv2.LINE_AA
            )
        cv2.line(image, hip, (hip[0], round(y - 0.4 * tall)), dark, max(1, round(0.24 * tall)), cv2.LINE_AA)
        body = (round(x), round(y - 0.62 * tall)), (max(1, round(0.13 * tall)), max(1, round(0.19 * tall)))
        cv2.ellipse(image, body[0], body[1], 0, 0, 360, colour, -1, cv2.LINE_AA)
        cv2.circle(
            image, (round(x), round(y - 0.89 * tall)), max(1, round(0.075 * tall)), skin, -1, cv2.LINE_AA
        )
        if self._shirt_numbers is not None and tall > 40:
            light = sum(colour) > 380
            mask = text_mask(str(int(self._shirt_numbers[k])), Font("sans-bold"), round(0.12 * tall, 1))
            ink = (20, 20, 26) if light else (250, 250, 250)
            paste(image, mask, ink, x - mask.shape[1] / 2, y - 0.64 * tall - mask.shape[0] / 2)

    def _crowd(self, shot: Shot, frame: int) -> np.ndarray:
        panel = crowd_panel(2 * self.width, 2 * self.height, shot.seed % 3)
        x, y, zoom = shot.view(frame)
        lift = 0.01 * self.height * abs(np.sin(frame / FPS * 5 + shot.seed))
        matrix = np.array([[zoom, 0, -zoom * x * self.width], [0, zoom, lift - zoom * y * self.height]])
        return cv2.warpAffine(panel, matrix, (self.width, self.height), borderMode=cv2.BORDER_REFLECT)
