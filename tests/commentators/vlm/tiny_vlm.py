"""Tiny image-text-to-text checkpoints on disk, for a CPU: the published layout, random weights, nothing downloaded.

Their tokenizer knows the 256 bytes and a few special tokens, so that a model of random weights writes random bytes,
broken UTF-8 among them. With `says`, the weights are set so that the model writes that text and ends: each token
leads to the next, whatever the picture shows.
"""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

KINDS = ("idefics3", "smolvlm", "qwen2_5_vl", "llava")

_HIDDEN = 64
_SPECIALS = [
    "<|pad|>",
    "<|start|>",
    "<|end|>",
    "<image>",
    "<fake_token_around_image>",
    "<global-img>",
    "<end_of_utterance>",
    *(f"<row_{row}_col_{column}>" for row in range(1, 4) for column in range(1, 4)),
    "<|image_pad|>",
    "<|video_pad|>",
    "<|vision_start|>",
    "<|vision_end|>",
]
_PAD, _START, _END = range(3)
_IMAGE = dict.fromkeys(KINDS, "<image>") | {"qwen2_5_vl": "<|vision_start|><|image_pad|><|vision_end|>"}
TEMPLATE = (
    "{% for m in messages %}<|start|>{{ m.role }}:{% for part in m.content %}{% if part.type == 'image' %}IMAGE"
    "{% else %}{{ part.text }}{% endif %}{% endfor %}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|start|>assistant:{% endif %}"
)
_TEXT = {
    "hidden_size": _HIDDEN,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "max_position_embeddings": 4096,
    "bos_token_id": _START,
    "eos_token_id": _END,
    "pad_token_id": _PAD,
}
_VISION = {
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "image_size": 32,
    "patch_size": 8,
    "hidden_size": 32,
}


def make_checkpoint(
    folder: Path,
    kind: str = "idefics3",
    says: str = "",
    tied: bool = False,
    half: bool = False,
    template: str = TEMPLATE,
) -> Path:
    """Write a checkpoint folder of one of KINDS; `tied`: one matrix for the words coming in and going out, which the
    file then holds once; `half`: stored as bfloat16; `template` "" leaves the chat template out."""
    import torch
    from transformers import AutoConfig, AutoModelForImageTextToText

    folder.mkdir(parents=True)
    words = [word for word in _words(says) if len(word) > 1]
    vocabulary = _write_tokenizer(folder, kind, words)
    settings = _config(kind, vocabulary)
    settings["tie_word_embeddings"] = tied
    torch.manual_seed(0)
    model = AutoModelForImageTextToText.from_config(AutoConfig.for_model(**settings))
    if says:
        ids = [vocabulary[word] for word in _words(says)]
        _make_it_say(model, [vocabulary[":"], *ids, _END])
    model.generation_config.eos_token_id = [_END]
    if half:
        model.to(torch.bfloat16)
    model.save_pretrained(folder)
    _write_processor(folder, kind, template.replace("IMAGE", _IMAGE[kind]))
    return folder


def lacking(kind: str) -> str:
    """Return the package that the installed transformers needs for this kind's processor, if it is missing, else ""."""
    import transformers

    new = int(transformers.__version__.split(".")[0]) >= 5
    wanted = {"smolvlm": ["num2words"], "qwen2_5_vl": []}.get(kind)
    if wanted is None:
        return ""
    wanted = [*wanted, *["torchvision"] * new]  # their processors take videos too
    return next((name for name in wanted if importlib.util.find_spec(name) is None), "")


def _words(text: str) -> list[str]:
    """Return the words of a text, each with the space before it: one token each. Letters beyond ASCII are bytes, in the
    letters of the byte-level alphabet."""
    from tokenizers.pre_tokenizers import ByteLevel

    words: list[str] = []
    for number, word in enumerate(text.split()):
        byte_word = ByteLevel(add_prefix_space=False, use_regex=False).pre_tokenize_str(
            " " * bool(number) + word
        )
        letters = byte_word[0][0]
        words += [letters] if word.isascii() else list(letters)
    return words


