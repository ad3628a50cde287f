"""Checkpoint folders and weight files: complete, incomplete, cut off, and from a hub that cannot be reached."""

from __future__ import annotations

import json
import os
import socket
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from commentator_lib.commentators import weights as module
from commentator_lib.commentators.base import CommentatorError
from commentator_lib.commentators.weights import (
    bytes_text,
    find_checkpoint,
    first_sentence,
    loaded_bytes,
    tensor_bytes,
    weight_files,
)
from tests.test_project import loaded_by

ROOT = Path(__file__).resolve().parents[2]
TENSORS = {
    "embed.weight": np.zeros((10, 4), np.float16),
    "norm.weight": np.zeros(4, np.float32),
    "mlp.qweight": np.zeros((6, 2), np.int32),
}
SIZES = {"embed.weight": 80, "norm.weight": 16, "mlp.qweight": 48}


def write(path: Path, names=tuple(TENSORS)) -> Path:
    from safetensors.numpy import save_file

    save_file({name: TENSORS[name] for name in names}, path, metadata={"format": "pt"})
    return path


def write_shards(folder: Path) -> list[Path]:
    shards = {"model-00001-of-00002.safetensors": list(TENSORS)[:1]}
    shards["model-00002-of-00002.safetensors"] = list(TENSORS)[1:]
    weight_map = {name: shard for shard, names in shards.items() for name in names}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    return [write(folder / shard, names) for shard, names in shards.items()]


def with_header(path: Path, header: object, data: bytes = b"") -> Path:
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path


def the_only_line(call, *arguments) -> str:
    """Return the error's text, which must be one line."""
    with pytest.raises(CommentatorError) as caught:
        call(*arguments)
    text = str(caught.value)
    assert "\n" not in text and text == text.strip()
    return text


def closed_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def test_neither_pytorch_nor_transformers_is_imported():
    loaded = loaded_by("import commentator_lib.commentators.weights")
    assert not {"torch", "transformers", "huggingface_hub", "safetensors"} & loaded


@pytest.mark.parametrize(
    "count, text",
    [(11_874_000_000, "11.9 GB"), (1_000_000_000, "1.0 GB"), (250_000, "0.2 MB"), (0, "0.0 MB")],
)
def test_bytes_as_people_say_them(count, text):
    assert bytes_text(count) == text


def test_what_an_error_says_first():
    page = "\nIt needs torchvision, which is not here. Check out the instructions on the\npage."
    assert first_sentence(ImportError(page)) == "It needs torchvision, which is not here"
    assert first_sentence(OSError()) == "OSError" and len(first_sentence(ValueError("x" * 999))) == 200


# Where a checkpoint is


def test_a_folder_is_the_checkpoint(tmp_path, monkeypatch):
    (tmp_path / "model").mkdir()
    assert find_checkpoint(str(tmp_path / "model")) == tmp_path / "model"
    monkeypatch.setenv("HOME", str(tmp_path))
    assert find_checkpoint("~/model/") == tmp_path / "model"


@pytest.mark.parametrize(
    "path, words",
    [
        ("", "set model_path"),
        ("  ", "set model_path"),
        ("/no/such/folder", "/no/such/folder is not there"),
        ("models/no/such", "models/no/such is not there"),
        ("~nobody-of-that-name/model", "is not there"),
        ("x" * 5000, "is not there"),
        ("C:\\models\\smolvlm", "is not there"),
    ],
)
def test_a_path_that_is_none(path, words):
    assert words in the_only_line(find_checkpoint, path)


def test_a_file_is_no_checkpoint(tmp_path):
    path = write(tmp_path / "model.safetensors")
    assert "is a file" in the_only_line(find_checkpoint, str(path))


def cached_copy(cache: Path, hub_id: str) -> Path:
    """Write a checkpoint in the layout of the hub's cache; return its folder."""
    repository = cache / f"models--{hub_id.replace('/', '--')}"
    folder = repository / "snapshots" / "0a1b"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0a1b")
    return folder


def test_hub_that_cannot_be_reached(tmp_path):
    """The cached copy is used; without one the error is one line."""
    folder = cached_copy(tmp_path, "someone/model")
    code = (
        "from commentator_lib.commentators.weights import find_checkpoint\n"
        "print(find_checkpoint('someone/model'))\n"
        "try: find_checkpoint('someone/else')\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("HF_")},
        "HF_ENDPOINT": f"http://127.0.0.1:{closed_port()}",
        "HF_HUB_CACHE": str(tmp_path),
        "NO_PROXY": "*",
    }
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT, env=environment
    )
    copy, error = done.stdout.splitlines()
    assert copy == str(folder)
    assert error.startswith("CommentatorError someone/else is no folder here and cannot be had from the hub")
    assert "check the name and the network" in error


def test_hub_that_refuses(monkeypatch, tmp_path):
    """For a gated or removed repository the cached copy is used; without one the line names the reason."""
    hub = pytest.importorskip("huggingface_hub")
    real = hub.snapshot_download

    def refusing(hub_id, local_files_only=False, **options):
        if not local_files_only:
            raise PermissionError("401 Client Error.\n\nRepository Not Found for url: …")
        return real(hub_id, local_files_only=True, cache_dir=tmp_path, **options)

    monkeypatch.setattr(hub, "snapshot_download", refusing)
    folder = cached_copy(tmp_path, "someone/model")
    assert find_checkpoint("someone/model") == folder
    assert "PermissionError: 401 Client Error)" in the_only_line(find_checkpoint, "someone/else")


