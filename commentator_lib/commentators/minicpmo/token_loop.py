"""One token after another: pick it, take it in, pick the next. The language model and the talker both run on this.

On a GPU both halves are CUDA graphs (the picking with its penalty and its dice, and the step with its head), and
everything that they read and write lies in the GPU's memory. The host reads each token once it is picked, while
the step that takes it in already runs; nothing waits for the host in between. Elsewhere the same two functions
are called one after the other.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from commentator_lib.commentators.minicpmo.graphs import GraphPool, record
from commentator_lib.commentators.minicpmo.sequence import Sequence


class TokenLoop:
    """A loop over `sequence`.

    `embed` turns a token (1,) into its embedding (1, H), `head` a hidden state (1, H) into float32 logits (V,).
    `pick(logits (V,), said (most,), count (1,), noise (width,))` returns the next token (1,): `said` are the ids
    so far, of which the first `count` are real, `noise` is drawn anew for each from the exponential distribution. It
    may write over the logits.
    """

    @torch.inference_mode()
    def __init__(
        self,
        sequence: Sequence,
        embed: Callable[[Tensor], Tensor],
        head: Callable[[Tensor], Tensor],
        pick: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor],
        *,
        hidden: Tensor,
        vocabulary: int,
        most: int,
        noise_width: int,
        generator: torch.Generator | None = None,
        lane: GraphPool | None = None,
    ) -> None:
        self.sequence = sequence
        self._embed, self._head, self._pick = embed, head, pick
        self._generator = generator
        device = hidden.device
        self._hidden = torch.zeros_like(hidden)
        self._logits = torch.zeros(vocabulary, device=device)
        self._token = torch.zeros(1, dtype=torch.long, device=device)
        self._said = torch.zeros(most, dtype=torch.long, device=device)
        self._count = torch.zeros(1, dtype=torch.long, device=device)
        self._noise = torch.ones(noise_width, device=device)
        self._stepped = True
        self._graphs = None
        if lane:
            self._graphs = record(self._pick_one, lane), record(self._take_one, lane)
            self._picked = torch.cuda.Event()
            self._on_host = torch.zeros(1, dtype=torch.long, pin_memory=True)
        self.begin()

    @torch.inference_mode()
    def begin(self) -> None:
        """Forget everything."""
        self.sequence.begin()
        self._count.zero_()
        self._stepped = True

    def settle(self) -> None:
        """Record what of `take` has been met, when there is time for that; forgets everything."""
        if self._graphs:
            self.sequence.settle()
            self.begin()

    @property
    def room(self) -> int:
        """How many more tokens and embeddings there is room for."""
        return self.sequence.room

    @torch.inference_mode()
    def take(self, embeds: Tensor) -> None:
        """Take in embeddings (1, n, H)."""
        self._take_last()
        self._hidden.copy_(self.sequence.take(embeds)[0, -1:])
        self._logits.copy_(self._head(self._hidden))

    @torch.inference_mode()
    def next(self, choose: Callable[[Tensor], Tensor] | None = None) -> int:
        """The next token. `choose(logits)` picks it in the place of `pick`."""
        self._take_last()
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
        self._on_host.copy_(self._token, non_blocking=True)
        self._picked.record()
        self._take_last()
        self._picked.synchronize()
        return int(self._on_host)

    @torch.inference_mode()
    def hidden(self) -> Tensor:
        """The hidden state (1, 1, H) after the last token."""
        self._take_last()
        return self._hidden[None].clone()

    @torch.inference_mode()
    def retract(self) -> None:
        """Forget the last token."""
        self._count -= 1
        if self._stepped:
            self.sequence.moved(-1)
        self._stepped = True

    def _take_last(self) -> None:
        """Take in the last token, if that was not done."""
        if self._stepped:
            return
        if self._graphs:
            self._graphs[1].replay()
        else:
            self._take_one()
        self.sequence.moved(1)
        self._stepped = True

    def _pick_one(self) -> None:
        self._keep(self._pick(self._logits, self._said, self._count, self._noise))

    def _keep(self, token: Tensor) -> None:
        self._token.copy_(token)
        self._said.index_copy_(0, self._count, self._token)
        self._count += 1

    def _take_one(self) -> None:
        self._hidden.copy_(self.sequence.step(self._embed(self._token)))
        self._logits.copy_(self._head(self._hidden))
