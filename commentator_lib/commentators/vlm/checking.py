"""Check a checkpoint, its packages and its device before loading, which takes minutes; each fault is one line."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from commentator_lib.commentators.base import CommentatorError
from commentator_lib.commentators.vlm.faults import INSTALL, last_cause
from commentator_lib.commentators.vlm.loading import EXAMPLES, float_bytes
from commentator_lib.commentators.weights import bytes_text, find_checkpoint, first_sentence, loaded_bytes
from commentator_lib.settings import Settings

# Activations, the KV cache and the allocator's slack, as a share of the weights.
_WORKING_SHARE = 0.2


def check_before_loading(settings: Settings) -> tuple[Path, str]:
    """Check all that can be checked without loading weights; return (checkpoint folder, "cuda" or "cpu").

    Raise CommentatorError, one line with a fix, for packages, checkpoint, architecture, device, or memory.
    """
    # 1) The checkpoint's files.
    folder = find_checkpoint(settings.model_path)
    config = read_config(folder)
    if problem := minicpmo_problem(config):
        raise CommentatorError(f"{folder} {problem}")
    half_bytes = loaded_bytes(folder, 2)  # names what is missing or cut off before minutes go into imports
    # 2) The packages, and whether they know the architecture.
    try:
        import torch
        from transformers import __version__ as version
        from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES
        from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES
    except Exception as error:  # missing, or broken: builds that do not fit together raise errors of any kind
        why = first_sentence(last_cause(error))
        raise CommentatorError(
            f"image-text models need PyTorch and transformers, which do not load ({why}): {INSTALL}"
        ) from None
    known, all_known = MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES, CONFIG_MAPPING_NAMES
    if problem := architecture_problem(config, known, all_known, version):
        raise CommentatorError(f"{folder} {problem}")
    # 3) The device, and its memory.
    device = settings.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise CommentatorError(
            f"device=cuda, and PyTorch {torch.__version__} sees no GPU: set device=auto or cpu, or install a driver "
            "and PyTorch's build for CUDA"
        )
    needed = {"cuda": half_bytes, "cpu": loaded_bytes(folder, float_bytes("cpu"))}
    needed = {place: round(count * (1 + _WORKING_SHARE)) for place, count in needed.items()}
    name = Path(settings.model_path).name
    if problem := explain_missing_memory(
        name, device, needed, read_memory("cuda") if device == "cuda" else None, read_memory("cpu")
    ):
        raise CommentatorError(problem)
    return folder, device


def read_config(folder: Path) -> dict[str, Any]:
    """Return the content of a checkpoint's config.json. Raise CommentatorError where there is none, or a broken one."""
    path = folder / "config.json"
    if not path.is_file():
        if any(folder.glob("*.gguf")):
            raise CommentatorError(
                f"{folder} holds GGUF files, which are for llama.cpp: serve them with it and set commentator=openai"
            )
        raise CommentatorError(
            f"{folder} is no checkpoint, it has no config.json: set model_path to a folder that holds one, with the "
            "processor's and tokenizer's files and *.safetensors"
        )
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:  # also not UTF-8
        raise CommentatorError(
            f"{path} cannot be read as JSON ({first_sentence(error)}): download it again"
        ) from None
    if not isinstance(config, dict):
        raise CommentatorError(f"{path} is JSON, but no table of names and values: download it again")
    return config


def minicpmo_problem(config: dict[str, Any]) -> str:
    """Return the problem of a MiniCPM-o checkpoint, which has a commentator of its own; "" for all others."""
    names = [config.get("model_type"), *(config.get("architectures") or ())]
    if any(str(name).lower() == "minicpmo" for name in names):
        return "is MiniCPM-o, which speaks with a voice of its own: set commentator=minicpmo"
    return ""


def architecture_problem(
    config: dict[str, Any], image_text_types: Collection[str], known_types: Collection[str], version: str
) -> str:
    """Return "" for a model that this transformers runs on pictures and text, else what it is and a fix."""
    model_type = str(config.get("model_type") or "")
    if model_type in image_text_types:
        return ""
    name = ", ".join(str(kind) for kind in config.get("architectures") or ()) or model_type
    if not name:
        return "has a config.json that names no model_type: download it again, or set model_path to another model"
    if model_type in known_types:
        return (
            f"is {name}, which transformers {version} does not load as a model of pictures and text: set model_path to "
            f"a model such as {EXAMPLES}"
        )
    own_code = " (its own code is not run)" if config.get("auto_map") else ""
    return (
        f"is {name}, which transformers {version} does not know{own_code}: pip install -U transformers, or set "
        f"model_path to a model such as {EXAMPLES}"
    )


def read_memory(device: str) -> tuple[int, int]:
    """Return (free, all) bytes of the GPU's memory, or the machine's."""
    if device == "cuda":
        import torch

        free_bytes, total_bytes = torch.cuda.mem_get_info()
        return free_bytes, total_bytes
    import psutil

    memory = psutil.virtual_memory()
    return memory.available, memory.total


def explain_missing_memory(
    name: str,
    device: str,
    needed_bytes: dict[str, int],
    gpu_bytes: tuple[int, int] | None,
    machine_bytes: tuple[int, int],
) -> str:
    """Return "" where the model fits, else one line: what it needs, what is free, what would fit.

    `needed_bytes` is by device, "cuda" and "cpu"; `gpu_bytes` and `machine_bytes` are (free, all), None without a GPU.
    """
    free_bytes, total_bytes = machine_bytes if device == "cpu" or gpu_bytes is None else gpu_bytes
    needed = needed_bytes[device]
    if needed <= free_bytes:
        return ""
    ways = []
    if needed <= total_bytes:
        who = " (nvidia-smi names it)" if device == "cuda" else ""
        ways.append(f"end what else holds {bytes_text(total_bytes - free_bytes)} of it{who}")
    if device == "cuda" and needed_bytes["cpu"] <= machine_bytes[0]:
        ways.append(f"set device=cpu (slow; {bytes_text(needed_bytes['cpu'])} of the machine's memory)")
    billions = free_bytes / (1 + _WORKING_SHARE) / float_bytes(device) / 1e9
    ways.append(f"set model_path to a smaller model, of {billions:.1f} billion parameters at most")
    where = "GPU memory" if device == "cuda" else "memory"
    return (
        f"{name} needs {bytes_text(needed)} of {where}, and {bytes_text(free_bytes)} of {bytes_text(total_bytes)} is "
        f"free: {'; or '.join(ways)}; or commentator=openai with a server elsewhere"
    )
