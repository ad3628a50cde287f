"""What a session costs this process: a live run's processor time, and how memory grows in a run in virtual time."""

from __future__ import annotations

import gc
import time

import psutil

from commentator_lib.media import Frame
from commentator_lib.session import LiveSession

_SETTLE_S = 3.0


def core_share_of(session: LiveSession, seconds: float) -> float:
    """Run a live session; return its processor time from second 3 to `seconds`, as a share of one core."""
    session.start()
    while session.status.now_s < _SETTLE_S or session.status.state == "starting":
        time.sleep(0.05)
    process = psutil.Process()
    before, started = sum(process.cpu_times()[:2]), time.monotonic()
    while session.running and session.status.now_s < seconds:
        time.sleep(0.25)
    used, passed = sum(process.cpu_times()[:2]) - before, time.monotonic() - started
    session.wait()
    return used / passed


class MemoryMarks:
    """Notes the resident memory at minutes 2 and 10 of a run: give `drawn` to its session as `on_drawn`."""

    def __init__(self) -> None:
        self._bytes: dict[int, int] = {}

    def drawn(self, _frame: Frame, _due_s: float, drawn_s: float) -> None:
        for minute in (2, 10):
            if drawn_s >= 60 * minute - 1 and minute not in self._bytes:
                gc.collect()
                self._bytes[minute] = psutil.Process().memory_info().rss

    def growth_mb(self) -> float:
        """Return by how many MB it has grown between them."""
        return (self._bytes[10] - self._bytes[2]) / 1e6
