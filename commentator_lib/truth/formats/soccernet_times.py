"""What the files of SoccerNet share: a match in two halves, each a video of its own ("1" and "2"), and its clock."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from commentator_lib.truth.base import Timeline, TruthError
from commentator_lib.truth.formats.parsing import field_of, number_of, parse_json

_COUNT = re.compile(r"[0-9]{1,4}")


def rows_of(text: str) -> tuple[list[Any], str, dict[str, Any]]:
    """Return a file's rows, the name of their list ("annotations" or "predictions"), and its other fields."""
    table = parse_json(text)
    for name in ("predictions", "annotations"):
        if isinstance(table, dict) and name in table:
            rows = field_of(table, name, list, "the file")
            return rows, name, {key: value for key, value in table.items() if key != name}
    raise TruthError("it has neither 'annotations' nor 'predictions'")


def has_rows(first: Any, *names: str) -> bool:
    """Return whether a JSON file has rows with these fields."""
    if not isinstance(first, dict):
        return False
    rows = first.get("predictions", first.get("annotations"))
    return isinstance(rows, list) and all(
        isinstance(r, dict) and all(n in r for n in names) for r in rows[:1]
    )


def place_of(row: Any, where: str) -> tuple[str, float]:
    """Return (half, time in it in s): from `position` in milliseconds where it is there, else from `gameTime`."""
    half, _, shown = field_of(row, "gameTime", str, where).partition(" - ")
    minutes, colon, seconds = shown.strip().partition(":")
    if not colon or not all(_COUNT.fullmatch(part) for part in (half.strip(), minutes, seconds)):
        raise TruthError(f"{where}: gameTime is {row['gameTime'][:40]!r}, not 'half - minutes:seconds'")
    if row.get("position") not in (None, ""):
        return half.strip(), number_of(row["position"], where) / 1000
    return half.strip(), int(minutes) * 60.0 + int(seconds)


def place_fields(video: str, time_s: float) -> dict[str, str]:
    """Return `gameTime`, `position` and `half` of a result; a video that is no half is the first one."""
    half = video if _COUNT.fullmatch(video) else "1"
    ms = round(time_s * 1000)
    return {
        "gameTime": f"{half} - {ms // 60_000}:{ms // 1000 % 60:02d}",
        "position": str(ms),
        "half": half,
    }


def results(timeline: Timeline, predictions: Sequence[Mapping[str, str]]) -> str:
    """Return a file of results; they are in order of half and time."""
    ordered = sorted(predictions, key=lambda row: (int(row["half"]), int(row["position"])))
    table = {"UrlLocal": timeline.extra.get("UrlLocal", ""), "predictions": ordered}
    return json.dumps(table, indent=4, ensure_ascii=False)


def refuse_other_videos(timeline: Timeline) -> None:
    """Raise TruthError where there are several videos that are no halves of one match."""
    videos = timeline.videos
    if len(videos) > 1 and not all(_COUNT.fullmatch(video) for video in videos):
        raise TruthError(f"it speaks of {len(videos)} videos, and the new file holds the halves of one match")
