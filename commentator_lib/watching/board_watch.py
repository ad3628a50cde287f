"""The scoreboards of a broadcast: which are known, which of them counts, and what they report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from commentator_lib.events import Event
from commentator_lib.watching.board import Board, read_period
from commentator_lib.watching.board_layout import BoardLayout, find_boards, overlap
from commentator_lib.watching.captions import form_of
from commentator_lib.watching.ocr import Box, TextReader
from commentator_lib.watching.overlays import StillMap
from commentator_lib.watching.picture import Picture
from commentator_lib.watching.score import ADVANTAGE, Change, Score
from commentator_lib.watching.tokens import Token

_MOST_BOARDS = 4
_FORGET_TOKENS_S = 90.0
_SURE_OF_PAST_S = 1.2  # a clock that shows the past for so long is that of a replay
_HIGH_SCORE = 10  # from here on a step of the score is no goal


class BoardWatch:
    """All boards that were found, in `boards`, and the tokens from which others may still be made."""

    def __init__(self) -> None:
        self.boards: list[Board] = []
        self._tokens: list[tuple[Token, float]] = []  # with the source time at which each was read
        self._banned: list[Box] = []  # numbers that turned out to be counters
        self._in_past = False  # the clock of the board that counts shows a replay

    @property
    def anchored(self) -> bool:
        """Whether a board with a running clock is on screen."""
        return any(b.ticks and b.visible and b.score is not None for b in self.boards)

    @property
    def primary(self) -> Board | None:
        """The board that counts: one whose clock runs, else the one that is known for the longest."""
        known = [b for b in self.boards if b.score is not None and b.credible]
        return next((b for b in known if b.ticks), known[0] if known else None)

    def covers(self, box: Box, sure: bool = False) -> bool:
        """Return whether a box of the picture belongs to a known board; `sure`: to one whose clock runs."""
        return any(overlap(box, b.layout.box) > 0.5 for b in self.boards if b.ticks or not sure)

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
        events: list[Event] = []
        for board in self.boards:
            if not board.check_visible(still, picture.small, picture.at_s):
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

    def add_tokens(self, tokens: Sequence[Token], box: Box, picture: Picture) -> None:
        """Take the tokens that were read in a box of the picture; a board may be made of them and of earlier ones."""
        now_s = picture.at_s
        kept = [(t, s) for t, s in self._tokens if overlap(t.box, box) < 0.5 and now_s - s < _FORGET_TOKENS_S]
        self._tokens = kept + [(t, now_s) for t in tokens]
        for layout in find_boards([t for t, _ in self._tokens], self._banned):
            self._add_board(layout, now_s, picture.scale)

    def _add_board(self, layout: BoardLayout, now_s: float, scale: float) -> None:
        """Take a layout that was found: it is a board that is known, or a new one."""
        for board in self.boards:
            same_place = overlap(board.layout.box, layout.box) > 0.6
            same_names = bool(set(_forms(board.names)) & set(_forms(layout.names)))
            if same_names or (same_place and not any(board.names)):
                if not board.visible or layout.weight > board.layout.weight:
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
