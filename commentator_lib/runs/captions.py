"""Captions of a run as WebVTT and SubRip, with the times at which their words were heard."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from commentator_lib.runs.reader import SavedRun, read_shown
from commentator_lib.runs.timeline import timeline

# A cue holds two lines of this many characters, and stays at least this long, in seconds.
_LINE_CHARACTERS = 42
_LEAST_CUE_S = 1.0


@dataclass(frozen=True, slots=True)
class Cue:
    """One caption: times in seconds since the session's start."""

    from_s: float
    to_s: float
    cycle: int
    text: str


def cues(run: SavedRun) -> list[Cue]:
    """Return the captions as they were seen: each starts with its words and ends with them, or with the next.

    The log holds the growing text on screen. An addition shorter than a line is joined to the cue before; one longer
    than two lines is divided, and its time is shared by length.
    """
    ends = {int(c): t for c, t in zip(run.cycles.cycle, run.cycles.heard_to_s, strict=True) if t == t}
    pieces = _grown_pieces(run.events)
    found: list[Cue] = []
    for k, (at_s, cycle, text) in enumerate(pieces):
        next_s = pieces[k + 1][0] if k + 1 < len(pieces) else None
        # 1) it ends with the comment's sound, or where the comment's next piece begins
        if next_s is None or pieces[k + 1][1] != cycle:
            end_s = ends.get(cycle, at_s + _reading_s(text))
        else:
            end_s = next_s
        # 2) but it stays long enough to be read, and never beyond the next piece
        end_s = max(end_s, at_s + _LEAST_CUE_S, at_s + _reading_s(text) if end_s - at_s < 0.05 else 0.0)
        if next_s is not None:
            end_s = min(end_s, next_s)
        # 3) a cue longer than two lines is shown in parts, each for its share of the characters
        parts = _divide(text, 2 * _LINE_CHARACTERS)
        total = sum(map(len, parts))
        start_s = at_s
        for part in parts:
            to_s = start_s + (end_s - at_s) * len(part) / total
            if to_s > start_s:
                found.append(Cue(start_s, to_s, cycle, part))
            start_s = to_s
    return found


def _grown_pieces(events: list[dict[str, Any]]) -> list[tuple[float, int, str]]:
    """Return (seen from, in seconds, cycle, words) of each addition to the captions, by time; join short ones."""
    pieces: dict[int, list[tuple[float, str]]] = {}  # by cycle
    before: dict[int, str] = {}
    for event in events:
        if event["kind"] != "caption":
            continue
        cycle, text = event["cycle"], event["text"]
        seen = before.get(cycle, "")
        new = text[len(seen) :].strip() if text.startswith(seen) else text
        before[cycle] = text
        if not new:
            continue
        own = pieces.setdefault(cycle, [])
        if own and len(own[-1][1]) + len(new) < _LINE_CHARACTERS and own[-1][1][-1] not in ".!?":
            own[-1] = (own[-1][0], f"{own[-1][1]} {new}")
        else:
            own.append((event["at_s"], new))
    return sorted((at_s, cycle, text) for cycle, own in pieces.items() for at_s, text in own)


def _reading_s(text: str) -> float:
    """Return the seconds that a caption without sound stays: three words a second, and two seconds at least."""
    return max(2.0, len(text.split()) / 3.0)


def _divide(text: str, longest: int) -> list[str]:
    """Return `text` in parts of at most `longest` characters, cut between words where there are any."""
    parts, rest = [], text.strip()
    while len(rest) > longest:
        cut = rest.rfind(" ", 0, longest + 1)
        cut = cut if cut > 0 else longest
        parts.append(rest[:cut].strip())
        rest = rest[cut:].strip()
    return [*parts, rest] if rest else parts


def write_vtt(run: SavedRun, path: Path) -> int:
    """Write WebVTT captions, each cue in the commentator's name; return the number of cues."""
    zero_s, _ = timeline(run, read_shown(run.folder))
    found = cues(run)
    lines = ["WEBVTT", ""]
    for cue in found:
        words = cue.text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        lines += [
            f"{_clock(cue.from_s - zero_s)} --> {_clock(cue.to_s - zero_s)}",
            f"<v {run.header['commentator']}>{words}",
            "",
        ]
    path.write_text("\n".join(lines), encoding="utf-8")
    return len(found)


def write_srt(run: SavedRun, path: Path) -> int:
    """Write SubRip captions, for players and editors that read no WebVTT; return their number."""
    zero_s, _ = timeline(run, read_shown(run.folder))
    found = cues(run)
    lines: list[str] = []
    for k, cue in enumerate(found, start=1):
        times = f"{_clock(cue.from_s - zero_s, ',')} --> {_clock(cue.to_s - zero_s, ',')}"
        lines += [str(k), times, " ".join(cue.text.split()), ""]  # an empty line would end the cue
    path.write_text("\n".join(lines), encoding="utf-8")
    return len(found)


def _clock(seconds: float, point: str = ".") -> str:
    """Return a time as hours:minutes:seconds, with `point` before the milliseconds: WebVTT's ".", SRT's ","."""
    ms = max(0, round(seconds * 1000))
    whole = f"{ms // 3_600_000:02d}:{ms // 60_000 % 60:02d}:{ms // 1000 % 60:02d}"
    return f"{whole}{point}{ms % 1000:03d}"
