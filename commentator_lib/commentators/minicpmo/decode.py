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
from torch.nn import functional as F

from commentator_lib.commentators.minicpmo.sequence import Sequence
from commentator_lib.commentators.minicpmo.token_loop import TokenLoop

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


def penalty_start(generated):
    """Index of the first token that counts for the penalty of the next, after `generated` ones (int or Tensor).

    The model's loop looks back from the start of the chunk it is in; its first chunk has one token more.
    """
    first = TEXT_CHUNK + 1
    chunk_start = (generated - first) // TEXT_CHUNK * TEXT_CHUNK + first
    in_first = generated < first
    if isinstance(generated, Tensor):
        return torch.where(in_first, 0, chunk_start - _PENALTY_WINDOW).clamp(min=0)
    return 0 if in_first else max(0, chunk_start - _PENALTY_WINDOW)


def penalise(logits: Tensor, said: Tensor, count: Tensor, penalty: float) -> Tensor:
    """Repetition penalty of Keskar et al. (arXiv 1909.05858) on `logits` (V,).

    Of the ids `said` (most,) the first `count` (1,) are real, of which those in the window count.
    """
    places = penalty_start(count) + torch.arange(_PENALTY_WINDOW + TEXT_CHUNK + 1, device=logits.device)
    # One gather and one scatter for all: equal ids write equal values. What is no token goes behind the last logit.
    recent = said.gather(0, places.clamp(max=len(said) - 1))
    ids = torch.where(places < count, recent, len(logits))
    wide = F.pad(logits, (0, 1))
    values = wide.gather(0, ids)
    wide.scatter_(0, ids, torch.where(values > 0, values / penalty, values * penalty))
    return wide[:-1]


def pick(logits: Tensor, sampling: Sampling, noise: Tensor) -> Tensor:
    """One token id (1,) from float32 `logits` (V,): the likeliest, or drawn from the top k within top p.

    `noise` (k,) is drawn from the exponential distribution: the largest of p / noise is a draw from p.
    """
    if sampling.temperature == 0:
        return logits.argmax(dim=-1, keepdim=True)
    values, ids = torch.topk(logits, len(noise))
    probabilities = (values / sampling.temperature).softmax(dim=-1)
    before = probabilities.cumsum(dim=-1) - probabilities
    kept = torch.where(before <= sampling.top_p, probabilities, torch.zeros_like(probabilities))
    return ids.gather(0, (kept / noise).argmax(dim=-1, keepdim=True))


class Writer:
    """The language model's loop over `sequence`. `most` tokens a comment at most."""

    @torch.inference_mode()
    def __init__(
        self, llm, sequence: Sequence, sampling: Sampling, *, most: int, generator: torch.Generator | None = None,
        graphs: bool = False,
    ) -> None:  # fmt: skip
        head, table = llm.lm_head.weight, llm.model.embed_tokens
        self._device = head.device
        # Added to the logits: what must not be said. A buffer, since recorded graphs read it.
        self._bans = torch.zeros(head.shape[0], device=head.device)
        self.most = most

        def pick_next(logits: Tensor, said: Tensor, count: Tensor, noise: Tensor) -> Tensor:
            logits = logits + self._bans
            if sampling.repetition_penalty != 1.0:
                logits = penalise(logits, said, count, sampling.repetition_penalty)
            return pick(logits, sampling, noise)

        self._loop = TokenLoop(
            sequence, table, lambda hidden: llm.lm_head(hidden)[0].float(), pick_next,
            hidden=table.weight[:1], vocabulary=head.shape[0], most=most,
            noise_width=min(sampling.top_k, head.shape[0]), generator=generator, graphs=graphs,
        )  # fmt: skip

    def settle(self) -> None:
        """Record what kinds of prompts were met, between two comments."""
        self._loop.settle()

    @torch.inference_mode()
    def generate(
        self, embeds: list[Tensor], *, max_new_tokens: int, stops: list[int], suppressed: list[int]
    ) -> Iterator[tuple[int | None, Tensor | None]]:
        """(token id, hidden state of the token before) as they come; last (None, hidden state of the last token).

        `embeds` are the prompt's embeddings (1, n, H), taken in part after part. A token's hidden state (1, 1, H),
        which the talker wants, exists only once the token has been taken in; its text need not wait for that. Stop
        tokens are not given. Closing the iterator cancels between two tokens.
        """
        loop = self._loop
        self._bans.zero_()
        if suppressed:
            self._bans[torch.tensor(suppressed, device=self._device)] = -torch.inf
        loop.begin()
        for part in embeds:
            loop.take(part)
        stop_set = set(stops)
        hidden = None
        for _ in range(min(max_new_tokens, self.most)):
            token = loop.next()
            if token in stop_set:
                break
            yield token, hidden
            hidden = loop.hidden()
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
