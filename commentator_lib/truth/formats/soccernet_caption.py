"""SoccerNet-Caption: comments at points of a match, as labels and as results of dense captioning."""

from __future__ import annotations

from typing import Any

from commentator_lib.truth.base import TimedText, Timeline, TruthError, as_texts
from commentator_lib.truth.formats.parsing import Format, rest_of
from commentator_lib.truth.formats.soccernet_times import (
    has_rows,
    place_fields,
    place_of,
    refuse_other_videos,
    results,
    rows_of,
)

_TEXTS = ("comment", "anonymized", "description", "identified")  # the first that a row has is its text


def fits(_text: str, first: Any) -> bool:
    """Return whether the rows of a file have a clock and a comment."""
    return any(has_rows(first, "gameTime", name) for name in _TEXTS)


def read(text: str) -> Timeline:
    """Return the comments of `Labels-caption.json` or of `results_dense_captioning.json`."""
    rows, listed, rest = rows_of(text)
    found: list[TimedText] = []
    for number, row in enumerate(rows, start=1):
        where = f"{listed} {number}"
        half, time_s = place_of(row, where)
        column = next((name for name in _TEXTS if isinstance(row.get(name), str)), None)
        if column is None:
            raise TruthError(f"{where} has no text in {', '.join(_TEXTS)}")
        extra = rest_of(row, "gameTime", "position", "half", column)
        found.append(TimedText(time_s, time_s, row[column], half, extra))
    return Timeline(found, extra=rest)


def write(timeline: Timeline) -> str:
    """Return `results_dense_captioning.json`: a comment stands at its start."""
    refuse_other_videos(timeline)
    rows: list[dict[str, str]] = []
    for text in as_texts(timeline):
        place = place_fields(text.video, text.start_s)
        rows.append(
            {
                "gameTime": place["gameTime"],
                "label": "comments",
                "position": place["position"],
                "half": place["half"],
                "confidence": str(text.extra.get("confidence", "1.0")),
                "comment": text.text,
            }
        )
    return results(timeline, rows)


FORMAT = Format(
    "soccernet-caption",
    "SoccerNet-Caption (Labels-caption.json, results_dense_captioning.json)",
    fits,
    read,
    write,
    one_after_another=False,
)
