"""Loading MiniCPM-o 4.5: the published checkpoints as they are, with no file edited by hand.

The seed project patched the checkpoint's files, which leaves stale copies in the module cache and must be done
again with each download. Here only objects in memory are changed, and each mend first looks whether there is
something to be mended, so that a newer checkpoint needs none:

- the import gate: remote code is refused when a package is missing that it names, also where it never uses it;
- `modules_to_not_convert` of the AWQ checkpoint is null, which would quantise layers that are not;
- the resampler's position table loads as zeros with some versions of transformers and silently spoils vision;
- `torchaudio.load` needs TorchCodec from version 2.9 on.
"""

from __future__ import annotations

import contextlib
import importlib.util
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
import transformers
import transformers.dynamic_module_utils as remote_code
from transformers import AutoConfig, AutoModel, AutoProcessor
from transformers.modeling_utils import no_init_weights

from commentator_lib.commentators.base import CommentatorError
from commentator_lib.commentators.minicpmo.checkpoint import (
    Checkpoint,
    find_assets,
    find_reference_audio,
    read_reference_audio,
)
from commentator_lib.commentators.minicpmo.memory import free_gpu
from commentator_lib.commentators.minicpmo.vocoder import (
    FLOW_STEPS,
    REFERENCE_RATE_HZ,
    Vocoder,
    small_buffers,
    soundfile_reads_for_torchaudio,
)

# What AWQ leaves as it is in the published checkpoint.
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
    """A model that is ready, but for its vocoder: `make_vocoder`, None where nothing is to be spoken, makes it when
    there is room for it on the GPU."""

    model: Any
    processor: Any
    device: torch.device
    make_vocoder: Callable[[], Vocoder] | None = None
    vocoder: Vocoder | None = None

    def load_voice(self) -> None:
        if self.vocoder is None and self.make_vocoder is not None:
            self.vocoder = self.make_vocoder()


def load(
    checkpoint: Checkpoint,
    device: str,
    speech: bool,
    assets_path: str = "",
    reference_audio_path: str = "",
    vocoder_float16: bool = False,
) -> Loaded:
    """Load a checkpoint, whose voice can be loaded then if `speech`. CommentatorError with one line for what stands
    against it."""
    where = torch.device(device)
    reference = assets = make_vocoder = None
    if speech:  # the voice's files first: they are checked in a moment, the weights take a minute
        assets = find_assets(checkpoint, assets_path)
        reference = read_reference_audio(find_reference_audio(assets, reference_audio_path))
    try:
        model, processor = _load_model(checkpoint, where, speech)
        check_position_table(model)
    except torch.OutOfMemoryError as error:
        free_gpu()
        raise CommentatorError(
            f"the GPU's memory is too small for {checkpoint.folder}: {first_line(error)}"
        ) from None
    if speech:
        make_vocoder = partial(load_vocoder, model, assets, reference, vocoder_float16)
    return Loaded(model, processor, where, make_vocoder)


