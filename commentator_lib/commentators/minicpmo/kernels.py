"""The layers' small steps as one GPU kernel each, in Triton: what layers.py says in a dozen of PyTorch's.

A step of one token is bound by the number of its kernels. PyTorch's compiler would join them too, but it takes twenty
seconds at every start and again for each length of prompt; these take one. They round where the modules round, so
that both say the same.

Attention of one token over a long cache: PyTorch's own kernels give each head one block of the GPU, which then walks
through the cache alone; with eight heads most of the card sleeps. Here the cache is cut into parts that are walked
through side by side, and the part that is ready last joins them (flash-decoding, Dao et al. 2023); the same kernel
has turned the query before and put the new key into the cache. How far that is filled is read from the GPU's own
memory, so one recorded graph serves all lengths and none reads what is empty.
"""

from __future__ import annotations

from typing import NamedTuple

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
def _turned(
    low, high, weight, cos, sin, epsilon, HALF: tl.constexpr, NORMED: tl.constexpr, kind: tl.constexpr
):
    """Norm and rotation of heads (n, d) in two halves, rounded to `kind` where the modules round."""
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
def _place(
    joined,
    query_norm,
    key_norm,
    cos,
    sin,
    positions,
    queries,
    keys,
    values,
    stride,
    epsilon,
    HEADS: tl.constexpr,
    KV_HEADS: tl.constexpr,
    HALF: tl.constexpr,
    NORMED: tl.constexpr,
):
    """One head of one token: norm and rotation of a query or key, and where it belongs; values only moved."""
    row, head = tl.program_id(0), tl.program_id(1)
    size: tl.constexpr = 2 * HALF
    half = tl.arange(0, HALF)[None, :]
    source = joined + row * (HEADS + 2 * KV_HEADS) * size + head * size
    low, high = tl.load(source + half), tl.load(source + HALF + half)
    position = tl.load(positions + row)
    if head < HEADS + KV_HEADS:
        weight = query_norm if head < HEADS else key_norm
        low, high = _turned(
            low,
            high,
            weight,
            cos + position * size,
            sin + position * size,
            epsilon,
            HALF,
            NORMED,
            queries.dtype.element_ty,
        )
    if head < HEADS:
        target = queries + (row * HEADS + head) * size
    elif head < HEADS + KV_HEADS:
        target = keys + (head - HEADS) * stride + position * size
    else:
        target = values + (head - HEADS - KV_HEADS) * stride + position * size
    tl.store(target + half, low)
    tl.store(target + HALF + half, high)


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


class Scratch(NamedTuple):
    """Where the parts of one token's attention meet; one for each sequence, since two may run at once.

    `sums` (heads, parts, d), `peaks` and `totals` (heads, parts) float32; `arrived` (kv_heads,) int32, zeros.
    """

    sums: Tensor
    peaks: Tensor
    totals: Tensor
    arrived: Tensor


def scratch(shape: Shape, device: torch.device) -> Scratch:
    parts = torch.zeros(2, shape.heads, _PARTS, device=device)
    return Scratch(
        torch.zeros(shape.heads, _PARTS, shape.head_dim, device=device),
        *parts,
        torch.zeros(shape.kv_heads, dtype=torch.int32, device=device),
    )


def attention(
    x: Tensor,
    delta: Tensor,
    layer: Layer,
    keys: Tensor,
    values: Tensor,
    positions: Tensor,
    span: int,
    cos: Tensor,
    sin: Tensor,
    shape: Shape,
    scratch: Scratch,
) -> tuple[Tensor, Tensor]:
    """As layers.attention."""
    x, normed = add_norm(x, delta, layer.norm, shape.norm_epsilon)
    of = attend_one if x.shape[0] == 1 else _attend_many
    return x, of(linear(normed, layer.qkv), layer, keys, values, positions, span, cos, sin, shape, scratch)


def _attend_many(joined, layer, keys, values, positions, span, cos, sin, shape, _scratch) -> Tensor:
    count = joined.shape[0]
    queries = torch.empty(count, shape.heads, shape.head_dim, device=joined.device, dtype=joined.dtype)
    query_norm, key_norm, normed = _norms(joined, layer)
    _place[(count, shape.heads + 2 * shape.kv_heads)](
        joined,
        query_norm,
        key_norm,
        cos,
        sin,
        positions,
        queries,
        keys,
        values,
        keys.stride(0),
        shape.norm_epsilon,
        shape.heads,
        shape.kv_heads,
        shape.head_dim // 2,
        normed,
        num_warps=1,
    )
    return layers.attend(queries, keys[:, :span], values[:, :span], positions)


def _norms(joined: Tensor, layer: Layer) -> tuple[Tensor, Tensor, bool]:
    """The norms' weights, or anything in their stead where there are none, and whether there are."""
    if layer.query_norm is None:
        return joined, joined, False
    return layer.query_norm, layer.key_norm, True


