"""The run log: one row a cycle, one sample a second, written as it happens.

A run's folder holds journals that are appended line by line and flushed, since a table that is saved at the end would
be lost with a killed process. After a kill −9 every finished cycle is readable, and `finish_run` makes the tables from
the journals, as the run itself does at its end.

    run.json          header: settings, versions, hardware, commit, sources; its totals once it has ended
    cycles.jsonl      journal of cycles      → cycles.parquet
    samples.jsonl     journal of samples     → samples.parquet
    watch.jsonl       journal of what watchers noticed, and of which cycle told it → events.parquet
    questions.jsonl   journal of questions, a row for each change of one → questions.parquet
    events.jsonl      sounds and captions as they were heard and seen
    changes.jsonl     settings and instructions that were changed during the run
    shown.csv         every frame shown: index, capture, due and shown time
    voice.pcm         the sound that was played, int16 mono 48 kHz, piece after piece
    run.lock          while the run is written: the folder belongs to one session (claim.py)

All times are seconds since the session's start on its one clock; only the header has wall time.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import operator
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from commentator_lib.events import Event
from commentator_lib.files import encodable, write_then_replace
from commentator_lib.media import is_silent
from commentator_lib.runs.claim import HEADER_NAME, Claim, is_claimed
from commentator_lib.runs.reader import load_run, read_journal
from commentator_lib.runs.record import (
    FORMAT_VERSION,
    CycleRecord,
    RunLogError,
    cycles_frame,
    events_frame,
    questions_frame,
    totals,
)
from commentator_lib.runs.rows import Rows

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)

_JOURNALS = (
    "cycles.jsonl",
    "samples.jsonl",
    "watch.jsonl",
    "questions.jsonl",
    "events.jsonl",
    "changes.jsonl",
)


_CYCLE_COLUMNS = tuple(field.name for field in dataclasses.fields(CycleRecord))
_values_of = operator.attrgetter(*_CYCLE_COLUMNS)
_STORABLE_TYPES = frozenset((type(None), bool, int))


def _storable(row: dict[str, Any]) -> dict[str, Any]:
    """Return the row with times to the microsecond, which are the same on every machine, and texts that UTF-8 can hold.

    A model, a user or a stream may say anything, also half of a surrogate pair, which neither a file nor pandas takes.
    """
    return {
        k: v if (kind := type(v)) in _STORABLE_TYPES else round(v, 6) if kind is float else _storable_value(v)
        for k, v in row.items()
    }


def _storable_value(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 6)
    return encodable(value) if isinstance(value, str) else value


_encode = json.JSONEncoder(ensure_ascii=False, default=str).encode


def _line(row: dict[str, Any]) -> str:
    """Return a row as a line of a journal."""
    return _encode(row) + "\n"


def _shown_line(index: int, captured_s: float, due_s: float, shown_s: float) -> str:
    """Return a frame's line of shown.csv. Most frames are shown when they are due."""
    due = f"{due_s:.6f}"
    shown = due if shown_s == due_s else f"{shown_s:.6f}"
    return f"{index},{captured_s:.6f},{due},{shown}\n"


