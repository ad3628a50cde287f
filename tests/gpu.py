"""What tests on a GPU have in common."""

import gc


def gpu_bytes() -> int:
    """In tensors; matrix products keep workspaces for each thread and stream, which do not count."""
    import torch

    gc.collect()
    torch._C._cuda_clearCublasWorkspaces()
    torch.cuda.empty_cache()
    return torch.cuda.memory_allocated()
