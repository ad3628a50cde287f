"""Plan the clips of a part: which layouts, how large, how compressed, before which pictures."""

from __future__ import annotations

from functools import partial

import numpy as np

from experiments.boards import layouts_development, layouts_heldout, layouts_second, layouts_third, second
from experiments.boards.backgrounds import GroundScenes
from experiments.boards.clip import Clip, clip_rng
from experiments.boards.games import write_course
from experiments.boards.layout import Layout
from experiments.boards.recorded import RecordedScenes
from experiments.boards.shots import cut_shots
from experiments.boards.traps import TRAPS, plan_trap
from experiments.errors import UserError

# Sizes of a layout's clips, one after another: picture (px), and the least and the greatest height of digits (px).
_SIZES: tuple[tuple[int, int, int, int], ...] = (
    (640, 360, 12, 18),
    (1280, 720, 18, 30),
    (426, 240, 10, 12),
    (640, 360, 11, 16),
    (1920, 1080, 28, 36),
    (640, 360, 12, 20),
)
_LAYOUTS: dict[str, tuple[Layout, ...]] = {
    "development": layouts_development.LAYOUTS,
    second.PART: layouts_second.LAYOUTS,
    second.THIRD: layouts_third.LAYOUTS,
    "heldout": layouts_heldout.LAYOUTS,
}


def size_of(rng: np.random.Generator, index: int, number: int, layout: Layout) -> tuple[int, int, float]:
    """Return width, height and the digits' height, px, of a layout's clip: the first is 640 × 360, others vary."""
    width, height, least, most = _SIZES[0 if number == 0 else (index + number) % len(_SIZES)]
    if layout.fill and width < 640:
        width, height = 640, 360
    return width, height, float(rng.integers(least, most + 1))


def plan_layout(
    part: str, layout: Layout, index: int, number: int, seed: int, duration_s: float = 0.0
) -> Clip:
    """Return clip `number` of a layout; `duration_s` 0 means 30 to 40 s."""
    if part in (second.PART, second.THIRD):
        return second.plan_second(part, layout, index, number, seed)
    rng = clip_rng(seed, part, layout.name, number)
    length_s = duration_s or float(rng.integers(30, 41))
    width, height, digits_px = size_of(rng, index, number, layout)
    course = write_course(rng, layout.sport, layout.names, length_s, clock=layout.clock, late=layout.late)
    shots = cut_shots(rng, course.frames)
    ground_seed = int(rng.integers(1 << 20))
    if part == "heldout":
        scenes = partial(RecordedScenes, ground_seed, width, height, shots)
    else:
        scenes = partial(GroundScenes, layout.sport, ground_seed, width, height, shots)
    crf = int(rng.integers(23, 31))
    return Clip(part, layout.name, number, seed, width, height, crf, digits_px, course, scenes, layout)


def plan_part(part: str, seed: int, clips_per_layout: int, only: str = "") -> list[Clip]:
    """Return the clips of a part, or those of one layout of it. Raise UserError where there is none of that name."""
    numbers = range(clips_per_layout)
    if part == "traps":
        clips = [plan_trap(name, k, seed) for name in TRAPS if only in ("", name) for k in numbers]
    else:
        chosen = [(index, layout) for index, layout in enumerate(_LAYOUTS[part]) if only in ("", layout.name)]
        clips = [plan_layout(part, layout, index, k, seed) for index, layout in chosen for k in numbers]
    if not clips:
        raise UserError(f"no layout {only!r} in {part}; known are {', '.join(names_in(part))}")
    return clips


def names_in(part: str) -> list[str]:
    """Return the names of the layouts, or of the traps, of a part."""
    if part == "traps":
        return list(TRAPS)
    return [layout.name for layout in _LAYOUTS[part]]
