"""OVO-Bench: questions about a video at a moment; read only.

The tasks that wait for something become events at which the answer is due: the clue of CRR, each step of SSR, each
repetition of REC. Every other task is one event at the moment of its question, whose text is the right answer.
"""

from __future__ import annotations

from typing import Any

from commentator_lib.truth.base import TimedEvent, Timeline, TruthError
from commentator_lib.truth.formats.parsing import Format, field_of, number_of, parse_json, rest_of


def fits(_text: str, first: Any) -> bool:
    """Return whether a file is a list of tasks on videos."""
    return (
        isinstance(first, list)
        and bool(first)
        and isinstance(first[0], dict)
        and all(name in first[0] for name in ("id", "task", "video"))
    )


def read(text: str) -> Timeline:
    """Return the events of a list of tasks; the task is the kind of an event that names none of its own."""
    rows = parse_json(text)
    if not isinstance(rows, list):
        raise TruthError("it is no list of tasks")
    return Timeline(
        events=[event for k, row in enumerate(rows, start=1) for event in _events(row, f"task {k}")]
    )


def _events(row: Any, where: str) -> list[TimedEvent]:
    task, video = (field_of(row, name, str, where) for name in ("task", "video"))
    extra = rest_of(row, "task", "video")
    if task == "CRR":
        asked_s, clue_s = (
            number_of(field_of(row, n, object, where), where) for n in ("ask_time", "clue_time")
        )
        answer = row.get("answer", "")
        return [TimedEvent(task, clue_s, video=video, text=answer, asked_s=asked_s, extra=extra)]
    if task == "SSR":
        steps = field_of(row, "all_steps", list, where)
        return _spans(row, "start_time", "end_time", [str(s) for s in steps], video, extra, where)
    if task == "REC":
        kind = field_of(row, "activity", str, where)
        count = len(field_of(row, "start_times", list, where))
        return _spans(row, "start_times", "end_times", [kind] * count, video, extra, where)
    at_s = number_of(field_of(row, "realtime", object, where), where)
    return [TimedEvent(task, at_s, video=video, text=str(row.get("answer", "")), asked_s=at_s, extra=extra)]


def _spans(
    row: Any, starts: str, ends: str, kinds: list[str], video: str, extra: dict[str, Any], where: str
) -> list[TimedEvent]:
    times = [[number_of(t, where) for t in field_of(row, name, list, where)] for name in (starts, ends)]
    if not len(kinds) == len(times[0]) == len(times[1]):
        raise TruthError(f"{where} has {len(kinds)} things, {len(times[0])} starts and {len(times[1])} ends")
    return [
        TimedEvent(kind, start_s, (start_s, end_s), video, extra=extra)
        for kind, start_s, end_s in zip(kinds, *times, strict=True)
    ]


FORMAT = Format("ovo-bench", "OVO-Bench, its list of tasks", fits, read)
