"""AWQ's 4-bit weights on PyTorch's int4 kernel, which takes a third of the time of AutoAWQ's kernel.

The kernel (`_weight_int4pack_mm`, which torchao uses too) takes its numbers in tiles, and computes a weight as
(number − 8) · scale + offset. AWQ's weights are (number − zero) · scale: so offset = (8 − zero) · scale. Numbers and
zeros stay exact. Scales and offsets are rounded to bfloat16, the only type that the kernel takes: this changes a
group's scale by 1 part in 512, ten times less than what rounding to 4 bits changes.

The kernel is made for one row. For a prompt the weights are unpacked, part by part, and multiplied as usual.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from commentator_lib.commentators.minicpmo.awq import unpack

# The kernel's tiles have 8 rows and 16 columns; a block has 8 tiles side by side.
_TILE_ROWS, _TILE_COLUMNS, _TILES = 8, 16, 8
_BLOCK = _TILE_COLUMNS * _TILES
_GROUP_SIZES = (32, 64, 128, 256)
# Up to this many rows the kernel is faster than unpacking the weights first.
_FEW_ROWS = 16
# Numbers that are unpacked at once (134 MB). All at once would be 2 % faster and take 67 MB more; half as many would be
# 4 % slower.
_UNPACKED_AT_ONCE = 1 << 26
# The memory of old layers is given back after this many converted ones: at most those of one decoder layer.
_GIVEN_BACK_AFTER = 7
# The order of eight neighbouring numbers in an int32, from the lowest bits up (PyTorch's
# aten/src/ATen/native/cuda/int4mm.cu).
_ORDER = (0, 2, 4, 6, 1, 3, 5, 7)


class Int4(NamedTuple):
    """A weight (N, K): `packed` (N/8, K/128, 32, 4) int32, `scales` (K/group, N, 2) bfloat16 scale and offset."""

    packed: Tensor
    scales: Tensor

    @property
    def group_size(self) -> int:
        """How many neighbouring numbers of a row share a scale and an offset."""
        return self.packed.shape[1] * _BLOCK // self.scales.shape[0]

    def rows(self, start: int, end: int) -> Int4:
        """Return the rows from `start` to `end` as views; both must be multiples of 8."""
        return Int4(self.packed[start // _TILE_ROWS : end // _TILE_ROWS], self.scales[:, start:end])


def pack(numbers: Tensor) -> Tensor:
    """Return the numbers (N, K) uint8, 0 to 15, in the kernel's tiles: (N/8, K/128, 32, 4) int32."""
    rows, columns = numbers.shape
    # of each row a thread holds two neighbours, the two that are 8 columns further, and the same 16 columns further
    tiles = numbers.view(rows // _TILE_ROWS, _TILE_ROWS, columns // _BLOCK, _TILES // 2, 4, 4, 2)
    # (N/8, K/128, 32, 4, 8)
    ordered = tiles.permute(0, 2, 1, 5, 3, 4, 6).reshape(rows // _TILE_ROWS, columns // _BLOCK, 32, 4, 8)
    packed = torch.zeros(ordered.shape[:-1], dtype=torch.int64, device=numbers.device)  # (N/8, K/128, 32, 4)
    for place, which in enumerate(_ORDER):
        packed |= ordered[..., which].long() << (4 * place)
    return torch.where(packed >= 2**31, packed - 2**32, packed).int()


def unpack_tiles(packed: Tensor) -> Tensor:
    """Return the numbers (N, K) int32 that `pack` packed into (N/8, K/128, 32, 4)."""
    tiles, blocks = packed.shape[:2]
    # (N/8, K/128, 32, 4, 8)
    numbers = torch.stack([(packed >> (4 * _ORDER.index(which))) & 15 for which in range(8)], dim=-1)
    ordered = numbers.view(tiles, blocks, _TILE_ROWS, 4, _TILES // 2, 4, 2)
    return ordered.permute(0, 2, 1, 4, 5, 3, 6).reshape(tiles * _TILE_ROWS, blocks * _BLOCK)


def from_awq(qweight: Tensor, qzeros: Tensor, scales: Tensor) -> Int4:
    """Convert AWQ's buffers of a layer: (K, N/8) and (K/group, N/8) int32, scales (K/group, N)."""
    numbers = unpack(qweight).t().contiguous()  # (N, K)
    wide = scales.float()  # (K/group, N)
    offsets = (8 - unpack(qzeros).float()) * wide  # (K/group, N)
    return Int4(pack(numbers), torch.stack([wide, offsets], dim=-1).bfloat16())


def dequantise(packed: Tensor, scales: Tensor) -> Tensor:
    """Return the weight (N, K), bfloat16, of the two parts of an Int4; rounded once, as the kernel does."""
    numbers = unpack_tiles(packed) - 8  # (N, K)
    rows, columns = numbers.shape
    # (N, K/group, 1) each
    scale, offset = scales.float().permute(1, 0, 2).unsqueeze(2).unbind(-1)
    return (numbers.view(rows, scales.shape[0], -1) * scale + offset).view(rows, columns).bfloat16()


def matmul(x: Tensor, weight: Int4) -> Tensor:
    """Return x (..., K) bfloat16 times the weight (N, K): (..., N)."""
    rows = x.reshape(-1, x.shape[-1])  # (n, K)
    if not rows.is_cuda:
        product = F.linear(rows, dequantise(*weight))
    elif rows.shape[0] <= _FEW_ROWS:
        scales = weight.scales.contiguous()
        product = torch.ops.aten._weight_int4pack_mm(rows, weight.packed, weight.group_size, scales)
    else:
        product = _matmul_many(rows, weight)
    return product.view(*x.shape[:-1], -1)


def _matmul_many(x: Tensor, weight: Int4) -> Tensor:
    """Return x (n, K) times the weight (N, K): (n, N), computed for some rows of the weight at a time."""
    from commentator_lib.commentators.minicpmo.int4_kernel import dequantise as dequantise_on_gpu

    outputs = weight.scales.shape[1]  # N
    parts = -(-outputs * x.shape[1] // _UNPACKED_AT_ONCE)
    each = -(-outputs // parts // _TILE_ROWS) * _TILE_ROWS
    product = x.new_empty(x.shape[0], outputs)  # (n, N)
    for start in range(0, outputs, each):
        end = min(start + each, outputs)
        torch.mm(x, dequantise_on_gpu(*weight.rows(start, end)).T, out=product[:, start:end])
    return product


class Int4Linear(nn.Module):
    """A linear layer without a bias, on an Int4 weight."""

    packed: Tensor
    scales: Tensor

    def __init__(self, weight: Int4) -> None:
        super().__init__()
        self.out_features = weight.scales.shape[1]
        self.register_buffer("packed", weight.packed, persistent=False)
        self.register_buffer("scales", weight.scales, persistent=False)

    @property
    def weight(self) -> Int4:
        """The weight (N, K), without a copy."""
        return Int4(self.packed, self.scales)

    def forward(self, x: Tensor) -> Tensor:
        """Return (..., N) for x (..., K) bfloat16."""
        return matmul(x, self.weight)


def join_int4(groups: list[list[Int4Linear]]) -> list[Int4]:
    """Join the weights of each group of layers, the rows of one below those of another; the layers become views.

    All groups share one block of memory, because PyTorch's allocator keeps tensors of a few MB together: separate
    tensors would keep the memory of converted and freed layers allocated, 0.4 GB in all.
    """
    wholes = [
        Int4(
            torch.cat([linear.packed for linear in group]),
            torch.cat([linear.scales for linear in group], dim=1),
        )
        for group in groups
    ]
    parts = _copy_to_one_block([part for whole in wholes for part in whole])
    wholes = [Int4(*pair) for pair in zip(parts[::2], parts[1::2], strict=True)]
    for group, whole in zip(groups, wholes, strict=True):
        start = 0
        for linear in group:
            end = start + linear.out_features
            linear.packed, linear.scales = whole.rows(start, end)
            start = end
    if parts[0].is_cuda:
        torch.cuda.empty_cache()  # else the layers would take twice their memory for a moment
    return wholes


def _copy_to_one_block(tensors: list[Tensor]) -> list[Tensor]:
    """Return copies side by side in one block of memory; the tensors' sizes must be multiples of 16 bytes."""
    block = torch.empty(sum(t.nbytes for t in tensors), dtype=torch.uint8, device=tensors[0].device)
    parts = block.split([t.nbytes for t in tensors])
    return [part.view(t.dtype).view(t.shape).copy_(t) for part, t in zip(parts, tensors, strict=True)]


def find_awq_layers(model: nn.Module) -> list[str]:
    """Return the names of all AWQ layers, AutoAWQ's or those of awq.py; [] where the kernel cannot take one of them.

    The kernel cannot take a layer with a bias, or of a size that does not fill its tiles.
    """
    names = [name for name, layer in model.named_modules() if hasattr(layer, "qweight")]
    return names if all(_fits(model.get_submodule(name)) for name in names) else []


def replace_awq_layers(model: nn.Module, names: list[str]) -> None:
    """Replace each of these AWQ layers by an Int4Linear, one after another, so that only one takes memory twice."""
    for number, name in enumerate(names, start=1):
        layer: Any = model.get_submodule(name)  # AutoAWQ's layer or AwqLinear: both have these buffers
        model.set_submodule(name, Int4Linear(from_awq(layer.qweight, layer.qzeros, layer.scales)))
        if layer.qweight.is_cuda and number % _GIVEN_BACK_AFTER == 0:
            del layer
            torch.cuda.empty_cache()


def _fits(layer: Any) -> bool:
    """Return whether the kernel can take an AWQ layer: AutoAWQ's or AwqLinear."""
    inputs, outputs = layer.qweight.shape[0], layer.qweight.shape[1] * 8
    group_size = inputs // layer.scales.shape[0]
    has_bias = getattr(layer, "bias", None) is not None
    return not has_bias and inputs % _BLOCK == 0 and outputs % _TILE_ROWS == 0 and group_size in _GROUP_SIZES
