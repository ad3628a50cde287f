"""Which tokens make a board, over pictures that shine through them, and when a board is read again."""

from __future__ import annotations

import numpy as np
import pytest

from commentator_lib.media import Frame
from commentator_lib.watching.board_watch import BoardWatch
from commentator_lib.watching.ocr import Box
from commentator_lib.watching.overlays import StillMap
from commentator_lib.watching.picture import picture_of
from commentator_lib.watching.tokens import Token, form_of
from tests.watching.test_board_layout import row

WHOLE = Box(0, 0, 640, 60)


class Restless(StillMap):
    """A map of a picture that moves everywhere, or nowhere."""

    def __init__(self, moving: bool) -> None:
        super().__init__(60, 640)
        self.moving = moving

    def moves(self, box):
        return self.moving

    def stands_since(self, box, at_s):
        return True


def give(watch, tokens, at_s, moving=False, box=WHOLE):
    picture = picture_of(Frame(0, at_s, at_s, np.zeros((60, 640, 3), np.uint8)))
    watch.add_tokens(tokens, box, Restless(moving), picture)
    return [[t.text for column in board.layout.columns for t in column] for board in watch.boards]


def test_text_over_a_moving_picture_stands_when_it_is_read_twice_in_one_place():
    watch = BoardWatch()
    assert give(watch, row("HOM 1 - 0 AWY"), 1.0, moving=True) == []
    assert give(watch, row("HOM 1 - 0 AWY"), 2.0, moving=True) == [["1", "0"]]


@pytest.mark.parametrize(("x", "at_s"), [(12, 2.0), (40, 1.2), (40, 30.0)])
def test_a_text_that_runs_through_is_no_board(x, at_s):
    watch = BoardWatch()
    give(watch, row("HOM 1 - 0 AWY"), 1.0, moving=True)
    assert give(watch, row("HOM 1 - 0 AWY", x=x), at_s, moving=True) == []


def test_a_number_at_the_edge_of_what_is_read_again_is_not_kept_twice():
    watch = BoardWatch()
    tokens = row("LIVE 71:00 NYM 3:0 LUN SPORT 1 HD")
    channel = next(t for t in tokens if t.text == "1")
    assert give(watch, tokens, 1.0) == [["3:0"]]
    cut = Box(0, 0, channel.box.x0 + 3, 60)
    again = Token("1", Box(channel.box.x0 - 7, 20, channel.box.x0 + 3, 40), 0.95, form_of("1"))
    before = [t for t in tokens if t.box.x1 <= channel.box.x0]
    assert give(watch, [*before, again], 2.4, box=cut) == [["3:0"]]


def times_read(text, until_s=30.0):
    """Return when a board that always reads the same is read again."""
    watch, times = BoardWatch(), []
    give(watch, row(text), 0.0)
    for k in range(round(5 * until_s)):
        box = watch.take_settled(k / 5)
        if box is not None:
            times.append(k / 5)
            watch.note_settled(box, k / 5)
    return times


def test_a_board_is_read_once_more_and_one_that_lacks_a_name_some_more_times():
    assert times_read("HOM 1 - 0 AWY") == [1.2]
    lacking = times_read("HOM 1 - 0")
    assert 3 <= len(lacking) <= 6 and all(b - a > 2.9 for a, b in zip(lacking, lacking[1:], strict=False))


def test_there_is_room_around_what_is_read_again():
    watch = BoardWatch()
    give(watch, row("HOM 1 - 0", y=40), 0.0)
    (board,) = watch.boards
    box, known = watch.take_settled(2.0), board.layout.box
    assert box.x1 >= known.x1 + 60 and box.y0 <= known.y0 - 20 and box.x0 >= 0
