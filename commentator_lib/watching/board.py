"""A scoreboard that was found: watch its place, read what changes in it, and say what is certain.

What stands still on it (names, frames, separators) tells whether it is on screen at all. Only the numbers and the clock
are read, and only when their pixels have changed or a change waits for its votes.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np

from commentator_lib.watching.board_layout import BoardLayout, celebrates, same_team
from commentator_lib.watching.board_numbers import (
    DIGITS,
    LEAST_CERTAINTY,
    SURE,
    is_padded,
    number_in,
    pair_in,
    surely_in,
)
from commentator_lib.watching.captions import form_of as form_of_name
from commentator_lib.watching.match_clock import ClockChange, MatchClock
from commentator_lib.watching.ocr import Box, TextReader, overlap
from commentator_lib.watching.overlays import StillMap
from commentator_lib.watching.score import Change, Score, ScoreVotes, step_kind
from commentator_lib.watching.tokens import Form, Token, form_of, seconds_of

_VISIBLE_SHARE = 0.6
_SAME_LEVELS = 24
_ALIKE = 0.75  # correlation from which two pictures of a name show the same one
_CHANGED_LEVELS = 5.0  # mean difference of a cell's pixels from which it is read again
_READ_AGAIN_S = 2.0  # a cell is read at least so often
_OTHER_NAME = 0.4  # correlation below which another text stands in place of a name
_CELEBRATES_S = 12.0  # a board whose names are covered is looked for by its clock for so long,
_CLOCK_EVERY_S = 0.4  # so often
# So many changes within so many seconds, to so many different numbers: a counter, and no score. One that goes back and
# forth is misread.
_RESTLESS = (5, 9.0, 4)
_SETTLES_S = 1.2  # so long after it was found a board has come in
_EXPECTED = ("same", "usual")  # kinds of steps of which no number is read a second time


@dataclass(slots=True)
class Cell:
    """A number, pair or clock of the board: its box in the picture, and its pixels when it was last read."""

    box: Box
    core: Box  # the same without the room for another digit
    pair: bool = False
    padded: bool = False  # it showed 01: elsewhere a line beside a 0 has been read as a 1
    seen: np.ndarray | None = None
    read_s: float = -1e9
    text: str = ""

    def changed(self, grey: np.ndarray, at_s: float) -> bool:
        """Return whether its pixels differ from those that were read."""
        now = self.box.crop(grey)
        if self.seen is None or self.seen.shape != now.shape or at_s - self.read_s > _READ_AGAIN_S:
            return True
        difference = np.abs(now.astype(np.int16) - self.seen)
        return float(difference.mean()) > _CHANGED_LEVELS

    def keep(self, grey: np.ndarray, at_s: float) -> None:
        """Remember the pixels as read."""
        self.seen, self.read_s = self.box.crop(grey).astype(np.int16), at_s


@dataclass(slots=True)
class Column:
    """One column of the score, with its votes. `restless`: it changes like a counter."""

    cells: tuple[Cell, ...]
    votes: ScoreVotes = field(default_factory=ScoreVotes)
    lately: deque[tuple[float, Score]] = field(default_factory=lambda: deque(maxlen=_RESTLESS[0]))
    last: Score | None = None
    restless: bool = False
    changed: list[int] = field(default_factory=lambda: [0, 0])  # how often each number has changed

    def note_change(self, reading: Score, at_s: float) -> None:
        """Note that it now reads otherwise; so many changes in so short a time are those of a counter."""
        self.lately.append((at_s, reading))
        full = len(self.lately) == _RESTLESS[0] and len({r for _, r in self.lately}) >= _RESTLESS[2]
        self.restless = full and at_s - self.lately[0][0] <= _RESTLESS[1]
        for k, (now, before) in enumerate(zip(reading, self.last or reading, strict=False)):
            self.changed[k] += now != before

    def counters(self) -> list[Box]:
        """Return the places of the numbers that have changed the most: the other one may still belong to a score."""
        most = max(self.changed)
        return [cell.box for cell, count in zip(self.cells, self.changed, strict=False) if count >= most / 2]


@dataclass(slots=True)
class PeriodCell:
    """A board's part that names the period; another reading counts when it comes twice."""

    cell: Cell
    text: str
    candidate: str = ""


