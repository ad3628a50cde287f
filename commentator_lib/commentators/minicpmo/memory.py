"""GPU memory: give back what PyTorch's allocator keeps, leave it little to keep, use the host's memory instead.

The allocator asks the driver for pieces of 20 MB and puts tensors of 1 to 10 MB into them; it can only give back a
whole piece. A model whose weights are converted and joined after loading leaves holes in most of its pieces. The driver
counts whole pieces, and other programs cannot use the holes.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from commentator_lib.commentators.torch_tools import free_gpu

# A piece with fewer free bytes than this is left alone: the allocator rounds sizes up to it.
_ROUNDING_BYTES = 2 << 20
_ROWS_AT_ONCE = 8192


def compact(modules: Iterable[nn.Module], tensors: Iterable[Tensor] = ()) -> None:
    """Give back the pieces of GPU memory that have holes.

    What the modules and tensors hold in such pieces is copied to the host's memory and back, so that it lies side by
    side. Views stay views of the same memory, at another address: call this before any graph is captured.
    """
    if not torch.cuda.is_available():
        return
    # 1) the storages of all tensors, each once
    every = [*tensors, *(t for module in modules for t in (*module.parameters(), *module.buffers()))]
    storages = {t.untyped_storage().data_ptr(): t.untyped_storage() for t in every}
    free_gpu()
    # 2) the pieces with holes, as ranges of addresses
    holed = [
        range(piece["address"], piece["address"] + piece["total_size"])
        for piece in torch.cuda.memory_snapshot()
        if piece["total_size"] - piece["allocated_size"] >= _ROUNDING_BYTES
    ]
    out = [s for address, s in storages.items() if any(address in piece for piece in holed)]
    # 3) out to the host, the largest first, so that smaller ones later fit beside them
    held = [(s, s.cpu()) for s in sorted(out, key=len, reverse=True)]
    for storage, _ in held:
        storage.resize_(0)
    free_gpu()
    # 4) and back
    for storage, content in held:
        storage.resize_(len(content))
        storage.copy_(content)


def copy_to_host(weight: Tensor) -> Tensor:
    """Return a bfloat16 copy of a table (V, H) in the host's memory.

    The copy of a table on a GPU is in pinned memory, which the GPU's kernels can read.
    """
    copy = torch.empty(weight.shape, dtype=torch.bfloat16, pin_memory=weight.is_cuda)  # (V, H)
    for start in range(0, len(weight), _ROWS_AT_ONCE):  # the GPU rounds, and has no room for a second table
        copy[start : start + _ROWS_AT_ONCE] = weight[start : start + _ROWS_AT_ONCE].detach()
    return copy


def limit_cublas_workspace() -> None:
    """Limit cuBLAS to a workspace of 8 MB for each thread and stream, instead of 32 MB on newer GPUs.

    Only if CUBLAS_WORKSPACE_CONFIG is not set. Call it before the first matrix product.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:2:16:8")
