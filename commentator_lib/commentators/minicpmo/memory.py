"""The GPU's memory: giving back what PyTorch's allocator keeps, leaving it little to keep, using the host's instead.

The allocator asks the driver for pieces of 20 MB and puts tensors of 1 to 10 MB into them; a piece goes back only
whole. A model whose weights are converted and joined after loading leaves holes in most of its pieces, and what the
driver counts, and another program lacks, are the pieces.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Iterable

import torch
from torch import Tensor, nn

# What a piece may have free without being worth the trouble: sizes are rounded up to this.
_ROUNDING = 2 << 20
_ROWS_AT_ONCE = 8192


def free_gpu() -> None:
    """Give back what nothing refers to any more."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def compact(modules: Iterable[nn.Module], tensors: Iterable[Tensor] = ()) -> None:
    """Give back the pieces of GPU memory that have holes: what the modules and tensors hold in them goes out to the
    host's memory, and back to lie side by side.

    Views stay views of the same memory, at another address: to be called before anything is recorded.
    """
    if not torch.cuda.is_available():
        return
    every = [*tensors, *(t for module in modules for t in (*module.parameters(), *module.buffers()))]
    storages = {t.untyped_storage().data_ptr(): t.untyped_storage() for t in every}
    free_gpu()
    holed = [
        range(piece["address"], piece["address"] + piece["total_size"])
        for piece in torch.cuda.memory_snapshot()
        if piece["total_size"] - piece["allocated_size"] >= _ROUNDING
    ]
    out = [s for address, s in storages.items() if any(address in piece for piece in holed)]
    # the largest first: the others find room beside them
    held = [(s, s.cpu()) for s in sorted(out, key=len, reverse=True)]
    for storage, _ in held:
        storage.resize_(0)
    free_gpu()
    for storage, content in held:
        storage.resize_(len(content))
        storage.copy_(content)


def in_host_memory(weight: Tensor) -> Tensor:
    """A bfloat16 copy of a table (V, H); of one on a GPU in pinned memory, which its kernels can read."""
    copy = torch.empty(weight.shape, dtype=torch.bfloat16, pin_memory=weight.is_cuda)
    for start in range(0, len(weight), _ROWS_AT_ONCE):  # the GPU rounds it, and has no room for a second one
        copy[start : start + _ROWS_AT_ONCE] = weight[start : start + _ROWS_AT_ONCE].detach()
    return copy


def small_workspaces() -> None:
    """Let cuBLAS have 8 MB to work in instead of the 32 it takes on newer GPUs, for each thread and each stream; if
    nobody has said otherwise, and nothing was multiplied yet."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:2:16:8")
