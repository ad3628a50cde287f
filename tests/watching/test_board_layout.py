"""Scoreboards of many designs are found among tokens; what is no score is not taken for one."""

from __future__ import annotations

import pytest

from commentator_lib.watching.board_layout import find_boards, same_team
from commentator_lib.watching.ocr import Box, overlap
from commentator_lib.watching.tokens import Token, form_of


def row(text, y=20, height=20, x=40):
    """Return the tokens of a row; each is parted from the next by a space, "~" makes a wide gap."""
    tokens = []
    for word in text.split(" "):
        if word == "~":
            x += 6 * height
            continue
        width = round(0.6 * height * len(word))
        tokens.append(Token(word, Box(x, y, x + width, y + height), 0.95, form_of(word)))
        x += width + round(0.5 * height)
    return tokens


def score(layout):
    return [" ".join(t.text for t in column) for column in layout.columns]


@pytest.mark.parametrize(
    ("text", "numbers", "names"),
    [
        ("HOM 0-1 AWY 12:34", ["0-1"], ("HOM", "AWY")),
        ("04:44 RMA 0 2 SEV", ["0 2"], ("RMA", "SEV")),
        ("HOM 1 AWY 2", ["1 2"], ("HOM", "AWY")),
        ("1 HOM AWY 2", ["1 2"], ("HOM", "AWY")),
        ("HOM 3 12:34 0 AWY", ["3 0"], ("HOM", "AWY")),
        ("HAVEN TOWN 1 - 0 NYMPHENBURG UTD", ["1 0"], ("HAVEN TOWN", "NYMPHENBURG UTD")),
        ("HOM 2 - 1 AWY (3-2)", ["2 1"], ("HOM", "AWY")),
        ("91:14 +4 HOM 2 1 AWY", ["2 1"], ("HOM", "AWY")),
        ("LUN 90 4TH 7:57 19 84 PORT", ["90 84"], ("LUN", "PORT")),
        ("IND 112-3 16.2", ["112-3"], ("IND", "")),
    ],
)
def test_score_of_a_row(text, numbers, names):
    layout = find_boards(row(text))[0]
    assert score(layout) == numbers and layout.names == names


def test_score_of_two_rows():
    layout = find_boards([*row("HOM 1"), *row("AWY 2", y=44), *row("51:37", y=68)])[0]
    assert score(layout) == ["1 2"] and layout.names == ("HOM", "AWY") and len(layout.clocks) == 1


def put(text, x, y, height=20):
    """Return one token at a place."""
    return Token(text, Box(x, y, x + round(0.6 * height * len(text)), y + height), 0.95, form_of(text))


def test_names_at_the_other_end_of_two_rows_belong_to_the_numbers():
    rows = [
        put("KADRUN", 20, 20),
        put("1", 280, 20),
        put("NYMARK", 20, 50),
        put("0", 280, 50),
        put("34:36", 20, -8),
    ]
    layout = find_boards(rows)[0]
    assert score(layout) == ["1 0"] and layout.names == ("KADRUN", "NYMARK") and len(layout.clocks) == 1


@pytest.mark.parametrize("clock", [[], [put("34:36", 215, 60)]])
def test_names_that_stand_far_on_both_sides_belong_to_the_numbers(clock):
    layout = find_boards([put("HAV", 20, 20), put("1-0", 175, 20), put("NYM", 330, 20), *clock])[0]
    assert score(layout) == ["1-0"] and layout.names == ("HAV", "NYM")


@pytest.mark.parametrize(
    "words",
    [
        [put("HAV", 20, 20), put("NYM", 240, 20)],  # not as far on both sides
        [put("HAV", 20, 20)],  # on one side only
    ],
)
def test_words_that_stand_far_and_not_alike_are_no_names(words):
    boards = find_boards([*words, put("1-0", 175, 20)])
    assert boards == [] or not all(boards[0].names)


def test_tall_cells_with_small_names_above_their_numbers():
    names = [put("HAV", 20, 0, 14), put("NYM", 120, 0, 14)]
    layout = find_boards([*names, put("1", 30, 34, 28), put("0", 130, 34, 28), put("34:36", 60, 75, 14)])[0]
    assert score(layout) == ["1 0"] and layout.names == ("HAV", "NYM")


def test_a_word_above_both_numbers_is_a_heading_and_no_name_of_both():
    minutes = [put("34", 20, -26), put("36", 50, -26)]  # a clock whose colon was not read
    layout = find_boards(
        [*minutes, put("HAV", 20, 0), put("1", 80, 0), put("NYM", 20, 26), put("0", 80, 26)]
    )[0]
    assert score(layout) == ["1 0"] and layout.names == ("HAV", "NYM")


def test_all_columns_of_tennis_are_kept():
    layout = find_boards([*row("KORVANE 6 3 40"), *row("HOLVANI 4 2 15", y=44)])[0]
    assert score(layout) == ["6 4", "3 2", "40 15"] and layout.names == ("KORVANE", "HOLVANI")


def test_names_above_their_numbers():
    layout = find_boards([*row("HOM ~ AWY", y=10), *row("2 ~ ~ 1", y=32), *row("HT", y=54)])
    assert not layout or score(layout[0]) == ["2 1"]


@pytest.mark.parametrize(
    "text",
    ["12:34", "FIRNIX", "9 NORBEKO", "98 km/h", "2026", "1:1", "HOM AWY", "(2-1)", "KICK-OFF IN 01:12"],
)
def test_what_is_no_board(text):
    assert find_boards(row(text)) == []


def test_a_number_that_is_known_to_be_no_score_is_left_out():
    tokens = row("HOM 1 0 AWY")
    assert find_boards(tokens, [tokens[1].box]) == []


def test_boards_far_apart_are_two():
    assert len(find_boards([*row("HOM 1 0 AWY"), *row("ABC 2 2 DEF", y=320)])) == 2


def test_overlap_is_a_share_of_the_smaller_box():
    assert overlap(Box(0, 0, 10, 10), Box(0, 0, 100, 100)) == 1.0
    assert overlap(Box(0, 0, 10, 10), Box(20, 0, 30, 10)) == 0.0


def test_each_name_may_stand_above_its_number():
    tokens = [*row("NYM", 20), *row("2", 44, x=52), *row("WEX", 78), *row("0", 102, x=52), *row("41:13", 130)]
    layout = find_boards(tokens)[0]
    assert score(layout) == ["2 0"] and layout.names == ("NYM", "WEX")


def test_a_word_that_celebrates_is_no_name():
    assert find_boards(row("25:10 GOAL 1 - 0 NYM")) == []
    assert find_boards(row("25:10 GOR 1 - 0 NYM"))[0].names == ("GOR", "NYM")


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        ("HAV", "Harrow Vale", True),
        ("NYMARK", "NYM", True),
        ("HAV", "HAV", True),
        ("TOR", "VELMORA", False),
        ("HAV", "NYM", False),
        ("H", "HAV", False),
        ("", "HAV", False),
    ],
)
def test_a_code_is_the_name_of_its_team(a, b, same):
    assert same_team(a, b) is same and same_team(b, a) is same
