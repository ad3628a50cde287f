"""The parts of MiniCPM-o that need a GPU, compared with plain PyTorch: Triton kernels, CUDA graphs, the int4 kernel.

All tests are skipped without a GPU. The weights are random, the sizes tiny.
"""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from commentator_lib.commentators.base import CommentRequest
from commentator_lib.commentators.minicpmo.commentator import MiniCPMOCommentator
from commentator_lib.media import AudioChunk, Frame
from commentator_lib.settings import load_settings
from tests.commentators.minicpmo.tiny_minicpmo import make_checkpoint
from tests.conftest import gpu_bytes

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from commentator_lib.commentators.minicpmo import (  # noqa: E402
    decode,
    graphs,
    hearing,
    int4,
    layers,
    memory,
    sampling,
    shortlist,
    shrink,
)
from commentator_lib.commentators.minicpmo.flow import FlowSolver  # noqa: E402
from commentator_lib.commentators.minicpmo.sequence import LayeredSequence, PlainSequence  # noqa: E402
from commentator_lib.commentators.minicpmo.talker import Talker  # noqa: E402
from commentator_lib.commentators.torch_tools import free_gpu  # noqa: E402

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
GPU = "cuda"


def random_tensor(*shape, dtype=torch.float32, spread=0.3):
    return (torch.randn(*shape, device=GPU) * spread).to(dtype)


