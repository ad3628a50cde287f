"""The captions on screen: read twice before they are reported, and forgotten when they go."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from commentator_lib.events import Event
from commentator_lib.watching.captions import (
    Caption,
    CaptionMemory,
    about_of,
    form_of,
    importance_of,
    is_caption,
)
from commentator_lib.watching.ocr import Box, Line, TextReader, overlap, union
from commentator_lib.watching.overlays import Patch, Region, StillMap
from commentator_lib.watching.picture import Picture

_LEAST_CERTAINTY = 0.6
_READ_AGAIN_S = 0.15
_PROOF_WITHIN_S = 3.0  # a text that is no overlay yet is forgotten after this time
_MOST_CANDIDATES = 6
_MOST_SEARCHES = 2  # of one banner
_LEAST_LETTERS = 4  # of a text that is worth a second search
_GROWS_WITHIN_S = 0.4  # a banner that moves in is all there so long after a part of it was read
_WHOLE_SHARE = 0.85  # of a banner that must have been searched; else all of it is searched once more


@dataclass(slots=True)
class _Candidate:
    """A text that may be a caption: nothing shows yet that it lies over the picture. Boxes are the still map's."""

    box: Box
    lines: tuple[Box, ...]
    from_s: float
    read_s: float
    wanted: bool = True  # that all that came with it is searched, once it is shown to be an overlay
    searches: int = 0


class CaptionWatch:
    """The captions that are on screen, in `captions`."""

    def __init__(self) -> None:
        self.captions: list[Caption] = []
        self._candidates: list[_Candidate] = []
        self._memory = CaptionMemory()

    @property
    def text(self) -> str:
        """What the newest caption that was reported says; "" where none is on screen."""
        shown = [c for c in self.captions if c.reported]
        return shown[-1].text if shown else ""

    def offer(
        self,
        lines: Sequence[tuple[Box, Line]],
        still: StillMap,
        picture: Picture,
        region: Region,
        on_board: Collection[Box],
    ) -> None:
        """Take lines that were read and belong to no board: those that lie over the picture are captions.

        `region`: the part of the still map's picture in which they were searched. `on_board`: where lines
        stand that may be of a board that shows no clock: a number beside a name counts only together with a
        line that says what it is about.
        """
        texts = [
            (box, line.text.strip())
            for box, line in lines
            if line.certainty >= _LEAST_CERTAINTY and line.text.strip()
        ]
        for some in _neighbours(texts):
            if any(b in on_board for b, _ in some) and not about_of(" ".join(t for _, t in some)):
                continue
            box = union([b for b, _ in some])
            if not is_caption([t for _, t in some], box, picture.height):
                continue
            frame_px = 0.6 * max(b.height for b, _ in some)
            patch = still.at(picture.grown(box, frame_px, frame_px).scaled(1 / picture.scale))
            small_lines = tuple(b.scaled(1 / picture.scale) for b, _ in some)
            candidate = self._candidate_at(patch.box, patch.came_s) or _Candidate(
                patch.box, small_lines, region.from_s, picture.at_s
            )
            in_part = not candidate.searches and _is_part(region.box, patch)
            if in_part or not patch.is_overlay(small_lines):
                if sum(c.isalpha() for _, t in some for c in t) >= _LEAST_LETTERS:
                    self._remember(candidate)
                continue
            caption = Caption(
                tuple(b for b, _ in some),
                tuple(t for _, t in some),
                max(0.0, patch.came_s, min(region.from_s, candidate.from_s)),
                picture.at_s,
                box,
                box.scaled(1 / picture.scale),
                region.box,
            )
            caption.hold(still, picture.small)
            self.captions = [c for c in self.captions if overlap(c.box, box) < 0.5] + [caption]

    def take_proven(self, still: StillMap, now_s: float) -> Region | None:
        """Return where a text stands that has turned out to lie over the picture, each once; None where none has.

        A banner that moves in, or comes just after a cut, is read before it can be told from the picture.
        """
        self._candidates = [c for c in self._candidates if now_s - c.read_s <= _PROOF_WITHIN_S]
        for candidate in self._candidates:
            patch = still.at(candidate.box)
            if candidate.wanted and patch.is_overlay(candidate.lines):
                candidate.wanted, candidate.searches = False, candidate.searches + 1
                return Region(patch.whole, candidate.from_s)
        return None

    def _remember(self, candidate: _Candidate) -> None:
        if candidate not in self._candidates:
            self._candidates = [*self._candidates, candidate][-_MOST_CANDIDATES:]

    def _candidate_at(self, box: Box, came_s: float = -np.inf) -> _Candidate | None:
        """Return the candidate at a place, where it is what stands there now: it came before it was read."""
        for candidate in self._candidates:
            if overlap(box, candidate.box) >= 0.5 and came_s <= candidate.read_s + _GROWS_WITHIN_S:
                return candidate
        return None

    def look(self, reader: TextReader, still: StillMap, picture: Picture) -> list[Event]:
        """Read new captions a second time, and forget those that are gone; return what they report."""
        events: list[Event] = []
        kept: list[Caption] = []
        for caption in self.captions:
            if not caption.is_there(picture.small):
                if caption.reported and about_of(caption.text) == "replay":
                    events.append(_replay(False, picture.at_s, picture.at_s, 0.9))
                continue
            due = not caption.reported and picture.at_s - caption.read_s >= _READ_AGAIN_S
            if due and (grown := self._grown(caption, still, picture.at_s)):
                grown.wanted = True
                self._remember(grown)
                continue
            kept.append(caption)
            if due:
                events += self._read_again(caption, reader, picture)
        self.captions = kept
        return events

    def _grown(self, caption: Caption, still: StillMap, now_s: float) -> _Candidate | None:
        """Return where to search again, if a new caption is only a part of what has come; else None."""
        if not _is_part(caption.searched, still.at(caption.small_box)):
            return None
        known = self._candidate_at(caption.small_box)
        candidate = known or _Candidate(caption.small_box, (), caption.at_s, now_s)
        return candidate if candidate.searches < _MOST_SEARCHES else None

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


def _is_part(searched: Box, patch: Patch) -> bool:
    """Return whether only a part of what came with a patch lies in the box that was searched."""
    return patch.whole.share_in(searched) < _WHOLE_SHARE
