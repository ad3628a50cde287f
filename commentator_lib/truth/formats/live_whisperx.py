"""Live-CC and Live-WhisperX: words with their times in a `text_stream`, one sample a line.

A line is the stream alone, or a conversation whose answer holds it; a data set's last line, the places at which its
lines begin, is skipped.
"""

from __future__ import annotations

import json
from itertools import groupby
from typing import Any

from commentator_lib.truth.base import TimedText, Timeline, TruthError, as_texts
from commentator_lib.truth.formats.parsing import Format, field_of, json_lines, span_of


def fits(_text: str, first: Any) -> bool:
    """Return whether the first line holds a text stream."""
    return any("text_stream" in part for part in _parts(first))


def read(text: str) -> Timeline:
    """Return one text a word. Several samples are several videos, named by their video or their place in the file."""
    samples: list[tuple[str, int, list[Any]]] = []
    for number, value in json_lines(text):
        if isinstance(value, list) and all(isinstance(place, int) for place in value):
            continue
        parts = _parts(value)
        streams = [part for part in parts if "text_stream" in part]
        if not streams:
            raise TruthError(f"line {number} has no 'text_stream'")
        video = next((part["video"] for part in parts if isinstance(part.get("video"), str)), "")
        for part in streams:
            samples.append((video, number, field_of(part, "text_stream", list, f"line {number}")))
    several = len(samples) > 1
    return Timeline(
        [
            TimedText(start_s, end_s, word, video or (str(place) if several else ""))
            for place, (video, number, stream) in enumerate(samples)
            for start_s, end_s, word in (span_of(item, f"line {number}") for item in stream)
        ]
    )


def _parts(value: Any) -> list[dict[str, Any]]:
    """Return the objects of a sample: itself, or the parts of a conversation's messages."""
    if isinstance(value, dict):
        return [value]
    messages = value if isinstance(value, list) else []
    contents = [message.get("content") for message in messages if isinstance(message, dict)]
    return [
        part
        for content in contents
        if isinstance(content, list)
        for part in content
        if isinstance(part, dict)
    ]


def write(timeline: Timeline) -> str:
    """Return one stream a video, without its name: the format has no place for one."""
    lines: list[str] = []
    for _, texts in groupby(as_texts(timeline), key=lambda text: text.video):
        stream = [[text.start_s, text.end_s, text.text] for text in texts]
        lines.append(json.dumps({"type": "text_stream", "text_stream": stream}) + "\n")
    return "".join(lines)


FORMAT = Format("live-whisperx", "Live-CC and Live-WhisperX, words in a text_stream", fits, read, write)
