"""An embedding's table in the host's memory, from where the GPU fetches the rows it wants.

Of the 8 GB that MiniCPM-o's 4-bit checkpoint takes, 1.5 are tables of which a token reads one row. PyTorch's embedding
wants table and ids on one device, and a copy by the host could not be recorded; a GPU kernel reads pinned memory by
itself, 8 KB in microseconds.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor, nn

from commentator_lib.commentators.minicpmo.memory import in_host_memory


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
    """Stands for an nn.Embedding with this `weight` (V, H) on a GPU; ids (...) there give bfloat16 rows (..., H)."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.num_embeddings = len(weight)
        self.weight = in_host_memory(weight)  # not a parameter, which would move with the model

    def forward(self, ids: Tensor) -> Tensor:
        size = self.weight.shape[1]
        out = torch.empty(*ids.shape, size, device=ids.device, dtype=self.weight.dtype)
        _fetch[(ids.numel(),)](self.weight, ids.contiguous(), out, size, triton.next_power_of_2(size))
        return out
