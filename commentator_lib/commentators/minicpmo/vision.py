"""Turn pictures into the language model's embeddings on the GPU, from the pixels on, as one CUDA graph.

The model's own code resizes each picture with Pillow and numpy on the CPU, builds position numbers in a loop that waits
for the GPU, and computes attention with separate kernels. Here the frames go to the GPU as they are. The numbers are
the same: Pillow's bicubic resize, which rounds to eight bits after each of its two passes, is computed in float64,
where its fixed-point sums are exact.

This works for frames of one size that are not cut into slices, which is what a video gives. All other pictures are left
to the model's own code.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from commentator_lib.commentators.minicpmo.graphs import CapturedGraph, GraphPool, capture_graph
from commentator_lib.commentators.minicpmo.layers import join
from commentator_lib.media import Frame

# Pillow's fixed point: coefficients have 22 bits behind the point.
_PRECISION = 1 << 22
# Graphs (one for each size and number of frames) that are kept at most, and sizes whose encoder is kept.
_MAX_GRAPHS, _MAX_SIZES = 16, 32


def bicubic(x: float) -> float:
    """Return Pillow's bicubic filter (a = −0.5) at distance `x`."""
    x = abs(x)
    if x < 1:
        return (1.5 * x - 2.5) * x * x + 1
    return ((-0.5 * x + 2.5) * x - 4) * x + 2 if x < 2 else 0.0


