"""The embedded voice: hibari-tts, 24 kHz, on one core, with its model inside the package.

The engine pads each sentence with silence (0.3 s before, 0.4 s after). The voice trims it, since pacing
counts seconds of speech, and leaves a short pause between two sentences. The first call is slow (0.9 s
with loading), so `warm_up` makes it before the first comment.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from typing import Any, Self

from commentator_lib.media import AudioChunk, silence, trim_silence
from commentator_lib.settings import Settings
from commentator_lib.voices.base import Voice
from commentator_lib.voices.excitement import excitement, louder

_BREATH_S = 0.15

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
    languages = ("en",)

    def __init__(self, speed: float = 1.0) -> None:
        self._speed = speed
        self._importance = 0
        self._engine: Any = None
        self._lock = threading.Lock()

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        return cls(settings.voice_speed)

    def set_importance(self, importance: int) -> None:
        self._importance = importance

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
        faster, gain_db = excitement(self._importance)
        for samples in engine.stream(text, speed=self._speed * faster, seed=0):
            chunk = trim_silence(AudioChunk(louder(samples, gain_db), self.sample_rate_hz))
            if len(chunk.samples) == 0:
                continue
            if not first:
                yield silence(_BREATH_S, self.sample_rate_hz)
            first = False
            yield chunk
