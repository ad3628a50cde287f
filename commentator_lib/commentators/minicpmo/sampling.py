"""How MiniCPM-o's language model samples its next token, on the GPU without asking the host.

The rules are the model's own, from its code in OpenBMB/MiniCPM-o-Demo, folder MiniCPMO45: the repetition penalty and
its window, the order of top-k and top-p. That code asks the GPU once for every distinct token; this does not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor
from torch.nn import functional as F

# The language model speaks to the talker in chunks of this many tokens; it was trained so.
TEXT_CHUNK = 10
# The first is shorter, so that the voice begins 15 to 25 ms earlier. In duplex the model gives it three or four at a
# time.
FIRST_TEXT_CHUNK = 5
# The repetition penalty looks at this many tokens before the chunk, and at the chunk.
PENALTY_WINDOW = 128

_Count = TypeVar("_Count", int, Tensor)


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is sampled. `temperature` 0 takes the likeliest token."""

    temperature: float = 0.7
    top_p: float = 0.8
    top_k: int = 100
    repetition_penalty: float = 1.02


def penalty_start(generated: _Count) -> _Count:
    """Return the index of the first token that counts for the penalty of the next, after `generated` tokens.

    The model's loop looks back from the start of the chunk that it is in; its first chunk has one token more.
    """
    first = TEXT_CHUNK + 1
    chunk_start = (generated - first) // TEXT_CHUNK * TEXT_CHUNK + first
    in_first_chunk = generated < first
    if isinstance(generated, Tensor):
        return torch.where(torch.as_tensor(in_first_chunk), 0, chunk_start - PENALTY_WINDOW).clamp(min=0)
    return 0 if in_first_chunk else max(0, chunk_start - PENALTY_WINDOW)


def penalise(logits: Tensor, said: Tensor, count: Tensor, penalty: float) -> Tensor:
    """Return `logits` (V,) after the repetition penalty of Keskar et al. (arXiv 1909.05858).

    Of the ids `said` (max_tokens,) the first `count` (1,) are real, and of those the ones in the window count.
    """
    window = torch.arange(PENALTY_WINDOW + TEXT_CHUNK + 1, device=logits.device)  # (W,)
    places = penalty_start(count) + window  # (W,)
    # One gather and one scatter for all: equal ids write equal values. Places without a token get the id V, a logit
    # that is added behind the others and cut off again.
    recent = said.gather(0, places.clamp(max=len(said) - 1))  # (W,)
    ids = torch.where(places < count, recent, len(logits))  # (W,)
    wide = F.pad(logits, (0, 1))  # (V + 1,)
    values = wide.gather(0, ids)  # (W,)
    wide.scatter_(0, ids, torch.where(values > 0, values / penalty, values * penalty))
    return wide[:-1]


def pick(logits: Tensor, sampling: Sampling, noise: Tensor) -> Tensor:
    """Return one token id (1,) for float32 `logits` (V,): the likeliest, or one sampled from the top k within top p.

    `noise` (k,) comes from the exponential distribution: the index of the largest p / noise is a sample from p.
    """
    if sampling.temperature == 0:
        return logits.argmax(dim=-1, keepdim=True)
    values, ids = torch.topk(logits, len(noise))  # (k,), (k,)
    probabilities = (values / sampling.temperature).softmax(dim=-1)  # (k,)
    before = probabilities.cumsum(dim=-1) - probabilities  # (k,)
    kept = torch.where(before <= sampling.top_p, probabilities, torch.zeros_like(probabilities))  # (k,)
    return ids.gather(0, (kept / noise).argmax(dim=-1, keepdim=True))