class Board:
    """One board. `visible` says whether it is on screen, `since_s` from when it is known.

    Boxes are pixels of the picture that is read; the still map's picture is `scale` times smaller.
    """

    def __init__(self, layout: BoardLayout, at_s: float, scale: float) -> None:
        self.since_s = at_s
        self.visible = True
        self.visible_s = at_s  # when it was last seen
        self.by_clock = False  # its names are covered, and only its clock shows that it is on screen
        self._tried_s = -np.inf
        self.read_again_s = at_s + _SETTLES_S  # when it is to be read once more
        self.times_read = 0  # how often it was
        self.names = layout.names
        self._scale = scale
        self.columns: list[Column] = []
        self.clocks: list[tuple[Cell, MatchClock]] = []
        self.relocate(layout)

    def relocate(self, layout: BoardLayout) -> None:
        """Take another layout of the same board: its score and its votes stay."""
        kept = self.columns if len(self.columns) == len(layout.columns) else []
        self.layout = layout
        self.names = layout.names if all(layout.names) or not any(self.names) else self.names
        self.columns = [
            Column(
                tuple(Cell(_room(t, layout), t.box, t.form is Form.PAIR, is_padded(t.text)) for t in tokens)
            )
            for tokens in layout.columns
        ]
        for new, old in zip(self.columns, kept, strict=False):
            new.votes, new.restless = old.votes, old.restless
            if not all(overlap(a.box, b.box) > 0.0 for a, b in zip(new.cells, old.cells, strict=False)):
                new.votes.doubt()
        same = len(self.clocks) == len(layout.clocks)
        self.clocks = [
            (Cell(t.box, t.box), self.clocks[k][1] if same else MatchClock())
            for k, t in enumerate(layout.clocks)
        ]
        self.periods = [PeriodCell(Cell(t.box, t.box), t.text) for t in layout.periods]
        self._template: np.ndarray | None = None
        self._trust: np.ndarray | None = None  # how reliably each pixel of the template returns, 0 to 1

    @property
    def ticks(self) -> bool:
        """Whether one of its clocks was seen to run."""
        return any(clock.ticks for _, clock in self.clocks)

    @property
    def credible(self) -> bool:
        """Whether it may report at all: it has a running clock, or two names."""
        return self.ticks or all(self.names)

    @property
    def clock_text(self) -> str:
        """What its running clock shows, or "" where none was seen to run."""
        return next((cell.text for cell, clock in self.clocks if clock.ticks), "")

    @property
    def clock(self) -> MatchClock | None:
        """Its clock that was seen to run."""
        return next((clock for _, clock in self.clocks if clock.ticks), None)

    def shows_past(self, at_s: float, for_s: float = 0.0) -> bool:
        """Return whether its clock shows, for `for_s` seconds already, that the picture is a replay."""
        return self.clock is not None and self.clock.in_past(at_s, for_s)

    @property
    def score(self) -> Score | None:
        """The score of its last column that is no counter."""
        known = [c.votes.score for c in self.columns if not c.restless and c.votes.score is not None]
        return known[-1] if known else None

    def small_box(self) -> Box:
        """Return its box in the still map's picture."""
        return self.layout.box.scaled(1 / self._scale)

    def line_px(self) -> float:
        """Return how high its numbers are in the still map's picture, in pixels."""
        return min(cell.box.height for column in self.columns for cell in column.cells) / self._scale

    @property
    def settled(self) -> bool:
        """Whether it was read once more, after it had come in."""
        return self.times_read > 0

    # --- is it there?

    def check_visible(self, still: StillMap, grey: np.ndarray, at_s: float) -> bool:
        """Return whether it is on screen, by what stands still on it; `grey`: the still map's picture."""
        box = self.small_box()
        now = box.crop(grey).astype(np.int16)
        if self._template is None:
            self._template = now
            mask = (box.crop(still.edges) & box.crop(still.still)).astype(np.float32)
            for cell in (*(c for col in self.columns for c in col.cells), *(c for c, _ in self.clocks)):
                self._blank(mask, cell.box, box)
            self._trust = mask
        assert self._trust is not None
        if now.shape != self._template.shape:
            self.visible = False
            return False
        same = np.abs(now - self._template) <= _SAME_LEVELS
        total = float(self._trust.sum())
        alike = self._names_alike(box, now)
        share = float(self._trust[same].sum()) / total if total >= 8 else float(not alike)
        names_stand = bool(alike) and min(alike) >= _ALIKE
        others = bool(alike) and max(alike) < _OTHER_NAME
        self.visible = (share >= _VISIBLE_SHARE and not others) or names_stand
        self.by_clock = False
        if self.visible:
            self.visible_s = at_s
            self._trust[self._trust > 0] += 0.1 * (same[self._trust > 0] - self._trust[self._trust > 0])
        return self.visible

    def _names_alike(self, box: Box, now: np.ndarray) -> list[float]:
        """Return how much each of its names looks as it did, 0 to 1, whatever its colours.

        Over a picture that shines through, only the form of a name stays.
        """
        import cv2

        assert self._template is not None
        alike: list[float] = []
        for token in self.layout.name_tokens:
            place = token.box.scaled(1 / self._scale)
            y, x = slice(place.y0 - box.y0, place.y1 - box.y0), slice(place.x0 - box.x0, place.x1 - box.x0)
            before, after = (part[y, x].astype(np.float32) for part in (self._template, now))
            if before.size and before.shape == after.shape:
                alike.append(abs(float(cv2.matchTemplate(after, before, cv2.TM_CCOEFF_NORMED)[0, 0])))
        return alike

    def check_clock_goes_on(
        self, reader: TextReader, image: np.ndarray, grey: np.ndarray, at_s: float
    ) -> bool:
        """Return whether it is on screen with its names covered ("GOAL"): its clock goes on, and no others play."""
        if at_s - self.visible_s > _CELEBRATES_S or at_s - self._tried_s < _CLOCK_EVERY_S - 1e-6:
            return False
        self._tried_s = at_s
        goes_on = False
        for cell, clock in self.clocks:
            line = reader.read([cell.box.crop(image)], DIGITS + ":")[0]
            seconds = seconds_of(line.text)
            goes_on |= seconds is not None and line.certainty >= SURE and clock.goes_on(seconds, at_s)
        self.by_clock = self.visible = goes_on and not self._others_play(reader, image)
        return self.by_clock

    def _others_play(self, reader: TextReader, image: np.ndarray) -> bool:
        """Return whether other names than its own stand in their places."""
        lines = reader.read([token.box.crop(image) for token in self.layout.name_tokens])
        texts = [
            line.text for line in lines if line.certainty >= SURE and len(form_of_name([line.text])) >= 2
        ]
        return any(
            not celebrates(text) and not any(same_team(text, name) for name in self.names) for text in texts
        )

    def _blank(self, mask: np.ndarray, cell: Box, box: Box) -> None:
        s = self._scale
        y0, y1 = int(cell.y0 / s) - box.y0 - 1, int(cell.y1 / s) - box.y0 + 2
        x0, x1 = int(cell.x0 / s) - box.x0 - 1, int(cell.x1 / s) - box.x0 + 2
        mask[max(0, y0) : y1, max(0, x0) : x1] = 0.0

    # --- what does it say?

    def read(self, reader: TextReader, image: np.ndarray, grey: np.ndarray, at_s: float) -> list[Change]:
        """Read what has changed; return the changes of the score that are certain now.

        `image`: the picture (H, W, 3) uint8 RGB, `grey`: the same in grey.
        """
        changes: list[Change] = []
        if self.shows_past(at_s):
            for column in self.columns:
                column.votes.forget_reading()
            return changes
        for column in self.columns:
            if column.restless or not self._due(column, grey, at_s):
                continue
            reading = self._read_column(column, reader, image, grey, at_s)
            if reading is not None and column.last is not None and reading != column.last:
                column.note_change(reading, at_s)
            column.last = reading or column.last
            change = column.votes.push(reading, at_s)
            if change is not None and not column.restless:
                changes.append(change)
        return changes

    def _due(self, column: Column, grey: np.ndarray, at_s: float) -> bool:
        return column.votes.waiting or any(cell.changed(grey, at_s) for cell in column.cells)

    def _read_column(
        self, column: Column, reader: TextReader, image: np.ndarray, grey: np.ndarray, at_s: float
    ) -> Score | None:
        for cell in column.cells:
            cell.keep(grey, at_s)
        reading = self._numbers_in(column, reader, image)
        score = column.votes.score
        if reading is None or score is None or step_kind(score, reading) in _EXPECTED:
            return reading
        # What was not expected may have a line beside a number in it, read as a 1.
        closer = self._numbers_in(column, reader, image, closer=True)
        return closer if closer is not None and step_kind(score, closer) in _EXPECTED else reading

    def _numbers_in(
        self, column: Column, reader: TextReader, image: np.ndarray, closer: bool = False
    ) -> Score | None:
        """Return what a column reads, None where it cannot be read; `closer`: in the numbers' own boxes only."""
        numbers: list[int] = []
        for cell in column.cells:
            part = (cell.core if closer else cell.box).crop(image)
            if self.by_clock:
                found = surely_in(reader, part, 2 if cell.pair else 1)
            elif cell.pair:
                found = pair_in(reader, part)
            else:
                found = number_in(reader, part, len(self.columns) > 1, cell.padded)
            if not found:
                return None
            numbers += found
        return tuple(numbers)

    def read_clock(
        self, reader: TextReader, image: np.ndarray, grey: np.ndarray, at_s: float
    ) -> list[ClockChange]:
        """Read the clocks whose pixels have changed; return what they have begun to do."""
        found: list[ClockChange] = []
        for cell, clock in self.clocks:
            if not cell.changed(grey, at_s):
                change = clock.stand(at_s)
            else:
                line = reader.read([cell.box.crop(image)], DIGITS + ":")[0]
                cell.keep(grey, at_s)
                seconds = seconds_of(line.text)
                if seconds is None or line.certainty < LEAST_CERTAINTY:
                    continue
                cell.text = line.text
                change = clock.push(seconds, at_s)
            if change is not None:
                found.append(change)
        return found


