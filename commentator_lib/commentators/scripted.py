"""A commentator that says given lines at given costs: for tests, what-if runs and benchmarks.

It looks at no picture, and every log names it as scripted. Only its timing is like a model's: the first
sound comes after a random latency and the rest at a random pace, through the same interface. Each chunk
carries its cost (`cost_s`), so that it takes that long in real time as well as in virtual time without
blocking a thread.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from commentator_lib.commentators.base import (
    NOTHING_TO_SAY,
    Commentator,
    CommentChunk,
    CommentRequest,
    Judgement,
)
from commentator_lib.media import PLAYBACK_RATE_HZ, AudioChunk, silence

_CHUNK_S = 1.0
_WORDS_PER_S = 2.6
_TOKENS_PER_WORD = 1.3
_FILLER = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]


@dataclass(frozen=True, slots=True)
class CostModel:
    """Mean costs and their spread (standard deviation); samples are normal, and never below a tenth of the mean.

    Sound second k is ready `first_sound_s + realtime_factor · k` after the start.
    """

    first_sound_s: float = 0.0
    first_sound_spread_s: float = 0.0
    speech_s: float = 3.0
    speech_spread_s: float = 0.0
    realtime_factor: float = 0.0

    def sample(self, rng: random.Random) -> tuple[float, float]:
        """Return (seconds to the first sound, seconds of speech) of one comment."""
        first = rng.gauss(self.first_sound_s, self.first_sound_spread_s)
        speech = rng.gauss(self.speech_s, self.speech_spread_s)
        return max(first, 0.1 * self.first_sound_s), max(speech, 0.1 * self.speech_s)


class ScriptedCommentator(Commentator):
    """Says `lines` one after another, over and over, or what `lines(request)` returns; counts aloud if it is None.

    `sound`: "tone" (a quiet 440 Hz), "silence" (as long, but costs nothing to make), or None for text only. "..." costs
    the first-sound latency and has no sound. `judgement(request, rule, last_comment)`, if given, is the number that
    `judge` returns; such a pass costs `pass_s` seconds.
    """

    name = "scripted"
    has_cost_model = True  # what-if runs need one
    answers_questions = False
    may_repeat = True  # its lines stand for comments: what they say means nothing

    def __init__(
        self,
        lines: Sequence[str] | Callable[[CommentRequest], str] | None = None,
        cost: CostModel | None = None,
        sound: str | None = "silence",
        seed: int = 0,
        judgement: Callable[[CommentRequest, str, str], float] | None = None,
        pass_s: float = 0.0,
    ) -> None:
        self._lines = lines
        self._cost = cost or CostModel()
        self._sound = sound
        self._rng = random.Random(seed)
        self.calls = 0
        self._judgement, self._pass_s = judgement, pass_s
        if judgement is not None:
            self.judges = frozenset({"first-token", "perplexity", "yes-no"})

    def judge(self, request: CommentRequest, rule: str, last_comment: str) -> Judgement | None:
        if self._judgement is None:
            return None
        return Judgement(self._judgement(request, rule, last_comment), self._pass_s)

    def comment(self, request: CommentRequest) -> Iterator[CommentChunk]:
        first_s, speech_s = self._cost.sample(self._rng)
        line = self._line(request, speech_s)
        self.calls += 1
        if line.strip() == NOTHING_TO_SAY or not line:
            yield CommentChunk(line, output_tokens=1, cost_s=first_s)
            return
        words = line.split(" ")
        count = max(1, round(speech_s / _CHUNK_S))
        length_s = speech_s / count
        said = 0
        for k in range(count):
            upto = len(words) if k == count - 1 else round(len(words) * (k + 1) / count)
            text = " ".join(words[said:upto]) + (" " if upto < len(words) and upto > said else "")
            tokens = round(_TOKENS_PER_WORD * upto) - round(_TOKENS_PER_WORD * said)
            said = upto
            cost_s = first_s if k == 0 else self._cost.realtime_factor * length_s
            yield CommentChunk(text, self._audio(length_s), tokens, cost_s)
        yield CommentChunk("", None, 0, self._cost.realtime_factor * length_s)

    def _line(self, request: CommentRequest, speech_s: float) -> str:
        if callable(self._lines):
            return self._lines(request)
        if self._lines is not None:
            return self._lines[self.calls % len(self._lines)]
        count = max(3, round(speech_s * _WORDS_PER_S))
        count = min(count, int(request.max_new_tokens / _TOKENS_PER_WORD))
        return " ".join(_FILLER[k % len(_FILLER)] for k in range(count)).capitalize() + "."

    def _audio(self, duration_s: float) -> AudioChunk | None:
        if self._sound is None:
            return None
        if self._sound == "silence":
            return silence(duration_s, PLAYBACK_RATE_HZ)
        t = np.arange(round(duration_s * 24_000)) / 24_000
        return AudioChunk((0.1 * np.sin(2 * np.pi * 440 * t)).astype(np.float32), 24_000)
