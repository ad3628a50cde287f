"""Lines of text are cut into tokens, each with the form that a scoreboard's parts have."""

from __future__ import annotations

import pytest

from commentator_lib.watching.ocr import Box, Character, Line
from commentator_lib.watching.tokens import Form, digits_of, form_of, seconds_of, tokens_of

BOX = Box(100, 10, 340, 34)


def line(text, step=0.04, gaps=()):
    """Return a line whose characters stand `step` of the line's width apart, with more room before some."""
    x, characters = 0.02, []
    for k, character in enumerate(text):
        x += step + (0.15 if k in gaps else 0.0)
        characters.append(Character(character, x, 0.99))
    return Line(tuple(characters))


def forms(text, **more):
    return [(t.text, t.form.value) for t in tokens_of(line(text, **more), BOX)]


def test_a_line_is_cut_at_spaces():
    assert forms("04:44 RMA 0 0 SEV") == [
        ("04:44", "clock"),
        ("RMA", "word"),
        ("0", "number"),
        ("0", "number"),
        ("SEV", "word"),
    ]


def test_a_line_without_spaces_is_cut_at_gaps_and_where_letters_meet_digits():
    assert forms("RMA2") == [("RMA", "word"), ("2", "number")]
    assert forms("RMASEV", gaps=(3,)) == [("RMA", "word"), ("SEV", "word")]


def test_digits_that_stand_apart_are_two_numbers():
    assert forms("34", step=0.09) == [("3", "number"), ("4", "number")]
    assert forms("34", step=0.04) == [("34", "number")]
    assert forms("75:52", step=0.05) == [("75:52", "clock")]


@pytest.mark.parametrize("text", ["●1-0", "1-0V", "●1-0T", "D1:0", "1-0◆"])
def test_a_crest_that_is_read_with_a_pair_is_left_out(text):
    assert [form for _, form in forms(text)] == ["pair"] and forms(text)[0][0] in ("1-0", "1:0")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("●2", [("2", "number")]),
        ("3◆", [("3", "number")]),
        ("#9", [("#9", "other")]),
        ("(1-0)", [("(1-0)", "other")]),
        ("+3", [("+3", "stoppage")]),
        ("V75:52", [("75:52", "clock")]),
    ],
)
def test_only_signs_as_crests_are_read_as_are_left_out(text, found):
    assert forms(text) == found


def test_a_token_stands_where_its_characters_do():
    first, second = tokens_of(line("RMA 2"), BOX)
    assert BOX.x0 <= first.box.x0 < first.box.x1 <= second.box.x0 < second.box.x1 <= BOX.x1
    assert (first.box.y0, first.box.y1) == (BOX.y0, BOX.y1)


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("67:12", Form.CLOCK),
        ("90'", Form.CLOCK),
        ("104:10", Form.CLOCK),
        ("2", Form.NUMBER),
        ("112", Form.NUMBER),
        ("2-1", Form.PAIR),
        ("112-1", Form.PAIR),
        ("2:1", Form.PAIR),
        ("3 | 0", Form.PAIR),
        ("+4", Form.STOPPAGE),
        ("+4'", Form.STOPPAGE),
        ("2ND", Form.PERIOD),
        ("Q4", Form.PERIOD),
        ("HT", Form.PERIOD),
        ("RMA", Form.WORD),
        ("НИМ", Form.WORD),
        ("(3-2)", Form.OTHER),
        ("2026", Form.OTHER),
        ("-", Form.OTHER),
    ],
)
def test_form_of_a_token(text, form):
    assert form_of(text) is form


def test_what_a_clock_shows():
    assert seconds_of("67:12") == 67 * 60 + 12 and seconds_of("67'") == 67 * 60
    assert seconds_of("67:72") is None and seconds_of("2-1") is None


def test_letters_taken_for_digits_are_put_right():
    assert digits_of("O") == "0" and digits_of("l2") == "12" and digits_of("S") == "5"


def test_what_was_read_badly_is_no_token():
    assert tokens_of(Line((Character("7", 0.5, 0.3),)), BOX) == []
