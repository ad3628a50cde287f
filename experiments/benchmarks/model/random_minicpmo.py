"""MiniCPM-o 4.5 at its full published size with random weights: true times and true memory, no sensible words.

Checkpoints of 9 to 18 GB are on no test machine, and what a stage costs does not depend on what its weights say.
The shapes are those that the model's own code and the public test fixtures agree on. The code itself is not
part of this project: it is read from a folder, MiniCPMO45 of the public repository OpenBMB/MiniCPM-o-Demo.

Everything made here is named "random" in every result.

As a checkpoint folder, to measure a start from the disk (`bench_model --steps start`):

    python -m experiments.random_minicpmo /tmp/random-awq --dtype awq
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

CODE_VARIABLE = "MINICPMO_CODE_DIR"
# What each part of the 4-bit language model is spread like: numbers 0 to 15 around a zero of 8.
_WEIGHT_SPREAD = 0.02
_AWQ_GROUP = 128
_FULL = {
    "hidden_size": 4096,
    "intermediate_size": 12288,
    "num_hidden_layers": 36,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "vocab_size": 151748,
    "max_position_embeddings": 40960,
    "rope_theta": 1000000,
    "rms_norm_eps": 1e-6,
    "tie_word_embeddings": False,
    "hidden_act": "silu",
    "attention_bias": False,
    "bos_token_id": 151643,
    "eos_token_id": 151645,
    "query_num": 64,
    "image_size": 448,
    "drop_vision_last_layer": False,
    "batch_vision_input": True,
    "use_image_id": True,
    "vision_batch_size": 16,
    "slice_config": {"max_slice_nums": 1, "model_type": "minicpmv"},
    "vision_config": {
        "hidden_size": 1152,
        "intermediate_size": 4304,
        "num_attention_heads": 16,
        "num_hidden_layers": 27,
        "image_size": 980,
        "patch_size": 14,
        "model_type": "siglip_vision_model",
    },
    "tts_config": {
        "llm_dim": 4096,
        "hidden_size": 768,
        "intermediate_size": 3072,
        "num_attention_heads": 12,
        "num_key_value_heads": 12,
        "num_hidden_layers": 20,
        "max_position_embeddings": 4096,
        "num_audio_tokens": 6562,
        "num_text_tokens": 152064,
        "num_vq": 1,
        "audio_bos_token_id": 151687,
        "text_eos_token_id": 151692,
        "audio_tokenizer_type": "s3tokenizer_step_audio",
        "attention_type": "full_attention",
        "condition_type": "hidden_text_merge",
        "projector_type": "mlp",
        "normalize_projected_hidden": True,
        "top_p": 0.85,
        "top_k": 25,
        "repetition_penalty": 1.05,
    },
    "architectures": ["MiniCPMO"],
    "model_type": "minicpmo",
    "version": "4.5",
    "auto_map": {
        "AutoConfig": "configuration_minicpmo.MiniCPMOConfig",
        "AutoModel": "modeling_minicpmo.MiniCPMO",
    },
}
# Step-Audio 2's flow model, as minicpmo-utils 1.0.6 expects it in flow.yaml.
_FLOW = """\
flow: !new:cosyvoice2.flow.flow.CausalMaskedDiffWithXvec
  input_size: 512
  output_size: 80
  spk_embed_dim: 192
  output_type: mel
  vocab_size: 6561
  encoder: !new:cosyvoice2.transformer.upsample_encoder_v2.UpsampleConformerEncoderV2
    {input_size: 512, output_size: 512, input_layer: linear, pre_lookahead_len: 3, num_blocks: 6, num_up_blocks: 4,
     up_stride: 2, up_scale_factor: 2, attention_heads: 8, pos_enc_layer_type: rel_pos_espnet,
     selfattention_layer_type: rel_selfattn, key_bias: true, linear_units: 2048, dropout_rate: 0.1,
     positional_dropout_rate: 0.1, attention_dropout_rate: 0.1, normalize_before: true}
  decoder: !new:cosyvoice2.flow.flow_matching.CausalConditionalCFM
    inference_cfg_rate: 0.7
    estimator: !new:cosyvoice2.flow.decoder_dit.DiT
      {in_channels: 320, out_channels: 80, mlp_ratio: 4.0, depth: 16, num_heads: 8, head_dim: 64, hidden_size: 512}
