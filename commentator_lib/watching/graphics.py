"""Watch a broadcast's graphics: the score, the clock and the period on its board, and its captions.

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
from commentator_lib.watching.board import Board
from commentator_lib.watching.board_layout import BoardLayout, find_boards, overlap, union
from commentator_lib.watching.captions import (
    Caption,
    CaptionMemory,
    about_of,
    form_of,
    importance_of,
    is_caption,
)
from commentator_lib.watching.ocr import Box, TextReader
from commentator_lib.watching.overlays import Region, StillMap
from commentator_lib.watching.score import ADVANTAGE, Change, Score
from commentator_lib.watching.tokens import Token, tokens_of

_WORK_WIDTH_PX = 640  # in which overlays are found
_READ_WIDTH_PX = 1280  # in which they are read; larger pictures are scaled down to it
# How much may be searched for text, in pixels at once and a second of the source; a thousand take about 1 ms.
_BUDGET_PX, _BUDGET_PX_PER_S = 400_000.0, 80_000.0
_PX_A_LINE = 10_000.0  # reading a line counts as so many
# For a region that promises so much, the share of the budget that must be left.
_BUDGET_NEEDED = ((60.0, -1.0), (35.0, 0.0), (20.0, 0.25), (0.0, 0.6))
_PROMISE_OF_WHOLE = 35.0
_MOST_LINES = 14
_WHOLE_EVERY_S = 4.0  # the whole picture is read so often while no board is known,
_WHOLE_SELDOM_S = 30.0  # and so often while one is
_FIRST_WHOLE_S = 1.0  # after the first picture
_LEAST_PICTURE_PX = 120  # in smaller pictures there is nothing to read
_SURE_OF_PAST_S = 1.2  # a clock that shows the past for so long is that of a replay
_MOST_BOARDS = 4
_LEAST_LINE_CERTAINTY = 0.6
_FORGET_TOKENS_S = 90.0


class GraphicsWatcher(Watcher):
    """Reports "score", "clock", "period", "caption" and "replay".

    score: {score, from, teams, clock, correction}; clock: {clock, state}; caption: {heading, line, text, about};
    replay: {begins}. `look` raises ImportError where the package rapidocr is missing.
    """

    name = "graphics"

    def __init__(self, reader: TextReader | None = None) -> None:
        self._reader = reader or TextReader()
        self.reset()

    def reset(self) -> None:
        self._still: StillMap | None = None
        self._last_s: float | None = None
        self._boards: list[Board] = []
        self._tokens: list[tuple[Token, float]] = []
        self._banned: list[Box] = []  # numbers that turned out to be counters
        self._captions: list[Caption] = []
        self._memory = CaptionMemory()
        self._whole_s = -np.inf
        self._budget = _Budget()
        self._replay = ""  # what shows that a replay is on: "label" or "clock"

    def look(self, frame: Frame) -> list[Event]:
        # 1) The picture in the sizes in which it is read and compared.
        if min(frame.image.shape[:2]) < _LEAST_PICTURE_PX:
            return []
        image, grey, small = _sizes(frame.image)
        if self._last_s is not None and frame.pts_s < self._last_s - 1e-6:
            self.reset()
        if self._still is None or self._still.shape != small.shape:
            self.reset()
            self._still = StillMap(*small.shape)
            self._whole_s = frame.pts_s - _WHOLE_EVERY_S + _FIRST_WHOLE_S
        now_s = frame.pts_s
        self._still.push(small, now_s)
        self._last_s = now_s
        scale = image.shape[1] / small.shape[1]
        # 2) What is known: boards and captions.
        events = self._look_at_boards(image, grey, small, now_s)
        events += self._look_at_captions(image, small, now_s)
        # 3) What is new: one region at a time; the whole picture now and then, the more rarely the more is known.
        self._budget.refill(now_s)
        known = [b.small_box() for b in self._boards if b.visible] + [c.small_box for c in self._captions]
        regions = sorted(self._still.regions(known), key=_promise, reverse=True)
        if regions and self._budget.allows(_promise(regions[0])):
            self._examine(regions[0], image, small, scale, now_s)
            self._still.mark_examined(regions[0].box)
        elif now_s - self._whole_s >= (_WHOLE_SELDOM_S if self._anchored else _WHOLE_EVERY_S):
            whole = Box(0, 0, small.shape[1], small.shape[0])
            if self._budget.allows(_PROMISE_OF_WHOLE):
                self._whole_s = now_s
                self._examine(Region(whole, now_s), image, small, scale, now_s)
        return events

    def on_screen(self) -> Mapping[str, Any]:
        facts: dict[str, Any] = {}
        board = self._primary()
        if board is not None and board.score is not None:
            facts["score"] = _shown(board.score)
            if any(board.names):
                facts["teams"] = list(board.names)
        if board is not None and board.visible and board.clock_text:
            facts["clock"] = board.clock_text
        shown = [c for c in self._captions if c.reported]
        if shown:
            facts["caption"] = shown[-1].text
        if self._replay:
            facts["replay"] = True
        return facts

    # --- boards

    @property
    def _anchored(self) -> bool:
        """Whether a board with a running clock is on screen."""
        return any(b.ticks and b.visible and b.score is not None for b in self._boards)

    def _primary(self) -> Board | None:
        """Return the board that counts: one whose clock runs, else the one that is known for the longest."""
        known = [b for b in self._boards if b.score is not None and b.credible]
        return next((b for b in known if b.ticks), known[0] if known else None)

    def _look_at_boards(
        self, image: np.ndarray, grey: np.ndarray, small: np.ndarray, now_s: float
    ) -> list[Event]:
        assert self._still is not None
        events: list[Event] = []
        for board in self._boards:
            if not board.check_visible(self._still, small, now_s):
                continue
            clock_changes = board.read_clock(self._reader, image, grey, now_s)
            changes = board.read(self._reader, image, grey, now_s)
            if board is not self._primary():
                continue
            for change in clock_changes:
                facts = {"clock": board.clock_text, "state": change.state}
                events.append(Event("clock", change.at_s, now_s, 0, 0.9, facts))
            events += [_score_event(board, change, now_s) for change in changes]
            events += self._replay_by_clock(board, now_s)
        self._drop_counters()
        return events

    def _replay_by_clock(self, board: Board, now_s: float) -> list[Event]:
        """Return that a replay begins or ends, where the board's clock says so."""
        past = board.shows_past(now_s, _SURE_OF_PAST_S)
        if past and not self._replay:
            self._replay = "clock"
            return [Event("replay", now_s - _SURE_OF_PAST_S, now_s, 1, 0.8, {"begins": True})]
        if not past and self._replay == "clock":
            return self._replay_ends(now_s)
        return []

    def _drop_counters(self) -> None:
        """Forget boards of which every number changes like a counter; what lies there is read again without them."""
        assert self._still is not None
        for board in [b for b in self._boards if all(column.restless for column in b.columns)]:
            self._boards.remove(board)
            self._banned += [box for column in board.columns for box in column.counters()]
            self._still.forget_examined(board.small_box())

    def _add_board(self, layout: BoardLayout, now_s: float, scale: float) -> None:
        """Take a layout that was found: it is a board that is known, or a new one."""
        for board in self._boards:
            same_place = overlap(board.layout.box, layout.box) > 0.6
            same_names = bool(set(_words(board.names)) & set(_words(layout.names)))
            if same_names or (same_place and not any(board.names)):
                if not board.visible or layout.weight > board.layout.weight:
                    board.relocate(layout)
                return
        visible = [b for b in self._boards if b.visible and overlap(b.layout.box, layout.box) > 0.3]
        if visible:
            return
        self._boards = [*self._boards, Board(layout, now_s, scale)]
        if len(self._boards) > _MOST_BOARDS:
            keep = self._primary()
            self._boards = [b for b in self._boards if b is keep or b is not self._boards[0]][-_MOST_BOARDS:]

    # --- what is new

    def _examine(
        self, region: Region, image: np.ndarray, small: np.ndarray, scale: float, now_s: float
    ) -> None:
        """Read a region: find boards in it and near it, else take it for a caption."""
        # 1) Its lines, and their tokens.
        assert self._still is not None
        height, width = image.shape[:2]
        box = region.box.scaled(scale).grown(4 * scale, 4 * scale, width, height)
        lines = self._read_lines(image, box)
        self._budget.spend(_cost_of(region.box) + _PX_A_LINE * len(lines))
        tokens = [t for line_box, line in lines for t in tokens_of(line, line_box)]
        # 2) Boards, also from what was read around it before.
        self._tokens = [
            (t, s) for t, s in self._tokens if overlap(t.box, box) < 0.5 and now_s - s < _FORGET_TOKENS_S
        ] + [(t, now_s) for t in tokens]
        boards = find_boards([t for t, _ in self._tokens], self._banned)
        for layout in boards:
            self._add_board(layout, now_s, scale)
        # 3) What belongs to no board may be a caption, if it lies over the picture.
        texts = [
            (line_box, line.text.strip())
            for line_box, line in lines
            if line.certainty >= _LEAST_LINE_CERTAINTY
            and line.text.strip()
            and not any(overlap(line_box, board.layout.box) > 0.5 for board in self._boards)
        ]
        for some in _neighbours(texts):
            text_box = union([b for b, _ in some])
            frame_px = 0.6 * max(b.height for b, _ in some)
            framed = text_box.grown(frame_px, frame_px, width, height).scaled(1 / scale)
            if is_caption([t for _, t in some], text_box, height) and self._still.is_overlay(framed):
                self._add_caption(some, text_box, max(0.0, region.from_s), small, scale, now_s)

    def _add_caption(
        self,
        texts: list[tuple[Box, str]],
        text_box: Box,
        from_s: float,
        small: np.ndarray,
        scale: float,
        now_s: float,
    ) -> None:
        assert self._still is not None
        caption = Caption(
            tuple(line_box for line_box, _ in texts),
            tuple(text for _, text in texts),
            from_s,
            now_s,
            text_box,
            text_box.scaled(1 / scale),
        )
        caption.hold(self._still, small)
        self._captions = [c for c in self._captions if overlap(c.box, text_box) < 0.5] + [caption]

    def _read_lines(self, image: np.ndarray, box: Box):
        """Return the lines in a box of the picture: where each stands in the picture, and what it says."""
        import cv2

        part = box.crop(image)
        zoom = _zoom_of(box, image.shape[1])
        zoomed = cv2.resize(part, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_LINEAR)
        found = self._reader.find_lines(zoomed)[:_MOST_LINES]
        boxes = [
            Box(
                box.x0 + int(f.x0 / zoom),
                box.y0 + int(f.y0 / zoom),
                box.x0 + int(np.ceil(f.x1 / zoom)),
                box.y0 + int(np.ceil(f.y1 / zoom)),
            )
            for f in found
        ]
        return list(zip(boxes, self._reader.read([f.crop(image) for f in boxes]), strict=True))

    # --- captions

    def _look_at_captions(self, image: np.ndarray, small: np.ndarray, now_s: float) -> list[Event]:
        """Read new captions a second time, and forget those that are gone."""
        events: list[Event] = []
        kept: list[Caption] = []
        for caption in self._captions:
            if not caption.is_there(small):
                if caption.reported and about_of(caption.text) == "replay":
                    events += self._replay_ends(now_s)
                continue
            kept.append(caption)
            if caption.reported or now_s - caption.read_s < 0.15:
                continue
            again = self._reader.read([b.crop(image) for b in caption.line_boxes])
            lines = tuple(line.text.strip() for line in again)
            agreed = form_of(lines) == form_of(caption.lines)
            caption.lines, caption.read_s = lines, now_s
            if agreed:
                caption.reported = True
                certainty = float(np.mean([line.certainty for line in again]))
                events += self._caption_events(caption, certainty, now_s)
        self._captions = kept
        return events

    def _caption_events(self, caption: Caption, certainty: float, now_s: float) -> list[Event]:
        about = about_of(caption.text)
        if about == "replay":
            known, self._replay = self._replay, "label"
            return [] if known else [Event("replay", caption.at_s, now_s, 1, certainty, {"begins": True})]
        if not self._memory.is_new(caption.lines, about, now_s):
            return []
        facts = {
            "heading": caption.heading,
            "line": caption.rest,
            "text": caption.text,
            "about": about,
        }
        return [Event("caption", caption.at_s, now_s, importance_of(about), certainty, facts)]

    def _replay_ends(self, now_s: float) -> list[Event]:
        self._replay = ""
        return [Event("replay", now_s, now_s, 0, 0.9, {"begins": False})]


