"""Captions in real time: what is read under the picture at a time, from words that grow as they are heard.

As in the captions of a run (`runs/captions.py`): two lines at most, an addition shorter than a line joins what stands
there, and a longer one is shown in parts. A run knows when each comment ended; here the last part stays until its voice
ends as far as that is known, and as long as it takes to be read.
"""

from __future__ import annotations

from dataclasses import dataclass

from commentator_lib.runs.captions import added_words, joins_line, reading_s
from commentator_lib.runs.line_breaks import caption_parts
from commentator_lib.serve.feed import Words


@dataclass(frozen=True, slots=True)
class _Part:
    """A text that is read from one clock time to another."""

    from_s: float
    to_s: float
    text: str


class LiveCaptions:
    """Takes words in the order of their times; `text_at` may be asked for any time since the last of them."""

    def __init__(self) -> None:
        self._parts: list[_Part] = []
        self._comment_id: int | None = None
        self._seen = ""  # of that comment
        self._joined = ""  # the text that the parts show

    def add(self, words: Words) -> None:
        """Take all words of a comment that were heard by now."""
        if words.comment_id != self._comment_id:
            self._comment_id, self._seen, self._joined = words.comment_id, "", ""
        new = added_words(words.text, self._seen)
        self._seen = words.text
        if not new.strip():
            return
        self._joined = self._joined + new if joins_line(self._joined, new) else new.strip()
        self._parts = _timed(caption_parts(self._joined), words.at_s, words.voice_end_s)

    def text_at(self, at_s: float) -> str:
        """Return the text that is read at a clock time, "" for none."""
        return next((part.text for part in self._parts if part.from_s <= at_s < part.to_s), "")


def _timed(texts: list[str], at_s: float, voice_end_s: float | None) -> list[_Part]:
    """Return the parts one after another, each for the time that it takes to be read; the last until the voice ends."""
    parts: list[_Part] = []
    for text in texts:
        parts.append(_Part(at_s, at_s + reading_s(text), text))
        at_s = parts[-1].to_s
    if parts and voice_end_s is not None and voice_end_s > at_s:
        parts[-1] = _Part(parts[-1].from_s, voice_end_s, parts[-1].text)
    return parts
