"""Text from MiniCPM-o's language model: a prefill, then one token after another.

Not the model's own `chat()` or `streaming_generate()`, the obvious way: neither can be cancelled between two
tokens, `chat()` drops suppressed tokens in silence and keeps the hidden states of all layers, and the
streaming loop asks the GPU once for every distinct token of its repetition penalty. These few functions give
the same tokens; `experiments.bench_model` compares them, greedily, with both.

What is suppressed in speech is the model's own rule, from its code in OpenBMB/MiniCPM-o-Demo, folder MiniCPMO45; how a
token is picked stands in sampling.py.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from commentator_lib.commentators.minicpmo.graphs import GraphPool
from commentator_lib.commentators.minicpmo.sampling import Sampling
from commentator_lib.commentators.minicpmo.sequence import Sequence
from commentator_lib.commentators.minicpmo.token_loop import TokenLoop

# What cannot be spoken, one token each.
UNSPEAKABLE = ":：；#“”‘’@*【】「」()（）[]&/$"
_STOPS = ("<|tts_eos|>", "<|im_end|>", "<|endoftext|>", "</s>")


def token_ids(tokenizer, tokens) -> list[int]:
    """The ids of those tokens that the vocabulary has."""
    ids = (tokenizer.convert_tokens_to_ids(token) for token in tokens)
    return sorted({i for i in ids if i is not None and i != tokenizer.unk_token_id})


def stop_ids(tokenizer) -> list[int]:
    return token_ids(tokenizer, _STOPS)


def suppressed_ids(tokenizer) -> list[int]:
    """What must not be generated where it is to be spoken: signs, and tokens that the tokenizer calls bad."""
    return sorted({*token_ids(tokenizer, UNSPEAKABLE), *getattr(tokenizer, "bad_token_ids", [])})


def _rules(recorded: bool):
    """The module whose `penalise` and `pick` are used."""
    if recorded:
        from commentator_lib.commentators.minicpmo import sampling_kernels as rules
    else:
        from commentator_lib.commentators.minicpmo import sampling as rules
    return rules


class Writer:
    """The language model's loop over `sequence`. `most` tokens a comment at most."""

    @torch.inference_mode()
    def __init__(
        self,
        llm,
        sequence: Sequence,
        sampling: Sampling,
        *,
        most: int,
        generator: torch.Generator | None = None,
        lane: GraphPool | None = None,
    ) -> None:
        vocabulary, hidden = llm.lm_head.out_features, llm.model.norm.weight[None]
        self._device = hidden.device
        # Added to the logits: what must not be said. A buffer, since recorded graphs read it.
        self._bans = torch.zeros(vocabulary, device=self._device)
        self.most = most
        rules = _rules(recorded=lane is not None)

        def pick_next(logits: Tensor, said: Tensor, count: Tensor, noise: Tensor) -> Tensor:
            if sampling.repetition_penalty != 1.0:
                logits = rules.penalise(logits, said, count, sampling.repetition_penalty)
            return rules.pick(logits, sampling, noise)

        self._loop = TokenLoop(
            sequence,
            llm.model.embed_tokens,
            lambda hidden: llm.lm_head(hidden)[0] + self._bans,
            pick_next,
            hidden=hidden,
            vocabulary=vocabulary,
            most=most,
            noise_width=min(sampling.top_k, vocabulary),
            generator=generator,
            lane=lane,
        )

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
