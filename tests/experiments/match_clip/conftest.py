"""Scripts of matches, computed once, and a rendered clip that the tests share."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from experiments.match_clip import graphics, match

FPS = match.FPS
WIDTH, HEIGHT = 256, 144
write_script = functools.lru_cache(match.write_script)


def frame_of(event) -> int:
    return round(event.t_s * FPS)


def draw(script, index, width=WIDTH, height=HEIGHT):
    return match.draw(script, index, width, height)


def score_region(script, index, width=WIDTH, height=HEIGHT):
    """Return the part of a frame that shows the team codes and the score."""
    x0, y0, x1, y1 = graphics.scoreboard_box(height)
    return draw(script, index, width, height)[y0:y1, x0:x1]


def change(one, other) -> float:
    """Return the mean absolute difference of two pictures, 0 to 255."""
    return float(np.abs(one.astype(int) - other).mean())


@pytest.fixture(scope="session")
def rendered(tmp_path_factory):
    """(folder, clip, truth) of a match of 20 s with seed 5, 144 px high."""
    folder = tmp_path_factory.mktemp("rendered")
    return folder, *match.match_clip(20, 5, 144, folder)
