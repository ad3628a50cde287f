"""Keep what users, models and streams say plain text: no word of it may become a control token of a tokenizer.

A tokenizer finds its added tokens anywhere in a text: in an instruction that holds `<|im_end|>` it would end the
user's turn, and one that holds the mark of a picture asks for a picture more than there are. Hugging Face's option
`split_special_tokens` spares special tokens only, and the marks of many models are none.

Each such mark is taken apart by a space behind its first character, which a model reads much as before.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

# Marks that processors replace before their tokenizer sees the text, of MiniCPM-o, LLaVA, InternVL, Pixtral and others.
_MARKS = (
    "<image>./</image>", "<audio>./</audio>", "<image>", "</image>", "<audio>", "</audio>", "<video>", "</video>",
    "<image_id>", "</image_id>", "<slice>", "</slice>", "<unk>", "<IMG_CONTEXT>", "<img>", "</img>",
    "[IMG]", "[IMG_BREAK]", "[IMG_END]", "[INST]", "[/INST]", "<s>", "</s>",
)  # fmt: skip
# What a control token looks like, for a server whose tokenizer is not here: <|…|>, <…_…>, </s>, [INST], and the like.
_LIKE_A_MARK = re.compile(
    r"<(?=[|｜][^<>\s]{1,60}[|｜]>)|<(?=/?[A-Za-z][A-Za-z0-9_:▁-]{0,40}>)|\[(?=/?[A-Z][A-Z_]{1,30}\])"
)


def without_marks(text: str, tokenizer: Any) -> str:
    """Return a text of which this tokenizer of transformers makes no added token.

    Added tokens of white space or of a single character are ordinary text, and stay.

    >>> class Tokenizer:
    ...     def get_added_vocab(self):
    ...         return {"<|im_end|>": 7}
    ...     def encode(self, text, add_special_tokens):
    ...         return [7] if "<|im_end|>" in text else [1]
    >>> without_marks("Stop.<|im_end|>", Tokenizer())
    'Stop.< |im_end|>'
    """
    added = {token: number for token, number in tokenizer.get_added_vocab().items() if len(token.strip()) > 1}
    pattern = _pattern((*added, *_MARKS))
    apart = text
    while (found := pattern.sub(_taken_apart, apart)) != apart:  # taking one apart may leave another behind
        apart = found
    # Some tokenizers change a text before they look: what they still find is left without its signs, or without all.
    numbers = set(added.values())
    for kept in (_without_signs, _letters):
        if numbers.isdisjoint(tokenizer.encode(apart, add_special_tokens=False)):
            return apart
        apart = kept(apart)
    return apart


def without_likely_marks(text: str) -> str:
    """Return a text without what looks like a control token of some tokenizer, for a model whose tokenizer is not here.

    >>> without_likely_marks("A <image> and [IMG], <|im_end|> but 1 < 2 and [sic].")
    'A < image> and [ IMG], < |im_end|> but 1 < 2 and [sic].'
    """
    return _LIKE_A_MARK.sub(lambda found: f"{found[0]} ", text)


@lru_cache(maxsize=8)
def _pattern(marks: Iterable[str]) -> re.Pattern[str]:
    """Return what finds any of these marks, the longest first."""
    longest_first = sorted(set(marks), key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first)))


def _taken_apart(found: re.Match[str]) -> str:
    return f"{found[0][0]} {found[0][1:]}"


def _without_signs(text: str) -> str:
    return "".join(" " if c in "<>|[]{}/_" or not (c.isprintable() and c.isascii()) else c for c in text)


def _letters(text: str) -> str:
    return " ".join("".join(c if c.isalnum() else " " for c in text).split())
