"""What the card of a run shows, taken from its log: bars, marks and lines on one time axis, each of bounded size.

A run may be hours long or come from somebody else, so every list has a most, and a value that is no number is left out.
All times are seconds since the session's start.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from commentator_lib.players.event_labels import long_label, short_label

if TYPE_CHECKING:
    import pandas as pd

# No more than this is drawn of anything: more could not be told apart on a screen.
MOST_ITEMS = 600
MOST_CHANGES = 60
# Words of a comment or a change are cut here.
MOST_CHARACTERS = 280
# No moment of a run is further than this from its start, as `reader` has it too.
_LONGEST_S = 1e7


@dataclass(frozen=True, slots=True)
class Bar:
    """A comment while it was heard, or several that follow each other where there are too many to draw."""

    from_s: float
    to_s: float
    outcome: str  # as in the log
    words: str
    count: int = 1


@dataclass(frozen=True, slots=True)
class Mark:
    """An event at the time at which the picture showed it; `told`: a comment told it."""

    at_s: float
    captured_s: float
    importance: int  # 0 to 3
    label: str
    words: str
    told: bool


@dataclass(frozen=True, slots=True)
class Change:
    """A setting or the instruction got another value."""

    at_s: float
    words: str


@dataclass(frozen=True, slots=True)
class Series:
    """Values (N,) over times (N,), by time; `count` is how many were measured, of which these are drawn."""

    at_s: np.ndarray = field(default_factory=lambda: np.zeros(0))
    values: np.ndarray = field(default_factory=lambda: np.zeros(0))
    count: int = 0


@dataclass(frozen=True, slots=True)
class CardData:
    """All that the figure draws. `comments`, `events` and `changed` count all there were; fewer may be drawn."""

    end_s: float
    bars: list[Bar]
    comments: int
    failures: list[Change]  # cycles that failed before anything was heard
    marks: list[Mark]
    events: int
    changes: list[Change]
    changed: int
    delay: Series  # s
    wanted: Series  # s
    error: Series  # s, first sound − when its picture was due
    memory: Series  # bytes
    gpu_memory: Series  # bytes


def card_data(run: Any) -> CardData:
    """Return what the card of a run shows; `run` is a SavedRun, or the RunLog of a run that has ended."""
    # 1) What was measured once a second, and once a comment.
    cycles, samples = run.cycles, run.samples
    delay, wanted, memory, gpu_memory = (
        series(numbers(samples, "at_s", _LONGEST_S), numbers(samples, name))
        for name in ("delay_applied_s", "delay_wanted_s", "rss_bytes", "vram_used_bytes")
    )
    error = series(numbers(cycles, "heard_from_s", _LONGEST_S), numbers(cycles, "sync_error_s", _LONGEST_S))
    # 2) Comments, events and changes.
    bars = _bars(cycles)
    marks = _marks(noticed_events(run), samples)
    changes = _changes(run, cycles)
    failures = _failures(cycles)
    # 3) The axis reaches to the last of them.
    ends = [1.0, *(b.to_s for b in bars), *(m.at_s for m in marks), *(c.at_s for c in changes + failures)]
    ends += [float(s.at_s[-1]) for s in (delay, wanted, error, memory, gpu_memory) if len(s.at_s)]
    return CardData(
        end_s=max(ends),
        bars=_grouped(bars),
        comments=len(bars),
        failures=failures[:MOST_ITEMS],
        marks=_most_important(marks),
        events=len(marks),
        changes=changes[:MOST_CHANGES],
        changed=len(changes),
        delay=delay,
        wanted=wanted,
        error=error,
        memory=memory,
        gpu_memory=gpu_memory,
    )


def noticed_events(run: Any) -> pd.DataFrame:
    """Return the events that watchers noticed. A SavedRun calls sounds and captions its events, a list."""
    return run.noticed if isinstance(run.events, list) else run.events


def changes_of(run: Any) -> list[dict[str, Any]]:
    """Return the rows of what was changed during the run; a SavedRun has them under another name than a RunLog."""
    return list(run.changes if hasattr(run, "changes") else run.change_rows)


def numbers(table: pd.DataFrame, column: str, most: float = 1e18) -> np.ndarray:
    """Return a column as float64 (N,): NaN where it is missing, no number or further from 0 than `most`."""
    import pandas as pd

    if column not in table:
        return np.full(len(table), np.nan)
    given = pd.Series(pd.to_numeric(pd.Series(table[column]), errors="coerce"), dtype="Float64")
    values = given.to_numpy(float, na_value=np.nan)
    return np.where(np.abs(values) <= most, values, np.nan)


def series(at_s: np.ndarray, values: np.ndarray, most: int = MOST_ITEMS) -> Series:
    """Return the values that are known, sorted by time. Where there are too many, each stretch keeps its least and
    its largest, so that no peak is lost."""
    known = ~(np.isnan(at_s) | np.isnan(values)) & (at_s >= 0)
    order = np.argsort(at_s[known], kind="stable")
    at_s, values = at_s[known][order], values[known][order]
    count = len(at_s)
    if count > most:
        kept: set[int] = {0, count - 1}
        for part in np.array_split(np.arange(count), most // 2 - 1):
            kept |= {int(part[values[part].argmin()]), int(part[values[part].argmax()])}
        chosen = sorted(kept)
        at_s, values = at_s[chosen], values[chosen]
    return Series(at_s, values, count)


def clean(text: object, most: int = MOST_CHARACTERS) -> str:
    """Return a text on one line without control characters, cut with an ellipsis; "" for anything but text."""
    if not isinstance(text, str):
        return ""
    printable = "".join(c if c.isprintable() else " " for c in text[: 4 * most])
    line = " ".join(printable.split())
    return line if len(line) <= most else f"{line[: most - 1].rstrip()}…"


# --- comments


def _bars(cycles: pd.DataFrame) -> list[Bar]:
    """Return each comment that was heard, by time."""
    from_s, to_s = numbers(cycles, "heard_from_s", _LONGEST_S), numbers(cycles, "heard_to_s", _LONGEST_S)
    bars = [
        Bar(float(a), float(max(a, b)) if b == b else float(a), clean(outcome), clean(heard) or clean(text))
        for a, b, outcome, heard, text in zip(
            from_s, to_s, cycles.outcome, cycles.heard_text, cycles.text, strict=True
        )
        if a >= 0
    ]
    return sorted(bars, key=lambda bar: bar.from_s)


def _grouped(bars: list[Bar], most: int = MOST_ITEMS) -> list[Bar]:
    """Return the bars; where there are too many, neighbours are joined."""
    size = -(-len(bars) // most)
    if size <= 1:
        return bars
    joined = []
    for k in range(0, len(bars), size):
        group = bars[k : k + size]
        worst = next((b.outcome for b in group if b.outcome != "spoken"), "spoken")
        words = clean(f"{group[0].words} … and {len(group) - 1} more" if len(group) > 1 else group[0].words)
        joined.append(Bar(group[0].from_s, max(b.to_s for b in group), worst, words, len(group)))
    return joined


def _failures(cycles: pd.DataFrame) -> list[Change]:
    """Return the cycles that failed before anything was heard, with their reason."""
    failed = cycles.loc[(cycles.outcome == "failed") & cycles.heard_from_s.isna()]
    times = np.stack([numbers(failed, name, _LONGEST_S) for name in ("done_s", "infer_s", "decide_s")])
    return [
        Change(float(known[0]), f"failed: {clean(reason) or 'no reason given'}")
        for column, reason in zip(times.T, failed.reason, strict=True)
        if len(known := column[column >= 0])
    ]


# --- events


def _marks(events: pd.DataFrame, samples: pd.DataFrame) -> list[Mark]:
    """Return each event that was noticed, by the time at which the picture showed it."""
    captured_s = numbers(events, "captured_s", _LONGEST_S)
    shown_s = on_screen_s(captured_s, samples)
    importance = np.clip(np.nan_to_num(numbers(events, "importance")), 0, 3)
    told = ~np.isnan(numbers(events, "cycle"))
    rows = events.to_dict("records")
    marks = [
        Mark(
            float(max(0.0, shown_s[k])),
            float(captured_s[k]),
            int(importance[k]),
            *_labels(row),
            bool(told[k]),
        )
        for k, row in enumerate(rows)
        if shown_s[k] == shown_s[k]
    ]
    return sorted(marks, key=lambda mark: mark.at_s)


def _labels(row: dict[Any, Any]) -> tuple[str, str]:
    named = {str(key): value for key, value in row.items()}
    return short_label(named), long_label(named)


def on_screen_s(captured_s: np.ndarray, samples: pd.DataFrame) -> np.ndarray:
    """Return when the picture showed what was captured at these times, (N,) → (N,); the same where no delay is known.

    At the time t the picture shows what was captured at t − D(t); between two samples D is a straight line.
    """
    at_s, delay_s = numbers(samples, "at_s", _LONGEST_S), numbers(samples, "delay_applied_s", _LONGEST_S)
    known = ~(np.isnan(at_s) | np.isnan(delay_s))
    if not known.any():
        return captured_s
    at_s, delay_s = at_s[known], delay_s[known]
    order = np.argsort(at_s, kind="stable")
    at_s, delay_s = at_s[order], delay_s[order]
    seen_s = np.maximum.accumulate(
        at_s - delay_s
    )  # the delay moves slower than time; a foreign log's may not
    at = np.interp(captured_s, seen_s, at_s)
    before, after = captured_s < seen_s[0], captured_s > seen_s[-1]
    return np.where(before, captured_s + delay_s[0], np.where(after, captured_s + delay_s[-1], at))


def _most_important(marks: list[Mark], most: int = MOST_ITEMS) -> list[Mark]:
    """Return the marks; where there are too many, those of the least importance are left out, evenly."""
    if len(marks) <= most:
        return marks
    by_importance = sorted(range(len(marks)), key=lambda k: (-marks[k].importance, k * 7919 % len(marks)))
    return [marks[k] for k in sorted(by_importance[:most])]


# --- changes


def _changes(run: Any, cycles: pd.DataFrame) -> list[Change]:
    """Return what was changed, by time; of a log without such rows the cycles that a new instruction has started."""
    found = [
        Change(max(0.0, float(row["at_s"])), change_words(row))
        for row in changes_of(run)
        if abs(row["at_s"]) <= _LONGEST_S
    ]
    if not any(row["setting"] == "instruction" for row in changes_of(run)):
        at_s = numbers(cycles, "decide_s", _LONGEST_S)
        started = (cycles.trigger == "instruction").to_numpy(bool)
        found += [Change(float(t), "new instruction") for t in at_s[started] if t >= 0]
    return sorted(found, key=lambda change: change.at_s)


def change_words(row: dict[str, Any]) -> str:
    """Return a row of changes.jsonl in words.

    >>> change_words({"setting": "pause_s", "old": 1.0, "new": 0.5})
    'pause_s 1 → 0.5'
    >>> change_words({"setting": "instruction", "old": "Watch.", "new": "Who leads?"})
    'instruction: Who leads?'
    """
    setting, old, new = clean(row["setting"], 40), _value(row.get("old")), _value(row.get("new"))
    if setting in ("instruction", "source"):
        return clean(f"{setting}: {new}", 160)
    return clean(f"{setting} {old} → {new}", 160)


def _value(value: object) -> str:
    """Return a setting's value in a few characters."""
    if value is None or value == "":
        return "none"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, int | float):
        return f"{value:g}"
    return clean(value, 120) if isinstance(value, str) else clean(json.dumps(value, default=str), 120)


def known(values: Sequence[float] | np.ndarray) -> np.ndarray:
    """Return the values that are numbers, (N,) float64."""
    array = np.asarray(values, dtype=float)
    return array[~np.isnan(array)]
