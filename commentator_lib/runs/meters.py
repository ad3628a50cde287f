"""Measure what a run costs: processor, memory, GPU memory. None where there is no meter; nothing is estimated."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable
from functools import cache
from typing import Any


class ProcessMeter:
    """Processor share since the last reading, and resident memory, of this process."""

    def __init__(self) -> None:
        import psutil

        self._process = psutil.Process()
        self._process.cpu_percent()  # the first reading has nothing to compare with

    def read(self) -> tuple[float, int]:
        """Return (share of one core, 0 and up; resident bytes)."""
        return self._process.cpu_percent() / 100.0, self._process.memory_info().rss


def give_back_freed_memory() -> None:
    """Let the C library give back to the system what was freed; it takes some milliseconds.

    Pictures come and go on several threads, and glibc keeps what they leave: tens of MB in half an hour of a live
    source. Other systems' libraries give it back themselves.
    """
    if sys.platform == "linux" and (trim := _malloc_trim()) is not None:
        trim(0)


@cache
def _malloc_trim() -> Callable[[int], int] | None:
    import ctypes

    return getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc alone has it


@cache
def nvml_device() -> tuple[Any, Any] | None:
    """Return (the module pynvml, the first GPU's handle), or None where the driver or pynvml is missing."""
    try:
        import pynvml  # pyright: ignore[reportMissingImports] - in the extra "minicpmo" alone
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
        return pynvml, pynvml.nvmlDeviceGetHandleByIndex(0)
    except pynvml.NVMLError:
        return None


def vram_used_bytes() -> int | None:
    """Return the memory in use on the first GPU by the driver's count, all processes; None without a GPU.

    It is nvidia-smi's number: without what the driver reserves for itself (from driver 510 on; older ones count
    that in).
    """
    device = nvml_device()
    if device is None:
        return None
    pynvml, handle = device
    try:
        memory = pynvml.nvmlDeviceGetMemoryInfo(handle, version=pynvml.nvmlMemory_v2)
    except pynvml.NVMLError:
        memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
    return int(memory.used)


def machine_memory() -> dict[str, int]:
    """Return how much memory there is: memory_total_bytes, and with an NVIDIA GPU vram_total_bytes."""
    import psutil

    total = {"memory_total_bytes": int(psutil.virtual_memory().total)}
    if (device := nvml_device()) is not None:
        nvml, handle = device
        total["vram_total_bytes"] = int(nvml.nvmlDeviceGetMemoryInfo(handle).total)
    return total


def torch_vram_bytes(reset_peak: bool = False) -> tuple[int, int] | None:
    """Return (bytes in tensors now, their peak) on PyTorch's current GPU; None where PyTorch holds none.

    `reset_peak` resets the peak. PyTorch is not imported for this: where it was not imported before, it holds nothing.
    """
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available() or not torch.cuda.is_initialized():
        return None
    if reset_peak:
        torch.cuda.reset_peak_memory_stats()
    return int(torch.cuda.memory_allocated()), int(torch.cuda.max_memory_allocated())


def hardware() -> dict[str, Any]:
    """Return a description of this machine, for a run's header."""
    import psutil

    gpu = None
    if (device := nvml_device()) is not None:
        pynvml, handle = device
        gpu = str(pynvml.nvmlDeviceGetName(handle))
    return {
        "machine": platform.machine(),
        "system": platform.system(),
        "processor": _processor_name(),
        "cores": os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "gpu": gpu,
    }


def _processor_name() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            for line in lines:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:  # not Linux
        pass
    return platform.processor() or "unknown"
