"""The machine's memory and disk."""

from __future__ import annotations

import shutil

from commentator_lib.checks.line import DISTRIBUTION, CheckLine
from commentator_lib.commentators.weights import bytes_text

# What the loop, the baseline commentator and the voice need in addition to the delayed picture.
_BASE_MEMORY_BYTES = 1_000_000_000
# Room for the log, the recording of a stream and the exported video of a run.
_LEAST_DISK_BYTES = 2_000_000_000


def read_machine() -> tuple[int | None, int | None, int]:
    """Return bytes: (available memory, total memory, free disk space here); memory is None without psutil."""
    disk_free = shutil.disk_usage(".").free
    try:
        import psutil
    except ImportError:
        return None, None, disk_free
    memory = psutil.virtual_memory()
    return memory.available, memory.total, disk_free


def machine_lines(
    available_bytes: int | None, total_bytes: int | None, disk_free_bytes: int, display_buffer_bytes: int
) -> list[CheckLine]:
    """Return the lines about memory and disk; `display_buffer_bytes` is the size set for the delayed picture."""
    if available_bytes is None or total_bytes is None:
        memory = CheckLine(False, "memory", "not known without psutil", f"pip install {DISTRIBUTION}")
    else:
        needed = display_buffer_bytes + _BASE_MEMORY_BYTES
        ok = available_bytes >= needed
        found = f"{bytes_text(available_bytes)} of {bytes_text(total_bytes)} free"
        fix = f"end other programs, or set display_buffer_mb lower: up to {bytes_text(needed)} is used"
        memory = CheckLine(ok, "memory", found, "" if ok else fix)
    ok = disk_free_bytes >= _LEAST_DISK_BYTES
    fix = "" if ok else "free some space, or write runs to another disk with --out"
    return [memory, CheckLine(ok, "disk", f"{bytes_text(disk_free_bytes)} free here", fix)]
