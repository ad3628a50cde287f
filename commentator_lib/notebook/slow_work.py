"""Work of the panel that takes its time, each on a thread of its own, so that no click waits for it."""

from __future__ import annotations

import threading
from collections.abc import Callable


class SlowWork:
    """Runs each kind of work on a thread of its own, one of a kind at a time."""

    def __init__(self, attempt: Callable[[Callable[[], None]], None]) -> None:
        self._attempt = attempt
        self._lock = threading.Lock()
        self._going_on: set[str] = set()

    def begin(self, kind: str, work: Callable[[], None]) -> bool:
        """Begin `work`; return False where some of its kind is still going on, and nothing is begun."""
        with self._lock:
            if kind in self._going_on:
                return False
            self._going_on.add(kind)

        def main() -> None:
            try:
                self._attempt(work)
            finally:
                with self._lock:
                    self._going_on.discard(kind)

        threading.Thread(target=main, name=f"panel {kind}", daemon=True).start()
        return True
