"""The layers' small steps as one GPU kernel each, in Triton: what layers.py says in a dozen of PyTorch's.

A step of one token is bound by the number of its kernels. PyTorch's compiler would join them too, but it takes twenty
seconds at every start and again for each length of prompt; these take one. They round where the modules round, so
that both say the same.

Attention of one token over a long cache: PyTorch's own kernels give each head one block of the GPU, which then walks
through the cache alone; with eight heads most of the card sleeps. Here the cache is cut into parts that are walked
through side by side, and a second kernel joins them (flash-decoding, Dao et al. 2023). How far the cache is filled is
read from the GPU's own memory, so one recorded graph serves all lengths and none reads what is empty.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from commentator_lib.commentators.minicpmo import layers
from commentator_lib.commentators.minicpmo.layers import Layer, Shape, linear

_PARTS = 16
_BLOCK = 32
# The smallest number of rows that tensor cores multiply; a head's group of queries is filled up to it.
_ROWS = 16


def takes(shape: Shape) -> bool:
    """Whether these kernels can do layers of this shape: heads of a power of two, 16 at least."""
    size = shape.head_dim
    return size >= _ROWS and size == triton.next_power_of_2(size)


# --- norms, positions, gates


@triton.jit
def _norm(x, weight, mask, epsilon, size, kind: tl.constexpr):
    """A row's root mean square norm, rounded to `kind` before the weight and after it."""
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
    """(x + delta, its norm), each (n, H)."""
    out, normed = torch.empty_like(x), torch.empty_like(x)
    rows, size = x.shape
    _add_norm[(rows,)](
        x, delta, weight, out, normed, size, epsilon, triton.next_power_of_2(size), num_warps=8
    )
    return out, normed


@triton.jit
def _place(
    joined, query_norm, key_norm, cos, sin, positions, queries, keys, values, stride, epsilon, HEADS: tl.constexpr,
    KV_HEADS: tl.constexpr, HALF: tl.constexpr, NORMED: tl.constexpr,
):  # fmt: skip
    """One head of one token: norm and rotation of a query or key, and where it belongs; values only moved."""
    row, head = tl.program_id(0), tl.program_id(1)
    size: tl.constexpr = 2 * HALF
    kind = queries.dtype.element_ty
    half = tl.arange(0, HALF)
    source = joined + row * (HEADS + 2 * KV_HEADS) * size + head * size
    low, high = tl.load(source + half), tl.load(source + HALF + half)
    position = tl.load(positions + row)
    if head < HEADS + KV_HEADS:
        if NORMED:
            weight = query_norm if head < HEADS else key_norm
            wide_low, wide_high = low.to(tl.float32), high.to(tl.float32)
            scale = 1.0 / tl.sqrt(
                (tl.sum(wide_low * wide_low, 0) + tl.sum(wide_high * wide_high, 0)) / size + epsilon
            )
            low = ((wide_low * scale).to(kind).to(tl.float32) * tl.load(weight + half).to(tl.float32)).to(
                kind
            )
            high = (
                (wide_high * scale).to(kind).to(tl.float32) * tl.load(weight + HALF + half).to(tl.float32)
            ).to(kind)
        at = position * size + half
        cos_low, cos_high = tl.load(cos + at).to(tl.float32), tl.load(cos + HALF + at).to(tl.float32)
        sin_low, sin_high = tl.load(sin + at).to(tl.float32), tl.load(sin + HALF + at).to(tl.float32)
        wide_low, wide_high = low.to(tl.float32), high.to(tl.float32)
        low = (
            (wide_low * cos_low).to(kind).to(tl.float32) + (-wide_high * sin_low).to(kind).to(tl.float32)
        ).to(kind)
        high = (
            (wide_high * cos_high).to(kind).to(tl.float32) + (wide_low * sin_high).to(kind).to(tl.float32)
        ).to(kind)
    if head < HEADS:
        target = queries + (row * HEADS + head) * size
    elif head < HEADS + KV_HEADS:
        target = keys + (head - HEADS) * stride + position * size
    else:
        target = values + (head - HEADS - KV_HEADS) * stride + position * size
    tl.store(target + half, low)
    tl.store(target + HALF + half, high)


