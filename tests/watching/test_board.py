"""A board's column of numbers: which changes are those of a counter."""

from __future__ import annotations

import numpy as np

from commentator_lib.watching.board import Board, Column
from commentator_lib.watching.board_layout import find_boards
from commentator_lib.watching.ocr import Box
from commentator_lib.watching.overlays import StillMap
from tests.watching.conftest import background
from tests.watching.test_board_layout import row


def changed_to(*readings):
    """Return a column that has read these numbers one after another, a second apart."""
    column = Column(())
    for k, reading in enumerate(readings):
        column.note_change(reading, float(k))
        column.last = reading
    return column


def test_a_number_that_goes_on_and_on_is_a_counter():
    assert changed_to((24, 0), (23, 0), (22, 0), (21, 0), (20, 0)).restless


def test_a_number_that_is_misread_now_and_then_is_none():
    assert not changed_to((0, 21), (0, 2), (0, 21), (0, 2), (0, 21), (0, 2)).restless


def test_what_has_changed_since_it_was_read_does_not_stand():
    still = StillMap(360, 640)
    box = Box(40, 40, 120, 80)
    for k in range(10):
        image = background(k)[..., 0].copy()
        image[40:80, 40:120] = 255 * (np.arange(80) // 8 % 2)
        still.push(image, k / 5)
    assert still.stands_since(box, 1.0) and not still.stands_since(Box(300, 200, 400, 260), 1.0)


def test_a_text_that_runs_through_moves_and_one_that_stands_does_not():
    still = StillMap(360, 640)
    box = Box(40, 40, 120, 80)
    for k in range(10):
        image = background(k)[..., 0].copy()
        image[40:80, 40:120] = 255 * (np.arange(80) // 8 % 2)
        image[200:240, 40:120] = 255 * ((np.arange(80) + 4 * k) // 8 % 2)
        still.push(image, k / 5)
    assert still.moves(Box(40, 200, 120, 240)) and not still.moves(box)


def test_a_board_whose_numbers_were_looked_for_in_wrong_places_starts_anew_and_reports_goals_again():
    board = Board(find_boards(row("HOM 1 34 36 2 AWY"))[0], 0.0, 1.0)
    wrong = board.columns[0].votes
    for k in range(5):
        wrong.push((34, 36), k / 5)
    board.relocate(find_boards(row("HOM 1 34:36 2 AWY"))[0])
    votes = board.columns[0].votes
    assert [votes.push((1, 2), 1 + k / 5) for k in range(5)] == [None] * 5 and votes.score == (1, 2)
    changes = [votes.push((1, 3), 2 + k / 5) for k in range(5)]
    assert [c.score for c in changes if c is not None] == [(1, 3)]


def test_a_board_that_is_found_again_in_its_place_keeps_its_score():
    board = Board(find_boards(row("HOM 1 - 0 AWY 34:36"))[0], 0.0, 1.0)
    for k in range(5):
        board.columns[0].votes.push((1, 0), k / 5)
    board.relocate(find_boards(row("HOM 2 - 0 AWY 34:40", x=42))[0])
    changes = [board.columns[0].votes.push((0, 0), 1 + k / 5) for k in range(10)]
    assert [c.correction for c in changes if c is not None] == [True]
