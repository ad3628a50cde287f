"""WebVTT captions (W3C). The speaker, the name and the place of a cue are kept."""

from __future__ import annotations

import html
import re
from typing import Any

from commentator_lib.truth.base import TimedText, Timeline, TruthError, as_texts
from commentator_lib.truth.formats.parsing import Format, clock, one_video
from commentator_lib.truth.formats.subtitles import blocks, cue, lines_of, span_of_line, with_ends

_VOICE = re.compile(r"<v(?:\.[^ >]*)?[ \t]+([^>]*)>")
_TAG = re.compile(r"<[^>]*>")


def fits(text: str, _first: Any) -> bool:
    """Return whether a file begins as WebVTT does."""
    return text.startswith("WEBVTT")


def read(text: str) -> Timeline:
    """Return the cues of a WebVTT file; notes and styles are left out."""
    if not fits(text, None):
        raise TruthError("it does not begin with WEBVTT")
    found: list[TimedText] = []
    for number, lines in list(blocks(text))[1:]:
        if lines[0].split()[0] in ("NOTE", "STYLE", "REGION"):
            continue
        named = "-->" not in lines[0]
        if named and len(lines) < 2:
            raise TruthError(f"line {number}: {lines[0][:40]!r} has no times")
        start_s, end_s, settings = span_of_line(lines[named], number + named)
        said = lines[1 + named :]
        if not said:
            raise TruthError(f"line {number}: the cue at {start_s:g} s has no text; the file is cut off")
        voice = _VOICE.match(said[0])
        parts = {"id": lines[0] if named else "", "settings": settings, "voice": voice[1] if voice else ""}
        words = [html.unescape(_TAG.sub("", line)) for line in said]
        found.append(cue(start_s, end_s, words, {k: v for k, v in parts.items() if v}))
    return Timeline(found)


def write(timeline: Timeline) -> str:
    """Return a WebVTT file with one cue a text."""
    lines = ["WEBVTT", ""]
    for text in with_ends(one_video(timeline, as_texts(timeline))):
        times = f"{clock(text.start_s)} --> {clock(text.end_s)} {text.extra.get('settings', '')}".rstrip()
        voice = f"<v {text.extra['voice']}>" if text.extra.get("voice") else ""
        words = "\n".join(lines_of(text)).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        lines += [*([text.extra["id"]] if text.extra.get("id") else []), times, f"{voice}{words}", ""]
    return "\n".join(lines)


FORMAT = Format("webvtt", "WebVTT captions", fits, read, write)
