"""Tools of the commentators that use PyTorch: free memory, recognise that it did not suffice, load quietly.

Importing this imports neither torch nor transformers.
"""

from __future__ import annotations

import contextlib
import gc
import sys
from collections.abc import Generator

# Messages of other errors that mean the same as OutOfMemoryError.
_OUT_OF_MEMORY_SIGNS = ("out of memory", "DefaultCPUAllocator", "CUBLAS_STATUS_ALLOC_FAILED")


def out_of_memory(error: BaseException) -> bool:
    """Return whether an error means that the memory of the GPU or of the machine did not suffice."""
    torch = sys.modules.get("torch")
    if isinstance(error, MemoryError) or (torch is not None and isinstance(error, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in _OUT_OF_MEMORY_SIGNS)


def free_gpu() -> None:
    """Give back the memory that nothing refers to any more: Python's garbage, then what PyTorch keeps on the GPU."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()


@contextlib.contextmanager
def quietly(progress_bars: bool = True) -> Generator[None]:
    """Keep transformers' warnings off stderr, on which the command line writes its own lines.

    With `progress_bars` False, hide its progress bars too. Restore the former state at the end.
    """
    from transformers.utils import logging

    verbosity, had_bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    if not progress_bars:
        logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if had_bars and not progress_bars:
            logging.enable_progress_bar()
