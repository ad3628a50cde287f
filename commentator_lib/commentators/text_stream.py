"""Text of a growing list of token ids, given out piece by piece as the tokens come.

All ids are decoded again for each new token, since with some tokenizers the text of a token depends on those before it
(a space only between two words, one character from several bytes). Even for the longest comment, a thousand tokens,
this takes a fraction of the time that a model takes for one token.

`DecodeStream` of the package tokenizers does less: it takes no tokenizer that is written in Python, and after a
character that never becomes complete it holds back all bytes that follow.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

_REPLACEMENT = "\ufffd"


class TextStream:
    """Gives out the text of tokens as they come, without special tokens and without incomplete characters.

    `tokenizer` is one of transformers, fast or slow: `decode(ids, skip_special_tokens, clean_up_tokenization_spaces)`.
    `end_tokens` are never shown, even where the tokenizer treats them as words.
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
