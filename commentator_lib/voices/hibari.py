"""The embedded voice: hibari-tts, 24 kHz, on one core, with its model inside the package.

The engine pads each sentence with silence (0.3 s before, 0.4 s after). The voice trims it, since pacing
counts seconds of speech, and leaves a short pause between two sentences. The first call is slow (0.9 s
with loading), so `warm_up` makes it before the first comment.
"""

from __future__ import annotations

import re
import threading
from collections import deque
from collections.abc import Iterator
from typing import Any

import numpy as np

from commentator_lib.media import AudioChunk, silence, trim_silence
from commentator_lib.voices.base import Voice

_BREATH_S = 0.15
# By the importance of a comment, 0 to 3: how many times as fast it is spoken, and how much louder (dB).
_EXCITEMENT = ((1.0, 0.0), (1.0, 0.0), (1.06, 1.5), (1.12, 3.0))
# The engine reads "BRA" as a word. Codes of teams have two or three letters; longer ones, TAXI or EXIT, are words.
_CODE = re.compile(r"\b[A-Z]{2,3}\b")
# The engine would read "67:12" as "sixty seven twelve".
_CLOCK = re.compile(r"\b(\d{1,3}):([0-5]\d)\b")


def louder(samples: np.ndarray, gain_db: float) -> np.ndarray:
    """Return float32 samples (N,) amplified by `gain_db`, but no more than full scale allows."""
    if gain_db == 0 or not len(samples):
        return samples
    peak = float(np.abs(samples).max())
    gain = min(10 ** (gain_db / 20), 0.98 / peak if peak > 0 else 1.0)
    return samples * np.float32(max(1.0, gain))


def readable(text: str) -> str:
    """Return text as the engine should read it: codes letter by letter, a match clock as minutes and seconds.

    >>> readable("FCB lead at 67:12")
    'F C B lead at 67 minutes 12'
    """
    text = _CLOCK.sub(lambda m: f"{m[1]} minutes" if m[2] == "00" else f"{m[1]} minutes {int(m[2])}", text)
    return _CODE.sub(lambda m: " ".join(m[0]), text)


# Engines whose voice was closed. Each that is made anew leaves some MB behind, so the next voice takes one of these;
# two voices that speak at a time have one each.
_idle_engines: deque[Any] = deque(maxlen=2)


def _load_engine() -> Any:
    from hibari import Hibari

    return Hibari()


class HibariVoice(Voice):
    """24 kHz float32; the same text always gives the same sound (fixed seed)."""

    name = "hibari"
    sample_rate_hz = 24_000

    def __init__(self, speed: float = 1.0) -> None:
        self._speed = speed
        self._importance = 0
        self._engine: Any = None
        self._lock = threading.Lock()

    def set_importance(self, importance: int) -> None:
        self._importance = max(0, min(importance, len(_EXCITEMENT) - 1))

    def warm_up(self) -> None:
        for _ in self.speak("Ready."):
            pass

    def close(self) -> None:
        with self._lock:
            if self._engine is not None:
                _idle_engines.append(self._engine)
            self._engine = None

    def speak(self, text: str) -> Iterator[AudioChunk]:
        if not any(c.isalnum() for c in text):  # the engine turns "..." and "!!!" into noise
            return
        with self._lock:
            if self._engine is None:
                self._engine = _idle_engines.pop() if _idle_engines else _load_engine()
            engine = self._engine
        first = True
        faster, gain_db = _EXCITEMENT[self._importance]
        for samples in engine.stream(readable(text), speed=self._speed * faster, seed=0):
            chunk = trim_silence(AudioChunk(louder(samples, gain_db), self.sample_rate_hz))
            if len(chunk.samples) == 0:
                continue
            if not first:
                yield silence(_BREATH_S, self.sample_rate_hz)
            first = False
            yield chunk
