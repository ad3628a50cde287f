"""What makes MiniCPM-o fast, beside the plain way of saying the same; on a CPU, at tiny sizes, with random weights.

The parts of the published model that are replaced on a GPU (eyes, flow model) are written here once more in the
obvious way, with the same names of parts: what is compared with them must give the same numbers. The published code
itself is compared by test_minicpmo.py where MINICPMO_CODE_DIR is set, the GPU's own kernels by test_minicpmo_gpu.py.
"""

from __future__ import annotations

import weakref
from types import SimpleNamespace

import numpy as np
import pytest

from commentator_lib.media import Frame

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from PIL import Image  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402
from transformers import LlamaConfig, LlamaModel, Qwen3Config, Qwen3Model  # noqa: E402

from commentator_lib.commentators.minicpmo import awq, graphs, int4, layers, shortlist, slim, vision  # noqa: E402
from commentator_lib.commentators.minicpmo.flow import FlowSolver  # noqa: E402
from commentator_lib.commentators.minicpmo.sequence import LayeredSequence, PlainSequence  # noqa: E402

# --- layers


def decoder(kind, **changes):
    torch.manual_seed(0)
    config = {
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "vocab_size": 50,
        **changes,
    }
    return (
        Qwen3Model(Qwen3Config(**config)) if kind == "qwen3" else LlamaModel(LlamaConfig(**config))
    ).eval()


@pytest.mark.parametrize("kind", ["qwen3", "llama"])
def test_written_out_layers_are_the_modules(kind):
    model = decoder(kind)
    plain = PlainSequence(model)
    written = LayeredSequence(model, 40)
    torch.manual_seed(1)
    for _ in range(2):
        plain.begin()
        written.begin()
        for count in (5, 1, 3, 1):
            embeds = torch.randn(1, count, 64)
            assert torch.allclose(written.take(embeds), plain.take(embeds), atol=1e-5)
        embeds = torch.randn(1, 1, 64)
        stepped = written.step(embeds[0])
        written.moved(1)
        assert torch.allclose(stepped, plain.take(embeds)[0], atol=1e-5)
        assert written.room == 29


def test_joined_weights_are_the_modules_own_memory():
    model = decoder("qwen3")
    before = [value.clone() for value in model.state_dict().values()]
    layer = layers.read_layers(model)[0]
    attention = model.layers[0].self_attn
    assert attention.k_proj.weight.data_ptr() == layer.qkv[64:].data_ptr()
    assert all(torch.equal(a, b) for a, b in zip(before, model.state_dict().values(), strict=True))


@pytest.mark.parametrize("kind", ["written out", "plain"])
def test_forgetting_the_last_step(kind):
    model = decoder("llama")
    sequence = LayeredSequence(model, 10) if kind == "written out" else PlainSequence(model)
    one, other = torch.randn(1, 1, 64), torch.randn(1, 1, 64)
    sequence.take(one)
    wanted = sequence.take(other)
    sequence.begin()
    sequence.take(one)
    sequence.step(one[0])
    sequence.moved(1)
    sequence.moved(-1)
    assert torch.equal(sequence.take(other), wanted)
    if kind == "written out":
        with pytest.raises(ValueError, match="room for 8"):
            sequence.take(torch.randn(1, 9, 64))


@pytest.mark.parametrize("changes", [{"attention_bias": True}, {"hidden_act": "gelu"}])
def test_a_decoder_that_is_built_in_another_way_is_refused(changes):
    with pytest.raises(ValueError, match="biases, another activation"):
        LayeredSequence(decoder("llama", **changes), 10)


# --- 4-bit weights


def awq_layer(inputs=256, outputs=64, group=128, bias=False, exact=False):
    torch.manual_seed(0)
    layer = awq.AwqLinear(inputs, outputs, bias, group)
    for name in ("qweight", "qzeros"):
        buffer = getattr(layer, name)
        buffer.copy_(torch.randint(-(2**31), 2**31 - 1, buffer.shape, dtype=torch.int32))
    layer.scales.copy_(
        2.0 ** torch.randint(-9, -5, layer.scales.shape) if exact else torch.rand(layer.scales.shape) / 99
    )
    return layer


def test_numbers_survive_packing():
    numbers = torch.randint(0, 16, (24, 384), dtype=torch.uint8)
    packed = int4.pack(numbers)
    assert packed.shape == (3, 3, 32, 4) and torch.equal(int4.unpack_tiles(packed), numbers.int())


