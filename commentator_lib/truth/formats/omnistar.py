"""OmniStar, LiveStar's data set: captions at points of time as text, and as the JSON lines of what a model said."""

from __future__ import annotations

import json
import re
from itertools import groupby
from pathlib import PurePosixPath
from typing import Any

from commentator_lib.truth.base import TimedText, Timeline, TruthError, as_texts
from commentator_lib.truth.formats.parsing import Format, clock, clock_s, field_of, json_lines, line_of

_CAPTION = re.compile(r"Timestamp:\s*([\d:]+)\s*Caption:\s*(.+)", re.IGNORECASE)


def fits(text: str, first: Any) -> bool:
    """Return whether a file has lines with time stamp and caption, or JSON lines with a video and its result."""
    if isinstance(first, dict):
        return "video_id" in first and isinstance(first.get("result"), list)
    lines = [line.strip() for line in text[:20_000].splitlines() if line.strip()]
    return bool(lines) and any(_CAPTION.match(line) for line in lines[:2])


def read(text: str) -> Timeline:
    """Return one text a caption, at its point of time; a video's name is its file's, without folder and ending."""
    return Timeline(_from_json(text) if text.lstrip().startswith("{") else _from_text(text))


def _from_text(text: str) -> list[TimedText]:
    video, found = "", list[TimedText]()
    for number, line in enumerate(text.split("\n"), start=1):
        if not (line := line.strip()):
            continue
        if line.lower().endswith(".mp4"):
            video = PurePosixPath(line).stem
            continue
        caption = _CAPTION.fullmatch(line)
        if caption is None:
            raise TruthError(
                f"line {number} is neither a video nor a time stamp with a caption: {line[:40]!r}"
            )
        time_s = _time_s(caption[1], number)
        found.append(TimedText(time_s, time_s, caption[2], video))
    return found


def _from_json(text: str) -> list[TimedText]:
    found: list[TimedText] = []
    for number, row in json_lines(text):
        video = field_of(row, "video_id", str, f"line {number}")
        for item in field_of(row, "result", list, f"line {number}"):
            if (
                not isinstance(item, list)
                or len(item) != 2
                or not all(isinstance(part, str) for part in item)
            ):
                raise TruthError(f"line {number}: a result is {str(item)[:40]!r}, not [time, text]")
            time_s = _time_s(item[0], number)
            found.append(TimedText(time_s, time_s, item[1], video))
    return found


def _time_s(text: str, number: int) -> float:
    try:
        return float(text) if text.isdigit() else clock_s(text)
    except TruthError as error:
        raise TruthError(f"line {number}: {error}") from None


def write(timeline: Timeline) -> str:
    """Return JSON lines as LiveStar's script reads them: whole seconds, of a comment's start."""
    lines: list[str] = []
    for video, texts in groupby(as_texts(timeline), key=lambda text: text.video):
        result = [[clock(int(t.start_s), ""), line_of(t.text)] for t in texts]
        lines.append(json.dumps({"video_id": video, "result": result}, ensure_ascii=False) + "\n")
    return "".join(lines)


FORMAT = Format("omnistar", "OmniStar, captions with time stamps", fits, read, write)
