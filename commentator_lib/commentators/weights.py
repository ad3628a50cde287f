"""Checkpoint folders and their weight files: what can be known of them without loading a model.

Nothing here imports torch or transformers, and nothing reads a weight: names, JSON and the headers of the files are
enough to report a wrong path, half a download or a cut-off file at once. Loading would find it after a minute, and
report it as a traceback from the middle of a library.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from commentator_lib.commentators.base import CommentatorError
from commentator_lib.errors import first_line

# In the order in which transformers takes them, where a folder has more than one.
_SINGLE_OR_INDEX = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
# Other programs' copies of the weights, which some repositories keep beside these.
_NOT_DOWNLOADED = ["onnx/*", "openvino/*", "original/*", "*.gguf", "*.msgpack", "*.h5", "*.ot", "*.tflite"]
_MOST_HEADER_BYTES = 100_000_000
_LFS_POINTER = b"version https://git-lfs"
# Dtypes that are loaded in the precision that is asked for; all others stay as they are stored.
_FLOAT_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2}


class StoredTensor(NamedTuple):
    """A tensor of a weight file, by the file's header; `dtype` is safetensors' name of it, such as "BF16"."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    size_bytes: int


def bytes_text(n: int) -> str:
    """Return a number of bytes for people: "11.9 GB".

    >>> bytes_text(11_874_000_000), bytes_text(250_000)
    ('11.9 GB', '0.2 MB')
    """
    return f"{n / 1e9:.1f} GB" if n >= 1e9 else f"{n / 1e6:.1f} MB"


def first_sentence(error: BaseException) -> str:
    """Return the first sentence of an error's message, at most 200 characters: some libraries write pages.

    Return the name of its class where the message is empty.
    """
    text = first_line(error).split(". ")[0].rstrip(".")
    return text[:200] or type(error).__name__


def find_checkpoint(model_path: str) -> Path:
    """Return the folder of `model_path`: a folder, or a hub id (org/name), which is downloaded where it is not cached.

    Where the hub cannot be reached, or refuses, the cached copy is used. Raise CommentatorError for an empty path, a
    folder that is not there, or a hub id that is not cached and cannot be downloaded.
    """
    if not model_path.strip():
        raise CommentatorError("no checkpoint: set model_path to a checkpoint folder or a hub id (org/name)")
    folder = Path(model_path)
    try:
        folder = folder.expanduser()
        is_folder, is_there = folder.is_dir(), folder.exists()
    except (OSError, RuntimeError):  # a name too long for the disk, or the home of an unknown user
        is_folder = is_there = False
    if is_folder:
        return folder
    if is_there:
        raise CommentatorError(f"{model_path} is a file: set model_path to the checkpoint's folder")
    if not _HUB_ID.fullmatch(model_path):
        raise CommentatorError(
            f"{model_path} is not there: set model_path to a checkpoint folder or a hub id (org/name)"
        )
    return _from_hub(model_path)


def _from_hub(hub_id: str) -> Path:
    try:
        from huggingface_hub import snapshot_download
    except ImportError:
        raise CommentatorError(
            f"{hub_id} is no folder, and a hub id needs huggingface_hub: pip install 'commentator-lib[vlm]'"
        ) from None
    try:
        return Path(snapshot_download(hub_id, ignore_patterns=_NOT_DOWNLOADED))
    except (
        Exception
    ) as error:  # the hub's client raises errors of many kinds: no network, no such id, no access
        reason = f"{type(error).__name__}: {first_sentence(error)}"
    try:
        return Path(snapshot_download(hub_id, local_files_only=True))
    except Exception:  # no copy of it: report why the download failed
        raise CommentatorError(
            f"{hub_id} is no folder here and cannot be had from the hub ({reason}): check the name and the network, "
            "or copy the checkpoint here and set model_path to its folder"
        ) from None