def first_line(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return text[0] if text else type(error).__name__


@contextlib.contextmanager
def import_gate() -> Iterator[None]:
    """Let remote code load though packages are missing that it names and may never use; what it does use and
    is not there fails where it is imported, by its name."""
    original = remote_code.get_imports

    def present(filename):
        return [name for name in original(filename) if importlib.util.find_spec(name) is not None]

    remote_code.get_imports = present
    try:
        yield
    finally:
        remote_code.get_imports = original


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Without transformers' warnings: it names the audio encoder's weights, which are left out on purpose."""
    before = transformers.logging.get_verbosity()
    transformers.logging.set_verbosity_error()
    try:
        yield
    finally:
        transformers.logging.set_verbosity(before)


def _load_model(checkpoint: Checkpoint, device: torch.device, speech: bool):
    folder = str(checkpoint.folder)
    try:
        with import_gate(), quietly():
            config = AutoConfig.from_pretrained(folder, trust_remote_code=True)
            config.init_vision, config.init_audio, config.init_tts = True, False, speech
            mend_quantisation(config, checkpoint, device)
            # fp16 is what AWQ's kernels compute in; a CPU computes either half precision slowly or not at all
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
    except ImportError as error:
        raise CommentatorError(
            f"the model's code needs a package that is not here: {first_line(error)}; "
            "pip install 'commentator-lib[minicpmo]'"
        ) from error
    except (CommentatorError, torch.OutOfMemoryError):
        raise
    except (
        Exception
    ) as error:  # the checkpoint's own code may fail in any way, with a transformers it does not know
        raise CommentatorError(
            f"{folder} cannot be loaded with transformers {transformers.__version__} (its code is written for 4.51): "
            f"{type(error).__name__}: {first_line(error)}"
        ) from error
    missing = sorted(name for name in info["missing_keys"] if not name.startswith(_AUDIO_ENCODER))
    if missing:
        raise CommentatorError(
            f"{folder} lacks {len(missing)} weights that the model needs, {missing[0]} among them: "
            "download the checkpoint again"
        )
    return model.eval(), processor


def autoawq_runs(device: torch.device) -> bool:
    """Whether AutoAWQ's layers can be used: on a GPU, where the package is."""
    return device.type == "cuda" and importlib.util.find_spec("awq") is not None


def mend_quantisation(config, checkpoint: Checkpoint, device: torch.device) -> None:
    """Say in `config` what was quantised, where the checkpoint does not; choose the layers that will run."""
    if not checkpoint.quantization:
        return
    stated = config.quantization_config
    if not stated.get("modules_to_not_convert"):
        stated["modules_to_not_convert"] = list(NOT_QUANTISED)
    if not autoawq_runs(device):
        from commentator_lib.commentators.minicpmo.awq import METHOD

        stated["quant_method"] = METHOD


def check_position_table(model) -> None:
    """The resampler's table of positions, which is in no checkpoint: rebuilt where it came out as zeros."""
    resampler = model.resampler
    if _has_positions(resampler.pos_embed):
        return
    device = resampler.pos_embed.device
    resampler._set_2d_pos_cache(resampler.max_size, device=device)
    if not _has_positions(resampler.pos_embed):
        raise CommentatorError(
            "the resampler's position table is empty and cannot be rebuilt: vision would be blind"
        )


def _has_positions(table: torch.Tensor) -> bool:
    return bool(torch.isfinite(table).all()) and bool(table.any())


def load_vocoder(model, assets: Path, reference, float16: bool) -> Vocoder:
    """The model's Token2wav, from `assets`, with the voice of `reference` (N,) float32 mono at 16 kHz."""
    options: dict[str, Any] = {"model_dir": str(assets / "token2wav"), "enable_float16": float16}
    # where `streaming` exists, its default is another vocoder that cannot stream
    known = inspect.signature(model.init_tts).parameters
    options |= {k: v for k, v in {"streaming": True, "n_timesteps": FLOW_STEPS}.items() if k in known}
    try:
        if importlib.util.find_spec("torchaudio") is not None:
            _mend_torchaudio()
        # all of its weights are read from files: drawing them first takes seconds
        with small_buffers(len(reference) / REFERENCE_RATE_HZ), no_init_weights():
            model.init_tts(**options)
        vocoder = Vocoder(model.tts.audio_tokenizer, reference)
    except ImportError as error:
        raise CommentatorError(
            f"the voice needs a package that is not here: {first_line(error)}; pip install the extra minicpmo, then "
            "pip install --no-deps minicpmo-utils==1.0.6 (README), or set speech=false"
        ) from error
    except (CommentatorError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # whatever is wrong with these files, it is them
        raise CommentatorError(
            f"the voice cannot be loaded from {assets}{' in half precision' if float16 else ''}: "
            f"{type(error).__name__}: {first_line(error)}; set {'vocoder_float16' if float16 else 'speech'}=false"
        ) from error
    return vocoder


def _mend_torchaudio() -> None:
    try:
        soundfile_reads_for_torchaudio()
    except (OSError, RuntimeError) as error:  # a build for another PyTorch
        raise CommentatorError(
            f"torchaudio does not load beside PyTorch {torch.__version__} ({first_line(error)[:120]}): install the two "
            "for the same CUDA, or set speech=false"
        ) from None
