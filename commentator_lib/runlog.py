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
import platform
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

FORMAT_VERSION = 1
OUTCOMES = ("spoken", "silent", "unchanged", "interrupted", "stale", "failed")


class RunLogError(Exception):
    """A run folder that cannot be written or read; the message says what and how to mend it."""


@dataclass(slots=True)
class CycleRecord:
    """One cycle. Times in seconds since the session's start; None where it did not get that far."""

    cycle: int
    outcome: str = "failed"
    reason: str = ""
    trigger: str = ""  # slot · first · instruction · change · profile
    policy: str = ""
    # the frames it looked at
    frames: int = 0
    frame_first_index: int | None = None
    frame_last_index: int | None = None
    frame_oldest_age_s: float | None = None  # at the start of inference
    frame_newest_age_s: float | None = None
    frame_newest_captured_s: float | None = None
    # the scene
    change_mean: float | None = None
    change_block: float | None = None
    change_compensated: float | None = None
    intensity: str = ""
    # tokens; None where the commentator does not count them
    image_tokens: int | None = None
    prompt_tokens: int | None = None
    prompt_characters: int | None = None
    output_tokens: int = 0
    discarded_tokens: int = 0
    # what happened when
    decide_s: float | None = None
    slot_s: float | None = None  # when this comment should have been heard
    infer_s: float | None = None
    first_text_s: float | None = None
    first_sound_s: float | None = None  # ready to be played; text only: the text
    generated_s: float | None = None
    heard_from_s: float | None = None
    heard_to_s: float | None = None
    done_s: float | None = None
    # measures
    first_sound_latency_s: float | None = None  # first_sound − newest frame's capture
    speech_s: float = 0.0  # heard
    gap_before_s: float | None = None  # silence since the comment before
    pause_s: float | None = None  # the pause that was set then
    shortfall_s: float | None = None  # silence beyond the pause
    delay_wanted_s: float | None = None
    delay_applied_s: float | None = None
    sync_error_s: float | None = None  # heard_from − when its newest frame was due
    underruns: int = 0
    # the words
    text: str = ""  # all of it
    heard_text: str = ""  # what was really heard
    # what the model spent its time on; they overlap where it speaks while it writes
    preprocess_s: float | None = None
    vision_s: float | None = None
    prefill_s: float | None = None
    decode_s: float | None = None
    talker_s: float | None = None
    vocoder_s: float | None = None
    # memory of the GPU: by the driver (all processes), and by PyTorch (what this process holds in tensors)
    vram_idle_bytes: int | None = None
    vram_peak_bytes: int | None = None
    torch_idle_bytes: int | None = None
    torch_peak_bytes: int | None = None


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


def cycles_frame(rows: list[dict[str, Any]]):
    """Rows of cycles as a DataFrame, with all columns and stable types even where there are no rows."""
    import pandas as pd

    columns = {f.name: f.type for f in dataclasses.fields(CycleRecord)}
    frame = pd.DataFrame(rows, columns=list(columns))
    for name, kind in columns.items():
        if "float" in kind:
            frame[name] = frame[name].astype("float64")
        elif "int" in kind:
            frame[name] = frame[name].astype("Int64")
    return frame


def _write_json(path: Path, data: dict[str, Any]) -> None:
    """Whole or not at all: a run that is killed while it writes keeps its old header."""
    part = path.with_suffix(".part")
    part.write_text(json.dumps(data, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(part, path)


def read_journal(path: Path) -> Iterator[dict[str, Any]]:
    """Rows of a .jsonl journal; the last line may be cut off by a kill, and is left out then."""
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


def write_tables(folder: Path) -> None:
    """cycles.parquet and samples.parquet from the journals."""
    import pandas as pd

    cycles_frame(list(read_journal(folder / "cycles.jsonl"))).to_parquet(
        folder / "cycles.parquet", index=False
    )
    pd.DataFrame(list(read_journal(folder / "samples.jsonl"))).to_parquet(
        folder / "samples.parquet", index=False
    )


@dataclass(frozen=True)
class Run:
    """A run read back from its folder, finished or killed."""

    folder: Path
    header: dict[str, Any]
    cycles: Any  # DataFrame
    samples: Any  # DataFrame
    events: list[dict[str, Any]]


def load_run(folder: Path | str) -> Run:
    """Read a run's folder. RunLogError when it is none, damaged, or of another version."""
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
    return Run(
        folder,
        header,
        cycles_frame(list(read_journal(folder / "cycles.jsonl"))),
        pd.DataFrame(list(read_journal(folder / "samples.jsonl"))),
        list(read_journal(folder / "events.jsonl")),
    )


def read_shown(folder: Path) -> np.ndarray:
    """shown.csv as (N, 4) float64: index, captured_s, due_s, shown_s; a cut-off last line is left out."""
    rows = []
    with open(folder / "shown.csv", encoding="utf-8") as lines:
        next(lines, None)
        for line in lines:
            parts = line.split(",")
            if line.endswith("\n") and len(parts) == 4:
                rows.append([float(p) for p in parts])
    return np.asarray(rows, dtype=np.float64).reshape(-1, 4)


def totals(rows: list[dict[str, Any]]) -> dict[str, int]:
    """How many cycles ended in which way."""
    counts = Counter(row["outcome"] for row in rows)
    return {outcome: counts.get(outcome, 0) for outcome in OUTCOMES}


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that shape a run's result."""
    from importlib.metadata import PackageNotFoundError, version

    found = {"python": platform.python_version()}
    for package in ("commentator-lib", "av", "hibari-tts", "numpy", "onnxruntime", "opencv-python-headless",
                    "rapidocr", "soxr", "torch", "transformers"):  # fmt: skip
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def commit() -> str | None:
    """The checkout's commit, with "+" where files were changed; None outside a checkout."""
    import subprocess

    root = Path(__file__).resolve().parent.parent
    if not (root / ".git").exists():
        return None
    try:
        head = subprocess.run(
            ["git", "-C", str(root), "rev-parse", "--short=12", "HEAD"],
            capture_output=True,
            text=True,
            timeout=10,
        )
        dirty = subprocess.run(
            ["git", "-C", str(root), "status", "--porcelain", "-uno"],
            capture_output=True,
            text=True,
            timeout=10,
        )
    except (OSError, subprocess.TimeoutExpired):  # no git here
        return None
    return head.stdout.strip() + ("+" if dirty.stdout.strip() else "") if head.returncode == 0 else None
