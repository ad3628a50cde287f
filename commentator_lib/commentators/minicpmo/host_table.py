"""An embedding table in the host's memory, from which the GPU reads the rows that it needs.

Of the 8 GB that MiniCPM-o's 4-bit checkpoint takes, 1.5 GB are embedding tables, of which a token reads one row.
PyTorch's embedding needs its table and its ids on one device, and a copy by the host could not be captured in a CUDA
graph. A GPU kernel can read pinned memory itself: 8 KB take microseconds.
"""

from __future__ import annotations

import torch
import triton  # pyright: ignore[reportMissingImports]  comes with PyTorch's CUDA builds only
import triton.language as tl  # pyright: ignore[reportMissingImports]
from torch import Tensor, nn

from commentator_lib.commentators.minicpmo.launching import launch
from commentator_lib.commentators.minicpmo.memory import copy_to_host


@triton.jit
def _fetch(table, ids, out, size, BLOCK: tl.constexpr):
    place = tl.program_id(0).to(tl.int64)
    columns = tl.arange(0, BLOCK)
    mask = columns < size
    tl.store(
        out + place * size + columns,
        tl.load(table + tl.load(ids + place) * size + columns, mask=mask),
        mask=mask,
    )


class HostTable(nn.Module):
    """Replaces an nn.Embedding with this `weight` (V, H) on a GPU: ids (...) give bfloat16 rows (..., H)."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.num_embeddings = len(weight)
        self.weight = copy_to_host(weight)  # (V, H); a parameter would move to the GPU with the model

    def forward(self, ids: Tensor) -> Tensor:
        """Return the rows (..., H) of `ids` (...), both on the GPU."""
        size = self.weight.shape[1]
        out = torch.empty(*ids.shape, size, device=ids.device, dtype=self.weight.dtype)  # (..., H)
        launch(_fetch, (ids.numel(),), self.weight, ids.contiguous(), out, size, triton.next_power_of_2(size))
        return out