def resize_weights(size: int, wanted: int) -> np.ndarray:
    """Return the weights (wanted, size) float64 that resize `size` pixels to `wanted`, as Pillow's whole numbers."""
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
    """Return images (n, H, W, 3) uint8 resized to (n, 3, h, w) float64, 0 to 255.

    `rows` (h, H) and `columns` (w, W) are weights of `resize_weights`.
    """
    # (n, 3, H, w)
    wide = images.permute(0, 3, 1, 2).double() @ columns.T
    wide = torch.floor((wide + _PRECISION // 2) / _PRECISION).clamp(0, 255)
    tall = rows @ wide  # (n, 3, h, w)
    return torch.floor((tall + _PRECISION // 2) / _PRECISION).clamp(0, 255)


def position_ids(height: int, width: int, side: int) -> Tensor:
    """Return for each of height × width patches its place (height · width,) in the learnt table of side × side."""
    boundaries = torch.arange(1 / side, 1.0, 1 / side)
    row, column = (
        torch.bucketize(torch.arange(0, 1 - 1e-6, float(1 / torch.tensor(count))), boundaries, right=True)
        for count in (height, width)
    )
    return (row[:, None] * side + column).flatten()


class Vision:
    """The vision encoder of `model`: SigLIP, and a resampler that gives a fixed number of embeddings a picture.

    `image_processor` is the checkpoint's; it says to which size pictures are resized. With a `graph_pool` it is
    captured as CUDA graphs.
    """

    def __init__(self, model: Any, image_processor: Any, graph_pool: GraphPool | None = None) -> None:
        self._model, self._processor, self._graph_pool = model, image_processor, graph_pool
        attentions = [layer.self_attn for layer in model.vpm.encoder.layers]
        with torch.no_grad():
            # query, key and value as one product: (3 · H, H) and (3 · H,)
            self._projections = [join([own.q_proj, own.k_proj, own.v_proj]) for own in attentions]
        # shape of the images -> the graph, the images that it reads, the embeddings that it writes
        self._graphs: dict[tuple[int, ...], tuple[CapturedGraph, Tensor, Tensor]] = {}
        self._new_shapes: set[tuple[int, ...]] = set()
        self._encoders: dict[tuple[int, int], Callable[[Tensor], Tensor]] = {}

    @staticmethod
    def supports(model: Any, processor: Any) -> bool:
        """Return whether the model has SigLIP and a resampler, and its processor is MiniCPM's own."""
        layers = getattr(getattr(model.vpm, "encoder", None), "layers", None)
        return (
            layers is not None
            and hasattr(layers[0].self_attn, "out_proj")
            and hasattr(model.resampler, "ln_kv")
            and hasattr(getattr(processor, "image_processor", None), "find_best_resize")
            and hasattr(processor, "_convert")
            and not hasattr(model.llm.config, "scale_emb")
        )

    def common_size(self, frames: Sequence[Frame], max_slice_nums: int) -> tuple[int, int] | None:
        """Return (width, height) in pixels of all these frames; None where they differ or would be cut into slices."""
        sizes = {frame.image.shape for frame in frames}
        if len(sizes) != 1:
            return None
        height, width, _ = sizes.pop()
        cut = self._processor.get_sliced_grid((width, height), max_slice_nums) is not None
        return None if cut else (width, height)

    @torch.inference_mode()
    def encode(self, frames: Sequence[Frame]) -> Tensor:
        """Return the embeddings (n · queries, D) of n frames of one size."""
        device = self._model.resampler.query.device
        images = torch.from_numpy(np.stack([frame.image for frame in frames])).to(device)  # (n, H, W, 3)
        shape = tuple(images.shape)
        if shape in self._graphs:
            graph, inputs, outputs = self._graphs[shape]
            inputs.copy_(images)
            graph.replay()
            return outputs.clone()
        self._new_shapes.add(shape)
        return self._encoder_for(shape)(images)

    def _encoder_for(self, shape: tuple[int, ...]) -> Callable[[Tensor], Tensor]:
        """Return the function that encodes any number of images of this shape's height and width."""
        size = shape[1], shape[2]
        if size not in self._encoders:
            while len(self._encoders) >= _MAX_SIZES:  # a playlist of clips may have any number of sizes
                del self._encoders[next(iter(self._encoders))]
            self._encoders[size] = self._make_encoder(*size)
        return self._encoders[size]

    @torch.inference_mode()
    def capture_new_shapes(self) -> None:
        """Capture graphs for sizes and numbers of frames that are new, between two comments."""
        new_shapes, self._new_shapes = self._new_shapes, set()
        if self._graph_pool is None:
            return
        # the largest first, so that the memory of its graph serves the others too
        for shape in sorted(new_shapes, reverse=True):
            if len(self._graphs) >= _MAX_GRAPHS:
                return
            inputs = torch.zeros(shape, dtype=torch.uint8, device=self._model.resampler.query.device)
            outputs: list[Tensor] = []
            encode_into = partial(_encode_into, outputs, self._encoder_for(shape), inputs)
            graph = capture_graph(encode_into, self._graph_pool)
            self._graphs[shape] = graph, inputs, outputs[0]

    def _make_encoder(self, height: int, width: int) -> Callable[[Tensor], Tensor]:
        """Return the function that encodes images of this size; what depends on the size alone is computed here."""
        # 1) the size to which the processor resizes, in pixels and in patches
        vpm, resampler, processor = self._model.vpm, self._model.resampler, self._processor
        projections = self._projections
        weight = vpm.embeddings.patch_embedding.weight
        device, dtype, patch = weight.device, weight.dtype, weight.shape[-1]
        wanted_width, wanted_height = processor.find_best_resize(
            (width, height), processor.scale_resolution, processor.patch_size, allow_upscale=True
        )
        high, broad = wanted_height // patch, wanted_width // patch
        # 2) weights of the resize: (h, H) and (w, W)
        rows, columns = (
            torch.from_numpy(resize_weights(*sizes)).to(device)
            for sizes in ((height, wanted_height), (width, wanted_width))
        )
        # 3) positions of the patches, for SigLIP (P, H) and for the resampler (P, 1, D)
        side = vpm.embeddings.num_patches_per_side
        places = vpm.embeddings.position_embedding(position_ids(high, broad, side).to(device))
        resampler._adjust_pos_cache(torch.tensor([[high, broad]]), device=device)
        table = resampler.pos_embed[:high, :broad].reshape(high * broad, 1, -1).to(dtype)
        # 4) colours: (3, 1, 1) each
        mean, std = (
            torch.tensor(values, dtype=torch.float32, device=device).view(3, 1, 1)
            for values in (processor.mean, processor.std)
        )

        def encode(images: Tensor) -> Tensor:  # (n, H, W, 3)
            pixels = (resize(images, rows, columns).float() / 255 - mean) / std  # (n, 3, h, w)
            # (n, high, broad, 3, patch, patch)
            patches = pixels.to(dtype).view(-1, 3, high, patch, broad, patch).permute(0, 2, 4, 1, 3, 5)
            # (n, P, H) from here on
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

        return encode


def _encode_into(outputs: list[Tensor], encode: Callable[[Tensor], Tensor], images: Tensor) -> None:
    outputs[:] = [encode(images)]


def _attend(attention: Any, projection: tuple[Tensor, Tensor | None], x: Tensor) -> Tensor:
    """Return SigLIP's attention on x (n, P, H), by PyTorch's fused kernel; `attention` is a SiglipAttention."""
    count, length, width = x.shape
    # (n, heads, P, H / heads) each
    query, key, value = (
        part.view(count, length, attention.num_heads, -1).transpose(1, 2)
        for part in F.linear(x, *projection).chunk(3, dim=-1)
    )
    attended = F.scaled_dot_product_attention(query, key, value)  # (n, heads, P, H / heads)
    return attention.out_proj(attended.transpose(1, 2).reshape(count, length, width))


def _resample(resampler: Any, x: Tensor, table: Tensor) -> Tensor:
    """Return the resampler's embeddings (n · queries, D) of patches x (n, P, H); `table` (P, 1, D)."""
    keys = resampler.ln_kv(resampler.kv_proj(x)).permute(1, 0, 2)  # (P, n, D)
    query = resampler._repeat(resampler.ln_q(resampler.query), len(x))  # (queries, n, D)
    attended, _ = resampler.attn(query, keys + table, keys, need_weights=False)  # (queries, n, D)
    return (resampler.ln_post(attended.permute(1, 0, 2)) @ resampler.proj).flatten(0, 1)
