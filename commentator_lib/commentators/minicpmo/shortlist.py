"""The language model's output head at half its size: 8 bits say who comes into question, all 16 how likely they are.

In the 4-bit checkpoint the head alone is 1.2 GB, read whole for each token, and sampling looks at the hundred
likeliest of its 150,000 rows. So the GPU keeps it in 8 bits, and fetches the rows of the likeliest from the host, which
keeps them as they are. The logits that decide are then those of the whole head; 8 bits alone would be shorter, and
would say something else now and then.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from commentator_lib.commentators.minicpmo.memory import in_host_memory

# So many rows at least are multiplied exactly: the hundred that are sampled from (sampling.py), what may be banned or
# pushed down among them, and what 8 bits may put in another order.
EXACT_ROWS = 256
_ROWS_AT_ONCE = 8192


def quantise(weight: Tensor) -> tuple[Tensor, Tensor]:
    """A weight (V, H) as int8 numbers (V, H) and a float32 scale for each row (V,)."""
    numbers = torch.empty(weight.shape, dtype=torch.int8, device=weight.device)
    scales = torch.empty(len(weight), device=weight.device)
    for start in range(0, len(weight), _ROWS_AT_ONCE):  # in float32 it would be there twice
        rows = weight[start : start + _ROWS_AT_ONCE].float()
        scale = (rows.abs().amax(dim=1) / 127).clamp(min=torch.finfo(torch.float32).tiny)
        numbers[start : start + len(rows)] = (rows / scale[:, None]).round()
        scales[start : start + len(rows)] = scale
    return numbers, scales


def shortlisted(hidden: Tensor, numbers: Tensor, scales: Tensor, exact: Tensor) -> Tensor:
    """Logits (V,) of a hidden state (H,): by `numbers` and `scales`, those of the `EXACT_ROWS` largest by `exact`
    (V, H), which may lie in the host's memory."""
    if hidden.is_cuda:
        from commentator_lib.commentators.minicpmo.shortlist_kernels import shortlisted as on_gpu

        return on_gpu(hidden, numbers, scales, exact)
    logits = (numbers.float() @ hidden.float() * scales).to(hidden.dtype)
    rows = logits.topk(min(EXACT_ROWS, len(logits))).indices
    logits[rows] = F.linear(hidden, exact[rows].to(hidden.dtype))
    return logits


class ShortlistHead(nn.Module):
    """Stands for an nn.Linear without a bias with this `weight` (V, H): hidden states (..., H) give logits (..., V)."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.out_features = len(weight)
        numbers, scales = quantise(weight.detach())
        self.register_buffer("numbers", numbers, persistent=False)
        self.register_buffer("scales", scales, persistent=False)
        self.exact = in_host_memory(weight)  # not a parameter, which would move with the model

    def forward(self, hidden: Tensor) -> Tensor:
        rows = hidden.reshape(-1, hidden.shape[-1])
        found = [shortlisted(row, self.numbers, self.scales, self.exact) for row in rows]
        return torch.stack(found).view(*hidden.shape[:-1], -1)
