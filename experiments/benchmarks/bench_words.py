"""What becomes of words on their way from a model to caption and voice: one line a case, right or wrong.

Servers cut, wrap and mark their words in their own ways, and each way that is not known is heard and seen at once:
thoughts read aloud, marks in captions, a cycle that fails for a parameter. So every kind that somebody met is a case
here, with a server or an input of its own on this machine. A case says what was wrong in one line, or nothing.

    python -m experiments.bench_words [--only WORD,WORD]

The last line on stdout is one JSON object: `cases`, `right`. The exit code is 1 if not all are right.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from commentator_lib.errors import named_first_line
from experiments.errors import UserError
from experiments.tools.command_line import help_text, new_app, run_app

# Each has CASES: name → function of a scratch folder that returns what was wrong, "" for nothing.
ROOMS = ("words_servers", "words_voices", "words_captions", "words_terminal", "words_speech")
Case = Callable[[Path], str]
app = new_app()


def all_cases() -> dict[str, Case]:
    """Return every case of the rooms by "room: name"."""
    cases: dict[str, Case] = {}
    for room in ROOMS:
        name = f"experiments.benchmarks.{room}"
        if importlib.util.find_spec(name) is not None:
            found: dict[str, Case] = importlib.import_module(name).CASES
            cases |= {f"{room.removeprefix('words_')}: {case}": check for case, check in found.items()}
    return cases


def fault_of(check: Case) -> str:
    """Return what was wrong in a case, "" for nothing; an error counts as wrong."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        try:
            return check(Path(folder))
        except Exception as error:  # what is tested may fail in any way, and the other cases are still wanted
            return named_first_line(error)


@app.command(help=help_text(__doc__))
def main(
    only: Annotated[str, typer.Option(help="Only cases with one of these words in their names.")] = "",
) -> None:
    wanted = [word.strip() for word in only.split(",") if word.strip()]
    cases = {
        name: check
        for name, check in all_cases().items()
        if not wanted or any(word in name for word in wanted)
    }
    if not cases:
        raise UserError(f"no case has one of these words in its name: {only}")
    right = 0
    for name, check in cases.items():
        began_s = time.monotonic()
        fault = fault_of(check)
        right += not fault
        took_s = time.monotonic() - began_s
        print(
            f"{'wrong' if fault else 'right'}  {took_s:5.1f} s  {name}{': ' + fault if fault else ''}",
            flush=True,
        )
    print(json.dumps({"cases": len(cases), "right": right}))
    if right < len(cases):
        raise typer.Exit(1)


if __name__ == "__main__":
    run_app(app, "bench_words")
