"""What the model's benchmark measures on the machine: time, GPU memory by two counts, bytes read from the disk."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from commentator_lib.runs.meters import vram_used_bytes


def spread(values: list[float], digits: int = 2) -> dict[str, float]:
    """Return median, minimum and maximum."""
    return {
        "median": round(float(np.median(values)), digits),
        "min": round(min(values), digits),
        "max": round(max(values), digits),
    }


def synchronised_s() -> float:
    """Return the time in seconds, once the GPU has finished its work."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def process_s() -> float:
    """Return the seconds since this process started (Linux). psutil would give whole seconds only."""
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    return time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[19]) / os.sysconf("SC_CLK_TCK")


def disk_bytes() -> int | None:
    """Return the bytes that were read from a disk for this process, by the kernel's count; None without a count."""
    try:
        lines = Path("/proc/self/io").read_text().splitlines()
    except OSError:  # this kernel does not count, or the container hides the file
        return None
    return int(dict(line.split(": ") for line in lines)["read_bytes"])


def driver_bytes() -> int:
    """Return the GPU memory in use in bytes, by the driver's count."""
    import torch

    used = vram_used_bytes()
    if used is None:  # the package that asks the driver is not installed
        free, total = torch.cuda.mem_get_info()
        used = total - free
    return used


class _DriverPeak:
    """Within the block, asks the driver for the memory in use twenty times a second; `bytes` is the largest answer.

    This includes memory that PyTorch takes and gives back to the driver within the block, which its own peak omits.
    """

    def __enter__(self) -> _DriverPeak:
        self.bytes = driver_bytes()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def _watch(self) -> None:
        while not self._ended.wait(0.05):
            self.bytes = max(self.bytes, driver_bytes())

    def __exit__(self, *_error: object) -> None:
        self._ended.set()
        self._thread.join()
        self.bytes = max(self.bytes, driver_bytes())


@contextmanager
def memory(into: dict[str, Any], name: str) -> Generator[None]:
    """Add the GPU memory in bytes before the block (idle) and its peak within the block to `into`.

    The keys begin with `name`. Nothing is added without a GPU.
    """
    import torch

    on_gpu = torch.cuda.is_available()
    if on_gpu:
        torch.cuda.synchronize()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        into[f"{name}_torch_idle_bytes"] = torch.cuda.memory_allocated()
        into[f"{name}_torch_reserved_idle_bytes"] = torch.cuda.memory_reserved()
        into[f"{name}_vram_idle_bytes"] = driver_bytes()
    with _DriverPeak() if on_gpu else nullcontext() as peak:
        yield
    if peak is not None:
        torch.cuda.synchronize()
        into[f"{name}_torch_peak_bytes"] = torch.cuda.max_memory_allocated()
        into[f"{name}_torch_reserved_peak_bytes"] = torch.cuda.max_memory_reserved()
        into[f"{name}_vram_peak_bytes"] = peak.bytes
