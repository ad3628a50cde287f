"""How the next token of a unit is picked, and the tokens that say whether the model listens or speaks.

The rules are those of the model's own code (OpenBMB/MiniCPM-o-Demo, folder MiniCPMO45, utils.py, StreamDecoder), with
its quirks: the repetition penalty divides every logit, also those below zero, and looks at a set of the last 512
tokens; the end of a second is drawn first, from the logits as they are, and only where it is not drawn do penalty, top
k and top p apply. That code asks the GPU for each distinct token; this does not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from commentator_lib.commentators.base import CommentatorError
from commentator_lib.commentators.minicpmo.sampling import Sampling, pick

# The repetition penalty looks at so many tokens, of all turns.
PENALTY_WINDOW = 512
# A second has at most so many tokens, its decision and its end included.
MAX_UNIT_TOKENS = 20
SAMPLING = Sampling(temperature=0.7, top_p=0.8, top_k=20, repetition_penalty=1.05)
# How much less likely the end of a turn is made: its logit is divided by this, below zero multiplied.
_TURN_END_PENALTY = 1.1
_NAMES = {
    "unit": "<unit>",
    "unit_end": "</unit>",
    "listen": "<|listen|>",
    "speak": "<|speak|>",
    "go_on": "<|tts_bos|>",
    "chunk_end": "<|chunk_eos|>",
    "chunk_speech_end": "<|chunk_tts_eos|>",
    "turn_end": "<|turn_eos|>",
    "pad": "<|tts_pad|>",
    "image": "<image>",
    "image_end": "</image>",
    "slice": "<slice>",
    "slice_end": "</slice>",
}


@dataclass(frozen=True, slots=True)
class DuplexTokens:
    """The ids of the tokens by which the model lives in seconds; `banned` are never said."""

    unit: int
    unit_end: int
    listen: int
    speak: int
    go_on: int  # in place of `listen` in mid-turn
    chunk_end: int
    chunk_speech_end: int
    turn_end: int
    pad: int
    image: int
    image_end: int
    slice: int
    slice_end: int
    banned: tuple[int, ...]

    @property
    def ends_unit(self) -> frozenset[int]:
        """The tokens that end a second."""
        return frozenset((self.listen, self.chunk_end, self.chunk_speech_end))


def duplex_tokens(tokenizer: Any) -> DuplexTokens:
    """Return the ids of a checkpoint's tokenizer. Raise CommentatorError for one that was not made for duplex."""
    ids = {key: tokenizer.convert_tokens_to_ids(name) for key, name in _NAMES.items()}
    missing = [_NAMES[key] for key, i in ids.items() if i is None or i == tokenizer.unk_token_id]
    if missing:
        raise CommentatorError(
            f"the checkpoint's tokenizer has no {missing[0]}, so the model cannot decide when to speak: "
            "take MiniCPM-o 4.5, or commentator=minicpmo"
        )
    banned = {ids["pad"], ids["chunk_end"], *getattr(tokenizer, "bad_token_ids", [])}
    return DuplexTokens(**ids, banned=tuple(sorted(banned)))


def bans_of(tokens: DuplexTokens, vocabulary: int, device: torch.device) -> Tensor:
    """Return what is added to the logits (V,): minus infinity for tokens that must not be said."""
    bans = torch.zeros(vocabulary, device=device)
    bans[torch.tensor(tokens.banned, device=device)] = -torch.inf
    return bans


def adjusted(logits: Tensor, recent: Tensor, bans: Tensor, turn_end: int, penalty: float) -> Tensor:
    """Return logits (V,) after bans and penalties. `recent` (512,) are ids of tokens that were said, V where none."""
    wide = F.pad(logits + bans, (0, 1))  # (V + 1,)
    # equal ids write equal values; the id V is a logit that is added behind the others and cut off again
    wide.scatter_(0, recent, wide.gather(0, recent) / penalty)
    end = wide[turn_end]
    wide[turn_end] = torch.where(end > 0, end / _TURN_END_PENALTY, end * _TURN_END_PENALTY)
    return wide[:-1]


def pick_token(
    logits: Tensor, recent: Tensor, bans: Tensor, tokens: DuplexTokens, sampling: Sampling, noise: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the next token (1,) for float32 `logits` (V,), and whether it is an end that was drawn first (1,) bool.

    `noise` (1 + k,) is from the exponential distribution: the first draws the end of the second, the others a token of
    the likeliest k. Temperature 0 takes the likeliest in both.
    """
    if sampling.temperature == 0:
        ends = logits.argmax(dim=-1, keepdim=True) == tokens.chunk_end  # (1,)
    else:
        # exp(−e) is uniform from 0 to 1
        ends = (-noise[:1]).exp() < logits.softmax(dim=-1)[tokens.chunk_end]  # (1,)
    heard = adjusted(logits, recent, bans, tokens.turn_end, sampling.repetition_penalty)
    token = pick(heard, sampling, noise[1:])  # (1,)
    return torch.where(ends, tokens.chunk_end, token), ends
