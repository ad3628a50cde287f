"""The checkpoint that the settings name, and MiniCPM-o's own voice."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from commentator_lib.checks.line import CheckLine, state
from commentator_lib.commentators.base import CommentatorError
from commentator_lib.commentators.minicpmo.assets import (
    REFERENCE_RATE_HZ,
    find_assets,
    find_reference_audio,
    read_reference_audio,
)
from commentator_lib.commentators.minicpmo.checkpoint import Checkpoint, inspect_checkpoint
from commentator_lib.commentators.weights import bytes_text, find_checkpoint, tensor_bytes, weight_files
from commentator_lib.settings import Settings


def find_without_download(model_path: str) -> Path:
    """Do what find_checkpoint does, but look for a hub id in the hub's cache only: a check downloads nothing."""
    if Path(model_path).expanduser().exists() or find_spec("huggingface_hub") is None:
        return find_checkpoint(model_path)
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(model_path, local_files_only=True))
    except Exception:  # no hub id, or no copy of it: the client has an error for each
        raise CommentatorError(
            f"{model_path} is no folder here, and the hub's cache has no copy of it: set model_path to a checkpoint "
            "folder or a hub id (org/name), which a run downloads"
        ) from None


def read_checkpoint(settings: Settings) -> tuple[Checkpoint | None, CheckLine]:
    """Return the MiniCPM-o checkpoint that model_path names, if it does, and the line about it."""
    what = "checkpoint"
    needed = settings.commentator in ("minicpmo", "minicpmo-duplex", "vlm")
    if settings.commentator in ("openai", "realtime"):
        return None, CheckLine(None, what, "it is the server's")
    if not settings.model_path:
        fix = "set model_path to a checkpoint folder, or to a hub id (org/name)"
        return None, CheckLine(state(False, needed), what, "no model_path is set", fix)
    try:
        folder = find_without_download(settings.model_path)
        if settings.commentator == "vlm":
            tensor_bytes(folder)  # names a weight file that is cut off
            weights = bytes_text(sum(path.stat().st_size for path in weight_files(folder)))
            return None, CheckLine(True, what, f"{weights} of weights in {folder}")
        checkpoint = inspect_checkpoint(folder)
    except (CommentatorError, OSError) as error:
        return None, CheckLine(state(False, needed), what, settings.model_path, str(error))
    weights = bytes_text(sum(checkpoint.part_bytes.values()))
    return checkpoint, CheckLine(True, what, f"MiniCPM-o in {checkpoint.label}, {weights}, in {folder}")


def voice_lines(settings: Settings, checkpoint: Checkpoint | None) -> list[CheckLine]:
    """Check MiniCPM-o's own voice: its files and the recording that it imitates."""
    files, recording = "voice files", "reference recording"
    needed = settings.commentator in ("minicpmo", "minicpmo-duplex") and settings.speech
    if checkpoint is None:
        return [CheckLine(None, files, "they belong to a MiniCPM-o checkpoint, and none was found")]
    try:
        assets = find_assets(checkpoint, settings.assets_path)
    except (CommentatorError, OSError) as error:
        return [CheckLine(state(False, needed), files, "not complete", str(error))]
    lines = [CheckLine(True, files, str(assets / "token2wav"))]
    try:
        path = find_reference_audio(assets, settings.reference_audio_path)
        duration_s = len(read_reference_audio(path)) / REFERENCE_RATE_HZ
    except (CommentatorError, OSError) as error:
        return [*lines, CheckLine(state(False, needed), recording, "none that can be used", str(error))]
    return [*lines, CheckLine(True, recording, f"{path}, {duration_s:.1f} s")]