class RunLog:
    """Journals of one run. `folder` None keeps the rows in memory only, for sweeps and tests.

    Raise RunLogError when the folder cannot be made, holds a run already or is another session's. A write that fails
    later (a full disk) does not raise an error: it sets `problem`, and nothing more is written; the session sees it and
    ends the run.
    `on_row("cycle", "sample", "event" or "question", row)` is called with each row as it is written.
    """

    def __init__(self, folder: Path | str | None, header: dict[str, Any]) -> None:
        self.folder = Path(folder) if folder is not None else None
        self.header: dict[str, Any] = {"format_version": FORMAT_VERSION, **header}
        self.problem = ""
        self.cycle_rows, self.sample_rows, self.watch_rows, self.question_rows, self.change_rows = (
            Rows(None if self.folder is None else self.folder / f"{name}.jsonl")
            for name in ("cycles", "samples", "watch", "questions", "changes")
        )
        self._noticed = 0
        self.on_row: Callable[[str, dict[str, Any]], None] = lambda *_: None
        self._files: dict[str, Any] = {}
        self._claim: Claim | None = None
        self._pcm_samples = 0
        if self.folder is not None:
            try:
                self._claim = Claim(self.folder)
                for name in (*_JOURNALS, "shown.csv"):
                    self._files[name] = open(self.folder / name, "w", encoding="utf-8")  # noqa: SIM115
                self._files["voice.pcm"] = open(self.folder / "voice.pcm", "wb")  # noqa: SIM115
                write_header(self.folder, self.header)
            except OSError as error:
                self.close()
                raise RunLogError(
                    f"cannot write the run folder {self.folder}: {error.strerror}; choose another with --out"
                ) from None
            self._write("shown.csv", "index,captured_s,due_s,shown_s\n", flush=True)

    def _write(self, name: str, data: str | bytes, flush: bool) -> None:
        if self.folder is None or self.problem or not self._files:
            return
        try:
            self._files[name].write(data)
            if flush:
                self._files[name].flush()
        except OSError as error:
            self._note_problem(_cannot_write(self.folder / name, error))

    def _write_row(self, name: str, row: dict[str, Any]) -> None:
        if self._files:
            self._write(name, _line(row), flush=True)

    def _note_problem(self, problem: str) -> None:
        """Keep the first problem; nothing is written after it."""
        if problem and not self.problem:
            self.problem = problem
            logger.error("the run's log ends here: %s", self.problem)

    def check_folder(self) -> None:
        """Set `problem` where the folder has been removed, moved or replaced since the run began."""
        if self._claim is not None:
            self._note_problem(self._claim.problem())

    def cycle(self, record: CycleRecord) -> None:
        """Write the row of a cycle that has ended."""
        row = _storable(dict(zip(_CYCLE_COLUMNS, _values_of(record), strict=True)))
        self.cycle_rows.append(row)
        self._write_row("cycles.jsonl", row)
        if record.outcome == "failed":
            logger.warning("cycle %d failed: %s", record.cycle, row["reason"])
        else:
            logger.debug("cycle %d %s", record.cycle, f"{record.outcome} {row['reason']}".strip())
        self.on_row("cycle", row)

    def sampled(self, rows: Sequence[dict[str, Any]]) -> None:
        """Write one row for each second: what the run costs, and how far it has come."""
        rows = [_storable(row) for row in rows]
        for row in rows:
            self.sample_rows.append(row)
        if self._files:
            self._write("samples.jsonl", "".join([_line(row) for row in rows]), flush=True)
        for row in rows:
            self.on_row("sample", row)
        if "shown.csv" in self._files and not self.problem:  # once a second is often enough for the picture
            self._write("shown.csv", "", flush=True)

    def noticed(self, event: Event, captured_s: float) -> int:
        """Write the row of an event that a watcher noticed; return its number in the run.

        `captured_s`: when its first evidence was captured, in seconds since the session's start.
        """
        number, self._noticed = self._noticed, self._noticed + 1
        facts = json.dumps(dict(event.facts), ensure_ascii=False, default=str)
        times = {"at_s": event.at_s, "detected_s": event.detected_s, "captured_s": captured_s}
        rest = {"importance": event.importance, "certainty": event.certainty, "facts": facts}
        self._watch_row({"event": number, "kind": event.kind, **times, **rest})
        return number

    def told(self, numbers: Sequence[int], cycle: int) -> None:
        """Note that a cycle told these events, and somebody heard it."""
        for number in numbers:
            self._watch_row({"event": number, "cycle": cycle})

    def question(self, row: dict[str, Any]) -> None:
        """Write a change of a question; `row` as `questions_frame` has it."""
        row = _storable(row)
        self.question_rows.append(row)
        self._write_row("questions.jsonl", row)
        self.on_row("question", row)

    def changed(self, setting: str, old: Any, new: Any, at_s: float) -> None:
        """Note that a setting, or the instruction, holds another value from `at_s` on; JSON can hold both values."""
        row = _storable({"at_s": at_s, "setting": setting, "old": old, "new": new})
        self.change_rows.append(row)
        self._write_row("changes.jsonl", row)

    def _watch_row(self, row: dict[str, Any]) -> None:
        row = _storable(row)
        self.watch_rows.append(row)
        self._write_row("watch.jsonl", row)
        self.on_row("event", row)

    def shown(self, index: int, captured_s: float, due_s: float, shown_s: float) -> None:
        """Note that a frame was shown; times in seconds since the session's start."""
        if self._files:
            self._write("shown.csv", _shown_line(index, captured_s, due_s, shown_s), flush=False)

    def shown_all(self, rows: Sequence[tuple[int, float, float, float]]) -> None:
        """Note that frames were shown, each (index, captured_s, due_s, shown_s) as `shown` takes it."""
        if self._files and rows:
            self._write("shown.csv", "".join([_shown_line(*row) for row in rows]), flush=False)

    def sounded(self, cycle: int, samples: np.ndarray, from_s: float) -> None:
        """Note that a piece of sound, (N,) int16 at 48 kHz, was played from `from_s` on."""
        if not self._files:
            return
        at_sample = None  # silence is not stored: a what-if run has hours of it
        if not is_silent(samples):
            self._write("voice.pcm", np.ascontiguousarray(samples).tobytes(), flush=True)
            at_sample = self._pcm_samples
            self._pcm_samples += len(samples)
        self._event("sound", cycle, from_s, at_sample=at_sample, samples=len(samples))

    def captioned(self, cycle: int, text: str, final: bool, at_s: float) -> None:
        """Note that a caption was shown; `text` is all of the comment that has been heard so far."""
        if self._files:
            self._event("caption", cycle, at_s, text=text, final=final)

    def _event(self, kind: str, cycle: int, at_s: float, **more: Any) -> None:
        row = _storable({"kind": kind, "cycle": cycle, "at_s": at_s, **more})
        self._write_row("events.jsonl", row)

    @property
    def cycles(self) -> pd.DataFrame:
        """All cycles so far, with CycleRecord's fields for columns."""
        return cycles_frame(list(self.cycle_rows))

    @property
    def samples(self) -> pd.DataFrame:
        """All samples so far."""
        import pandas as pd

        return pd.DataFrame(list(self.sample_rows))

    @property
    def events(self) -> pd.DataFrame:
        """All events that were noticed so far, with the cycle that told each."""
        return events_frame(list(self.watch_rows))

    @property
    def questions(self) -> pd.DataFrame:
        """All questions so far, each with its last state."""
        return questions_frame(list(self.question_rows))

    def close(self) -> None:
        """Close the journals and give the folder back; a second call does nothing."""
        self._close_journals()
        if self._claim is not None:
            self._claim.release()

    def _close_journals(self) -> None:
        for file in self._files.values():
            try:
                file.close()
            except OSError as error:  # the last flush found the disk full
                self._note_problem(_cannot_write(file.name, error))
        self._files = {}

    def finish(self, totals: dict[str, Any]) -> None:
        """Close the journals, write the tables and the totals into the header. A second call does nothing more."""
        self.header = {**self.header, "finished": True, **totals}
        had_files = bool(self._files)
        self.check_folder()
        self._close_journals()
        if self.folder is not None and had_files and not self.problem:
            try:
                write_tables(self.folder)
                write_header(self.folder, self.header)
            except OSError as error:
                self._note_problem(_cannot_write(self.folder, error))
        self.close()


