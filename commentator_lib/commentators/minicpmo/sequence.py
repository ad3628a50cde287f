"""A transformer taking in a growing sequence: embeddings in, hidden states out, the past in a cache.

Two ways with one interface. `PlainSequence` runs everywhere. `GraphSequence` needs a CUDA GPU: a step of one token
is some thousand small kernels, and launching them from Python takes four times as long as they run; it also holds
the interpreter, so that nothing else gets on beside it. There the cache has a fixed size and one recorded CUDA graph
replays the whole step (the way of pytorch-labs/gpt-fast, on the model's own modules).
"""

from __future__ import annotations

import sys
from typing import Protocol

import torch
from torch import Tensor
from transformers.cache_utils import DynamicCache, StaticCache

_WARM_STEPS = 3


class Sequence(Protocol):
    """`begin` forgets everything; `take` adds embeddings (1, n, H) and returns their hidden states (1, n, H).

    `room` is how many more positions it can take in.
    """

    room: int

    def begin(self) -> None: ...

    def take(self, embeds: Tensor) -> Tensor: ...


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


class GraphSequence:
    """The past in a cache for `length` positions, steps of one token as one CUDA graph.

    Recorded on construction; nothing else may use the GPU meanwhile. Raises what PyTorch raises where a layer
    cannot be recorded.
    """

    @torch.inference_mode()
    def __init__(self, model, length: int) -> None:
        self._model = model
        self._length = length
        table = model.embed_tokens.weight
        device, dtype = table.device, table.dtype
        self._cache = StaticCache(
            model.config, max_batch_size=1, max_cache_len=length, device=device, dtype=dtype
        )
        self._embeds = torch.zeros(1, 1, model.config.hidden_size, device=device, dtype=dtype)
        self._position = torch.zeros(1, dtype=torch.long, device=device)
        self._columns = torch.arange(length, device=device)
        # on the device already: a number from the host cannot be recorded
        self._seen = torch.zeros((), device=device, dtype=dtype)
        self._unseen = torch.full((), torch.finfo(dtype).min, device=device, dtype=dtype)
        # A stream of its own, and not PyTorch's common one for recording: a matrix product's workspace belongs to the
        # stream that it was recorded on, and two graphs that share one and run at once wait for each other for ever.
        self._stream = torch.cuda.Stream()
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            for _ in range(_WARM_STEPS):
                self._forward(self._embeds, self._position)
        self._stream.synchronize()
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph, stream=self._stream):
            self._hidden = self._forward(self._embeds, self._position)
        self.begin()

    def begin(self) -> None:
        self._used = 0  # what lies behind it is overwritten before it is seen

    @property
    def room(self) -> int:
        return self._length - self._used

    @torch.inference_mode()
    def take(self, embeds: Tensor) -> Tensor:
        count = embeds.shape[1]
        if count > self.room:
            raise ValueError(f"{count} more positions, and there is room for {self.room}")
        start, self._used = self._used, self._used + count
        if count > 1:
            return self._forward(embeds, self._columns[start : self._used])
        self._embeds.copy_(embeds)
        self._position.fill_(start)
        self._graph.replay()
        return self._hidden.clone()  # the next step writes over it

    def _forward(self, embeds: Tensor, positions: Tensor) -> Tensor:
        mask = torch.where(self._columns[None, :] <= positions[:, None], self._seen, self._unseen)[None, None]
        return self._model(
            inputs_embeds=embeds, past_key_values=self._cache, use_cache=True, cache_position=positions,
            position_ids=positions[None], attention_mask=mask,
        ).last_hidden_state  # fmt: skip
