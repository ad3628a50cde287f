"""Text from MiniCPM-o's language model: a prefill, then one token after another.

Not the model's own `chat()` or `streaming_generate()`, the obvious way: neither can be cancelled between two
tokens, `chat()` drops suppressed tokens in silence and keeps the hidden states of all layers, and the
streaming loop asks the GPU once for every distinct token of its repetition penalty. These few functions give
the same tokens; `experiments.bench_model` compares them, greedily, with both.

The rules of picking a token are the model's own, from its code in OpenBMB/MiniCPM-o-Demo, folder MiniCPMO45:
what is suppressed in speech, the repetition penalty and its window, the order of top-k and top-p.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from commentator_lib.commentators.minicpmo.sequence import Sequence

# The language model speaks to the talker in chunks of this many tokens; it was trained so.
TEXT_CHUNK = 10
# The repetition penalty looks at this many tokens before the chunk, and at the chunk.
_PENALTY_WINDOW = 128
# What cannot be spoken, one token each.
UNSPEAKABLE = ":：；#“”‘’@*【】「」()（）[]&/$"
_STOPS = ("<|tts_eos|>", "<|im_end|>", "<|endoftext|>", "</s>")


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is drawn; `temperature` 0 takes the likeliest."""

    temperature: float = 0.7
    top_p: float = 0.8
    top_k: int = 100
    repetition_penalty: float = 1.02


def token_ids(tokenizer, tokens) -> list[int]:
    """The ids of those tokens that the vocabulary has."""
    ids = (tokenizer.convert_tokens_to_ids(token) for token in tokens)
    return sorted({i for i in ids if i is not None and i != tokenizer.unk_token_id})


def stop_ids(tokenizer) -> list[int]:
    return token_ids(tokenizer, _STOPS)


def suppressed_ids(tokenizer) -> list[int]:
    """What must not be generated where it is to be spoken: signs, and tokens that the tokenizer calls bad."""
    return sorted({*token_ids(tokenizer, UNSPEAKABLE), *getattr(tokenizer, "bad_token_ids", [])})


def penalty_start(generated: int) -> int:
    """Index of the first token that counts for the penalty of the next, after `generated` ones.

    The model's loop looks back from the start of the chunk it is in; its first chunk has one token more.
    """
    first = TEXT_CHUNK + 1
    chunk_start = 0 if generated < first else first + (generated - first) // TEXT_CHUNK * TEXT_CHUNK
    return max(0, chunk_start - _PENALTY_WINDOW)


def penalise(logits: Tensor, recent: Tensor, penalty: float) -> Tensor:
    """Repetition penalty of Keskar et al. (arXiv 1909.05858), in place: `logits` (V,), `recent` (n,) ids."""
    if penalty != 1.0 and len(recent):
        # One gather and one scatter for all: equal ids write equal values.
        values = logits.gather(0, recent)
        logits.scatter_(0, recent, torch.where(values > 0, values / penalty, values * penalty))
    return logits


def pick(logits: Tensor, sampling: Sampling, generator: torch.Generator | None = None) -> Tensor:
    """One token id (1,) from float32 `logits` (V,): the likeliest, or drawn from the top k within top p."""
    if sampling.temperature == 0:
        return logits.argmax(dim=-1, keepdim=True)
    values, ids = torch.topk(logits / sampling.temperature, min(sampling.top_k, logits.shape[-1]))
    probabilities = values.softmax(dim=-1)
    before = probabilities.cumsum(dim=-1) - probabilities
    kept = torch.where(before <= sampling.top_p, probabilities, torch.zeros_like(probabilities))
    return ids.gather(0, torch.multinomial(kept, 1, generator=generator))


def take(llm, sequence: Sequence, embeds: Tensor) -> tuple[Tensor, Tensor]:
    """Take in embeddings (1, n, H): the logits (V,), float32, after the last, and all hidden states (1, n, H)."""
    hidden = sequence.take(embeds)
    return llm.lm_head(hidden[:, -1])[0].float(), hidden


@torch.inference_mode()
def generate(
    llm,
    sequence: Sequence,
    embeds: list[Tensor],
    *,
    max_new_tokens: int,
    stops: list[int],
    suppressed: list[int],
    sampling: Sampling,
    generator: torch.Generator | None = None,
) -> Iterator[tuple[int | None, Tensor | None]]:
    """(token id, hidden state of the token before) as they come; last (None, hidden state of the last token).

    `embeds` are the prompt's embeddings (1, n, H), taken in part after part. A token's hidden state, which the
    talker wants, exists only once the token has been taken in; its text need not wait for that. Stop tokens
    are not given. Closing the iterator cancels between two tokens.
    """
    sequence.begin()
    for part in embeds:
        logits, _ = take(llm, sequence, part)
    stop_set = set(stops)
    banned = torch.tensor(suppressed, dtype=torch.long, device=logits.device)
    tokens = torch.zeros(max_new_tokens, dtype=torch.long, device=logits.device)
    hidden = None
    for count in range(max_new_tokens):
        if len(banned):
            logits[banned] = -torch.inf
        recent = tokens[penalty_start(count) : count]
        token = pick(penalise(logits, recent, sampling.repetition_penalty), sampling, generator)
        tokens[count : count + 1] = token
        token_id = int(token)  # the one wait for the GPU
        if token_id in stop_set:
            break
        yield token_id, hidden
        logits, hidden = take(llm, sequence, llm.model.embed_tokens(token[None]))
    yield None, hidden


class TextStream:
    """Text of a growing list of token ids, holding back characters whose bytes have not all come."""

    def __init__(self, tokenizer) -> None:
        self._tokenizer = tokenizer
        self._ids: list[int] = []
        self._given = 0

    def push(self, ids: list[int], last: bool = False) -> str:
        """What these ids add; with `last` also what was held back."""
        self._ids.extend(ids)
        text = self._tokenizer.decode(self._ids, skip_special_tokens=True)
        whole = text if last else text.rstrip("\ufffd")
        new, self._given = whole[self._given :], max(self._given, len(whole))
        return new
