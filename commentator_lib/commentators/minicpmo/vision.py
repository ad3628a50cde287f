"""Pictures into the language model's embeddings on the GPU, from pixels on, as one recorded graph.

The model's own way takes each picture through Pillow and numpy on the CPU, builds position numbers in a loop that waits
for the GPU, and has the eager kind of attention. Here the frames go to the GPU as they are. The numbers stay the
processor's: Pillow's bicubic resize, which rounds to eight bits after each of its two passes, is done in float64,
where its fixed-point sums are exact.

It is for frames of one size that are not cut into slices, which is what a video gives; else None, and the model's own
way is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from commentator_lib.commentators.minicpmo.graphs import GraphPool, record
from commentator_lib.commentators.minicpmo.layers import join
from commentator_lib.media import Frame

# Pillow's fixed point: coefficients of 22 bits behind the point.
_PRECISION = 1 << 22
# So many numbers of frames and sizes are recorded, and so many remembered.
_MOST_GRAPHS, _MOST_SIZES = 16, 32


def bicubic(x: float) -> float:
    """Pillow's bicubic filter (a = −0.5)."""
    x = abs(x)
    if x < 1:
        return (1.5 * x - 2.5) * x * x + 1
    return ((-0.5 * x + 2.5) * x - 4) * x + 2 if x < 2 else 0.0


def resize_weights(size: int, wanted: int) -> np.ndarray:
    """(wanted, size) float64: the share of each pixel in each wanted one, in Pillow's whole numbers."""
    scale = size / wanted
    stretch = max(scale, 1.0)
    weights = np.zeros((wanted, size))
    for place in range(wanted):
        center = (place + 0.5) * scale
        first = max(0, int(center - 2 * stretch + 0.5))
        last = min(size, int(center + 2 * stretch + 0.5))
        values = np.array([bicubic((x - center + 0.5) / stretch) for x in range(first, last)])
        values = values / values.sum() * _PRECISION
        weights[place, first:last] = np.trunc(values + np.copysign(0.5, values))
    return weights


