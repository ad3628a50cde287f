"""The results folder of a sweep: its header (sweep.json) and its journal (runs.jsonl).

Each finished run is one line, written at once, so that a sweep that was killed loses no run and can go on.

Sweeps of the same runs may share a folder, also from several machines on a network file system that has locks (NFS 4,
for example). Each claims a run before it starts it. A claim is a lock on one byte of the file claims.lock, whose place
is the run's key: the operating system gives it up when its process ends, however it ends, so no claim outlives its
machine and nothing compares clocks. Rows are written under a lock on the journal.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import threading
from collections.abc import Generator
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
_HEADER, _JOURNAL, _CLAIMS, _TABLE = "sweep.json", "runs.jsonl", "claims.lock", "runs.parquet"
_OUR_FILES = {name + end for name in (_HEADER, _JOURNAL, _CLAIMS, _TABLE) for end in ("", ".part")}
_IN_USE_BYTE = (
    1 << 62
)  # of claims.lock: every open journal shares a lock on it; claims have the places before it

_open_here: set[Path] = set()  # a lock does not keep out its own process


class Journal:
    """The rows of a sweep's folder, and the claims on its runs.

    `done` holds the keys of the sweep's runs that need not be done: those that have succeeded, and those that have got
    a row, also a failed one, from anybody since this journal was opened.

    An incomplete line, which a kill can leave, is removed; all other lines stay as they are. Raises SweepError where
    the folder holds something else, is of another version, or is in use by a sweep of other runs or of this process.
    """

    def __init__(self, folder: Path, sweep: Sweep) -> None:
        self._folder = folder
        self._header = _header(sweep)
        self._keys = frozenset(self._header["keys"])
        self._offset = 0  # bytes of the journal that have been read
        self._opened = False
        self._thread_lock = threading.RLock()
        self.done: set[str] = set()
        if folder.exists() and not folder.is_dir():
            raise SweepError(f"{folder} is a file: choose another folder with --out")
        if folder.resolve() in _open_here:
            raise SweepError(f"another sweep is writing to {folder}: wait for it, or choose --out")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if not (folder / _HEADER).exists() and {p.name for p in folder.iterdir()} - _OUR_FILES:
                raise SweepError(f"{folder} holds files but no sweep.json: choose an empty folder with --out")
            if (folder / _HEADER).exists():
                read_header(folder)
            self._file = open(folder / _JOURNAL, "a+b")  # noqa: SIM115 - held open for the whole sweep
            self._claims = open(folder / _CLAIMS, "a+b")  # noqa: SIM115 - closing it gives up every claim
        except OSError as error:
            raise SweepError(f"cannot write {folder}: {error.strerror}; choose another with --out") from None
        _open_here.add(folder.resolve())
        try:
            with self._locked():
                self._share_folder()
            self._opened = True
        except BaseException:
            self.close()
            raise

    def _share_folder(self) -> None:
        """Write the header, or see that the sweeps that are writing here have the same runs."""
        if _try_lock(self._claims, _IN_USE_BYTE):  # nobody else is here
            write_then_replace(
                self._folder / _HEADER, json.dumps(self._header, indent=1, ensure_ascii=False) + "\n"
            )
        elif read_header(self._folder).get("keys") != self._header["keys"]:
            raise SweepError(
                f"another sweep is writing other runs to {self._folder}: wait for it, or choose --out"
            )
        fcntl.lockf(self._claims, fcntl.LOCK_SH, 1, _IN_USE_BYTE)

    @contextlib.contextmanager
    def _locked(self) -> Generator[None]:
        """Keep all others from the journal, and read what they have written."""
        with self._thread_lock:
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX)
            except OSError as error:
                raise SweepError(f"cannot lock {self._file.name}: {error.strerror}") from None
            try:
                self._read_new_rows()
                yield
            finally:
                fcntl.flock(self._file, fcntl.LOCK_UN)

    def _read_new_rows(self) -> None:
        descriptor = self._file.fileno()
        new = os.pread(descriptor, os.fstat(descriptor).st_size - self._offset, self._offset)
        whole = new.rfind(b"\n") + 1
        if whole < len(new):  # its writer is dead, or it would hold the lock
            os.truncate(descriptor, self._offset + whole)
        self._offset += whole
        for line in new[:whole].splitlines():
            try:
                row = json.loads(line)
                key, failed = row["key"], row["error"]
            except (ValueError, KeyError, TypeError):
                raise SweepError(f"{self._folder / _JOURNAL} is damaged: {line[:60]!r} is no row") from None
            if failed and not self._opened:
                self.done.discard(key)  # is tried again
            elif key in self._keys:
                self.done.add(key)

    def claim(self, key: str) -> bool:
        """Return whether this sweep is to do a run: it is not done, and nobody else is doing it."""
        with self._locked():
            return key not in self.done and _try_lock(self._claims, _claimed_byte(key))

    def append(self, row: dict[str, Any]) -> None:
        """Write one line at once, and give up the claim on its run. Raise OSError when the disk is full."""
        row = {k: None if v != v else round(v, 6) if isinstance(v, float) else v for k, v in row.items()}
        with self._locked():
            self._file.write((json.dumps(row, ensure_ascii=False) + "\n").encode())
            self._file.flush()
            self._read_new_rows()
            fcntl.lockf(self._claims, fcntl.LOCK_UN, 1, _claimed_byte(row["key"]))

    def write_table(self) -> None:
        """Write the rows of `load_results` as runs.parquet, completely or not at all."""
        part = self._folder / f"{_TABLE}.part"
        with self._locked():
            load_results(self._folder).to_parquet(part, index=False)
            part.replace(self._folder / _TABLE)

    def close(self) -> None:
        """Give up every claim."""
        _open_here.discard(self._folder.resolve())
        self._claims.close()
        self._file.close()


def _claimed_byte(key: str) -> int:
    return int(key, 16) >> 2  # a key has 64 bits, and the largest place is 2 ** 63 - 1


def _try_lock(file: Any, place: int) -> bool:
    """Lock one byte of a file; return False where another process has it. Raise OSError where locks do not work."""
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
    except (BlockingIOError, PermissionError):
        return False
    return True


def _header(sweep: Sweep) -> dict[str, Any]:
    """Return what sweep.json holds: the sweep, the keys of its runs, and the versions and hardware."""
    from commentator_lib.runs.meters import hardware

    return {
        "format_version": FORMAT_VERSION,
        "sweep": sweep.model_dump(),
        "keys": [job.key for job in plan_jobs(sweep)],
        "versions": dict(versions()),
        "hardware": hardware(),
        "commit": commit(),
    }


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
