"""Token2wav's flow model over a cache of fixed places: ten steps through sixteen layers as one CUDA graph.

Its own loop grows, copies and cuts the keys and values of all steps with every chunk (half a gigabyte), and launches
five thousand kernels from Python, which is what a second of sound costs. Its attention knows no positions, so it does
not matter where in the cache a key stands: here each stands where there was room, and what is not to be seen is masked.
On a CPU the numbers are the same but for the order of sums. On a GPU the layers, their keys and values are float16, and
what is added up from layer to layer is float32. Float16 has the 10 bits of TF32, which is what its convolutions are by
PyTorch's default, in its own loop too; `experiments.bench_model` measures what that changes in the sound.

The caller (stepaudio2's Token2wav) carries the cache from chunk to chunk and cuts it to what it wants remembered. It is
given a list of places in the cache's stead, and cuts that.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from commentator_lib.commentators.minicpmo.graphs import Recorded

# Token2wav keeps as many of the newest frames as the reference recording has, and the 100 oldest; a chunk comes on top.
_KEPT_FRAMES = 100
_LONGEST_CHUNK = 64
# The fused attention kernels want masks in multiples of this.
_ALIGNED = 16


class FlowSolver:
    """Stands for `forward_chunk` of the flow's decoder (stepaudio2's CausalConditionalCFM)."""

    @torch.inference_mode()
    def __init__(self, decoder, steps: int, att_cache: Tensor) -> None:
        """`att_cache` (steps, layers, 2, heads, n, 2·d) is what the reference recording of n frames left.

        The layers that stand in `decoder` go to the host's memory: other ones run.
        """
        self._decoder = decoder
        self._steps = steps
        estimator = decoder.estimator
        weight = estimator.in_proj.weight
        ends = torch.linspace(0, 1, steps + 1, device=weight.device, dtype=weight.dtype)
        ends = 1 - torch.cos(ends * 0.5 * torch.pi)
        times, lengths = [ends[0]], [ends[1] - ends[0]]
        for end in ends[2:]:  # as its own loop counts, rounding included
            times.append(times[-1] + lengths[-1])
            lengths.append(end - times[-1])
        self._lengths = torch.stack(lengths)
        self._times = estimator.t_embedder(torch.stack(times)).unsqueeze(1)
        # what each layer makes of the time, which is the same in every chunk: (steps, layers, 1, 9·H)
        self._modulations = torch.stack(
            [block.adaLN_modulation(self._times) for block in estimator.blocks], dim=1
        )
        self._reference = att_cache.shape[4]
        length = 2 * max(self._reference, _KEPT_FRAMES) + _LONGEST_CHUNK
        length = -(-length // _ALIGNED) * _ALIGNED
        dtype = torch.float16 if weight.is_cuda else weight.dtype
        with torch.inference_mode(False):
            self.blocks = nn.ModuleList(_running(block, dtype) for block in estimator.blocks)
        keys, values = att_cache[:steps].to(dtype).chunk(2, dim=5)
        size = *keys.shape[:4], length, keys.shape[5]
        self._keys, self._values = torch.zeros(2, *size, device=weight.device, dtype=dtype)
        self._keys[:, :, :, :, : self._reference] = keys
        self._values[:, :, :, :, : self._reference] = values
        self._sizes: set[int] = set()
        self.recorded = Recorded(self._uncast, tf32=True)

    @property
    def reference_places(self) -> Tensor:
        """What stands for the reference recording's cache."""
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
        """(mel frames (1, 80, n), cnn_cache, att_cache) of a chunk; `mu` and `cond` (1, 80, n), `spks` (1, 80).

        What the convolutions keep is right only after a chunk of a recorded length; any other is a comment's last.

        `att_cache` are places in the cache (1, 1, 1, 1, length, 1), those of the newest frames first.
        """
        if n_timesteps != self._steps:
            raise ValueError(f"{n_timesteps} steps, and {self._steps} were prepared")
        frames, length = mu.shape[2], self._keys.shape[4]
        taken: list[int] = att_cache.flatten().tolist()
        # A chunk of a length that was not recorded is filled up to one that was, by frames that nothing sees: what
        # comes before them is the same, since the convolutions only look back.
        size = self._size_for(frames)
        # the reference recording's places are never written again: each comment begins with them
        free = sorted(set(range(self._reference, length)) - set(taken))
        places = free[:size]
        visible = torch.full((length,), -torch.inf)
        visible[taken + places[:frames]] = 0
        noise = self._decoder.rand_noise[:, :, len(taken) : len(taken) + frames] * temperature
        noise, mu, cond = (F.pad(part, (0, size - frames)) for part in (noise, mu, cond))
        dtype = self._keys.dtype
        found, kept = self.recorded(
            noise,
            mu,
            spks,
            cond,
            cnn_cache[: self._steps].to(dtype),
            torch.tensor(places, device=mu.device),
            visible.to(mu.device, dtype),
        )
        return found[:, :, :frames], kept, torch.tensor(places[:frames] + taken).view(1, 1, 1, 1, -1, 1)

    def _size_for(self, frames: int) -> int:
        if self.recorded.lane is not None:
            self._sizes.add(frames)
        return min((size for size in self._sizes if size >= frames), default=frames)

    def _uncast(self, *tensors: Tensor) -> tuple[Tensor, Tensor]:
        """`_run` without the caller's autocast, which would make float32 of the attention again."""
        with torch.autocast(tensors[0].device.type, enabled=False):
            return self._run(*tensors)

    def _run(
        self, x: Tensor, mu: Tensor, spks: Tensor, cond: Tensor, cnn: Tensor, places: Tensor, visible: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The Euler steps from noise `x` (1, 80, n): mel frames, and what the convolutions keep."""
        estimator, rate = self._decoder.estimator, self._decoder.inference_cfg_rate
        # with what is to be said, and without it (classifier-free guidance)
        given = torch.cat([mu, spks.unsqueeze(-1).expand(-1, -1, mu.shape[2]), cond], dim=1)
        given = torch.cat([given, torch.zeros_like(given)])
        mask = visible.view(1, 1, 1, -1).expand(2, self._keys.shape[3], x.shape[2], -1)
        kept = []
        for step in range(self._steps):
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
            slope = estimator.final_layer(hidden, self._times[step]).transpose(1, 2)
            x = x + self._lengths[step] * ((1 + rate) * slope[:1] - rate * slope[1:])
        return x, torch.stack(kept).view(cnn.shape)

    def _block(
        self,
        block,
        x: Tensor,
        modulation: Tensor,
        cnn: Tensor,
        keys: Tensor,
        values: Tensor,
        places: Tensor,
        mask: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """One layer on x (2, n, H): its output, and what its convolution keeps."""
        attention, dtype = block.attn, keys.dtype
        shift_a, scale_a, gate_a, shift_m, scale_m, gate_m, shift_c, scale_c, gate_c = modulation.chunk(
            9, dim=-1
        )
        normed = (block.norm1(x) * (1 + scale_a) + shift_a).to(dtype)
        query, key, value = (
            attention.to_heads(of(normed)) for of in (attention.to_q, attention.to_k, attention.to_v)
        )
        keys.index_copy_(2, places, attention.k_norm(key))
        values.index_copy_(2, places, value)
        found = F.scaled_dot_product_attention(attention.q_norm(query), keys, values, attn_mask=mask)
        x = x + gate_a * attention.proj(found.transpose(1, 2).reshape(*x.shape[:2], -1))
        convolved, kept = block.conv.forward_chunk((block.norm3(x) * (1 + scale_c) + shift_c).to(dtype), cnn)
        x = x + gate_c * convolved
        return x + gate_m * block.mlp((block.norm2(x) * (1 + scale_m) + shift_m).to(dtype)), kept


def _running(block: nn.Module, dtype: torch.dtype) -> nn.Module:
    """A layer as it will run, without what makes its modulations; `block` itself goes to the host's memory."""
    modulate, block.adaLN_modulation = block.adaLN_modulation, None
    running = copy.deepcopy(block).to(dtype)
    block.adaLN_modulation = modulate
    block.cpu()
    return running