@triton.jit
def _attend_one(
    joined,
    query_norm,
    key_norm,
    cos,
    sin,
    keys,
    values,
    position,
    sums,
    peaks,
    totals,
    arrived,
    out,
    scale,
    stride,
    epsilon,
    HEADS: tl.constexpr,
    KV_HEADS: tl.constexpr,
    HALF: tl.constexpr,
    NORMED: tl.constexpr,
    PARTS: tl.constexpr,
    BLOCK: tl.constexpr,
    ROWS: tl.constexpr,
    JOINED: tl.constexpr,
):
    """One part of one head's cache for all its queries; the part that is ready last joins all."""
    head, part = tl.program_id(0), tl.program_id(1)
    size: tl.constexpr = 2 * HALF
    group: tl.constexpr = HEADS // KV_HEADS
    kind = out.dtype.element_ty
    now = tl.load(position)
    rows = tl.arange(0, ROWS)
    half = tl.arange(0, HALF)
    columns = tl.arange(0, size)
    real = rows < group
    turn = cos + now * size, sin + now * size
    source = joined + (head * group + rows)[:, None] * size + half[None, :]
    low = tl.load(source, mask=real[:, None], other=0.0)
    high = tl.load(source + HALF, mask=real[:, None], other=0.0)
    low, high = _turned(low, high, query_norm, turn[0], turn[1], epsilon, HALF, NORMED, kind)
    query = tl.reshape(tl.permute(tl.join(low, high), (0, 2, 1)), (ROWS, size))
    peak = tl.full([ROWS], float("-inf"), tl.float32)
    total = tl.zeros([ROWS], tl.float32)
    found = tl.zeros([ROWS, size], tl.float32)
    for start in range(part * BLOCK, now, PARTS * BLOCK):
        places = start + tl.arange(0, BLOCK)
        there = places < now
        at = head * stride + places[:, None] * size + columns[None, :]
        key = tl.load(keys + at, mask=there[:, None], other=0.0)
        value = tl.load(values + at, mask=there[:, None], other=0.0)
        scores = tl.dot(query, tl.trans(key), input_precision="ieee") * scale
        scores = tl.where(there[None, :], scores, float("-inf"))
        higher = tl.maximum(peak, tl.max(scores, 1))
        weights = tl.exp(scores - higher[:, None])
        fade = tl.exp(peak - higher)
        total = total * fade + tl.sum(weights, 1)
        found = found * fade[:, None] + tl.dot(weights.to(kind), value, input_precision="ieee")
        peak = higher
    if part == (now // BLOCK) % PARTS:  # the token itself, which is not in the cache yet
        own = joined + (HEADS + head) * size
        key_low, key_high = tl.load(own + half)[None, :], tl.load(own + HALF + half)[None, :]
        key_low, key_high = _turned(
            key_low, key_high, key_norm, turn[0], turn[1], epsilon, HALF, NORMED, kind
        )
        value = tl.load(own + KV_HEADS * size + columns)[None, :]
        at = head * stride + now * size
        tl.store(keys + at + half[None, :], key_low)
        tl.store(keys + at + HALF + half[None, :], key_high)
        tl.store(values + at + columns[None, :], value)
        score = tl.sum(low.to(tl.float32) * key_low.to(tl.float32), 1)
        score = (score + tl.sum(high.to(tl.float32) * key_high.to(tl.float32), 1)) * scale
        higher = tl.maximum(peak, score)
        weight, fade = tl.exp(score - higher), tl.exp(peak - higher)
        total = total * fade + weight
        found = found * fade[:, None] + weight.to(kind).to(tl.float32)[:, None] * value.to(tl.float32)
        peak = higher
    row = (head * group + rows) * PARTS + part
    tl.store(sums + row[:, None] * size + columns[None, :], found, mask=real[:, None])
    tl.store(peaks + row, peak, mask=real)
    tl.store(totals + row, total, mask=real)
    tl.debug_barrier()  # all of it, before anybody is told
    if tl.atomic_add(arrived + head, 1, sem="acq_rel") == PARTS - 1:
        tl.store(arrived + head, 0)
        one = tl.arange(0, JOINED)
        known = (one < group)[:, None]
        each = (head * group + one)[:, None] * PARTS + tl.arange(0, PARTS)[None, :]
        peak_of = tl.load(peaks + each, mask=known, other=0.0, cache_modifier=".cg")
        share_of = tl.exp(peak_of - tl.max(peak_of, 1)[:, None])
        all_of = tl.sum(share_of * tl.load(totals + each, mask=known, other=1.0, cache_modifier=".cg"), 1)
        sum_of = tl.load(
            sums + each[:, :, None] * size + columns[None, None, :],
            mask=known[:, :, None],
            other=0.0,
            cache_modifier=".cg",
        )
        whole = tl.sum(sum_of * share_of[:, :, None], 1) / all_of[:, None]
        target = out + (head * group + one)[:, None] * size + columns[None, :]
        tl.store(target, whole.to(kind), mask=known)


def attend_one(joined, layer, keys, values, position, _span, cos, sin, shape, scratch) -> Tensor:
    """What layers.attention makes of one token's joined query, key and value (1, ·): (1, heads·d)."""
    heads, kv_heads, size = shape.heads, shape.kv_heads, shape.head_dim
    out = torch.empty(1, heads * size, device=joined.device, dtype=joined.dtype)
    query_norm, key_norm, normed = _norms(joined, layer)
    group = triton.next_power_of_2(heads // kv_heads)
    _attend_one[(kv_heads, _PARTS)](
        joined,
        query_norm,
        key_norm,
        cos,
        sin,
        keys,
        values,
        position,
        *scratch,
        out,
        size**-0.5,
        keys.stride(0),
        shape.norm_epsilon,
        heads,
        kv_heads,
        size // 2,
        normed,
        _PARTS,
        _BLOCK,
        max(_ROWS, group),
        group,
    )
    return out
