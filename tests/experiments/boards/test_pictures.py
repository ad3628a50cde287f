"""Every board stands inside the picture, cuts nothing off, and shows its score; every trap can be drawn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from experiments.boards.draw import Canvas
from experiments.boards.fonts import Font, text_mask
from experiments.boards.layouts_development import LAYOUTS
from experiments.boards.layouts_heldout import LAYOUTS as HELDOUT
from experiments.boards.layouts_second import LAYOUTS as SECOND
from experiments.boards.layouts_third import LAYOUTS as THIRD
from experiments.boards.plan import names_in, plan_layout, plan_part
from experiments.boards.script import FPS
from experiments.boards.shots import cut_shots
from experiments.boards.traps import TRAPS, plan_trap

BOTH = [("development", k, layout) for k, layout in enumerate(LAYOUTS)]
BOTH += [("development2", k, layout) for k, layout in enumerate(SECOND)]
BOTH += [("development3", k, layout) for k, layout in enumerate(THIRD)]
BOTH += [("heldout", k, layout) for k, layout in enumerate(HELDOUT)]
NAMES = [f"{part}-{layout.name}" for part, _, layout in BOTH]


def test_there_are_enough_layouts_and_none_is_in_both_parts():
    for layouts in (LAYOUTS, HELDOUT):
        assert sum(layout.sport == "football" for layout in layouts) >= 8
        assert {layout.sport for layout in layouts} == {
            "football",
            "basketball",
            "tennis",
            "cricket",
            "esports",
        }
    assert not set(names_in("development")) & set(names_in("heldout"))


@pytest.mark.parametrize(("part", "index", "layout"), BOTH, ids=NAMES)
@pytest.mark.parametrize("number", range(4))
def test_board_stands_inside_the_picture(part, index, layout, number):
    clip = plan_layout(part, layout, index, number, seed=number)
    image = np.zeros((clip.height_px, clip.width_px, 3), np.uint8)
    canvas = layout.paint(clip.course.face(0), clip.scale)
    x0, y0, x1, y1 = layout.lay_over(image, canvas, 1.0)
    assert x0 >= 0 and y0 >= 0 and x1 <= clip.width_px + 1 and y1 <= clip.height_px + 1
    assert image[y0:y1, x0:x1].any()
    outside = image.copy()
    outside[y0:y1, x0:x1] = 0
    assert not outside.any()
    assert 7.0 <= clip.scale * 20 <= 40.0  # height of the digits, px


@pytest.mark.parametrize(("part", "index", "layout"), BOTH, ids=NAMES)
def test_no_text_is_cut_off(part, index, layout, monkeypatch):
    cut: list[str] = []
    write = Canvas.text

    def watched(self, text, x, middle_y, *args, **kwargs):
        wide = write(self, text, x, middle_y, *args, **kwargs)
        align = args[3] if len(args) > 3 else kwargs.get("align", 0.0)
        if x - align * wide < -1 or x + (1 - align) * wide > self.width_units + 1:
            cut.append(text)
        return wide

    monkeypatch.setattr(Canvas, "text", watched)
    for number in range(3):
        clip = plan_layout(part, layout, index, number, seed=5)
        layout.paint(clip.course.face(clip.course.frames - 1), 1.0)
    assert cut == []


@pytest.mark.parametrize(("part", "index", "layout"), BOTH, ids=NAMES)
def test_each_digit_of_the_score_is_shown(part, index, layout):
    face = replace(plan_layout(part, layout, index, 0, seed=2).course.face(0), score=("3", "1"))
    first = layout.paint(face, 1.0)
    for other in (("4", "1"), ("3", "2")):
        second = layout.paint(replace(face, score=other), 1.0)
        assert first.colour.shape == second.colour.shape
        assert np.abs(first.colour - second.colour).max() > 60


def test_slides_out_of_the_picture():
    clip = plan_layout("development", LAYOUTS[0], 0, 0, seed=0)
    canvas = LAYOUTS[0].paint(clip.course.face(0), clip.scale)
    sums = []
    for shown in (1.0, 0.5, 0.0):
        image = np.zeros((360, 640, 3), np.uint8)
        LAYOUTS[0].lay_over(image, canvas, shown)
        sums.append(int(image.sum()))
    assert sums[0] > sums[1] > sums[2] == 0


@pytest.mark.parametrize("name", list(TRAPS))
@pytest.mark.parametrize("number", [0, 1])
def test_traps_can_be_drawn_and_their_changes_are_seen(name, number):
    clip = plan_trap(name, number, seed=0)
    image = clip.draw(5 * FPS)
    assert image.shape == (clip.height_px, clip.width_px, 3) and image.std() > 5
    for change in clip.changes:
        stays = range(change.at_frame, change.at_frame + 3 * FPS)
        assert all(clip.course.face(frame).score in change.accepts for frame in stays)
        assert clip.course.shown[list(stays)].min() == 1.0


def test_only_the_goal_taken_back_is_a_correction():
    corrected = {name for name in TRAPS for c in plan_trap(name, 0, 0).changes if c.correction}
    assert corrected == {"goal_taken_back"}


def test_the_same_seed_gives_the_same_picture():
    one, other = (plan_part("heldout", 4, 1, HELDOUT[1].name)[0].draw(30) for _ in range(2))
    assert np.array_equal(one, other)
    assert not np.array_equal(one, plan_part("heldout", 5, 1, HELDOUT[1].name)[0].draw(30))


def test_shots_are_2_to_8_s_long_and_leave_no_gap():
    shots = cut_shots(np.random.default_rng(0), 36 * FPS)
    assert shots[0].from_frame == 0 and shots[-1].to_frame == 36 * FPS
    for shot, following in zip(shots[:-1], shots[1:], strict=True):
        assert shot.to_frame == following.from_frame
        assert 2 * FPS <= shot.to_frame - shot.from_frame <= 8 * FPS


@pytest.mark.parametrize(
    "name", ["sans-bold", "serif-bold", "mono-bold", "stix-bold", "modern", "aileron", "unifont"]
)
def test_digits_have_the_height_asked_for(name):
    rows = np.flatnonzero((text_mask("0", Font(name), 30.0) > 100).any(axis=1))
    assert abs(len(rows) - 30) <= 3
