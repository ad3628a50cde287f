"""The results folder of a sweep: its header (sweep.json) and its journal (runs.jsonl).

Each finished run is one line, written at once, so that a sweep that was killed loses no run and can go on.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from commentator_lib.files import write_then_replace
from commentator_lib.runs.provenance import commit, versions
from commentator_lib.runs.reader import read_journal
from experiments.sweeping.jobs import plan_jobs
from experiments.sweeping.sweep_file import Sweep, SweepError

if TYPE_CHECKING:
    import pandas as pd

    from commentator_lib.runs.reader import SavedRun

FORMAT_VERSION = 1


class Journal:
    """The rows of a sweep's folder; one sweep at a time may add rows.

    Opening it removes an incomplete last line, which a kill can leave; all other lines stay as they are. Raises
    SweepError where the folder holds something else, is of another version, or is in use.
    """

    def __init__(self, folder: Path, sweep: Sweep) -> None:
        header = folder / "sweep.json"
        self.path = folder / "runs.jsonl"
        if folder.exists() and not folder.is_dir():
            raise SweepError(f"{folder} is a file: choose another folder with --out")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if not header.exists() and any(folder.iterdir()):
                raise SweepError(f"{folder} holds files but no sweep.json: choose an empty folder with --out")
            if header.exists():
                read_header(folder)
            self._file = open(self.path, "a+b")  # noqa: SIM115 - held open, and locked, for the whole sweep
        except OSError as error:
            raise SweepError(f"cannot write {folder}: {error.strerror}; choose another with --out") from None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.close()
            raise SweepError(f"another sweep is writing to {folder}: wait for it, or choose --out") from None
        self._cut_half_line()
        self.rows = {row["key"]: row for row in read_journal(self.path)}
        write_header(folder, sweep)

    def _cut_half_line(self) -> None:
        self._file.seek(0)
        whole = self._file.read().rfind(b"\n") + 1
        self._file.truncate(whole)
        self._file.seek(0, os.SEEK_END)

    def append(self, row: dict[str, Any]) -> None:
        """Write one line at once. Raise OSError when the disk is full."""
        row = {k: None if v != v else round(v, 6) if isinstance(v, float) else v for k, v in row.items()}
        self._file.write((json.dumps(row, ensure_ascii=False) + "\n").encode())
        self._file.flush()
        self.rows[row["key"]] = row

    def close(self) -> None:
        self._file.close()


def read_header(folder: Path) -> dict[str, Any]:
    """Return sweep.json of a results folder. Raise SweepError where it is missing, damaged or of another version."""
    try:
        header = json.loads((folder / "sweep.json").read_text(encoding="utf-8"))
    except OSError as error:
        raise SweepError(f"{folder} is no results folder: sweep.json: {error.strerror}") from None
    except ValueError as error:
        raise SweepError(f"{folder / 'sweep.json'} is damaged: {error}") from None
    if not isinstance(header, dict) or header.get("format_version") != FORMAT_VERSION:
        found = header.get("format_version") if isinstance(header, dict) else None
        raise SweepError(
            f"{folder} is of format {found}, this version reads {FORMAT_VERSION}: choose another with --out"
        )
    return header


def write_header(folder: Path, sweep: Sweep) -> None:
    """Write sweep.json: the sweep, the keys of its runs, and the versions and hardware."""
    from commentator_lib.runs.meters import hardware

    header = {
        "format_version": FORMAT_VERSION,
        "sweep": sweep.model_dump(),
        "keys": [job.key for job in plan_jobs(sweep)],
        "versions": dict(versions()),
        "hardware": hardware(),
        "commit": commit(),
    }
    write_then_replace(folder / "sweep.json", json.dumps(header, indent=1, ensure_ascii=False) + "\n")


def load_results(folder: Path | str) -> pd.DataFrame:
    """Return the finished runs of a results folder, one row each, in the order of the sweep.

    Failed runs are left out, and runs of combinations that were no longer in the sweep when it was last run. Raise
    SweepError where the folder is no results folder.
    """
    import pandas as pd

    folder = Path(folder)
    header = read_header(folder)
    rows = {r["key"]: r for r in read_journal(folder / "runs.jsonl")}
    return pd.DataFrame([rows[key] for key in header["keys"] if key in rows and not rows[key]["error"]])


def load_runs(folder: Path | str, results: pd.DataFrame) -> list[SavedRun]:
    """Return the run logs of the rows of `load_results`, in the same order (replay and live; what-if keeps none)."""
    from commentator_lib.runs.reader import load_run

    return [load_run(Path(folder) / run) for run in results["run"]]


def results_id(folder: Path | str) -> str:
    """Return a name for exactly these results, for figures: the folder's name and a hash of its runs' keys."""
    keys = " ".join(sorted(load_results(folder)["key"]))
    return f"{Path(folder).name}-{hashlib.sha256(keys.encode()).hexdigest()[:8]}"
