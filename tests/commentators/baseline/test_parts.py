"""The parts of the baseline commentator: sentences, boxes, motion."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from commentator_lib.commentators.baseline import detector, phrasing, words
from commentator_lib.commentators.baseline.boxes import growth, nameable
from commentator_lib.commentators.baseline.motion import Camera, camera_motion, is_cut
from commentator_lib.commentators.baseline.words import quantity
from tests.commentators.baseline.conftest import (
    clip,
)


def test_quantities():
    assert [quantity("person", n) for n in (1, 2, 5, 6)] == [
        "a person",
        "two people",
        "five people",
        "several people",
    ]
    assert quantity("bus", 3, maybe_more=True) == "at least three buses"
    assert quantity("animal", 1, maybe_more=True) == "an animal"


def test_every_template_is_a_sentence_and_has_alternatives():
    for kind, ways in words.TEMPLATES.items():
        assert len(set(ways)) >= 2, kind
        assert all(way.endswith(".") for way in ways)


def test_a_sentence_of_the_last_five_is_put_differently():
    ways = phrasing.Phrasing(seed=0)
    slots = {"things": "two cars"}
    first = ways.sentence("scene", slots)
    assert "two cars" in first and " is " not in first
    ways._recent.append(first)
    assert ways.sentence("scene", slots) != first


def test_camera_motion_is_measured_and_a_passing_thing_is_none():
    scene = cv2.cvtColor(clip("bigbuckbunny.mp4")[0], cv2.COLOR_RGB2GRAY)
    before, after = scene[60:300, 100:500], scene[60:300, 140:540]
    shrunk = [cv2.resize(x, (192, 108), interpolation=cv2.INTER_AREA) for x in (before, after)]
    camera = camera_motion(*shrunk)
    assert (
        camera.sure and camera.dx == pytest.approx(-0.1, abs=0.01) and camera.dy == pytest.approx(0, abs=0.01)
    )
    bus = [cv2.cvtColor(x, cv2.COLOR_RGB2GRAY) for x in clip("bikes.mp4")[:2]]  # fills half of the picture
    passing = camera_motion(*(cv2.resize(x, (192, 108), interpolation=cv2.INTER_AREA) for x in bus))
    assert not passing.sure or abs(passing.dx) < 0.01


def test_a_picture_without_structure_is_judged_by_its_colours():
    flat = np.zeros((108, 192), np.uint8)
    assert is_cut(flat, flat + 200, 0.0, Camera())
    assert not is_cut(flat, flat + 1, 1.0, Camera())


def test_a_thing_that_is_uncovered_does_not_come_closer():
    half = detector.Detection("person", 0.6, 0.60, 0.13, 0.74, 0.57)  # the cyclist behind a passing car
    whole = detector.Detection("person", 0.9, 0.55, 0.03, 0.75, 0.99)
    assert growth(half, whole, Camera()) == 1.0
    near = detector.Detection("person", 0.9, 0.55, 0.03, 0.76, 0.69)
    assert growth(half, near, Camera()) == pytest.approx(1.5)
    assert growth(half, near, Camera(scale=1.5)) == pytest.approx(1.0)  # that was the zoom


def test_a_box_over_half_the_picture_is_a_phantom_unless_it_scores_high():
    def named(score):
        box = detector.Detection("car", score, 0.0, 0.0, 1.0, 0.8)
        return len(nameable([box]))

    assert (named(0.6), named(0.8)) == (0, 1)
