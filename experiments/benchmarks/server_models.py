"""Tiny models of random weights for servers that others wrote: their words mean nothing, their streams are real.

    PYTHON experiments/benchmarks/server_models.py (vlm|gguf) PATH

runs in the environment of the server, not in the one of this library, and so imports nothing of either.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

_HIDDEN, _LAYERS, _HEADS, _CONTEXT = 64, 2, 2, 8192
_TEMPLATE = (
    "{% for m in messages %}<|start|>{{ m.role }}:{% if m.content is string %}{{ m.content }}{% else %}"
    "{% for part in m.content %}{% if part.type == 'text' %}{{ part.text }}{% elif part.type == 'image' %}<image>"
    "{% endif %}{% endfor %}{% endif %}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|start|>assistant:{% endif %}"
)
_SPECIAL = ["<|pad|>", "<|start|>", "<|end|>", "<image>", "<fake_token_around_image>", "<global-img>"]


def draw_vlm(folder: Path) -> None:
    """Write a checkpoint of Idefics3's layout: 2 layers of 64, pictures of 32 × 32 pixels, one token a byte."""
    import torch
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import AutoConfig, AutoModelForImageTextToText

    folder.mkdir(parents=True)
    # 1) A tokenizer of bytes.
    tokens = {token: k for k, token in enumerate([*_SPECIAL, *sorted(pre_tokenizers.ByteLevel.alphabet())])}
    tokenizer = Tokenizer(models.BPE(tokens, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in _SPECIAL])
    tokenizer.save(str(folder / "tokenizer.json"))
    names = {"bos_token": "<|start|>", "eos_token": "<|end|>", "pad_token": "<|pad|>"}
    _write_json(folder / "tokenizer_config.json", tokenizer_class="PreTrainedTokenizerFast", **names)
    # 2) Weights.
    ids = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    text = {
        "model_type": "llama",
        "hidden_size": _HIDDEN,
        "intermediate_size": _HIDDEN,
        "num_hidden_layers": _LAYERS,
        "num_attention_heads": _HEADS,
        "num_key_value_heads": _HEADS,
        "max_position_embeddings": _CONTEXT,
        "vocab_size": len(tokens),
        **ids,
    }
    vision = {
        "hidden_size": 32,
        "intermediate_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "image_size": 32,
        "patch_size": 8,
    }
    settings = {
        "text_config": text,
        "vision_config": vision,
        "scale_factor": 2,
        "image_token_id": 3,
        "pad_token_id": 0,
    }
    torch.manual_seed(0)
    model = AutoModelForImageTextToText.from_config(AutoConfig.for_model("idefics3", **settings))
    model.generation_config.eos_token_id = [2]
    model.generation_config.do_sample = True  # greedy, it would say the same for ever
    model.save_pretrained(folder)
    # 3) What prepares pictures and prompts.
    _write_json(
        folder / "preprocessor_config.json",
        processor_class="Idefics3Processor",
        image_processor_type="Idefics3ImageProcessor",
        size={"longest_edge": 32},
        max_image_size={"longest_edge": 32},
        do_image_splitting=False,
    )
    _write_json(folder / "processor_config.json", processor_class="Idefics3Processor", image_seq_len=4)
    _write_json(folder / "chat_template.json", chat_template=_TEMPLATE)


def draw_gguf(path: Path) -> None:
    """Write a language model of Llama's layout as GGUF: 2 layers of 64, one token a byte. It sees no pictures.

    It writes ASCII only: the server takes a minute for 500 bytes that are no UTF-8, since it decodes all of them again
    for each that comes.
    """
    import gguf
    import numpy as np

    rng = np.random.default_rng(0)
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    kinds = [
        gguf.TokenType.UNKNOWN,
        gguf.TokenType.CONTROL,
        gguf.TokenType.CONTROL,
        *[gguf.TokenType.BYTE] * 256,
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("random weights")
    writer.add_context_length(_CONTEXT)
    writer.add_embedding_length(_HIDDEN)
    writer.add_block_count(_LAYERS)
    writer.add_feed_forward_length(_HIDDEN)
    writer.add_head_count(_HEADS)
    writer.add_head_count_kv(_HEADS)
    writer.add_rope_dimension_count(_HIDDEN // _HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores([0.0] * len(tokens))
    writer.add_token_types(kinds)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_chat_template(_TEMPLATE)
    matrices = {"token_embd": (len(tokens), _HIDDEN), "output": (len(tokens), _HIDDEN)}
    for layer in range(_LAYERS):
        parts = ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down")
        matrices |= {f"blk.{layer}.{part}": (_HIDDEN, _HIDDEN) for part in parts}
        for norm in ("attn_norm", "ffn_norm"):
            writer.add_tensor(f"blk.{layer}.{norm}.weight", np.ones(_HIDDEN, np.float32))
    writer.add_tensor("output_norm.weight", np.ones(_HIDDEN, np.float32))
    weights = {name: rng.normal(0.0, 0.1, shape).astype(np.float32) for name, shape in matrices.items()}
    # One dimension is the same for all tokens, and takes from the logits of those that are not to be written.
    written = [token == "</s>" or token in {f"<0x{byte:02X}>" for byte in range(32, 127)} for token in tokens]
    weights["token_embd"][:, 0] = 10.0
    weights["output"][:, 0] = np.where(written, 0.0, -10.0)
    for name, values in weights.items():
        writer.add_tensor(f"{name}.weight", values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _write_json(path: Path, **content: object) -> None:
    path.write_text(json.dumps(content), encoding="utf-8")


if __name__ == "__main__":
    {"vlm": draw_vlm, "gguf": draw_gguf}[sys.argv[1]](Path(sys.argv[2]))
