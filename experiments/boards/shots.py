"""Where the cameras cut, and how each moves while its shot lasts."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from experiments.boards.script import FPS


@dataclass(frozen=True, slots=True)
class Shot:
    """What one camera shows. `kind`: wide, close or crowd; `path`: x, y and zoom at both ends, `sway` its unrest."""

    from_frame: int
    to_frame: int
    kind: str
    seed: int
    path: tuple[tuple[float, float, float], tuple[float, float, float]]
    sway: float

    def view(self, frame: int) -> tuple[float, float, float]:
        """Return where the camera looks in a frame: x and y as shares of what it can see, and its zoom, 1 to 2."""
        share = (frame - self.from_frame) / max(1, self.to_frame - self.from_frame)
        share = share * share * (3 - 2 * share)  # it starts and stops softly
        x, y, zoom = (a + (b - a) * share for a, b in zip(*self.path, strict=True))
        angle = frame / FPS + self.seed % 7
        return x + self.sway * math.sin(1.7 * angle), y + self.sway * math.cos(1.3 * angle), zoom


def cut_shots(rng: np.random.Generator, frames: int) -> tuple[Shot, ...]:
    """Return shots of 2 to 8 s that fill a clip; no two close-ups or crowds follow each other."""
    shots: list[Shot] = []
    start = 0
    while start < frames:
        length = round(float(rng.uniform(2.0, 8.0)) * FPS)
        stop = start + length if frames - start - length > 2 * FPS else frames
        plain = not shots or shots[-1].kind != "wide"
        kind = "wide" if plain else str(rng.choice(("wide", "wide", "close", "close", "crowd")))
        shots.append(Shot(start, stop, kind, int(rng.integers(1 << 20)), _path(rng, kind), 0.02))
        start = stop
    return tuple(shots)


def fixed_shot(rng: np.random.Generator, frames: int) -> tuple[Shot, ...]:
    """Return one shot whose camera does not move."""
    place = (float(rng.uniform(0.3, 0.7)), 0.25, 1.25)
    return (Shot(0, frames, "wide", int(rng.integers(1 << 20)), (place, place), 0.0),)


def panning_shot(rng: np.random.Generator, frames: int) -> tuple[Shot, ...]:
    """Return one shot whose camera moves along the touchline and back, in stretches of 6 s."""
    edges = [*range(0, frames - 3 * FPS, 6 * FPS), frames]
    shots: list[Shot] = []
    here = (0.2, 0.2, 1.3)
    for k, (start, stop) in enumerate(zip(edges[:-1], edges[1:], strict=True)):
        there = (0.85 if k % 2 == 0 else 0.15, float(rng.uniform(0.1, 0.3)), float(rng.uniform(1.15, 1.4)))
        shots.append(Shot(start, stop, "wide", 7, (here, there), 0.0))
        here = there
    return tuple(shots)


def _path(
    rng: np.random.Generator, kind: str
) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    x, y, zoom = (float(v) for v in rng.uniform((0.15, 0.1, 1.1), (0.85, 0.8, 1.7)))
    far = 0.1 if kind == "crowd" else 0.5
    x2, y2 = x + float(rng.uniform(-far, far)), y + float(rng.uniform(-0.15, 0.15))
    there = (min(0.95, max(0.05, x2)), min(0.9, max(0.1, y2)), zoom * float(rng.uniform(0.85, 1.15)))
    return (x, y, zoom), there
