"""Pictures and stand-ins for the model's benchmark."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from commentator_lib.commentators.base import Commentator, CommentChunk, CommentRequest
from commentator_lib.media import AudioChunk, Frame
from commentator_lib.sources.base import Source, SourceInfo
from commentator_lib.voices.base import Voice


def random_frames(count: int, width: int, height: int, seed: int) -> list[Frame]:
    """Return `count` frames of random pixels; another seed gives other pictures, so nothing can be cached."""
    rng = np.random.default_rng(seed)
    return [
        Frame(k, k / 2, k / 2, rng.integers(0, 256, (height, width, 3), dtype=np.uint8)) for k in range(count)
    ]


def random_sound(seconds: float, seed: int) -> AudioChunk:
    """Return noise of so many seconds, (N,) float32 at 16 kHz; another seed gives other noise."""
    samples = np.random.default_rng(seed).normal(0, 0.1, round(seconds * 16_000))
    return AudioChunk(samples.astype(np.float32), 16_000)


def as_pictures(frames: list[Frame]) -> list[Any]:
    """Return the frames as Pillow images, the form that the model's own code takes."""
    from PIL import Image

    return [Image.fromarray(frame.image) for frame in frames]


class CappedCommentator(Commentator):
    """Limits a commentator to `max_tokens` a comment, and stays open when a session ends: more is measured later."""

    def __init__(self, commentator: Commentator, max_tokens: int) -> None:
        self._commentator, self._max_tokens = commentator, max_tokens
        self.name, self.has_voice = commentator.name, commentator.has_voice

    def warm_up(self) -> None:
        self._commentator.warm_up()

    def expect_frames(self, width: int, height: int) -> None:
        self._commentator.expect_frames(width, height)

    def comment(self, request: CommentRequest) -> Iterator[CommentChunk]:
        return self._commentator.comment(replace(request, max_new_tokens=self._max_tokens))


class NoVoice(Voice):
    """A voice that raises RuntimeError when it is used: the model has its own."""

    name = "none"
    sample_rate_hz = 24_000

    def speak(self, text: str) -> Iterator[AudioChunk]:
        raise RuntimeError("the model's own voice was to speak")


class MovingSquare(Source):
    """A source of `duration_s` seconds: a square moves across a textured ground, 640×360, 25 frames a second."""

    def __init__(self, duration_s: float) -> None:
        rng = np.random.default_rng(0)
        self._ground = rng.integers(0, 200, (360, 640, 3), dtype=np.uint8)
        self._count = int(duration_s * 25)
        self._index = 0
        self.problem = ""
        self.skipped = 0
        self.info = SourceInfo("synthetic: a moving square", 640, 360, 25.0, duration_s, live=False)

    def read(self, not_before_s: float = 0.0) -> Frame | None:
        due = min(self._count, int(not_before_s * 25))
        self.skipped += max(0, due - self._index)
        self._index = max(self._index, due)
        if self._index >= self._count:
            return None
        image = self._ground.copy()
        x = (self._index * 6) % 540
        image[130:230, x : x + 100] = 255
        frame = Frame(self._index, self._index / 25, float("nan"), image)
        self._index += 1
        return frame

    def close(self) -> None:
        pass
