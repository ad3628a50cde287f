"""What is known of MiniCPM-o 4.5's published files, and what of a checkpoint at hand differs from it.

The values are those in which the model's own code (OpenBMB/MiniCPM-o-Demo, folder MiniCPMO45) and a full config.json
that is public (UbiquitousLearning/mllm, examples/minicpm_o45/config_minicpm_o45.json) agree. The published weights
themselves were never at hand here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from commentator_lib.commentators.weights import StoredTensor

# Key in config.json, its parts joined by points → the published value. Only what changes the model's numbers.
KNOWN: dict[str, Any] = {
    "hidden_size": 4096,
    "intermediate_size": 12288,
    "num_hidden_layers": 36,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "vocab_size": 151748,
    "rope_theta": 1000000,
    "hidden_act": "silu",
    "tie_word_embeddings": False,
    "attention_bias": False,
    "query_num": 64,
    "drop_vision_last_layer": False,
    "vision_config.hidden_size": 1152,
    "vision_config.intermediate_size": 4304,
    "vision_config.num_hidden_layers": 27,
    "vision_config.num_attention_heads": 16,
    "vision_config.image_size": 980,
    "vision_config.patch_size": 14,
    "audio_pool_step": 5,
    "audio_config.d_model": 1024,
    "audio_config.encoder_layers": 24,
    "tts_config.hidden_size": 768,
    "tts_config.intermediate_size": 3072,
    "tts_config.num_hidden_layers": 20,
    "tts_config.num_attention_heads": 12,
    "tts_config.num_audio_tokens": 6562,
    "tts_config.num_text_tokens": 152064,
    "tts_config.num_vq": 1,
    "tts_config.audio_bos_token_id": 151687,
    "tts_config.text_eos_token_id": 151692,
}
# What this project's talker takes for granted: another value would sound like noise, and say nothing of why.
_TALKER = {
    "condition_type": "hidden_text_merge",
    "normalize_projected_hidden": True,
    "projector_type": "mlp",
    "num_vq": 1,
}

_LAYERS = (
    "self_attn.q_proj",
    "self_attn.k_proj",
    "self_attn.v_proj",
    "self_attn.o_proj",
    "mlp.gate_proj",
    "mlp.up_proj",
    "mlp.down_proj",
)


def differences(config: Mapping[str, Any]) -> list[str]:
    """Return what a config.json says otherwise than the published one, each as "key value (published value)".

    What it leaves out is not named: the code has defaults for it.
    """
    found = []
    for key, known in KNOWN.items():
        value: Any = config
        for part in key.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        if value is not None and value != known:
            found.append(f"{key} {value} ({known})")
    return found


def shortened(found: Sequence[str], most: int = 6) -> str:
    """Return the first differences as a line, and how many more there are."""
    more = f", and {len(found) - most} more" if len(found) > most else ""
    return ", ".join(found[:most]) + more


def talker_problem(config: Mapping[str, Any]) -> str:
    """Return in what the talker differs from the one that is known here, "" in nothing."""
    talker = config.get("tts_config")
    if not isinstance(talker, Mapping):
        return ""
    wrong = [f"{key} {talker[key]!r}" for key, known in _TALKER.items() if talker.get(key, known) != known]
    return f"its voice is of another kind than is known here ({', '.join(wrong)})" if wrong else ""


def language_layer_shapes(config: Mapping[str, Any], group_size: int) -> dict[str, tuple[int, ...]]:
    """Return the shape of each tensor that the language model's layers need; {} where the config does not say it.

    `group_size` 0: matrices (out, in) that are not quantized. Else AutoAWQ's GEMM layout: qweight (in, out / 8), qzeros
    (in / group, out / 8), scales (in / group, out).
    """
    names = (
        "hidden_size",
        "intermediate_size",
        "num_hidden_layers",
        "num_attention_heads",
        "num_key_value_heads",
    )
    if not all(isinstance(config.get(name), int) for name in names):
        return {}
    hidden, inner, count, heads, kv_heads = (int(config[name]) for name in names)
    head = int(config.get("head_dim") or hidden // heads)
    sizes = [
        (hidden, heads * head),
        (hidden, kv_heads * head),
        (hidden, kv_heads * head),
        (heads * head, hidden),
    ]
    sizes += [(hidden, inner), (hidden, inner), (inner, hidden)]
    shapes: dict[str, tuple[int, ...]] = {}
    for number in range(count):
        for layer, (ins, outs) in zip(_LAYERS, sizes, strict=True):
            name = f"llm.model.layers.{number}.{layer}"
            if group_size:
                shapes[f"{name}.qweight"] = (ins, outs // 8)
                shapes[f"{name}.qzeros"] = (ins // group_size, outs // 8)
                shapes[f"{name}.scales"] = (ins // group_size, outs)
            else:
                shapes[f"{name}.weight"] = (outs, ins)
    return shapes


def layout_problem(tensors: Iterable[StoredTensor], config: Mapping[str, Any], group_size: int) -> str:
    """Return what of the language model's layers is missing or of another shape than is known here, "" for nothing."""
    stored = {tensor.name: tensor.shape for tensor in tensors}
    wanted = language_layer_shapes(config, group_size)
    if missing := [name for name in wanted if name not in stored]:
        return f"lacks {len(missing)} of the {len(wanted)} tensors of its language model, {missing[0]} among them"
    wrong = [name for name, shape in wanted.items() if stored[name] != shape]
    if not wrong:
        return ""
    name = wrong[0]
    layout = "AutoAWQ's GEMM layout" if group_size else "its config.json"
    return (
        f"holds {len(wrong)} tensors of another shape than {layout} gives them: {name} is "
        f"{' × '.join(map(str, stored[name]))} and not {' × '.join(map(str, wanted[name]))}"
    )
