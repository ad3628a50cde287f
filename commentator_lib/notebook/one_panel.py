"""A kernel has one panel: a new one takes over from the one before, so that one commentary goes on."""

from __future__ import annotations

import gc
import threading
import weakref
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from commentator_lib.notebook.control_panel import ControlPanel
    from commentator_lib.session import LiveSession

_current: list[weakref.ref[ControlPanel]] = []  # the panel of this kernel, while there is one
_lock = threading.Lock()


def take_over(panel: ControlPanel) -> LiveSession | None:
    """Close the kernel's panel of before; return its last session, whose run may still be ending."""
    with _lock:
        before = _current[0]() if _current else None
        _current[:] = [weakref.ref(panel)]
    if before is None:
        return None
    before.close()
    session = before.session
    del before
    gc.collect()  # panels that were closed earlier hold pictures and sound, and refer to themselves
    return session
