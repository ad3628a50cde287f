"""The colours of two sides' shirts: told where they are plain, and nowhere else."""

import numpy as np
import pytest

from commentator_lib.commentators.baseline.kits import Kits, colour_name, shirt_colours
from commentator_lib.commentators.baseline.match_talk import MatchTalk
from commentator_lib.commentators.baseline.phrasing import Phrasing
from tests.commentators.baseline.match_facts import happened, new_talk

PITCH, RED, WHITE, BLUE, DARK = (50, 140, 50), (200, 25, 30), (240, 240, 235), (30, 60, 190), (15, 15, 20)


def pitch(*shirts, size=(360, 640), seed=0):
    """A wide shot: players of 10×28 pixels, with a dark lower half, and white lines."""
    rng = np.random.default_rng(seed)
    image = np.clip(np.array(PITCH) + rng.normal(0, 6, (*size, 3)), 0, 255).astype(np.uint8)
    image[200:203, :] = WHITE
    image[:, 320:323] = WHITE
    for k, shirt in enumerate(shirts):
        x, y = 30 + 58 * (k % 10), 30 + 60 * (k // 10)
        image[y : y + 15, x : x + 10] = shirt
        image[y + 15 : y + 28, x : x + 10] = DARK
    return image


@pytest.mark.parametrize(
    ("rgb", "name"),
    [
        (RED, "red"), (WHITE, "white"), (BLUE, "blue"), (DARK, "black"), (PITCH, ""), ((128, 128, 130), ""),
        ((240, 130, 20), "orange"), ((235, 210, 40), "yellow"), ((120, 180, 240), "light blue"),
        ((110, 40, 160), "purple"), ((240, 130, 180), "pink"), ((120, 15, 25), "red"),
    ],
)  # fmt: skip
def test_names_of_colours(rgb, name):
    assert colour_name(rgb) == name


def test_two_sides_are_counted_over_several_looks():
    kits = Kits()
    for seed in range(2):
        kits.look(pitch(*[RED] * 8, *[WHITE] * 7, DARK, seed=seed))
    assert kits.sides is None  # too few were seen
    kits.look(pitch(*[RED] * 8, *[WHITE] * 7, seed=3))
    assert kits.sides == ("red", "white")


@pytest.mark.parametrize(
    "shirts",
    [
        [RED] * 15,  # one colour alone
        [RED] * 14 + [WHITE],  # the other one is hardly seen
        [RED, WHITE, BLUE, (240, 210, 40), (110, 40, 160)] * 3,  # a crowd of colours
        [(128, 128, 130)] * 8 + [RED] * 7,  # one that has no plain name
    ],
)
def test_what_is_not_plain_is_not_told(shirts):
    kits = Kits()
    for seed in range(6):
        kits.look(pitch(*shirts, seed=seed))
    assert kits.sides is None


def test_without_a_pitch_there_are_no_shirts():
    image = pitch(*[RED] * 8, *[WHITE] * 7)
    assert len(shirt_colours(image)) >= 12
    assert shirt_colours(image[..., [2, 0, 1]]) == []  # the grass is blue
    assert shirt_colours(np.full((360, 640, 3), 128, np.uint8)) == []


def test_it_is_said_once_in_a_while_and_only_in_a_match():
    talk = new_talk()
    for seed in range(3):
        talk.kits.look(pitch(*[RED] * 8, *[WHITE] * 7, seed=seed))
    said = []
    for now_s in range(10, 200, 10):
        list(talk.news(happened(), float(now_s)))
        said += [line.text for line in talk.fillers(happened(), float(now_s))]
    told = [text for text in said if "red" in text and "white" in text]
    assert len(told) == 1 and len(said) > 3
    assert MatchTalk(Phrasing(0)).kits.sides is None
