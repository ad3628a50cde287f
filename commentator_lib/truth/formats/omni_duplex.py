"""Omni-DuplexEval: what a model said while it watched, as its scripts read it."""

from __future__ import annotations

import json
from typing import Any

from commentator_lib.truth.base import TimedText, Timeline, TruthError, as_texts
from commentator_lib.truth.formats.parsing import Format, field_of, number_of, one_video, parse_json


def fits(_text: str, first: Any) -> bool:
    """Return whether a file is a list of sentences with their times, or of texts with the time of each."""
    row = first[0] if isinstance(first, list) and first else None
    return isinstance(row, dict) and (
        {"sentence", "start", "end"} <= set(row) or {"text", "current_time"} <= set(row)
    )


def read(text: str) -> Timeline:
    """Return the sentences of a response."""
    rows = parse_json(text)
    if not isinstance(rows, list):
        raise TruthError("it is no list of sentences")
    found: list[TimedText] = []
    for number, row in enumerate(rows, start=1):
        where = f"sentence {number}"
        if isinstance(row, dict) and "current_time" in row:
            at_s = number_of(row["current_time"], where)
            found.append(TimedText(at_s, at_s, field_of(row, "text", str, where)))
            continue
        start_s, end_s = (number_of(field_of(row, name, object, where), where) for name in ("start", "end"))
        found.append(TimedText(start_s, end_s, field_of(row, "sentence", str, where)))
    return Timeline(found)


def write(timeline: Timeline) -> str:
    """Return the list of sentences of one video."""
    texts = one_video(timeline, as_texts(timeline))
    rows = [{"sentence": t.text, "start": t.start_s, "end": t.end_s} for t in texts]
    return json.dumps(rows, indent=2, ensure_ascii=False) + "\n"


FORMAT = Format("omni-duplex", "Omni-DuplexEval, a response", fits, read, write)
