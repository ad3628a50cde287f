"""The layers of Qwen3 and Llama as plain functions: the language model and the talker run on them on a GPU.

transformers' modules launch some forty small kernels a layer, and the time of a step depends on their number, not on
the weights that it reads. Here query, key and value are one product, and so are gate and up; kernels.py joins most of
the remaining small kernels. The weights are joined in place: the modules become views of the joined weights, so that
transformers' modules go on working on the same memory.

The functions change nothing but the key-value cache. They run on a CPU too, where the tests compare them with the
modules.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from commentator_lib.commentators.minicpmo.int4 import Int4, Int4Linear, join_int4, matmul


class Layer(NamedTuple):
    """The weights of one layer, for hidden states of width H and an MLP of width F.

    `query_norm` and `key_norm` are None where the architecture has none (Llama).
    """

    norm: Tensor  # (H,)
    qkv: Tensor | Int4  # ((heads + 2 · kv_heads) · d, H)
    query_norm: Tensor | None  # (d,)
    key_norm: Tensor | None  # (d,)
    out: Tensor | Int4  # (H, heads · d)
    mlp_norm: Tensor  # (H,)
    gate_up: Tensor | Int4  # (2 · F, H)
    down: Tensor | Int4  # (H, F)


class Shape(NamedTuple):
    """The sizes that all layers share."""

    heads: int
    kv_heads: int
    head_dim: int  # d
    norm_epsilon: float


def read_shape(model: Any) -> Shape:
    """Return the sizes of a Qwen3Model or LlamaModel. Raise ValueError for a decoder of another architecture."""
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
def read_layers(model: Any) -> list[Layer]:
    """Return the weights of all layers of a Qwen3Model or LlamaModel, joined where they are used together.

    The modules become views of the joined weights. Raise ValueError for layers that cannot be joined.
    """
    return [_read_layer(layer) for layer in model.layers]


def _read_layer(layer: Any) -> Layer:
    attention, mlp = layer.self_attn, layer.mlp
    groups = [
        [attention.q_proj, attention.k_proj, attention.v_proj],
        [attention.o_proj],
        [mlp.gate_proj, mlp.up_proj],
        [mlp.down_proj],
    ]
    int4 = isinstance(attention.q_proj, Int4Linear)
    qkv, out, gate_up, down = join_int4(groups) if int4 else map(_join_weights, groups)
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


def _join_weights(modules: list[nn.Module]) -> Tensor:
    linears = [module for module in modules if isinstance(module, nn.Linear)]
    if len(linears) != len(modules):
        raise ValueError(f"layers of {type(modules[0]).__name__} cannot be joined")
    return linears[0].weight if len(linears) == 1 else join(linears)[0]


def join(linears: list[nn.Linear]) -> tuple[Tensor, Tensor | None]:
    """Return the weights (Σ out, in) and biases (Σ out,) of these layers as one; the modules become views of them."""
    return _join_parameters(linears, "weight"), (
        None if linears[0].bias is None else _join_parameters(linears, "bias")
    )


def _join_parameters(linears: list[nn.Linear], name: str) -> Tensor:
    whole = torch.cat([getattr(linear, name) for linear in linears])
    parts = whole.split([linear.out_features for linear in linears])
    for linear, part in zip(linears, parts, strict=True):
        setattr(linear, name, nn.Parameter(part, requires_grad=False))
    return whole


def rms_norm(x: Tensor, weight: Tensor, epsilon: float) -> Tensor:
    """Return x (..., d) normalised over its last dimension and scaled by `weight` (d,).

    Computed in float32, and rounded to the dtype of x before the weight, as transformers does.
    """
    wide = x.float()
    return weight * (wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + epsilon)).to(x.dtype)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Return x (n, heads, d) after the rotary position embedding with cos and sin (n, 1, d)."""
    low, high = x.chunk(2, dim=-1)  # (n, heads, d / 2) each
    return x * cos + torch.cat([-high, low], dim=-1) * sin


def linear(x: Tensor, weight: Tensor | Int4) -> Tensor:
    """Return x (n, in) times a weight (out, in): (n, out)."""
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
    """Add what the layer before left, and write keys and values of these tokens into the cache.

    `x` and `delta` are (n, H), `keys` and `values` (kv_heads, length, d), `positions` (n,), `cos` and `sin`
    (length, d). Return (x + delta (n, H), queries (n, heads, d)).
    """
    # 1) one product for query, key and value
    x = x + delta
    count = x.shape[0]  # n
    query_width = shape.heads * shape.head_dim
    key_width = shape.kv_heads * shape.head_dim
    joined = linear(rms_norm(x, layer.norm, shape.norm_epsilon), layer.qkv)  # (n, (heads + 2 · kv_heads) · d)
    query, key, value = joined.split([query_width, key_width, key_width], dim=-1)
    query = query.view(count, shape.heads, shape.head_dim)  # (n, heads, d)
    key = key.view(count, shape.kv_heads, shape.head_dim)  # (n, kv_heads, d)
    # 2) norms, where the architecture has them
    if layer.query_norm is not None and layer.key_norm is not None:
        query = rms_norm(query, layer.query_norm, shape.norm_epsilon)
        key = rms_norm(key, layer.key_norm, shape.norm_epsilon)
    # 3) positions, and into the cache
    cos, sin = cos[positions].unsqueeze(1), sin[positions].unsqueeze(1)  # (n, 1, d)
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
    _scratch: object = None,
) -> tuple[Tensor, Tensor]:
    """Return (x + delta (n, H), what attention finds for it (n, heads · d)); shapes as in `before_attention`.

    Keys and values of these tokens are written into the cache, of which the first `span` columns are attended to.
    """
    x, queries = before_attention(x, delta, layer, keys, values, positions, cos, sin, shape)
    return x, attend(queries, keys[:, :span], values[:, :span], positions)


def scratch(_shape: Shape, _device: torch.device) -> None:
    """Return the working memory of `attention`: none here, unlike in kernels.py."""


def after_attention(x: Tensor, attended: Tensor, layer: Layer, shape: Shape) -> tuple[Tensor, Tensor]:
    """Return (x with attention's result (n, H), what the MLP adds to it (n, H)).

    Their sum is left to the next layer, whose norm reads it anyway. `attended` is (n, heads · d).
    """
    x = x + linear(attended, layer.out)
    # (n, F) each
    gate, up = linear(rms_norm(x, layer.mlp_norm, shape.norm_epsilon), layer.gate_up).chunk(2, dim=-1)
    return x, linear(F.silu(gate) * up, layer.down)


def attend(queries: Tensor, keys: Tensor, values: Tensor, positions: Tensor) -> Tensor:
    """Return causal attention (n, heads · d) of queries (n, heads, d) at `positions` (n,).

    `keys` and `values` (kv_heads, length, d) are the cache.
    """
    count, length = queries.shape[0], keys.shape[1]
    # As many queries as columns: these are the first tokens, and the kernel needs no mask.
    visible = None
    if count != length:
        # (n, length)
        visible = torch.arange(length, device=keys.device) <= positions[:, None]
    attended = F.scaled_dot_product_attention(
        queries.transpose(0, 1)[None],
        keys[None],
        values[None],
        attn_mask=visible,
        is_causal=visible is None,
        enable_gqa=queries.shape[1] != keys.shape[0],
    )
    return attended[0].transpose(0, 1).reshape(count, -1)  # (1, heads, n, d) to (n, heads · d)
