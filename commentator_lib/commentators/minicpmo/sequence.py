"""A transformer that takes in a growing sequence: embeddings in, hidden states out, the past in a cache.

There are two classes with one interface. `PlainSequence` uses transformers' own modules and runs everywhere.
`LayeredSequence` uses the plain functions of layers.py over a cache of fixed size, so that a prompt, and a step of one
token (token_loop.py), can be captured as CUDA graphs and replayed without Python.
"""

from __future__ import annotations

import sys
from functools import partial
from typing import Any, Protocol

import torch
from torch import Tensor
from transformers.cache_utils import DynamicCache

from commentator_lib.commentators.minicpmo import layers
from commentator_lib.commentators.minicpmo.graphs import CapturedGraph, GraphPool, capture_graph


class CachedSequence(Protocol):
    """A decoder of width H with the cache of what it has taken in."""

    @property
    def room(self) -> int:
        """How many more positions it can take in."""
        ...

    def begin(self) -> None:
        """Forget everything."""
        ...

    def take(self, embeds: Tensor) -> Tensor:
        """Take in embeddings (1, n, H); return their hidden states (1, n, H)."""
        ...

    def step(self, embeds: Tensor) -> Tensor:
        """Take in one token's embedding (1, H); return its hidden state (1, H). Call `advance(1)` afterwards."""
        ...

    def advance(self, steps: int) -> None:
        """Count the `steps` that were run; below 0: forget the last ones."""
        ...

    def forget(self, start: int, count: int) -> None:
        """Forget `count` positions from `start` on; what comes behind them moves up, and its keys are turned to that.

        The method is that of StreamingLLM (Xiao et al., arXiv 2309.17453) as the model's own code has it: positions are
        places in the cache. Raise ValueError for positions that were not taken in.
        """
        ...

    def capture_new_shapes(self) -> None:
        """Capture graphs for what is new; forgets everything."""
        ...


