"""Report how long files and classes are: the median file, files over 400 lines with their reason, the longest classes.

A file of more than 400 lines gives its reason in a line of its docstring that begins with "Long because". The exit code
is 1 where the median file is over 200 lines, a file over 400 has no reason, or a class is longer than 250 lines.

    python -m experiments.sizes
"""

from __future__ import annotations

import ast
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from experiments.errors import UserError
from experiments.tools.command_line import help_text, new_app, run_app

ROOT = Path(__file__).resolve().parents[2]
MEDIAN_FILE_LINES, LONG_FILE_LINES, LONGEST_CLASS_LINES = 200, 400, 250
_REASON = "Long because"
_CLASSES_SHOWN = 5


@dataclass(frozen=True)
class File:
    """The sizes of a Python file. `reason` is empty where its docstring gives none; `classes`: (name, lines)."""

    name: str
    lines: int
    reason: str
    classes: tuple[tuple[str, int], ...]


def read_file(path: Path, root: Path) -> File:
    """Measure one file. Raise SyntaxError where it is not Python."""
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    head = (ast.get_docstring(tree) or "").splitlines()
    classes = tuple(
        (node.name, (node.end_lineno or node.lineno) - node.lineno + 1)
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    )
    reason = next((line for line in head if line.startswith(_REASON)), "")
    return File(path.relative_to(root).as_posix(), len(text.splitlines()), reason, classes)


def read_folders(root: Path, folders: list[str]) -> list[File]:
    """Measure every file that is not empty. Raise UserError for a folder without such files."""
    files = []
    for folder in folders:
        found = [read_file(path, root) for path in sorted((root / folder).rglob("*.py"))]
        if not any(file.lines for file in found):
            raise UserError(f"{root / folder} holds no Python files")
        files += [file for file in found if file.lines]
    return files


def find_faults(files: list[File]) -> list[str]:
    """Return what is too long, one line each."""
    faults = []
    median = statistics.median(file.lines for file in files)
    if median > MEDIAN_FILE_LINES:
        faults.append(f"the median file has {median:g} lines, more than {MEDIAN_FILE_LINES}")
    for file in files:
        if file.lines > LONG_FILE_LINES and not file.reason:
            faults.append(f'{file.name} has {file.lines} lines and no "{_REASON} …" in its head')
        for name, lines in file.classes:
            if lines > LONGEST_CLASS_LINES:
                faults.append(
                    f"class {name} in {file.name} has {lines} lines, more than {LONGEST_CLASS_LINES}"
                )
    return faults


app = new_app()


@app.command(help=help_text(__doc__))
def main(
    folders: Annotated[
        list[str] | None, typer.Argument(help="Folders (default: commentator_lib experiments tests).")
    ] = None,
) -> None:
    files = read_folders(ROOT, folders or ["commentator_lib", "experiments", "tests"])
    print(f"{len(files)} files, median {statistics.median(file.lines for file in files):g} lines")
    print(f"\nfiles over {LONG_FILE_LINES} lines")
    for file in sorted(files, key=lambda file: -file.lines):
        if file.lines > LONG_FILE_LINES:
            print(f"{file.lines:6}  {file.name:60} {file.reason or 'no reason given'}")
    print("\nlongest classes")
    classes = sorted(
        ((lines, name, file.name) for file in files for name, lines in file.classes), reverse=True
    )
    for lines, name, where in classes[:_CLASSES_SHOWN]:
        print(f"{lines:6}  {name:30} {where}")
    faults = find_faults(files)
    print()
    print("\n".join(faults) or "nothing is too long")
    if faults:
        raise typer.Exit(1)


if __name__ == "__main__":
    run_app(app, "sizes")
