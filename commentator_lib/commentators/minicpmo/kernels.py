"""The functions of layers.py with one GPU kernel for each group of small steps, in Triton.

A step of one token is bound by the number of its kernels. PyTorch's compiler would join them too, but it takes twenty
seconds at every start and again for each length of prompt; these take one second. They round where the modules round,
so that both give the same numbers.

Attention of one token over a long cache: PyTorch's kernels give each head one block of the GPU, which then goes through
the cache alone; with eight heads most of the GPU has nothing to do. Here the cache is cut into parts that are worked on
side by side, and the part that finishes last joins them (flash-decoding, Dao et al. 2023). The same kernel applies norm
and rotation to the query, and writes the new key into the cache. The length of the cache is read from the GPU's own
memory, so one captured graph serves all lengths, and empty places are never read.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import triton  # pyright: ignore[reportMissingImports]  comes with PyTorch's CUDA builds only
import triton.language as tl  # pyright: ignore[reportMissingImports]
from torch import Tensor

from commentator_lib.commentators.minicpmo import layers
from commentator_lib.commentators.minicpmo.launching import launch
from commentator_lib.commentators.minicpmo.layers import Layer, Shape, linear
from commentator_lib.commentators.minicpmo.norm_kernels import add_norm, gate, rotate_heads

# Parts of the cache, each for a program of its own, and the columns that it looks at together.
_PARTS = 16
_BLOCK = 32
# The smallest number of rows that tensor cores multiply; a head's group of queries is padded to it.
_ROWS = 16


def supports(shape: Shape) -> bool:
    """Return whether these kernels can compute layers of this shape: the width of a head is a power of 2, from 16."""
    size = shape.head_dim
    return size >= _ROWS and size == triton.next_power_of_2(size)


def after_attention(x: Tensor, attended: Tensor, layer: Layer, shape: Shape) -> tuple[Tensor, Tensor]:
    """Return what layers.after_attention returns."""
    x, normed = add_norm(x, linear(attended, layer.out), layer.mlp_norm, shape.norm_epsilon)
    return x, linear(gate(linear(normed, layer.gate_up)), layer.down)


class Scratch(NamedTuple):
    """Working memory in which the parts of one token's attention meet.

    Each sequence has its own, since two sequences may run at once.
    """

    sums: Tensor  # (heads, parts, d) float32
    peaks: Tensor  # (heads, parts) float32
    totals: Tensor  # (heads, parts) float32
    arrived: Tensor  # (kv_heads,) int32, zeros between two steps


def scratch(shape: Shape, device: torch.device) -> Scratch:
    """Return the working memory of `attention` for one sequence."""
    peaks, totals = torch.zeros(2, shape.heads, _PARTS, device=device).unbind()
    return Scratch(
        torch.zeros(shape.heads, _PARTS, shape.head_dim, device=device),
        peaks,
        totals,
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
    """Return what layers.attention returns; shapes as there."""
    x, normed = add_norm(x, delta, layer.norm, shape.norm_epsilon)
    joined = linear(normed, layer.qkv)  # (n, (heads + 2 · kv_heads) · d)
    if x.shape[0] == 1:
        return x, attend_one(joined, layer, keys, values, positions, cos, sin, shape, scratch)
    return x, _attend_many(joined, layer, keys, values, positions, span, cos, sin, shape)


def _attend_many(
    joined: Tensor,
    layer: Layer,
    keys: Tensor,
    values: Tensor,
    positions: Tensor,
    span: int,
    cos: Tensor,
    sin: Tensor,
    shape: Shape,
) -> Tensor:
    """Return the attention (n, heads · d) of several tokens' `joined` query, key and value."""
    count = joined.shape[0]  # n
    # (n, heads, d)
    queries = torch.empty(count, shape.heads, shape.head_dim, device=joined.device, dtype=joined.dtype)
    query_norm, key_norm, normed = _norms(joined, layer)
    launch(
        _place,
        (count, shape.heads + 2 * shape.kv_heads),
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
    """Return the weights (d,) of query norm and key norm, and whether the layer has them.

    A kernel needs some tensor in their place where there are none.
    """
    if layer.query_norm is None or layer.key_norm is None:
        return joined, joined, False
    return layer.query_norm, layer.key_norm, True


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
    """Write one head of one token to its place: a query or a key after norm and rotation, a value as it is."""
    # 1) read the head, in two halves
    row, head = tl.program_id(0), tl.program_id(1)
    size: tl.constexpr = 2 * HALF
    half = tl.arange(0, HALF)[None, :]
    source = joined + row * (HEADS + 2 * KV_HEADS) * size + head * size
    low, high = tl.load(source + half), tl.load(source + HALF + half)
    # 2) norm and rotation, for a query or a key
    position = tl.load(positions + row)
    if head < HEADS + KV_HEADS:
        weight = query_norm if head < HEADS else key_norm
        low, high = rotate_heads(
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
    # 3) write it to its place
    if head < HEADS:
        target = queries + (row * HEADS + head) * size
    elif head < HEADS + KV_HEADS:
        target = keys + (head - HEADS) * stride + position * size
    else:
        target = values + (head - HEADS - KV_HEADS) * stride + position * size
    tl.store(target + half, low)
    tl.store(target + HALF + half, high)


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
    """Attend to one part of one head's cache for all its queries; the program that finishes last joins the parts."""
    # 1) the head's queries after norm and rotation: (ROWS, size)
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
    low, high = rotate_heads(low, high, query_norm, turn[0], turn[1], epsilon, HALF, NORMED, kind)
    query = tl.reshape(tl.permute(tl.join(low, high), (0, 2, 1)), (ROWS, size))
    # 2) attention to this part of the cache, block by block, with a running maximum
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
    # 3) one part adds the token itself, which is not in the cache yet, and writes its key and value
    if part == (now // BLOCK) % PARTS:
        own = joined + (HEADS + head) * size
        key_low, key_high = tl.load(own + half)[None, :], tl.load(own + HALF + half)[None, :]
        key_low, key_high = rotate_heads(
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
    # 4) leave this part's result for the others
    row = (head * group + rows) * PARTS + part
    tl.store(sums + row[:, None] * size + columns[None, :], found, mask=real[:, None])
    tl.store(peaks + row, peak, mask=real)
    tl.store(totals + row, total, mask=real)
    tl.debug_barrier()  # all is written before the part is counted as arrived
    # 5) the last part to arrive joins all results
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


def attend_one(
    joined: Tensor,
    layer: Layer,
    keys: Tensor,
    values: Tensor,
    position: Tensor,
    cos: Tensor,
    sin: Tensor,
    shape: Shape,
    scratch: Scratch,
) -> Tensor:
    """Return the attention (1, heads · d) of one token's joined query, key and value (1, (heads + 2 · kv_heads) · d).

    It attends to all places before `position` (1,) and to the token itself, whose key and value are written.
    """
    # 1) the output and the sizes
    heads, kv_heads, size = shape.heads, shape.kv_heads, shape.head_dim
    out = torch.empty(1, heads * size, device=joined.device, dtype=joined.dtype)  # (1, heads · d)
    query_norm, key_norm, normed = _norms(joined, layer)
    group = triton.next_power_of_2(heads // kv_heads)
    # 2) one program for each part of each head's cache
    launch(
        _attend_one,
        (kv_heads, _PARTS),
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
