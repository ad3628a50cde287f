"""shortlist.shortlist_logits on the GPU, in Triton: one pass over the 8-bit rows, one over the likeliest exact rows.

PyTorch has no product of 8-bit rows with one vector on a GPU, and its kernels cannot read rows from the host's memory.
"""

from __future__ import annotations

import torch
import triton  # pyright: ignore[reportMissingImports]  comes with PyTorch's CUDA builds only
import triton.language as tl  # pyright: ignore[reportMissingImports]
from torch import Tensor

from commentator_lib.commentators.minicpmo.launching import launch
from commentator_lib.commentators.minicpmo.shortlist import EXACT_ROWS

# Rows and columns that one program multiplies at once.
_ROWS, _COLUMNS = 16, 512


@triton.jit
def _near(
    hidden,
    numbers,
    scales,
    logits,
    peaks,
    count,
    WIDTH: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    """Write the logits of some rows by their 8 bits, and the largest of them."""
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    there = row < count
    sums = tl.zeros((ROWS, COLUMNS), tl.float32)
    for start in range(0, WIDTH, COLUMNS):
        column = start + tl.arange(0, COLUMNS)
        inside = column < WIDTH
        x = tl.load(hidden + column, mask=inside, other=0.0).to(tl.float32)
        at = row[:, None].to(tl.int64) * WIDTH + column[None, :]
        sums += (
            tl.load(numbers + at, mask=there[:, None] & inside[None, :], other=0).to(tl.float32) * x[None, :]
        )
    found = tl.sum(sums, 1) * tl.load(scales + row, mask=there, other=0.0)
    rounded = found.to(logits.dtype.element_ty)
    tl.store(logits + row, rounded, mask=there)
    tl.store(peaks + tl.program_id(0), tl.max(tl.where(there, rounded.to(tl.float32), float("-inf")), 0))


@triton.jit
def _exact(
    hidden,
    exact,
    logits,
    peaks,
    blocks,
    last,
    count,
    WIDTH: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    """Of a block's rows, compute those again by the exact head whose logits reach the smallest of `peaks`."""
    first = tl.load(blocks + tl.program_id(0)) * ROWS
    least = tl.load(peaks + last)
    column = tl.arange(0, COLUMNS)
    x = tl.load(hidden + column, mask=column < WIDTH, other=0.0).to(tl.float32)
    for row in range(ROWS):
        place = first + row
        if place < count:
            if tl.load(logits + place).to(tl.float32) >= least:
                weight = tl.load(exact + place.to(tl.int64) * WIDTH + column, mask=column < WIDTH, other=0.0)
                found = tl.sum(weight.to(tl.float32) * x, 0)
                tl.store(logits + place, found.to(logits.dtype.element_ty))


def shortlist_logits(hidden: Tensor, numbers: Tensor, scales: Tensor, exact: Tensor) -> Tensor:
    """Return what shortlist.shortlist_logits returns; `exact` must be in pinned memory.

    Blocks of rows are ranked by their largest logit, so more than EXACT_ROWS rows may be computed exactly.
    """
    count, width = numbers.shape  # V, H
    logits = torch.empty(count, dtype=hidden.dtype, device=hidden.device)  # (V,)
    peaks = torch.empty(triton.cdiv(count, _ROWS), device=hidden.device)  # (V / _ROWS,)
    launch(_near, (len(peaks),), hidden, numbers, scales, logits, peaks, count, width, _ROWS, _COLUMNS)
    largest, blocks = peaks.topk(min(EXACT_ROWS, len(peaks)))  # (EXACT_ROWS,), (EXACT_ROWS,)
    launch(
        _exact,
        (len(blocks),),
        hidden,
        exact,
        logits,
        largest,
        blocks,
        len(blocks) - 1,
        count,
        width,
        _ROWS,
        triton.next_power_of_2(width),
    )
    return logits
