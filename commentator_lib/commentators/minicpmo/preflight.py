"""Check all that can be checked before MiniCPM-o is loaded, and choose how it will be loaded."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from commentator_lib.commentators.base import Commentator, CommentatorError
from commentator_lib.commentators.minicpmo.assets import (
    find_assets,
    find_reference_audio,
    read_reference_audio,
)
from commentator_lib.commentators.minicpmo.checkpoint import (
    AWQ_HUB_ID,
    BF16_HUB_ID,
    Checkpoint,
    inspect_checkpoint,
)
from commentator_lib.commentators.minicpmo.known_model import shortened
from commentator_lib.commentators.minicpmo.memory_budget import can_shrink, explain_missing_memory
from commentator_lib.commentators.reading_weights import telling_bytes_read
from commentator_lib.commentators.weights import find_checkpoint, weight_files
from commentator_lib.settings import Settings

if TYPE_CHECKING:
    from commentator_lib.commentators.minicpmo.loading import Loaded

logger = logging.getLogger(__name__)

_INSTALL = "pip install 'commentator-lib[minicpmo]'"


@dataclass(frozen=True, slots=True)
class CheckpointLoader:
    """Loads a checkpoint that was checked, on `device` ("cuda" or "cpu"), when it is called."""

    checkpoint: Checkpoint
    device: str
    settings: Settings

    @property
    def files(self) -> list[Path]:
        """The files that hold its weights."""
        return weight_files(self.checkpoint.folder)

    def __call__(self) -> Loaded:
        """Return the loaded model. Raise what `loading.load` raises."""
        from commentator_lib.commentators.minicpmo.loading import load

        settings = self.settings
        return load(
            self.checkpoint,
            self.device,
            settings.speech,
            settings.assets_path,
            settings.reference_audio_path,
            settings.vocoder_float16,
            settings.hear,
        )


def check_and_make_loader(settings: Settings) -> CheckpointLoader:
    """Return the function that loads the model of `settings`.

    Raise CommentatorError, one line, for a checkpoint that is not complete, a missing package, missing files of the
    voice, no audio encoder where it is to hear, no GPU (unless `device` is "cpu"), or too little free GPU memory.
    """
    # 1) the checkpoint
    checkpoint = inspect_checkpoint(find_checkpoint(settings.model_path))
    if settings.hear and not checkpoint.part_bytes["audio_encoder"]:
        raise CommentatorError(
            f"{checkpoint.folder} has no audio encoder (apm): set hear=false, or download {BF16_HUB_ID} or {AWQ_HUB_ID}"
        )
    if checkpoint.differences:
        logger.warning(
            "%s differs from the published MiniCPM-o 4.5 in %s",
            checkpoint.folder,
            shortened(checkpoint.differences),
        )
    if settings.speech and checkpoint.talker_problem:
        raise CommentatorError(f"{checkpoint.folder}: {checkpoint.talker_problem}: set speech=false")
    # 2) the packages
    try:
        import torch
        import transformers  # noqa: F401  # pyright: ignore[reportUnusedImport]
    except ImportError as error:
        raise CommentatorError(f"MiniCPM-o needs a package that is not here ({error}): {_INSTALL}") from None
    # 3) the voice
    if settings.speech:
        assets = find_assets(checkpoint, settings.assets_path)
        read_reference_audio(find_reference_audio(assets, settings.reference_audio_path))
    # 4) the GPU
    device = settings.device
    if device != "cpu":
        if not torch.cuda.is_available():
            raise CommentatorError(
                f"MiniCPM-o needs a GPU, and PyTorch {torch.__version__} sees none: commentator=baseline needs none; "
                "device=cpu also runs it, but far below real time"
            )
        shrink = can_shrink(torch.cuda.get_device_capability())
        free_bytes, total_bytes = torch.cuda.mem_get_info()
        if problem := explain_missing_memory(
            checkpoint, settings.speech, free_bytes, total_bytes, shrink, settings.hear
        ):
            raise CommentatorError(problem)
        device = "cuda"

    return CheckpointLoader(checkpoint, device, settings)


def load_and_tell(commentator: Commentator, load: Callable[[], Loaded]) -> Loaded:
    """Return what `load` returns; the commentator says how far it is. Raise what `load` raises."""
    from commentator_lib.commentators.minicpmo.memory import limit_cublas_workspace

    commentator.say_loading("starting PyTorch", 0.0)
    limit_cublas_workspace()  # before PyTorch multiplies anything
    from commentator_lib.commentators.minicpmo.engine import READ_SHARE

    files = load.files if commentator.on_loading is not None and isinstance(load, CheckpointLoader) else []
    with telling_bytes_read(files, commentator.say_loading, READ_SHARE):
        return load()