def _write_tokenizer(folder: Path, kind: str, words: list[str]) -> dict[str, int]:
    """Write the tokenizer's files; return the vocabulary as {token: id}."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    tokens = [*_SPECIALS, *sorted(pre_tokenizers.ByteLevel.alphabet()), *words]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.BPE(vocabulary, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in _SPECIALS])
    tokenizer.save(str(folder / "tokenizer.json"))
    _write_json(
        folder / "tokenizer_config.json",
        tokenizer_class="Qwen2Tokenizer" if kind == "qwen2_5_vl" else "PreTrainedTokenizerFast",
        bos_token="<|start|>",
        eos_token="<|end|>",
        pad_token="<|pad|>",
        clean_up_tokenization_spaces=False,
        model_max_length=4096,
        model_input_names=["input_ids", "attention_mask"],
    )
    if kind == "qwen2_5_vl":  # its tokenizer reads these, where it is not the fast one
        _write_json(folder / "vocab.json", **vocabulary)
        (folder / "merges.txt").write_text("#version: 0.2\n")
    return vocabulary


def _config(kind: str, vocabulary: dict[str, int]) -> dict:
    text = {**_TEXT, "vocab_size": len(vocabulary)}
    if kind in ("idefics3", "smolvlm"):
        return {
            "model_type": kind,
            "scale_factor": 2,
            "image_token_id": vocabulary["<image>"],
            "pad_token_id": _PAD,
            "text_config": {**text, "model_type": "llama"},
            "vision_config": {**_VISION, "intermediate_size": 32},
        }
    if kind == "llava":
        return {
            "model_type": kind,
            "image_token_index": vocabulary["<image>"],
            "image_seq_length": 16,
            "vision_feature_select_strategy": "default",
            "vision_feature_layer": -1,
            "text_config": {**text, "model_type": "llama"},
            "vision_config": {**_VISION, "model_type": "clip_vision_model", "intermediate_size": 32},
        }
    text["rope_scaling"] = {"type": "mrope", "mrope_section": [4, 6, 6]}
    ids = {
        name: vocabulary[f"<|{name}|>"] for name in ("image_pad", "video_pad", "vision_start", "vision_end")
    }
    vision = {
        "depth": 1,
        "hidden_size": 32,
        "intermediate_size": 32,
        "num_heads": 2,
        "out_hidden_size": _HIDDEN,
        "patch_size": 14,
        "spatial_merge_size": 2,
        "window_size": 56,
        "fullatt_block_indexes": [0],
    }
    return {
        "model_type": kind,
        "image_token_id": ids["image_pad"],
        "video_token_id": ids["video_pad"],
        "vision_start_token_id": ids["vision_start"],
        "vision_end_token_id": ids["vision_end"],
        "vision_config": vision,
        **text,
    }


def _make_it_say(model, ids: list[int]) -> None:
    """Set the weights so that each of `ids`, all different, is followed by the next: the layers add nothing to a
    token's embedding, and the last matrix turns it into what follows."""
    import torch

    assert len(set(ids)) == len(ids), "a word that comes twice would have two followers"
    with torch.no_grad():
        for name, weights in model.named_parameters():
            if name.endswith(("self_attn.o_proj.weight", "mlp.down_proj.weight")):
                weights.zero_()
        coming, going = model.get_input_embeddings().weight, model.get_output_embeddings().weight
        coming.normal_()
        going.zero_()
        going[ids[1:]] = 4 * torch.nn.functional.normalize(coming[ids[:-1]], dim=-1)


def _write_processor(folder: Path, kind: str, template: str) -> None:
    pictures = {
        "idefics3": {
            "image_processor_type": "Idefics3ImageProcessor",
            "size": {"longest_edge": 96},
            "max_image_size": {"longest_edge": 32},
            "do_image_splitting": True,
        },
        "qwen2_5_vl": {
            "image_processor_type": "Qwen2VLImageProcessor",
            "patch_size": 14,
            "temporal_patch_size": 2,
            "merge_size": 2,
            "min_pixels": 28 * 28,
            "max_pixels": 4 * 28 * 28,
        },
        "llava": {
            "image_processor_type": "CLIPImageProcessor",
            "size": {"shortest_edge": 32},
            "crop_size": {"height": 32, "width": 32},
        },
    }
    pictures["smolvlm"] = pictures["idefics3"] | {
        "image_processor_type": "SmolVLMImageProcessor",
        "video_sampling": {"fps": 1, "max_frames": 8, "video_size": {"longest_edge": 32}},
    }
    own = {
        "idefics3": {"processor_class": "Idefics3Processor", "image_seq_len": 4},
        "smolvlm": {"processor_class": "SmolVLMProcessor", "image_seq_len": 4},
        "qwen2_5_vl": {"processor_class": "Qwen2_5_VLProcessor"},
        "llava": {
            "processor_class": "LlavaProcessor",
            "patch_size": 8,
            "vision_feature_select_strategy": "default",
            "num_additional_image_tokens": 1,
        },
    }[kind]
    _write_json(folder / "preprocessor_config.json", processor_class=own["processor_class"], **pictures[kind])
    _write_json(folder / "processor_config.json", **own)
    if template:
        _write_json(folder / "chat_template.json", chat_template=template)


def _write_json(path: Path, **content: object) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
