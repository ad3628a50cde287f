"""Read a run's folder, finished or killed."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from commentator_lib.errors import first_line, named_first_line
from commentator_lib.runs.record import (
    FORMAT_VERSION,
    RunLogError,
    cycles_frame,
    events_frame,
    questions_frame,
)

if TYPE_CHECKING:
    import pandas as pd


# No file of a run that is read as text is larger than this.
_MOST_BYTES = {"run.json": 4_000_000, ".jsonl": 512_000_000, ".csv": 512_000_000}
_NUMBER = (int, float)
# What the header may hold, where it is there and not null.
_HEADER_TYPES: dict[str, type | tuple[type, ...]] = {
    "clip_sha256": dict,
    "commentator": str,
    "created": str,
    "duration_s": _NUMBER,
    "error": str,
    "frames_captured": _NUMBER,
    "frames_dropped": _NUMBER,
    "frames_shown": _NUMBER,
    "mode": str,
    "notes": list,
    "settings": dict,
    "source": list,
    "source_fps": _NUMBER,
    "source_problem": str,
    "voice": str,
}
# No moment of a run is further than this from its start.
_LONGEST_S = 1e7


def check_files(folder: Path) -> None:
    """Raise RunLogError where a run's folder holds a link or a device, or a text that is too large to be a run's.

    The folder may come from somebody else: a link could lead to any file, which would then be read or overwritten.
    """
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_symlink():
                raise RunLogError(f"{entry.path} is a link: a run's folder holds its files themselves")
            if entry.is_dir(follow_symlinks=False):
                continue
            if not entry.is_file(follow_symlinks=False):
                raise RunLogError(f"{entry.path} is no file: a run's folder holds nothing else")
            most = _MOST_BYTES.get(entry.name, _MOST_BYTES.get(Path(entry.name).suffix))
            if most is not None and entry.stat(follow_symlinks=False).st_size > most:
                raise RunLogError(f"{entry.path} is larger than {most / 1e6:.0f} MB: that is no run's file")


def read_journal(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of a .jsonl journal, none without a file; a last line that a kill cut off is left out.

    Raise RunLogError where another line is damaged, or no object.
    """
    if not path.exists():
        return
    with open(path, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if not line.endswith("\n"):
                return
            yield _parsed_object(line, path)


def _parsed_object(text: str, path: Path) -> dict[str, Any]:
    """Return a JSON object. Raise RunLogError for anything else."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RunLogError(f"{path} is damaged: {first_line(error)}") from None
    if not isinstance(value, dict):
        raise RunLogError(f"{path} is damaged: an object is expected, and a {type(value).__name__} is there")
    return value


@dataclass(frozen=True)
class SavedRun:
    """A run read back from its folder, finished or killed."""

    folder: Path
    header: dict[str, Any]  # run.json
    cycles: pd.DataFrame  # one row a cycle, CycleRecord's fields
    samples: pd.DataFrame  # one row a second
    events: list[dict[str, Any]]  # sounds and captions
    noticed: pd.DataFrame  # one row for each event that a watcher noticed
    questions: pd.DataFrame  # one row for each question, with its last state
    changes: list[dict[str, Any]] = field(default_factory=list)  # at_s, setting, old, new


def load_run(folder: Path | str) -> SavedRun:
    """Read a run's folder. Raise RunLogError when it is no run's, damaged, or of another version."""
    import pandas as pd

    folder = Path(folder)
    if not folder.is_dir():
        raise RunLogError(f"no run folder at {folder}")
    try:
        check_files(folder)
        header = _read_header(folder)
        return SavedRun(
            folder,
            header,
            cycles_frame(list(read_journal(folder / "cycles.jsonl"))),
            pd.DataFrame(list(read_journal(folder / "samples.jsonl"))),
            [_checked_event(row, folder) for row in read_journal(folder / "events.jsonl")],
            events_frame(list(read_journal(folder / "watch.jsonl"))),
            questions_frame(list(read_journal(folder / "questions.jsonl"))),
            [_checked_change(row, folder) for row in read_journal(folder / "changes.jsonl")],
        )
    except OSError as error:
        raise RunLogError(f"{folder} cannot be read: {first_line(error)}") from None
    except (KeyError, TypeError, ValueError, OverflowError) as error:  # rows of another shape
        raise RunLogError(f"{folder} is damaged: {named_first_line(error)}") from None


def _read_header(folder: Path) -> dict[str, Any]:
    """Return the content of run.json. Raise RunLogError where it is missing, damaged or of another version."""
    path = folder / "run.json"
    try:
        header = _parsed_object(path.read_text(encoding="utf-8"), path)
    except FileNotFoundError:
        raise RunLogError(f"{folder} is no run folder: it has no run.json") from None
    except UnicodeDecodeError as error:
        raise RunLogError(f"{path} is damaged: {first_line(error)}") from None
    if header.get("format_version") != FORMAT_VERSION:
        raise RunLogError(
            f"{folder} is of format {header.get('format_version')}, this version reads {FORMAT_VERSION}"
        )
    for name, kind in _HEADER_TYPES.items():
        if (value := header.get(name)) is not None and not isinstance(value, kind):
            raise RunLogError(f"{path} is damaged: {name} is a {type(value).__name__}")
    texts = [text for name in ("source", "notes", "clip_sha256") for text in header.get(name) or []]
    if not all(isinstance(text, str) for text in [*texts, *(header.get("clip_sha256") or {}).values()]):
        raise RunLogError(f"{path} is damaged: source, notes or clip_sha256 hold something else than text")
    return header


def _checked_event(row: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return a row of events.jsonl. Raise RunLogError for one that could not have been written."""
    good = _is_time(row.get("at_s")) and _is_count(row.get("cycle"))
    if row.get("kind") == "sound":
        good = (
            good
            and _is_count(row.get("samples"))
            and (row.get("at_sample") is None or _is_count(row["at_sample"]))
        )
    elif row.get("kind") == "caption":
        good = good and isinstance(row.get("text"), str)
    else:
        good = False
    if not good:
        raise RunLogError(f"{folder / 'events.jsonl'} is damaged: {str(row)[:80]}")
    return row


def _checked_change(row: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return a row of changes.jsonl. Raise RunLogError for one that could not have been written."""
    if not _is_time(row.get("at_s")) or not isinstance(row.get("setting"), str):
        raise RunLogError(f"{folder / 'changes.jsonl'} is damaged: {str(row)[:80]}")
    return row


def _is_time(value: object) -> bool:
    return isinstance(value, _NUMBER) and abs(value) < _LONGEST_S  # NaN is none


def _is_count(value: object) -> bool:
    return isinstance(value, int) and 0 <= value < 1 << 48


def read_shown(folder: Path) -> np.ndarray:
    """Return shown.csv as (N, 4) float64: index, captured_s, due_s, shown_s; a cut-off last line is left out.

    Raise RunLogError where it is missing, or a line of it is damaged.
    """
    rows = []
    try:
        with open(folder / "shown.csv", encoding="utf-8") as lines:
            next(lines, None)
            for line in lines:
                parts = line.split(",")
                if line.endswith("\n") and len(parts) == 4:
                    rows.append([float(p) for p in parts])
    except (OSError, ValueError) as error:
        raise RunLogError(f"{folder / 'shown.csv'} cannot be read: {first_line(error)}") from None
    shown = np.asarray(rows, dtype=np.float64).reshape(-1, 4)
    if not (np.abs(shown[:, 1:]) < _LONGEST_S).all() or not ((shown[:, 0] >= 0) & (shown[:, 0] < 1e12)).all():
        raise RunLogError(f"{folder / 'shown.csv'} is damaged: a number in it can be no frame's")
    return shown
