"""SubRip captions (.srt)."""

from __future__ import annotations

import re
from typing import Any

from commentator_lib.truth.base import TimedText, Timeline, TruthError, as_texts
from commentator_lib.truth.formats.parsing import Format, clock, one_video
from commentator_lib.truth.formats.subtitles import blocks, cue, lines_of, span_of_line, with_ends

_BEGIN = re.compile(r"\s*\d+[ \t]*\r?\n\s*[\d:]+[,.]\d+[ \t]*-->")


def fits(text: str, _first: Any) -> bool:
    """Return whether a file begins with a number and a pair of times."""
    return _BEGIN.match(text) is not None


def read(text: str) -> Timeline:
    """Return the captions of a SubRip file."""
    found: list[TimedText] = []
    for number, lines in blocks(text):
        if not lines[0].strip().isdecimal() or len(lines) < 2:
            raise TruthError(
                f"line {number}: a number and a pair of times are expected, not {lines[0][:40]!r}"
            )
        start_s, end_s, _ = span_of_line(lines[1], number + 1)
        if not lines[2:]:
            raise TruthError(f"line {number}: the caption at {start_s:g} s has no text; the file is cut off")
        found.append(cue(start_s, end_s, lines[2:], {}))
    return Timeline(found)


def write(timeline: Timeline) -> str:
    """Return a SubRip file with one caption a text."""
    lines: list[str] = []
    for number, text in enumerate(with_ends(one_video(timeline, as_texts(timeline))), start=1):
        lines += [
            str(number),
            f"{clock(text.start_s, ',')} --> {clock(text.end_s, ',')}",
            *lines_of(text),
            "",
        ]
    return "\n".join(lines)


FORMAT = Format("srt", "SubRip captions", fits, read, write)
