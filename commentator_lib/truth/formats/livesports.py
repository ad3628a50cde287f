"""LiveSports-3K-CC: the data set's CSV, and the JSON lines in which LiveCC's scripts store what a model said.

A row is one event of one video, in any order; events of a video may overlap, as some of the published ones do.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from typing import Any

from commentator_lib.truth.base import TimedText, Timeline, TruthError, as_texts
from commentator_lib.truth.formats.parsing import (
    Format,
    field_of,
    json_lines,
    names_of,
    number_of,
    rest_of,
)

_TIMES = ("video_id", "begin", "end")
_TEXTS = ("event_asr_text", "pred", "event_title")  # the first that a row has is its text


def fits(text: str, first: Any) -> bool:
    """Return whether the header of a CSV, or the first JSON line, has a video, its times and a text."""
    names = first if isinstance(first, dict) else text[:4000].partition("\n")[0].strip().split(",")
    return all(name in names for name in _TIMES) and any(name in names for name in _TEXTS)


def read(text: str) -> Timeline:
    """Return one text an event: what was said where the file holds it, else the event's title."""
    rows = json_lines(text) if text.lstrip().startswith("{") else _csv_rows(text)
    return Timeline([_text_of(row, f"line {number}") for number, row in rows])


def _csv_rows(text: str):
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    if not fits(text, None):
        raise TruthError(
            f"it has the columns {names_of(reader.fieldnames or [])}; "
            f"{', '.join(_TIMES)} and one of {', '.join(_TEXTS)} are needed"
        )
    try:
        for row in reader:
            if None in row or None in row.values():
                raise TruthError(
                    f"line {reader.line_num} has another number of columns than the header; is it cut off?"
                )
            yield reader.line_num, row
    except csv.Error as error:
        raise TruthError(f"line {reader.reader.line_num} is damaged or cut off: {error}") from None


def _text_of(row: Any, where: str) -> TimedText:
    video = field_of(row, "video_id", str, where)
    start_s, end_s = (number_of(field_of(row, name, (int, float, str), where), where) for name in _TIMES[1:])
    column = next((name for name in _TEXTS if row.get(name)), None)
    if column is None:
        raise TruthError(f"{where} has no text in {', '.join(_TEXTS)}")
    said = field_of(row, column, str, where)
    return TimedText(start_s, end_s, said, video, rest_of(row, *_TIMES, column))


def write(timeline: Timeline) -> str:
    """Return JSON lines as LiveCC's judge reads them. An event without number gets its place in its video."""
    seen: Counter[str] = Counter()
    lines: list[str] = []
    for text in as_texts(timeline):
        number = text.extra.get("event_id", seen[text.video])
        seen[text.video] += 1
        row = {
            "video_id": text.video,
            "event_id": int(number) if re.fullmatch("[0-9]{1,15}", str(number)) else number,
            "begin": text.start_s,
            "end": text.end_s,
            "pred": text.text,
        }
        lines.append(json.dumps(row) + "\n")
    return "".join(lines)


FORMAT = Format(
    "livesports", "LiveSports-3K-CC (CSV; JSON lines)", fits, read, write, one_after_another=False
)
