"""The language model over seconds: what it takes in, the tokens that it gives, and the window that it keeps.

It remembers its instructions and the newest seconds. Once more than `high` positions are taken in, the oldest seconds
are forgotten until `low` are left, and what is kept moves up to their places (sequence.py), as in the model's own code
(OpenBMB/MiniCPM-o-Demo, folder MiniCPMO45, utils.py, mode "basic"). So neither memory nor the time of a second grows.
"""

from __future__ import annotations

from collections import deque
from typing import Any, NamedTuple

import torch
from torch import Tensor

from commentator_lib.commentators.minicpmo.graphs import CapturedGraph, GraphPool, capture_graph
from commentator_lib.commentators.minicpmo.sampling import Sampling
from commentator_lib.commentators.minicpmo.sequence import CachedSequence
from commentator_lib.commentators.minicpmo_duplex.tokens import (
    PENALTY_WINDOW,
    DuplexTokens,
    bans_of,
    pick_token,
)


class Window(NamedTuple):
    """Positions: more than `high` are cut down to `low`. Those of the model's own code."""

    high: int = 4000
    low: int = 3500


class UnitDecoder:
    """The language model `llm` (Qwen3ForCausalLM) of a checkpoint; `sequence` runs its `llm.model`.

    Call `begin`, then `take` the instructions and `keep` them, then second by second `take`, `pick` or `force`, and
    `end_unit`. With a `graph_pool` a step is captured as CUDA graphs, and `sequence` must be too.
    """

    @torch.inference_mode()
    def __init__(
        self,
        llm: Any,
        sequence: CachedSequence,
        tokens: DuplexTokens,
        sampling: Sampling,
        window: Window | None = None,
        generator: torch.Generator | None = None,
        graph_pool: GraphPool | None = None,
    ) -> None:
        self._llm, self.sequence = llm, sequence
        self._tokens, self._sampling, self._window = tokens, sampling, window or Window()
        self._generator = generator
        # 1) what the graphs read and write
        weight = llm.model.norm.weight  # (H,)
        self._device, self._vocabulary = weight.device, llm.lm_head.out_features
        self._bans = bans_of(tokens, self._vocabulary, self._device)  # (V,)
        self._hidden = torch.zeros_like(weight[None])  # (1, H)
        self._logits = torch.zeros(self._vocabulary, device=self._device)  # (V,)
        self._token = torch.zeros(1, dtype=torch.long, device=self._device)
        self._in_turn = torch.zeros(1, dtype=torch.bool, device=self._device)
        self._recent = torch.zeros(PENALTY_WINDOW, dtype=torch.long, device=self._device)  # a ring
        self._said = torch.zeros(1, dtype=torch.long, device=self._device)
        self._noise = torch.ones(1 + min(sampling.top_k, self._vocabulary), device=self._device)
        # 2) the graphs: picking a token, and taking it in
        self._graphs: tuple[CapturedGraph, CapturedGraph] | None = None
        if graph_pool:
            self._graphs = (
                capture_graph(self._pick_one, graph_pool),
                capture_graph(self._take_one, graph_pool),
            )
            self._picked = torch.cuda.Event()
            self._token_on_host = torch.zeros(1, dtype=torch.long, pin_memory=True)
        self.begin()

    @property
    def width(self) -> int:
        """The width H of its hidden states."""
        return self._hidden.shape[1]

    @torch.inference_mode()
    def begin(self) -> None:
        """Forget everything."""
        self.sequence.begin()
        self._recent.fill_(self._vocabulary)  # the id of no token
        self._said.zero_()
        self.used = 0  # positions that are taken in
        self._kept = 0
        self._units: deque[int] = deque()  # the positions of each second
        self.forgotten = 0  # seconds

    def keep(self) -> None:
        """Never forget what was taken in by now."""
        self._kept = self.used

    @torch.inference_mode()
    def embed(self, *ids: int) -> Tensor:
        """Return the embeddings (n, H) of n tokens."""
        return self._llm.model.embed_tokens(torch.tensor(ids, device=self._device))

    @torch.inference_mode()
    def take(self, embeds: Tensor) -> None:
        """Take in embeddings (n, H). Raise ValueError for more than there is room for."""
        self._hidden.copy_(self.sequence.take(embeds[None])[0, -1:])
        self._logits.copy_(self._llm.lm_head(self._hidden)[0])
        self.used += len(embeds)

    @torch.inference_mode()
    def speak_probability(self) -> float:
        """Return how much likelier the next token is `speak` than `listen`: the share of `speak` of the two, 0 to 1."""
        two = self._logits[torch.tensor([self._tokens.speak, self._tokens.listen], device=self._device)]
        return float(two.softmax(dim=0)[0])

    def pick(self, in_turn: bool) -> int:
        """Return the next token, which is taken in too. `in_turn`: it speaks, so it may not listen."""
        self.draw(in_turn)
        if not self._graphs:
            self._take_in()
            return int(self._token)
        self._token_on_host.copy_(self._token, non_blocking=True)
        self._picked.record()
        self._take_in()  # it runs while the token is waited for
        self._picked.synchronize()
        return int(self._token_on_host)

    @torch.inference_mode()
    def draw(self, in_turn: bool) -> None:
        """Pick the next token and do not take it in: `pick` does both, and `force` takes in another one."""
        self._in_turn.fill_(in_turn)
        self._noise.exponential_(generator=self._generator)
        if self._graphs:
            self._graphs[0].replay()
        else:
            self._pick_one()

    @torch.inference_mode()
    def force(self, token: int) -> None:
        """Take in this token."""
        self._token.fill_(token)
        self._take_in()

    @torch.inference_mode()
    def hidden(self) -> Tensor:
        """Return the hidden state (1, H) of the newest token."""
        return self._hidden.clone()

    def end_unit(self, started_at: int) -> None:
        """Note that the second which began at position `started_at` is over; forget the oldest where it is too much."""
        self._units.append(self.used - started_at)
        if self.used <= self._window.high:
            return
        dropped = 0
        while self._units and self.used - dropped > self._window.low:
            dropped += self._units.popleft()
            self.forgotten += 1
        if dropped:
            self.sequence.forget(self._kept, dropped)
            self.used -= dropped

    def capture_new_shapes(self) -> None:
        """Capture graphs for lengths that are new; forgets everything."""
        if self._graphs:
            self.sequence.capture_new_shapes()
        self.begin()

    @torch.inference_mode()
    def _take_in(self) -> None:
        if self._graphs:
            self._graphs[1].replay()
        else:
            self._take_one()
        self.sequence.advance(1)
        self.used += 1

    def _pick_one(self) -> None:
        token, ends = pick_token(
            self._logits, self._recent, self._bans, self._tokens, self._sampling, self._noise
        )
        # an end that was drawn first is not remembered; the oldest token keeps its place then
        place = self._said % PENALTY_WINDOW
        self._recent.index_copy_(0, place, torch.where(ends, self._recent.gather(0, place), token))
        self._said += (~ends).long()
        listens = token == self._tokens.listen
        self._token.copy_(torch.where(listens & self._in_turn, self._tokens.go_on, token))

    def _take_one(self) -> None:
        self._hidden.copy_(self.sequence.step(self._llm.model.embed_tokens(self._token)))
        self._logits.copy_(self._llm.lm_head(self._hidden)[0])
