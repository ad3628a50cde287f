"""The captions on screen: read twice before they are reported, and forgotten when they go."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from commentator_lib.events import Event
from commentator_lib.watching.board_layout import overlap, union
from commentator_lib.watching.captions import (
    Caption,
    CaptionMemory,
    about_of,
    form_of,
    importance_of,
    is_caption,
)
from commentator_lib.watching.ocr import Box, Line, TextReader
from commentator_lib.watching.overlays import StillMap
from commentator_lib.watching.picture import Picture

_LEAST_CERTAINTY = 0.6
_READ_AGAIN_S = 0.15


class CaptionWatch:
    """The captions that are on screen, in `captions`."""

    def __init__(self) -> None:
        self.captions: list[Caption] = []
        self._memory = CaptionMemory()

    @property
    def text(self) -> str:
        """What the newest caption that was reported says; "" where none is on screen."""
        shown = [c for c in self.captions if c.reported]
        return shown[-1].text if shown else ""

    def offer(
        self, lines: Sequence[tuple[Box, Line]], still: StillMap, picture: Picture, from_s: float
    ) -> None:
        """Take lines that were read and belong to no board: those that lie over the picture are captions.

        `from_s`: the source time of the first picture that shows them.
        """
        texts = [
            (box, line.text.strip())
            for box, line in lines
            if line.certainty >= _LEAST_CERTAINTY and line.text.strip()
        ]
        for some in _neighbours(texts):
            box = union([b for b, _ in some])
            frame_px = 0.6 * max(b.height for b, _ in some)
            framed = picture.grown(box, frame_px, frame_px).scaled(1 / picture.scale)
            if not is_caption([t for _, t in some], box, picture.height) or not still.is_overlay(framed):
                continue
            caption = Caption(
                tuple(b for b, _ in some),
                tuple(t for _, t in some),
                max(0.0, from_s),
                picture.at_s,
                box,
                box.scaled(1 / picture.scale),
            )
            caption.hold(still, picture.small)
            self.captions = [c for c in self.captions if overlap(c.box, box) < 0.5] + [caption]

    def look(self, reader: TextReader, picture: Picture) -> list[Event]:
        """Read new captions a second time, and forget those that are gone; return what they report."""
        events: list[Event] = []
        kept: list[Caption] = []
        for caption in self.captions:
            if not caption.is_there(picture.small):
                if caption.reported and about_of(caption.text) == "replay":
                    events.append(_replay(False, picture.at_s, picture.at_s, 0.9))
                continue
            kept.append(caption)
            if not caption.reported and picture.at_s - caption.read_s >= _READ_AGAIN_S:
                events += self._read_again(caption, reader, picture)
        self.captions = kept
        return events

    def _read_again(self, caption: Caption, reader: TextReader, picture: Picture) -> list[Event]:
        again = reader.read([b.crop(picture.image) for b in caption.line_boxes])
        lines = tuple(line.text.strip() for line in again)
        caption.reported = form_of(lines) == form_of(caption.lines)
        caption.lines, caption.read_s = lines, picture.at_s
        if not caption.reported:
            return []
        about, certainty = about_of(caption.text), float(np.mean([line.certainty for line in again]))
        if about == "replay":
            return [_replay(True, caption.at_s, picture.at_s, certainty)]
        if not self._memory.is_new(caption.lines, about, picture.at_s):
            return []
        words = {"heading": caption.heading, "line": caption.rest, "text": caption.text, "about": about}
        return [Event("caption", caption.at_s, picture.at_s, importance_of(about), certainty, words)]


def _replay(begins: bool, at_s: float, now_s: float, certainty: float) -> Event:
    facts = {"begins": begins, "shown_by": "label"}
    return Event("replay", at_s, now_s, int(begins), certainty, facts)


def _neighbours(texts: list[tuple[Box, str]]) -> list[list[tuple[Box, str]]]:
    """Return lines of text in groups of those that stand below or beside one another."""
    groups: list[list[tuple[Box, str]]] = []
    for text in texts:
        near = [g for g in groups if any(_adjoin(text[0], other[0]) for other in g)]
        groups = [g for g in groups if g not in near] + [[*(t for g in near for t in g), text]]
    return groups


def _adjoin(a: Box, b: Box) -> bool:
    size = max(a.height, b.height)
    gap_x, gap_y = max(a.x0, b.x0) - min(a.x1, b.x1), max(a.y0, b.y0) - min(a.y1, b.y1)
    return gap_x <= 2.0 * size and gap_y <= 1.0 * size
