"""From a language model's logits to the numbers of `Judgement`: of "...", of yes against no, of a comment's words.

For models whose logits are at hand. Importing this imports no torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from commentator_lib.profiles import NOTHING_TO_SAY

if TYPE_CHECKING:
    from torch import Tensor

SILENCE = (NOTHING_TO_SAY, f" {NOTHING_TO_SAY}", "…")
YES = ("yes", "Yes", "YES", " yes", " Yes")
NO = ("no", "No", "NO", " no", " No")


def first_tokens(tokenizer: Any, texts: Sequence[str]) -> list[int]:
    """Return the ids of the tokens with which one of `texts` may begin, sorted.

    `tokenizer` is one of transformers. A token that is only a space does not count: any word may follow it.
    """
    ids: set[int] = set()
    for text in texts:
        tokens = tokenizer.encode(text, add_special_tokens=False)
        if tokens and tokenizer.decode(tokens[:1]).strip():
            ids.add(tokens[0])
    return sorted(ids)


def probability_of(logits: Tensor, ids: Sequence[int]) -> float:
    """Return the probability that the next token, with `logits` (V,), is one of `ids`."""
    return min(1.0, float(logits.float().softmax(dim=-1)[list(ids)].sum()))


def probability_against(logits: Tensor, ids: Sequence[int], others: Sequence[int]) -> float:
    """Return the probability that the next token, with `logits` (V,), is one of `ids`, given it is one of both."""
    ours, theirs = (logits.float()[list(some)].logsumexp(dim=-1) for some in (ids, others))
    return float((ours - theirs).sigmoid())


def perplexity(logits: Tensor, ids: Tensor) -> float:
    """Return exp(mean negative log-likelihood) of the tokens `ids` (m,); `logits` (m, V) came before each of them."""
    from torch.nn import functional as F

    return float(F.cross_entropy(logits.float(), ids).exp())


def first_token_number(rule: str, logits: Tensor, tokenizer: Any) -> float | None:
    """Return the number of the rule first-token or yes-no from the logits (V,) of the first token, else None."""
    if rule == "first-token":
        return probability_of(logits, first_tokens(tokenizer, SILENCE))
    if rule == "yes-no":
        return probability_against(logits, first_tokens(tokenizer, YES), first_tokens(tokenizer, NO))
    return None
