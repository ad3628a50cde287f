"""Lines of captions: as long as they may be, and broken where the language allows it."""

from __future__ import annotations

import pytest

from commentator_lib.runs.line_breaks import (
    LINE_COLUMNS,
    LINES,
    balanced,
    breakable_pieces,
    caption_lines,
    caption_parts,
    columns,
    is_right_to_left,
    wrapped,
)
from tests.runs.scripts import SENTENCES


@pytest.mark.parametrize("script", SENTENCES)
def test_captions_have_two_lines_of_42_columns_and_nothing_is_lost(script):
    text = SENTENCES[script]
    parts = caption_parts(text)
    lines = [caption_lines(part) for part in parts]
    assert len(parts) > 1 or len(lines[0]) == LINES
    assert all(1 <= len(each) <= LINES for each in lines)
    assert max(columns(line) for each in lines for line in each) <= LINE_COLUMNS
    assert "".join("".join(each) for each in lines).replace(" ", "") == text.replace(" ", "")


def test_words_stay_whole_where_a_language_has_words():
    for script in ("Korean", "Hindi", "Tamil", "Bengali", "Arabic", "Hebrew", "Russian", "Greek", "English"):
        words = SENTENCES[script].split()
        found = " ".join(
            line for part in caption_parts(SENTENCES[script]) for line in caption_lines(part)
        ).split()
        assert found == words, script


def test_thai_breaks_between_words_that_no_space_divides():
    assert breakable_pieces("วิ่งไล่ตามลูกบอล") == ["วิ่ง", "ไล่", "ตาม", "ลูกบอล"]


def test_chinese_breaks_between_characters_but_no_line_begins_with_a_comma():
    assert wrapped("快跑，快跑。", 4) == ["快", "跑，", "快", "跑。"]
    assert all(
        line[0] not in "，。！、」"
        for script in ("Chinese", "Japanese")
        for line in wrapped(SENTENCES[script], 12)
    )


def test_a_family_of_emoji_and_a_flag_stay_whole():
    assert wrapped("👨‍👩‍👧🇩🇪", 2) == ["👨‍👩‍👧", "🇩🇪"]


def test_lines_of_a_caption_are_about_as_long_as_each_other():
    first, second = balanced("The keeper has the ball in his hands and waits.", 42)
    assert abs(len(first) - len(second)) < 10


def test_nothing_makes_no_part():
    assert caption_parts(" \n ") == [] and wrapped("", 10) == []


def test_first_letter_decides_the_direction():
    assert is_right_to_left("9 — מספר") and not is_right_to_left("9 A שלום") and not is_right_to_left("2:1")
