"""What every voice is: text in, pieces of sound out, on the inference thread."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, runtime_checkable

from commentator_lib.media import AudioChunk


@runtime_checkable
class Voice(Protocol):
    """`speak` gives the sound of `text` piece by piece; nothing for text that it cannot read."""

    name: str
    sample_rate_hz: int

    def warm_up(self) -> None: ...

    def speak(self, text: str) -> Iterator[AudioChunk]: ...
