"""MiniCPM-o 4.5 at its full published size with random weights: real times and memory, words without sense.

It measures stages on a machine without the published checkpoints of 9 to 18 GB: what a stage costs does not depend
on the values of its weights. The model's own code is not part of this project: it is read from a folder, MiniCPMO45 of
the public repository OpenBMB/MiniCPM-o-Demo. Every result calls such weights "random".

To write a checkpoint folder, which `bench_model --steps start` needs:

    python -m experiments.random_minicpmo /tmp/random-awq --dtype awq
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from experiments.benchmarks.model.random_config import AWQ, AWQ_GROUP, FULL
from experiments.benchmarks.model.random_voice import (
    TOKENIZER_STAND_IN,
    WEIGHT_SPREAD,
    recording,
    replace_speech_tokenizer,
    write_token2wav,
)
from experiments.errors import UserError
from experiments.tools.command_line import help_text, new_app, run_app

if TYPE_CHECKING:
    from commentator_lib.commentators.minicpmo.loading import Loaded

CODE_VARIABLE = "MINICPMO_CODE_DIR"


_SHARD_BYTES = 4_000_000_000

app = new_app()


class NoModelCodeError(UserError):
    """The model's own code was not found; the text is one line that says how to get it."""


def code_folder(given: str = "") -> Path:
    """Return the folder with the model's code: `given`, else the value of MINICPMO_CODE_DIR.

    Raise NoModelCodeError where it does not hold the code.
    """
    folder = Path(given or os.environ.get(CODE_VARIABLE, ""))
    if not (given or os.environ.get(CODE_VARIABLE)) or not (folder / "modeling_minicpmo.py").is_file():
        raise NoModelCodeError(
            f"random weights need the model's own code: set {CODE_VARIABLE} to the folder MiniCPMO45 of the public "
            "repository OpenBMB/MiniCPM-o-Demo"
        )
    return folder


def copy_code(code: Path, folder: Path) -> None:
    """Copy the model's code and tokenizer files, without weights, into `folder`."""
    for path in code.iterdir():
        if path.is_file() and path.suffix in {".py", ".json", ".txt"} and "unified" not in path.name:
            shutil.copy(path, folder)


def make_model(code: Path, device: str, awq: bool, seed: int = 0, hear: bool = False) -> tuple[Any, Any]:
    """Return (model, processor) on `device`, with the talker; with `awq` float16 and 4-bit language layers, else BF16.

    `hear`: with the audio encoder too. The weights are created on the device, for AWQ layer by layer, so that peak
    memory is the model's own size.
    """
    # 1) the model without weights, from its own code and the full configuration
    import torch
    from transformers.modeling_utils import no_init_weights
    from transformers.models.auto.configuration_auto import AutoConfig
    from transformers.models.auto.modeling_auto import AutoModel
    from transformers.models.auto.processing_auto import AutoProcessor

    from commentator_lib.commentators.minicpmo.loading import fix_position_table, import_gate
    from commentator_lib.commentators.torch_tools import quietly

    dtype = torch.float16 if awq else torch.bfloat16
    with tempfile.TemporaryDirectory(prefix="minicpmo-random-") as name:
        folder = Path(name)
        copy_code(code, folder)
        (folder / "config.json").write_text(json.dumps(FULL))
        with import_gate(), quietly():
            config = AutoConfig.from_pretrained(folder, trust_remote_code=True)
            config.init_vision, config.init_audio, config.init_tts = True, hear, True
            torch.set_default_dtype(dtype)
            try:
                with torch.device("meta" if awq else device), no_init_weights():
                    model = AutoModel.from_config(
                        config, trust_remote_code=True, attn_implementation="sdpa", torch_dtype=dtype
                    )
            finally:
                torch.set_default_dtype(torch.float32)
            processor = AutoProcessor.from_pretrained(folder, trust_remote_code=True)
    # 2) random weights, on the device
    if awq:
        _put_4bit_layers(model, device)
        model.to_empty(device=device)
    _randomise_weights(model, device, seed)
    # 3) what loading a checkpoint would set up
    model.processor = processor
    model.resampler._set_2d_pos_cache(model.resampler.max_size, device=device)
    fix_position_table(model)
    return model.eval(), processor