def _sizes(image: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a picture (H, W, 3) as it is read, the same in grey, and in grey as overlays are found in it."""
    import cv2

    image = np.ascontiguousarray(image)
    if image.shape[1] > _READ_WIDTH_PX:
        factor = _READ_WIDTH_PX / image.shape[1]
        image = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    small = grey
    if grey.shape[1] > _WORK_WIDTH_PX:
        factor = _WORK_WIDTH_PX / grey.shape[1]
        small = cv2.resize(grey, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    return image, grey, small


class _Budget:
    """How much may be searched for text: so many pixels a second of the source, and some at once."""

    def __init__(self) -> None:
        self._left_px = _BUDGET_PX
        self._at_s: float | None = None

    def refill(self, now_s: float) -> None:
        if self._at_s is not None:
            self._left_px = min(_BUDGET_PX, self._left_px + (now_s - self._at_s) * _BUDGET_PX_PER_S)
        self._at_s = now_s

    def allows(self, promise: float) -> bool:
        """Return whether a region may be searched now: one that promises little only while much is left.

        For one that promises much the budget may be overdrawn.
        """
        needed = next(share for least, share in _BUDGET_NEEDED if promise >= least)
        return self._left_px > needed * _BUDGET_PX

    def spend(self, cost_px: float) -> None:
        """Note what a search has cost."""
        self._left_px -= cost_px


def _cost_of(box: Box) -> float:
    """Return how many pixels are searched for a region, which is `box` in the still map's picture."""
    return box.width * box.height * (4.0 if box.width < 320 else 1.0)


def _promise(region: Region) -> float:
    """Return how likely a region holds text worth reading: dense, and neither small nor a thin line."""
    box = region.box
    thin = 0.4 if min(box.width, box.height) <= 8 else 1.0
    return thin * region.density * (min(box.width, 300) * min(box.height, 80)) ** 0.5


def _zoom_of(box: Box, width: int) -> float:
    """Return by how much a region is enlarged before text is searched in it: small text is found only then."""
    work = box.width * min(1.0, _WORK_WIDTH_PX / width)  # its width in the still map's picture
    wanted = work * 2.0 if work < 320 else min(work * 2.0, float(_WORK_WIDTH_PX))
    return max(wanted, 64.0) / max(1, box.width)


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


def _words(names: tuple[str, str]) -> list[str]:
    return [form for name in names if len(form := form_of([name])) >= 2]


def _shown(score: Score) -> list[int | str]:
    return ["AD" if number == ADVANTAGE else number for number in score]


def _score_event(board: Board, change: Change, now_s: float) -> Event:
    facts: dict[str, Any] = {
        "score": _shown(change.score),
        "from": _shown(change.before),
        "teams": list(board.names),
        "clock": board.clock_text,
        "correction": change.correction,
    }
    importance = 2 if change.correction or max(change.score) >= 10 else 3
    return Event("score", change.first_s, now_s, importance, 0.95 if board.ticks else 0.85, facts)
