"""Numbers are read in the parts of a picture where a board has them; what stands beside them is left out."""

from __future__ import annotations

import numpy as np
import pytest

from commentator_lib.watching.board import Board
from commentator_lib.watching.board_layout import find_boards
from commentator_lib.watching.board_numbers import number_in, pair_in
from commentator_lib.watching.ocr import Character, Line
from tests.watching.test_board_layout import row

PART = np.zeros((20, 30, 3), np.uint8)


class Reader:
    """Reads the same text in every part."""

    def __init__(self, text: str, certainty: float = 0.99) -> None:
        self.text, self.certainty = text, certainty

    def read(self, crops, only=""):
        return [Line(tuple(Character(c, 0.5, self.certainty) for c in self.text)) for _ in crops]


@pytest.mark.parametrize(
    ("text", "padded", "number"),
    [
        ("2", False, [2]),
        ("12", False, [12]),
        ("01", False, []),
        ("01", True, [1]),
        ("", False, []),
        ("4127", False, []),
    ],
)
def test_a_line_beside_a_nought_is_no_one(text, padded, number):
    assert number_in(Reader(text), PART, False, padded) == number


def test_what_was_read_badly_is_no_number():
    assert number_in(Reader("2", 0.3), PART, False, False) == []


@pytest.mark.parametrize(
    ("text", "pair"), [("2-1", [2, 1]), ("●2 - 1", [2, 1]), ("12:10", [12, 10]), ("2", [])]
)
def test_a_pair_is_two_numbers(text, pair):
    assert pair_in(Reader(text), PART) == pair


def test_a_line_in_the_room_beside_a_number_does_not_hide_a_goal():
    board = Board(find_boards(row("HOM 1 0 AWY 34:36"))[0], 0.0, 1.0)
    home, away = board.columns[0].cells
    picture = np.zeros((60, 320, 3), np.uint8)
    picture[:, away.box.x0 :] = 1  # by which the reader tells the cells apart
    shown = {"home": "1", "line": ""}

    class Lined:
        def read(self, crops, only=""):
            part = crops[0]
            text = "0" if part.all() else shown["home"]
            text += shown["line"] if part.shape[1] == home.box.width and not part.all() else ""
            return [Line(tuple(Character(c, 0.5, 0.99) for c in text))]

    def look(from_s):
        looks = (board.read(Lined(), picture, picture[..., 0], from_s + k / 5) for k in range(5))
        return [change.score for changes in looks for change in changes]

    assert home.box.width > home.core.width
    assert look(0.0) == [] and board.columns[0].votes.score == (1, 0)
    shown.update(home="2", line="1")
    assert look(10.0) == [(2, 0)]
