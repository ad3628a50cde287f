"""shortlist.shortlisted on the GPU, in Triton: one pass over the 8-bit rows, and a look at the likeliest.

PyTorch has no product of 8-bit rows with one vector on a GPU, and its own could not fetch from the host's memory.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from commentator_lib.commentators.minicpmo.shortlist import EXACT_ROWS

# Rows and columns that a program looks at together.
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
    """The logits of some rows by their 8 bits, and the largest of them."""
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
    """Those of a block's rows again that are as large as the least of `peaks`, by the whole head."""
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


def shortlisted(hidden: Tensor, numbers: Tensor, scales: Tensor, exact: Tensor) -> Tensor:
    """As shortlist.shortlisted; `exact` in pinned memory. A block in which one of the largest stands may have more."""
    count, width = numbers.shape
    logits = torch.empty(count, dtype=hidden.dtype, device=hidden.device)
    peaks = torch.empty(triton.cdiv(count, _ROWS), device=hidden.device)
    _near[(len(peaks),)](hidden, numbers, scales, logits, peaks, count, width, _ROWS, _COLUMNS)
    largest, blocks = peaks.topk(min(EXACT_ROWS, len(peaks)))
    _exact[(len(blocks),)](
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
