"""The scoreboards of a broadcast: which are known, which of them counts, and what they report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from commentator_lib.events import Event
from commentator_lib.watching.board import Board, read_period
from commentator_lib.watching.board_layout import BoardLayout, find_boards, overlap, same_team
from commentator_lib.watching.captions import form_of
from commentator_lib.watching.ocr import Box, TextReader
from commentator_lib.watching.overlays import StillMap
from commentator_lib.watching.picture import Picture
from commentator_lib.watching.score import ADVANTAGE, Change, Score
from commentator_lib.watching.tokens import Form, Token

_MOST_BOARDS = 4
_FORGET_TOKENS_S = 90.0
_SURE_OF_PAST_S = 1.2  # a clock that shows the past for so long is that of a replay
_INCOMPLETE_EVERY_S, _MOST_READ = (
    3.0,
    6,
)  # how often and how many times a board is read again that lacks a part
_AROUND = (4.0, 1.5)  # what is read again around it, to the sides and up and down, in heights of its numbers
_GONE_S = 20.0
# A text that is read again after so long, within so many seconds, and not farther away than that share of its height.
_APART_S, _LATELY_S, _SHIFTED = 0.7, 8.0, 0.2
_HIGH_SCORE = 10  # from here on a step of the score is no goal


class BoardWatch:
    """All boards that were found, in `boards`, and the tokens from which others may still be made."""

    def __init__(self) -> None:
        self.boards: list[Board] = []
        self._tokens: list[tuple[Token, float]] = []  # with the source time at which each was read
        self._lately: list[tuple[Token, float]] = []  # all that was read of late, and when
        self._banned: list[Box] = []  # numbers that turned out to be counters
        self._now_s = 0.0
        self._in_past = False  # the clock of the board that counts shows a replay

    @property
    def anchored(self) -> bool:
        """Whether a board with a running clock is on screen."""
        return any(b.ticks and b.visible and b.score is not None for b in self.boards)

    @property
    def primary(self) -> Board | None:
        """The board that counts: one whose clock runs, else the one that is known for the longest.

        One that is gone for long gives way to another whose clock runs.
        """
        known = [b for b in self.boards if b.score is not None and b.credible]
        running = [b for b in known if b.ticks]
        here = [b for b in running if self._now_s - b.visible_s < _GONE_S]
        return next(iter(here or running or known), None)

    def covers(self, box: Box) -> bool:
        """Return whether a box of the picture belongs to a known board."""
        return any(overlap(box, b.layout.box) > 0.5 for b in self.boards)

    def surely_covers(self, box: Box) -> bool:
        """Return whether a box of the picture belongs to a board that is proven: its clock runs."""
        return any(overlap(box, b.layout.box) > 0.5 for b in self.boards if b.ticks)

    def on_screen(self) -> Mapping[str, Any]:
        """Return what the board that counts says: score, teams, clock; each where it is known."""
        facts: dict[str, Any] = {}
        board = self.primary
        if board is not None and board.score is not None:
            facts["score"] = _shown(board.score)
            if any(board.names):
                facts["teams"] = list(board.names)
        if board is not None and board.visible and board.clock_text:
            facts["clock"] = board.clock_text
        if board is not None and board.visible and board.periods:
            facts["period"] = board.periods[0].text
        return facts

    def look(self, reader: TextReader, still: StillMap, picture: Picture) -> list[Event]:
        """Read what has changed on the boards that are on screen; return what the one that counts reports."""
        self._now_s = picture.at_s
        events: list[Event] = []
        for board in self.boards:
            there = board.check_visible(still, picture.small, picture.at_s)
            if not there and not board.check_clock_goes_on(reader, *picture.read_in):
                continue
            clock_changes = board.read_clock(reader, *picture.read_in)
            changes = board.read(reader, *picture.read_in)
            periods = [p.text for p in board.periods if read_period(p, reader, *picture.read_in)]
            if board is not self.primary:
                continue
            for change in clock_changes:
                facts = {"clock": board.clock_text, "state": change.state}
                events.append(Event("clock", change.at_s, picture.at_s, 0, 0.9, facts))
            events += [_score_event(board, change, picture.at_s) for change in changes]
            events += [Event("period", picture.at_s, picture.at_s, 1, 0.9, {"period": p}) for p in periods]
            events += self._replay_by_clock(board, picture.at_s)
        self._drop_counters(still)
        return events

    def take_settled(self, now_s: float) -> Box | None:
        """Return where a board is to be read again in the still map's picture, with some room around it; else None.

        Each is once it has come in; one that lacks a name and a clock that runs some more times.
        """
        for board in self.boards:
            if board.visible and now_s >= board.read_again_s:
                box, line_px = board.small_box(), board.line_px()
                x_px, y_px = round(_AROUND[0] * line_px), round(_AROUND[1] * line_px)
                return Box(max(0, box.x0 - x_px), max(0, box.y0 - y_px), box.x1 + x_px, box.y1 + y_px)
        return None

    def note_settled(self, box: Box, now_s: float) -> None:
        """Note that the boards in a box that `take_settled` returned were read again."""
        for board in self.boards:
            if overlap(board.small_box(), box) > 0.3:
                board.times_read += 1
                again = not board.credible and board.times_read < _MOST_READ
                board.read_again_s = now_s + _INCOMPLETE_EVERY_S if again else float("inf")

    def add_tokens(self, tokens: Sequence[Token], box: Box, still: StillMap, picture: Picture) -> None:
        """Take the tokens that were read in a box of the picture; a board may be made of them and of earlier ones.

        Of those only what still stands counts: but a clock, which changes. What runs through belongs to no board.
        """
        now_s = picture.at_s

        def small(place: Box) -> Box:
            return place.scaled(1 / picture.scale)

        kept = [(t, s) for t, s in self._tokens if overlap(t.box, box) < 0.5 and now_s - s < _FORGET_TOKENS_S]
        kept = [(t, s) for t, s in kept if not any(overlap(t.box, new.box) > 0.2 for new in tokens)]
        kept = [(t, s) for t, s in kept if t.form is Form.CLOCK or still.stands_since(small(t.box), s)]
        self._tokens = kept + [
            (t, now_s) for t in tokens if not still.moves(small(t.box)) or self._was_there(t, now_s)
        ]
        self._lately = [(t, s) for t, s in self._lately if now_s - s < _LATELY_S] + [
            (t, now_s) for t in tokens
        ]
        for layout in find_boards([t for t, _ in self._tokens], self._banned):
            self._add_board(layout, now_s, picture.scale)

    def _was_there(self, token: Token, now_s: float) -> bool:
        """Return whether the same was read in the same place before: it stands, and what moves shines through it."""
        return any(
            known.text == token.text
            and _APART_S <= now_s - at_s < _LATELY_S
            and abs(known.box.middle_x - token.box.middle_x) <= _SHIFTED * token.box.height
            and abs(known.box.middle_y - token.box.middle_y) <= _SHIFTED * token.box.height
            for known, at_s in self._lately
        )

    def _add_board(self, layout: BoardLayout, now_s: float, scale: float) -> None:
        """Take a layout that was found: it is a board that is known, or a new one."""
        for board in self.boards:
            same_place = overlap(board.layout.box, layout.box) > 0.6
            same_names = bool(set(_forms(board.names)) & set(_forms(layout.names)))
            same_names |= all(map(same_team, board.names, layout.names))
            if same_names or (same_place and not any(board.names)):
                settles = not board.settled and layout.weight == board.layout.weight
                if not board.visible or layout.weight > board.layout.weight or settles:
                    board.relocate(layout)
                return
        if any(b.visible and overlap(b.layout.box, layout.box) > 0.3 for b in self.boards):
            return
        self.boards = [*self.boards, Board(layout, now_s, scale)]
        if len(self.boards) > _MOST_BOARDS:
            keep = self.primary
            self.boards = [b for b in self.boards if b is keep or b is not self.boards[0]][-_MOST_BOARDS:]

    def _replay_by_clock(self, board: Board, now_s: float) -> list[Event]:
        """Return that a replay begins or ends, where the board's clock says so."""
        past = board.shows_past(now_s, _SURE_OF_PAST_S)
        if past == self._in_past:
            return []
        self._in_past = past
        at_s = now_s - _SURE_OF_PAST_S if past else now_s
        return [Event("replay", at_s, now_s, int(past), 0.8, {"begins": past, "shown_by": "clock"})]

    def _drop_counters(self, still: StillMap) -> None:
        """Forget boards of which every number changes like a counter; what lies there is read again without them."""
        for board in [b for b in self.boards if all(column.restless for column in b.columns)]:
            self.boards.remove(board)
            self._banned += [box for column in board.columns for box in column.counters()]
            still.forget_examined(board.small_box())


def _forms(names: Sequence[str]) -> list[str]:
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
    importance = 2 if change.correction or max(change.score) >= _HIGH_SCORE else 3
    return Event("score", change.first_s, now_s, importance, 0.95 if board.ticks else 0.85, facts)
