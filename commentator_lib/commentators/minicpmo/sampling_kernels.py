"""The sampling rules of sampling.py in two Triton kernels, instead of some forty of PyTorch's.

They run between two tokens, when nothing else can run. The search for the likeliest tokens, `topk`, is still PyTorch's.
"""

from __future__ import annotations

import torch
import triton  # pyright: ignore[reportMissingImports]  comes with PyTorch's CUDA builds only
import triton.language as tl  # pyright: ignore[reportMissingImports]
from torch import Tensor

from commentator_lib.commentators.minicpmo.launching import launch
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
    tl.debug_barrier()  # a token that was said twice is read twice before it is written
    tl.store(logits + ids, pushed, mask=real)


def penalise(logits: Tensor, said: Tensor, count: Tensor, penalty: float) -> Tensor:
    """Return what sampling.penalise returns; it is written over `logits` (V,)."""
    block = triton.next_power_of_2(PENALTY_WINDOW + TEXT_CHUNK + 1)
    launch(_penalise, (1,), logits, said, count, penalty, TEXT_CHUNK, PENALTY_WINDOW, block)
    return logits


@triton.jit
def _sample(values, ids, noise, out, temperature, top_p, count, BLOCK: tl.constexpr):
    rank = tl.arange(0, BLOCK)
    there = rank < count
    value = tl.load(values + rank, mask=there, other=float("-inf")) / temperature
    weight = tl.exp(value - tl.max(value, 0))
    share = weight / tl.sum(weight, 0)
    kept = tl.where(tl.cumsum(share, 0) - share <= top_p, share, 0.0)
    score = tl.where(there, kept / tl.load(noise + rank, mask=there, other=1.0), -1.0)
    tl.store(out, tl.load(ids + tl.argmax(score, 0)))


def pick(logits: Tensor, sampling: Sampling, noise: Tensor) -> Tensor:
    """Return what sampling.pick returns: one token id (1,)."""
    if sampling.temperature == 0:
        return logits.argmax(dim=-1, keepdim=True)
    values, ids = torch.topk(logits, len(noise))  # (k,), (k,)
    token = torch.empty(1, dtype=torch.long, device=logits.device)
    launch(
        _sample,
        (1,),
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
