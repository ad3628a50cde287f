"""Norms, rotary positions and gates of a layer, as one Triton kernel each.

They round where transformers' modules round, so that both give the same numbers.
"""

from __future__ import annotations

import torch
import triton  # pyright: ignore[reportMissingImports]  comes with PyTorch's CUDA builds only
import triton.language as tl  # pyright: ignore[reportMissingImports]
from torch import Tensor

from commentator_lib.commentators.minicpmo.launching import launch


@triton.jit
def _norm(x, weight, mask, epsilon, size, kind: tl.constexpr):
    """Return a row's root mean square norm, rounded to `kind` before the weight and after it."""
    scale = 1.0 / tl.sqrt(tl.sum(x * x, 0) / size + epsilon)
    return ((x * scale).to(kind).to(tl.float32) * weight.to(tl.float32)).to(kind)


@triton.jit
def _add_norm(x, delta, weight, out, normed, size, epsilon, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    columns = tl.arange(0, BLOCK)
    mask = columns < size
    kind = out.dtype.element_ty
    at = row * size + columns
    summed = tl.load(x + at, mask=mask, other=0.0).to(tl.float32) + tl.load(
        delta + at, mask=mask, other=0.0
    ).to(tl.float32)
    summed = summed.to(kind)
    tl.store(out + at, summed, mask=mask)
    weights = tl.load(weight + columns, mask=mask, other=0.0)
    tl.store(normed + at, _norm(summed.to(tl.float32), weights, mask, epsilon, size, kind), mask=mask)


def add_norm(x: Tensor, delta: Tensor, weight: Tensor, epsilon: float) -> tuple[Tensor, Tensor]:
    """Return (x + delta, its root mean square norm scaled by `weight` (H,)); all others are (n, H)."""
    out, normed = torch.empty_like(x), torch.empty_like(x)  # (n, H) each
    rows, size = x.shape
    block = triton.next_power_of_2(size)
    launch(_add_norm, (rows,), x, delta, weight, out, normed, size, epsilon, block, num_warps=8)
    return out, normed


@triton.jit
def rotate_heads(
    low, high, weight, cos, sin, epsilon, HALF: tl.constexpr, NORMED: tl.constexpr, kind: tl.constexpr
):
    """Return heads (n, d), in two halves, after norm and rotation, rounded to `kind` where the modules round."""
    half = tl.arange(0, HALF)[None, :]
    if NORMED:
        wide_low, wide_high = low.to(tl.float32), high.to(tl.float32)
        squares = tl.sum(wide_low * wide_low, 1) + tl.sum(wide_high * wide_high, 1)
        scale = (1.0 / tl.sqrt(squares / (2 * HALF) + epsilon))[:, None]
        low = ((wide_low * scale).to(kind).to(tl.float32) * tl.load(weight + half).to(tl.float32)).to(kind)
        high = (
            (wide_high * scale).to(kind).to(tl.float32) * tl.load(weight + HALF + half).to(tl.float32)
        ).to(kind)
    wide_low, wide_high = low.to(tl.float32), high.to(tl.float32)
    cos_low, cos_high = tl.load(cos + half).to(tl.float32), tl.load(cos + HALF + half).to(tl.float32)
    sin_low, sin_high = tl.load(sin + half).to(tl.float32), tl.load(sin + HALF + half).to(tl.float32)
    low = (wide_low * cos_low).to(kind).to(tl.float32) + (-wide_high * sin_low).to(kind).to(tl.float32)
    high = (wide_high * cos_high).to(kind).to(tl.float32) + (wide_low * sin_high).to(kind).to(tl.float32)
    return low.to(kind), high.to(kind)


@triton.jit
def _gate(joined, out, size, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    columns = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    mask = columns < size
    kind = out.dtype.element_ty
    gate = tl.load(joined + row * 2 * size + columns, mask=mask, other=0.0).to(tl.float32)
    up = tl.load(joined + row * 2 * size + size + columns, mask=mask, other=0.0).to(tl.float32)
    gated = (gate / (1.0 + tl.exp(-gate))).to(kind).to(tl.float32) * up
    tl.store(out + row * size + columns, gated.to(kind), mask=mask)


def gate(joined: Tensor) -> Tensor:
    """Return silu of the first half of `joined` (n, 2 · F) times its second half: (n, F)."""
    rows, size = joined.shape[0], joined.shape[1] // 2
    out = torch.empty(rows, size, device=joined.device, dtype=joined.dtype)  # (n, F)
    launch(_gate, (rows, triton.cdiv(size, 1024)), joined, out, size, 1024)
    return out
