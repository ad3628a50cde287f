"""Captions of a run as WebVTT, with the times at which their words were heard."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from commentator_lib.runs.reader import SavedRun, read_shown
from commentator_lib.runs.timeline import timeline

# A cue holds two lines of this many characters, and stays at least this long.
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
    """The captions as they were seen: each starts with its words and ends with them, or with the next.

    The log holds what was on screen as it grew. Growth shorter than a line is joined to the cue before,
    growth longer than two lines is divided, its time shared by length.
    """
    ends = {int(c): t for c, t in zip(run.cycles.cycle, run.cycles.heard_to_s, strict=True) if t == t}
    grown: dict[int, list[tuple[float, str]]] = {}
    before: dict[int, str] = {}
    for event in run.events:
        if event["kind"] != "caption":
            continue
        cycle, text = event["cycle"], event["text"]
        new = text[len(before.get(cycle, "")) :].strip() if text.startswith(before.get(cycle, "")) else text
        before[cycle] = text
        parts = grown.setdefault(cycle, [])
        if (
            parts
            and new
            and len(parts[-1][1]) + len(new) < _LINE_CHARACTERS
            and parts[-1][1][-1] not in ".!?"
        ):
            parts[-1] = (parts[-1][0], f"{parts[-1][1]} {new}")
        elif new:
            parts.append((event["at_s"], new))
    flat = [(at_s, cycle, text) for cycle, parts in grown.items() for at_s, text in parts]
    flat.sort()
    found: list[Cue] = []
    for k, (at_s, cycle, text) in enumerate(flat):
        last_of_comment = k + 1 == len(flat) or flat[k + 1][1] != cycle
        end_s = ends.get(cycle, at_s + _reading_s(text)) if last_of_comment else flat[k + 1][0]
        end_s = max(end_s, at_s + _LEAST_CUE_S, at_s + _reading_s(text) if end_s - at_s < 0.05 else 0.0)
        if k + 1 < len(flat):
            end_s = min(end_s, flat[k + 1][0])
        parts = _divide(text, 2 * _LINE_CHARACTERS)
        total = sum(map(len, parts))
        start_s = at_s
        for part in parts:
            to_s = start_s + (end_s - at_s) * len(part) / total
            if to_s > start_s:
                found.append(Cue(start_s, to_s, cycle, part))
            start_s = to_s
    return found


def _reading_s(text: str) -> float:
    """How long a caption without sound stays: three words a second, and two seconds at least."""
    return max(2.0, len(text.split()) / 3.0)


def _divide(text: str, longest: int) -> list[str]:
    """`text` in parts of at most `longest` characters, cut between words where there are any."""
    parts, rest = [], text.strip()
    while len(rest) > longest:
        cut = rest.rfind(" ", 0, longest + 1)
        cut = cut if cut > 0 else longest
        parts.append(rest[:cut].strip())
        rest = rest[cut:].strip()
    return [*parts, rest] if rest else parts


def write_vtt(run: SavedRun, path: Path) -> int:
    """WebVTT captions, each cue in the commentator's name; returns the number of cues."""
    shown = read_shown(run.folder)
    zero_s, _ = timeline(run, shown)
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


def _clock(seconds: float) -> str:
    ms = max(0, round(seconds * 1000))
    return f"{ms // 3_600_000:02d}:{ms // 60_000 % 60:02d}:{ms // 1000 % 60:02d}.{ms % 1000:03d}"
