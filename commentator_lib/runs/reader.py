"""Read a run's folder, finished or killed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from commentator_lib.runs.record import FORMAT_VERSION, RunLogError, cycles_frame, events_frame

if TYPE_CHECKING:
    import pandas as pd


def read_journal(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of a .jsonl journal, none without a file; a last line that a kill cut off is left out.

    Raise RunLogError where another line is damaged.
    """
    if not path.exists():
        return
    with open(path, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if not line.endswith("\n"):
                return
            try:
                yield json.loads(line)
            except json.JSONDecodeError as error:
                raise RunLogError(f"{path} is damaged: {error}") from None


@dataclass(frozen=True)
class SavedRun:
    """A run read back from its folder, finished or killed."""

    folder: Path
    header: dict[str, Any]  # run.json
    cycles: pd.DataFrame  # one row a cycle, CycleRecord's fields
    samples: pd.DataFrame  # one row a second
    events: list[dict[str, Any]]  # sounds and captions
    noticed: pd.DataFrame  # one row for each event that a watcher noticed


def load_run(folder: Path | str) -> SavedRun:
    """Read a run's folder. Raise RunLogError when it is no run's, damaged, or of another version."""
    import pandas as pd

    folder = Path(folder)
    if not folder.is_dir():
        raise RunLogError(f"no run folder at {folder}")
    try:
        header = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RunLogError(f"{folder} is no run folder: it has no run.json") from None
    except json.JSONDecodeError as error:
        raise RunLogError(f"{folder / 'run.json'} is damaged: {error}") from None
    if header.get("format_version") != FORMAT_VERSION:
        raise RunLogError(
            f"{folder} is of format {header.get('format_version')}, this version reads {FORMAT_VERSION}"
        )
    return SavedRun(
        folder,
        header,
        cycles_frame(list(read_journal(folder / "cycles.jsonl"))),
        pd.DataFrame(list(read_journal(folder / "samples.jsonl"))),
        list(read_journal(folder / "events.jsonl")),
        events_frame(list(read_journal(folder / "watch.jsonl"))),
    )


def read_shown(folder: Path) -> np.ndarray:
    """Return shown.csv as (N, 4) float64: index, captured_s, due_s, shown_s; a cut-off last line is left out."""
    rows = []
    with open(folder / "shown.csv", encoding="utf-8") as lines:
        next(lines, None)
        for line in lines:
            parts = line.split(",")
            if line.endswith("\n") and len(parts) == 4:
                rows.append([float(p) for p in parts])
    return np.asarray(rows, dtype=np.float64).reshape(-1, 4)
