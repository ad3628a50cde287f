"""Audio tokens from text: MiniCPM-o's talker, fed chunk by chunk while the language model still writes.

The talker is a small Llama of its own. For each chunk of text tokens it takes in their embeddings joined with
the language model's hidden states, and then gives audio tokens (25 a second) until it closes the chunk. The
model's own loop for this recomputes the output head's weight normalisation for each token; here it is computed
once. The rules of sampling are those of its code (OpenBMB/MiniCPM-o-Demo, folder MiniCPMO45, utils.py), the
first token's exception included.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from commentator_lib.commentators.base import CommentatorError
from commentator_lib.commentators.minicpmo.sequence import Sequence

AUDIO_TOKENS_PER_S = 25
# A chunk of ten text tokens takes three to five seconds to say; a talker that does not close it by then is lost.
_MOST_PER_TEXT_TOKEN = 20
_PENALTY_WINDOW = 16


@dataclass(frozen=True, slots=True)
class TalkerSampling:
    temperature: float = 0.8
    top_p: float = 0.85
    top_k: int = 25
    at_least: int = 3
    repetition_penalty: float = 1.05


def penalise(logits: Tensor, recent: Tensor, penalty: float) -> Tensor:
    """Logits (V,) of which those said n times in `recent` (ids) are pushed down by penalty^n."""
    times = torch.zeros_like(logits).index_add_(0, recent, torch.ones_like(recent, dtype=logits.dtype))
    factor = penalty**times
    return torch.where(logits < 0, logits * factor, logits / factor)


def pick(logits: Tensor, sampling: TalkerSampling, generator: torch.Generator | None) -> Tensor:
    """One id (1,): drawn within top p, and of those among the top k; never from fewer than `at_least`."""
    values, ids = logits.softmax(dim=-1).topk(min(sampling.top_k, logits.shape[-1]))
    before = values.cumsum(dim=-1) - values
    rank = torch.arange(len(values), device=values.device)
    kept = torch.where(
        (before < sampling.top_p) | (rank < sampling.at_least), values, torch.zeros_like(values)
    )
    return ids.gather(0, torch.multinomial(kept, 1, generator=generator))


class Talker:
    """One comment's speech, as audio tokens. `tts` is the model's talker, `sequence` runs its `tts.model`.

    CommentatorError for a kind of attention that is not the published checkpoint's.
    """

    def __init__(
        self,
        tts,
        sequence: Sequence,
        generator: torch.Generator | None = None,
        sampling: TalkerSampling | None = None,
        most_per_text_token: int = _MOST_PER_TEXT_TOKEN,
    ) -> None:
        if (attention := getattr(tts, "attention_type", "full_attention")) != "full_attention":
            raise CommentatorError(
                f"the checkpoint's talker uses {attention}, and only full_attention is known here: set speech=false"
            )
        self._tts = tts
        self._sequence = sequence
        self._generator = generator
        self._sampling = sampling or TalkerSampling()
        self._most_per_text_token = most_per_text_token
        self._end_id = tts.config.num_audio_tokens - 1
        with torch.inference_mode():
            self._head = tts.head_code[0].weight.detach().clone()  # weight norm is applied on reading
            ids = torch.tensor(
                [[tts.config.text_eos_token_id, tts.audio_bos_token_id]], device=self._head.device
            )
            self._text_end, self._audio_begin = tts.emb_text(ids).split(1, dim=1)
        self.begin()

    def begin(self) -> None:
        """Forget the comment before."""
        self._sequence.begin()
        self._said: list[Tensor] = []

    @torch.inference_mode()
    def say(self, ids: Tensor, hidden: Tensor, last: bool) -> Iterator[int]:
        """Audio tokens for a chunk of text: `ids` (1, n), `hidden` (1, n, H) of the language model after each.

        `last` closes the comment. Closing the iterator cancels; then `begin` before the next.
        """
        tts = self._tts
        spoken = tts.emb_text(ids) + F.normalize(tts.projector_semantic(hidden), p=2, dim=-1)
        embeds = torch.cat([spoken, *([self._text_end] if last else []), self._audio_begin], dim=1)
        for _ in range(max(1, ids.shape[1]) * self._most_per_text_token):
            if embeds.shape[1] > self._sequence.room:
                return  # as much as it can say in one comment
            logits = self._step(embeds)
            if self._said:
                recent = torch.cat(self._said[-_PENALTY_WINDOW:])
                logits = penalise(logits, recent, self._sampling.repetition_penalty)
                token = pick(logits, self._sampling, self._generator)
            else:
                token = torch.multinomial(logits.softmax(dim=-1), 1, generator=self._generator)
            token_id = int(token)
            if token_id == self._end_id:
                return
            self._said.append(token)
            yield token_id
            embeds = tts.emb_code[0](token[None])

    def _step(self, embeds: Tensor) -> Tensor:
        """Take in embeddings (1, n, h); logits (V,) at the talker's temperature."""
        hidden = self._sequence.take(embeds)
        logits = F.linear(hidden[0, -1], self._head).float()
        return logits / self._sampling.temperature
