"""A transformer taking in a growing sequence: embeddings in, hidden states out, the past in a cache.

Two ways with one interface. `PlainSequence` is transformers' own modules and runs everywhere. `LayeredSequence` has
the layers written out over a cache of fixed size, so that a prompt, and a step of one token (token_loop.py), can be
recorded as CUDA graphs and replayed without Python.
"""

from __future__ import annotations

import sys
from functools import partial
from typing import Protocol

import torch
from torch import Tensor
from transformers.cache_utils import DynamicCache

from commentator_lib.commentators.minicpmo import layers
from commentator_lib.commentators.minicpmo.graphs import GraphPool, Recording, record


class Sequence(Protocol):
    """`begin` forgets everything; `take` adds embeddings (1, n, H) and returns their hidden states (1, n, H).

    `room` is how many more positions it can take in. `step` is `take` for one token's embedding (1, H); `moved` is
    told after each (1), and when the last ones are to be forgotten (below 0).
    """

    room: int

    def begin(self) -> None: ...

    def take(self, embeds: Tensor) -> Tensor: ...

    def step(self, embeds: Tensor) -> Tensor: ...

    def moved(self, steps: int) -> None: ...


class PlainSequence:
    """The past in a cache that grows. `model` is a decoder without its head (Qwen3Model, LlamaModel)."""

    room = sys.maxsize

    def __init__(self, model) -> None:
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

    def moved(self, steps: int) -> None:
        if steps < 0:
            self._cache.crop(steps)


class LayeredSequence:
    """The past in a cache for `length` positions. ValueError for a decoder whose layers are not as layers.py has them.

    `step` goes by the position that the GPU itself counts, so that it can be recorded, and tells nobody: hence
    `moved`. With a `lane`, `take` is recorded too, once for each multiple of `bucket` rows; until `settle` is called,
    when there is time for that, it runs as it is. With a prompt the next `ahead` multiples are recorded too: the next
    prompts will be longer.
    """

    @torch.inference_mode()
    def __init__(
        self, model, length: int, lane: GraphPool | None = None, bucket: int = 64, ahead: int = 0
    ) -> None:
        self._shape = layers.read_shape(model)
        self._ops = _operations(model.norm.weight.device, self._shape)
        self._scratch = self._ops.scratch(self._shape, model.norm.weight.device)
        with torch.inference_mode(False):
            self._layers = layers.read_layers(model)
        self._norm = model.norm.weight
        self._length = length
        self._lane = lane
        self._bucket = bucket if lane else 0
        self._ahead = ahead
        self._recorded: dict[tuple[int, bool], Recording] = {}
        self._wanted: set[tuple[int, bool]] = set()
        device, dtype = self._norm.device, self._norm.dtype
        cache = (len(self._layers), self._shape.kv_heads, length, self._shape.head_dim)
        self._keys = torch.zeros(cache, device=device, dtype=dtype)
        self._values = torch.zeros(cache, device=device, dtype=dtype)
        self._positions = torch.arange(length, device=device)
        cos, sin = model.rotary_emb(self._norm, self._positions[None])
        self._cos, self._sin = cos[0].contiguous(), sin[0].contiguous()
        self._position = torch.zeros(1, dtype=torch.long, device=device)
        # what goes into a recorded `take` and comes out, of any length
        width = self._norm.shape[0]
        self._given, self._out = torch.zeros(2, length if lane else 0, width, device=device, dtype=dtype)
        self.begin()

    @torch.inference_mode()
    def begin(self) -> None:
        self._used = 0  # what lies behind it is overwritten before it is seen
        self._position.zero_()

    @property
    def room(self) -> int:
        return self._length - self._used

    @torch.inference_mode()
    def take(self, embeds: Tensor) -> Tensor:
        count = embeds.shape[1]
        if count > self.room:
            raise ValueError(f"{count} more positions, and there is room for {self.room}")
        start, self._used = self._used, self._used + count
        rows = -(-count // self._bucket) * self._bucket if self._bucket else 0
        key = rows, start == 0
        if key in self._recorded and start + rows <= self._length:
            hidden = self._replayed(key, embeds[0], start)
        else:
            hidden = self._run(embeds[0], self._positions[start : self._used], self._used)
            if rows and key not in self._recorded:
                longer = range(rows, rows + 1 + (start == 0) * self._ahead * self._bucket, self._bucket)
                self._wanted |= {(n, start == 0) for n in longer if n <= self._length} - self._recorded.keys()
        self._position.fill_(self._used)
        return hidden[None]

    @torch.inference_mode()
    def step(self, embeds: Tensor) -> Tensor:
        """The hidden state (1, H) after one more token's embedding (1, H)."""
        hidden = self._run(embeds, self._position, self._length)
        self._position += 1
        return hidden

    @torch.inference_mode()
    def moved(self, steps: int) -> None:
        """`step` was run so many times; below 0: the last ones are to be forgotten."""
        self._used += steps
        if steps < 0:
            self._position.fill_(self._used)

    @torch.inference_mode()
    def settle(self) -> None:
        """Record what has been met; forgets everything that was taken in."""
        for key in sorted(
            self._wanted, reverse=True
        ):  # the largest first: the others find room in its memory
            rows, is_prompt = key
            # a prompt starts at 0 and need not look at the rest of the cache
            span = rows if is_prompt else self._length
            self.begin()
            self._recorded[key] = record(partial(self._run_recorded, rows, span), self._lane)
        self._wanted.clear()
        self.begin()

    def _run_recorded(self, rows: int, span: int) -> None:
        self._out[:rows] = self._run(self._given[:rows], self._position + self._positions[:rows], span)

    def _replayed(self, key: tuple[int, bool], x: Tensor, start: int) -> Tensor:
        """`_run` from a recorded graph, the last rows of which may hold nothing.

        What they leave in the cache is overwritten before it is seen.
        """
        self._given[: len(x)] = x
        self._position.fill_(start)
        self._recorded[key].replay()
        return self._out[: len(x)].clone()

    def _run(self, x: Tensor, positions: Tensor, span: int) -> Tensor:
        """Hidden states (n, H) after embeddings (n, H), which see the first `span` columns of the cache."""
        delta = torch.zeros_like(x)
        for layer, keys, values in zip(self._layers, self._keys, self._values, strict=True):
            x, found = self._ops.attention(
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
            x, delta = self._ops.after_attention(x, found, layer, self._shape)
        return layers.rms_norm(x + delta, self._norm, self._shape.norm_epsilon)


def _operations(device: torch.device, shape: layers.Shape):
    """The module whose functions a layer is made of on this device."""
    if device.type != "cuda":
        return layers
    from commentator_lib.commentators.minicpmo import kernels

    if not kernels.takes(shape):
        raise ValueError(f"no kernels for heads of {shape.head_dim}")
    return kernels
