"""Say in seconds whether a checkpoint would run: by its names, its JSON and the headers of its weight files alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from commentator_lib.checks.checkpoint import find_without_download, voice_lines
from commentator_lib.checks.line import CheckLine
from commentator_lib.commentators.base import CommentatorError
from commentator_lib.commentators.minicpmo.checkpoint import PARTS, Checkpoint, inspect_checkpoint
from commentator_lib.commentators.minicpmo.known_model import shortened
from commentator_lib.commentators.minicpmo.memory_budget import needed_bytes
from commentator_lib.commentators.vlm.checking import minicpmo_problem, read_config
from commentator_lib.commentators.weights import bytes_text, loaded_bytes, stored_tensors, weight_files
from commentator_lib.settings import Settings


def check_model(model_path: str, settings: Settings) -> list[CheckLine]:
    """Return the lines about the checkpoint that `model_path` names, a folder or a hub id that is cached.

    Nothing is downloaded and no weight is read. A line whose `ok` is False says why it would not run.
    """
    try:
        folder = find_without_download(model_path)
        config = read_config(folder)
    except (CommentatorError, OSError) as error:
        return [CheckLine(False, "checkpoint", model_path, str(error))]
    if minicpmo_problem(config):  # it is MiniCPM-o, which vlm refuses
        return _minicpmo_lines(folder, settings)
    return _other_lines(folder, config)


def would_run(lines: list[CheckLine]) -> bool:
    """Return whether the checkpoint of these lines would run; without its voice it runs for text."""
    return not any(line.ok is False and line.what in ("checkpoint", "weights") for line in lines)


def _minicpmo_lines(folder: Path, settings: Settings) -> list[CheckLine]:
    try:
        checkpoint = inspect_checkpoint(folder)
    except (CommentatorError, OSError) as error:
        return [CheckLine(False, "checkpoint", str(folder), str(error))]
    parts = ", ".join(
        f"{part.replace('_', ' ')} {bytes_text(checkpoint.part_bytes[part])}"
        for part in PARTS
        if checkpoint.part_bytes[part]
    )
    differs = shortened(checkpoint.differences)
    return [
        CheckLine(
            True, "checkpoint", f"MiniCPM-o 4.5 in {checkpoint.label}, in {folder}: commentator=minicpmo"
        ),
        CheckLine(True, "weights", f"all tensors are there, by their headers: {parts}"),
        CheckLine(
            True, "against the published one", f"differs: {differs}" if differs else "no difference is known"
        ),
        _talker_line(checkpoint),
        CheckLine(True, "GPU memory", _memory_words(checkpoint)),
        *voice_lines(settings.model_copy(update={"commentator": "minicpmo"}), checkpoint),
    ]


def _talker_line(checkpoint: Checkpoint) -> CheckLine:
    if checkpoint.talker_problem:
        return CheckLine(False, "speech", checkpoint.talker_problem, "set speech=false")
    if not checkpoint.part_bytes["talker"]:
        return CheckLine(False, "speech", "it has no talker (tts)", "set speech=false")
    return CheckLine(True, "speech", "its talker is of the kind that is known here")


def _memory_words(checkpoint: Checkpoint) -> str:
    """Return the memory with and without speech; a 4-bit one needs less where shrink.py can run."""
    text, spoken = (bytes_text(needed_bytes(checkpoint, speech, True)) for speech in (False, True))
    return f"about {text} for text, {spoken} with speech"


def _other_lines(folder: Path, config: dict[str, Any]) -> list[CheckLine]:
    names = ", ".join(map(str, config.get("architectures") or ())) or str(
        config.get("model_type") or "no name"
    )
    try:
        half = loaded_bytes(folder, 2)
        count = sum(1 for _ in stored_tensors(folder))
        files = weight_files(folder)
    except (CommentatorError, OSError) as error:
        return [CheckLine(False, "checkpoint", f"{names} in {folder}", str(error))]
    return [
        CheckLine(True, "checkpoint", f"{names} in {folder}: commentator=vlm, where transformers knows it"),
        CheckLine(True, "weights", f"{len(files)} files, {count} tensors, all there by their headers"),
        CheckLine(
            True, "memory", f"{bytes_text(half)} of weights in half precision, and a fifth more for its work"
        ),
    ]
