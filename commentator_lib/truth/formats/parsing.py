"""Read parts that several formats share: clocks, JSON and its fields. Errors are TruthErrors of one line."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from commentator_lib.truth.base import TimedText, Timeline, TruthError

_CLOCK = re.compile(r"(?:(\d{1,4}):)?(\d{1,3}):(\d{2})(?:[.,](\d{1,3}))?")


@dataclass(frozen=True, slots=True)
class Format:
    """One format. `fits(text, first)` tells it by its content; `first` is the first JSON value, None if it is none."""

    name: str
    what: str
    fits: Callable[[str, Any], bool]
    read: Callable[[str], Timeline]
    write: Callable[[Timeline], str] | None = None
    one_after_another: bool = True  # its texts neither overlap nor run backwards


def clock_s(text: str) -> float:
    """Return the seconds of hours:minutes:seconds or minutes:seconds, with milliseconds or without.

    >>> clock_s("1:02:03.5")
    3723.5
    """
    found = _CLOCK.fullmatch(text.strip())
    if found is None:
        raise TruthError(f"{text.strip()[:40]!r} is no time")
    hours, minutes, seconds, fraction = found.groups()
    ms = int((fraction or "0").ljust(3, "0"))
    return int(hours or 0) * 3600 + int(minutes) * 60 + int(seconds) + ms / 1000


def clock(time_s: float, point: str = ".") -> str:
    """Return a time as hours:minutes:seconds, with `point` before the milliseconds; without them for an empty one."""
    ms = round(time_s * 1000)
    whole = f"{ms // 3_600_000:02d}:{ms // 60_000 % 60:02d}:{ms // 1000 % 60:02d}"
    return f"{whole}{point}{ms % 1000:03d}" if point else whole


def line_of(text: str) -> str:
    """Return a text on one line, its spaces single."""
    return " ".join(text.split())


def one_video(timeline: Timeline, texts: list[TimedText]) -> list[TimedText]:
    """Return the texts of a file for one video, by time. Raise TruthError where they are of several."""
    videos = list(dict.fromkeys(text.video for text in texts))
    if len(videos) > 1:
        raise TruthError(
            f"it speaks of {len(videos)} videos, and the new file can hold one: choose one of {names_of(videos)}"
        )
    if not texts:
        raise TruthError("it holds no text")
    return sorted(texts, key=lambda text: text.start_s)


def parse_json(text: str) -> Any:
    """Return the value of a JSON file."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise TruthError(f"it is damaged or cut off: {str(error).splitlines()[0]}") from None


def json_lines(text: str) -> Iterator[tuple[int, Any]]:
    """Yield (line, value) of a file with one JSON value a line; empty lines do not count."""
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                yield number, json.loads(line)
            except (ValueError, RecursionError) as error:
                raise TruthError(
                    f"line {number} is damaged or cut off: {str(error).splitlines()[0]}"
                ) from None


def field_of(row: Any, name: str, kind: type | tuple[type, ...], where: str) -> Any:
    """Return a field of a JSON object. Raise TruthError where it is missing or of another type."""
    if not isinstance(row, Mapping):
        raise TruthError(f"{where} is no object")
    if name not in row:
        raise TruthError(f"{where} has no {name!r}; it has {names_of(row)}")
    value = row[name]
    if not isinstance(value, kind) or isinstance(value, bool):
        raise TruthError(f"{where}: {name} is {str(value)[:40]!r}")
    return value


def names_of(names: Iterable[str]) -> str:
    """Return names for an error of one line, the first dozen of them, cut where they are long."""
    return ", ".join(repr(name[:30]) for name in list(names)[:12]) or "nothing"


def number_of(value: Any, where: str) -> float:
    """Return a number, also one that is written as text. Raise TruthError for anything else."""
    try:
        if isinstance(value, bool):
            raise TypeError
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise TruthError(f"{where}: {str(value)[:40]!r} is no number") from None


def rest_of(row: Mapping[str, Any], *known: str) -> dict[str, Any]:
    """Return the fields of a row that are not `known`."""
    return {name: value for name, value in row.items() if name not in known}


def span_of(item: Any, where: str) -> tuple[float, float, str]:
    """Return (start_s, end_s, text) of a JSON list of these three."""
    if not isinstance(item, list) or len(item) != 3 or not isinstance(item[2], str):
        raise TruthError(f"{where} is {str(item)[:40]!r}, not [start, end, text]")
    return number_of(item[0], where), number_of(item[1], where), item[2]
