"""Checkpoints of MiniCPM-o: complete, incomplete, of another model."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from commentator_lib.commentators.minicpmo.checkpoint import BF16_HUB_ID, inspect_checkpoint, part_of
from tests.commentators.minicpmo.checkpoint_files import (
    AWQ,
    CODE,
    CONFIG,
    TENSORS,
    make_checkpoint,
    the_only_line,
    write_safetensors,
)


def test_neither_pytorch_nor_transformers_is_imported():
    code = (
        "import sys; from commentator_lib.commentators.minicpmo import assets, checkpoint, memory_budget; "
        "print({'torch', 'transformers', 'av', 'soxr'} & set(sys.modules))"
    )
    root = Path(__file__).resolve().parents[3]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    assert done.stdout.strip() == "set()"


def test_bf16_checkpoint(tmp_path):
    found = inspect_checkpoint(make_checkpoint(tmp_path / "model"))
    assert (found.quantization, found.bits, found.group_size) == ("", 16, 0)
    assert (found.dtype, found.label) == ("bfloat16", "BF16")
    assert found.part_bytes == {
        "llm": 160,
        "vision": 64,
        "resampler": 24,
        "talker": 40,
        "audio_encoder": 24,
        "other": 4,
    }
    assert found.folder == tmp_path / "model"


def test_awq_checkpoint(tmp_path):
    found = inspect_checkpoint(make_checkpoint(tmp_path / "model", AWQ))
    assert (found.quantization, found.bits, found.group_size) == ("awq", 4, 128)
    assert (found.dtype, found.label) == ("float16", "AWQ INT4")


def test_awq_by_its_older_names(tmp_path):
    older = {"quant_method": "AWQ", "w_bit": 4, "q_group_size": 64}
    found = inspect_checkpoint(make_checkpoint(tmp_path / "model", older))
    assert (found.bits, found.group_size) == (4, 64)


def test_weights_in_shards_are_added_up(tmp_path):
    folder = make_checkpoint(tmp_path / "model")
    (folder / "model.safetensors").unlink()
    names = list(TENSORS)
    shards = {"model-00001-of-00002.safetensors": names[:3], "model-00002-of-00002.safetensors": names[3:]}
    for shard, inside in shards.items():
        write_safetensors(folder / shard, {name: TENSORS[name] for name in inside})
    index = {"weight_map": {name: shard for shard, inside in shards.items() for name in inside}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    assert inspect_checkpoint(folder).part_bytes["llm"] == 160
    (folder / "model-00002-of-00002.safetensors").unlink()
    assert "model-00002-of-00002.safetensors" in the_only_line(inspect_checkpoint, folder)


def test_parts_by_the_names_of_tensors():
    assert part_of("tts.head_code.0.parametrizations.weight.original0") == "talker"
    assert part_of("audio_avg_pooler.x") == part_of("apm.layers.0.fc1.bias") == "audio_encoder"
    assert part_of("llmx.weight") == "other"


def test_code_of_another_repository_is_not_looked_for(tmp_path):
    mapped = {**CONFIG["auto_map"], "AutoModelForVision2Seq": "someone/other--modeling_far.Far"}
    inspect_checkpoint(make_checkpoint(tmp_path / "model", auto_map=mapped))


def test_tokenizer_json_stands_for_vocabulary_and_merges(tmp_path):
    folder = make_checkpoint(tmp_path / "model")
    (folder / "vocab.json").unlink()
    (folder / "tokenizer.json").write_text("{}")
    assert inspect_checkpoint(folder).label == "BF16"


@pytest.mark.parametrize(
    "name",
    ["tokenizer_config.json", "preprocessor_config.json", "vocab.json", "merges.txt", *CODE],
)
def test_half_a_download_names_what_is_missing(tmp_path, name):
    folder = make_checkpoint(tmp_path / "model")
    (folder / name).unlink()
    line = the_only_line(inspect_checkpoint, folder)
    assert name in line and "half a download" in line and "download the checkpoint again" in line


def test_no_checkpoint_says_what_one_holds(tmp_path):
    line = the_only_line(inspect_checkpoint, tmp_path)
    for word in ("no config.json", "tokenizer_config.json", "preprocessor_config.json", "safetensors", ".py"):
        assert word in line


def test_gguf_files_are_for_a_server(tmp_path):
    (tmp_path / "model-Q4_K_M.gguf").write_bytes(b"GGUF")
    assert "commentator=openai" in the_only_line(inspect_checkpoint, tmp_path)


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe{}", b"", b"[1]"])
@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json"])
def test_broken_json_is_named(tmp_path, content, name):
    folder = make_checkpoint(tmp_path / "model")
    (folder / name).write_bytes(content)
    line = the_only_line(inspect_checkpoint, folder)
    assert name in line and "JSON" in line and "again" in line


OTHERS = {
    "image-text": (
        {"architectures": ["Qwen2_5_VLForConditionalGeneration"], "model_type": "qwen2_5_vl"},
        "commentator=vlm",
    ),
    "image-text by its parts": (
        {"architectures": ["Gemma3ForConditionalGeneration"], "model_type": "gemma3", "vision_config": {}},
        "commentator=vlm",
    ),
    "MiniCPM-V": ({"architectures": ["MiniCPMV"], "model_type": "minicpmv"}, "commentator=vlm"),
    "text": ({"architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3"}, BF16_HUB_ID),
    "nothing": ({"architectures": None, "model_type": None}, "without a name"),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_another_model_is_named_with_what_runs_it(tmp_path, kind):
    changes, words = OTHERS[kind]
    line = the_only_line(inspect_checkpoint, make_checkpoint(tmp_path / "model", **changes))
    assert words in line and "not MiniCPM-o 4.5" in line
    assert ("commentator=vlm" in line) == (words == "commentator=vlm")
    for name in changes["architectures"] or []:
        assert name in line


def test_the_model_before_is_refused(tmp_path):
    line = the_only_line(inspect_checkpoint, make_checkpoint(tmp_path / "model", version="2.6"))
    assert "MiniCPM-o 2.6" in line and BF16_HUB_ID in line


@pytest.mark.parametrize("auto_map", [None, {}, {"AutoConfig": "configuration_minicpmo.MiniCPMOConfig"}])
def test_config_without_code(tmp_path, auto_map):
    line = the_only_line(inspect_checkpoint, make_checkpoint(tmp_path / "model", auto_map=auto_map))
    assert "auto_map" in line


QUANTISED_OTHERWISE = {
    "gptq": ({"quant_method": "gptq", "bits": 4}, "gptq"),
    "bitsandbytes": ({"quant_method": "bitsandbytes", "load_in_4bit": True}, "bitsandbytes"),
    "no method": ({"bits": 4}, "unnamed"),
    "a word": ("fp8", "fp8"),
    "eight bits": ({**AWQ, "bits": 8}, "8 bits"),
    "no bits": ({"quant_method": "awq"}, "unknown number"),
    "no group size": ({**AWQ, "group_size": "all"}, "group_size"),
    "group size of all": ({**AWQ, "group_size": -1}, "group_size"),
    "gemv": ({**AWQ, "version": "gemv"}, "the layout gemv"),
    "marlin": ({**AWQ, "version": "MARLIN"}, "the layout marlin"),
    "symmetric": ({**AWQ, "zero_point": False}, "without zero points"),
}


@pytest.mark.parametrize("kind", QUANTISED_OTHERWISE)
def test_other_quantizations_are_refused(tmp_path, kind):
    stated, words = QUANTISED_OTHERWISE[kind]
    assert words in the_only_line(inspect_checkpoint, make_checkpoint(tmp_path / "model", stated))


def test_weights_that_are_missing_or_cut_off(tmp_path):
    folder = make_checkpoint(tmp_path / "model")
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    assert "model.safetensors" in the_only_line(inspect_checkpoint, folder)
    weights.unlink()
    the_only_line(inspect_checkpoint, folder)


def test_weights_of_another_format(tmp_path):
    folder = make_checkpoint(tmp_path / "model")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    assert "safetensors" in the_only_line(inspect_checkpoint, folder)
