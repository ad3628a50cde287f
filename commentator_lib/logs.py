"""Send the library's log to the terminal and to a file, for the command line's `--verbose`, `--log-file`, `--log-json`.

Each module of the library logs under its own name below "commentator_lib" and is quiet by default: a program that
uses the library sets up `logging` as it likes.
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from pathlib import Path

import typer

from commentator_lib.errors import first_line
from commentator_lib.redact import redact_text

_FORMAT = "{asctime} {levelname} {name}: {message}"


class _RedactingFormatter(logging.Formatter):
    """Hides secrets in URLs, also in the messages of other libraries' errors."""

    def format(self, record: logging.LogRecord) -> str:
        return redact_text(super().format(record))


class _JsonFormatter(logging.Formatter):
    """One JSON object a line: time (UTC, ISO 8601), level, logger, message, and error with its traceback."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = {
            "time": at.replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "message": redact_text(record.getMessage()),
        }
        if record.exc_info:
            line["error"] = redact_text(self.formatException(record.exc_info))
        return json.dumps(line)


class _AboveProgressBar(logging.Handler):
    """Writes log lines to stderr without tearing a progress bar apart."""

    is_stderr = True

    def emit(self, record: logging.LogRecord) -> None:
        from tqdm import tqdm

        try:
            tqdm.write(self.format(record), file=sys.stderr)
        except Exception:  # as logging's own handlers do: a line that cannot be written must not end a run
            self.handleError(record)


def show_log(verbose: int, file: Path | None, as_json: bool = False) -> None:
    """Send the library's log to stderr (`verbose` 1: level INFO, 2: level DEBUG too) and to `file`.

    With 0 and None nothing is shown. A file always gets level INFO, and level DEBUG with `verbose` 2. `as_json`: stderr
    always gets level INFO, all lines are JSON objects, and warnings of other packages are among them. Raise
    typer.BadParameter where the file cannot be written.
    """
    handlers: list[logging.Handler] = [_AboveProgressBar()] if verbose or as_json else []
    if file is not None:
        try:
            handlers.append(logging.FileHandler(file, encoding="utf-8", errors="backslashreplace"))
        except OSError as error:
            reason = error.strerror or first_line(error)
            raise typer.BadParameter(f"cannot write the log file {file}: {reason}") from None
    logger = logging.getLogger("commentator_lib")
    formatter = _JsonFormatter() if as_json else _RedactingFormatter(_FORMAT, style="{")
    for handler in handlers:
        handler.setFormatter(formatter)
        (logging.getLogger() if as_json else logger).addHandler(handler)
    if handlers:
        logger.setLevel(logging.DEBUG if verbose > 1 else logging.INFO)
    if as_json:
        logging.captureWarnings(True)