def some_layer(shape, hidden, inner, dtype, normed):
    size = shape.head_dim
    norms = [random_tensor(size, dtype=dtype) + 1 if normed else None for _ in range(2)]
    joined = (shape.heads + 2 * shape.kv_heads) * size
    return layers.Layer(
        random_tensor(hidden, dtype=dtype) + 1,
        random_tensor(joined, hidden, dtype=dtype),
        *norms,
        random_tensor(hidden, shape.heads * size, dtype=dtype),
        random_tensor(hidden, dtype=dtype) + 1,
        random_tensor(2 * inner, hidden, dtype=dtype),
        random_tensor(hidden, inner, dtype=dtype),
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("rows", [1, 5])
@pytest.mark.parametrize(
    ("heads", "kv_heads", "size", "normed"), [(4, 2, 16, True), (32, 8, 128, True), (12, 12, 64, False)]
)
def test_kernels_say_what_the_layers_say(dtype, rows, heads, kv_heads, size, normed):
    from commentator_lib.commentators.minicpmo import kernels

    torch.manual_seed(0)
    length, hidden = 300, 96
    shape = layers.Shape(heads, kv_heads, size, 1e-6)
    layer = some_layer(shape, hidden, 160, dtype, normed)
    cos, sin = random_tensor(length, size, dtype=dtype), random_tensor(length, size, dtype=dtype)
    x, delta = random_tensor(rows, hidden, dtype=dtype), random_tensor(rows, hidden, dtype=dtype)
    cache = random_tensor(2, kv_heads, length + 50, size, dtype=dtype)
    tolerance = 1e-5 if dtype == torch.float32 else 2**-6
    for start in (0, 31, 32, length - rows):
        positions = torch.arange(start, start + rows, device=GPU)
        found = []
        for way in (layers, kernels):
            keys, values = cache.clone()[:, :, : length + 40]  # a part of a longer cache
            scratch = way.scratch(shape, x.device)
            y, attended = way.attention(
                x, delta, layer, keys, values, positions, length, cos, sin, shape, scratch
            )
            given = found[0][1] if found else attended  # each step beside its own, not all their roundings
            found.append([y, attended, keys, values, *way.after_attention(y, given, layer, shape)])
        for ours, theirs in zip(*found, strict=True):
            scale = float(theirs.float().abs().max())
            assert float((ours.float() - theirs.float()).abs().max()) <= tolerance * max(1.0, scale)


def test_int4_weights_are_packed_as_pytorch_packs_them():
    torch.manual_seed(0)
    numbers = torch.randint(0, 16, (64, 512), dtype=torch.uint8, device=GPU)
    theirs = torch.ops.aten._convert_weight_to_int4pack(
        (numbers[:, ::2] << 4 | numbers[:, 1::2]).contiguous(), 8
    )
    assert torch.equal(int4.pack(numbers), theirs)


@pytest.mark.parametrize("group", [32, 128])
def test_int4_products_are_those_of_the_unpacked_weight(group):
    from commentator_lib.commentators.minicpmo.int4_kernel import dequantise

    torch.manual_seed(0)
    numbers = torch.randint(0, 16, (256, 512), dtype=torch.uint8, device=GPU)
    weight = int4.Int4(
        int4.pack(numbers), random_tensor(512 // group, 256, 2, dtype=torch.bfloat16, spread=0.01)
    )
    plain = int4.dequantise(*weight)
    assert torch.equal(dequantise(*weight), plain)
    part = weight.rows(64, 192)
    assert torch.equal(dequantise(*part), plain[64:192])
    for rows in (1, 16, 17, 300):
        x = random_tensor(rows, 512, dtype=torch.bfloat16)
        wanted = x.float() @ plain.float().T
        assert float((int4.matmul(x, weight).float() - wanted).norm() / wanted.norm()) < 0.01


@pytest.mark.parametrize("generated", [0, 1, 10, 11, 138, 139, 150, 290])
def test_kernels_pick_what_the_rules_pick(generated):
    from commentator_lib.commentators.minicpmo import sampling_kernels

    torch.manual_seed(generated)
    said = torch.randint(0, 60, (300,), device=GPU)  # most of them several times
    count = torch.tensor([generated], device=GPU)
    for width in (100, 25):
        logits = random_tensor(2000, spread=3.0)
        logits[::7] = -torch.inf
        noise = torch.empty(width, device=GPU).exponential_()
        wanted = sampling.penalise(logits, said, count, 1.02)
        assert torch.allclose(sampling_kernels.penalise(logits, said, count, 1.02), wanted, rtol=1e-6)
        for temperature in (0.7, 0.0):
            rule = sampling.Sampling(temperature=temperature)
            token = sampling_kernels.pick(wanted, rule, noise)
            assert torch.equal(token, sampling.pick(wanted, rule, noise))


def test_rows_from_the_hosts_memory_are_the_tables():
    from commentator_lib.commentators.minicpmo.host_table import HostTable

    torch.manual_seed(0)
    for size in (64, 768):
        table = torch.nn.Embedding(50, size, device=GPU, dtype=torch.bfloat16)
        ids = torch.randint(0, 50, (2, 9), device=GPU)
        assert torch.equal(HostTable(table.weight)(ids), table(ids))


@pytest.mark.parametrize(("count", "width"), [(20_000, 256), (5_003, 640), (100, 4096)])
def test_the_head_in_8_bits_finds_the_likeliest_and_the_whole_one_says_how_likely(count, width):
    torch.manual_seed(0)
    whole = torch.nn.Linear(width, count, bias=False, device=GPU, dtype=torch.bfloat16)
    head = shortlist.ShortlistHead(whole.weight)
    assert not head.exact.is_cuda and head.numbers.is_cuda
    for _ in range(10):
        hidden = random_tensor(1, width, dtype=torch.bfloat16)
        exact = (whole.weight.float() @ hidden[0].float()).bfloat16()
        found = head(hidden)[0]
        likeliest = exact.topk(min(100, count)).indices
        assert float((found[likeliest].float() - exact[likeliest].float()).abs().max()) <= 2**-8
        assert torch.equal(found.topk(20).values, exact.topk(20).values) or found.argmax() == exact.argmax()
        apart = (found.float() - exact.float()).norm() / exact.float().norm()
        assert 0 <= float(apart) < 0.02


def test_compacted_tensors_are_the_same_and_leave_no_holes():
    torch.manual_seed(0)
    free_gpu()
    many = [torch.randn(700_000, device=GPU) for _ in range(60)]  # of 2.8 MB: seven share a piece of 20
    kept = many[::7]
    part = kept[0][100:200]
    before = [tensor.clone() for tensor in kept]
    del many
    free_gpu()
    held = torch.cuda.memory_reserved()
    memory.compact([], [*kept, part, torch.zeros(3)])
    assert torch.cuda.memory_reserved() < held - 60 * 2**20
    assert all(torch.equal(now, then) for now, then in zip(kept, before, strict=True))
    kept[0][150] = 7
    assert float(part[50]) == 7


def test_float16_becomes_bfloat16_in_its_own_memory():
    layer = torch.nn.Linear(3001, 257, device=GPU, dtype=torch.float16)
    place, wanted = layer.weight.data_ptr(), layer.weight.bfloat16()
    shrink.to_bfloat16(layer)
    assert layer.weight.data_ptr() == place and torch.equal(layer.weight, wanted)


def test_the_flow_model_in_half_precision_is_near_the_whole_one():
    from tests.commentators.minicpmo.tiny_parts import Flow

    with torch.device(GPU), torch.inference_mode(False):
        flow, reference = Flow().eval(), 120
    with torch.device(GPU), torch.inference_mode():
        spks, start = random_tensor(1, flow.mel), random_tensor(1, flow.mel, reference)
        _, conv, attention = flow.forward_chunk(start, spks, start)
        mus = [random_tensor(1, flow.mel, 50, spread=1.0) for _ in range(3)]
        own, wanted = (conv, attention), []
        for mu in mus:
            mel, *own = flow.forward_chunk(mu, spks, torch.zeros_like(mu), *own)
            wanted.append(mel)
        solver = FlowSolver(flow, flow.steps, attention)
        assert not next(flow.estimator.blocks.parameters()).is_cuda
        ours = conv, solver.reference_places
        for mu, mel in zip(mus, wanted, strict=True):
            found, *ours = solver(mu, spks, torch.zeros_like(mu), flow.steps, 1.0, *ours)
            assert ours[0].dtype == torch.float16
            assert 0 < float((found - mel).norm() / mel.norm()) < 2e-3


@pytest.fixture(scope="module")
def qwen():
    config = transformers.Qwen3Config(
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=32,
        vocab_size=500,
        pad_token_id=0,
    )
    torch.manual_seed(0)
    return transformers.Qwen3ForCausalLM(config).to(GPU).eval()


@pytest.mark.parametrize("temperature", [0.0, 0.7])
def test_captured_and_plain_say_the_same(qwen, temperature):
    texts = []
    for captured in (False, True):
        pool = graphs.GraphPool() if captured else None
        sequence = LayeredSequence(qwen.model, 700, pool) if captured else PlainSequence(qwen.model)
        generator = torch.Generator(GPU).manual_seed(3)
        writer = decode.Writer(
            qwen,
            sequence,
            sampling.Sampling(temperature),
            max_tokens=300,
            generator=generator,
            graph_pool=pool,
        )
        torch.manual_seed(1)
        for lengths in ((100, 70), (65,), (3, 1, 9), (100, 70), (65,), (3, 1, 9)):
            generator.manual_seed(len(lengths))
            embeds = [random_tensor(1, length, 128) for length in lengths]
            tokens = list(writer.generate(embeds, max_new_tokens=200, stops=[], suppressed=[7, 8]))
            texts.append([token for token, _hidden in tokens])
            hidden = torch.cat([state for _token, state in tokens if state is not None])
            assert hidden.shape == (200, 1, 128) and hidden.unique(dim=0).shape[0] > 190
            writer.capture_new_shapes()  # the second time it runs from graphs
    assert texts[:6] == texts[6:] and not {7, 8} & set().union(*texts)


def test_a_stop_token_ends_it_and_the_next_comment_begins_anew(qwen):
    pool = graphs.GraphPool()
    writer = decode.Writer(
        qwen, LayeredSequence(qwen.model, 256, pool), sampling.Sampling(0.0), max_tokens=50, graph_pool=pool
    )
    embeds = random_tensor(1, 20, 128)
    list(writer.generate([embeds], max_new_tokens=3, stops=[], suppressed=[]))
    writer.capture_new_shapes()
    whole = [t for t, _ in writer.generate([embeds], max_new_tokens=30, stops=[], suppressed=[])][:-1]
    stop = whole[10]
    cut = [t for t, _ in writer.generate([embeds], max_new_tokens=30, stops=[stop], suppressed=[])]
    assert cut == [*whole[: whole.index(stop)], None]
    assert [t for t, _ in writer.generate([embeds], max_new_tokens=30, stops=[], suppressed=[])][:-1] == whole


def test_longer_prompts_are_captured_ahead(qwen):
    pool = graphs.GraphPool()
    sequence = LayeredSequence(qwen.model, 250, pool, 64, 3)
    plain = PlainSequence(qwen.model)
    sequence.take(random_tensor(1, 70, 128))
    sequence.capture_new_shapes()
    assert {rows for rows, _first in sequence._graphs} == {128, 192}  # 256 would not fit
    for count in (20, 190, 100):
        embeds = random_tensor(1, count, 128)
        sequence.begin()
        plain.begin()
        assert torch.allclose(sequence.take(embeds), plain.take(embeds), atol=1e-4)
    assert sequence._new_shapes == {(64, True)}


def test_a_graphed_function_follows_its_inputs_and_its_shapes():
    calls = []

    def run(x):
        calls.append(x.shape)
        return (x * torch.tensor([2.0]).to(GPU), x.sum(-1))

    graphed = graphs.GraphedFunction(run)
    graphed.graph_pool = graphs.GraphPool()
    one, two = random_tensor(3, 4), random_tensor(3, 4)
    kept = graphed(one)
    assert torch.equal(graphed(two)[0], two * 2) and torch.equal(kept[0], one * 2)
    count = len(calls)
    assert torch.equal(graphed(one)[1], one.sum(-1)) and len(calls) == count
    graphed.graph_pool = None
    assert (
        torch.equal(graphed(random_tensor(2, 4) * 0)[0], torch.zeros(2, 4, device=GPU))
        and len(calls) == count + 1
    )


# --- whole checkpoints from disk


def request(seed=0):
    rng = np.random.default_rng(seed)
    frames = [Frame(k, k, k, rng.integers(0, 256, (36, 64, 3), dtype=np.uint8)) for k in range(4)]
    return CommentRequest(frames, "What happens?", 24, True)


@pytest.mark.parametrize("kind", ["bf16", "awq"])
def test_a_checkpoint_from_disk_speaks_and_frees_the_gpu(tmp_path, kind):
    folder = make_checkpoint(tmp_path / kind, awq=kind == "awq", width=128)
    before = gpu_bytes()
    settings = load_settings(environment={}, commentator="minicpmo", model_path=str(folder))
    commentator = MiniCPMOCommentator(settings)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # "no CUDA graphs for …"
        commentator.warm_up()
    assert type(commentator.engine.writer.sequence) is LayeredSequence
    llm = commentator.engine.loaded.model.llm
    query = llm.model.layers[0].self_attn.q_proj
    assert type(query) is (int4.Int4Linear if kind == "awq" else torch.nn.Linear)
    assert type(llm.lm_head) is (shortlist.ShortlistHead if kind == "awq" else torch.nn.Linear)
    chunks = list(commentator.comment(request()))
    assert sum(chunk.output_tokens for chunk in chunks) == 24
    assert sum(chunk.audio.duration_s for chunk in chunks if chunk.audio is not None) > 1
    assert not any(chunk.problem for chunk in chunks)
    commentator.close()
    assert gpu_bytes() <= before + 2**20


def test_4_bit_layers_that_the_kernel_cannot_take_run_the_plain_way(tmp_path):
    settings = load_settings(
        environment={}, commentator="minicpmo", model_path=str(make_checkpoint(tmp_path / "awq", awq=True))
    )
    commentator = MiniCPMOCommentator(settings)
    with pytest.warns(UserWarning, match="no CUDA graphs for Qwen3Model, so it runs slower"):
        commentator.warm_up()
    assert type(commentator.engine.writer.sequence) is PlainSequence
    assert sum(chunk.output_tokens for chunk in commentator.comment(request())) == 24
    commentator.close()


def test_the_talker_says_the_same_captured_and_plain(tmp_path):
    from commentator_lib.commentators.minicpmo.checkpoint import inspect_checkpoint
    from commentator_lib.commentators.minicpmo.loading import load

    loaded = load(inspect_checkpoint(make_checkpoint(tmp_path / "tiny")), GPU, True)
    tts = loaded.model.tts.float()
    said = []
    for pool in (None, graphs.GraphPool()):
        sequence = LayeredSequence(tts.model, 1024, pool, bucket=12) if pool else PlainSequence(tts.model)
        talker = Talker(
            tts, sequence, torch.Generator(GPU).manual_seed(5), max_per_text_token=6, graph_pool=pool
        )
        torch.manual_seed(2)
        for _ in range(3):
            for last in (False, False, True):
                ids = torch.randint(0, 20, (1, 10), device=GPU)
                said.append(list(talker.say(ids, random_tensor(1, 10, 64), last)))
            talker.capture_new_shapes()
    assert said[:9] == said[9:] and sum(map(len, said)) > 100


@torch.inference_mode()
def test_a_captured_sound_is_heard_as_without_a_graph(tmp_path):
    folder = make_checkpoint(tmp_path / "tiny", assets=False)
    settings = load_settings(
        environment={}, commentator="minicpmo", model_path=str(folder), speech=False, hear=True
    )
    commentator = MiniCPMOCommentator(settings)
    commentator.warm_up()
    captured, loaded = commentator.engine.hearing, commentator.engine.loaded
    plain = hearing.Hearing(loaded.model, loaded.processor.audio_processor)
    assert sorted(captured._graphs) == [200, 400, 600, 800]
    for seconds in (0.3, 2.0, 4.0, 7.9, 11.0):
        samples = np.random.default_rng(1).normal(0, 0.1, round(16_000 * seconds)).astype(np.float32)
        sound = AudioChunk(samples, 16_000)
        assert torch.allclose(captured.encode(sound), plain.encode(sound), atol=2e-2, rtol=1e-2)
    commentator.close()
