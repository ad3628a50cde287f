"""Tiny models for the tests of MiniCPM-o's commentator, shared by all of them, and helpers to ask one."""

from __future__ import annotations

import contextlib
import dataclasses
import threading

import numpy as np
import pytest

from commentator_lib.commentators.base import Commentator, CommentRequest
from commentator_lib.media import Frame
from commentator_lib.settings import load_settings
from tests.commentators.minicpmo.tiny_minicpmo import REAL, make_checkpoint

# The real vocoder takes seconds for a second of sound on a CPU.
TOKENS = 12 if REAL else 24
# Of the flow model, instead of ten: a tenth of its time.
FLOW_STEPS = 1
only_own_code = pytest.mark.skipif(REAL, reason="acts on the tests' own tiny code")


@contextlib.contextmanager
def real_vocoder_runs_on_a_cpu():
    """Redirect minicpmo-utils to the CPU: it puts everything on "cuda" by name. Do nothing with the tests' own code."""
    if not REAL:
        yield
        return
    import torch
    from torch.overrides import TorchFunctionMode

    from commentator_lib.commentators.minicpmo import talker
    from experiments.benchmarks.model.random_minicpmo import replace_speech_tokenizer

    token2wav = pytest.importorskip("stepaudio2.token2wav").Token2wav

    class OnCpu(TorchFunctionMode):
        def __torch_function__(self, function, types, args=(), kwargs=None):
            kwargs = dict(kwargs or {})
            if "cuda" in str(kwargs.get("device", "")):
                kwargs["device"] = "cpu"
            return args[0] if function is torch.Tensor.cuda else function(*args, **kwargs)

    patch = pytest.MonkeyPatch()
    replace_speech_tokenizer()
    # a talker with random weights does not end by itself: a short bound
    patch.setattr(talker.Talker.__init__, "__defaults__", (None, None, 4, False))
    patch.setattr(torch.nn.Module, "cuda", lambda self, *_args: self)
    for name in ("__init__", "set_stream_cache", "stream"):
        original = getattr(token2wav, name)

        def on_cpu(self, *args, _original=original, **options):
            with OnCpu():
                result = _original(self, *args, **options)
            self.n_timesteps = FLOW_STEPS
            return result

        patch.setattr(token2wav, name, on_cpu)
    yield
    patch.undo()


@pytest.fixture(scope="module")
def real_vocoder_on_a_cpu():
    """Run the real vocoder on a CPU, for modules that load a voice of their own."""
    with real_vocoder_runs_on_a_cpu():
        yield


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory):
    """Return the folders of a tiny BF16 checkpoint with its voice's files, and of the same in AWQ without them."""
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("checkpoints")
    plain = make_checkpoint(folder / "tiny")
    quantised = make_checkpoint(folder / "tiny-awq", awq=True, assets=False)
    return {"bf16": plain, "awq": quantised}


def settings_for(folder, **changes):
    return load_settings(
        environment={}, commentator="minicpmo", model_path=str(folder), device="cpu", **changes
    )


@pytest.fixture(scope="session")
def loaded(checkpoints):
    """Return one commentator, shared by the tests that leave it intact."""
    from commentator_lib.commentators.minicpmo.commentator import MiniCPMOCommentator

    commentator = MiniCPMOCommentator(settings_for(checkpoints["bf16"], temperature=0.0))
    with real_vocoder_runs_on_a_cpu():
        commentator.warm_up()
    yield commentator
    commentator.close()


def replace_eyes(patch, engine, make):
    """Put `make(whole)` in place of `whole`, which turns pictures into embeddings: our code, or the model's own."""
    own = (engine.loaded.model, "get_vllm_embedding")
    place, name = own if engine.vision is None else (engine.vision, "encode")
    patch.setattr(place, name, make(getattr(place, name)))


def frames(count=4, seed=0):
    rng = np.random.default_rng(seed)
    return [Frame(k, k, k, rng.integers(0, 256, (36, 64, 3), dtype=np.uint8)) for k in range(count)]


def request(tokens=TOKENS, speech=True, seed=0):
    return CommentRequest(frames(seed=seed), "What happens?", tokens, speech)


def sound_s(chunks):
    return sum(chunk.audio.duration_s for chunk in chunks if chunk.audio is not None)


def text_of(chunks):
    return "".join(chunk.text for chunk in chunks)


def speech_threads():
    return [thread for thread in threading.enumerate() if thread.name == "speech"]


def says(monkeypatch, tokenizer, text):
    """Make the language model say this text, whatever its weights are, and then stop."""
    import torch

    from commentator_lib.commentators.minicpmo import sampling

    ids = [*tokenizer.encode(text, add_special_tokens=False), tokenizer.convert_tokens_to_ids("<|im_end|>")]
    queue = list(ids)

    def pick(logits, _sampling, noise):
        return torch.tensor([queue.pop(0) if queue else ids[-1]], device=logits.device)

    monkeypatch.setattr(sampling, "pick", pick)
    return len(ids) - 1


class Short(Commentator):
    """A commentator limited to a few tokens a comment; the settings allow no fewer than 64."""

    def __init__(self, inner, max_tokens):
        self.inner, self.max_tokens = inner, max_tokens
        self.name = inner.name

    @property
    def has_voice(self):
        return self.inner.has_voice

    def warm_up(self):
        self.inner.warm_up()

    def comment(self, request):
        return self.inner.comment(dataclasses.replace(request, max_new_tokens=self.max_tokens))

    def close(self):
        self.inner.close()
