"""Call what others gave to be called: their faults stay theirs.

A run calls functions of its user from the middle of its own work, such as `on_caption`. One that raises an error must
cost neither a player nor the recording nor the loop, and its author must hear of it.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from typing import Any

from commentator_lib.errors import named_first_line
from commentator_lib.redact import redact_text

logger = logging.getLogger(__name__)


class Callback:
    """Somebody's function, or None; calling it never raises an Exception.

    Its first fault is named in one line in the library's log and on stderr, and given to `on_fault`; further ones are
    not. It is called again the next time: a fault may pass.
    """

    def __init__(
        self,
        name: str,
        function: Callable[..., Any] | None,
        on_fault: Callable[[str], None] = lambda line: None,
    ) -> None:
        self._name, self._function, self._on_fault = name, function, on_fault
        self._is_told = False

    def __call__(self, *given: Any) -> None:
        if self._function is None:
            return
        try:
            self._function(*given)
        except Exception as error:  # code of others, which may fail in any way
            if not self._is_told:
                self._is_told = True
                self._tell(error)

    def _tell(self, error: Exception) -> None:
        line = f"{self._name} failed{_place_of(error)}: {named_first_line(error)}; the run goes on"
        logger.warning("%s", line, exc_info=logger.isEnabledFor(logging.DEBUG))
        self._on_fault(line)
        if sys.stderr is not None and not _is_shown():
            try:
                print(f"commentator: {redact_text(line)}", file=sys.stderr, flush=True)
            except (OSError, ValueError):  # nobody reads it any more; the log has the line
                logger.debug("stderr is closed")


def _is_shown() -> bool:
    """Return whether the library's log is on stderr already, so that a line there would be told twice."""
    handlers = logging.getLogger("commentator_lib").handlers
    return any(getattr(handler, "is_stderr", False) for handler in handlers)


def _place_of(error: Exception) -> str:
    """Return where an error was raised, as " in FILE, line N", "" where that is not known."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "" if trace is None else f" in {trace.tb_frame.f_code.co_filename}, line {trace.tb_lineno}"
