"""The interface of every voice: text in, pieces of sound out, on the inference thread."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Self

from commentator_lib.media import AudioChunk
from commentator_lib.settings import Settings


class VoiceError(Exception):
    """A voice cannot be made or cannot speak; one line that says why and how to fix it."""


class Voice(ABC):
    """Speaks for commentators that have no voice. Set `name` and `sample_rate_hz`, and write `speak`.

    All calls come from one thread, one after another, and may block: the first sound of a comment waits for
    the first piece, so yield early.

    `languages`: the codes of the languages that it speaks, the first one being its own, such as ("en",); a text in
    other letters is shown and not given to it. Empty, they are not known, and it is given every text.
    `streams`: the sound of one sentence comes in several pieces while it is made, so that each is played at once.
    """

    name: str = "unnamed"
    sample_rate_hz: int
    languages: tuple[str, ...] = ()
    streams: bool = False

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Return the voice that these settings ask for. Override it if your voice uses settings."""
        return cls()

    @abstractmethod
    def speak(self, text: str) -> Iterator[AudioChunk]:
        """Yield the sound of `text` piece by piece: float32 mono (N,) in [-1, 1], at `sample_rate_hz`.

        The text is one sentence as it is read aloud: without markdown, emoji and addresses. Yield nothing for text that
        cannot be read. An error costs the comment its sound, never its text. Closing the iterator ends the speech.
        """

    def set_importance(self, importance: int) -> None:
        """Speak the next comment as befits its importance, 0 to 3: faster and louder for a goal. Ignored by default."""

    def warm_up(self) -> None:
        """Load what is slow to load. Called once, before the first `speak`."""

    def close(self) -> None:
        """Free what `warm_up` loaded. Called once, after the last `speak`."""
