"""Drawn boards over moving pictures, and what a watcher reports of them."""

from __future__ import annotations

import cv2
import numpy as np

from commentator_lib.media import Frame

WIDTH, HEIGHT = 640, 360


def background(k: int, moving: bool = True, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """Return a textured picture (height, width, 3) that moves with the frame number `k`."""
    rng = np.random.default_rng(3)
    coarse = rng.integers(40, 160, (height // 12 + 2, width // 6, 3), dtype=np.uint8)
    large = cv2.resize(coarse, (width * 2, height), interpolation=cv2.INTER_NEAREST)
    left = (k * 9) % width if moving else 0
    return np.ascontiguousarray(large[:, left : left + width])


def put(image: np.ndarray, text: str, x: int, y: int, size: float = 0.6, ink=(255, 255, 255)) -> None:
    cv2.putText(image, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, size, ink, 2, cv2.LINE_AA)


def board(image: np.ndarray, score: tuple[int, int], seconds: int, teams=("HAV", "NYM"), x=20, y=16) -> None:
    """Draw a board in a corner: clock, code, score, code."""
    image[y : y + 30, x : x + 260] = (16, 24, 60)
    put(image, f"{seconds // 60:02d}:{seconds % 60:02d}", x + 6, y + 21)
    put(image, teams[0], x + 84, y + 21)
    put(image, f"{score[0]}-{score[1]}", x + 145, y + 21, ink=(255, 240, 120))
    put(image, teams[1], x + 200, y + 21)


def frames(draw, seconds: float, fps: float = 5.0, moving=lambda s: True, size=(WIDTH, HEIGHT)):
    """Yield frames `fps` a second; `draw(image, second)` puts the graphics on each."""
    k = 0
    moved = 0
    for index in range(round(seconds * fps)):
        at_s = index / fps
        moved += bool(moving(at_s))
        k = moved
        image = background(k, width=size[0], height=size[1])
        draw(image, at_s)
        yield Frame(index, at_s, at_s, image)


def reported(watcher, pictures, kind=""):
    """Return the events of a watcher, of one kind if that is given."""
    events = [event for frame in pictures for event in watcher.look(frame)]
    return [event for event in events if not kind or event.kind == kind]
