"""One token after another: pick it, take it in, pick the next. Both the language model and the talker run on this.

On a GPU both halves are CUDA graphs: the picking with its penalty and its noise, and the step with its output head.
Everything that they read and write is in the GPU's memory. The host reads each token once it is picked, while the step
that takes it in already runs, so neither waits for the other. On a CPU the two functions are called one by one.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from commentator_lib.commentators.minicpmo.graphs import CapturedGraph, GraphPool, capture_graph
from commentator_lib.commentators.minicpmo.sequence import CachedSequence


class TokenLoop:
    """A loop over `sequence`, for a vocabulary of V tokens and at most `max_tokens` of them.

    `embed` turns a token (1,) into its embedding (1, H), `head` a hidden state (1, H) into float32 logits (V,).
    `pick(logits (V,), said (max_tokens,), count (1,), noise (noise_width,))` returns the next token (1,): `said` are
    the ids so far, of which the first `count` are real; `noise` is new for each token, from the exponential
    distribution. `pick` may write over the logits. `hidden` (1, H) is any tensor of a hidden state's shape, dtype and
    device.
    """

    @torch.inference_mode()
    def __init__(
        self,
        sequence: CachedSequence,
        embed: Callable[[Tensor], Tensor],
        head: Callable[[Tensor], Tensor],
        pick: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor],
        *,
        hidden: Tensor,
        vocabulary: int,
        max_tokens: int,
        noise_width: int,
        generator: torch.Generator | None = None,
        graph_pool: GraphPool | None = None,
    ) -> None:
        self.sequence = sequence
        self._embed, self._head, self._pick = embed, head, pick
        self._generator = generator
        device = hidden.device
        self._hidden = torch.zeros_like(hidden)  # (1, H)
        self._logits = torch.zeros(vocabulary, device=device)  # (V,)
        self._token = torch.zeros(1, dtype=torch.long, device=device)
        self._said = torch.zeros(max_tokens, dtype=torch.long, device=device)
        self._count = torch.zeros(1, dtype=torch.long, device=device)
        self._noise = torch.ones(noise_width, device=device)
        self._stepped = True  # whether the last token has been taken in
        self._graphs: tuple[CapturedGraph, CapturedGraph] | None = None
        if graph_pool:
            self._graphs = (
                capture_graph(self._pick_one, graph_pool),
                capture_graph(self._take_one, graph_pool),
            )
            self._picked = torch.cuda.Event()
            self._token_on_host = torch.zeros(1, dtype=torch.long, pin_memory=True)
        self.begin()

    @torch.inference_mode()
    def begin(self) -> None:
        """Forget everything that was taken in."""
        self.sequence.begin()
        self._count.zero_()
        self._stepped = True

    def capture_new_shapes(self) -> None:
        """Capture graphs for the lengths of `take` that are new, between two comments; forgets everything."""
        if self._graphs:
            self.sequence.capture_new_shapes()
            self.begin()

    @property
    def room(self) -> int:
        """How many more tokens and embeddings can be taken in."""
        return self.sequence.room

    @torch.inference_mode()
    def take(self, embeds: Tensor) -> None:
        """Take in embeddings (1, n, H)."""
        self._take_last()
        self._hidden.copy_(self.sequence.take(embeds)[0, -1:])
        self._logits.copy_(self._head(self._hidden))

    @torch.inference_mode()
    def next(self, choose: Callable[[Tensor], Tensor] | None = None) -> int:
        """Return the next token. `choose(logits (V,))` picks it (1,) instead of `pick`, if given."""
        # 1) take in the token before
        self._take_last()
        # 2) pick
        self._noise.exponential_(generator=self._generator)
        if choose is not None:
            self._keep(choose(self._logits))
        elif self._graphs:
            self._graphs[0].replay()
        else:
            self._pick_one()
        self._stepped = False
        if not self._graphs:
            return int(self._token)
        # 3) on a GPU start the next step before waiting for the token
        self._token_on_host.copy_(self._token, non_blocking=True)
        self._picked.record()
        self._take_last()
        self._picked.synchronize()
        return int(self._token_on_host)

    @torch.inference_mode()
    def hidden(self) -> Tensor:
        """Return the hidden state (1, 1, H) after the last token."""
        self._take_last()
        return self._hidden[None].clone()

    @torch.inference_mode()
    def retract(self) -> None:
        """Forget the last token."""
        self._count -= 1
        if self._stepped:
            self.sequence.advance(-1)
        self._stepped = True

    def _take_last(self) -> None:
        """Take in the last token, unless that was done."""
        if self._stepped:
            return
        if self._graphs:
            self._graphs[1].replay()
        else:
            self._take_one()
        self.sequence.advance(1)
        self._stepped = True

    def _pick_one(self) -> None:
        self._keep(self._pick(self._logits, self._said, self._count, self._noise))

    def _keep(self, token: Tensor) -> None:
        """Make `token` (1,) the last one."""
        self._token.copy_(token)
        self._said.index_copy_(0, self._count, self._token)
        self._count += 1

    def _take_one(self) -> None:
        self._hidden.copy_(self.sequence.step(self._embed(self._token)))
        self._logits.copy_(self._head(self._hidden))
