"""The command line of every experiment: a typer app, its help text, and its exit codes. Usage:

app = new_app()

@app.command(help=help_text(__doc__))
def main(seconds: Annotated[float, typer.Option(help="Length, s.")] = 20.0) -> None: ...

if __name__ == "__main__":
    run_app(app, "bench_something")
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence

import typer
from pydantic import ValidationError

from commentator_lib.commentators.base import CommentatorError
from commentator_lib.runs.record import RunLogError
from commentator_lib.settings import SettingsError
from commentator_lib.sources.base import SourceError
from experiments.errors import UserError

USER_ERRORS = (UserError, SettingsError, SourceError, CommentatorError, RunLogError)
_INTERRUPTED = 130  # shells use this code for a command that Ctrl-C has ended


def new_app() -> typer.Typer:
    """Return a typer app with plain text: no shell completion, no coloured boxes, no styled tracebacks."""
    return typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


def help_text(docstring: str | None) -> str:
    """Return a module's docstring as help text: paragraphs are wrapped to the terminal, indented lines are kept."""
    parts = []
    for paragraph in (docstring or "").strip().split("\n\n"):
        lines = paragraph.splitlines()
        keep_lines = any(line.startswith("  ") for line in lines)
        parts.append("\b\n" + paragraph if keep_lines else " ".join(lines))
    return "\n\n".join(parts)


def chosen_parts(only: str, parts: Sequence[str]) -> list[str]:
    """Return the parts that an option such as "frames,lips" names. Raise UserError for one that is unknown."""
    chosen = [part.strip() for part in only.split(",")]
    if unknown := set(chosen) - set(parts):
        raise UserError(f"unknown part {unknown.pop()!r}; known are {', '.join(parts)}")
    return chosen


def run_app(app: typer.Typer, name: str) -> None:
    """Run a command line and exit.

    Print one line on stderr and exit with 2 for bad input, with 130 after Ctrl-C or SIGTERM, and with 1 for an error of
    the operating system such as a full disk. Any other exception is a bug and keeps its traceback.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        code = app(standalone_mode=False) or 0
    except (KeyboardInterrupt, typer.Abort):
        code = _INTERRUPTED
    except USER_ERRORS as error:
        print(f"{name}: {error}", file=sys.stderr)
        code = 2
    except OSError as error:
        if error.errno is None:
            raise
        print(f"{name}: {error.filename or 'cannot write'}: {error.strerror}", file=sys.stderr)
        code = 1
    except Exception as error:  # wrong usage: a click error, for which typer has no public name
        format_message, exit_code = getattr(error, "format_message", None), getattr(error, "exit_code", None)
        if format_message is None or exit_code is None:
            raise
        print(f"{name}: {format_message()}{_given_value(error)}", file=sys.stderr)
        code = exit_code
    if code == _INTERRUPTED:  # typer turns Ctrl-C into this code without a word
        print(f"{name}: stopped; what was finished is written, run it again to go on", file=sys.stderr)
    sys.exit(code)


def _given_value(error: Exception) -> str:
    """Return the value that was given, if pydantic refused its type: typer's message does not contain it."""
    if not isinstance(error.__cause__, ValidationError):
        return ""
    return f", not {error.__cause__.errors()[0]['input']!r}"
