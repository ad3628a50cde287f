"""The interface of every voice: text in, pieces of sound out, on the inference thread."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Self

from commentator_lib.media import AudioChunk
from commentator_lib.settings import Settings


class Voice(ABC):
    """Speaks for commentators that have no voice. Set `name` and `sample_rate_hz`, and write `speak`.

    All calls come from one thread, one after another, and may block: the first sound of a comment waits for
    the first piece, so yield early.
    """

    name: str = "unnamed"
    sample_rate_hz: int

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Return the voice that these settings ask for. Override it if your voice uses settings."""
        return cls()

    @abstractmethod
    def speak(self, text: str) -> Iterator[AudioChunk]:
        """Yield the sound of `text` piece by piece: float32 mono (N,) in [-1, 1], at `sample_rate_hz`.

        Yield nothing for text that cannot be read aloud. An error costs the comment its sound, never its text.
        """

    def set_importance(self, importance: int) -> None:
        """Speak the next comment as befits its importance, 0 to 3: faster and louder for a goal. Ignored by default."""

    def warm_up(self) -> None:
        """Load what is slow to load. Called once, before the first `speak`."""

    def close(self) -> None:
        """Free what `warm_up` loaded. Called once, after the last `speak`."""
