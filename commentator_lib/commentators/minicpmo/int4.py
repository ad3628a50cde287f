"""AWQ's 4-bit weights on PyTorch's own int4 kernel, which reads a layer at a third of what AutoAWQ's takes.

The kernel (`_weight_int4pack_mm`, the one that torchao uses as well) wants its numbers in tiles of its own, and a
weight as (number − 8) · scale + offset. AWQ has (number − zero) · scale: so offset = (8 − zero) · scale. Numbers and
zeros carry over exactly; scales and offsets are rounded to bfloat16, the only type that the kernel takes, which is 1
part in 512 of a group's scale, an order below what 4 bits round away.

It is made for one row. For a prompt the weights are unpacked, part by part, and multiplied as usual.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from commentator_lib.commentators.minicpmo.awq import unpack

# The kernel's tiles: 8 rows, and 16 columns of which 8 stand in one block.
_TILE_ROWS, _TILE_COLUMNS, _TILES = 8, 16, 8
_BLOCK = _TILE_COLUMNS * _TILES
_GROUP_SIZES = (32, 64, 128, 256)
# Up to so many rows the kernel is faster than unpacking the weights first.
_FEW_ROWS = 16
# So many numbers are unpacked at once, 134 MB: all would be 2 % faster and take 67 MB more, half as many 4 % slower.
_UNPACKED_AT_ONCE = 1 << 26
# After so many converted layers what they were is given back: those of one decoder layer, at most.
_GIVEN_BACK_AFTER = 7
# Which of eight neighbouring numbers stands where in an int32, from the lowest bits up (PyTorch's
# aten/src/ATen/native/cuda/int4mm.cu).
_ORDER = (0, 2, 4, 6, 1, 3, 5, 7)


class Int4(NamedTuple):
    """A weight (N, K): `packed` (N/8, K/128, 32, 4) int32, `scales` (K/group, N, 2) bfloat16 scale and offset."""

    packed: Tensor
    scales: Tensor

    @property
    def group_size(self) -> int:
        return self.packed.shape[1] * _BLOCK // self.scales.shape[0]

    def rows(self, start: int, end: int) -> Int4:
        """Some rows as views; both multiples of 8."""
        return Int4(self.packed[start // _TILE_ROWS : end // _TILE_ROWS], self.scales[:, start:end])


def pack(numbers: Tensor) -> Tensor:
    """Numbers (N, K) uint8, 0 to 15, in the kernel's tiles: (N/8, K/128, 32, 4) int32."""
    rows, columns = numbers.shape
    # a thread holds of each row two neighbours, the two that are 8 on, and the same 16 columns further
    tiles = numbers.view(rows // _TILE_ROWS, _TILE_ROWS, columns // _BLOCK, _TILES // 2, 4, 4, 2)
    ordered = tiles.permute(0, 2, 1, 5, 3, 4, 6).reshape(rows // _TILE_ROWS, columns // _BLOCK, 32, 4, 8)
    packed = torch.zeros(ordered.shape[:-1], dtype=torch.int64, device=numbers.device)
    for place, which in enumerate(_ORDER):
        packed |= ordered[..., which].long() << (4 * place)
    return torch.where(packed >= 2**31, packed - 2**32, packed).int()


def unpack_tiles(packed: Tensor) -> Tensor:
    """The numbers (N, K) int32 of `pack`."""
    tiles, blocks = packed.shape[:2]
    numbers = torch.stack([(packed >> (4 * _ORDER.index(which))) & 15 for which in range(8)], dim=-1)
    ordered = numbers.view(tiles, blocks, _TILE_ROWS, 4, _TILES // 2, 4, 2)
    return ordered.permute(0, 2, 1, 4, 5, 3, 6).reshape(tiles * _TILE_ROWS, blocks * _BLOCK)


def from_awq(qweight: Tensor, qzeros: Tensor, scales: Tensor) -> Int4:
    """AWQ's buffers of a layer: (K, N/8) and (K/group, N/8) int32, (K/group, N)."""
    numbers = unpack(qweight).t().contiguous()
    wide = scales.float()
    offsets = (8 - unpack(qzeros).float()) * wide
    return Int4(pack(numbers), torch.stack([wide, offsets], dim=-1).bfloat16())


def dequantise(packed: Tensor, scales: Tensor) -> Tensor:
    """The weight (N, K), bfloat16, of the two parts of an Int4; rounded once, as the kernel does."""
    numbers = unpack_tiles(packed) - 8
    rows, columns = numbers.shape
    scale, offset = scales.float().permute(1, 0, 2).unsqueeze(2).unbind(-1)
    return (numbers.view(rows, scales.shape[0], -1) * scale + offset).view(rows, columns).bfloat16()


def matmul(x: Tensor, weight: Int4) -> Tensor:
    """x (..., K) bfloat16 times the weight: (..., N)."""
    rows = x.reshape(-1, x.shape[-1])
    if not rows.is_cuda:
        found = F.linear(rows, dequantise(*weight))
    elif rows.shape[0] <= _FEW_ROWS:
        scales = weight.scales.contiguous()
        found = torch.ops.aten._weight_int4pack_mm(rows, weight.packed, weight.group_size, scales)
    else:
        found = _matmul_many(rows, weight)
    return found.view(*x.shape[:-1], -1)


def _matmul_many(x: Tensor, weight: Int4) -> Tensor:
    """x (rows, K) times the weight: (rows, N), some of its rows after the others."""
    from commentator_lib.commentators.minicpmo.int4_kernel import dequantise as dequantise_on_gpu

    outputs = weight.scales.shape[1]
    parts = -(-outputs * x.shape[1] // _UNPACKED_AT_ONCE)
    each = -(-outputs // parts // _TILE_ROWS) * _TILE_ROWS
    found = x.new_empty(x.shape[0], outputs)
    for start in range(0, outputs, each):
        end = min(start + each, outputs)
        torch.mm(x, dequantise_on_gpu(*weight.rows(start, end)).T, out=found[:, start:end])
    return found


class Int4Linear(nn.Module):
    """A linear layer without a bias, on an Int4 weight."""

    def __init__(self, weight: Int4) -> None:
        super().__init__()
        self.out_features = weight.scales.shape[1]
        self.register_buffer("packed", weight.packed, persistent=False)
        self.register_buffer("scales", weight.scales, persistent=False)

    @property
    def weight(self) -> Int4:
        return Int4(self.packed, self.scales)

    def forward(self, x: Tensor) -> Tensor:
        return matmul(x, self.weight)


def joined(groups: list[list[Int4Linear]]) -> list[Int4]:
    """Each group's weights as one, those of all groups in one block of memory; the layers become views of it.

    In one block, because PyTorch keeps tensors of a few MB together: what stays of a layer would hold on to the room of
    what was converted and went, which added up to 0.4 GB.
    """
    wholes = [
        Int4(
            torch.cat([linear.packed for linear in group]),
            torch.cat([linear.scales for linear in group], dim=1),
        )
        for group in groups
    ]
    parts = _side_by_side([part for whole in wholes for part in whole])
    wholes = [Int4(*pair) for pair in zip(parts[::2], parts[1::2], strict=True)]
    for group, whole in zip(groups, wholes, strict=True):
        start = 0
        for linear in group:
            end = start + linear.out_features
            linear.packed, linear.scales = whole.rows(start, end)
            start = end
    if parts[0].is_cuda:
        torch.cuda.empty_cache()  # or all layers would be held twice for a moment
    return wholes


def _side_by_side(tensors: list[Tensor]) -> list[Tensor]:
    """Copies in one block of memory, of tensors whose sizes are multiples of 16 bytes."""
    block = torch.empty(sum(t.nbytes for t in tensors), dtype=torch.uint8, device=tensors[0].device)
    parts = block.split([t.nbytes for t in tensors])
    return [part.view(t.dtype).view(t.shape).copy_(t) for part, t in zip(parts, tensors, strict=True)]


def awq_layers(model: nn.Module) -> list[str]:
    """The names of all AWQ layers, AutoAWQ's or ours; none where the kernel cannot take one of them: one with a bias,
    or of a size that does not fill its tiles."""
    names = [name for name, layer in model.named_modules() if hasattr(layer, "qweight")]
    return names if all(_fits(model.get_submodule(name)) for name in names) else []


def replace_awq_layers(model: nn.Module, names: list[str]) -> None:
    """Put an Int4Linear in the place of each of these."""
    for number, name in enumerate(names, start=1):  # one after another, so that only one is there twice
        layer = model.get_submodule(name)
        model.set_submodule(name, Int4Linear(from_awq(layer.qweight, layer.qzeros, layer.scales)))
        if layer.qweight.is_cuda and number % _GIVEN_BACK_AFTER == 0:
            del layer
            torch.cuda.empty_cache()


def _fits(layer: nn.Module) -> bool:
    inputs, outputs = layer.qweight.shape[0], layer.qweight.shape[1] * 8
    group_size = inputs // layer.scales.shape[0]
    plain = getattr(layer, "bias", None) is None
    return plain and inputs % _BLOCK == 0 and outputs % _TILE_ROWS == 0 and group_size in _GROUP_SIZES
