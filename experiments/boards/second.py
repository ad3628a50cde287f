"""Plan the clips of the second and third set to develop with: boards that move, and how hard they are to read."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import cv2
import numpy as np

from experiments.boards.backgrounds import GroundScenes
from experiments.boards.captions import label, ticker
from experiments.boards.clip import Clip, Overlay, clip_rng
from experiments.boards.games import add, write_course
from experiments.boards.layout import Layout
from experiments.boards.script import FPS, SLIDE_FRAMES, Course, Pair, shown_but
from experiments.boards.shots import cut_shots

PART, THIRD = "development2", "development3"
# Sizes of a layout's clips, one after another: picture (px), the least and the greatest height of digits (px), crf.
_SIZES: tuple[tuple[int, int, int, int, int], ...] = (
    (640, 360, 10, 13, 30),
    (1280, 720, 18, 28, 28),
    (640, 360, 12, 16, 26),
    (960, 540, 14, 20, 30),
)
_THIRD_SIZES: tuple[tuple[int, int, int, int, int], ...] = (
    (640, 360, 11, 14, 28),
    (960, 540, 15, 21, 29),
    (640, 360, 10, 12, 26),
    (1280, 720, 18, 26, 28),
    (640, 360, 13, 18, 30),
)
_HIGH = 8  # goals that both sides have on boards of high scores
_GOAL_S = (3.0, 8.0)
_GRAIN_LEVELS = 6.0  # of the grain, 0-255
_UNREST = 0.4  # share of the restless texture in the picture behind the board
_RESULTS = ("LUNDARO 2-0 NYMARK", "FT: KADRUN 1 - 1 REDMOOR", "VELMORA 0-3 TORSUND 67'")


def plan_second(part: str, layout: Layout, index: int, number: int, seed: int) -> Clip:
    """Return clip `number` of a layout of the second or third set."""
    rng = clip_rng(seed, part, layout.name, number)
    if part == PART:
        width, height, least, most, crf = _SIZES[(2 * index + number + index // 2) % len(_SIZES)]
    else:
        width, height, least, most, crf = _THIRD_SIZES[(2 * index + 3 * number) % len(_THIRD_SIZES)]
    goal_s = float(rng.uniform(*_GOAL_S)) if layout.goal else 0.0
    course = write_course(
        rng,
        layout.sport,
        layout.names,
        float(rng.integers(42, 47)),
        clock=layout.clock,
        late=layout.late,
        gap_s=7.0 + goal_s,
    )
    if layout.high:
        course = _raised(course)
    goal_frames = round(goal_s * FPS)
    overlays: tuple[Overlay, ...] = ()
    if layout.goal == "away":
        course, overlays = _away(course, goal_frames)
    course = replace(
        course,
        moves=True,
        goal_frames=goal_frames if layout.goal == "within" else 0,
        shrinks_at=int(rng.integers(4, 12)) * FPS if layout.shrinks else course.shrinks_at,
    )
    shots = cut_shots(rng, course.frames)
    scenes = partial(GroundScenes, layout.sport, int(rng.integers(1 << 20)), width, height, shots)
    under = (ticker(_RESULTS),) if layout.ticker else ()
    if number % 2:  # each second clip is harder: a bright and restless picture, and grain over all of it
        texture_seed = int(rng.integers(1 << 20))
        under, overlays = (_unrest(texture_seed), *under), (*overlays, _grain(texture_seed))
    digits_px = float(rng.integers(least, most + 1))
    return Clip(
        part,
        layout.name,
        number,
        seed,
        width,
        height,
        crf,
        digits_px,
        course,
        scenes,
        layout,
        under,
        overlays,
    )


def _raised(course: Course) -> Course:
    """Return the course with so many more goals on both sides that the numbers come to have two digits."""

    def raised(score: Pair) -> Pair:
        return add(add(score, 0, _HIGH), 1, _HIGH)

    steps = tuple(replace(step, score=raised(step.score)) for step in course.steps)
    changes = tuple(replace(c, accepts=tuple(map(raised, c.accepts))) for c in course.changes)
    return replace(course, steps=steps, changes=changes)


def _unrest(seed: int) -> Overlay:
    """Return a texture of light and dark patches that moves fast: stands, nets, snow, flags."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (24, 80, 3)).astype(np.uint8)
    fine = rng.integers(60, 256, (160, 500, 1)).repeat(3, axis=2).astype(np.uint8)
    textures: dict[tuple[int, int], tuple[np.ndarray, np.ndarray]] = {}

    def draw(image: np.ndarray, frame: int) -> None:
        high, wide = image.shape[:2]
        size = 2 * wide, high
        if (high, wide) not in textures:
            textures[high, wide] = (
                cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC),
                cv2.resize(fine, size, interpolation=cv2.INTER_LINEAR),
            )
        texture = textures[high, wide][frame // (4 * FPS) % 2]
        left = round(wide * (0.5 + 0.5 * np.sin(frame / FPS * 0.9)))
        image[:] = cv2.addWeighted(image, 1 - _UNREST, texture[:, left : left + wide], _UNREST, 0)

    return draw


def _grain(seed: int) -> Overlay:
    """Return grain that lies over all of a picture, another one in each frame."""
    noise = np.random.default_rng(seed).normal(0, _GRAIN_LEVELS, (600, 1100, 1)).astype(np.float32)

    def draw(image: np.ndarray, frame: int) -> None:
        high, wide = image.shape[:2]
        tiles = -(-high // 500), -(-wide // 1000), 1
        y, x = 37 * frame % 97, 53 * frame % 89
        part = np.tile(noise[y : y + 500, x : x + 1000], tiles)[:high, :wide]
        image[:] = np.clip(image + part, 0, 255).astype(np.uint8)

    return draw


def _away(course: Course, goal_frames: int) -> tuple[Course, tuple[Overlay, ...]]:
    """Return the course with the board gone before each change, and the banners that celebrate in the meantime.

    It comes back with the new score, and is wholly there in the change's first frame.
    """
    stretches = [(c.at_frame - goal_frames, c.at_frame - SLIDE_FRAMES) for c in course.changes]
    steps = [course.steps[0]]
    steps += [replace(step, from_frame=step.from_frame - SLIDE_FRAMES - 2) for step in course.steps[1:]]
    shown = np.minimum(course.shown, shown_but(course.frames, tuple(stretches)))
    banners = tuple(
        label("GOAL!  GOAL!  GOAL!", (0.3, 0.8), (start, stop - 5), back=(220, 30, 60), digits=26)
        for start, stop in stretches
    )
    return replace(course, steps=tuple(steps), shown=shown), banners
