"""Sample tokens, each comment with its own seed.

`generate` uses the one random generator of the whole process, and the top k and top p of the checkpoint, which for
Qwen2-VL leave only one token to choose from. So tokens are sampled here.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

# The same for every model; these values are MiniCPM-o's.
_TOP_K = 100
_TOP_P = 0.8


def comment_seed(seed: int, comment: int) -> int:
    """Return the seed of a session's n-th comment.

    Sessions with neighbouring seeds share no comment seed, and a comment that is cut off does not change the next ones.
    """
    return (seed * 1_000_003 + comment) % 2**63


def sample(logits: torch.Tensor, temperature: float, generator: torch.Generator) -> torch.Tensor:
    """Return one token id (1,), sampled from `logits` (V,) at `temperature` > 0 within the top k and the top p."""
    import torch

    values, ids = torch.topk(logits.float() / temperature, min(_TOP_K, logits.shape[-1]))  # (k,)
    probabilities = values.softmax(dim=-1)
    before = probabilities.cumsum(dim=-1) - probabilities
    kept = probabilities.where(before <= _TOP_P, torch.zeros_like(probabilities))
    return ids.gather(0, torch.multinomial(kept, 1, generator=generator))


class Sampler:
    """A logits processor for `generate` that leaves one token to take: the sampled one."""

    def __init__(self, temperature: float, seed: int, device: torch.device) -> None:
        import torch

        self._temperature = temperature
        self._generator = torch.Generator(device).manual_seed(seed)

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Take `scores` (1, V), and return (1, V): 0 for the sampled token, −inf for all others."""
        only = scores.new_full(scores.shape, -math.inf)
        only[0, sample(scores[0], self._temperature, self._generator)] = 0.0
        return only
