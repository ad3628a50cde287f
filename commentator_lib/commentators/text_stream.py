"""Text of a growing list of token ids, given out piece by piece as the tokens come.

All ids are decoded again for each new token, since some tokenizers write a token by what stands before it (a space
only between two words, one character out of several bytes). For the thousand tokens of the longest comment that is
a fraction of the time that a model takes to make one of them.

`DecodeStream` of the package tokenizers does less: it takes no tokenizer that is written in Python, and a character
that never becomes whole keeps back, for ever, itself and the bytes that follow it.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

_REPLACEMENT = "\ufffd"


class TextStream:
    """The text of tokens as they come: no special tokens, and no character whose bytes have not all come.

    `tokenizer` is one of transformers, fast or slow: `decode(ids, skip_special_tokens, clean_up_tokenization_spaces)`.
    `end_tokens` are never shown, also where the tokenizer takes them for words.
    """

    def __init__(self, tokenizer: Any, end_tokens: Collection[int] = ()) -> None:
        self._tokenizer = tokenizer
        self._end_tokens = frozenset(end_tokens)
        self._ids: list[int] = []
        self._text = ""
        self._given = 0  # characters of the text that were given out

    def push(self, *tokens: int) -> str:
        """Return what these tokens add to the text that may be shown; "" for none."""
        self._ids += [token for token in tokens if token not in self._end_tokens]
        # No cleaning up: it would change what was given out before.
        self._text = self._tokenizer.decode(
            self._ids, skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        return self._give_up_to(len(self._text.rstrip(_REPLACEMENT)))

    def rest(self) -> str:
        """Return what was held back, once no more tokens come."""
        return self._give_up_to(len(self._text))

    def _give_up_to(self, end: int) -> str:
        new, self._given = self._text[self._given : end], max(self._given, end)
        return new