"""


# As the published 4-bit checkpoint has it, null included.
_AWQ_CONFIG = {
    "quant_method": "awq",
    "bits": 4,
    "group_size": _AWQ_GROUP,
    "version": "gemm",
    "zero_point": True,
    "modules_to_not_convert": None,
}
_SHARD_BYTES = 4_000_000_000
_DRAWN_TOKENIZER = "stands for weights that are drawn"


class NoModelCodeError(Exception):
    """The model's own code is not at hand; one line that says how to get it."""


def code_folder(given: str = "") -> Path:
    """The folder with the model's code: `given`, or what the environment names."""
    folder = Path(given or os.environ.get(CODE_VARIABLE, ""))
    if not (given or os.environ.get(CODE_VARIABLE)) or not (folder / "modeling_minicpmo.py").is_file():
        raise NoModelCodeError(
            f"random weights need the model's own code: set {CODE_VARIABLE} to the folder MiniCPMO45 of the public "
            "repository OpenBMB/MiniCPM-o-Demo"
        )
    return folder


def copy_code(code: Path, folder: Path) -> None:
    """The model's code and tokenizer files, without weights."""
    for path in code.iterdir():
        if path.is_file() and path.suffix in {".py", ".json", ".txt"} and "unified" not in path.name:
            shutil.copy(path, folder)


def make_model(code: Path, device: str, awq: bool, seed: int = 0) -> tuple[Any, Any]:
    """(model, processor) on `device` with the talker; `awq`: float16 with 4-bit language layers, else bfloat16.

    The weights are made on the device, layer by layer for AWQ, so that the peak is the model's own size.
    """
    import torch
    from transformers import AutoConfig, AutoModel, AutoProcessor
    from transformers.modeling_utils import no_init_weights

    from commentator_lib.commentators.minicpmo.loading import fix_position_table, import_gate
    from commentator_lib.commentators.torch_tools import quietly

    dtype = torch.float16 if awq else torch.bfloat16
    with tempfile.TemporaryDirectory(prefix="minicpmo-random-") as name:
        folder = Path(name)
        copy_code(code, folder)
        (folder / "config.json").write_text(json.dumps(_FULL))
        with import_gate(), quietly():
            config = AutoConfig.from_pretrained(folder, trust_remote_code=True)
            config.init_vision, config.init_audio, config.init_tts = True, False, True
            torch.set_default_dtype(dtype)
            try:
                with torch.device("meta" if awq else device), no_init_weights():
                    model = AutoModel.from_config(
                        config, trust_remote_code=True, attn_implementation="sdpa", torch_dtype=dtype
                    )
            finally:
                torch.set_default_dtype(torch.float32)
            processor = AutoProcessor.from_pretrained(folder, trust_remote_code=True)
    if awq:
        _put_4bit_layers(model, device)
        model.to_empty(device=device)
    _draw(model, device, seed)
    model.processor = processor
    model.resampler._set_2d_pos_cache(model.resampler.max_size, device=device)
    fix_position_table(model)
    return model.eval(), processor


def _put_4bit_layers(model, device: str) -> None:
    """Replace the language model's layers by AutoAWQ's, or by our plain ones where AutoAWQ cannot run."""
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
            from awq.modules.linear.gemm import WQLinear_GEMM

            new = WQLinear_GEMM(4, _AWQ_GROUP, inputs, outputs, False, "meta")
        else:
            with torch.device("meta"):
                new = AwqLinear(inputs, outputs, False, _AWQ_GROUP)
        model.llm.model.layers.set_submodule(name, new)


