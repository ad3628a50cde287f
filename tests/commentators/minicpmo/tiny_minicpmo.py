"""Tiny MiniCPM-o checkpoints on disk, for a CPU, with random weights.

The code is the tests' own (tiny_minicpmo_code), or, with the environment's MINICPMO_CODE_DIR set to the
folder MiniCPMO45 of the public repository OpenBMB/MiniCPM-o-Demo, the model's real code at tiny size.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np

CODE_DIR = os.environ.get("MINICPMO_CODE_DIR", "")
REAL = bool(CODE_DIR)
OWN_CODE = Path(__file__).parent / "tiny_minicpmo_code"
GROUP = 32
_SPECIALS = [
    "<unk>",
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|tts_bos|>",
    "<|tts_eos|>",
    "<image>",
    "</image>",
    "<|audio_start|>",
    "<|audio_end|>",
    "<unit>",
    "</unit>",
    "<slice>",
    "</slice>",
    "<|listen|>",
    "<|speak|>",
    "<|chunk_eos|>",
    "<|chunk_tts_eos|>",
    "<|turn_eos|>",
    "<|tts_pad|>",
]
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% if use_tts_template %}<|tts_bos|>{% endif %}{% endif %}"
)
AUDIO_CONFIG = {
    "d_model": 32,
    "encoder_layers": 2,
    "encoder_attention_heads": 2,
    "encoder_ffn_dim": 128,
    "num_mel_bins": 80,
    "max_source_positions": 1500,
}
VOICE_FILES = ("campplus.onnx", "flow.pt", "flow.yaml", "hift.pt", "speech_tokenizer_v2_25hz.onnx")


def make_checkpoint(
    folder: Path, awq: bool = False, assets: bool = True, seed: int = 0, width: int = 64
) -> Path:
    """Write a checkpoint folder; `awq`: with its language layers in AWQ's 4-bit packing, as in the published one.

    `width` is that of the tests' own language model: from 128 on, its 4-bit layers fill the tiles of the int4 kernel.
    """
    import torch
    from safetensors.torch import save_file
    from transformers import AutoConfig, AutoModel

    from commentator_lib.commentators.minicpmo.loading import import_gate

    folder.mkdir(parents=True)
    config = _copy_real_code(folder) if REAL else _write_own_code(folder, width)
    (folder / "config.json").write_text(json.dumps(config))
    torch.manual_seed(seed)
    with import_gate():
        loaded = AutoConfig.from_pretrained(folder, trust_remote_code=True)
        model = AutoModel.from_config(loaded, trust_remote_code=True, attn_implementation="sdpa")
    with torch.no_grad():
        model.resampler.query.normal_(0, 0.5)
        if not REAL:  # letters loudest, so that what it says has words to be spoken
            model.llm.lm_head.weight[: len(_LETTERS)] *= 8
    tensors = {name: value.contiguous() for name, value in model.state_dict().items()}
    if awq:
        tensors = quantised(tensors)
        # null is what the published checkpoint says
        config["quantization_config"] = {
            "quant_method": "awq",
            "bits": 4,
            "group_size": GROUP,
            "version": "gemm",
            "zero_point": True,
            "modules_to_not_convert": None,
        }
        (folder / "config.json").write_text(json.dumps(config))
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    if assets:
        make_assets(folder / "assets")
    return folder


def make_assets(folder: Path) -> Path:
    """Write voice files and a reference recording; for the real code, the full vocoder with random weights."""
    from commentator_lib.commentators.minicpmo.token2wav import write_wav

    (folder / "token2wav").mkdir(parents=True)
    if REAL:
        from experiments.benchmarks.model.random_minicpmo import write_token2wav

        write_token2wav(folder / "token2wav")
    else:
        for name in VOICE_FILES:
            (folder / "token2wav" / name).write_text("flow: a made one\n")
    times = np.arange(2 * 16_000) / 16_000
    write_wav(folder / "HT_ref_audio.wav", (0.3 * np.sin(2 * np.pi * 220 * times)).astype(np.float32))
    return folder


def _write_own_code(folder: Path, width: int) -> dict:
    for path in OWN_CODE.glob("*.py"):
        shutil.copy(path, folder)
    vocabulary = _write_tokenizer(folder)
    (folder / "preprocessor_config.json").write_text(
        json.dumps(
            {
                "processor_class": "MiniCPMOProcessor",
                "auto_map": {"AutoProcessor": "processing_minicpmo.MiniCPMOProcessor"},
            }
        )
    )
    return {
        **_common_config(),
        "vocab_size": vocabulary,
        "hidden_size": width,
        "intermediate_size": 2 * width,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": width // 4,
        "query_num": 4,
        "vision_config": {"hidden_size": 32},
        "audio_config": AUDIO_CONFIG,
        "tts_config": {
            "llm_dim": width,
            "hidden_size": 32,
            "num_audio_tokens": 128,
            "num_text_tokens": vocabulary + 2,
            "audio_bos_token_id": vocabulary,
            "text_eos_token_id": vocabulary + 1,
            "attention_type": "full_attention",
        },
    }


def _write_tokenizer(folder: Path) -> int:
    """Write a tokenizer of single bytes; return the number of its tokens, rounded up."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    letters = [*_LETTERS, *sorted(set(pre_tokenizers.ByteLevel.alphabet()) - set(_LETTERS))]
    tokenizer = Tokenizer(models.BPE(vocab={letter: k for k, letter in enumerate(letters)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="<unk>",
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        additional_special_tokens=_SPECIALS,
        chat_template=_TEMPLATE,
    )
    fast.save_pretrained(folder)
    return (len(fast) + 31) // 32 * 32


def _copy_real_code(folder: Path) -> dict:
    from experiments.benchmarks.model.random_minicpmo import copy_code

    copy_code(Path(CODE_DIR), folder)
    width = 128
    return {
        **_common_config(),
        "vocab_size": 151748,
        "hidden_size": width,
        "intermediate_size": 256,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 32,
        "query_num": 64,
        "image_size": 448,
        "drop_vision_last_layer": False,
        "batch_vision_input": True,
        "vision_batch_size": 16,
        "slice_config": {"max_slice_nums": 1, "model_type": "minicpmv"},
        "vision_config": {
            "hidden_size": 64,
            "image_size": 980,
            "intermediate_size": 128,
            "model_type": "siglip_vision_model",
            "num_attention_heads": 4,
            "num_hidden_layers": 2,
            "patch_size": 14,
        },
        "audio_config": AUDIO_CONFIG,
        "tts_config": {
            "llm_dim": width,
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_attention_heads": 4,
            "num_key_value_heads": 4,
            "num_hidden_layers": 2,
            "max_position_embeddings": 4096,
            "num_audio_tokens": 6562,
            "num_text_tokens": 152064,
            "num_vq": 1,
            "audio_bos_token_id": 151687,
            "text_eos_token_id": 151692,
            "audio_tokenizer_type": "s3tokenizer_step_audio",
            "projector_type": "mlp",
            "attention_type": "full_attention",
            "condition_type": "hidden_text_merge",
            "normalize_projected_hidden": True,
            "top_p": 0.85,
            "top_k": 25,
            "repetition_penalty": 1.05,
        },
    }


def _common_config() -> dict:
    return {
        "architectures": ["MiniCPMO"],
        "model_type": "minicpmo",
        "version": "4.5",
        "auto_map": {
            "AutoConfig": "configuration_minicpmo.MiniCPMOConfig",
            "AutoModel": "modeling_minicpmo.MiniCPMO",
        },
        "max_position_embeddings": 40960,
        "rope_theta": 1000000,
        "rms_norm_eps": 1e-6,
        "hidden_act": "silu",
        "tie_word_embeddings": False,
        "attention_bias": False,
        "torch_dtype": "bfloat16",
    }


def quantised(tensors: dict) -> dict:
    """Return the tensors with the language model's layers in 4 bits, in AutoAWQ's GEMM layout; the rest unchanged."""
    import torch

    out = {}
    for name, value in tensors.items():
        layer = name.startswith("llm.model.layers.") and name.endswith("_proj.weight")
        if not layer:
            out[name] = value
            continue
        weight = value.float().T.contiguous()  # in, out
        groups = weight.view(-1, GROUP, weight.shape[1])
        low, high = groups.amin(1), groups.amax(1)
        scales = ((high - low).clamp(min=1e-5) / 15).half()
        zeros = (-low / scales.float()).round().clamp(0, 15)
        numbers = (groups / scales.float()[:, None] + zeros[:, None]).round().clamp(0, 15).view_as(weight)
        stem = name.removesuffix("weight")
        out[stem + "qweight"] = pack(numbers.to(torch.int32))
        out[stem + "qzeros"] = pack(zeros.to(torch.int32))
        out[stem + "scales"] = scales
    return out


def pack(numbers):
    """Pack numbers (rows, n) int32, 0 to 15, into (rows, n / 8) int32, in the order 0 2 4 6 1 3 5 7."""
    import torch

    eight = numbers.view(numbers.shape[0], -1, 8).to(torch.int64)
    packed = torch.zeros(eight.shape[:2], dtype=torch.int64)
    for place, column in enumerate((0, 2, 4, 6, 1, 3, 5, 7)):
        packed |= eight[:, :, column] << (4 * place)
    return torch.where(packed >= 2**31, packed - 2**32, packed).to(torch.int32)