@pytest.mark.parametrize("group", [32, 128])
def test_awq_weights_carry_over_exactly_but_for_the_rounding_of_scales(group):
    for exact in (True, False):  # powers of two are not rounded
        layer = awq_layer(group=group, exact=exact)
        wanted = awq.dequantise(layer.qweight, layer.qzeros, layer.scales.float(), group).T
        weight = int4.from_awq(layer.qweight, layer.qzeros, layer.scales)
        assert weight.group_size == group
        found = int4.dequantise(*weight).float()
        assert torch.equal(found, wanted) if exact else float((found - wanted).norm() / wanted.norm()) < 0.004


def test_a_layer_on_int4_is_the_awq_layer_and_joins_with_others():
    torch.manual_seed(0)
    model = nn.ModuleDict({name: awq_layer(outputs=64, exact=True) for name in ("q_proj", "k_proj")})
    x = torch.randn(5, 256)
    wanted = [layer(x) for layer in model.values()]
    int4.replace_awq_layers(model, int4.awq_layers(model))
    x = x.bfloat16()
    before = [layer(x) for layer in model.values()]
    for ours, theirs in zip(before, wanted, strict=True):
        assert float((ours.float() - theirs).norm() / theirs.norm()) < 0.01
    whole, again = int4.joined([list(model.values()), [model["q_proj"]]])
    assert torch.equal(again.packed, whole.packed[:8]) and again.scales.dtype == torch.bfloat16
    assert torch.equal(int4.matmul(x, whole), torch.cat(before, dim=-1))
    assert all(torch.equal(layer(x), result) for layer, result in zip(model.values(), before, strict=True))
    assert model["k_proj"].packed.data_ptr() == whole.packed[8:].data_ptr()
    assert model["q_proj"].packed.untyped_storage().data_ptr() == whole.scales.untyped_storage().data_ptr()


def test_never_more_than_one_layer_is_in_memory_twice(monkeypatch):
    model = nn.ModuleList([awq_layer() for _ in range(4)])
    there = [weakref.ref(layer) for layer in model]
    seen, own = [], int4.from_awq

    def counting(*parts):
        seen.append(sum(layer() is not None for layer in there))
        return own(*parts)

    monkeypatch.setattr(int4, "from_awq", counting)
    int4.replace_awq_layers(model, int4.awq_layers(model))
    assert all(type(layer) is int4.Int4Linear for layer in model)
    assert seen == [4, 4, 3, 2] or seen == [4, 3, 2, 1]


@pytest.mark.parametrize("changes", [{"inputs": 192, "group": 64}, {"bias": True}, {"group": 16}])
def test_all_awq_layers_stay_where_the_kernel_cannot_take_one(changes):
    model = nn.ModuleList([awq_layer(), awq_layer(**changes)])
    assert int4.awq_layers(model) == []
    int4.replace_awq_layers(model, int4.awq_layers(model))
    assert all(type(layer) is awq.AwqLinear for layer in model)


def test_converting_to_bfloat16_leaves_the_rotary_embeddings_frequencies():
    """In bfloat16 a frequency is 1 part in 512 off: an angle, by position 600, half a radian."""
    model = decoder("qwen3", head_dim=128).half()
    model.rotary_emb.inv_freq.data = model.rotary_emb.original_inv_freq.clone()
    before = [(value.data_ptr(), value.bfloat16()) for value in model.parameters()]
    slim.to_bfloat16(model)
    after = [(value.data_ptr(), value.data) for value in model.parameters()]
    assert [place for place, _ in after] == [place for place, _ in before]
    assert all(torch.equal(now, then) for (_, now), (_, then) in zip(after, before, strict=True))
    assert {value.dtype for value in model.parameters()} == {torch.bfloat16}
    assert model.rotary_emb.inv_freq.dtype == torch.float32
    assert (
        model.rotary_emb.inv_freq.bfloat16().float() * 600 - model.rotary_emb.inv_freq * 600
    ).abs().max() > 0.5
    assert torch.equal(model.rotary_emb.inv_freq, model.rotary_emb.original_inv_freq)


# --- the output head