def turn_back(keys: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Return keys (..., d) as they would be some positions earlier; `cos` and `sin` (d,) are of that many positions.

    Computed in float32: a key that is moved again and again is rounded once each time.
    """
    wide = keys.float()
    low, high = wide.chunk(2, dim=-1)
    return (wide * cos.float() - torch.cat([-high, low], dim=-1) * sin.float()).to(keys.dtype)


class PlainSequence:
    """A CachedSequence whose cache grows. `model` is a decoder without its head (Qwen3Model, LlamaModel)."""

    room = sys.maxsize

    def __init__(self, model: Any) -> None:
        self._model = model
        self.begin()

    def begin(self) -> None:
        self._cache = DynamicCache()

    @torch.inference_mode()
    def take(self, embeds: Tensor) -> Tensor:
        return self._model(
            inputs_embeds=embeds, past_key_values=self._cache, use_cache=True
        ).last_hidden_state

    def step(self, embeds: Tensor) -> Tensor:
        return self.take(embeds[None])[0]

    def advance(self, steps: int) -> None:
        if steps < 0:
            self._cache.crop(steps)

    @torch.inference_mode()
    def forget(self, start: int, count: int) -> None:
        used = self._cache.get_seq_length()
        _check_span(start, count, used)
        positions = torch.tensor([[count]], device=self._model.device)
        cos, sin = self._model.rotary_emb(self._model.norm.weight, positions)  # (1, 1, d) each
        kept = DynamicCache()
        for number, (keys, values) in enumerate(_layers_of(self._cache)):
            moved = turn_back(keys[:, :, start + count :], cos[0, 0], sin[0, 0])
            kept.update(
                torch.cat([keys[:, :, :start], moved], dim=2),
                torch.cat([values[:, :, :start], values[:, :, start + count :]], dim=2),
                number,
            )
        self._cache = kept

    def capture_new_shapes(self) -> None:
        """Do nothing but forget everything: transformers' modules are not captured."""
        self.begin()


class LayeredSequence:
    """A CachedSequence with a cache for `length` positions; layers of L, kv_heads and head width d.

    `step` reads its position from the GPU's memory, so that it can be captured; the host counts along by `advance`.
    With a `graph_pool` `take` is captured too, once for each multiple of `bucket` rows. A length that is new runs
    without a graph until `capture_new_shapes` is called. With a prompt the next `ahead` multiples are captured too,
    since later prompts are longer.

    Raise ValueError for a decoder whose architecture is not that of layers.py.
    """

    @torch.inference_mode()
    def __init__(
        self, model: Any, length: int, graph_pool: GraphPool | None = None, bucket: int = 64, ahead: int = 0
    ) -> None:
        # 1) the weights, and the functions that run on this device
        self._shape = layers.read_shape(model)
        self._ops = _operations(model.norm.weight.device, self._shape)
        self._scratch = self._ops.scratch(self._shape, model.norm.weight.device)
        with torch.inference_mode(False):
            self._layers = layers.read_layers(model)
        self._norm: Tensor = model.norm.weight  # (H,)
        # 2) graphs of `take` by (rows, whether they are the first ones)
        self._length = length
        self._graph_pool = graph_pool
        self._bucket = bucket if graph_pool else 0
        self._ahead = ahead
        self._graphs: dict[tuple[int, bool], CapturedGraph] = {}
        self._new_shapes: set[tuple[int, bool]] = set()
        # 3) the cache, and the positions of the rotary embedding
        device, dtype = self._norm.device, self._norm.dtype
        cache = (len(self._layers), self._shape.kv_heads, length, self._shape.head_dim)
        self._keys = torch.zeros(cache, device=device, dtype=dtype)  # (L, kv_heads, length, d)
        self._values = torch.zeros(cache, device=device, dtype=dtype)  # (L, kv_heads, length, d)
        self._positions = torch.arange(length, device=device)  # (length,)
        cos, sin = model.rotary_emb(self._norm, self._positions[None])  # (1, length, d) each
        self._cos, self._sin = cos[0].contiguous(), sin[0].contiguous()  # (length, d) each
        self._position = torch.zeros(1, dtype=torch.long, device=device)
        # 4) what a captured `take` reads and writes, for any number of rows: (length, H) each
        width = self._norm.shape[0]
        self._inputs, self._outputs = torch.zeros(
            2, length if graph_pool else 0, width, device=device, dtype=dtype
        )
        self.begin()

    @torch.inference_mode()
    def begin(self) -> None:
        self._used = (
            0  # positions taken in; what the cache holds behind them is overwritten before it is read
        )
        self._position.zero_()

    @property
    def room(self) -> int:
        return self._length - self._used

    @torch.inference_mode()
    def take(self, embeds: Tensor) -> Tensor:
        """Take in embeddings (1, n, H); return their hidden states (1, n, H). Raise ValueError for more than `room`."""
        count = embeds.shape[1]
        if count > self.room:
            raise ValueError(f"{count} more positions, and there is room for {self.room}")
        start, self._used = self._used, self._used + count
        rows = -(-count // self._bucket) * self._bucket if self._bucket else 0
        key = rows, start == 0
        if key in self._graphs and start + rows <= self._length:
            hidden = self._replay(key, embeds[0], start)
        else:
            hidden = self._run(embeds[0], self._positions[start : self._used], self._used)
            if rows and key not in self._graphs:
                longer = range(rows, rows + 1 + (start == 0) * self._ahead * self._bucket, self._bucket)
                self._new_shapes |= {
                    (n, start == 0) for n in longer if n <= self._length
                } - self._graphs.keys()
        self._position.fill_(self._used)
        return hidden[None]

    @torch.inference_mode()
    def step(self, embeds: Tensor) -> Tensor:
        """Return the hidden state (1, H) after one more token's embedding (1, H)."""
        hidden = self._run(embeds, self._position, self._length)
        self._position += 1
        return hidden

    @torch.inference_mode()
    def advance(self, steps: int) -> None:
        self._used += steps
        if steps < 0:
            self._position.fill_(self._used)

    @torch.inference_mode()
    def forget(self, start: int, count: int) -> None:
        used = self._used
        _check_span(start, count, used)
        cos, sin = self._cos[count], self._sin[count]  # (d,) each
        for keys, values in zip(
            self._keys, self._values, strict=True
        ):  # layer by layer: the copies stay small
            keys[:, start : used - count] = turn_back(keys[:, start + count : used], cos, sin)
            values[:, start : used - count] = values[:, start + count : used].clone()
        self.advance(-count)

    @torch.inference_mode()
    def capture_new_shapes(self) -> None:
        if self._graph_pool is not None:
            # the largest first, so that the memory of its graph serves the others too
            for key in sorted(self._new_shapes, reverse=True):
                rows, is_prompt = key
                # a prompt starts at 0 and attends to none of the later columns of the cache
                span = rows if is_prompt else self._length
                self.begin()
                self._graphs[key] = capture_graph(partial(self._run_in_place, rows, span), self._graph_pool)
        self._new_shapes.clear()
        self.begin()

    def _run_in_place(self, rows: int, span: int) -> None:
        self._outputs[:rows] = self._run(self._inputs[:rows], self._position + self._positions[:rows], span)

    def _replay(self, key: tuple[int, bool], x: Tensor, start: int) -> Tensor:
        """Return what `_run` returns for x (n, H), by a captured graph.

        The graph may have more rows than x; what the last ones leave in the cache is overwritten before it is read.
        """
        self._inputs[: len(x)] = x
        self._position.fill_(start)
        self._graphs[key].replay()
        return self._outputs[: len(x)].clone()

    def _run(self, x: Tensor, positions: Tensor, span: int) -> Tensor:
        """Return hidden states (n, H) for embeddings x (n, H) at `positions` (n,).

        They attend to the first `span` columns of the cache.
        """
        delta = torch.zeros_like(x)  # (n, H)
        for layer, keys, values in zip(self._layers, self._keys, self._values, strict=True):
            x, attended = self._ops.attention(
                x,
                delta,
                layer,
                keys,
                values,
                positions,
                span,
                self._cos,
                self._sin,
                self._shape,
                self._scratch,
            )
            x, delta = self._ops.after_attention(x, attended, layer, self._shape)
        return layers.rms_norm(x + delta, self._norm, self._shape.norm_epsilon)


def _check_span(start: int, count: int, used: int) -> None:
    if start < 0 or count < 1 or start + count > used:
        raise ValueError(f"{count} positions from {start} on, and {used} were taken in")


def _layers_of(cache: Any) -> list[tuple[Tensor, Tensor]]:
    """Return the keys and values (1, kv_heads, n, d) of each layer of a DynamicCache, of transformers 4 or 5."""
    if hasattr(cache, "layers"):
        return [(layer.keys, layer.values) for layer in cache.layers]
    return list(zip(cache.key_cache, cache.value_cache, strict=True))


def _operations(device: torch.device, shape: layers.Shape) -> Any:
    """Return the module whose functions compute a layer on this device: layers, or kernels, which needs Triton."""
    if device.type != "cuda":
        return layers
    from commentator_lib.commentators.minicpmo import kernels

    if not kernels.supports(shape):
        raise ValueError(f"no kernels for heads of {shape.head_dim}")
    return kernels
