"""The truth of a scripted match, the `.events.json` beside its video; read only.

Each stretch of action is a text that lists what happens in it; the events stay events, of the same kinds.
"""

from __future__ import annotations

from pathlib import PurePath
from typing import Any

from commentator_lib.truth.base import TimedEvent, TimedText, Timeline
from commentator_lib.truth.formats.parsing import Format, field_of, number_of, parse_json


def fits(_text: str, first: Any) -> bool:
    """Return whether a file is an object with events and stretches."""
    return isinstance(first, dict) and all(
        isinstance(first.get(name), list) for name in ("events", "stretches")
    )


def read(text: str) -> Timeline:
    """Return the stretches of action and the events of a match."""
    table = parse_json(text)
    clip = field_of(table, "clip", dict, "the file")
    video = PurePath(field_of(clip, "file", str, "the clip")).stem
    rows = [
        (_time(row, "t_s", f"event {k}"), field_of(row, "kind", str, f"event {k}"), row)
        for k, row in enumerate(field_of(table, "events", list, "the file"), start=1)
    ]
    texts: list[TimedText] = []
    for k, row in enumerate(field_of(table, "stretches", list, "the file"), start=1):
        from_s, to_s = (_time(row, name, f"stretch {k}") for name in ("from_s", "to_s"))
        if field_of(row, "kind", str, f"stretch {k}") == "action":
            inside = [_in_words(kind, event) for at_s, kind, event in rows if from_s <= at_s < to_s]
            texts.append(TimedText(from_s, to_s, ", ".join(inside) or "play", video))
    return Timeline(texts, [TimedEvent(kind, at_s, video=video) for at_s, kind, _ in rows])


def _time(row: Any, name: str, where: str) -> float:
    return number_of(field_of(row, name, (int, float), where), where)


def _in_words(kind: str, row: dict[str, Any]) -> str:
    """Return an event as words: "goal by RED 9"; a change of the scoreboard as its score."""
    score = row.get("score")
    if kind == "scoreboard" and isinstance(score, list):
        return "–".join(map(str, score))
    who = " ".join(str(row[name]) for name in ("team", "player") if row.get(name))
    return f"{kind} by {who}" if who else kind


FORMAT = Format("match", "a scripted match's .events.json", fits, read)