@pytest.mark.parametrize("outliers", [False, True])
def test_the_likeliest_tokens_are_those_of_the_whole_head(outliers):
    torch.manual_seed(0)
    weight = torch.randn(20_000, 256) * 0.02
    if outliers:  # a few columns far larger than the others, as trained heads have them
        weight[:, :4] *= 20
    whole = nn.Linear(256, 20_000, bias=False).bfloat16()
    whole.weight.data = weight.bfloat16()
    head = shortlist.ShortlistHead(whole.weight)
    assert head.out_features == 20_000 and head.numbers.dtype == torch.int8
    for _ in range(20):
        hidden = torch.randn(1, 256).bfloat16()
        wanted, found = whole(hidden)[0], head(hidden)[0]
        assert found.shape == wanted.shape and found.dtype == wanted.dtype
        likeliest = wanted.topk(100)
        assert torch.equal(found[likeliest.indices], likeliest.values)
        assert torch.equal(found.topk(100).values, likeliest.values)
        assert found.argmax() == wanted.argmax()


def test_eight_bits_are_as_near_as_eight_bits_can_be():
    torch.manual_seed(0)
    weight = torch.randn(300, 64).bfloat16()
    weight[7] = 0
    numbers, scales = shortlist.quantise(weight)
    assert int(numbers.abs().max()) == 127 and not numbers[7].any()
    apart = (numbers.float() * scales[:, None] - weight.float()).abs()
    assert bool((apart <= scales[:, None] * 0.51).all())


# --- graphs


def test_istft_is_that_of_pytorch():
    torch.manual_seed(0)
    spectrum = torch.randn(2, 9, 30, dtype=torch.complex64)
    window = torch.hann_window(16)
    wanted = torch.istft(spectrum, 16, 4, 16, window=window)
    assert torch.allclose(graphs.istft(spectrum, 16, 4, 16, window=window), wanted, atol=1e-6)
    with pytest.raises(ValueError, match="window of 8"):
        graphs.istft(spectrum, 16, 4, 8, window=window)


def test_what_was_not_recorded_runs_as_it_is():
    recorded = graphs.Recorded(lambda x, y: (x + y,))
    assert torch.equal(recorded(torch.ones(2), torch.ones(2))[0], torch.full((2,), 2.0))


# --- eyes


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


class Eyes(nn.Module):
    """SigLIP and a resampler, with the names of the published ones and the obvious way through them."""

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

    def plainly(self, frames, processor):
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
def test_the_eyes_see_what_the_plain_way_sees(height, width):
    eyes = Eyes().eval()
    looking = vision.Vision(eyes, PROCESSOR)
    for count in (1, 3):
        frames = pictures(count, height, width)
        assert looking.size(frames, 1) == (width, height)
        assert torch.allclose(looking.look(frames), eyes.plainly(frames, PROCESSOR), atol=1e-4)


@torch.inference_mode()
def test_sizes_are_forgotten_in_the_end(monkeypatch):
    monkeypatch.setattr(vision, "_MOST_SIZES", 3)
    looking = vision.Vision(Eyes().eval(), PROCESSOR)
    for side in range(20, 30):
        looking.look(pictures(1, side, side))
    assert [height for height, _width in looking._prepared] == [27, 28, 29]


def test_frames_of_several_sizes_or_cut_into_slices_are_left_to_the_model():
    looking = vision.Vision(Eyes(), PROCESSOR)
    assert looking.size([*pictures(1, 36, 64), *pictures(1, 64, 36)], 1) is None
    assert looking.size(pictures(2, 36, 64), 9) is None
    known = SimpleNamespace(image_processor=PROCESSOR, _convert=len)
    assert vision.Vision.knows(Eyes(), known)
    assert not vision.Vision.knows(SimpleNamespace(vpm=nn.Linear(1, 1)), known)


# --- the flow model


class Conv(nn.Module):
    """Two causal convolutions of three, which keep what they look back at."""

    def __init__(self, width):
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv1d(width, width, 3) for _ in range(2))

    def forward_chunk(self, x, cache):
        kept = []
        x = x.transpose(1, 2)
        for conv, before in zip(self.convs, cache.chunk(2, dim=1), strict=True):
            x = torch.cat([before, x], dim=2)
            kept.append(x[..., -2:])
            x = conv(x)
        return x.transpose(1, 2), torch.cat(kept, dim=1)


