"""What every voice is: text in, pieces of sound out, on the inference thread."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator

from commentator_lib.media import AudioChunk


class Voice(ABC):
    """Speaks for commentators that have no voice of their own. Give `name` and `sample_rate_hz`, and write `speak`."""

    name: str
    sample_rate_hz: int

    @abstractmethod
    def speak(self, text: str) -> Iterator[AudioChunk]:
        """The sound of `text`, piece by piece, float32 mono at `sample_rate_hz`; nothing for text that it cannot
        read. An error costs the comment its sound, never its text."""

    def warm_up(self) -> None:
        """Load what is slow to load. Called once, before anybody listens."""

    def close(self) -> None:
        """Give back what `warm_up` took. Called once, after the last `speak`."""
