"""What every commentator is, from the basic eye to a model on a GPU.

A commentator is a blocking generator on the inference thread, not a coroutine: models block, and a
generator that is closed between two chunks is the one kind of cancellation that all of them can offer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from commentator_lib.media import AudioChunk, Frame

NOTHING_TO_SAY = "..."


@dataclass(frozen=True, slots=True)
class CommentRequest:
    """One cycle's question to a commentator; frames run from oldest to newest."""

    frames: Sequence[Frame]
    prompt: str
    max_new_tokens: int


@dataclass(frozen=True, slots=True)
class CommentChunk:
    """A piece of a comment as it comes.

    `text` is new text only and may be empty; `audio` is float32 mono with its own sample rate, or None
    where the commentator has no voice. `cost_s` is for commentators with a cost model: the time that this
    chunk takes, instead of the time that it took to make. `image_tokens` and `prompt_tokens` are what the
    request came to; a commentator that counts them says so on its first chunk.
    """

    text: str
    audio: AudioChunk | None = None
    output_tokens: int = 0
    cost_s: float | None = None
    image_tokens: int | None = None
    prompt_tokens: int | None = None


@runtime_checkable
class Commentator(Protocol):
    """`comment` runs on the inference thread; closing its iterator cancels the comment.

    Saying nothing is the text "...". A commentator that holds a GPU has a `close()` that frees it.
    """

    name: str

    def warm_up(self) -> None: ...

    def comment(self, request: CommentRequest) -> Iterator[CommentChunk]: ...
