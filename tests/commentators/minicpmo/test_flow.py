"""Token2wav's flow model over a cache of fixed places, compared with its own loop, in which the cache grows."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from commentator_lib.commentators.minicpmo.flow import FlowSolver  # noqa: E402
from tests.commentators.minicpmo.tiny_parts import Flow  # noqa: E402


def trimmed(cache, reference):
    """Return what stepaudio2's Token2wav keeps of a cache: as much as the reference recording, and the last hundred."""
    if cache.shape[4] <= reference + 100:
        return cache
    return torch.cat([cache[:, :, :, :, :reference], cache[:, :, :, :, -100:]], dim=4)


@pytest.mark.slow
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
        solver._sizes = {20, 50} if comment else set()  # as if these lengths were captured: others are padded
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
    """The parts of Token2wav that are captured as graphs; capturing them fails."""

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


@pytest.mark.skipif(torch.cuda.is_available(), reason="shows what happens where nothing can be captured")
def test_a_vocoder_that_cannot_be_captured_stays_as_it_was():
    from commentator_lib.commentators.minicpmo.vocoder import Vocoder

    token2wav = Token2Wav()
    vocoder = Vocoder(token2wav, np.zeros(16_000, np.float32))
    hift, cache = token2wav.hift, vocoder._caches[0]["estimator_att_cache"]
    weights = {name: value.clone() for name, value in token2wav.flow.decoder.state_dict().items()}
    with pytest.raises((RuntimeError, AssertionError)):
        vocoder.enable_cuda_graphs(SimpleNamespace(stream=None, handle=None))
    assert token2wav.hift is hift and vocoder._caches[0]["estimator_att_cache"] is cache
    kept = token2wav.flow.decoder.state_dict()
    assert all(torch.equal(kept[name], value) for name, value in weights.items())
    assert token2wav.flow.decoder.estimator.att_cache_buffer.shape == cache.shape
    assert not {"forward_chunk"} & (vars(token2wav.flow.decoder).keys() | vars(token2wav.flow.encoder).keys())
    assert len(list(vocoder.finish())) == 0 and vocoder.push(5) is None


def test_softmax_attention_needs_no_order():
    """The flow model gives keys no positions, so they may be anywhere in the cache."""
    torch.manual_seed(0)
    query, key, value = torch.randn(1, 2, 3, 8), torch.randn(1, 2, 9, 8), torch.randn(1, 2, 9, 8)
    order = torch.randperm(9)
    wanted = F.scaled_dot_product_attention(query, key, value)
    assert torch.allclose(
        F.scaled_dot_product_attention(query, key[:, :, order], value[:, :, order]), wanted, atol=1e-6
    )
