"""StreamingBench, proactive output: something is asked for, and is to be said when it happens; read only."""

from __future__ import annotations

from typing import Any

from commentator_lib.truth.base import TimedEvent, Timeline, TruthError
from commentator_lib.truth.formats.parsing import Format, clock_s, field_of, parse_json, rest_of

WITHIN_S = 2.0  # an answer counts that is at most so early or late


def fits(_text: str, first: Any) -> bool:
    """Return whether a file is a list of entries whose questions say when the answer is due."""
    if not isinstance(first, list) or not first or not isinstance(first[0], dict):
        return False
    questions = first[0].get("questions")
    return isinstance(questions, list) and all(
        isinstance(q, dict) and "ground_truth_time_stamp" in q for q in questions
    )


def read(text: str) -> Timeline:
    """Return one event a question: what is to be said, when, and when it was asked for."""
    rows = parse_json(text)
    if not isinstance(rows, list):
        raise TruthError("it is no list of entries")
    found: list[TimedEvent] = []
    for k, row in enumerate(rows, start=1):
        video = field_of(row, "video_path", str, f"entry {k}")
        for question in field_of(row, "questions", list, f"entry {k}"):
            found.append(_event(question, video, f"entry {k}"))
    return Timeline(events=found)


def _event(question: Any, video: str, where: str) -> TimedEvent:
    asked, wanted, said = (
        field_of(question, name, str, where)
        for name in ("time_stamp", "ground_truth_time_stamp", "ground_truth_output")
    )
    try:
        at_s, asked_s = clock_s(wanted), clock_s(asked)
    except TruthError as error:
        raise TruthError(f"{where}: {error}") from None
    window = (max(0.0, at_s - WITHIN_S), at_s + WITHIN_S)
    extra = rest_of(question, "time_stamp", "ground_truth_time_stamp", "ground_truth_output")
    return TimedEvent(
        str(question.get("task_type", "Proactive Output")), at_s, window, video, said, asked_s, extra=extra
    )


FORMAT = Format("streaming-bench", "StreamingBench, proactive questions", fits, read)
