"""SoccerNet-Echoes: the commentary of one half of a match, as a speech recogniser heard it."""

from __future__ import annotations

import json
from typing import Any

from commentator_lib.truth.base import TimedText, Timeline, as_texts
from commentator_lib.truth.formats.parsing import Format, field_of, one_video, parse_json, span_of


def fits(_text: str, first: Any) -> bool:
    """Return whether a file is an object with `segments` by number."""
    return isinstance(first, dict) and isinstance(first.get("segments"), dict)


def read(text: str) -> Timeline:
    """Return the segments of `1_asr.json`; those without a word are left out."""
    segments = field_of(parse_json(text), "segments", dict, "the file")
    spans = [span_of(item, f"segment {key}") for key, item in segments.items()]
    return Timeline([TimedText(*span) for span in spans if span[2].strip()])


def write(timeline: Timeline) -> str:
    """Return the segments of one video, numbered from 0 on."""
    texts = one_video(timeline, as_texts(timeline))
    segments = {str(k): [t.start_s, t.end_s, t.text] for k, t in enumerate(texts)}
    return json.dumps({"segments": segments}, indent=4, ensure_ascii=False)


FORMAT = Format("soccernet-echoes", "SoccerNet-Echoes (1_asr.json)", fits, read, write)
