"""Find out what a MiniCPM-o 4.5 checkpoint holds before a minute is spent on loading it.

Only names, JSON and the headers of weight files are read, so a missing file is reported at once and in one line.
Nothing here imports PyTorch or transformers: `commentator check` runs it on machines that have neither.
The voice's files are in assets.py, the GPU memory that a checkpoint needs is in memory_budget.py.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from commentator_lib.commentators.base import CommentatorError
from commentator_lib.commentators.minicpmo import known_model
from commentator_lib.commentators.weights import stored_tensors

BF16_HUB_ID = "openbmb/MiniCPM-o-4_5"
AWQ_HUB_ID = "openbmb/MiniCPM-o-4_5-awq"

# The first word of a tensor's name says which part of the model it belongs to.
_PART_OF = {
    "llm": "llm",
    "vpm": "vision",
    "resampler": "resampler",
    "tts": "talker",
    "apm": "audio_encoder",
    "audio_projection_layer": "audio_encoder",
    "audio_avg_pooler": "audio_encoder",
}
PARTS = ("llm", "vision", "resampler", "talker", "audio_encoder", "other")

_OTHER_MODULE = re.compile(r"^\s*from \.(\w+) import", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint folder that has all its files.

    `quantization` is "" or "awq"; `bits` is 16 or 4; `group_size` is how many weights share a scale (0 where nothing
    is quantized). `part_bytes` maps each of PARTS to the bytes of its weights as they are stored. `differences`: what
    its config.json says otherwise than the published one; `talker_problem`: why its voice cannot be used, or "".
    """

    folder: Path
    quantization: str
    bits: int
    group_size: int
    part_bytes: dict[str, int]
    differences: tuple[str, ...] = ()
    talker_problem: str = ""

    @property
    def dtype(self) -> str:
        """The name of the PyTorch dtype that it computes in; AWQ's kernels support float16 only."""
        return "float16" if self.quantization == "awq" else "bfloat16"

    @property
    def label(self) -> str:
        """Its name for people: "BF16" or "AWQ INT4"."""
        return "AWQ INT4" if self.quantization == "awq" else "BF16"


# The published checkpoints, computed from their shapes: two bytes a parameter. In AWQ the language model's layers
# (6946 million parameters) take 4 bits a parameter and 20 bits for each group of 128; its embedding and its output
# head are not quantized.
_SHARED_PART_BYTES = {
    "vision": 836_000_000,
    "resampler": 178_000_000,
    "talker": 696_000_000,
    "audio_encoder": 614_000_000,
    "other": 0,
}
PUBLISHED_BF16 = Checkpoint(Path(BF16_HUB_ID), "", 16, 0, {"llm": 16_378_000_000, **_SHARED_PART_BYTES})
PUBLISHED_AWQ = Checkpoint(Path(AWQ_HUB_ID), "awq", 4, 128, {"llm": 6_095_000_000, **_SHARED_PART_BYTES})


def inspect_checkpoint(folder: Path) -> Checkpoint:
    """Return the description of the checkpoint in `folder`.

    Raise CommentatorError, one line that says what to do, for a folder without a checkpoint, with another model's
    checkpoint, with half a download, with a quantization other than AWQ with 4 bits, zero points and the layout gemm,
    or with weights of other shapes than these.
    """
    folder = Path(folder)
    config = _read_config(folder)
    _check_architecture(folder, config)
    quantization, bits, group_size = _quantization(folder, config)
    _check_text_files(folder)
    _check_code(folder, config)
    part_bytes: dict[str, int] = dict.fromkeys(PARTS, 0)
    tensors = list(stored_tensors(folder))
    for tensor in tensors:
        part_bytes[part_of(tensor.name)] += tensor.size_bytes
    if not any(part_bytes.values()):
        raise CommentatorError(
            f"{folder} has no weights in safetensors files, as the published checkpoints have: "
            f"set model_path to {BF16_HUB_ID} or {AWQ_HUB_ID}"
        )
    if problem := known_model.layout_problem(tensors, config, group_size):
        raise CommentatorError(f"{folder} {problem}: download it again, or set model_path to {BF16_HUB_ID}")
    differences = tuple(known_model.differences(config))
    talker_problem = known_model.talker_problem(config)
    return Checkpoint(folder, quantization, bits, group_size, part_bytes, differences, talker_problem)


def part_of(tensor: str) -> str:
    """Return which of PARTS the tensor of this name belongs to.

    >>> part_of("llm.model.layers.0.mlp.up_proj.qweight")
    'llm'
    """
    return _PART_OF.get(tensor.split(".", 1)[0], "other")


def _read_config(folder: Path) -> dict:
    if not (folder / "config.json").is_file():
        if any(folder.glob("*.gguf")):
            raise CommentatorError(
                f"{folder} holds GGUF files, which are for llama.cpp: serve them with it and set commentator=openai, "
                f"or set model_path to {BF16_HUB_ID} or {AWQ_HUB_ID}"
            )
        raise CommentatorError(
            f"{folder} is no checkpoint, it has no config.json: a checkpoint folder holds config.json, the model's .py "
            "files, tokenizer_config.json, preprocessor_config.json, vocab.json with merges.txt (or tokenizer.json) "
            "and *.safetensors"
        )
    return _read_json(folder / "config.json")


