"""Text from MiniCPM-o's language model: a prefill, then one token after another.

The model's own `chat()` and `streaming_generate()` are not used: neither can be cancelled between two tokens, `chat()`
keeps the hidden states of all layers, and `streaming_generate()` asks the GPU once for every distinct token of its
repetition penalty. The loop here gives the same tokens; `experiments.bench_model` compares it, greedily, with both.

What is suppressed in speech is the model's own rule, from its code in OpenBMB/MiniCPM-o-Demo, folder MiniCPMO45.
sampling.py says how a token is picked.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import Any

import torch
from torch import Tensor

from commentator_lib.commentators.minicpmo.graphs import GraphPool
from commentator_lib.commentators.minicpmo.sampling import Sampling
from commentator_lib.commentators.minicpmo.sequence import CachedSequence
from commentator_lib.commentators.minicpmo.token_loop import TokenLoop

# Signs that cannot be spoken, one token each.
UNSPEAKABLE = ":：；#“”‘’@*【】「」()（）[]&/$"
_STOPS = ("<|tts_eos|>", "<|im_end|>", "<|endoftext|>", "</s>")


def token_ids(tokenizer: Any, tokens: Iterable[str]) -> list[int]:
    """Return the ids of those `tokens` that the vocabulary has, sorted."""
    ids = (tokenizer.convert_tokens_to_ids(token) for token in tokens)
    return sorted({i for i in ids if i is not None and i != tokenizer.unk_token_id})


def stop_ids(tokenizer: Any) -> list[int]:
    """Return the ids of the tokens that end a comment."""
    return token_ids(tokenizer, _STOPS)


def suppressed_ids(tokenizer: Any) -> list[int]:
    """Return the ids of tokens that a spoken comment must not have: signs, and what the tokenizer calls bad."""
    return sorted({*token_ids(tokenizer, UNSPEAKABLE), *getattr(tokenizer, "bad_token_ids", [])})


def _sampling_rules(on_gpu: bool) -> Any:
    """Return the module whose `penalise` and `pick` are used: sampling, or sampling_kernels, which needs Triton."""
    if on_gpu:
        from commentator_lib.commentators.minicpmo import sampling_kernels as rules
    else:
        from commentator_lib.commentators.minicpmo import sampling as rules
    return rules


class Writer:
    """The language model's loop over `sequence`, with at most `max_tokens` a comment.

    `llm` is the checkpoint's language model (Qwen3ForCausalLM), `sequence` runs its `llm.model`. With a `graph_pool` it
    is captured as CUDA graphs, and `sequence` must be too.
    """

    @torch.inference_mode()
    def __init__(
        self,
        llm: Any,
        sequence: CachedSequence,
        sampling: Sampling,
        *,
        max_tokens: int,
        generator: torch.Generator | None = None,
        graph_pool: GraphPool | None = None,
    ) -> None:
        vocabulary, hidden = llm.lm_head.out_features, llm.model.norm.weight[None]  # V, (1, H)
        self._device = hidden.device
        # Added to the logits: minus infinity for tokens that must not be said. A buffer, since graphs read it.
        self._bans = torch.zeros(vocabulary, device=self._device)  # (V,)
        self.max_tokens = max_tokens
        self._head = llm.lm_head
        rules = _sampling_rules(on_gpu=graph_pool is not None)

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
            max_tokens=max_tokens,
            noise_width=min(sampling.top_k, vocabulary),
            generator=generator,
            graph_pool=graph_pool,
        )

    @property
    def sequence(self) -> CachedSequence:
        """What runs the language model's layers."""
        return self._loop.sequence

    def capture_new_shapes(self) -> None:
        """Capture graphs for lengths of prompts that are new, between two comments."""
        self._loop.capture_new_shapes()

    @torch.inference_mode()
    def last_logits(self, embeds: Tensor, count: int) -> Tensor:
        """Return the logits (count, V) after each of the last `count` of the embeddings (1, n, H), and pick nothing."""
        self._loop.begin()
        hidden = self.sequence.take(embeds)[0, -count:]  # (count, H)
        return self._head(hidden)

    @torch.inference_mode()
    def generate(
        self, embeds: list[Tensor], *, max_new_tokens: int, stops: list[int], suppressed: list[int]
    ) -> Generator[tuple[int | None, Tensor | None], None, None]:
        """Yield (token id, hidden state of the token before) for each token, then (None, that of the last token).

        `embeds` are the prompt's embeddings (1, n, H), taken in one after another. The hidden state (1, 1, H) of a
        token, which the talker needs, exists only once the token has been taken in; its text need not wait for that.
        Stop tokens are not given. Closing the generator cancels between two tokens.
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
        for _ in range(min(max_new_tokens, self.max_tokens)):
            token = loop.next()
            if token in stop_set:
                break
            yield token, hidden
            hidden = loop.hidden()
        yield None, hidden
