"""How MiniCPM-o's language model picks its next token, on the GPU without asking the host.

The rules are the model's own, from its code in OpenBMB/MiniCPM-o-Demo, folder MiniCPMO45: the repetition penalty and
its window, the order of top-k and top-p. Its own way of following them asks the GPU once for every distinct token.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

# The language model speaks to the talker in chunks of this many tokens; it was trained so.
TEXT_CHUNK = 10
# The repetition penalty looks at this many tokens before the chunk, and at the chunk.
PENALTY_WINDOW = 128


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is drawn; `temperature` 0 takes the likeliest."""

    temperature: float = 0.7
    top_p: float = 0.8
    top_k: int = 100
    repetition_penalty: float = 1.02


def penalty_start(generated):
    """Index of the first token that counts for the penalty of the next, after `generated` ones (int or Tensor).

    The model's loop looks back from the start of the chunk it is in; its first chunk has one token more.
    """
    first = TEXT_CHUNK + 1
    chunk_start = (generated - first) // TEXT_CHUNK * TEXT_CHUNK + first
    in_first = generated < first
    if isinstance(generated, Tensor):
        return torch.where(in_first, 0, chunk_start - PENALTY_WINDOW).clamp(min=0)
    return 0 if in_first else max(0, chunk_start - PENALTY_WINDOW)


def penalise(logits: Tensor, said: Tensor, count: Tensor, penalty: float) -> Tensor:
    """Repetition penalty of Keskar et al. (arXiv 1909.05858) on `logits` (V,).

    Of the ids `said` (most,) the first `count` (1,) are real, of which those in the window count.
    """
    places = penalty_start(count) + torch.arange(PENALTY_WINDOW + TEXT_CHUNK + 1, device=logits.device)
    # One gather and one scatter for all: equal ids write equal values. What is no token goes behind the last logit.
    recent = said.gather(0, places.clamp(max=len(said) - 1))
    ids = torch.where(places < count, recent, len(logits))
    wide = F.pad(logits, (0, 1))
    values = wide.gather(0, ids)
    wide.scatter_(0, ids, torch.where(values > 0, values / penalty, values * penalty))
    return wide[:-1]


def pick(logits: Tensor, sampling: Sampling, noise: Tensor) -> Tensor:
    """One token id (1,) from float32 `logits` (V,): the likeliest, or drawn from the top k within top p.

    `noise` (k,) is drawn from the exponential distribution: the largest of p / noise is a draw from p.
    """
    if sampling.temperature == 0:
        return logits.argmax(dim=-1, keepdim=True)
    values, ids = torch.topk(logits, len(noise))
    probabilities = (values / sampling.temperature).softmax(dim=-1)
    before = probabilities.cumsum(dim=-1) - probabilities
    kept = torch.where(before <= sampling.top_p, probabilities, torch.zeros_like(probabilities))
    return ids.gather(0, (kept / noise).argmax(dim=-1, keepdim=True))