class Flow(nn.Module):
    """A diffusion transformer over mel frames with the published one's parts, and its loop with growing caches."""

    steps, heads, width, mel = 3, 2, 16, 4

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        width = self.width
        self.inference_cfg_rate = 0.7
        self.register_buffer("rand_noise", torch.randn(1, self.mel, 500))
        self.estimator = estimator = nn.Module()
        estimator.in_proj = nn.Linear(4 * self.mel, width)
        table = nn.Linear(1, width)
        estimator.t_embedder = lambda t: torch.sin(table(t[:, None]) * 5)
        last = nn.Linear(width, self.mel)
        estimator.final_layer = lambda x, t: last(x * (1 + t))
        estimator.blocks = nn.ModuleList()
        for _ in range(2):
            block = nn.Module()
            block.norm1, block.norm2, block.norm3 = (
                nn.LayerNorm(width, elementwise_affine=False) for _ in range(3)
            )
            block.mlp, block.conv = nn.Linear(width, width), Conv(width)
            block.adaLN_modulation = nn.Linear(width, 9 * width)
            block.attn = attention = nn.Module()
            attention.num_heads, attention.head_dim = self.heads, width // self.heads
            for name in ("to_q", "to_k", "to_v", "proj"):
                setattr(attention, name, nn.Linear(width, width))
            attention.q_norm, attention.k_norm = (
                nn.LayerNorm(attention.head_dim),
                nn.LayerNorm(attention.head_dim),
            )
            attention.to_heads = lambda x: x.reshape(*x.shape[:2], self.heads, -1).transpose(1, 2)
            estimator.blocks.append(block)

    def forward_chunk(self, mu, spks, cond, cnn_cache=None, att_cache=None):
        """The obvious way: newest keys first, caches grow with each chunk."""
        frames, offset = mu.shape[2], 0 if att_cache is None else att_cache.shape[4]
        x = self.rand_noise[:, :, offset : offset + frames]
        ends = 1 - torch.cos(torch.linspace(0, 1, self.steps + 1) * 0.5 * torch.pi)
        now, length = ends[0], ends[1] - ends[0]
        given = torch.cat([mu, spks[:, :, None].expand(-1, -1, frames), cond], dim=1)
        given = torch.cat([given, torch.zeros_like(given)])
        convolved, attended = [], []
        for step in range(self.steps):
            time = self.estimator.t_embedder(now.reshape(1))[:, None]
            h = self.estimator.in_proj(torch.cat([x.repeat(2, 1, 1), given], dim=1).transpose(1, 2))
            for number, block in enumerate(self.estimator.blocks):
                sa, ca, ga, sm, cm, gm, sc, cc, gc = block.adaLN_modulation(time).chunk(9, dim=-1)
                own, normed = block.attn, block.norm1(h) * (1 + ca) + sa
                query = own.q_norm(own.to_heads(own.to_q(normed)))
                key, value = own.k_norm(own.to_heads(own.to_k(normed))), own.to_heads(own.to_v(normed))
                if att_cache is not None:
                    old_key, old_value = att_cache[step, number].chunk(2, dim=3)
                    key, value = torch.cat([key, old_key], dim=2), torch.cat([value, old_value], dim=2)
                attended.append(torch.cat([key, value], dim=3))
                weights = (query @ key.transpose(2, 3) * query.shape[-1] ** -0.5).softmax(-1)
                h = h + ga * own.proj((weights @ value).transpose(1, 2).flatten(2))
                before = torch.zeros(2, 2 * self.width, 2) if cnn_cache is None else cnn_cache[step, number]
                y, kept = block.conv.forward_chunk(block.norm3(h) * (1 + cc) + sc, before)
                convolved.append(kept)
                h = h + gc * y
                h = h + gm * block.mlp(block.norm2(h) * (1 + cm) + sm)
            slope = self.estimator.final_layer(h, time).transpose(1, 2)
            rate = self.inference_cfg_rate
            x = x + length * ((1 + rate) * slope[:1] - rate * slope[1:])
            now = now + length
            if step + 2 <= self.steps:
                length = ends[step + 2] - now
        shape = (self.steps, 2)
        return (
            x,
            torch.stack(convolved).view(*shape, *convolved[0].shape),
            torch.stack(attended).view(*shape, *attended[0].shape),
        )


def trimmed(cache, reference):
    """What stepaudio2's Token2wav keeps of a cache: as much as the reference recording, and the last hundred."""
    if cache.shape[4] <= reference + 100:
        return cache
    return torch.cat([cache[:, :, :, :, :reference], cache[:, :, :, :, -100:]], dim=4)


