"""The language model's output head in half the GPU memory: 8 bits find the likeliest tokens, 16 bits rate them.

In the 4-bit checkpoint the head alone is 1.2 GB. All of it is read for each token, while sampling looks at the hundred
likeliest of its 150,000 rows. So the GPU keeps the head in 8 bits, and reads the exact rows of the likeliest tokens
from the host's memory. The logits that decide are then those of the whole head; with 8 bits alone the model would
sometimes say something else.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from commentator_lib.commentators.minicpmo.memory import copy_to_host

# At least this many rows are multiplied exactly: the hundred that are sampled from (sampling.py), more for tokens that
# are banned or penalised among them, and for those that 8 bits put in another order.
EXACT_ROWS = 256
_ROWS_AT_ONCE = 8192


def quantise(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Return a weight (V, H) as int8 numbers (V, H) and a float32 scale for each row (V,)."""
    numbers = torch.empty(weight.shape, dtype=torch.int8, device=weight.device)  # (V, H)
    scales = torch.empty(len(weight), device=weight.device)  # (V,)
    for start in range(
        0, len(weight), _ROWS_AT_ONCE
    ):  # in parts: the whole in float32 takes twice the weight
        rows = weight[start : start + _ROWS_AT_ONCE].float()  # (R, H)
        scale = (rows.abs().amax(dim=1) / 127).clamp(min=torch.finfo(torch.float32).tiny)  # (R,)
        numbers[start : start + len(rows)] = (rows / scale[:, None]).round()
        scales[start : start + len(rows)] = scale
    return numbers, scales


def shortlist_logits(hidden: Tensor, numbers: Tensor, scales: Tensor, exact: Tensor) -> Tensor:
    """Return the logits (V,) of a hidden state (H,).

    They are computed from `numbers` (V, H) and `scales` (V,), and the EXACT_ROWS largest of them again from `exact`
    (V, H), which may be in the host's memory.
    """
    if hidden.is_cuda:
        from commentator_lib.commentators.minicpmo.shortlist_kernels import shortlist_logits as on_gpu

        return on_gpu(hidden, numbers, scales, exact)
    logits = (numbers.float() @ hidden.float() * scales).to(hidden.dtype)  # (V,)
    rows = logits.topk(min(EXACT_ROWS, len(logits))).indices  # (EXACT_ROWS,)
    logits[rows] = F.linear(hidden, exact[rows].to(hidden.dtype))
    return logits


class ShortlistHead(nn.Module):
    """Replaces an nn.Linear without a bias with this `weight` (V, H): hidden (..., H) gives logits (..., V)."""

    numbers: Tensor
    scales: Tensor

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.out_features = len(weight)
        numbers, scales = quantise(weight.detach())
        self.register_buffer("numbers", numbers, persistent=False)
        self.register_buffer("scales", scales, persistent=False)
        self.exact = copy_to_host(weight)  # (V, H); a parameter would move to the GPU with the model

    def forward(self, hidden: Tensor) -> Tensor:
        """Return logits (..., V) for hidden states (..., H)."""
        rows = hidden.reshape(-1, hidden.shape[-1])  # (n, H)
        logits = [shortlist_logits(row, self.numbers, self.scales, self.exact) for row in rows]  # n × (V,)
        return torch.stack(logits).view(*hidden.shape[:-1], -1)
