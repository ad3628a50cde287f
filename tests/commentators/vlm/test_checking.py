"""Faults of a checkpoint, its packages or its memory are reported in one line before anything is loaded."""

from __future__ import annotations

import json
import sys

import pytest

from commentator_lib.commentators.vlm import checking
from commentator_lib.commentators.vlm.checking import (
    architecture_problem,
    explain_missing_memory,
    minicpmo_problem,
)
from commentator_lib.commentators.vlm.commentator import VLMCommentator
from commentator_lib.commentators.weights import loaded_bytes
from commentator_lib.settings import Settings
from tests.commentators.test_weights import the_only_line
from tests.commentators.vlm.conftest import (
    settings,
    with_config,
)

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")


def cut_off(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1])


def lose_a_shard(folder):
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    weight_map = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))


def only_gguf(folder):
    (folder / "config.json").unlink()
    (folder / "model-Q4_K_M.gguf").write_bytes(b"GGUF")


BROKEN = {
    "no config": (lambda f: (f / "config.json").unlink(), "no config.json"),
    "GGUF": (only_gguf, "set commentator=openai"),
    "no JSON": (lambda f: (f / "config.json").write_text("{"), "cannot be read as JSON"),
    "not UTF-8": (lambda f: (f / "config.json").write_bytes(b"\xff"), "cannot be read as JSON"),
    "a list": (lambda f: (f / "config.json").write_text("[]"), "no table of names"),
    "no weights": (lambda f: (f / "model.safetensors").unlink(), "lacks weights"),
    "cut off": (cut_off, "is cut off"),
    "half a download": (lose_a_shard, "1 of 2 weight files are missing"),
    "text model": (
        lambda f: with_config(f, model_type="qwen2", architectures=["Qwen2ForCausalLM"]),
        "is Qwen2ForCausalLM, which transformers",
    ),
    "speech model": (lambda f: with_config(f, model_type="whisper", architectures=None), "is whisper"),
    "unknown": (lambda f: with_config(f, model_type="moonvlm", architectures=["MoonVLM"]), "is MoonVLM"),
    "nameless": (lambda f: with_config(f, model_type=None, architectures=None), "names no model_type"),
    "MiniCPM-o": (
        lambda f: with_config(f, model_type="minicpmo", architectures=["MiniCPMO"]),
        "commentator=minicpmo",
    ),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_checkpoint_that_is_none_is_named_at_once(copied, kind):
    change, words = BROKEN[kind]
    change(copied)
    line = the_only_line(VLMCommentator, settings(copied))
    assert words in line and str(copied) in line


@pytest.mark.parametrize("path, words", [("", "set model_path"), ("/no/such/folder", "is not there")])
def test_no_checkpoint(path, words):
    assert words in the_only_line(VLMCommentator, Settings(commentator="vlm", model_path=path))


def test_architectures():
    known, all_known = {"smolvlm"}, {"smolvlm", "qwen2"}

    def problem(**config):
        return architecture_problem(config, known, all_known, "4.51.3")

    assert problem(model_type="smolvlm") == ""
    text_model = problem(model_type="qwen2")
    assert "does not load as a model of pictures and text" in text_model and "-U" not in text_model
    unknown = problem(model_type="qwen3_vl", architectures=["Qwen3VLForConditionalGeneration"])
    assert (
        "is Qwen3VLForConditionalGeneration, which transformers 4.51.3 does not know: pip install -U"
        in unknown
    )
    own_code = problem(model_type="internvl_chat", auto_map={"AutoModel": "modeling.InternVL"})
    assert "its own code is not run" in own_code and "its own code" not in unknown
    assert "names no model_type" in problem()
    assert minicpmo_problem({"architectures": ["MiniCPMO"]}) and not minicpmo_problem(
        {"model_type": "minicpmv"}
    )
    assert not minicpmo_problem({})


def test_no_gpu(checkpoint, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    line = the_only_line(VLMCommentator, settings(checkpoint(), device="cuda"))
    assert "sees no GPU" in line and "device=auto or cpu" in line
    assert VLMCommentator(settings(checkpoint(), device="auto"))._device == "cpu"


def test_packages_that_are_missing_or_broken(checkpoint, monkeypatch):
    folder = checkpoint()
    monkeypatch.setitem(sys.modules, "transformers.models.auto.modeling_auto", None)
    line = the_only_line(VLMCommentator, settings(folder))
    assert "PyTorch and transformers" in line and line.endswith("pip install 'commentator-lib[vlm]'")


def test_too_little_memory(checkpoint, monkeypatch):
    """A model stored in half precision needs 4 bytes a number on a CPU, 2 on a GPU, and a fifth more to work in."""
    folder = checkpoint(half=True)
    stored = loaded_bytes(folder, 2)
    monkeypatch.setattr(checking, "read_memory", lambda device: (round(stored * 2.3), 10 * stored))
    line = the_only_line(VLMCommentator, settings(folder))
    assert line.startswith(f"{folder.name} needs ") and "set model_path to a smaller model" in line
    monkeypatch.setattr(checking, "read_memory", lambda device: (round(stored * 2.5), 10 * stored))
    VLMCommentator(settings(folder))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    free = {"cuda": stored, "cpu": 10 * stored}
    monkeypatch.setattr(checking, "read_memory", lambda device: (free[device], 10 * stored))
    assert "set device=cpu" in the_only_line(VLMCommentator, settings(folder, device="auto"))
    free["cuda"] = round(1.3 * stored)
    assert VLMCommentator(settings(folder, device="auto"))._device == "cuda"


GB = 10**9
MEMORY = {
    "fits": ("cuda", {"cuda": 5 * GB, "cpu": 10 * GB}, (6 * GB, 8 * GB), (8 * GB, 16 * GB), (), ()),
    "GPU is in use": (
        "cuda",
        {"cuda": 7 * GB, "cpu": 14 * GB},
        (6 * GB, 8 * GB),
        (8 * GB, 16 * GB),
        (
            "needs 7.0 GB of GPU memory, and 6.0 GB of 8.0 GB is free",
            "end what else holds 2.0 GB",
            "nvidia-smi",
            "2.5 billion parameters",
            "commentator=openai",
        ),
        ("device=cpu",),
    ),
    "GPU is too small": (
        "cuda",
        {"cuda": 9 * GB, "cpu": 18 * GB},
        (8 * GB, 8 * GB),
        (20 * GB, 32 * GB),
        ("set device=cpu (slow; 18.0 GB", "3.3 billion"),
        ("end what else",),
    ),
    "machine is too small": (
        "cpu",
        {"cuda": 9 * GB, "cpu": 18 * GB},
        None,
        (12 * GB, 16 * GB),
        ("needs 18.0 GB of memory", "2.5 billion"),
        ("GPU", "nvidia", "end what else", "device=cpu"),
    ),
    "machine is in use": (
        "cpu",
        {"cuda": 7 * GB, "cpu": 14 * GB},
        None,
        (12 * GB, 16 * GB),
        ("end what else holds 4.0 GB of it;",),
        (),
    ),
}


@pytest.mark.parametrize("kind", MEMORY)
def test_what_would_fit(kind):
    device, needed, gpu, machine, said, unsaid = MEMORY[kind]
    line = explain_missing_memory("some-vl", device, needed, gpu, machine)
    assert bool(line) == bool(said) and "\n" not in line
    assert all(words in line for words in said) and not any(words in line for words in unsaid)
