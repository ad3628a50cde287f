"""The voice in duplex: a second's words become 25 audio tokens, and these a second of sound.

Talker and vocoder are MiniCPM-o's; both remember a turn from second to second. The rules are those of the model's own
code (OpenBMB/MiniCPM-o-Demo, folder MiniCPMO45, modeling_minicpmo.py, MiniCPMODuplex), which differ from those of a
comment (talker.py): in mid-turn the talker always gives 25 tokens, sampled from all, and the penalty looks at the
second's own tokens alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from commentator_lib.commentators.minicpmo.graphs import GraphPool
from commentator_lib.commentators.minicpmo.sequence import CachedSequence
from commentator_lib.commentators.minicpmo.talker import penalise
from commentator_lib.commentators.minicpmo.token2wav import CHUNK_TOKENS, LOOKAHEAD_TOKENS
from commentator_lib.commentators.minicpmo.token_loop import TokenLoop
from commentator_lib.commentators.minicpmo.vocoder import SAMPLE_RATE_HZ, SILENCE_TOKEN, Vocoder

_TEMPERATURE, _PENALTY = 0.8, 1.05
# Audio tokens of one turn, more than an hour.
_MAX_TOKENS = 100_000
# The shortest piece that is made into sound at a turn's start.
_LEAST_TOKENS = 5


class TurnTalker:
    """Audio tokens of one turn after another, second by second.

    `tts` is the model's talker, `sequence` runs its `tts.model`.
    """

    def __init__(
        self,
        tts: Any,
        sequence: CachedSequence,
        generator: torch.Generator | None = None,
        graph_pool: GraphPool | None = None,
    ) -> None:
        self._tts = tts
        self._end_id = tts.config.num_audio_tokens - 1
        with torch.inference_mode():
            head = tts.head_code[0].weight.detach().clone()  # (V, H); weight norm is applied on reading
            self._audio_begin = tts.emb_text(torch.tensor([tts.audio_bos_token_id], device=head.device))
            self._chunk_start = torch.zeros(1, dtype=torch.long, device=head.device)
            self._end_ban = torch.zeros(1, device=head.device)

        def pick_next(logits: Tensor, said: Tensor, count: Tensor, noise: Tensor) -> Tensor:
            logits = penalise(logits, said, count, _PENALTY, self._chunk_start)
            logits[self._end_id] += self._end_ban[0]
            return (logits.softmax(dim=-1) / noise).argmax(dim=-1, keepdim=True)

        self._loop = TokenLoop(
            sequence,
            tts.emb_code[0],
            lambda hidden: F.linear(hidden[0], head).float() / _TEMPERATURE,
            pick_next,
            hidden=self._audio_begin,
            vocabulary=head.shape[0],
            max_tokens=_MAX_TOKENS,
            noise_width=head.shape[0],
            generator=generator,
            graph_pool=graph_pool,
        )
        self.begin()

    def begin(self) -> None:
        """Begin a turn."""
        self._loop.begin()
        self._said = 0
        self.at_start = True

    def capture_new_shapes(self) -> None:
        """Capture graphs for lengths of text that are new; forgets the turn."""
        self._loop.capture_new_shapes()
        self.begin()

    @torch.inference_mode()
    def say(self, ids: Sequence[int], hidden: Tensor, may_end: bool) -> list[int]:
        """Return the audio tokens of a second, at most 25: of text `ids` with the language model's `hidden` (n, D).

        `may_end`: it may give fewer. In mid-turn there may be no text.
        """
        parts = [self._audio_begin]  # (1, H)
        if len(ids):
            words = self._tts.emb_text(torch.tensor(ids, device=hidden.device))  # (n, H)
            parts.insert(0, words + F.normalize(self._tts.projector_semantic(hidden), p=2, dim=-1))
        embeds = torch.cat(parts)[None]
        if self._loop.room < embeds.shape[1] + CHUNK_TOKENS + 1 or self._said + CHUNK_TOKENS >= _MAX_TOKENS:
            self._loop.begin()  # a turn that is longer than it can remember goes on without its beginning
            self._said = 0
        self.at_start = False
        self._chunk_start.fill_(self._said)
        self._end_ban.fill_(0.0 if may_end else -torch.inf)
        self._loop.take(embeds)
        tokens: list[int] = []
        while True:
            token = self._loop.next()
            if token == self._end_id or len(tokens) == CHUNK_TOKENS:
                break
            tokens.append(token)
        self._loop.retract()  # the token that is not given out
        self._said += len(tokens)
        return tokens


class TurnSound:
    """Audio tokens of a turn made into sound, float32 at 24 kHz, a second at a time.

    `lengths`: the lengths in tokens that a piece may have in mid-turn, those of captured graphs; None for any.
    """

    rate_hz = SAMPLE_RATE_HZ

    def __init__(self, vocoder: Vocoder, lengths: Sequence[int] | None = None) -> None:
        self._vocoder, self._lengths = vocoder, lengths
        self.begin()

    def begin(self) -> None:
        """Begin a turn."""
        self._vocoder.begin()
        self._tokens = [SILENCE_TOKEN] * LOOKAHEAD_TOKENS

    def push(self, tokens: Sequence[int], at_start: bool, last: bool) -> np.ndarray | None:
        """Return the sound (N,) of a second of audio tokens; None where there is too little for any.

        `at_start`: it is the turn's first second, which may be short; it is filled to 1 s with silence in front, so
        that the next second follows without a gap. `last`: it is the turn's end.
        """
        self._tokens += tokens
        sounds: list[np.ndarray] = []
        while count := self._next_length(at_start):
            sounds.append(self._vocoder.sound(self._tokens[: count + LOOKAHEAD_TOKENS], last=False))
            self._tokens = self._tokens[count:]
        if last and self._tokens:
            sounds.append(self._vocoder.sound(self._tokens, last=True))
            self._tokens = []
        if not sounds:
            return None
        sound = np.concatenate(sounds)
        return sound if last else np.pad(sound, (max(0, SAMPLE_RATE_HZ - len(sound)), 0))

    def _next_length(self, at_start: bool) -> int:
        """Return how many tokens are made into sound next, 0 for none."""
        ready = len(self._tokens) - LOOKAHEAD_TOKENS
        if ready >= CHUNK_TOKENS:
            return CHUNK_TOKENS
        if not at_start or ready < _LEAST_TOKENS:
            return 0
        return max((n for n in self._lengths if n <= ready), default=0) if self._lengths else ready


@dataclass(slots=True)
class TurnVoice:
    """Talker and vocoder through one turn after another."""

    talker: TurnTalker
    sound: TurnSound

    def begin(self) -> None:
        """Begin a turn."""
        self.talker.begin()
        self.sound.begin()

    def say(
        self,
        ids: Sequence[int],
        hidden: Tensor,
        last: bool,
        stage: Callable[[str], AbstractContextManager[None]],
    ) -> np.ndarray | None:
        """Return the sound (N,) float32 at 24 kHz of a second's text; `last` ends the turn. None where there is none.

        `ids` and `hidden` (n, D) are as in `TurnTalker.say`. `stage(name)` times a stage (StageClock.stage).
        """
        at_start = self.talker.at_start
        with stage("talker"):
            tokens = self.talker.say(ids, hidden, may_end=at_start or last)
        with stage("vocoder"):
            sound = self.sound.push(tokens, at_start, last)
        if last:
            self.begin()
        return sound
