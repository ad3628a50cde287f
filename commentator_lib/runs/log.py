"""The run log: one row a cycle, one sample a second, written as it happens.

A DataFrame that is saved at the end, the obvious way, is lost with the process. So a run's folder holds
journals that are appended line by line and flushed: after a kill −9 every finished cycle is readable, and
`finish_run` makes of them what the run itself would have made. Parquet comes at the end, from the journals.

    run.json          header: settings, versions, hardware, commit, sources; its totals once it has ended
    cycles.jsonl      journal of cycles      → cycles.parquet
    samples.jsonl     journal of samples     → samples.parquet
    events.jsonl      sounds and captions as they were heard and seen
    shown.csv         every frame shown: index, capture, due and shown time
    voice.pcm         the sound that was played, int16 mono 48 kHz, piece after piece

All times are seconds since the session's start on its one clock; wall time stands in the header alone.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from commentator_lib.runs.reader import write_tables
from commentator_lib.runs.record import FORMAT_VERSION, CycleRecord, RunLogError, cycles_frame


def _rounded(row: dict[str, Any]) -> dict[str, Any]:
    """Times to the microsecond: enough for any measure, and the same on every machine."""
    return {k: round(v, 6) if isinstance(v, float) else v for k, v in row.items()}


class RunLog:
    """Journals of one run. `folder` None keeps the rows in memory only, for sweeps and tests.

    Raises RunLogError when the folder cannot be made. A write that fails later (a full disk) does not
    raise: it sets `problem`, and nothing more is written; the session sees it and ends the run.
    """

    def __init__(self, folder: Path | str | None, header: dict[str, Any]) -> None:
        self.folder = Path(folder) if folder is not None else None
        self.header = {"format_version": FORMAT_VERSION, **header}
        self.problem = ""
        self.cycle_rows: list[dict[str, Any]] = []
        self.sample_rows: list[dict[str, Any]] = []
        # Told of each cycle and each sample as it is written: `on_row("cycle" or "sample", row)`.
        self.on_row: Callable[[str, dict[str, Any]], None] = lambda *_: None
        self._files: dict[str, Any] = {}
        self._pcm_samples = 0
        if self.folder is not None:
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                for name in ("cycles.jsonl", "samples.jsonl", "events.jsonl", "shown.csv"):
                    self._files[name] = open(self.folder / name, "w", encoding="utf-8")  # noqa: SIM115
                self._files["voice.pcm"] = open(self.folder / "voice.pcm", "wb")  # noqa: SIM115
                _write_json(self.folder / "run.json", self.header)
            except OSError as error:
                self.close()
                raise RunLogError(
                    f"cannot write the run folder {self.folder}: {error.strerror}; choose another with --out"
                ) from None
            self._write("shown.csv", "index,captured_s,due_s,shown_s\n", flush=True)

    def _write(self, name: str, data: str | bytes, flush: bool) -> None:
        if self.problem or not self._files:
            return
        try:
            self._files[name].write(data)
            if flush:
                self._files[name].flush()
        except OSError as error:
            self.problem = f"cannot write {self.folder / name}: {error.strerror}"

    def cycle(self, record: CycleRecord) -> None:
        row = _rounded(dataclasses.asdict(record))
        self.cycle_rows.append(row)
        self._write("cycles.jsonl", json.dumps(row, ensure_ascii=False) + "\n", flush=True)
        self.on_row("cycle", row)

    def sample(self, row: dict[str, Any]) -> None:
        row = _rounded(row)
        self.sample_rows.append(row)
        self._write("samples.jsonl", json.dumps(row) + "\n", flush=True)
        self.on_row("sample", row)
        if "shown.csv" in self._files and not self.problem:  # once a second is often enough for the picture
            self._write("shown.csv", "", flush=True)

    def shown(self, index: int, captured_s: float, due_s: float, shown_s: float) -> None:
        if self._files:
            self._write("shown.csv", f"{index},{captured_s:.6f},{due_s:.6f},{shown_s:.6f}\n", flush=False)

    def sounded(self, cycle: int, samples: np.ndarray, from_s: float) -> None:
        """A piece of sound (int16, 48 kHz) was played from `from_s` on."""
        if not self._files:
            return
        at_sample = None  # silence takes no room: a what-if run has hours of it
        if samples.any():
            self._write("voice.pcm", np.ascontiguousarray(samples).tobytes(), flush=True)
            at_sample = self._pcm_samples
            self._pcm_samples += len(samples)
        self._event("sound", cycle, from_s, at_sample=at_sample, samples=len(samples))

    def captioned(self, cycle: int, text: str, final: bool, at_s: float) -> None:
        if self._files:
            self._event("caption", cycle, at_s, text=text, final=final)

    def _event(self, kind: str, cycle: int, at_s: float, **more: Any) -> None:
        row = _rounded({"kind": kind, "cycle": cycle, "at_s": at_s, **more})
        self._write("events.jsonl", json.dumps(row, ensure_ascii=False) + "\n", flush=True)

    @property
    def cycles(self):
        """All cycles so far, a pandas DataFrame with CycleRecord's columns."""
        return cycles_frame(self.cycle_rows)

    @property
    def samples(self):
        """All samples so far, a pandas DataFrame."""
        import pandas as pd

        return pd.DataFrame(self.sample_rows)

    def close(self) -> None:
        for file in self._files.values():
            try:
                file.close()
            except OSError as error:  # the last flush found the disk full
                self.problem = self.problem or f"cannot write {file.name}: {error.strerror}"
        self._files = {}

    def finish(self, totals: dict[str, Any]) -> None:
        """Close the journals, write the parquet files and the totals into the header. No second effect."""
        self.header = {**self.header, "finished": True, **totals}
        had_files = bool(self._files)
        self.close()
        if had_files and not self.problem:
            try:
                write_tables(self.folder)
                _write_json(self.folder / "run.json", self.header)
            except OSError as error:
                self.problem = f"cannot write {self.folder}: {error.strerror}"


def _write_json(path: Path, data: dict[str, Any]) -> None:
    """Whole or not at all: a run that is killed while it writes keeps its old header."""
    part = path.with_suffix(".part")
    part.write_text(json.dumps(data, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(part, path)