def _draw(model, device: str, seed: int) -> None:
    import torch

    generator = torch.Generator(device=device).manual_seed(seed)
    with torch.no_grad():
        for name, value in model.named_parameters():
            if value.ndim >= 2:
                value.normal_(0, _WEIGHT_SPREAD, generator=generator)
            elif "norm" in name.lower() or ".ln_" in name:
                value.fill_(1.0 if name.endswith("weight") else 0.0)
            else:
                value.zero_()
        for name, buffer in model.named_buffers():
            if name.endswith("qweight"):
                buffer.random_(-(2**31), 2**31 - 1, generator=generator)
            elif name.endswith("qzeros"):
                # 7 or 8: an eight throughout would give every weight the same mean, which adds up layer by layer
                # until float16 overflows
                coin = torch.randint(0, 2, buffer.shape, generator=generator, device=device).bool()
                buffer.copy_(torch.where(coin, 0x78877887, -0x78877888))
            elif name.endswith("scales"):
                buffer.fill_(_WEIGHT_SPREAD / 4.6)  # the spread of 0 to 15
        for module in model.modules():  # buffers that are in no checkpoint
            if isinstance(getattr(module, "inv_freq", None), torch.Tensor) and hasattr(
                module, "rope_init_fn"
            ):
                frequencies, _ = module.rope_init_fn(module.config, device)
                module.inv_freq = module.original_inv_freq = frequencies.float()
            if isinstance(getattr(module, "position_ids", None), torch.Tensor):
                ids = module.position_ids
                module.position_ids = torch.arange(ids.shape[-1], device=device).expand(ids.shape)


class _RandomSpeechTokenizer:
    """Stands for the reference recording's tokenizer, which is an ONNX file of its own: as many tokens, drawn, and as
    much memory (496 MB in CosyVoice 2)."""

    def cuda(self):
        import torch

        self._weights = torch.empty(496_000_000, dtype=torch.uint8, device="cuda")
        return self

    def eval(self):
        return self

    def quantize(self, mels, lengths):
        import torch

        count = int(lengths[0]) // 4  # 100 mel frames a second, 25 tokens
        device = mels.device
        return torch.randint(0, 6561, (1, count), device=device), torch.tensor([count], device=device)


def write_token2wav(folder: Path) -> None:
    """Files of a Token2wav of the full architecture with random weights (minicpmo-utils 1.0.6's layout).

    The output layers are drawn too: they start as zeros, and zeros may be computed faster than numbers.
    """
    import numpy as np
    import onnx
    import torch
    from hyperpyyaml import load_hyperpyyaml
    from onnx import TensorProto, helper, numpy_helper
    from stepaudio2 import token2wav

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "flow.yaml").write_text(_FLOW)
    token2wav._setup_cosyvoice2_alias()
    flow = load_hyperpyyaml(_FLOW)["flow"]
    with torch.no_grad():
        for value in flow.parameters():
            if not value.any():
                value.normal_(0, _WEIGHT_SPREAD)
    torch.save(flow.state_dict(), folder / "flow.pt")
    torch.save(token2wav.HiFTGenerator().state_dict(), folder / "hift.pt")
    weight = numpy_helper.from_array(
        np.random.default_rng(0).normal(size=(80, 192)).astype(np.float32), "weight"
    )
    axes = numpy_helper.from_array(np.array([1], dtype=np.int64), "axes")
    graph = helper.make_graph(
        [
            helper.make_node("ReduceMean", ["x", "axes"], ["mean"], keepdims=0),
            helper.make_node("MatMul", ["mean", "weight"], ["y"]),
        ],
        "speaker",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, "T", 80])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 192])],
        [weight, axes],
    )
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9),
        folder / "campplus.onnx",
    )
    (folder / "speech_tokenizer_v2_25hz.onnx").write_text(_DRAWN_TOKENIZER)


