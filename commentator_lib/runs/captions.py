"""Captions of a run as WebVTT, SubRip and TTML, with the times at which their words were heard.

Each caption has two lines at most, broken as its language has it (`line_breaks`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from commentator_lib.runs.line_breaks import (
    LINE_COLUMNS,
    caption_lines,
    caption_parts,
    columns,
    is_right_to_left,
    language_of,
)
from commentator_lib.runs.reader import SavedRun, read_shown
from commentator_lib.runs.timeline import timeline

_LEAST_CUE_S = 1.0  # a caption stays at least this long
_SENTENCE_ENDS = ".!?…。！？؟।"
_COLUMNS_PER_S = 18.0  # that are read: three English words, nine Chinese characters

_TTML = "http://www.w3.org/ns/ttml"
_TTML_NAMES = {"": _TTML, "ttp": f"{_TTML}#parameter", "tts": f"{_TTML}#styling", "ttm": f"{_TTML}#metadata"}


@dataclass(frozen=True, slots=True)
class Cue:
    """One caption: times in seconds since the session's start."""

    from_s: float
    to_s: float
    cycle: int
    text: str

    @property
    def lines(self) -> list[str]:
        """The text as it is shown, in two lines at most."""
        return caption_lines(self.text)


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
            end_s = ends.get(cycle, at_s + reading_s(text))
        else:
            end_s = next_s
        # 2) but it stays long enough to be read, and never beyond the next piece
        end_s = max(end_s, at_s + _LEAST_CUE_S, at_s + reading_s(text) if end_s - at_s < 0.05 else 0.0)
        if next_s is not None:
            end_s = min(end_s, next_s)
        # 3) a cue longer than two lines is shown in parts, each for its share of the length
        parts = caption_parts(text)
        total = sum(map(columns, parts))
        start_s = at_s
        for part in parts:
            to_s = start_s + (end_s - at_s) * columns(part) / total if total else end_s
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
        new = added_words(text, seen)
        before[cycle] = text
        if not new.strip():
            continue
        own = pieces.setdefault(cycle, [])
        if own and joins_line(own[-1][1], new):
            own[-1] = (own[-1][0], own[-1][1] + new)
        else:
            own.append((event["at_s"], new.strip()))
    return sorted((at_s, cycle, text) for cycle, own in pieces.items() for at_s, text in own)


def added_words(text: str, seen: str) -> str:
    """Return what a comment's words add to those that were seen of it; all where their beginning has changed."""
    return text[len(seen) :] if text.startswith(seen) else text


def joins_line(shown: str, new: str) -> bool:
    """Return whether an addition joins the caption that stands there: on its line, and in its sentence."""
    return bool(shown) and columns(shown + new) <= LINE_COLUMNS and shown[-1] not in _SENTENCE_ENDS


def reading_s(text: str) -> float:
    """Return the seconds that a caption without sound stays: as long as it is read, and two seconds at least."""
    return max(2.0, len(text.split()) / 3.0, columns(text) / _COLUMNS_PER_S)


def write_vtt(run: SavedRun, path: Path) -> int:
    """Write WebVTT captions, each cue in the commentator's name; return the number of cues."""
    zero_s, _ = timeline(run, read_shown(run.folder))
    found = cues(run)
    lines = ["WEBVTT", ""]
    for cue in found:
        words = "\n".join(cue.lines).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
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
        lines += [str(k), times, *cue.lines, ""]
    path.write_text("\n".join(lines), encoding="utf-8")
    return len(found)


def write_ttml(run: SavedRun, path: Path) -> int:
    """Write TTML captions (W3C's IMSC 1.1 text profile), for broadcasters' tools; return their number.

    They stand at the bottom of the picture. Each has its direction, and its language where its script tells of one.
    """
    zero_s, _ = timeline(run, read_shown(run.folder))
    found = cues(run)
    for prefix, name in _TTML_NAMES.items():
        ElementTree.register_namespace(prefix, name)
    parameter, style = f"{{{_TTML}#parameter}}", f"{{{_TTML}#styling}}"
    root = _element(None, "tt", {"xml:lang": "", f"{parameter}timeBase": "media"})
    root.set(f"{parameter}contentProfiles", f"{_TTML}/profile/imsc1.1/text")
    head = _element(root, "head")
    agent = ElementTree.SubElement(
        _element(head, "metadata"), f"{{{_TTML}#metadata}}agent", {"type": "other", "xml:id": "commentator"}
    )
    name = ElementTree.SubElement(agent, f"{{{_TTML}#metadata}}name", {"type": "full"})
    name.text = str(run.header["commentator"])
    placed = {"origin": "5% 80%", "extent": "90% 16%", "displayAlign": "after", "textAlign": "center"}
    region = _element(_element(head, "layout"), "region", {"xml:id": "bottom"})
    for key, value in placed.items():
        region.set(style + key, value)
    division = _element(_element(root, "body"), "div", {"region": "bottom"})
    for cue in found:
        times = {"begin": _clock(cue.from_s - zero_s), "end": _clock(cue.to_s - zero_s)}
        paragraph = _element(division, "p", times)
        if language := language_of(cue.text):
            paragraph.set("xml:lang", language)
        if is_right_to_left(cue.text):
            paragraph.set(f"{style}direction", "rtl")
        lines = cue.lines
        paragraph.text = lines[0]
        for line in lines[1:]:
            _element(paragraph, "br").tail = line
    ElementTree.indent(head)
    ElementTree.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)
    return len(found)


def _element(
    parent: ElementTree.Element | None, tag: str, attributes: dict[str, str] | None = None
) -> ElementTree.Element:
    """Return a new TTML element, below `parent` where there is one."""
    name = f"{{{_TTML}}}{tag}"
    if parent is None:
        return ElementTree.Element(name, attributes or {})
    return ElementTree.SubElement(parent, name, attributes or {})


def write_captions(run: SavedRun, folder: Path) -> list[Path]:
    """Write commentary.vtt, commentary.srt and commentary.ttml into a folder; return their paths."""
    written: list[Path] = []
    for write, ending in ((write_vtt, "vtt"), (write_srt, "srt"), (write_ttml, "ttml")):
        written.append(folder / f"commentary.{ending}")
        write(run, written[-1])
    return written


def _clock(seconds: float, point: str = ".") -> str:
    """Return a time as hours:minutes:seconds, with `point` before the milliseconds: WebVTT's ".", SRT's ","."""
    ms = max(0, round(seconds * 1000))
    whole = f"{ms // 3_600_000:02d}:{ms // 60_000 % 60:02d}:{ms // 1000 % 60:02d}"
    return f"{whole}{point}{ms % 1000:03d}"
