"""The layers of Qwen3 and Llama written out: what runs of the language model and of the talker for one token.

transformers' own modules launch some forty small kernels a layer, and a step is bound by their number, not by the
weights that it reads. Written out, with query, key and value (and gate and up) as one product each, there are few
places left where kernels can be joined; kernels.py has those for a GPU. The weights stay where they are: the modules
see views of the joined ones, so that the plain way goes on working on the same memory.

Every function here is pure but for the cache that it writes, and runs on a CPU too: the tests hold it against the
modules there.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from commentator_lib.commentators.minicpmo.int4 import Int4, Int4Linear, joined, matmul


class Layer(NamedTuple):
    """The weights of one layer. `query_norm` and `key_norm` are None where the architecture has none (Llama)."""

    norm: Tensor
    qkv: Tensor | Int4
    query_norm: Tensor | None
    key_norm: Tensor | None
    out: Tensor | Int4
    mlp_norm: Tensor
    gate_up: Tensor | Int4
    down: Tensor | Int4


class Shape(NamedTuple):
    """What all layers have in common."""

    heads: int
    kv_heads: int
    head_dim: int
    norm_epsilon: float


def read_shape(model) -> Shape:
    """Of a Qwen3Model or LlamaModel. ValueError for a decoder that is built in another way."""
    config = model.config
    attention = model.layers[0].self_attn
    biased = any(getattr(layer, "bias", None) is not None for layer in model.layers.modules())
    windowed = any(getattr(layer.self_attn, "sliding_window", None) for layer in model.layers)
    if biased or windowed or config.hidden_act != "silu":
        raise ValueError(f"{type(model).__name__} has biases, another activation or a sliding window")
    return Shape(
        config.num_attention_heads,
        config.num_key_value_heads,
        attention.head_dim,
        model.norm.variance_epsilon,
    )


@torch.no_grad()
def read_layers(model) -> list[Layer]:
    """The layers' weights, joined where they are used together; the modules become views of the joined ones."""
    return [_read_layer(layer) for layer in model.layers]


def _read_layer(layer) -> Layer:
    attention, mlp = layer.self_attn, layer.mlp
    groups = [
        [attention.q_proj, attention.k_proj, attention.v_proj],
        [attention.o_proj],
        [mlp.gate_proj, mlp.up_proj],
        [mlp.down_proj],
    ]
    int4 = isinstance(attention.q_proj, Int4Linear)
    qkv, out, gate_up, down = joined(groups) if int4 else map(_join, groups)
    return Layer(
        layer.input_layernorm.weight,
        qkv,
        getattr(getattr(attention, "q_norm", None), "weight", None),
        getattr(getattr(attention, "k_norm", None), "weight", None),
        out,
        layer.post_attention_layernorm.weight,
        gate_up,
        down,
    )


def _join(linears: list[nn.Module]) -> Tensor:
    if not all(isinstance(linear, nn.Linear) for linear in linears):
        raise ValueError(f"layers of {type(linears[0]).__name__} cannot be joined")
    return linears[0].weight if len(linears) == 1 else join(linears)[0]


def join(linears: list[nn.Linear]) -> tuple[Tensor, Tensor | None]:
    """Weight and bias of these layers as one product; the modules become views of it."""
    sizes = [linear.out_features for linear in linears]
    found: dict[str, Tensor | None] = {"weight": None, "bias": None}
    for name in found:
        parts = [getattr(linear, name) for linear in linears]
        if parts[0] is None:
            continue
        found[name] = whole = torch.cat(parts)
        for linear, part in zip(linears, whole.split(sizes), strict=True):
            setattr(linear, name, nn.Parameter(part, requires_grad=False))
    return found["weight"], found["bias"]


def rms_norm(x: Tensor, weight: Tensor, epsilon: float) -> Tensor:
    """Over the last dimension, in float32, rounded before the weight as transformers has it."""
    wide = x.float()
    return weight * (wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + epsilon)).to(x.dtype)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary position embedding: x (n, heads, d), cos and sin (n, 1, d)."""
    low, high = x.chunk(2, dim=-1)
    return x * cos + torch.cat([-high, low], dim=-1) * sin


def linear(x: Tensor, weight: Tensor | Int4) -> Tensor:
    return matmul(x, weight) if isinstance(weight, Int4) else F.linear(x, weight)


def before_attention(
    x: Tensor,
    delta: Tensor,
    layer: Layer,
    keys: Tensor,
    values: Tensor,
    positions: Tensor,
    cos: Tensor,
    sin: Tensor,
    shape: Shape,
) -> tuple[Tensor, Tensor]:
    """Add what the layer before left, write keys and values into the cache; (x (n, H), queries (n, heads, d)).

    `keys` and `values` are (kv_heads, length, d), `positions` (n,), `cos` and `sin` (length, d).
    """
    x = x + delta
    count = x.shape[0]
    queries = shape.heads * shape.head_dim
    rest = shape.kv_heads * shape.head_dim
    query, key, value = linear(rms_norm(x, layer.norm, shape.norm_epsilon), layer.qkv).split(
        [queries, rest, rest], dim=-1
    )
    query = query.view(count, shape.heads, shape.head_dim)
    key = key.view(count, shape.kv_heads, shape.head_dim)
    if layer.query_norm is not None:
        query = rms_norm(query, layer.query_norm, shape.norm_epsilon)
        key = rms_norm(key, layer.key_norm, shape.norm_epsilon)
    cos, sin = cos[positions].unsqueeze(1), sin[positions].unsqueeze(1)
    keys[:, positions] = rotate(key, cos, sin).transpose(0, 1)
    values[:, positions] = value.view(count, shape.kv_heads, shape.head_dim).transpose(0, 1)
    return x, rotate(query, cos, sin)


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
    _scratch: None = None,
) -> tuple[Tensor, Tensor]:
    """(x (n, H) with what the layer before left, what attention finds for it (n, heads·d)).

    Keys and values of these tokens are written into the cache, of which the first `span` columns are looked at.
    """
    x, queries = before_attention(x, delta, layer, keys, values, positions, cos, sin, shape)
    return x, attend(queries, keys[:, :span], values[:, :span], positions)


def scratch(_shape: Shape, _device: torch.device) -> None:
    """What `attention` needs beside its arguments: kernels.py has something."""


def after_attention(x: Tensor, attended: Tensor, layer: Layer, shape: Shape) -> tuple[Tensor, Tensor]:
    """(x (n, H), what the layer adds to it): the sum is left to the next layer, whose norm reads it anyway."""
    x = x + linear(attended, layer.out)
    gate, up = linear(rms_norm(x, layer.mlp_norm, shape.norm_epsilon), layer.gate_up).chunk(2, dim=-1)
    return x, linear(F.silu(gate) * up, layer.down)


def attend(queries: Tensor, keys: Tensor, values: Tensor, positions: Tensor) -> Tensor:
    """Causal attention of queries (n, heads, d) at `positions` (n,) over a cache (kv_heads, length, d).

    Returns (n, heads·d).
    """
    count, length = queries.shape[0], keys.shape[1]
    # as many queries as columns are the first ones: then the kernel needs no mask
    visible = None
    if count != length:
        visible = torch.arange(length, device=keys.device) <= positions[:, None]
    found = F.scaled_dot_product_attention(
        queries.transpose(0, 1)[None],
        keys[None],
        values[None],
        attn_mask=visible,
        is_causal=visible is None,
        enable_gqa=queries.shape[1] != keys.shape[0],
    )
    return found[0].transpose(0, 1).reshape(count, -1)