def weight_files(folder: Path) -> list[Path]:
    """Return the checkpoint's weight files, sorted: one file, or its index's shards; safetensors before .bin.

    Raise CommentatorError for no file, for shards that are missing, and for shards without an index.
    """
    for name in _SINGLE_OR_INDEX:
        if (folder / name).is_file():
            return _shards(folder / name) if name.endswith(".json") else [folder / name]
    shards = sorted([*folder.glob("model-*-of-*.safetensors"), *folder.glob("pytorch_model-*-of-*.bin")])
    lacking = f"the index of its {len(shards)} weight files" if shards else "weights (model.safetensors)"
    raise CommentatorError(f"{folder} lacks {lacking}: half a download? download it again")


def _shards(index: Path) -> list[Path]:
    try:
        names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
        missing = [name for name in names if not (index.parent / name).is_file()]
    except (ValueError, KeyError, AttributeError, TypeError, OSError):
        raise CommentatorError(f"{index} cannot be read as an index of weights: download it again") from None
    if not names:
        raise CommentatorError(f"{index} names no weight files: download it again")
    if missing:
        raise CommentatorError(
            f"{index.parent} is half a download: {len(missing)} of {len(names)} weight files are missing, "
            f"{missing[0]} among them; download it again"
        )
    return [index.parent / name for name in names]


def stored_tensors(folder: Path) -> Iterator[StoredTensor]:
    """Yield what the safetensors headers alone say of each tensor; nothing for other formats.

    Raise CommentatorError for a file that is missing, unreadable or shorter than its header says.
    """
    for path in weight_files(folder):
        if path.suffix == ".safetensors":
            yield from _read_header(path)


def tensor_bytes(folder: Path) -> dict[str, int]:
    """Return the bytes of each tensor by its name. Raise what `stored_tensors` raises."""
    return {tensor.name: tensor.size_bytes for tensor in stored_tensors(folder)}


def loaded_bytes(folder: Path, float_bytes: int) -> int:
    """Return the bytes of the weights once loaded with `float_bytes` a number: 2 in half precision, 4 in float32.

    Integers and 8-bit floats, which quantized checkpoints hold, stay as they are. Files of other formats than
    safetensors count with their size on the disk. Raise what `tensor_bytes` raises.
    """
    files = weight_files(folder)
    if files[0].suffix != ".safetensors":
        return sum(path.stat().st_size for path in files)
    return sum(
        tensor.size_bytes // _FLOAT_BYTES[tensor.dtype] * float_bytes
        if tensor.dtype in _FLOAT_BYTES
        else tensor.size_bytes
        for tensor in stored_tensors(folder)
    )


def _read_header(path: Path) -> list[StoredTensor]:
    try:
        with open(path, "rb") as file:
            start = file.read(8)
            if start == _LFS_POINTER[:8] and file.read(15) == _LFS_POINTER[8:]:
                raise CommentatorError(
                    f"{path} is a Git LFS pointer and not the file: git lfs pull, or download it again"
                )
            (length,) = struct.unpack("<Q", start)
            if length > _MOST_HEADER_BYTES:
                raise ValueError("no header is that long")
            header = json.loads(file.read(length))
            there = file.seek(0, 2)
        header.pop("__metadata__", None)
        tensors: list[StoredTensor] = []
        last = 0
        for name, entry in header.items():
            begin, end = map(int, entry["data_offsets"])
            last = max(last, end)
            shape = tuple(map(int, entry["shape"]))
            tensors.append(StoredTensor(name, str(entry["dtype"]), shape, end - begin))
        wanted = 8 + length + last
        if any(tensor.size_bytes < 0 for tensor in tensors):
            raise ValueError("a tensor ends before it begins")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, struct.error):
        raise CommentatorError(f"{path} is no safetensors file, or a broken one: download it again") from None
    if there < wanted:
        raise CommentatorError(
            f"{path} is cut off: {bytes_text(there)} of {bytes_text(wanted)} are there; download it again"
        )
    return tensors