def _read_json(path: Path) -> dict:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:  # also not UTF-8
        raise CommentatorError(f"{path} cannot be read as JSON ({error}): download it again") from None
    if not isinstance(found, dict):
        raise CommentatorError(f"{path} is JSON, but no table of names and values: download it again")
    return found


def _check_architecture(folder: Path, config: dict) -> None:
    kinds = [str(kind) for kind in config.get("architectures") or []]
    model_type = str(config.get("model_type") or "")
    if model_type.lower() != "minicpmo" and not any(kind.lower() == "minicpmo" for kind in kinds):
        name = ", ".join(kinds) or model_type or "a model without a name"
        if _sees_pictures(config, [*kinds, model_type]):
            hint = "set commentator=vlm, which runs image-text models"
        else:
            hint = f"set model_path to {BF16_HUB_ID} or {AWQ_HUB_ID}"
        raise CommentatorError(f"{folder} is {name} and not MiniCPM-o 4.5: {hint}")
    version = str(config.get("version") or "4.5")
    if version.startswith(("1", "2", "3")):
        raise CommentatorError(
            f"{folder} is MiniCPM-o {version}, whose code differs: set model_path to {BF16_HUB_ID} or {AWQ_HUB_ID}"
        )


def _sees_pictures(config: dict, names: list[str]) -> bool:
    """Return whether the config describes a model of pictures and text."""
    known = ("imagetexttotext", "vision2seq", "vlm", "llava", "minicpmv", "_vl", "vlfor")
    return "vision_config" in config or any(word in name.lower() for name in names for word in known)


def _quantization(folder: Path, config: dict) -> tuple[str, int, int]:
    """Return (method, bits, group size); ("", 16, 0) where nothing is quantized."""
    stated = config.get("quantization_config")
    if not stated:
        return "", 16, 0
    stated = stated if isinstance(stated, dict) else {"quant_method": stated}
    method = str(stated.get("quant_method") or "an unnamed method").lower()
    if method != "awq":
        raise CommentatorError(
            f"{folder} is quantized by {method}, and only AWQ is known here: "
            f"set model_path to {AWQ_HUB_ID} or to {BF16_HUB_ID}"
        )
    bits = stated.get("bits", stated.get("w_bit"))
    if bits != 4:
        raise CommentatorError(
            f"{folder} is AWQ with {bits if bits is not None else 'an unknown number of'} bits, and only 4 are known "
            f"here: set model_path to {AWQ_HUB_ID}"
        )
    group_size = stated.get("group_size", stated.get("q_group_size", 128))
    if not isinstance(group_size, int) or group_size < 1:
        raise CommentatorError(
            f"{folder}/config.json: group_size is {group_size!r} and should be a number, as 128"
        )
    layout = str(stated.get("version") or "gemm").lower()
    if layout != "gemm":
        raise CommentatorError(
            f"{folder} is AWQ in the layout {layout}, and only gemm is known here: set model_path to {AWQ_HUB_ID}"
        )
    if stated.get("zero_point", True) is not True:
        raise CommentatorError(
            f"{folder} is AWQ without zero points, and only AWQ with them is known here: set model_path to {AWQ_HUB_ID}"
        )
    return "awq", 4, group_size


def _check_text_files(folder: Path) -> None:
    wanted = ["tokenizer_config.json", "preprocessor_config.json"]
    if not (folder / "tokenizer.json").is_file():
        wanted += ["vocab.json", "merges.txt"]
    _raise_if_missing(folder, [name for name in wanted if not (folder / name).is_file()])


def _check_code(folder: Path, config: dict) -> None:
    """Raise CommentatorError where one of the model's own Python files is missing.

    These are the files that auto_map names, and those that they import.
    """
    for wanted in ("AutoConfig", "AutoModel"):
        if not (isinstance(config.get("auto_map"), dict) and config["auto_map"].get(wanted)):
            raise CommentatorError(
                f"{folder}/config.json names no code for {wanted} (auto_map): the published checkpoint's does, "
                f"download it again ({BF16_HUB_ID})"
            )
    waiting = set(_mapped_modules(config))
    for name in ("tokenizer_config.json", "preprocessor_config.json"):
        waiting |= set(_mapped_modules(_read_json(folder / name)))
    seen: set[str] = set()
    missing = []
    while waiting:
        module = waiting.pop()
        seen.add(module)
        path = folder / f"{module}.py"
        if path.is_file():
            code = path.read_text(encoding="utf-8", errors="replace")
            waiting |= set(_OTHER_MODULE.findall(code)) - seen
        else:
            missing.append(path.name)
    _raise_if_missing(folder, sorted(missing))


def _mapped_modules(config: dict) -> Iterator[str]:
    """Yield the modules of an auto_map: {"AutoModel": "module.Class"}, or a list of such names and nulls."""
    auto_map = config.get("auto_map")
    for value in auto_map.values() if isinstance(auto_map, dict) else ():
        for reference in value if isinstance(value, list) else [value]:
            # "owner/name--module.Class" names another repository
            if isinstance(reference, str) and "--" not in reference:
                yield reference.rsplit(".", 1)[0]


def _raise_if_missing(folder: Path, missing: list[str]) -> None:
    if missing:
        raise CommentatorError(
            f"{folder} lacks {', '.join(missing)}: half a download; download the checkpoint again"
        )
