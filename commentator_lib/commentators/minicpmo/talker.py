"""Audio tokens from text: MiniCPM-o's talker, fed chunk by chunk while the language model still writes.

The talker is a small Llama. For each chunk of text tokens it takes in their embeddings plus the language model's hidden
states, and then gives audio tokens (25 a second) until it ends the chunk. The model's own loop recomputes the weight
normalisation of the output head for each token; here it is computed once. The sampling rules are those of its code
(OpenBMB/MiniCPM-o-Demo, folder MiniCPMO45, utils.py), with its exception for the first token.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from commentator_lib.commentators.base import CommentatorError
from commentator_lib.commentators.minicpmo.graphs import GraphPool
from commentator_lib.commentators.minicpmo.sequence import CachedSequence
from commentator_lib.commentators.minicpmo.token_loop import TokenLoop

# A chunk of ten text tokens takes three to five seconds to say; a talker that does not end it by then is stopped.
_MAX_PER_TEXT_TOKEN = 20
_PENALTY_WINDOW = 16
# Audio tokens of one comment: three minutes.
_MAX_TOKENS = 4608


@dataclass(frozen=True, slots=True)
class TalkerSampling:
    """How the next audio token is sampled; `at_least` of the likeliest are kept even where `top_p` keeps fewer."""

    temperature: float = 0.8
    top_p: float = 0.85
    top_k: int = 25
    at_least: int = 3
    repetition_penalty: float = 1.05


def penalise(logits: Tensor, said: Tensor, count: Tensor, penalty: float, start: Tensor | int = 0) -> Tensor:
    """Return `logits` (V,) in which a token that was said n times recently is penalised by penalty^n.

    Of the ids `said` (max_tokens,) the first `count` (1,) are real, and those before `start` (1,) do not count.
    """
    places = count - 1 - torch.arange(_PENALTY_WINDOW, device=logits.device)  # (W,)
    recent = said.gather(0, places.clamp(min=0))  # (W,)
    # (V,)
    times = torch.zeros_like(logits).index_add_(0, recent, (places >= start).to(logits.dtype))
    factor = penalty**times
    return torch.where(logits < 0, logits * factor, logits / factor)


def pick(logits: Tensor, sampling: TalkerSampling, noise: Tensor) -> Tensor:
    """Return one id (1,) for `logits` (V,), sampled within top p and among the top k; never from fewer than `at_least`.

    `noise` (k,) comes from the exponential distribution: the index of the largest p / noise is a sample from p.
    """
    values, ids = logits.softmax(dim=-1).topk(len(noise))  # (k,), (k,)
    before = values.cumsum(dim=-1) - values  # (k,)
    rank = torch.arange(len(values), device=values.device)  # (k,)
    kept = torch.where(
        (before < sampling.top_p) | (rank < sampling.at_least), values, torch.zeros_like(values)
    )
    return ids.gather(0, (kept / noise).argmax(dim=-1, keepdim=True))


class Talker:
    """The speech of one comment after another, as audio tokens.

    `tts` is the model's talker, `sequence` runs its `tts.model`. `max_per_text_token` bounds the audio tokens of a
    chunk. Raise CommentatorError for a kind of attention that the published checkpoint does not have.
    """

    def __init__(
        self,
        tts: Any,
        sequence: CachedSequence,
        generator: torch.Generator | None = None,
        sampling: TalkerSampling | None = None,
        max_per_text_token: int = _MAX_PER_TEXT_TOKEN,
        graph_pool: GraphPool | None = None,
    ) -> None:
        if (attention := getattr(tts, "attention_type", "full_attention")) != "full_attention":
            raise CommentatorError(
                f"the checkpoint's talker uses {attention}, and only full_attention is known here: set speech=false"
            )
        self._tts = tts
        self._generator = generator
        self._sampling = sampling or TalkerSampling()
        self.max_per_text_token = max_per_text_token
        self._end_id = tts.config.num_audio_tokens - 1
        with torch.inference_mode():
            head = tts.head_code[0].weight.detach().clone()  # (V, H); weight norm is applied on reading
            ids = torch.tensor([[tts.config.text_eos_token_id, tts.audio_bos_token_id]], device=head.device)
            self._text_end, self._audio_begin = tts.emb_text(ids).split(1, dim=1)  # (1, 1, H) each

        def pick_next(logits: Tensor, said: Tensor, count: Tensor, noise: Tensor) -> Tensor:
            logits = penalise(logits, said, count, self._sampling.repetition_penalty)
            return pick(logits, self._sampling, noise)

        self._loop = TokenLoop(
            sequence,
            tts.emb_code[0],
            lambda hidden: F.linear(hidden[0], head).float() / self._sampling.temperature,
            pick_next,
            hidden=self._audio_begin[0],
            vocabulary=head.shape[0],
            max_tokens=_MAX_TOKENS,
            noise_width=min(self._sampling.top_k, head.shape[0]),
            generator=generator,
            graph_pool=graph_pool,
        )
        self.begin()

    def begin(self) -> None:
        """Forget the comment before."""
        self._loop.begin()
        self._silent = True

    def capture_new_shapes(self) -> None:
        """Capture graphs for lengths of chunks that are new, between two comments."""
        self._loop.capture_new_shapes()
        self.begin()

    @torch.inference_mode()
    def say(self, ids: Tensor, hidden: Tensor, last: bool) -> Generator[int, None, None]:
        """Yield audio tokens for a chunk of text: `ids` (1, n), and the language model's `hidden` states (1, n, D).

        `last` ends the comment. Closing the generator cancels; call `begin` before the next comment then.
        """
        tts = self._tts
        # (1, n, H)
        spoken = tts.emb_text(ids) + F.normalize(tts.projector_semantic(hidden), p=2, dim=-1)
        embeds = torch.cat([spoken, *([self._text_end] if last else []), self._audio_begin], dim=1)
        if embeds.shape[1] > self._loop.room:
            return  # this is as much as it can say in one comment
        self._loop.take(embeds)
        for _ in range(max(1, ids.shape[1]) * self.max_per_text_token):
            if self._loop.room < 2:
                return
            token = self._loop.next(self._first if self._silent else None)
            if token == self._end_id:
                self._loop.retract()
                return
            self._silent = False
            yield token

    def _first(self, logits: Tensor) -> Tensor:
        """Return a comment's first token (1,), sampled from all."""
        return torch.multinomial(logits.softmax(dim=-1), 1, generator=self._generator)
