"""Load MiniCPM-o 4.5: the published checkpoints as they are, with no file edited.

Patched checkpoint files would have to be patched again after each download, and would leave old copies in transformers'
module cache. So faults are fixed on objects in memory, and only where they show; a newer checkpoint may have none:

- transformers refuses remote code that names a missing package, even where the code never uses it (`import_gate`);
- `modules_to_not_convert` of the AWQ checkpoint is null, which would quantise too many layers (`fix_quantisation`);
- the resampler's position table loads as zeros with some versions of transformers, which spoils vision without an
  error (`fix_position_table`);
- `torchaudio.load` needs TorchCodec from version 2.9 on (token2wav.py).
"""

from __future__ import annotations

import contextlib
import importlib.util
import inspect
from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
import transformers.dynamic_module_utils as remote_code
from transformers.modeling_utils import no_init_weights
from transformers.models.auto.configuration_auto import AutoConfig
from transformers.models.auto.modeling_auto import AutoModel
from transformers.models.auto.processing_auto import AutoProcessor

from commentator_lib.commentators.base import CommentatorError
from commentator_lib.commentators.minicpmo.assets import (
    REFERENCE_RATE_HZ,
    find_assets,
    find_reference_audio,
    read_reference_audio,
)
from commentator_lib.commentators.minicpmo.checkpoint import Checkpoint
from commentator_lib.commentators.minicpmo.token2wav import (
    FLOW_STEPS,
    let_torchaudio_read_wav,
    shrink_flow_buffers,
)
from commentator_lib.commentators.minicpmo.vocoder import Vocoder
from commentator_lib.commentators.torch_tools import free_gpu, quietly
from commentator_lib.errors import first_line, named_first_line

# What AWQ did not quantise in the published checkpoint.
NOT_QUANTISED = (
    "vpm",
    "resampler",
    "apm",
    "audio_projection_layer",
    "audio_avg_pooler",
    "tts",
    "llm.model.embed_tokens",
    "llm.lm_head",
    "llm.model.norm",
)
_AUDIO_ENCODER = ("apm.", "audio_projection_layer.", "audio_avg_pooler.")


@dataclass(slots=True)
class Loaded:
    """A loaded model. Its vocoder is loaded later, by `load_voice`, when there is room for it on the GPU.

    `model` and `processor` are objects of the checkpoint's own code (MiniCPMO, MiniCPMOProcessor). `make_vocoder` is
    None for a model that does not speak; `reference` (N,) float32 at 16 kHz is the recording of its voice.
    """

    model: Any
    processor: Any
    device: torch.device
    make_vocoder: Callable[[], Vocoder] | None = None
    vocoder: Vocoder | None = None
    reference: np.ndarray | None = None

    def load_voice(self) -> None:
        """Load the vocoder, unless it is loaded or the model does not speak. Raise what `load_vocoder` raises."""
        if self.vocoder is None and self.make_vocoder is not None:
            self.vocoder = self.make_vocoder()


def load(
    checkpoint: Checkpoint,
    device: str,
    speech: bool,
    assets_path: str = "",
    reference_audio_path: str = "",
    vocoder_float16: bool = False,
    hear: bool = False,
) -> Loaded:
    """Load a checkpoint on `device` ("cuda" or "cpu"); with `speech` its voice can be loaded afterwards.

    `hear`: with its audio encoder.

    Raise CommentatorError, one line, for files of the voice that are missing, for too little memory, and for a
    checkpoint that cannot be loaded.
    """
    where = torch.device(device)
    voice: tuple[Path, np.ndarray] | None = None
    if speech:  # the voice's files first: checking them takes a moment, loading the weights a minute
        assets = find_assets(checkpoint, assets_path)
        voice = assets, read_reference_audio(find_reference_audio(assets, reference_audio_path))
    try:
        model, processor = _load_model(checkpoint, where, speech, hear)
        fix_position_table(model)
    except torch.OutOfMemoryError as error:
        free_gpu()
        raise CommentatorError(
            f"the GPU's memory is too small for {checkpoint.folder}: {first_line(error)}"
        ) from None
    make_vocoder = partial(load_vocoder, model, *voice, vocoder_float16) if voice else None
    return Loaded(model, processor, where, make_vocoder, reference=voice[1] if voice else None)


@contextlib.contextmanager
def import_gate() -> Generator[None]:
    """Let remote code load although packages are missing that it names.

    A missing package that it does use raises ImportError where it is imported.
    """
    original = remote_code.get_imports

    def present(filename):
        return [name for name in original(filename) if importlib.util.find_spec(name) is not None]

    remote_code.get_imports = present
    try:
        yield
    finally:
        remote_code.get_imports = original


