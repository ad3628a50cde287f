"""What a run costs: processor, memory, GPU memory. Reads, never estimates; None where there is no meter."""

from __future__ import annotations

import os
import platform
import sys
from functools import cache


class ProcessMeter:
    """Processor share since the last reading, and resident memory, of this process."""

    def __init__(self) -> None:
        import psutil

        self._process = psutil.Process()
        self._process.cpu_percent()  # the first reading has nothing to compare with

    def read(self) -> tuple[float, int]:
        """(share of one core, 0 and up; resident bytes)."""
        return self._process.cpu_percent() / 100.0, self._process.memory_info().rss


@cache
def _nvml_device():
    """The first GPU's handle and the library, or None where there is no driver or no binding."""
    try:
        import pynvml
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
        return pynvml, pynvml.nvmlDeviceGetHandleByIndex(0)
    except pynvml.NVMLError:
        return None


def vram_used_bytes() -> int | None:
    """Memory in use on the first GPU, by the driver's count, as nvidia-smi has it: without what the driver holds back
    for itself (from driver 510 on; before, that was counted in). None without a GPU."""
    device = _nvml_device()
    if device is None:
        return None
    pynvml, handle = device
    try:
        memory = pynvml.nvmlDeviceGetMemoryInfo(handle, version=pynvml.nvmlMemory_v2)
    except pynvml.NVMLError:
        memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
    return int(memory.used)


def torch_vram_bytes(reset_peak: bool = False) -> tuple[int, int] | None:
    """(bytes in tensors now, their peak) on PyTorch's current GPU; None where PyTorch holds none.

    `reset_peak` starts the peak anew. PyTorch is not imported for this: without a model on it there is
    nothing to read.
    """
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available() or not torch.cuda.is_initialized():
        return None
    if reset_peak:
        torch.cuda.reset_peak_memory_stats()
    return int(torch.cuda.memory_allocated()), int(torch.cuda.max_memory_allocated())


def hardware() -> dict:
    """What this machine is, for a run's header."""
    import psutil

    gpu = None
    if (device := _nvml_device()) is not None:
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