def test_hub_id_without_the_hub_s_client(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    assert "pip install 'commentator-lib[vlm]'" in the_only_line(find_checkpoint, "someone/model")


def test_other_programs_copies_of_the_weights_are_not_downloaded():
    utils = pytest.importorskip("huggingface_hub.utils")
    wanted = [
        "config.json",
        "model-00001-of-00002.safetensors",
        "pytorch_model.bin",
        "chat_template.jinja",
        "modeling_minicpmo.py",
        "assets/token2wav/flow.pt",
        "assets/token2wav/campplus.onnx",
        "assets/ref_audio.wav",
    ]
    others = ["onnx/decoder_model_q4.onnx_data", "model-Q4_K_M.gguf", "tf_model.h5", "original/model.pth"]
    kept = utils.filter_repo_objects([*wanted, *others], ignore_patterns=module._NOT_DOWNLOADED)
    assert list(kept) == wanted


# Weight files


def test_one_file_and_shards_by_their_index(tmp_path):
    one = write(tmp_path / "model.safetensors")
    write(tmp_path / "adapter_model.safetensors", ["norm.weight"])  # belongs to something else
    assert weight_files(tmp_path) == [one] and tensor_bytes(tmp_path) == SIZES
    one.unlink()
    shards = write_shards(tmp_path)
    assert weight_files(tmp_path) == shards and tensor_bytes(tmp_path) == SIZES


def test_older_formats_count_as_they_lie_on_the_disk(tmp_path):
    (tmp_path / "pytorch_model.bin").write_bytes(bytes(70))
    assert weight_files(tmp_path) == [tmp_path / "pytorch_model.bin"]
    assert tensor_bytes(tmp_path) == {} and loaded_bytes(tmp_path, 4) == 70
    (tmp_path / "pytorch_model.bin").unlink()
    names = [f"pytorch_model-0000{k}-of-00002.bin" for k in (1, 2)]
    for name in names:
        (tmp_path / name).write_bytes(bytes(30))
    index = {"weight_map": {"a": names[1], "b": names[0], "c": names[1]}}
    (tmp_path / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    assert weight_files(tmp_path) == [tmp_path / name for name in names] and loaded_bytes(tmp_path, 4) == 60
    one = write(tmp_path / "model.safetensors")  # is taken first
    assert weight_files(tmp_path) == [one]


def test_bytes_once_loaded(tmp_path):
    """40 half and 4 full numbers are loaded as floats; 12 packed integers stay as they are."""
    write(tmp_path / "model.safetensors")
    assert loaded_bytes(tmp_path, 2) == 44 * 2 + 48
    assert loaded_bytes(tmp_path, 4) == 44 * 4 + 48


def test_half_a_download(tmp_path):
    assert "lacks weights (model.safetensors)" in the_only_line(weight_files, tmp_path)
    shards = write_shards(tmp_path)
    shards[1].unlink()
    line = the_only_line(weight_files, tmp_path)
    assert "1 of 2 weight files are missing, model-00002-of-00002.safetensors" in line
    (tmp_path / "model.safetensors.index.json").unlink()
    assert "lacks the index of its 1 weight files" in the_only_line(tensor_bytes, tmp_path)


BROKEN_INDEXES = {
    "no JSON": b"{",
    "not UTF-8": b"\xff\xfe",
    "a list": b"[]",
    "no map": b'{"metadata": {}}',
    "map of numbers": b'{"weight_map": {"a": 3}}',
    "map is a list": b'{"weight_map": [1]}',
    "empty": b'{"weight_map": {}}',
}


@pytest.mark.parametrize("kind", BROKEN_INDEXES)
def test_index_that_cannot_be_read(tmp_path, kind):
    (tmp_path / "model.safetensors.index.json").write_bytes(BROKEN_INDEXES[kind])
    line = the_only_line(weight_files, tmp_path)
    assert "model.safetensors.index.json" in line and "download it again" in line


@pytest.mark.parametrize("keep", [0, 4, 8, 40, -1])
def test_file_that_is_cut_off(tmp_path, keep):
    path = write(tmp_path / "model.safetensors")
    path.write_bytes(path.read_bytes()[:keep])
    line = the_only_line(tensor_bytes, tmp_path)
    assert str(path) in line and ("is cut off" in line) == (keep == -1) and "download it again" in line
    assert the_only_line(loaded_bytes, tmp_path, 2) == line


BROKEN_HEADERS = {
    "a list": ["embed.weight"],
    "no offsets": {"a": {"dtype": "F16", "shape": [1]}},
    "one offset": {"a": {"dtype": "F16", "shape": [1], "data_offsets": [0]}},
    "words for offsets": {"a": {"dtype": "F16", "shape": [1], "data_offsets": ["x", "y"]}},
    "no dtype": {"a": {"shape": [1], "data_offsets": [0, 2]}},
    "backwards": {"a": {"dtype": "F16", "shape": [1], "data_offsets": [2, 0]}},
    "a number": {"a": 3},
}


@pytest.mark.parametrize("kind", BROKEN_HEADERS)
def test_header_that_makes_no_sense(tmp_path, kind):
    with_header(tmp_path / "model.safetensors", BROKEN_HEADERS[kind], bytes(8))
    assert "no safetensors file, or a broken one" in the_only_line(tensor_bytes, tmp_path)


def test_other_files_of_that_name(tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"<!DOCTYPE html><html>not found</html>")
    assert "no safetensors file" in the_only_line(tensor_bytes, tmp_path)
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0a1b\nsize 4567\n")
    assert "git lfs pull" in the_only_line(tensor_bytes, tmp_path)
    path.unlink()
    path.mkdir()
    assert "lacks weights" in the_only_line(tensor_bytes, tmp_path)


def test_header_of_a_file_without_tensors(tmp_path):
    with_header(tmp_path / "model.safetensors", {"__metadata__": {"format": "pt"}})
    assert tensor_bytes(tmp_path) == {} and loaded_bytes(tmp_path, 2) == 0
