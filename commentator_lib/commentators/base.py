"""What every commentator is, from the baseline commentator to a model on a GPU.

A commentator is a blocking generator on the inference thread, not a coroutine: models block, and a
generator that is closed between two chunks is the one kind of cancellation that all of them can offer.
"""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import InitVar, dataclass
from typing import Self

from commentator_lib.media import AudioChunk, Frame
from commentator_lib.profiles import NOTHING_TO_SAY as NOTHING_TO_SAY
from commentator_lib.settings import Settings

# What a cycle may spend its time on, in this order; `StageTimes` and the run log name them so, with "_s" for seconds.
MODEL_STAGES = ("preprocess", "vision", "prefill", "decode", "talker", "vocoder")


class CommentatorError(Exception):
    """A commentator that cannot be made or loaded; one line that says why and how to fix it."""


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
class StageTimes:
    """Seconds that each stage of a model has taken since the request; None for a stage that it does not measure.

    The stages of a model and of its voice overlap where it speaks while it writes.
    """

    preprocess_s: float | None = None  # until the pictures are what the model takes
    vision_s: float | None = None
    prefill_s: float | None = None  # to the first token
    decode_s: float | None = None  # from there to the last token
    talker_s: float | None = None  # text tokens → audio tokens
    vocoder_s: float | None = None  # audio tokens → sound

    @classmethod
    def from_mapping(cls, seconds: Mapping[str, float]) -> StageTimes:
        """Make it from seconds by the names of MODEL_STAGES. TypeError for a name that is none of them."""
        return cls(**{f"{stage}_s": value for stage, value in seconds.items()})


@dataclass(frozen=True, slots=True)
class CommentChunk:
    """A piece of a comment as it comes.

    `text` is new text only and may be empty; `audio` is float32 mono with its own sample rate, or None
    where the commentator has no voice. `cost_s` is for commentators with a cost model: the time that this
    chunk takes, instead of the time that it took to make. `image_tokens` and `prompt_tokens` are what the
    request came to; a commentator that counts them says so on its first chunk. `stage_times` comes with
    the chunk at which they are known, as a rule the last. `problem` is what the commentator's own voice failed
    with: its text goes on.
    """

    text: str
    audio: AudioChunk | None = None
    output_tokens: int = 0
    cost_s: float | None = None
    image_tokens: int | None = None
    prompt_tokens: int | None = None
    stage_times: StageTimes | None = None
    problem: str = ""
    stage_s: InitVar[Mapping[str, float] | None] = (
        None  # until the next version: what `stage_times` was in 0.1
    )

    def __post_init__(self, stage_s: Mapping[str, float] | None) -> None:
        if stage_s is not None:
            warnings.warn(
                "CommentChunk's stage_s is now stage_times; the old name goes with the next version",
                DeprecationWarning,
                stacklevel=3,
            )
            object.__setattr__(self, "stage_times", StageTimes.from_mapping(stage_s))


class Commentator(ABC):
    """Looks at frames and says something about them. Give `name` and write `comment`; the rest has defaults.

    All calls come from one thread, one after another, and may block. Only `comment` may run while the session
    goes on; a session that is stopped closes its iterator between two chunks.

    `has_voice`: it speaks with a voice of its own, and sends each piece of text together with its sound.
    `has_cost_model`: every chunk carries its `cost_s`, so that it can be used in what-if runs.
    """

    name: str = "unnamed"
    has_voice: bool = False
    has_cost_model: bool = False

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Return the commentator that these settings ask for. Override it where they matter to yours.

        Called where the settings name your class. Raise CommentatorError where this machine cannot have it.
        """
        return cls()

    @abstractmethod
    def comment(self, request: CommentRequest) -> Iterator[CommentChunk]:
        """Yield one comment, chunk by chunk; closing the generator cancels it.

        To say nothing, yield the text "..." alone. An error costs this comment, never the session.
        """

    def expect_frames(self, width: int, height: int) -> None:
        """Take note that frames of this size (pixels) will come. Called before `warm_up`; for models that are slow on
        a new size."""

    def warm_up(self) -> None:
        """Load what is slow to load. Called before the first `comment`, and again after a `close`.

        An error ends the session before it has begun.
        """

    def close(self) -> None:
        """Give back memory, also a GPU's. Called after the last `comment`."""