def _load_model(checkpoint: Checkpoint, device: torch.device, speech: bool, hear: bool) -> tuple[Any, Any]:
    """Return (model, processor), objects of the checkpoint's own code."""
    # 1) Load with all its faults fixed.
    folder = str(checkpoint.folder)
    try:
        with (
            import_gate(),
            quietly(),
        ):  # transformers would list the audio encoder's weights, which are left out on purpose
            config = AutoConfig.from_pretrained(folder, trust_remote_code=True)
            config.init_vision, config.init_audio, config.init_tts = True, hear, speech
            fix_quantisation(config, checkpoint, device)
            # AWQ's kernels compute in float16; a CPU computes either half precision slowly or not at all
            dtype = torch.float32 if device.type == "cpu" else getattr(torch, checkpoint.dtype)
            model, info = AutoModel.from_pretrained(
                folder,
                config=config,
                trust_remote_code=True,
                attn_implementation="sdpa",
                torch_dtype=dtype,
                device_map={"": device},
                output_loading_info=True,
            )
            processor = AutoProcessor.from_pretrained(folder, trust_remote_code=True)
    # 2) Say in one line why it does not load.
    except ImportError as error:
        raise CommentatorError(
            f"the model's code needs a package that is not here: {first_line(error)}; "
            "pip install 'commentator-lib[minicpmo]'"
        ) from error
    except (CommentatorError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # with another transformers the checkpoint's own code may fail in any way
        raise CommentatorError(
            f"{folder} cannot be loaded with transformers {transformers.__version__} (its code is written for 4.51): "
            f"{named_first_line(error)}"
        ) from error
    # 3) Refuse a checkpoint without all its weights.
    missing = sorted(name for name in info["missing_keys"] if hear or not name.startswith(_AUDIO_ENCODER))
    if missing:
        raise CommentatorError(
            f"{folder} lacks {len(missing)} weights that the model needs, {missing[0]} among them: "
            "download the checkpoint again"
        )
    return model.eval(), processor


def autoawq_runs(device: torch.device) -> bool:
    """Return whether AutoAWQ's layers can be used: on a GPU, where the package is installed."""
    return device.type == "cuda" and importlib.util.find_spec("awq") is not None


def fix_quantisation(config: Any, checkpoint: Checkpoint, device: torch.device) -> None:
    """Write into the model's `config` what AWQ did not quantise, if the checkpoint does not say it.

    Also choose whether AutoAWQ's layers run or those of awq.py.
    """
    if not checkpoint.quantization:
        return
    stated = config.quantization_config
    if not stated.get("modules_to_not_convert"):
        stated["modules_to_not_convert"] = list(NOT_QUANTISED)
    if not autoawq_runs(device):
        from commentator_lib.commentators.minicpmo.awq import METHOD

        stated["quant_method"] = METHOD


def fix_position_table(model: Any) -> None:
    """Rebuild the resampler's table of positions, which is in no checkpoint, if it was loaded as zeros.

    Raise CommentatorError where it cannot be rebuilt.
    """
    resampler = model.resampler
    if _has_positions(resampler.pos_embed):
        return
    device = resampler.pos_embed.device
    resampler._set_2d_pos_cache(resampler.max_size, device=device)
    if not _has_positions(resampler.pos_embed):
        raise CommentatorError(
            "the resampler's position table is empty and cannot be rebuilt: the model would not see where things are"
        )


def _has_positions(table: torch.Tensor) -> bool:
    return bool(torch.isfinite(table).all()) and bool(table.any())


def load_vocoder(model: Any, assets: Path, reference: np.ndarray, float16: bool) -> Vocoder:
    """Load the model's Token2wav from `assets`, with the voice of `reference` (N,) float32 mono at 16 kHz.

    Raise CommentatorError, one line, where a package is missing or the files cannot be loaded.
    """
    options: dict[str, Any] = {"model_dir": str(assets / "token2wav"), "enable_float16": float16}
    # where `streaming` exists, its default is a vocoder that cannot stream
    known = inspect.signature(model.init_tts).parameters
    options |= {k: v for k, v in {"streaming": True, "n_timesteps": FLOW_STEPS}.items() if k in known}
    try:
        if importlib.util.find_spec("torchaudio") is not None:
            _fix_torchaudio()
        # all of its weights are read from files: initialising them first takes seconds
        with shrink_flow_buffers(len(reference) / REFERENCE_RATE_HZ), no_init_weights():
            model.init_tts(**options)
        vocoder = Vocoder(model.tts.audio_tokenizer, reference)
    except ImportError as error:
        raise CommentatorError(
            f"the voice needs a package that is not here: {first_line(error)}; pip install the extra minicpmo, then "
            "pip install --no-deps minicpmo-utils==1.0.6 (docs/install.md), or set speech=false"
        ) from error
    except (CommentatorError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # broken files may raise anything
        raise CommentatorError(
            f"the voice cannot be loaded from {assets}{' in half precision' if float16 else ''}: "
            f"{named_first_line(error)}; set {'vocoder_float16' if float16 else 'speech'}=false"
        ) from error
    return vocoder


def _fix_torchaudio() -> None:
    try:
        let_torchaudio_read_wav()
    except (OSError, RuntimeError) as error:  # a build for another PyTorch
        raise CommentatorError(
            f"torchaudio does not load beside PyTorch {torch.__version__} ({first_line(error)[:120]}): install the two "
            "for the same CUDA, or set speech=false"
        ) from None
