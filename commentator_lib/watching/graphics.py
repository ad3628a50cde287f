"""Watch a broadcast's graphics: the score and the clock on its board, its captions, and its replays.

Nothing is known of their design. Overlays are found as what stands still while the picture moves; they are read once; a
board is known by its numbers beside names and by a clock that runs. From then on only what changes on it is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from commentator_lib.events import Event
from commentator_lib.media import Frame
from commentator_lib.watching.base import Watcher
from commentator_lib.watching.board_watch import BoardWatch
from commentator_lib.watching.caption_watch import CaptionWatch
from commentator_lib.watching.ocr import Box, TextReader
from commentator_lib.watching.overlays import Region, StillMap
from commentator_lib.watching.picture import Picture, picture_of
from commentator_lib.watching.searching import (
    PROMISE_OF_WHOLE,
    SearchBudget,
    SearchedPlaces,
    promise_of,
    read_lines,
)
from commentator_lib.watching.tokens import tokens_of

_WHOLE_EVERY_S = 4.0  # the whole picture is read so often while no board is known,
_WHOLE_SELDOM_S = 30.0  # and so often while one is
_FIRST_WHOLE_S = 1.0  # after the first picture
_LEAST_PICTURE_PX = 120  # in smaller pictures there is nothing to read


class GraphicsWatcher(Watcher):
    """Reports "score", "clock", "period", "caption" and "replay".

    score: {score, from, teams, clock, correction}; clock: {clock, state}; period: {period};
    caption: {heading, line, text, about}; replay: {begins, shown_by}. `look` raises ImportError where the package
    rapidocr is missing.
    """

    name = "graphics"

    def __init__(self, reader: TextReader | None = None) -> None:
        self._reader = reader or TextReader()
        self.reset()

    def reset(self) -> None:
        self._still: StillMap | None = None
        self._last_s: float | None = None
        self._boards = BoardWatch()
        self._captions = CaptionWatch()
        self._budget = SearchBudget()
        self._searched = SearchedPlaces()
        self._whole_s = -np.inf
        self._replay = ""  # what shows that a replay is on: "label" or "clock"

    def look(self, frame: Frame) -> list[Event]:
        # 1) The picture in the sizes in which it is read and compared.
        if min(frame.image.shape[:2]) < _LEAST_PICTURE_PX:
            return []
        picture = picture_of(frame)
        still = self._still_map(picture)
        still.push(picture.small, picture.at_s)
        # 2) What is known: boards and captions.
        events = self._boards.look(self._reader, still, picture)
        events += self._captions.look(self._reader, still, picture)
        # 3) What is new.
        self._search(still, picture)
        return [event for event in events if event.kind != "replay" or self._is_news(event)]

    def on_screen(self) -> Mapping[str, Any]:
        facts = dict(self._boards.on_screen())
        if self._captions.text:
            facts["caption"] = self._captions.text
        if self._replay:
            facts["replay"] = True
        return facts

    def _still_map(self, picture: Picture) -> StillMap:
        """Return the still map for this picture; all begins again where the source jumps back or changes its size."""
        back = self._last_s is not None and picture.at_s < self._last_s - 1e-6
        if self._still is None or back or self._still.shape != picture.small.shape:
            self.reset()
            self._still = StillMap(*picture.small.shape)
            self._whole_s = picture.at_s - _WHOLE_EVERY_S + _FIRST_WHOLE_S
        self._last_s = picture.at_s
        return self._still

    def _search(self, still: StillMap, picture: Picture) -> None:
        """Read one region that is new, or the whole picture now and then, the more rarely the more is known."""
        self._budget.refill(picture.at_s)
        # 1) A board that had just come in when it was found, or that lacks a part.
        if box := self._boards.take_settled(picture.at_s):
            self._examine(Region(box, picture.at_s), still, picture)
            self._boards.note_settled(box, picture.at_s)
            return
        # 2) The whole picture; before all regions where no board is known, else after them.
        anchored = self._boards.anchored
        every_s = _WHOLE_SELDOM_S if anchored else _WHOLE_EVERY_S
        due = picture.at_s - self._whole_s >= every_s and self._budget.allows(PROMISE_OF_WHOLE)
        region = self._captions.take_proven(still, picture.at_s)
        if region is None and (anchored or not due):
            region = self._promising(still)
        if region is not None:
            self._examine(region, still, picture)
            still.mark_examined(region.box)
        elif due:
            self._whole_s = picture.at_s
            height, width = picture.small.shape
            self._examine(Region(Box(0, 0, width, height), picture.at_s), still, picture)

    def _promising(self, still: StillMap) -> Region | None:
        """Return the new region that promises most, where the budget allows to read it; else None."""
        known = [board.small_box() for board in self._boards.boards if board.visible]
        known += [caption.small_box for caption in self._captions.captions]
        best = max(still.regions(known), key=promise_of, default=None)
        return best if best and self._budget.allows(promise_of(best)) else None

    def _examine(self, region: Region, still: StillMap, picture: Picture) -> None:
        """Read a region: it may hold a board, or complete one; what belongs to none may be a caption."""
        margin_px = 4 * picture.scale
        box = picture.grown(region.box.scaled(picture.scale), margin_px, margin_px)
        whole = region.box.width == picture.small.shape[1]
        size = 1.0 if whole else self._searched.note(region.box, picture.at_s)
        lines = read_lines(self._reader, picture, box, size)
        self._budget.spend(region.box, len(lines))
        tokens = [token for place, line in lines for token in tokens_of(line, place)]
        self._boards.add_tokens(tokens, box, still, picture)
        rest = [(place, line) for place, line in lines if not self._boards.surely_covers(place)]
        on_board = {place for place, _ in rest if self._boards.covers(place)}
        self._captions.offer(rest, still, picture, region, on_board)

    def _is_news(self, replay: Event) -> bool:
        """Return whether a report of a replay is new: label and clock may both show one; the first counts."""
        sign = str(replay.facts["shown_by"])
        if replay.facts["begins"]:
            known, self._replay = self._replay, self._replay or sign
            return not known
        if self._replay != sign:
            return False
        self._replay = ""
        return True
