"""What WebVTT and SubRip share: blocks of lines, and how long a point in time is shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from commentator_lib.truth.base import TimedText, TruthError
from commentator_lib.truth.formats.parsing import clock_s

POINT_S = 2.0  # for so long a point in time is shown, or until the next one


def blocks(text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield (number of its first line, its lines) of each block between empty lines."""
    block: list[str] = []
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    for number, line in enumerate([*lines, ""], start=1):
        if line.strip():
            block.append(line)
        elif block:
            yield number - len(block), block
            block = []


def span_of_line(line: str, number: int) -> tuple[float, float, str]:
    """Return (start_s, end_s, settings) of a line "start --> end settings"."""
    start, arrow, rest = line.partition("-->")
    end, _, settings = rest.strip().partition(" ")
    try:
        if not arrow or not end:
            raise TruthError(f"{line.strip()[:40]!r} is no pair of times")
        return clock_s(start), clock_s(end), settings.strip()
    except TruthError as error:
        raise TruthError(f"line {number}: {error}") from None


def cue(start_s: float, end_s: float, lines: Sequence[str], extra: Mapping[str, Any]) -> TimedText:
    """Return a caption's text on one line; its own lines are kept where it has several."""
    layout = {"lines": tuple(lines)} if len(lines) > 1 else {}
    return TimedText(start_s, end_s, " ".join(line.strip() for line in lines), extra={**extra, **layout})


def lines_of(text: TimedText) -> list[str]:
    """Return the lines in which a text is shown: a caption's own, else those that it has; none is empty."""
    return [line for line in text.extra.get("lines") or text.text.split("\n") if line.strip()] or [""]


def with_ends(texts: Sequence[TimedText]) -> list[TimedText]:
    """Return texts in order of time in which each point in time stays for POINT_S, at most until the next one."""
    found: list[TimedText] = []
    for k, text in enumerate(texts):
        if text.end_s <= text.start_s:
            later = [other.start_s for other in texts[k + 1 : k + 50] if other.start_s > text.start_s]
            text = replace(text, end_s=min([text.start_s + POINT_S, *later[:1]]))
        found.append(text)
    return found
