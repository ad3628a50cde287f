"""The interface of every commentator, from the baseline commentator to a model on a GPU.

A commentator is a blocking generator on the inference thread, not a coroutine: models block, and all of them can be
cancelled by closing the generator between two chunks.
"""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import InitVar, dataclass
from typing import Self

from commentator_lib.events import Facts
from commentator_lib.media import AudioChunk, Frame
from commentator_lib.profiles import NOTHING_TO_SAY as NOTHING_TO_SAY
from commentator_lib.settings import Settings

# The stages of a model, in their order; `StageTimes` and the run log add "_s" (seconds) to these names.
MODEL_STAGES = ("preprocess", "vision", "prefill", "decode", "talker", "vocoder")


class CommentatorError(Exception):
    """A commentator cannot be made or loaded; one line that says why and how to fix it."""


@dataclass(frozen=True, slots=True)
class CommentRequest:
    """One cycle's question to a commentator; frames run from oldest to newest.

    `speech` False: text only, so that a commentator with a voice of its own need not use it. `facts`: what the
    watchers know; the prompt says the same in words. `sound`: what was heard from the oldest frame to the newest,
    float32 (N,) at 16 kHz; None where the source has no sound, or `Commentator.hears` is False. `standing`: the part
    of the prompt that stays from cycle to cycle, its role and what to watch for. `role`: the first lines of `prompt`,
    which are the same all through a run; a model that takes a system message is given them there, before the frames, so
    that a server can keep what it computed of them. `number`: the cycle's in the run.
    """

    frames: Sequence[Frame]
    prompt: str
    max_new_tokens: int
    speech: bool = True
    facts: Facts = Facts()
    sound: AudioChunk | None = None
    standing: str = ""
    number: int = 0
    role: str = ""

    @property
    def task(self) -> str:
        """The prompt without its role."""
        return self.prompt.removeprefix(self.role).lstrip("\n")


@dataclass(frozen=True, slots=True)
class StageTimes:
    """Seconds that each stage of a model has taken since the request; None for a stage that it does not measure.

    The stages of a model and of its voice overlap where it speaks while it writes.
    """

    preprocess_s: float | None = None  # until the pictures are the model's inputs
    vision_s: float | None = None
    prefill_s: float | None = None  # to the first token
    decode_s: float | None = None  # from there to the last token
    talker_s: float | None = None  # text tokens → audio tokens
    vocoder_s: float | None = None  # audio tokens → sound

    @classmethod
    def from_mapping(cls, seconds: Mapping[str, float]) -> StageTimes:
        """Return the times of a mapping from names of MODEL_STAGES to seconds. Raise TypeError for another name."""
        return cls(**{f"{stage}_s": value for stage, value in seconds.items()})


@dataclass(frozen=True, slots=True)
class CommentChunk:
    """A piece of a comment as it comes.

    `text` is new text only and may be empty; `audio` is float32 mono with its own sample rate, or None
    where the commentator has no voice. `cost_s` is for commentators with a cost model: the seconds that this
    chunk counts for, instead of those that it really took. `image_tokens` and `prompt_tokens` count the request's
    tokens; a commentator that knows them sets them on its first chunk. `stage_times` comes with the chunk at which
    they are known, usually the last. `problem` says why the commentator's own voice failed; its text goes on.
    `reason` says why it says nothing, or not all: it stands in the run log.
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
    reason: str = ""

    def __post_init__(self, stage_s: Mapping[str, float] | None) -> None:
        if stage_s is not None:
            warnings.warn(
                "CommentChunk's stage_s is now stage_times; the old name is removed in the next version",
                DeprecationWarning,
                stacklevel=3,
            )
            object.__setattr__(self, "stage_times", StageTimes.from_mapping(stage_s))


@dataclass(frozen=True, slots=True)
class Judgement:
    """What one forward pass of a model tells of whether to speak: the number of the rule that was asked about.

    first-token: the probability (0 to 1) that a comment would begin with "...". yes-no: the probability (0 to 1) of
    yes, of yes and no together. perplexity: that of the last comment, exp(mean negative log-likelihood of its tokens).
    `cost_s` is for commentators with a cost model: the seconds that the pass counts for.
    """

    value: float
    cost_s: float | None = None


@dataclass(frozen=True, slots=True)
class Loading:
    """How far a commentator's loading is: what it does now, in words for people, and the share of all, 0 to 1.

    The share is an estimate that never falls; None where it is not known.
    """

    words: str
    share: float | None = None


class Commentator(ABC):
    """Looks at frames and comments on them. Set `name` and write `comment`; the other members have defaults.

    All calls but `see` come from one thread, one after another, and may block. Only `comment` and `judge` may run while
    the session goes on; a session that is stopped closes its iterator between two chunks.

    `has_voice`: it speaks with a voice of its own, and sends each piece of text together with its sound.
    `has_cost_model`: every chunk carries its `cost_s`, so that it can be used in what-if runs.
    `hears`: it is given the programme's sound.
    `answers_questions`: it does what its prompt asks, so that a viewer's question is answered.
    `may_repeat`: what it says is given, and is said again when it comes again; else a sentence of the last comments is
    left out.
    `judges`: the rules of `speak_when` that `judge` answers; only models that give probabilities have some.
    `on_loading`: set by whoever wants to know how `warm_up` gets on; it may be called from any thread.
    """

    name: str = "unnamed"
    has_voice: bool = False
    has_cost_model: bool = False
    hears: bool = False
    answers_questions: bool = True
    may_repeat: bool = False
    judges: frozenset[str] = frozenset()
    on_loading: Callable[[Loading], None] | None = None

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Return the commentator that these settings ask for. Override it if your commentator uses settings.

        Called where the settings name your class. Raise CommentatorError where this machine cannot run it.
        """
        return cls()

    @abstractmethod
    def comment(self, request: CommentRequest) -> Iterator[CommentChunk]:
        """Yield one comment, chunk by chunk; closing the generator cancels it.

        To say nothing, yield the text "..." alone. An error costs this comment, never the session.
        """

    def judge(self, request: CommentRequest, rule: str, last_comment: str) -> float | Judgement | None:
        """Return the number of `rule` (see `Judgement`) in one forward pass; None: this model gives none.

        `request` is what the model is to be asked with: for first-token the prompt of a comment, for yes-no a question,
        for perplexity the prompt that `last_comment` would follow. An error costs this cycle, never the session.
        """
        return None

    def see(self, frame: Frame) -> None:
        """Look at a frame of the window as it comes; for models that look on between the cycles.

        Called on the loop's thread, also while another call is going on: it must return at once and raise nothing.
        """

    def heard(self, number: int, heard_s: float) -> None:
        """Note that `heard_s` seconds of the comment on request `number` were heard, and no more of it will be.

        Called once for each comment that was ready, after its end or its cut.
        """

    def expect_frames(self, width: int, height: int) -> None:
        """Note that frames of this size (pixels) will come; for models that are slow on a new size.

        Called before `warm_up`.
        """

    def warm_up(self) -> None:
        """Load what is slow to load. Called before the first `comment`, and again after a `close`.

        It may be called while it is loaded: then it does little. An error ends the session before it has begun.
        """

    def say_loading(self, words: str, share: float | None = None) -> None:
        """Tell whoever wants to know how the loading gets on. Call it from `warm_up`; see `Loading`."""
        if self.on_loading is not None:
            self.on_loading(Loading(words, share))

    def close(self) -> None:
        """Give back memory, also a GPU's. Called after the last `comment`."""