def _put_4bit_layers(model: Any, device: str) -> None:
    """Replace the language model's linear layers by AutoAWQ's, or by awq.py's where AutoAWQ cannot run."""
    import torch

    from commentator_lib.commentators.minicpmo.awq import AwqLinear
    from commentator_lib.commentators.minicpmo.loading import autoawq_runs

    layers = [
        (name, layer)
        for name, layer in model.llm.model.layers.named_modules()
        if isinstance(layer, torch.nn.Linear)
    ]
    for name, layer in layers:
        inputs, outputs = layer.in_features, layer.out_features
        if autoawq_runs(torch.device(device)):
            from awq.modules.linear.gemm import WQLinear_GEMM  # pyright: ignore[reportMissingImports]  AutoAWQ

            new = WQLinear_GEMM(4, AWQ_GROUP, inputs, outputs, False, "meta")
        else:
            with torch.device("meta"):
                new = AwqLinear(inputs, outputs, False, AWQ_GROUP)
        model.llm.model.layers.set_submodule(name, new)


def _randomise_weights(model: Any, device: str, seed: int) -> None:
    """Fill all weights at random; give buffers that no checkpoint holds the values that loading would give them."""
    import torch

    generator = torch.Generator(device=device).manual_seed(seed)
    with torch.no_grad():
        # 1) matrices at random, norms 1 and biases 0
        for name, value in model.named_parameters():
            if value.ndim >= 2:
                value.normal_(0, WEIGHT_SPREAD, generator=generator)
            elif "norm" in name.lower() or ".ln_" in name:
                value.fill_(1.0 if name.endswith("weight") else 0.0)
            else:
                value.zero_()
        # 2) 4-bit numbers, their zeros and scales
        for name, buffer in model.named_buffers():
            if name.endswith("qweight"):
                buffer.random_(-(2**31), 2**31 - 1, generator=generator)
            elif name.endswith("qzeros"):
                # 7 or 8: with 8 everywhere all weights would have the same mean, which would add up layer by layer
                # until float16 overflows
                coin = torch.randint(0, 2, buffer.shape, generator=generator, device=device).bool()
                buffer.copy_(torch.where(coin, 0x78877887, -0x78877888))
            elif name.endswith("scales"):
                buffer.fill_(WEIGHT_SPREAD / 4.6)  # 4.6 is the spread of the numbers 0 to 15
        # 3) buffers that are in no checkpoint
        for module in model.modules():
            if isinstance(getattr(module, "inv_freq", None), torch.Tensor) and hasattr(
                module, "rope_init_fn"
            ):
                frequencies, _ = module.rope_init_fn(module.config, device)
                module.inv_freq = module.original_inv_freq = frequencies.float()
            if isinstance(getattr(module, "position_ids", None), torch.Tensor):
                ids = module.position_ids
                module.position_ids = torch.arange(ids.shape[-1], device=device).expand(ids.shape)


def load_random(
    code: Path,
    device: str,
    awq: bool,
    speech: bool = True,
    vocoder_float16: bool = False,
    hear: bool = False,
) -> Loaded:
    """Return a model of the full size with random weights, with its voice if `speech`, its audio encoder if `hear`."""
    import torch

    from commentator_lib.commentators.minicpmo.loading import Loaded, load_vocoder
    from commentator_lib.commentators.minicpmo.vocoder import Vocoder

    model, processor = make_model(code, device, awq, hear=hear)

    def make_vocoder() -> Vocoder:
        replace_speech_tokenizer()
        with tempfile.TemporaryDirectory(prefix="token2wav-random-") as name:
            write_token2wav(Path(name) / "token2wav")
            return load_vocoder(model, Path(name), recording(), vocoder_float16)

    reference = recording() if speech else None
    return Loaded(
        model, processor, torch.device(device), make_vocoder if speech else None, reference=reference
    )


