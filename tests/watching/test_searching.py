"""Lines that are found in a picture, and what stands in the gaps between them."""

from __future__ import annotations

import numpy as np
import pytest

from commentator_lib.media import Frame
from commentator_lib.watching.ocr import Box, Character, Line
from commentator_lib.watching.picture import picture_of
from commentator_lib.watching.searching import SearchedPlaces, read_lines

NAMES = [Box(20, 10, 60, 30), Box(120, 10, 160, 30)]


class Reader:
    """Finds two names, and reads a given text wherever it looks; notes the crops that it was given."""

    def __init__(self, text: str, certainty: float = 0.99, found: list[Box] | None = None) -> None:
        self.text, self.certainty, self.found = text, certainty, found or NAMES
        self.widths: list[int] = []

    def find_lines(self, image):
        self.searched_px = image.shape[1]
        zoom = image.shape[1] / 320
        return [Box(*(round(v * zoom) for v in (box.x0, box.y0, box.x1, box.y1))) for box in self.found]

    def read(self, crops, only=""):
        self.widths += [crop.shape[1] for crop in crops]
        line = Line(tuple(Character(c, (k + 0.5) / 9, self.certainty) for k, c in enumerate(self.text)))
        return [line for _ in crops]


def lines(reader, size=1.0):
    picture = picture_of(Frame(0, 0.0, 0.0, np.zeros((180, 320, 3), np.uint8)))
    return read_lines(reader, picture, Box(0, 0, 320, 180), size)


def test_a_score_between_two_names_that_the_detector_overlooked_is_read():
    found = lines(Reader("0 - 0"))
    gap, line = found[-1]
    assert len(found) == 3 and line.text == "0 - 0"
    assert abs(gap.x0 - 60) <= 1 and abs(gap.x1 - 120) <= 1


@pytest.mark.parametrize(("text", "certainty"), [("MILK", 0.99), ("1", 0.6), ("", 0.99), ("1 2 3", 0.99)])
def test_what_is_no_score_for_sure_is_left_out(text, certainty):
    assert len(lines(Reader(text, certainty))) == 2


@pytest.mark.parametrize(
    "other",
    [
        Box(61, 10, 101, 30),  # the next word
        Box(260, 10, 300, 30),  # too far away
        Box(120, 60, 160, 80),  # another row
        Box(120, 0, 160, 60),  # far larger
    ],
)
def test_there_is_no_gap_between_lines_that_do_not_belong_together(other):
    assert len(lines(Reader("1", found=[NAMES[0], other]))) == 2


def test_a_place_that_is_searched_again_is_enlarged_less_every_second_time():
    places = SearchedPlaces()
    board, moved, other = Box(10, 10, 110, 40), Box(12, 8, 110, 40), Box(300, 10, 400, 40)
    sizes = [places.note(box, at_s) for at_s, box in enumerate([board, moved, other, board])]
    assert sizes[0] == sizes[2] == sizes[3] == 1.0 and sizes[1] < 1.0
    assert places.note(board, 100.0) == 1.0  # long after, it is a new place


def test_lines_stand_in_the_same_places_whatever_the_size_they_are_searched_in():
    large, small = Reader("1"), Reader("1")
    (first, *_), (second, *_) = lines(large), lines(small, 0.7)
    assert small.searched_px < large.searched_px
    assert abs(first[0].x0 - second[0].x0) <= 1 and abs(first[0].y1 - second[0].y1) <= 1