def read_period(
    part: PeriodCell, reader: TextReader, image: np.ndarray, grey: np.ndarray, at_s: float
) -> bool:
    """Read the period where its pixels have changed; return whether it is certain that it is another one now."""
    if not part.candidate and not part.cell.changed(grey, at_s):
        return False
    line = reader.read([part.cell.box.crop(image)])[0]
    part.cell.keep(grey, at_s)
    text = line.text.strip()
    if form_of(text) is not Form.PERIOD or line.certainty < LEAST_CERTAINTY or text == part.text:
        part.candidate = ""
        return False
    if text != part.candidate:
        part.candidate = text
        return False
    part.text, part.candidate = text, ""
    return True


def _room(token: Token, layout: BoardLayout) -> Box:
    """Return a cell's box: wider than its number, for another digit, as far as its neighbours allow."""
    others = [t for c in layout.columns for t in c if t is not token]
    others += [*layout.name_tokens, *layout.clocks, *layout.periods]
    row = [t.box for t in others if abs(t.box.middle_y - token.box.middle_y) < 0.6 * token.box.height]
    left = max((b.x1 for b in row if b.middle_x < token.box.middle_x), default=0)
    right = min((b.x0 for b in row if b.middle_x > token.box.middle_x), default=10**6)
    room = 0.3 * token.box.height
    x0 = max(token.box.x0 - room, (left + token.box.x0) / 2, 0)
    x1 = min(token.box.x1 + room, (right + token.box.x1) / 2)
    return Box(round(min(x0, token.box.x0)), token.box.y0, round(max(x1, token.box.x1)), token.box.y1)