# --- as a checkpoint folder


def save_random(code: Path, folder: Path, device: str, awq: bool, hear: bool = False) -> None:
    """Write the model of `make_model` and a voice as a checkpoint folder with the layout of the published ones."""
    from commentator_lib.commentators.minicpmo.token2wav import write_wav

    # The voice first: it needs packages that may be missing, and the weights are 9 or 18 GB.
    write_token2wav(folder / "assets" / "token2wav")
    write_wav(folder / "assets" / "ref_audio.wav", recording())
    model, _processor = make_model(code, device, awq, hear=hear)
    copy_code(code, folder)
    config = {**FULL, "torch_dtype": "float16" if awq else "bfloat16"}
    if awq:
        config["quantization_config"] = AWQ
    (folder / "config.json").write_text(json.dumps(config))
    _save_weights(model, folder)
    forget_files(folder)


def _save_weights(model: Any, folder: Path) -> None:
    """Write the model's tensors in files of at most 4 GB, so that the host holds no more than that in memory."""
    from safetensors.torch import save_file
    from tqdm import tqdm

    shards: list[list[str]] = [[]]
    used_bytes = 0
    tensors = model.state_dict()
    for name, tensor in tensors.items():
        if shards[-1] and used_bytes + tensor.nbytes > _SHARD_BYTES:
            shards.append([])
            used_bytes = 0
        shards[-1].append(name)
        used_bytes += tensor.nbytes
    where = {}
    for number, names in enumerate(tqdm(shards, "weights", unit="file", leave=False), start=1):
        file = f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        held = {name: tensors[name].detach().to("cpu", copy=True).contiguous() for name in names}
        save_file(held, folder / file, metadata={"format": "pt"})
        where |= dict.fromkeys(names, file)
    total = sum(tensor.nbytes for tensor in tensors.values())
    index = {"metadata": {"total_size": total}, "weight_map": where}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def is_random(folder: Path) -> bool:
    """Return whether `save_random` wrote this checkpoint."""
    stand_in = Path(folder) / "assets" / "token2wav" / "speech_tokenizer_v2_25hz.onnx"
    return stand_in.is_file() and stand_in.read_bytes() == TOKENIZER_STAND_IN.encode()


def folder_bytes(folder: Path) -> int:
    """Return the size in bytes of all files below `folder`."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def forget_files(folder: Path) -> None:
    """Drop these files from the system's cache, so that the next reader reads them from the disk (POSIX)."""
    for path in folder.rglob("*"):
        if path.is_file():
            with open(path, "rb") as file:
                os.fsync(file.fileno())
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


@app.command(help=help_text(__doc__))
def main(
    folder: Annotated[Path, typer.Argument(help="where to; must be empty or not there (9 or 18 GB)")],
    dtype: Annotated[Literal["bf16", "awq"], typer.Option(help="which weights to make")] = "awq",
    device: Annotated[Literal["cuda", "cpu"], typer.Option(help="where they are made")] = "cuda",
    code: Annotated[str, typer.Option(help=f"the folder with the model's own code ({CODE_VARIABLE})")] = "",
    hear: Annotated[bool, typer.Option("--hear", help="with the audio encoder, 0.6 GB more")] = False,
) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder} is there and not empty")
    code_path = code_folder(code)
    if device == "cuda":
        import torch

        if not torch.cuda.is_available():
            raise UserError("PyTorch sees no GPU to make the weights on: --device cpu does without, slowly")
    folder.mkdir(parents=True, exist_ok=True)
    try:
        save_random(code_path, folder, device, dtype == "awq", hear)
    except ImportError as error:  # a package of the voice
        raise UserError(str(error)) from error
    print(f"{folder}: {folder_bytes(folder) / 1e9:.1f} GB, random weights")


if __name__ == "__main__":
    run_app(app, "random_minicpmo")
