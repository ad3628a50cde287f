"""Token2wav's flow model over a cache of fixed places: ten steps through sixteen layers as one CUDA graph.

The model's own loop extends, copies and cuts the keys and values of all steps with every chunk (half a gigabyte), and
launches five thousand kernels from Python for each second of sound. Its attention has no positions, so a key may be
anywhere in the cache: here each new key goes to a free place, and places that must not be seen are masked.

On a CPU the numbers are the same except for the order of sums. On a GPU the layers, keys and values are float16, and
the sums from layer to layer are float32. Float16 has 10 bits like TF32, in which PyTorch computes convolutions by
default, in the model's own loop too; `experiments.bench_model` measures what this changes in the sound.

The caller (stepaudio2's Token2wav) carries the cache from chunk to chunk and cuts it to what it wants to keep. It is
given a list of places instead of the cache, and cuts that.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from commentator_lib.commentators.minicpmo.graphs import GraphedFunction

# Token2wav keeps as many of the newest frames as the reference recording has, and the 100 oldest; a chunk is added.
_KEPT_FRAMES = 100
_LONGEST_CHUNK = 64
# The fused attention kernels take masks in multiples of this length.
_ALIGNED = 16


class FlowSolver:
    """Replaces `forward_chunk` of the flow's decoder (stepaudio2's CausalConditionalCFM), with S steps and L layers.

    `att_cache` (S, L, 2, heads, n, 2 · d) is what the reference recording of n mel frames left in the cache. The layers
    of `decoder` are moved to the host's memory: copies of them run.
    """

    @torch.inference_mode()
    def __init__(self, decoder: Any, steps: int, att_cache: Tensor) -> None:
        self._decoder = decoder
        self._steps = steps
        estimator = decoder.estimator
        weight = estimator.in_proj.weight
        # 1) the times of the steps and their lengths: (S,) each
        ends = torch.linspace(0, 1, steps + 1, device=weight.device, dtype=weight.dtype)
        ends = 1 - torch.cos(ends * 0.5 * torch.pi)
        times, lengths = [ends[0]], [ends[1] - ends[0]]
        for end in ends[2:]:  # as the model's own loop counts, with its rounding
            times.append(times[-1] + lengths[-1])
            lengths.append(end - times[-1])
        self._lengths = torch.stack(lengths)
        self._times = estimator.t_embedder(torch.stack(times)).unsqueeze(1)  # (S, 1, H)
        # 2) the modulations that each layer computes from the time, the same in every chunk: (S, L, 1, 9 · H)
        self._modulations = torch.stack(
            [block.adaLN_modulation(self._times) for block in estimator.blocks], dim=1
        )
        # 3) the layers, and a cache that holds what Token2wav keeps and one chunk
        self._reference = att_cache.shape[4]
        length = 2 * max(self._reference, _KEPT_FRAMES) + _LONGEST_CHUNK
        length = -(-length // _ALIGNED) * _ALIGNED
        dtype = torch.float16 if weight.is_cuda else weight.dtype
        with torch.inference_mode(False):
            self.blocks = nn.ModuleList(_copy_to_run(block, dtype) for block in estimator.blocks)
        keys, values = att_cache[:steps].to(dtype).chunk(2, dim=5)  # (S, L, 2, heads, n, d) each
        size = *keys.shape[:4], length, keys.shape[5]
        # (S, L, 2, heads, length, d) each
        self._keys, self._values = torch.zeros(2, *size, device=weight.device, dtype=dtype)
        self._keys[:, :, :, :, : self._reference] = keys
        self._values[:, :, :, :, : self._reference] = values
        # 4) lengths of chunks that are captured
        self._sizes: set[int] = set()
        self.graphed = GraphedFunction(self._run_without_autocast, tf32=True)

    @property
    def reference_places(self) -> Tensor:
        """The places of the reference recording (1, 1, 1, 1, n, 1), which the caller keeps instead of its cache."""
        return torch.arange(self._reference).view(1, 1, 1, 1, -1, 1)

    @torch.inference_mode()
    def __call__(
        self,
        mu: Tensor,
        spks: Tensor,
        cond: Tensor,
        n_timesteps: int,
        temperature: float,
        cnn_cache: Tensor,
        att_cache: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return (mel frames (1, 80, n), cnn_cache, att_cache) of a chunk of n frames.

        `mu` and `cond` are (1, 80, n), `spks` is (1, 80). `att_cache` (1, 1, 1, 1, length, 1) are places in the cache,
        those of the newest frames first. `cnn_cache` is right only after a chunk of a captured length; any other
        length must be a comment's last. Raise ValueError for another number of steps than was prepared.
        """
        # 1) a chunk of a length that was not captured is padded to one that was, by frames that are masked: the frames
        # before them stay the same, since the convolutions only look back
        if n_timesteps != self._steps:
            raise ValueError(f"{n_timesteps} steps, and {self._steps} were prepared")
        frames, length = mu.shape[2], self._keys.shape[4]
        size = self._size_for(frames)
        # 2) free places for its keys and values; those of the reference recording are never written again, since
        # each comment begins with them
        taken: list[int] = att_cache.flatten().tolist()
        free = sorted(set(range(self._reference, length)) - set(taken))
        places = free[:size]
        visible = torch.full((length,), -torch.inf)
        visible[taken + places[:frames]] = 0
        # 3) run: (1, 80, size) each
        noise = self._decoder.rand_noise[:, :, len(taken) : len(taken) + frames] * temperature
        noise, mu, cond = (F.pad(part, (0, size - frames)) for part in (noise, mu, cond))
        dtype = self._keys.dtype
        mel, kept = self.graphed(
            noise,
            mu,
            spks,
            cond,
            cnn_cache[: self._steps].to(dtype),
            torch.tensor(places, device=mu.device),
            visible.to(mu.device, dtype),
        )
        return mel[:, :, :frames], kept, torch.tensor(places[:frames] + taken).view(1, 1, 1, 1, -1, 1)

    def _size_for(self, frames: int) -> int:
        """Return the smallest captured length from `frames` on; while graphs are being captured that is `frames`."""
        if self.graphed.graph_pool is not None:
            self._sizes.add(frames)
        return min((size for size in self._sizes if size >= frames), default=frames)

    def _run_without_autocast(self, *tensors: Tensor) -> tuple[Tensor, Tensor]:
        """Return what `_run` returns, without the caller's autocast, which would compute attention in float32."""
        with torch.autocast(tensors[0].device.type, enabled=False):
            return self._run(*tensors)

    def _run(
        self, x: Tensor, mu: Tensor, spks: Tensor, cond: Tensor, cnn: Tensor, places: Tensor, visible: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Take the Euler steps from noise `x` (1, 80, n); return mel frames (1, 80, n), and what the convolutions keep.

        `places` (n,) is where its keys and values go, `visible` (length,) is 0 for places that are seen, else −inf.
        """
        estimator, rate = self._decoder.estimator, self._decoder.inference_cfg_rate
        # one half with the speech that is wanted, one half without it (classifier-free guidance): (2, 240, n)
        given = torch.cat([mu, spks.unsqueeze(-1).expand(-1, -1, mu.shape[2]), cond], dim=1)
        given = torch.cat([given, torch.zeros_like(given)])
        # (2, heads, n, length)
        mask = visible.view(1, 1, 1, -1).expand(2, self._keys.shape[3], x.shape[2], -1)
        kept = []
        for step in range(self._steps):
            # (2, n, H)
            hidden = estimator.in_proj(torch.cat([x.expand(2, -1, -1), given], dim=1).transpose(1, 2))
            for number, block in enumerate(self.blocks):
                hidden, convolved = self._block(
                    block,
                    hidden,
                    self._modulations[step, number],
                    cnn[step, number],
                    self._keys[step, number],
                    self._values[step, number],
                    places,
                    mask,
                )
                kept.append(convolved)
            slope = estimator.final_layer(hidden, self._times[step]).transpose(1, 2)  # (2, 80, n)
            x = x + self._lengths[step] * ((1 + rate) * slope[:1] - rate * slope[1:])
        return x, torch.stack(kept).view(cnn.shape)

    def _block(
        self,
        block: Any,
        x: Tensor,
        modulation: Tensor,
        cnn: Tensor,
        keys: Tensor,
        values: Tensor,
        places: Tensor,
        mask: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Return the output (2, n, H) of one layer on x (2, n, H), and what its convolution keeps.

        `modulation` is (1, 9 · H), `keys` and `values` (2, heads, length, d), `mask` (2, heads, n, length).
        """
        attention, dtype = block.attn, keys.dtype
        # 1) attention; (1, H) each
        shift_a, scale_a, gate_a, shift_m, scale_m, gate_m, shift_c, scale_c, gate_c = modulation.chunk(
            9, dim=-1
        )
        normed = (block.norm1(x) * (1 + scale_a) + shift_a).to(dtype)  # (2, n, H)
        # (2, heads, n, d) each
        query, key, value = (
            attention.to_heads(of(normed)) for of in (attention.to_q, attention.to_k, attention.to_v)
        )
        keys.index_copy_(2, places, attention.k_norm(key))
        values.index_copy_(2, places, value)
        attended = F.scaled_dot_product_attention(attention.q_norm(query), keys, values, attn_mask=mask)
        x = x + gate_a * attention.proj(attended.transpose(1, 2).reshape(*x.shape[:2], -1))
        # 2) convolution
        convolved, kept = block.conv.forward_chunk((block.norm3(x) * (1 + scale_c) + shift_c).to(dtype), cnn)
        x = x + gate_c * convolved
        # 3) MLP
        return x + gate_m * block.mlp((block.norm2(x) * (1 + scale_m) + shift_m).to(dtype)), kept


def _copy_to_run(block: Any, dtype: torch.dtype) -> nn.Module:
    """Return a copy of a layer in `dtype`, without the part that computes its modulations.

    `block` (stepaudio2's DiTBlock) itself is moved to the host's memory.
    """
    modulate, block.adaLN_modulation = block.adaLN_modulation, None
    copied = copy.deepcopy(block).to(dtype)
    block.adaLN_modulation = modulate
    block.cpu()
    return copied
