"""Errors in one line, for logs, tables and terminals, without the secrets that they may quote."""

from __future__ import annotations

from commentator_lib.redact import redact_text


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, stripped; the name of its class where it has no message.

    Secrets in URLs are hidden: the errors of other libraries quote what they could not open.

    >>> first_line(ValueError("no such file\\nsee the log"))
    'no such file'
    """
    lines = str(error).strip().splitlines()
    return redact_text(lines[0].strip()) if lines else type(error).__name__


def named_first_line(error: BaseException) -> str:
    """Return the name of the error's class and its `first_line`, for errors that are not written for users.

    >>> named_first_line(ValueError("no such file"))
    'ValueError: no such file'
    """
    name, line = type(error).__name__, first_line(error)
    return line if line == name else f"{name}: {line}"
