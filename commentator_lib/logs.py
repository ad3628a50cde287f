"""Send the library's log to the terminal and to a file, for the command line's `--verbose` and `--log-file`.

Each module of the library logs under its own name below "commentator_lib" and is quiet by default: a program that
uses the library sets up `logging` as it likes.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import typer

from commentator_lib.errors import first_line
from commentator_lib.redact import redact_text

_FORMAT = "{asctime} {levelname} {name}: {message}"


class _RedactingFormatter(logging.Formatter):
    """Hides secrets in URLs, also in the messages of other libraries' errors."""

    def format(self, record: logging.LogRecord) -> str:
        return redact_text(super().format(record))


class _AboveProgressBar(logging.Handler):
    """Writes log lines to stderr without tearing a progress bar apart."""

    is_stderr = True

    def emit(self, record: logging.LogRecord) -> None:
        from tqdm import tqdm

        try:
            tqdm.write(self.format(record), file=sys.stderr)
        except Exception:  # as logging's own handlers do: a line that cannot be written must not end a run
            self.handleError(record)


def show_log(verbose: int, file: Path | None) -> None:
    """Send the library's log to stderr (`verbose` 1: level INFO, 2: level DEBUG too) and to `file`.

    With 0 and None nothing is shown. A file always gets level INFO, and level DEBUG with `verbose` 2. Raise
    typer.BadParameter where the file cannot be written.
    """
    handlers: list[logging.Handler] = [_AboveProgressBar()] if verbose else []
    if file is not None:
        try:
            handlers.append(logging.FileHandler(file, encoding="utf-8", errors="backslashreplace"))
        except OSError as error:
            reason = error.strerror or first_line(error)
            raise typer.BadParameter(f"cannot write the log file {file}: {reason}") from None
    logger = logging.getLogger("commentator_lib")
    for handler in handlers:
        handler.setFormatter(_RedactingFormatter(_FORMAT, style="{"))
        logger.addHandler(handler)
    if handlers:
        logger.setLevel(logging.DEBUG if verbose > 1 else logging.INFO)
