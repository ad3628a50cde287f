"""Vision as one function of the pixels, compared with Pillow and with separate steps on a CPU.

SigLIP and the resampler are written here again, step by step, with the published names of their parts; both must give
the same numbers. test_comment.py compares the published code itself where MINICPMO_CODE_DIR is set.
"""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from commentator_lib.media import Frame

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from PIL import Image  # noqa: E402
from torch import nn  # noqa: E402

from commentator_lib.commentators.minicpmo import vision  # noqa: E402


@pytest.mark.parametrize(
    ("size", "wanted"),
    [((448, 448), (448, 448)), ((360, 640), (336, 602)), ((720, 1280), (336, 602)), ((33, 90), (280, 742))],
)
def test_pictures_are_sized_to_the_bit_as_pillow_does(size, wanted):
    images = np.random.default_rng(0).integers(0, 256, (2, *size, 3), dtype=np.uint8)
    theirs = [Image.fromarray(image).resize(wanted[::-1], Image.Resampling.BICUBIC) for image in images]
    rows, columns = (torch.from_numpy(vision.resize_weights(a, b)) for a, b in zip(size, wanted, strict=True))
    ours = vision.resize(torch.from_numpy(images), rows, columns)
    assert np.array_equal(ours.permute(0, 2, 3, 1).numpy(), np.stack([np.asarray(image) for image in theirs]))


class VisionParts(nn.Module):
    """SigLIP and a resampler, with the names of the published ones, and a plain step-by-step encoder."""

    def __init__(self, width=32, out=48, side=12, patch=14, heads=4):
        super().__init__()
        torch.manual_seed(0)
        self.heads, self.patch = heads, patch
        self.vpm = nn.Module()
        self.vpm.embeddings = nn.Module()
        self.vpm.embeddings.patch_embedding = nn.Conv2d(3, width, patch, patch)
        self.vpm.embeddings.num_patches_per_side = side
        self.vpm.embeddings.position_embedding = nn.Embedding(side * side, width)
        self.vpm.encoder = nn.Module()
        self.vpm.encoder.layers = nn.ModuleList()
        for _ in range(2):
            layer = nn.Module()
            layer.layer_norm1, layer.layer_norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
            layer.self_attn = nn.Module()
            layer.self_attn.num_heads = heads
            for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
                setattr(layer.self_attn, name, nn.Linear(width, width))
            layer.mlp = nn.Sequential(nn.Linear(width, 64), nn.GELU(), nn.Linear(64, width))
            self.vpm.encoder.layers.append(layer)
        self.vpm.post_layernorm = nn.LayerNorm(width)
        self.resampler = resampler = nn.Module()
        resampler.query = nn.Parameter(torch.randn(5, out))
        resampler.kv_proj = nn.Linear(width, out, bias=False)
        resampler.ln_q, resampler.ln_kv, resampler.ln_post = (nn.LayerNorm(out) for _ in range(3))
        resampler.attn = nn.MultiheadAttention(out, 4)
        resampler.proj = nn.Parameter(torch.randn(out, out))
        resampler.register_buffer("pos_embed", torch.randn(70, 70, out))
        resampler._adjust_pos_cache = lambda sizes, device: None
        resampler._repeat = lambda query, count: query.unsqueeze(1).repeat(1, count, 1)
        self.llm = SimpleNamespace(config=SimpleNamespace())

    def encode_plainly(self, frames, processor):
        found = []
        for frame in frames:
            height, width = frame.image.shape[:2]
            sized = processor.find_best_resize((width, height), 64, self.patch, allow_upscale=True)
            image = np.asarray(Image.fromarray(frame.image).resize(sized, Image.Resampling.BICUBIC))
            pixels = (torch.from_numpy(image.astype(np.float32) / 255).permute(2, 0, 1)[None] - 0.5) / 0.5
            seen = self.vpm.embeddings.patch_embedding(pixels)
            high, broad = seen.shape[2:]
            side = self.vpm.embeddings.num_patches_per_side
            rows, columns = (torch.arange(n) * side // n for n in (high, broad))
            x = seen.flatten(2).transpose(1, 2)
            x = x + self.vpm.embeddings.position_embedding((rows[:, None] * side + columns).flatten())
            for layer in self.vpm.encoder.layers:
                own, normed = layer.self_attn, layer.layer_norm1(x)
                query, key, value = (
                    project(normed).view(1, high * broad, self.heads, -1).transpose(1, 2)
                    for project in (own.q_proj, own.k_proj, own.v_proj)
                )
                weights = (query @ key.transpose(2, 3) * query.shape[-1] ** -0.5).softmax(-1)
                x = x + own.out_proj((weights @ value).transpose(1, 2).flatten(2))
                x = x + layer.mlp(layer.layer_norm2(x))
            resampler = self.resampler
            keys = resampler.ln_kv(resampler.kv_proj(self.vpm.post_layernorm(x))).transpose(0, 1)
            table = resampler.pos_embed[:high, :broad].reshape(high * broad, 1, -1)
            query = resampler.ln_q(resampler.query).unsqueeze(1)
            out = resampler.attn(query, keys + table, keys)[0].transpose(0, 1)
            found.append((resampler.ln_post(out) @ resampler.proj)[0])
        return torch.cat(found)


PROCESSOR = SimpleNamespace(
    scale_resolution=64,
    patch_size=14,
    mean=np.array([0.5] * 3),
    std=np.array([0.5] * 3),
    find_best_resize=lambda size, resolution, patch, allow_upscale: (
        (84, 56) if size[0] > size[1] else (56, 56)
    ),
    get_sliced_grid=lambda size, most: None if most == 1 else (2, 1),
)


def pictures(count, height, width):
    rng = np.random.default_rng(0)
    return [Frame(k, k, k, rng.integers(0, 256, (height, width, 3), dtype=np.uint8)) for k in range(count)]


@pytest.mark.parametrize(("height", "width"), [(36, 64), (70, 70)])
@torch.inference_mode()
def test_embeddings_are_those_of_the_plain_steps(height, width):
    parts = VisionParts().eval()
    encoder = vision.Vision(parts, PROCESSOR)
    for count in (1, 3):
        frames = pictures(count, height, width)
        assert encoder.common_size(frames, 1) == (width, height)
        assert torch.allclose(encoder.encode(frames), parts.encode_plainly(frames, PROCESSOR), atol=1e-4)


@torch.inference_mode()
def test_sizes_are_forgotten_in_the_end(monkeypatch):
    monkeypatch.setattr(vision, "_MAX_SIZES", 3)
    encoder = vision.Vision(VisionParts().eval(), PROCESSOR)
    for side in range(20, 30):
        encoder.encode(pictures(1, side, side))
    assert [height for height, _width in encoder._encoders] == [27, 28, 29]


def test_frames_of_several_sizes_or_cut_into_slices_are_left_to_the_model():
    encoder = vision.Vision(VisionParts(), PROCESSOR)
    assert encoder.common_size([*pictures(1, 36, 64), *pictures(1, 64, 36)], 1) is None
    assert encoder.common_size(pictures(2, 36, 64), 9) is None
    known = SimpleNamespace(image_processor=PROCESSOR, _convert=len)
    assert vision.Vision.supports(VisionParts(), known)
    assert not vision.Vision.supports(SimpleNamespace(vpm=nn.Linear(1, 1)), known)
