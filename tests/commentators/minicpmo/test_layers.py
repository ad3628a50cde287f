"""The layers and graphs that make MiniCPM-o fast, compared with transformers' modules and PyTorch's functions.

They run on a CPU, at tiny sizes, with random weights; test_gpu.py tests the GPU's kernels.
"""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from commentator_lib.commentators.minicpmo import graphs, layers, shrink  # noqa: E402
from commentator_lib.commentators.minicpmo.sequence import LayeredSequence, PlainSequence  # noqa: E402
from tests.commentators.minicpmo.tiny_parts import decoder  # noqa: E402


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
        written.advance(1)
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
    sequence.advance(1)
    sequence.advance(-1)
    assert torch.equal(sequence.take(other), wanted)
    if kind == "written out":
        with pytest.raises(ValueError, match="room for 8"):
            sequence.take(torch.randn(1, 9, 64))


@pytest.mark.parametrize("changes", [{"attention_bias": True}, {"hidden_act": "gelu"}])
def test_a_decoder_that_is_built_in_another_way_is_refused(changes):
    with pytest.raises(ValueError, match="biases, another activation"):
        LayeredSequence(decoder("llama", **changes), 10)


def test_converting_to_bfloat16_leaves_the_rotary_embeddings_frequencies():
    """In bfloat16 a frequency would be wrong by 1 part in 512, and at position 600 an angle by half a radian."""
    model = decoder("qwen3", head_dim=128).half()
    model.rotary_emb.inv_freq.data = model.rotary_emb.original_inv_freq.clone()
    before = [(value.data_ptr(), value.bfloat16()) for value in model.parameters()]
    shrink.to_bfloat16(model)
    after = [(value.data_ptr(), value.data) for value in model.parameters()]
    assert [place for place, _ in after] == [place for place, _ in before]
    assert all(torch.equal(now, then) for (_, now), (_, then) in zip(after, before, strict=True))
    assert {value.dtype for value in model.parameters()} == {torch.bfloat16}
    assert model.rotary_emb.inv_freq.dtype == torch.float32
    assert (
        model.rotary_emb.inv_freq.bfloat16().float() * 600 - model.rotary_emb.inv_freq * 600
    ).abs().max() > 0.5
    assert torch.equal(model.rotary_emb.inv_freq, model.rotary_emb.original_inv_freq)


# --- graphs


def test_istft_is_that_of_pytorch():
    torch.manual_seed(0)
    spectrum = torch.randn(2, 9, 30, dtype=torch.complex64)
    window = torch.hann_window(16)
    wanted = torch.istft(spectrum, 16, 4, 16, window=window)
    assert torch.allclose(graphs.istft(spectrum, 16, 4, 16, window=window), wanted, atol=1e-6)
    with pytest.raises(ValueError, match="window of 8"):
        graphs.istft(spectrum, 16, 4, 8, window=window)


def test_what_was_not_captured_runs_as_it_is():
    graphed = graphs.GraphedFunction(lambda x, y: (x + y,))
    assert torch.equal(graphed(torch.ones(2), torch.ones(2))[0], torch.full((2,), 2.0))
