"""The baseline commentator says once what is in the picture, and nothing else."""

from __future__ import annotations

import re
import subprocess
import sys

import cv2
import numpy as np
import pytest

from commentator_lib.commentators.base import Commentator, CommentRequest
from commentator_lib.commentators.baseline import detector
from commentator_lib.commentators.baseline.commentator import BaselineCommentator
from commentator_lib.commentators.baseline.words import TEMPLATES
from commentator_lib.media import Frame
from tests.commentators.baseline.conftest import (
    clip,
    frames_of,
    moving_window,
    new_baseline,
    run,
    say,
    with_person,
)

_THINGS = re.compile(
    r"\b(person|people|cars?|bicycles?|animals?|bus(es)?|trucks?|trains?|boats?|airplanes?|motorcycles?|chairs?"
    r"|screens?|balls?|clocks?|tables?|beds?|plants?)\b"
)


# --- what it sees


def test_it_is_a_commentator_by_its_name(baseline):
    assert isinstance(baseline, Commentator) and baseline.name == "baseline"


def test_the_street(baseline):
    """Compare with what the pictures show.

    Cuts are at 1.2, 3.2, 5.2 and 7.2 s. At 5 s the cyclist stands on the right, at 6 s there are cars, at 9 s the
    bicycle. There is no animal, bus or train that the detector could see.
    """
    said = run(baseline, frames_of(clip("bikes.mp4")))
    by_second = dict(enumerate(said))
    assert "person on the right" in by_second[5]
    assert "car" in by_second[6]
    assert "bicycle on the right" in by_second[9]
    named = {m[0] for m in _THINGS.finditer(" ".join(said))}
    assert named <= {"person", "car", "cars", "bicycle"}


def test_a_person_is_placed_after_a_cut_in_each_half(baseline):
    said = run(baseline, frames_of(clip("bikes.mp4")[:16], first_index=0), every_s=0.5)
    assert "person on the right" in " ".join(said[9:11])
    assert "person on the left" in said[15]


def test_the_rabbit_is_an_animal_not_a_species(baseline):
    said = " ".join(run(baseline, frames_of(clip("bigbuckbunny.mp4"))))
    assert "animal on the left" in said
    assert {m[0] for m in _THINGS.finditer(said)} == {"animal"}


def test_a_cut_is_told_between_two_clips_and_not_within_one(baseline):
    rabbit, talker = clip("bigbuckbunny.mp4"), clip("carphone_pristine.mp4")
    words = [re.split(r"[.{]", wording)[0] for kind in ("shot", "bare shot") for wording in TEMPLATES[kind]]
    shots = re.compile("|".join(words))
    frames = frames_of(rabbit + talker)
    told = [bool(shots.search(s)) for s in run(baseline, frames, every_s=0.5)]
    assert told.index(True) == len(rabbit)
    assert sum(told) == 1


def test_a_pan_is_told_once_with_its_direction(loaded):
    for dx, way in ((40, "right"), (-40, "left")):
        told = [s for s in run(new_baseline(loaded), frames_of(moving_window(dx)), 0.5) if s != "..."]
        camera = [s for s in told if re.search("camera|view swings", s)]
        assert len(camera) == 1 and way in camera[0], told


def test_someone_comes_goes_left_and_is_gone(baseline):
    path = [700] * 4 + list(range(600, -200, -40)) + [-300] * 6
    said = [s for s in run(baseline, frames_of([with_person(x) for x in path])) if s != "..."]
    text = " ".join(said)
    assert re.search(
        r"person (comes into view|appears|shows up|enters|can now be seen)? ?on the right|on the right: a person",
        text,
    ), said
    assert re.search(
        r"[Pp]erson (moves|is moving|heads|goes|drifts|makes)( for| to)?( the)? left|to the left:? (goes )?the person",
        text,
    ), said
    assert re.search(r"(no longer|out of view|lost|No more sign|cannot be seen|Without)", said[-1]), said
    assert "right." not in said[-1] and not re.search("camera|view swings|closer", text), said


def test_someone_comes_closer(baseline):
    walk = [with_person(280, 0.5)] * 3 + [with_person(280, 0.5 * 1.1**k) for k in range(8)]
    assert re.search(
        r"[Tt]he person( comes closer| is getting closer| grows larger| approaches| looms| fills more| draws near|\.)",
        " ".join(run(baseline, frames_of(walk))),
    )


# --- what it does not say


def test_nothing_new_is_three_dots(baseline):
    frames = frames_of(clip("carphone_pristine.mp4"))
    assert "person" in say(baseline, frames[0:7:2])
    assert say(baseline, frames[0:7:2]) == "..."  # the same frames
    still = [Frame(10 + k, 5 + k, 5 + k, frames[6].image) for k in range(4)]
    assert say(baseline, still) == "..."  # new frames of the same picture


