"""Unpacking 4-bit weights on the GPU in one Triton kernel; int4.dequantise takes twelve of PyTorch's for the same."""

from __future__ import annotations

import torch
import triton  # pyright: ignore[reportMissingImports]  comes with PyTorch's CUDA builds only
import triton.language as tl  # pyright: ignore[reportMissingImports]
from torch import Tensor

from commentator_lib.commentators.minicpmo.launching import launch

# Blocks of 128 columns that one program unpacks.
_BLOCKS = 4


@triton.jit
def _unpack(packed, scales, out, stride, BLOCKS: tl.constexpr, GROUP: tl.constexpr, MANY: tl.constexpr):
    """Unpack eight rows of some blocks of 128 columns; int4.pack says where each number is."""
    tile = tl.program_id(0)
    row = tl.arange(0, 8)[:, None]
    column = tl.program_id(1) * MANY * 128 + tl.arange(0, MANY * 128)[None, :]
    thread = row * 4 + (column % 8) // 2
    word = tl.load(packed + ((tile * BLOCKS + column // 128) * 32 + thread) * 4 + (column % 128) // 32)
    place = (column % 32) // 8 + 4 * (column % 2)
    number = ((word >> (4 * place)) & 15) - 8
    row += tile * 8
    at = (column // GROUP) * stride + row * 2
    scale, offset = tl.load(scales + at).to(tl.float32), tl.load(scales + at + 1).to(tl.float32)
    value = number.to(tl.float32) * scale + offset
    tl.store(out + row * (BLOCKS * 128) + column, value.to(out.dtype.element_ty))


def dequantise(packed: Tensor, scales: Tensor) -> Tensor:
    """Return the weight (N, K) bfloat16 of the two parts of an Int4, as int4.dequantise does.

    Both parts may be views of some of the rows of a larger weight.
    """
    tiles, blocks = packed.shape[:2]
    rows, columns = tiles * 8, blocks * 128
    many = next(many for many in (_BLOCKS, 2, 1) if blocks % many == 0)
    out = torch.empty(rows, columns, device=packed.device, dtype=torch.bfloat16)  # (N, K)
    grid = (tiles, blocks // many)
    launch(_unpack, grid, packed, scales, out, scales.stride(0), blocks, columns // scales.shape[0], many)
    return out