def _cannot_write(name: Path | str, error: OSError) -> str:
    return f"cannot write {name}: {error.strerror}"


def write_header(folder: Path, header: dict[str, Any]) -> None:
    """Write run.json completely or not at all: a run that is killed meanwhile keeps its old header."""
    write_then_replace(folder / HEADER_NAME, json.dumps(header, indent=2, ensure_ascii=False) + "\n")


def write_tables(folder: Path) -> None:
    """Write cycles.parquet, samples.parquet, events.parquet and questions.parquet from the journals."""
    import pandas as pd

    cycles = cycles_frame(list(read_journal(folder / "cycles.jsonl")))
    cycles.to_parquet(folder / "cycles.parquet", index=False)
    samples = pd.DataFrame(list(read_journal(folder / "samples.jsonl")))
    samples.to_parquet(folder / "samples.parquet", index=False)
    events_frame(list(read_journal(folder / "watch.jsonl"))).to_parquet(
        folder / "events.parquet", index=False
    )
    questions = questions_frame(list(read_journal(folder / "questions.jsonl")))
    questions.to_parquet(folder / "questions.parquet", index=False)


def finish_run(folder: Path) -> bool:
    """Give a killed run the tables and the closed header that it could not write; return whether it needed them.

    Raise RunLogError for a folder that is no run, or damaged, or still being written.
    """
    run = load_run(folder)
    if is_claimed(folder):
        raise RunLogError(f"the run in {folder} is still going on: wait for its end")
    if run.header.get("finished"):
        return False
    write_tables(folder)
    outcomes = totals(run.cycles.to_dict("records"))
    write_header(folder, {**run.header, "finished": False, "recovered": True, "outcomes": outcomes})
    logger.info("%s was killed: its tables are made from the journals", folder)
    return True