def resize(images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Images (n, H, W, 3) uint8 by the weights of rows (h, H) and columns (w, W): (n, 3, h, w) float64, 0 to 255."""
    wide = images.permute(0, 3, 1, 2).double() @ columns.T
    wide = torch.floor((wide + _PRECISION // 2) / _PRECISION).clamp(0, 255)
    tall = rows @ wide
    return torch.floor((tall + _PRECISION // 2) / _PRECISION).clamp(0, 255)


def position_ids(height: int, width: int, side: int) -> Tensor:
    """For each of height × width patches its place in the learnt table of side × side (height·width,)."""
    boundaries = torch.arange(1 / side, 1.0, 1 / side)
    row, column = (
        torch.bucketize(torch.arange(0, 1 - 1e-6, 1 / torch.tensor(count)), boundaries, right=True)
        for count in (height, width)
    )
    return (row[:, None] * side + column).flatten()


class Vision:
    """The eyes of `model`. `image_processor` says how pictures are sized. With a `lane` it is recorded."""

    def __init__(self, model, image_processor, lane: GraphPool | None = None) -> None:
        self._model, self._processor, self._lane = model, image_processor, lane
        attentions = [layer.self_attn for layer in model.vpm.encoder.layers]
        with torch.no_grad():
            self._projections = [join([own.q_proj, own.k_proj, own.v_proj]) for own in attentions]
        self._recorded: dict[tuple[int, ...], tuple] = {}
        self._met: set[tuple[int, ...]] = set()
        self._prepared: dict[tuple[int, int], Callable[[Tensor], Tensor]] = {}

    @staticmethod
    def knows(model, processor) -> bool:
        """Whether the model's eyes are SigLIP with a resampler behind, and its processor MiniCPM's own."""
        layers = getattr(getattr(model.vpm, "encoder", None), "layers", None)
        return (
            layers is not None
            and hasattr(layers[0].self_attn, "out_proj")
            and hasattr(model.resampler, "ln_kv")
            and hasattr(getattr(processor, "image_processor", None), "find_best_resize")
            and hasattr(processor, "_convert")
            and not hasattr(model.llm.config, "scale_emb")
        )

    def size(self, frames: Sequence[Frame], max_slice_nums: int) -> tuple[int, int] | None:
        """(width, height) of all these frames; None where they differ or would be cut into slices."""
        sizes = {frame.image.shape for frame in frames}
        if len(sizes) != 1:
            return None
        height, width, _ = sizes.pop()
        cut = self._processor.get_sliced_grid((width, height), max_slice_nums) is not None
        return None if cut else (width, height)

    @torch.inference_mode()
    def look(self, frames: Sequence[Frame]) -> Tensor:
        """Embeddings (n · queries, H) of frames of one size."""
        device = self._model.resampler.query.device
        images = torch.from_numpy(np.stack([frame.image for frame in frames])).to(device)
        shape = tuple(images.shape)
        if shape in self._recorded:
            graph, given, out = self._recorded[shape]
            given.copy_(images)
            graph.replay()
            return out.clone()
        self._met.add(shape)
        return self._seeing(shape)(images)

    def _seeing(self, shape: tuple[int, ...]) -> Callable[[Tensor], Tensor]:
        """What looks at any number of images of this shape's height and width."""
        size = shape[1:3]
        if size not in self._prepared:
            while len(self._prepared) >= _MOST_SIZES:  # a programme of clips may have any number of sizes
                del self._prepared[next(iter(self._prepared))]
            self._prepared[size] = self._prepare(*size)
        return self._prepared[size]

    @torch.inference_mode()
    def settle(self) -> None:
        """Record what has been met, when there is time for that; until then it runs as it is."""
        met, self._met = self._met, set()
        if self._lane is None:
            return
        for shape in sorted(met, reverse=True):  # the largest first: the others find room in its memory
            if len(self._recorded) >= _MOST_GRAPHS:
                return
            given = torch.zeros(shape, dtype=torch.uint8, device=self._model.resampler.query.device)
            out: list[Tensor] = []
            graph = record(partial(_see_into, out, self._seeing(shape), given), self._lane)
            self._recorded[shape] = graph, given, out[0]

    def _prepare(self, height: int, width: int) -> Callable[[Tensor], Tensor]:
        """What looks at images of this size: all that depends on it alone is worked out before."""
        vpm, resampler, processor = self._model.vpm, self._model.resampler, self._processor
        projections = self._projections
        weight = vpm.embeddings.patch_embedding.weight
        device, dtype, patch = weight.device, weight.dtype, weight.shape[-1]
        wanted_width, wanted_height = processor.find_best_resize(
            (width, height), processor.scale_resolution, processor.patch_size, allow_upscale=True
        )
        rows, columns = (
            torch.from_numpy(resize_weights(*sizes)).to(device)
            for sizes in ((height, wanted_height), (width, wanted_width))
        )
        high, broad = wanted_height // patch, wanted_width // patch
        side = vpm.embeddings.num_patches_per_side
        places = vpm.embeddings.position_embedding(position_ids(high, broad, side).to(device))
        resampler._adjust_pos_cache(torch.tensor([[high, broad]]), device=device)
        table = resampler.pos_embed[:high, :broad].reshape(high * broad, 1, -1).to(dtype)
        mean, std = (
            torch.tensor(values, dtype=torch.float32, device=device).view(3, 1, 1)
            for values in (processor.mean, processor.std)
        )

        def see(images: Tensor) -> Tensor:
            pixels = (resize(images, rows, columns).float() / 255 - mean) / std
            patches = pixels.to(dtype).view(-1, 3, high, patch, broad, patch).permute(0, 2, 4, 1, 3, 5)
            x = F.linear(
                patches.reshape(len(images), high * broad, -1),
                weight.flatten(1),
                vpm.embeddings.patch_embedding.bias,
            )
            x = x + places
            for layer, projection in zip(vpm.encoder.layers, projections, strict=True):
                x = x + _attend(layer.self_attn, projection, layer.layer_norm1(x))
                x = x + layer.mlp(layer.layer_norm2(x))
            return _resample(resampler, vpm.post_layernorm(x), table)

        return see


def _see_into(out: list[Tensor], see: Callable[[Tensor], Tensor], images: Tensor) -> None:
    out[:] = [see(images)]


def _attend(attention, projection: tuple[Tensor, Tensor], x: Tensor) -> Tensor:
    """SigLIP's attention on x (n, patches, H), by PyTorch's fused kernel."""
    count, length, width = x.shape
    query, key, value = (
        part.view(count, length, attention.num_heads, -1).transpose(1, 2)
        for part in F.linear(x, *projection).chunk(3, dim=-1)
    )
    found = F.scaled_dot_product_attention(query, key, value)
    return attention.out_proj(found.transpose(1, 2).reshape(count, length, width))


def _resample(resampler, x: Tensor, table: Tensor) -> Tensor:
    """Patches (n, patches, H) into (n · queries, D)."""
    keys = resampler.ln_kv(resampler.kv_proj(x)).permute(1, 0, 2)
    query = resampler._repeat(resampler.ln_q(resampler.query), len(x))
    found, _ = resampler.attn(query, keys + table, keys, need_weights=False)
    return (resampler.ln_post(found.permute(1, 0, 2)) @ resampler.proj).flatten(0, 1)
