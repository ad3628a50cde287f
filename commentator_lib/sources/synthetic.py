"""Synthetic pictures, and sound if wanted, that cost nothing, for what-if runs."""

from __future__ import annotations

import math

import numpy as np

from commentator_lib.media import PLAYBACK_RATE_HZ, AudioChunk, Frame
from commentator_lib.scene import ClipPictures
from commentator_lib.sources.base import Foreseen, Source, SourceInfo


class SyntheticSource(Source):
    """Tiny pictures of noise, 64 × 36, for what-if runs in which nothing is decoded or computed.

    The picture changes every few seconds for a while, then stands still for a while, at random from `seed`,
    so that the change threshold has something to decide. `sound`: with a second of soft noise, over and over.
    """

    _SIZE = (36, 64, 3)

    def __init__(self, duration_s: float, fps: float = 25.0, seed: int = 0, sound: bool = False) -> None:
        rng = np.random.default_rng(seed)
        self._pictures = [rng.integers(0, 256, self._SIZE, dtype=np.uint8) for _ in range(64)]
        for picture in self._pictures:
            picture.flags.writeable = False
        self._count = int(duration_s * fps)
        self._fps = fps
        self._index = 0
        self._which = self._schedule(rng, duration_s)
        self._noise = rng.integers(-900, 900, (PLAYBACK_RATE_HZ, 2), dtype=np.int16) if sound else None
        self._sounded = 0  # samples given
        self.info = SourceInfo(
            f"synthetic:{duration_s:g}", 64, 36, fps, duration_s, live=False, has_sound=sound
        )

    def _schedule(self, rng: np.random.Generator, duration_s: float) -> np.ndarray:
        """Return the picture's number for each second."""
        numbers, current = [], 0
        while len(numbers) <= duration_s:
            for _ in range(int(rng.integers(20, 90))):  # action
                current = (current + int(rng.random() < 0.4)) % len(self._pictures)
                numbers.append(current)
            numbers += [current] * int(rng.integers(5, 40))  # nothing
        return np.asarray(numbers)

    def read(self, not_before_s: float = 0.0) -> Frame | None:
        due = min(self._count, math.ceil(not_before_s * self._fps - 1e-6))
        if due > self._index:
            self.skipped += due - self._index
            self._index = due
        if self._index >= self._count:
            return None
        pts_s = self._index / self._fps
        frame = Frame(self._index, pts_s, float("nan"), self._pictures[self._which[int(pts_s)]])
        self._index += 1
        return frame

    def foreseen(self) -> Foreseen:
        pts_s = np.arange(self._count) / self._fps
        return Foreseen(pts_s, self._which[pts_s.astype(int)].tolist(), ClipPictures(self._pictures))

    def read_sound(self) -> list[AudioChunk]:
        if self._noise is None:
            return []
        until = round(self._index / self._fps * PLAYBACK_RATE_HZ)
        numbers = np.arange(self._sounded, until) % PLAYBACK_RATE_HZ
        chunk = AudioChunk(self._noise[numbers], PLAYBACK_RATE_HZ, self._sounded / PLAYBACK_RATE_HZ)
        self._sounded = until
        return [chunk] if len(numbers) else []