@torch.inference_mode()
def test_the_flow_model_says_the_same_over_fixed_places_and_whatever_the_length_of_a_chunk():
    flow = Flow().eval()
    reference = 120
    torch.manual_seed(1)
    spks = torch.randn(1, flow.mel)
    start = torch.randn(1, flow.mel, reference)
    _, conv, attention = flow.forward_chunk(start, spks, start)
    solver = FlowSolver(flow, flow.steps, attention)
    for comment in range(2):  # the second begins with the reference recording as it was
        solver._sizes = (
            {20, 50} if comment else set()
        )  # as if these lengths were recorded: others are filled up
        own = conv, attention
        ours = conv.clone(), solver.reference_places
        lengths = (20, 50, 50, 50, 50, 50, 50, 50, 16)
        for frames in lengths:
            mu = torch.randn(1, flow.mel, frames)
            wanted, *own = flow.forward_chunk(mu, spks, torch.zeros_like(mu), *own)
            found, *ours = solver(mu, spks, torch.zeros_like(mu), flow.steps, 1.0, *ours)
            assert found.shape == wanted.shape and torch.allclose(found, wanted, atol=1e-5)
            own[1], ours[1] = trimmed(own[1], reference), trimmed(ours[1], reference)
            assert ours[1].shape[4] == own[1].shape[4]
    with pytest.raises(ValueError, match="3 were prepared"):
        solver(mu, spks, mu, 10, 1.0, *ours)


class Token2Wav:
    """As much of Token2wav as can be put on graphs and fail at it."""

    class Encoder(nn.Module):
        def forward_chunk(self, xs, last_chunk, cnn_cache, att_cache):
            return xs, cnn_cache, att_cache

    float16, n_timesteps, cache = False, Flow.steps, None

    def __init__(self):
        self.flow = nn.ModuleDict({"decoder": Flow().eval(), "encoder": self.Encoder()})
        self.hift = nn.Identity()

    def set_stream_cache(self, path):
        start = torch.zeros(1, Flow.mel, 20)
        _, _, attention = self.flow.decoder.forward_chunk(start, torch.zeros(1, Flow.mel), start)
        self.flow.decoder.estimator.att_cache_buffer = attention
        return {"estimator_att_cache": attention}, {}

    def stream(self, tokens, prompt, last_chunk, return_waveform):
        nothing = torch.zeros(1)
        self.flow.encoder.forward_chunk(nothing, last_chunk=last_chunk, cnn_cache=nothing, att_cache=nothing)
        return np.ones(960 * len(tokens), np.float32)


@pytest.mark.skipif(torch.cuda.is_available(), reason="shows what happens where nothing can be recorded")
def test_a_vocoder_that_cannot_be_recorded_stays_as_it_was():
    from commentator_lib.commentators.minicpmo.vocoder import Vocoder

    token2wav = Token2Wav()
    vocoder = Vocoder(token2wav, np.zeros(16_000, np.float32))
    hift, cache = token2wav.hift, vocoder._caches[0]["estimator_att_cache"]
    weights = {name: value.clone() for name, value in token2wav.flow.decoder.state_dict().items()}
    with pytest.raises((RuntimeError, AssertionError)):
        vocoder.quicken(SimpleNamespace(stream=None, pool=None))
    assert token2wav.hift is hift and vocoder._caches[0]["estimator_att_cache"] is cache
    kept = token2wav.flow.decoder.state_dict()
    assert all(torch.equal(kept[name], value) for name, value in weights.items())
    assert token2wav.flow.decoder.estimator.att_cache_buffer.shape == cache.shape
    assert not {"forward_chunk"} & (vars(token2wav.flow.decoder).keys() | vars(token2wav.flow.encoder).keys())
    assert len(list(vocoder.finish())) == 0 and vocoder.push(5) is None


def test_softmax_attention_needs_no_order():
    """Why keys may stand anywhere: the flow model gives them no positions."""
    torch.manual_seed(0)
    query, key, value = torch.randn(1, 2, 3, 8), torch.randn(1, 2, 9, 8), torch.randn(1, 2, 9, 8)
    order = torch.randperm(9)
    wanted = F.scaled_dot_product_attention(query, key, value)
    assert torch.allclose(
        F.scaled_dot_product_attention(query, key[:, :, order], value[:, :, order]), wanted, atol=1e-6
    )