@pytest.mark.slow
def test_nothing_is_said_twice(baseline):
    pictures = (clip("bikes.mp4") + clip("bigbuckbunny.mp4") + clip("carphone_pristine.mp4")) * 2
    said = [s for s in run(baseline, frames_of(pictures)) if s != "..."]
    assert len(said) >= 8
    for k, sentence in enumerate(said):
        assert sentence not in said[max(0, k - 5) : k]
    assert all(2 < len(s.split()) <= 16 for s in said)


def test_a_still_picture_is_described_once(baseline):
    frames = frames_of([clip("carphone_pristine.mp4")[0]] * 60)
    said = run(baseline, frames)
    assert "person" in said[0]
    assert set(said[1:]) == {"..."}


@pytest.mark.slow
@pytest.mark.parametrize("size", [(1, 1), (1, 700), (33, 40), (272, 640), (640, 360), (2160, 3840)])
def test_plain_pictures_and_noise_hold_nothing(baseline, size):
    rng = np.random.default_rng(0)
    plain = [np.full((*size, 3), level, np.uint8) for level in (0, 0, 128, 255)]
    coarse = rng.integers(0, 256, (4, 9, 16, 3), dtype=np.uint8)
    blobs = [cv2.resize(x, size[::-1], interpolation=cv2.INTER_LINEAR) for x in coarse]
    noise = [] if max(size) > 1000 else [rng.integers(0, 256, (*size, 3), dtype=np.uint8) for _ in range(4)]
    frames = frames_of(plain + blobs + noise)
    said = " ".join(say(baseline, frames[k : k + 4]) for k in range(0, len(frames), 4))
    assert not _THINGS.search(said), said


def test_one_weak_look_is_not_enough(baseline):
    class Once:
        def __init__(self):
            self.calls = 0

        def detect(self, image, min_score=0.5):
            self.calls += 1
            return [detector.Detection("car", 0.6, 0.1, 0.1, 0.4, 0.4)] if self.calls in self.seen_in else []

        def detect_tile(self, image, tile, min_score=0.5):
            return []

    frames = frames_of(clip("bigbuckbunny.mp4")[:6])
    for seen_in, named in (({2}, False), ({2, 3}, True)):
        fresh = BaselineCommentator(ocr=False)
        fresh._detector = Once()
        fresh._detector.seen_in = seen_in
        said = "".join(say(fresh, [f]) for f in frames)
        assert ("car" in said) is named, said


def test_the_limit_of_words_is_kept(baseline):
    frames = frames_of(clip("carphone_pristine.mp4"))
    assert say(baseline, frames[0:7:2], max_new_tokens=2) == "..."


# --- one call and the next


@pytest.mark.slow
def test_same_seed_and_frames_same_words_and_another_seed_others(loaded):
    frames = frames_of(clip("bikes.mp4"))
    first, second = (run(new_baseline(loaded, seed=3), frames) for _ in range(2))
    assert first == second
    others = [run(new_baseline(loaded, seed=k), frames) for k in range(4, 8)]
    assert any(other != first for other in others)
    # The seed decides the wording, not the facts.
    assert all([s == "..." for s in other] == [s == "..." for s in first] for other in others)


def test_a_source_that_starts_again_is_a_new_one(loaded):
    baseline = new_baseline(loaded)
    frames = frames_of(clip("carphone_pristine.mp4"))
    first = say(baseline, frames[0:7:2])
    assert say(baseline, frames[0:7:2]) == "..."
    say(baseline, frames_of([frames[7].image], first_index=900))
    assert say(baseline, frames[0:7:2]) == first
    mixed = frames_of([frames[7].image], first_index=901) + frames[0:7:2]  # it starts again within a call
    assert say(baseline, mixed) == first


def test_frames_seen_before_are_not_looked_at_again(baseline, loaded):
    looked = []
    baseline._detector = type("Counting", (), {})()
    baseline._detector.detect = lambda image, score=0.5: looked.append(1) or loaded.detect(image, score)
    baseline._detector.detect_tile = lambda *_: []
    frames = frames_of(clip("bikes.mp4"))
    say(baseline, frames[0:4])
    assert len(looked) == 4
    say(baseline, frames[1:5])
    assert len(looked) == 5


def test_a_comment_that_is_closed_early_has_not_said_the_rest(loaded):
    frames = frames_of(clip("carphone_pristine.mp4"))
    baseline = new_baseline(loaded)
    comment = baseline.comment(CommentRequest(frames[0:7:2], "", 40))
    next(comment)
    comment.close()
    assert say(baseline, frames[0:7:2]) == "..."


def test_no_frames_is_nothing_new(baseline):
    assert say(baseline, []) == "..."


def test_a_missing_model_is_told_when_warming_up(monkeypatch, tmp_path):
    monkeypatch.setattr(detector, "MODELS", tmp_path)
    with pytest.raises(FileNotFoundError, match=r"ssdlite_mobilenet_v2_coco\.onnx"):
        BaselineCommentator(ocr=False).warm_up()


def test_importing_and_making_it_loads_nothing_heavy():
    code = (
        "import sys; from commentator_lib.commentators.baseline.commentator import BaselineCommentator as Baseline; "
        "Baseline(); "
        "print([m for m in ('onnxruntime', 'cv2', 'rapidocr') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
