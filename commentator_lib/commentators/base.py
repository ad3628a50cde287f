"""What every commentator is, from the basic eye to a model on a GPU.

A commentator is a blocking generator on the inference thread, not a coroutine: models block, and a
generator that is closed between two chunks is the one kind of cancellation that all of them can offer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from commentator_lib.media import AudioChunk, Frame

NOTHING_TO_SAY = "..."
# What a cycle may spend its time on, in this order; `CommentChunk.stage_s` and the log name them so.
MODEL_STAGES = ("preprocess", "vision", "prefill", "decode", "talker", "vocoder")


class CommentatorError(Exception):
    """A commentator that cannot be made or loaded; one line that says why and how to mend it."""


@dataclass(frozen=True, slots=True)
class CommentRequest:
    """One cycle's question to a commentator; frames run from oldest to newest.

    `speech` False: text only, so that a commentator with a voice of its own need not use it.
    """

    frames: Sequence[Frame]
    prompt: str
    max_new_tokens: int
    speech: bool = True


@dataclass(frozen=True, slots=True)
class CommentChunk:
    """A piece of a comment as it comes.

    `text` is new text only and may be empty; `audio` is float32 mono with its own sample rate, or None
    where the commentator has no voice. `cost_s` is for commentators with a cost model: the time that this
    chunk takes, instead of the time that it took to make. `image_tokens` and `prompt_tokens` are what the
    request came to; a commentator that counts them says so on its first chunk. `stage_s` is the time that
    each stage (MODEL_STAGES) has taken since the request, in seconds; stages of a model and its voice overlap.
    `problem` is what the commentator's own voice failed with: its text goes on.
    """

    text: str
    audio: AudioChunk | None = None
    output_tokens: int = 0
    cost_s: float | None = None
    image_tokens: int | None = None
    prompt_tokens: int | None = None
    stage_s: Mapping[str, float] | None = None
    problem: str = ""


@runtime_checkable
class Commentator(Protocol):
    """`comment` runs on the inference thread; closing its iterator cancels the comment.

    Saying nothing is the text "...". A commentator that holds a GPU has a `close()` that frees it, after
    which `warm_up` loads it again. One that is slow on frames of a size that it has not met yet has an
    `expect_frames(width, height)`, which is called before `warm_up`. One that speaks with a voice of its own
    says so by `has_voice = True`, and sends each piece of text together with its sound.
    """

    name: str

    def warm_up(self) -> None: ...

    def comment(self, request: CommentRequest) -> Iterator[CommentChunk]: ...
