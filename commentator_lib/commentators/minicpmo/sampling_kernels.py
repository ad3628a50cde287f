"""How the language model picks its next token, in two Triton kernels: what sampling.py says in some forty of PyTorch's.

They stand between two tokens, where nothing else can run. PyTorch's remains the search for the likeliest, `topk`.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from commentator_lib.commentators.minicpmo.sampling import PENALTY_WINDOW, TEXT_CHUNK, Sampling


@triton.jit
def _penalise(logits, said, count, penalty, CHUNK: tl.constexpr, WINDOW: tl.constexpr, BLOCK: tl.constexpr):
    generated = tl.load(count)
    start = tl.maximum((generated - CHUNK - 1) // CHUNK * CHUNK + CHUNK + 1 - WINDOW, 0)
    start = tl.where(generated < CHUNK + 1, 0, start)
    places = start + tl.arange(0, BLOCK)
    real = places < generated
    ids = tl.load(said + places, mask=real, other=0)
    values = tl.load(logits + ids, mask=real, other=0.0)
    pushed = tl.where(values > 0, values * tl.div_rn(1.0, penalty), values * penalty)  # as PyTorch divides
    tl.debug_barrier()  # a token said twice is read twice before it is written
    tl.store(logits + ids, pushed, mask=real)


def penalise(logits: Tensor, said: Tensor, count: Tensor, penalty: float) -> Tensor:
    """As sampling.penalise, in the place of `logits`."""
    _penalise[(1,)](
        logits,
        said,
        count,
        penalty,
        TEXT_CHUNK,
        PENALTY_WINDOW,
        triton.next_power_of_2(PENALTY_WINDOW + TEXT_CHUNK + 1),
    )
    return logits


@triton.jit
def _draw(values, ids, noise, out, temperature, top_p, count, BLOCK: tl.constexpr):
    rank = tl.arange(0, BLOCK)
    there = rank < count
    value = tl.load(values + rank, mask=there, other=float("-inf")) / temperature
    weight = tl.exp(value - tl.max(value, 0))
    share = weight / tl.sum(weight, 0)
    kept = tl.where(tl.cumsum(share, 0) - share <= top_p, share, 0.0)
    score = tl.where(there, kept / tl.load(noise + rank, mask=there, other=1.0), -1.0)
    tl.store(out, tl.load(ids + tl.argmax(score, 0)))


def pick(logits: Tensor, sampling: Sampling, noise: Tensor) -> Tensor:
    """As sampling.pick."""
    if sampling.temperature == 0:
        return logits.argmax(dim=-1, keepdim=True)
    values, ids = torch.topk(logits, len(noise))
    token = torch.empty(1, dtype=torch.long, device=logits.device)
    _draw[(1,)](
        values,
        ids,
        noise,
        token,
        sampling.temperature,
        sampling.top_p,
        len(noise),
        triton.next_power_of_2(len(noise)),
        num_warps=1,
    )
    return token
