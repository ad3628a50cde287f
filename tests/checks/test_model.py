"""`commentator check --model`: what is known of a checkpoint by its names, its JSON and its headers."""

from __future__ import annotations

import json
import math
import struct
import time

import pytest
from typer.testing import CliRunner

from commentator_lib.cli import app
from commentator_lib.commentators.minicpmo.known_model import language_layer_shapes
from experiments.benchmarks.model.random_config import AWQ, FULL
from tests.commentators.minicpmo.checkpoint_files import make_checkpoint

SHARED = {
    "llm.model.embed_tokens.weight": ("BF16", (151748, 4096)),
    "llm.lm_head.weight": ("BF16", (151748, 4096)),
    "vpm.encoder.layers.0.mlp.fc1.weight": ("BF16", (4304, 1152)),
    "resampler.query": ("BF16", (64, 4096)),
    "tts.emb_text.weight": ("BF16", (152064, 768)),
    "apm.conv1.weight": ("BF16", (1024, 80, 3)),
}
BYTES = {"BF16": 2, "F16": 2, "I32": 4}


def write_headers(path, tensors):
    """Write a weight file of the full size whose bytes are a hole: it takes no room on the disk."""
    header, end = {}, 0
    for name, (dtype, shape) in tensors.items():
        size = BYTES[dtype] * math.prod(shape)
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + end)


def full_checkpoint(folder, awq=False, **changes):
    """Write a checkpoint of the published shapes whose weights are holes."""
    config = {
        k: v for k, v in FULL.items() if k not in ("architectures", "model_type", "version", "auto_map")
    }
    make_checkpoint(folder, AWQ if awq else None, **{**config, **changes})
    layers = {
        name: ("BF16" if not awq else "F16" if name.endswith("scales") else "I32", shape)
        for name, shape in language_layer_shapes(FULL, 128 if awq else 0).items()
    }
    write_headers(folder / "model.safetensors", {**SHARED, **layers})
    return folder


def checked(*arguments):
    return CliRunner().invoke(app, ["check", *map(str, arguments)])


def said(result):
    """Return what a command printed as one line: a table breaks it where the terminal ends."""
    return " ".join(result.output.split())


@pytest.mark.parametrize("awq", [False, True])
def test_a_checkpoint_of_full_shape_is_known_in_seconds(tmp_path, awq):
    folder = full_checkpoint(tmp_path / "model", awq)
    began_s = time.perf_counter()
    found = checked("--model", folder, "--json")
    assert time.perf_counter() - began_s < 5
    assert found.exit_code == 0, found.output
    lines = {line["what"]: line["found"] for line in json.loads(found.output)["lines"]}
    assert ("AWQ INT4" if awq else "BF16") in lines["checkpoint"]
    assert lines["against the published one"] == "no difference is known"
    assert "GB with speech" in lines["GPU memory"] and "llm" in lines["weights"]


def test_what_differs_is_said_and_runs(tmp_path):
    found = checked("--model", full_checkpoint(tmp_path / "model", query_num=96))
    assert found.exit_code == 0 and "query_num 96 (64)" in said(found)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda folder: (folder / "model.safetensors").unlink(), "lacks weights"),
        (lambda folder: (folder / "config.json").write_text("{"), "cannot be read as JSON"),
        (lambda folder: (folder / "merges.txt").unlink(), "merges.txt"),
    ],
)
def test_half_a_download_is_one_line_and_exit_code_1(tmp_path, damage, words):
    folder = full_checkpoint(tmp_path / "model")
    damage(folder)
    found = checked("--model", folder)
    assert found.exit_code == 1 and words in said(found)


def test_a_folder_that_is_not_there(tmp_path):
    found = checked("--model", tmp_path / "none")
    assert found.exit_code == 1 and "none" in found.output


def test_another_model_is_for_vlm(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text(
        json.dumps({"model_type": "qwen2_5_vl", "architectures": ["Qwen2_5_VL"]})
    )
    write_headers(folder / "model.safetensors", {"lm_head.weight": ("BF16", (1000, 64))})
    found = checked("--model", folder)
    assert found.exit_code == 0 and "commentator=vlm" in found.output and "1 tensors" in said(found)
