"""What the model's benchmark reads of the machine: time, GPU memory by two counts, bytes from the disk."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from commentator_lib.runs.meters import vram_used_bytes


def spread(values: list[float], digits: int = 2) -> dict[str, float]:
    """Return median, least and most."""
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
    """Return the seconds since this process began (Linux); psutil knows only whole seconds."""
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    return time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[19]) / os.sysconf("SC_CLK_TCK")


def disk_bytes() -> int | None:
    """Return the bytes that this process had read from a disk, by the kernel's count; None where it does not count."""
    try:
        lines = Path("/proc/self/io").read_text().splitlines()
    except OSError:  # not kept, or not shown in this container
        return None
    return int(dict(line.split(": ") for line in lines)["read_bytes"])


def driver_bytes() -> int:
    """Return the GPU memory in use, by the driver's count."""
    import torch

    used = vram_used_bytes()
    if used is None:  # no package that asks the driver
        free, total = torch.cuda.mem_get_info()
        used = total - free
    return used


class _DriverPeak:
    """The most that the driver counts inside, asked twenty times a second.

    Memory that PyTorch gives back in between was taken all the same, and its own peak does not show it.
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
def memory(into: dict[str, Any], name: str) -> Iterator[None]:
    """Add idle and peak GPU memory (bytes) of what is done inside to `into`, under keys that begin with `name`."""
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
