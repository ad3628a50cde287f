"""SoccerNet action spotting: labels at points of a match, as truth and as results. Any label is kept."""

from __future__ import annotations

from typing import Any

from commentator_lib.truth.base import TimedEvent, Timeline, TruthError
from commentator_lib.truth.formats.parsing import Format, field_of, number_of, rest_of
from commentator_lib.truth.formats.soccernet_times import (
    has_rows,
    place_fields,
    place_of,
    refuse_other_videos,
    results,
    rows_of,
)

LABELS = (
    "Penalty",
    "Kick-off",
    "Goal",
    "Substitution",
    "Offside",
    "Shots on target",
    "Shots off target",
    "Clearance",
    "Ball out of play",
    "Throw-in",
    "Foul",
    "Indirect free-kick",
    "Direct free-kick",
    "Corner",
    "Yellow card",
    "Red card",
    "Yellow->red card",
)
# The kinds that the workbench's own watchers and clips use, as SoccerNet names them.
_NAMED = {
    "goal": "Goal",
    "kick-off": "Kick-off",
    "corner": "Corner",
    "substitution": "Substitution",
    "card": "Yellow card",
    "shot": "Shots on target",
}


def fits(_text: str, first: Any) -> bool:
    """Return whether the rows of a file have a clock and a label, and no comment."""
    return has_rows(first, "gameTime", "label")


def read(text: str) -> Timeline:
    """Return the events of `Labels-v2.json` or of `results_spotting.json`."""
    rows, listed, rest = rows_of(text)
    found: list[TimedEvent] = []
    for number, row in enumerate(rows, start=1):
        where = f"{listed} {number}"
        half, time_s = place_of(row, where)
        label = field_of(row, "label", str, where)
        if not label.strip():
            raise TruthError(f"{where} has an empty label")
        confidence = number_of(row.get("confidence", 1.0), where)
        extra = rest_of(row, "gameTime", "position", "half", "label", "confidence")
        found.append(TimedEvent(label, time_s, video=half, confidence=confidence, extra=extra))
    return Timeline(events=found, extra=rest)


def write(timeline: Timeline) -> str:
    """Return `results_spotting.json`."""
    if not timeline.events:
        raise TruthError("it holds no events, and results of spotting are events")
    refuse_other_videos(timeline)
    rows: list[dict[str, str]] = []
    for event in timeline.events:
        place = place_fields(event.video, event.t_s)
        rows.append(
            {
                "gameTime": place["gameTime"],
                "label": _NAMED.get(event.kind, event.kind),
                "position": place["position"],
                "half": place["half"],
                "confidence": str(event.confidence),
            }
        )
    return results(timeline, rows)


FORMAT = Format(
    "soccernet-spotting",
    "SoccerNet action spotting (Labels-v2.json, results_spotting.json)",
    fits,
    read,
    write,
)