def before_attention(
    x: Tensor, delta: Tensor, layer: Layer, keys: Tensor, values: Tensor, positions: Tensor, cos: Tensor,
    sin: Tensor, shape: Shape,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """As layers.before_attention."""
    x, normed = add_norm(x, delta, layer.norm, shape.norm_epsilon)
    joined = linear(normed, layer.qkv)
    queries = torch.empty(x.shape[0], shape.heads, shape.head_dim, device=x.device, dtype=x.dtype)
    normed_heads = layer.query_norm is not None
    _place[(x.shape[0], shape.heads + 2 * shape.kv_heads)](
        joined, layer.query_norm if normed_heads else joined, layer.key_norm if normed_heads else joined, cos, sin,
        positions, queries, keys, values, keys.stride(0), shape.norm_epsilon, shape.heads, shape.kv_heads,
        shape.head_dim // 2, normed_heads, num_warps=1,
    )  # fmt: skip
    return x, queries


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
    """silu of the first half of (n, 2·F) times the second: (n, F)."""
    rows, size = joined.shape[0], joined.shape[1] // 2
    out = torch.empty(rows, size, device=joined.device, dtype=joined.dtype)
    _gate[(rows, triton.cdiv(size, 1024))](joined, out, size, 1024)
    return out


def after_attention(x: Tensor, attended: Tensor, layer: Layer, shape: Shape) -> tuple[Tensor, Tensor]:
    """As layers.after_attention."""
    x, normed = add_norm(x, linear(attended, layer.out), layer.mlp_norm, shape.norm_epsilon)
    return x, linear(gate(linear(normed, layer.gate_up)), layer.down)


# --- attention


def attend(queries: Tensor, keys: Tensor, values: Tensor, positions: Tensor) -> Tensor:
    """As layers.attend."""
    of = attend_one if queries.shape[0] == 1 else layers.attend
    return of(queries, keys, values, positions)


@triton.jit
def _part(
    queries, keys, values, position, sums, peaks, totals, scale, stride, GROUP: tl.constexpr, SIZE: tl.constexpr,
    PARTS: tl.constexpr, BLOCK: tl.constexpr, ROWS: tl.constexpr,
):  # fmt: skip
    """One part of one head's cache: weighted sum of its values, largest score, sum of weights, by query."""
    head, part = tl.program_id(0), tl.program_id(1)
    used = tl.load(position) + 1
    rows = tl.arange(0, ROWS)
    columns = tl.arange(0, SIZE)
    real = rows < GROUP
    query = tl.load(
        queries + (head * GROUP + rows)[:, None] * SIZE + columns[None, :], mask=real[:, None], other=0.0
    )
    peak = tl.full([ROWS], float("-inf"), tl.float32)
    total = tl.zeros([ROWS], tl.float32)
    found = tl.zeros([ROWS, SIZE], tl.float32)
    for start in range(part * BLOCK, used, PARTS * BLOCK):
        places = start + tl.arange(0, BLOCK)
        there = places < used
        at = head * stride + places[:, None] * SIZE + columns[None, :]
        key = tl.load(keys + at, mask=there[:, None], other=0.0)
        value = tl.load(values + at, mask=there[:, None], other=0.0)
        scores = tl.dot(query, tl.trans(key), input_precision="ieee") * scale
        scores = tl.where(there[None, :], scores, float("-inf"))
        higher = tl.maximum(peak, tl.max(scores, 1))
        weights = tl.exp(scores - higher[:, None])
        fade = tl.exp(peak - higher)
        total = total * fade + tl.sum(weights, 1)
        found = found * fade[:, None] + tl.dot(weights.to(value.dtype), value, input_precision="ieee")
        peak = higher
    row = (head * GROUP + rows) * PARTS + part
    tl.store(sums + row[:, None] * SIZE + columns[None, :], found, mask=real[:, None])
    tl.store(peaks + row, peak, mask=real)
    tl.store(totals + row, total, mask=real)


@triton.jit
def _join(sums, peaks, totals, out, SIZE: tl.constexpr, PARTS: tl.constexpr):
    """The parts of one query as one."""
    row = tl.program_id(0)
    parts = row * PARTS + tl.arange(0, PARTS)
    columns = tl.arange(0, SIZE)
    peak = tl.load(peaks + parts)
    share = tl.exp(peak - tl.max(peak, 0))
    total = tl.sum(tl.load(totals + parts) * share, 0)
    found = tl.load(sums + parts[:, None] * SIZE + columns[None, :])
    found = tl.sum(found * share[:, None], 0) / total
    tl.store(out + row * SIZE + columns, found.to(out.dtype.element_ty))


def attend_one(queries: Tensor, keys: Tensor, values: Tensor, position: Tensor) -> Tensor:
    """As layers.attend for one token."""
    heads, size = queries.shape[1:]
    kv_heads = keys.shape[0]
    group = heads // kv_heads
    sums = torch.empty(heads, _PARTS, size, device=queries.device, dtype=torch.float32)
    peaks = torch.empty(heads, _PARTS, device=queries.device, dtype=torch.float32)
    totals = torch.empty_like(peaks)
    out = torch.empty(1, heads * size, device=queries.device, dtype=queries.dtype)
    _part[(kv_heads, _PARTS)](
        queries, keys, values, position, sums, peaks, totals, size**-0.5, keys.stride(0), group, size, _PARTS, _BLOCK,
        max(_ROWS, triton.next_power_of_2(group)),
    )  # fmt: skip
    _join[(heads,)](sums, peaks, totals, out, size, _PARTS)
    return out
