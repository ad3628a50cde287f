"""Tiny image-text-to-text checkpoints on disk, for a CPU: the published layout, random weights, nothing downloaded.

Their tokenizer knows the 256 bytes and a few special tokens, so that a model of random weights writes random bytes,
broken UTF-8 among them. With `says`, the weights are set so that the model writes that text and ends: each token
leads to the next, whatever the picture shows.
"""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

from tests.commentators.vlm.tiny_configs import END
from tests.commentators.vlm.tiny_families import FAMILIES, Family

# Those that every test of a comment's way goes through; all FAMILIES are drawn in test_families.py.
KINDS = ("idefics3", "smolvlm", "qwen2_5_vl", "llava")

TEMPLATE = (
    "{% for m in messages %}<|start|>{{ m.role }}:{% for part in m.content %}{% if part.type == 'image' %}IMAGE"
    "{% else %}{{ part.text }}{% endif %}{% endfor %}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|start|>assistant:{% endif %}"
)


def make_checkpoint(
    folder: Path,
    kind: str = "idefics3",
    says: str = "",
    tied: bool = False,
    half: bool = False,
    template: str = TEMPLATE,
) -> Path:
    """Write a checkpoint folder of one of FAMILIES; `tied`: one matrix for the words coming in and going out, which the
    file then holds once; `half`: stored as bfloat16; `template` "" leaves the chat template out."""
    import torch
    from transformers import AutoConfig, AutoModelForImageTextToText

    family = FAMILIES[kind]
    folder.mkdir(parents=True)
    words = [word for word in _words(says) if len(word) > 1]
    vocabulary = _write_tokenizer(folder, family, words)
    settings = family.config(vocabulary)
    settings["tie_word_embeddings"] = tied
    torch.manual_seed(0)
    model = AutoModelForImageTextToText.from_config(AutoConfig.for_model(**settings))
    if says:
        ids = [vocabulary[word] for word in _words(says)]
        _make_it_say(model, [vocabulary[":"], *ids, END])
    _open_eyes(model)
    model.generation_config.eos_token_id = [END]
    if half:
        model.to(torch.bfloat16)
    model.save_pretrained(folder)
    _write_processor(folder, family, template.replace("IMAGE", family.mark or family.image_token))
    return folder


def lacking(kind: str) -> str:
    """Return what keeps the installed transformers from this family, "" for nothing: its version, or a package that it
    wants for the family's processor."""
    import transformers

    family = FAMILIES[kind]
    version = tuple(int(part) for part in transformers.__version__.split(".")[:2])
    if version < family.since:
        return f"version {family.since[0]}.{family.since[1]}"
    wanted = [*family.packages, *(family.new_packages if version >= (5,) else ())]
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


def _write_tokenizer(folder: Path, family: Family, words: list[str]) -> dict[str, int]:
    """Write the tokenizer's files; return the vocabulary as {token: id}."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    specials = ["<|pad|>", "<|start|>", "<|end|>", *family.specials]  # in the order of PAD, START, END
    tokens = [*specials, *sorted(pre_tokenizers.ByteLevel.alphabet()), *words]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.BPE(vocabulary, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in specials])
    tokenizer.save(str(folder / "tokenizer.json"))
    _write_json(
        folder / "tokenizer_config.json",
        tokenizer_class=family.tokenizer_class,
        bos_token="<|start|>",
        eos_token="<|end|>",
        pad_token="<|pad|>",
        clean_up_tokenization_spaces=False,
        model_max_length=16384,
        model_input_names=["input_ids", "attention_mask"],
        **({"extra_special_tokens": family.named_tokens} if family.named_tokens else {}),
    )
    if family.tokenizer_class == "Qwen2Tokenizer":  # it reads these, where it is not the fast one
        _write_json(folder / "vocab.json", **vocabulary)
        (folder / "merges.txt").write_text("#version: 0.2\n")
    return vocabulary


def _open_eyes(model) -> None:
    """Draw the weights that start at zero, with which a model would see nothing, and those of Llama 4 that
    transformers 4.51 leaves as the memory was."""
    import torch

    zero = ("cross_attn_attn_gate", "cross_attn_mlp_gate", "mm_input_projection_weight")
    undrawn = ("experts.gate_up_proj", "experts.down_proj", "class_embedding", "positional_embedding_vlm")
    with torch.no_grad():
        for name, weights in model.named_parameters():
            if name.endswith((*zero, *undrawn)):
                weights.normal_(std=0.5 if name.endswith(zero) else 0.02)


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


def _write_processor(folder: Path, family: Family, template: str) -> None:
    name = family.processor["processor_class"]
    _write_json(folder / "preprocessor_config.json", processor_class=name, **family.pictures)
    _write_json(folder / "processor_config.json", **family.processor)
    if family.video:
        _write_json(folder / "video_preprocessor_config.json", processor_class=name, **family.video)
    if template:
        _write_json(folder / "chat_template.json", chat_template=template)


def _write_json(path: Path, **content: object) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
