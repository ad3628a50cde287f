"""What the model hears, a second at a time: mel frames of the newest sound, an encoder that remembers, embeddings.

The method is that of the model's own code (OpenBMB/MiniCPM-o-Demo, folder MiniCPMO45): the mel frames of each second
are computed anew from up to 30 s of sound, since their range is set by the loudest of it; two frames on either side let
the convolutions see beyond the second. The encoder attends to what it kept of the seconds before; once its positions
are used up, after 29 s, it begins anew.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from commentator_lib.commentators.minicpmo.graphs import GraphedFunction, GraphPool
from commentator_lib.commentators.minicpmo.hearing import (
    RATE_HZ,
    LogMel,
    feed_forward,
    project_heads,
    to_embeddings,
)

UNIT_SAMPLES = RATE_HZ  # 1 s
# The first second needs 1.03 s of sound: two frames more, and half a window behind them.
FIRST_SAMPLES = 16_480
# A first second that is shorter than this is filled with silence in front, as in the model's own code.
_FIRST_FILLED_SAMPLES = 16_560
_HOP_SAMPLES = 160
_UNIT_FRAMES = UNIT_SAMPLES // _HOP_SAMPLES
_MORE_FRAMES = 2  # on either side of a second
_HALF_WINDOW_SAMPLES = 200
_STATES = 50  # the second convolution halves the mel frames
_LONGEST_SAMPLES, _CUT_SAMPLES = 30 * RATE_HZ, 10 * RATE_HZ
# Up to here the range of the mel frames is fixed, and from here on it is so many powers of ten below the loudest.
_FIXED_SAMPLES, _RANGE = 5 * RATE_HZ, 8.0


class StreamingMel:
    """Log-mel frames of a sound that comes second by second."""

    def __init__(self, extractor: Any, device: torch.device) -> None:
        self._log_mel, self._device = LogMel(extractor, device), device
        self.begin()

    def begin(self) -> None:
        """Forget what was heard."""
        self._sound = torch.zeros(0, device=self._device)  # (N,), the newest 30 s at most
        self._cut = 0  # frames that were cut off in front of it
        self._given = 0  # frames that were given out, without those on either side

    def push(self, samples: np.ndarray) -> Tensor:
        """Return the frames of the next second: (80, 102) of the first, (80, 104) of all others.

        `samples` (N,) float32 are the first FIRST_SAMPLES, then UNIT_SAMPLES.
        """
        # 1) the newest sound
        self._sound = torch.cat([self._sound, torch.from_numpy(samples).to(self._device)])
        if len(self._sound) >= _LONGEST_SAMPLES:
            self._sound = self._sound[_CUT_SAMPLES:].clone()
            self._cut += _CUT_SAMPLES // _HOP_SAMPLES
        # 2) all of its frames
        log = self._log_mel.log10(self._sound)  # (80, n)
        if len(self._sound) >= _FIXED_SAMPLES:
            log = log.maximum(log.amax() - _RANGE)
        # 3) those of the second
        start, self._given = self._given, self._given + _UNIT_FRAMES
        first = max(0, start - _MORE_FRAMES - self._cut)
        return (log[:, first : self._given + _MORE_FRAMES - self._cut] + 4) / 4


class StreamingHearing:
    """The audio encoder of `model` with what it keeps of the seconds before, L layers of width D.

    With a `graph_pool` the layers are captured as one CUDA graph at the first `capture`.
    """

    @torch.inference_mode()
    def __init__(self, model: Any, extractor: Any, graph_pool: GraphPool | None = None) -> None:
        apm = model.apm
        self._model, self._graph_pool = model, graph_pool
        weight = apm.conv1.weight
        self._device, self._dtype = weight.device, weight.dtype
        self._mel = StreamingMel(extractor, self._device)
        self._length = apm.embed_positions.weight.shape[0]
        heads = apm.layers[0].self_attn.num_heads
        shape = len(apm.layers), heads, self._length, weight.shape[0] // heads
        # (L, heads, length, D / heads) each
        self._keys, self._values = torch.zeros(2, *shape, device=self._device, dtype=self._dtype)
        self._encode = GraphedFunction(self._layers)
        self.begin()

    def begin(self) -> None:
        """Forget what was heard."""
        self._mel.begin()
        self._waiting = np.zeros(0, np.float32)
        self._first = True
        self._used = 0  # states that the encoder keeps

    @torch.inference_mode()
    def push(self, samples: np.ndarray) -> Tensor:
        """Return the embeddings (10, H) of the next second of sound, `samples` (N,) float32 at 16 kHz.

        What is too short for a second is filled with silence, a first one in front; more than a second waits.
        """
        x = self._convolve(self._mel.push(self._next_second(samples)))  # (50, D)
        places = torch.arange(self._used, self._used + _STATES, device=self._device)
        self._used += _STATES
        visible = torch.arange(self._length, device=self._device) < self._used
        return self._encode(x, places, visible)[0]

    def capture(self) -> None:
        """Capture the encoder's layers, where there is a pool. Raise RuntimeError where that fails."""
        if self._graph_pool is not None:
            self.begin()
            self._encode.graph_pool = self._graph_pool
            try:
                self.push(np.zeros(FIRST_SAMPLES, np.float32))
            finally:
                self._encode.graph_pool = None
        self.begin()

    def _next_second(self, samples: np.ndarray) -> np.ndarray:
        """Return the samples of the next second (N,), of those that wait and these."""
        waiting = np.concatenate([self._waiting, np.asarray(samples, np.float32)])
        wanted = UNIT_SAMPLES
        if self._first:
            wanted = FIRST_SAMPLES
            waiting = np.pad(waiting, (max(0, _FIRST_FILLED_SAMPLES - len(waiting)), 0))
        waiting = np.pad(waiting, (0, max(0, wanted - len(waiting))))
        self._waiting = waiting[wanted:]
        return waiting[:wanted]

    def _convolve(self, mel: Tensor) -> Tensor:
        """Return the states (50, D) of a second's frames (80, n), without those on either side."""
        # the model's own code counts the states on either side too
        if self._used + (mel.shape[1] - 1) // 2 + 1 >= self._length:
            self._used = 0
        x = F.gelu(self._model.apm.conv1(mel[None].to(self._dtype)))
        x = F.gelu(self._model.apm.conv2(x))[0].T  # (states, D)
        before = 0 if self._first else _MORE_FRAMES // 2
        self._first = False
        return x[before : before + _STATES]

    def _layers(self, x: Tensor, places: Tensor, visible: Tensor) -> tuple[Tensor]:
        """Return embeddings (10, H) of states x (50, D), which go to `places` (50,); `visible` (length,) are seen."""
        apm = self._model.apm
        x = (x + apm.embed_positions.weight[places])[None]  # (1, 50, D) from here on
        for layer, keys, values in zip(apm.layers, self._keys, self._values, strict=True):
            x = x + _attend(layer.self_attn, layer.self_attn_layer_norm(x), keys, values, places, visible)
            x = feed_forward(layer, x)
        return (to_embeddings(self._model, x),)


def _attend(
    attention: Any, x: Tensor, keys: Tensor, values: Tensor, places: Tensor, visible: Tensor
) -> Tensor:
    """Return Whisper's attention on x (1, n, D), whose keys and values are put into (heads, length, D / heads)."""
    query, key, value = project_heads(attention, x)  # (1, heads, n, D / heads) each
    keys.index_copy_(1, places, key[0])
    values.index_copy_(1, places, value[0])
    attended = F.scaled_dot_product_attention(
        query, keys[None], values[None], attn_mask=visible[None, None, None]
    )
    return attention.out_proj(attended.transpose(1, 2).flatten(2))  # (1, n, D)
