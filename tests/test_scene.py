"""The three measures of change, the tracker, and the length hint."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import weakref
from pathlib import Path

import cv2
import numpy as np
import pytest

from commentator_lib.media import Frame
from commentator_lib.scene import (
    NO_REFERENCE,
    SceneChange,
    SceneTracker,
    block_change,
    camera_motion,
    chosen,
    compensated_change,
    features,
    intensity,
    largest_block,
)

ROOT = Path(__file__).resolve().parents[1]


def texture(seed=0, size=(720, 1600)):
    """Return a picture with detail at all sizes."""
    rng = np.random.default_rng(seed)
    image = np.full((*size, 3), 128.0, np.float32)
    for octave in range(2, 8):
        grain = rng.normal(0, 18, (size[0] >> octave, size[1] >> octave, 3)).astype(np.float32)
        image += cv2.resize(grain, size[::-1], interpolation=cv2.INTER_CUBIC)
    return np.clip(image, 0, 255).astype(np.uint8)


WIDE = texture()


def view(x, y=100):
    return WIDE[y : y + 360, x : x + 640]


def track(picture, seconds, fps=2.0, mark_s=None):
    """Return a tracker that has seen `picture(t)` for `seconds`, with the reference taken at `mark_s`."""
    tracker = SceneTracker()
    values = []
    for k in range(int(seconds * fps) + 1):
        t = k / fps
        values.append(tracker.push(Frame(k, t, t, picture(t))))
        if t == mark_s:
            tracker.mark_inference()
    return tracker, values


def test_mean_by_hand():
    images = [np.full((36, 64, 3), value, np.uint8) for value in (100, 107)]
    tracker, _ = track(lambda t: images[int(t >= 1)], 1.0, mark_s=0.0)
    assert tracker.measure().mean == pytest.approx(7.0)
    assert tracker.measure().block == pytest.approx(3.5)  # block measures are halved


def test_mean_counts_each_colour():
    a = np.zeros((64, 64, 3), np.uint8)
    b = a.copy()
    b[..., 0] = 30
    tracker, _ = track(lambda t: a if t < 1 else b, 1.0, mark_s=0.0)
    assert tracker.measure().mean == pytest.approx(10.0)


def test_first_frame_has_nothing_to_compare_with():
    tracker = SceneTracker()
    assert tracker.measure() == SceneChange(NO_REFERENCE, NO_REFERENCE, NO_REFERENCE)
    assert tracker.push(Frame(0, 0.0, 0.0, view(0))) == NO_REFERENCE
    assert tracker.measure().mean == NO_REFERENCE


def test_same_picture_is_no_change():
    tracker, values = track(lambda t: view(300).copy(), 3.0, mark_s=1.0)
    assert tracker.measure() == SceneChange(0.0, 0.0, 0.0) and values[1:] == [0.0] * 6


@pytest.mark.parametrize("speed", [15, 60, 150])
def test_pan_changes_the_mean_and_not_the_compensated(speed):
    tracker, _ = track(lambda t: view(50 + int(speed * t)), 5.0, mark_s=1.0)
    change = tracker.measure()
    assert change.mean > 10 and change.block > 20 and change.compensated < 5


def scoreboard(image, goals):
    image = image.copy()
    image[20:52, 20:170] = 25
    cv2.putText(image, f"HOM 0-{goals}", (26, 44), cv2.FONT_HERSHEY_SIMPLEX, 0.65, (240, 240, 240), 2)
    return image


def test_one_digit_changes_block_and_compensated_and_not_the_mean():
    tracker, _ = track(lambda t: scoreboard(view(300), int(t > 3)), 4.0, mark_s=1.0)
    change = tracker.measure()
    assert change.mean < 1 and change.block > 5 and change.compensated > 5


def test_change_while_talking_is_not_lost():
    tracker, values = track(lambda t: scoreboard(view(300), int(t > 2)), 9.0, mark_s=1.0)
    assert values[-1] < 1  # nothing in the last second
    assert tracker.measure().compensated > 5


def test_small_figure_on_a_still_background():
    def figure(t):
        image = view(300).copy()
        image[200:240, 100 + int(40 * t) : 118 + int(40 * t)] = (200, 60, 40)
        return image

    tracker, _ = track(figure, 4.0, mark_s=1.0)
    assert tracker.measure().mean < 2 < 5 < tracker.measure().compensated


def test_cut_is_a_change_by_every_measure():
    other = texture(5)[:360, :640]
    tracker, values = track(lambda t: view(300) if t < 3 else other, 3.0, mark_s=1.0)
    change = tracker.measure()
    assert min(change.mean, change.block, change.compensated) > 15


def test_a_cut_is_not_taken_for_camera_motion():
    """Two different pictures always align a little somewhere; undoing that motion would hide a part of the cut."""
    kept = [features(Frame(0, 0.0, 0.0, texture(seed)[:360, :640])) for seed in range(6)]
    for a, b in zip(kept, kept[1:], strict=False):
        assert compensated_change(b, a) == pytest.approx(block_change(b, a))


def test_one_digit_in_a_pan_is_a_change():
    tracker, _ = track(lambda t: scoreboard(view(50 + int(30 * t)), int(t > 3)), 4.0, mark_s=1.0)
    without, _ = track(lambda t: scoreboard(view(50 + int(30 * t)), 0), 4.0, mark_s=1.0)
    assert without.measure().compensated < 5 <= tracker.measure().compensated


def test_what_was_inferred_on_is_not_news():
    """A cut half a second before the inference is in its frames, so it must not start another cycle."""
    other = texture(5)[:360, :640]
    tracker, values = track(lambda t: view(300) if t < 2.5 else other, 4.0, mark_s=2.5)
    assert values[5] > 15 and values[6] == 0.0 and tracker.measure().compensated == 0.0


def test_no_full_picture_is_kept():
    tracker, image = SceneTracker(), view(300).copy()
    gone = weakref.ref(image)
    tracker.push(Frame(0, 0.0, 0.0, image))
    tracker.mark_inference()
    del image
    gc.collect()
    assert gone() is None


def test_cv2_is_imported_only_when_used():
    code = "import sys, commentator_lib.scene; sys.exit('cv2' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


def test_same_frames_same_values():
    runs = [
        track(lambda t: scoreboard(view(50 + int(37 * t)), int(t > 2)), 5.0, mark_s=1.0) for _ in range(2)
    ]
    assert runs[0][1] == runs[1][1] and runs[0][0].measure() == runs[1][0].measure()


def test_board_that_stands_still_in_a_pan_is_no_change():
    tracker, _ = track(lambda t: scoreboard(view(50 + int(60 * t)), 0), 5.0, mark_s=1.0)
    assert tracker.measure().compensated < 5 < tracker.measure().block


def test_motion_of_the_camera_is_found():
    a, b = (features(Frame(0, 0.0, 0.0, view(x))).grey for x in (300, 260))
    warp = camera_motion(b, a)
    assert warp[:, :2] == pytest.approx(np.eye(2), abs=0.01) and warp[:, 2] == pytest.approx(
        [-20, 0], abs=0.3
    )
    assert camera_motion(a, a) is None
    assert camera_motion(np.full_like(a, 9), a) is None


def test_marking_moves_the_reference_and_restarts_the_maximum():
    tracker, _ = track(lambda t: view(300) if t < 2 else view(700), 3.0, mark_s=1.0)
    assert tracker.measure().compensated > 5
    tracker.mark_inference()
    assert tracker.measure() == SceneChange(0.0, 0.0, 0.0)


def test_forgetting_makes_the_next_measure_the_largest():
    tracker, _ = track(lambda t: view(300), 3.0, mark_s=1.0)
    tracker.forget()
    assert tracker.measure() == SceneChange(NO_REFERENCE, NO_REFERENCE, NO_REFERENCE)
    tracker.mark_inference()
    assert tracker.measure().mean == 0.0


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (700, 3), (64, 36), (360, 640), (1280, 720), (63, 47)])
def test_any_size_is_measured(shape):
    rng = np.random.default_rng(0)
    tracker, values = track(lambda t: rng.integers(0, 256, (*shape, 3), dtype=np.uint8), 3.0, mark_s=1.0)
    change = tracker.measure()
    assert all(0 <= v <= 255 for v in (change.mean, change.block, change.compensated, *values))


def test_new_size_is_a_new_picture():
    tracker, values = track(lambda t: view(300) if t < 2 else view(300)[:180, :320], 2.0, mark_s=1.0)
    assert values[-1] == NO_REFERENCE and tracker.measure().mean == NO_REFERENCE


def test_repeated_array_costs_nothing_and_is_no_change(monkeypatch):
    image = view(300).copy()
    tracker = SceneTracker()
    tracker.push(Frame(0, 0.0, 0.0, image))
    monkeypatch.setattr("commentator_lib.scene.features", lambda frame: pytest.fail("computed"))
    assert tracker.push(Frame(1, 1.0, 1.0, image)) == 0.0


def test_two_threads_at_once():
    tracker = SceneTracker()
    stop = threading.Event()
    found = []

    def decide():
        while not stop.is_set():
            found.append(tracker.measure().mean)
            tracker.mark_inference()

    thread = threading.Thread(target=decide)
    thread.start()
    for k in range(200):
        tracker.push(Frame(k, k / 2, k / 2, np.full((36, 64, 3), k % 2 * 50, np.uint8)))
    stop.set()
    thread.join(10)
    assert not thread.is_alive() and found and set(np.round(found)) <= {0.0, 50.0, 255.0}


def test_largest_block_is_half_the_mean_of_the_worst_place():
    difference = np.zeros((180, 320), np.uint8)
    difference[40:60, 100:120] = 80
    difference[100:106, 200:206] = 240  # a quarter of a block of 12×12: 60
    assert largest_block(difference) == pytest.approx(40.0)
    valid = np.ones((180, 320), bool)
    valid[40:60, 100:120] = False
    assert largest_block(difference, valid) == pytest.approx(30.0)


@pytest.mark.parametrize(
    ("change", "last", "hint"),
    [
        (14.9, "x" * 39, "minimal"),
        (14.9, "x" * 40, "brief"),
        (15.0, "x" * 39, "brief"),
        (39.9, "  " + "x" * 39 + "  ", "brief"),
        (40.0, "x" * 39, "normal"),
        (15.0, "x" * 40, "normal"),
        (0.0, "...", "minimal"),
        (255.0, "", "normal"),
    ],
)
def test_intensity(change, last, hint):
    assert intensity(change, last) == hint


def test_a_measure_is_chosen_by_name():
    change = SceneChange(1.0, 2.0, 3.0)
    assert [chosen(change, m) for m in ("mean", "block", "compensated")] == [1.0, 2.0, 3.0]