def replace_speech_tokenizer() -> None:
    """Let Token2wav load without the recording's tokenizer, for which there are no random weights to be made."""
    import s3tokenizer

    s3tokenizer.load_model = lambda *_args, **_options: _RandomSpeechTokenizer()


def load_random(code: Path, device: str, awq: bool, speech: bool = True, vocoder_float16: bool = False):
    """A `Loaded` of the full size with random weights, its voice included if `speech`."""
    import torch

    from commentator_lib.commentators.minicpmo.loading import Loaded, load_vocoder

    model, processor = make_model(code, device, awq)

    def make_vocoder():
        replace_speech_tokenizer()
        with tempfile.TemporaryDirectory(prefix="token2wav-random-") as name:
            write_token2wav(Path(name) / "token2wav")
            return load_vocoder(model, Path(name), recording(), vocoder_float16)

    return Loaded(model, processor, torch.device(device), make_vocoder if speech else None)


def recording():
    """Six seconds of noise (N,) float32 at 16 kHz, as the voice to imitate."""
    import numpy as np

    return np.random.default_rng(0).normal(0, 0.05, 6 * 16_000).astype(np.float32)


# --- as a folder


def save_random(code: Path, folder: Path, device: str, awq: bool) -> None:
    """Write the model of `make_model`, with a voice, as a checkpoint folder like the published ones."""
    from commentator_lib.commentators.minicpmo.token2wav import write_wav

    # The voice first: a package that it lacks is known before 9 or 18 GB are written.
    write_token2wav(folder / "assets" / "token2wav")
    write_wav(folder / "assets" / "ref_audio.wav", recording())
    model, _processor = make_model(code, device, awq)
    copy_code(code, folder)
    config = {**_FULL, "torch_dtype": "float16" if awq else "bfloat16"}
    if awq:
        config["quantization_config"] = _AWQ_CONFIG
    (folder / "config.json").write_text(json.dumps(config))
    _save_weights(model, folder)
    forget_files(folder)


def _save_weights(model, folder: Path) -> None:
    """The model's tensors in files of 4 GB, so that the host never holds more of them at once."""
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
    """Whether `save_random` wrote this checkpoint."""
    stand_in = Path(folder) / "assets" / "token2wav" / "speech_tokenizer_v2_25hz.onnx"
    return stand_in.is_file() and stand_in.read_bytes() == _DRAWN_TOKENIZER.encode()


def folder_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def forget_files(folder: Path) -> None:
    """Let the next reader of these files find them on the disk, not in the system's memory (POSIX)."""
    for path in folder.rglob("*"):
        if path.is_file():
            with open(path, "rb") as file:
                os.fsync(file.fileno())
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="where to; must be empty or not there (9 or 18 GB)")
    parser.add_argument("--dtype", choices=("bf16", "awq"), default="awq", help="which weights to make")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda", help="where they are drawn")
    parser.add_argument("--code", default="", help=f"the folder with the model's own code ({CODE_VARIABLE})")
    given = parser.parse_args(arguments)
    if given.folder.exists() and (not given.folder.is_dir() or any(given.folder.iterdir())):
        parser.error(f"{given.folder} is there and not empty")
    code = code_folder(given.code)
    if given.device == "cuda":
        import torch

        if not torch.cuda.is_available():
            parser.error("PyTorch sees no GPU to draw the weights on: --device cpu does without, slowly")
    given.folder.mkdir(parents=True, exist_ok=True)
    save_random(code, given.folder, given.device, given.dtype == "awq")
    print(f"{given.folder}: {folder_bytes(given.folder) / 1e9:.1f} GB, random weights")


if __name__ == "__main__":
    try:
        main()
    except (NoModelCodeError, ImportError, OSError) as error:  # a package of the voice, a full disk
        print(f"random_minicpmo: {error}", file=sys.stderr)
        sys.exit(2)
