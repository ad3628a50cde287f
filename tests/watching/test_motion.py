"""The watcher of motion: bursts of local motion are reported, what the camera does is not."""

import cv2
import numpy as np
import pytest

from commentator_lib.media import Frame
from commentator_lib.watching.bursts import activity, local_motion, strength, where
from commentator_lib.watching.looks import look_at
from commentator_lib.watching.motion import MotionWatcher

SIZE = (320, 180)  # width, height
BURST_S = 7.0


def make_scene(seed):
    rng = np.random.default_rng(seed)
    image = np.full((700, 1400, 3), 110, np.uint8)
    for _ in range(500):
        x, y = int(rng.integers(0, 1400)), int(rng.integers(0, 700))
        colour = tuple(int(c) for c in rng.integers(30, 230, 3))
        cv2.rectangle(image, (x, y), (x + int(rng.integers(8, 60)), y + int(rng.integers(8, 60))), colour, -1)
    return image


SCENES = [make_scene(1), make_scene(2)]


def calm(t, x=500.0, scale=1.0, which=0):
    """A camera at x (px) on a scene in which somebody walks slowly."""
    size = (round(SIZE[0] * scale), round(SIZE[1] * scale))
    image = cv2.resize(cv2.getRectSubPix(SCENES[which], size, (x, 350)), SIZE, interpolation=cv2.INTER_AREA)
    cv2.circle(image, (int(160 + 20 * np.sin(0.8 * t)), 60), 8, (240, 230, 60), -1)
    return image


def burst(image, t, x):
    """Somebody jumps around x for a second and a half."""
    if BURST_S <= t < BURST_S + 1.5:
        place = (int(x + 26 * np.sin(11 * t)), int(105 + 30 * np.cos(13 * t)))
        cv2.rectangle(
            image, (place[0] - 11, place[1] - 22), (place[0] + 11, place[1] + 22), (250, 250, 250), -1
        )
        cv2.circle(image, place, 9, (10, 10, 10), -1)
    return image


def watch(picture, seconds=11.0, hz=5.0, watcher=None, start_s=0.0):
    watcher, events = watcher or MotionWatcher(), []
    for k in range(round(seconds * hz)):
        image = np.clip(picture(k / hz), 0, 255).astype(np.uint8)
        events += watcher.look(Frame(k, start_s + k / hz, 0.0, image))
    return events


@pytest.mark.parametrize(("x", "place"), [(50, "on the left"), (160, "in the middle"), (275, "on the right")])
def test_a_burst_and_where_it_is(x, place):
    events = watch(lambda t: burst(calm(t), t, x))
    assert [e.kind for e in events] == ["motion"]
    assert events[0].at_s == pytest.approx(BURST_S, abs=0.45) and events[0].importance == 1
    assert events[0].detected_s - events[0].at_s < 1.3
    assert events[0].facts["where"] == place and events[0].facts["strength"] > 3


@pytest.mark.parametrize("hz", [5.0, 12.5])
def test_a_burst_in_a_pan(hz):
    events = watch(lambda t: burst(calm(t, 450 + 12 * t), t, 60), hz=hz)
    assert [e.facts["where"] for e in events] == ["on the left"]


def flash(t):
    return calm(t).astype(float) + (140 if BURST_S <= t < BURST_S + 0.25 else 0)


def pan_begins(t):
    return calm(t, 500 + 70 * max(0.0, t - BURST_S))


def zoom_begins(t):
    return calm(t, scale=1 + 0.12 * min(2.0, max(0.0, t - BURST_S)))


def cut(t):
    return calm(t, which=int(t >= BURST_S))


def wipe(t):
    share = (t - BURST_S) / 0.9
    new = np.linspace(0, 1, SIZE[0])[None, :, None] < share
    return np.where(new, calm(t, which=1), calm(t))


def dissolve(t):
    share = np.clip((t - BURST_S) / 1.0, 0, 1)
    return calm(t) * (1 - share) + calm(t, which=1) * share


def black(t):
    return calm(t) * (0 if BURST_S <= t < BURST_S + 1 else 1)


@pytest.mark.parametrize("film", [calm, flash, pan_begins, zoom_begins, cut, wipe, dissolve, black])
def test_no_burst(film):
    assert watch(film) == []


def test_constant_motion_is_the_usual():
    def film(t):
        image = calm(t)
        cv2.circle(
            image, (int(160 + 60 * np.sin(9 * t)), int(110 + 30 * np.cos(8 * t))), 16, (250, 250, 250), -1
        )
        return image

    assert watch(film, 14.0) == []


def test_two_bursts_in_quick_succession_are_one_event():
    def film(t):
        return burst(burst(calm(t), t, 60), t - 2.5, 60)

    assert len(watch(film, 13.0)) == 1


def test_it_starts_again_where_the_source_jumps_back():
    watcher = MotionWatcher()
    watch(calm, 8.0, watcher=watcher, start_s=50.0)
    assert len(watch(lambda t: burst(calm(t), t, 60), watcher=watcher)) == 1


# The functions that decide.


def look_of(image, at_s=0.0):
    return look_at(Frame(0, at_s, 0.0, np.ascontiguousarray(image)))


def test_the_camera_is_undone():
    still, panned = look_of(calm(0.0)), look_of(calm(0.0, 506.0), 1.0)
    moved = look_of(burst(calm(0.0, 506.0), BURST_S, 60), 2.0)
    assert activity(local_motion(panned, still)) < 12
    assert activity(local_motion(moved, still)) > 25
    assert where(local_motion(moved, still)) == "on the left"


def test_strength_needs_a_history_and_is_robust():
    usual = np.array([3.0, 4.0, 3.5, 4.5, 3.0, 4.0, 3.5, 4.0, 3.0, 4.0, 60.0, 3.0])
    assert strength(40.0, usual[:5]) == 0.0
    assert strength(40.0, usual) > 5
    assert abs(strength(4.0, usual)) < 1.5
