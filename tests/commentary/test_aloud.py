"""What is read aloud of a sentence."""

from __future__ import annotations

import pytest

from commentator_lib.commentary.aloud import read_aloud


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("It is 2–1 now.", "It is 2 to 1 now."),
        ("2-1! (3 - 2), 10:1", "2 to 1! (3 to 2), 10 to 1"),
        ("BRA lead GER 2−1", "B R A lead G E R 2 to 1"),
        ("67:12 gone", "67 minutes 12 gone"),
        ("45:00", "45 minutes"),
        ("1:02:03 gone", "62 minutes 3 gone"),
        ("kick-off at 12:30 pm", "kick-off at 12:30 pm"),
        ("Goal! 67', and 90+3' for GER's nine", "Goal! 67 minutes, and 90 plus 3 minutes for G E R's nine"),
        ("the 45+2nd minute", "the 45 plus 2nd minute"),
        ("a 4-3-3 on 2026-12-01 in 1998–99", "a 4-3-3 on 2026-12-01 in 1998–99"),
        ("No. 9, #10 and the no. 7 shirt", "number 9, number 10 and the number 7 shirt"),
        ("No one moves", "No one moves"),
        (
            "Halden vs. Whiteharrow, Halden v Leeds, 5 v 5",
            "Halden versus Whiteharrow, Halden versus Leeds, 5 versus 5",
        ),
        (
            "25 m out at 30 km/h, 1 m, a 25-m shot",
            "25 metres out at 30 kilometres an hour, 1 metre, a 25 metre shot",
        ),
        ("70% of 20°C", "70 per cent of 20 degrees Celsius"),
        ("5 min. left, approx. 20 yds", "5 minutes left, about 20 yards"),
        ("£20m, $1,500, €3.50, £1", "20 million pounds, 1,500 dollars, 3 euros 50, 1 pound"),
        ("5 * 3 = 15", "5 times 3 equals 15"),
        ("snake_case, e.g. AT&T", "snake case, for example A T and T"),
        ("It says TAXI, OH NO, VAR", "It says TAXI, OH NO, V A R"),
        ("GOAL FOR THE REDS", "GOAL FOR THE REDS"),
        ("⚽ Goal 🔥", "Goal"),
        ("7️⃣ scores, 👨‍👩‍👧 watch", "7 scores, watch"),
        ("see https://www.example.org/a?b=c.", "see www dot example dot org."),
        ("⚽🔥", ""),
        ("...", ""),
        ("A car", "A car"),
    ],
)
def test_english(text, read):
    assert read_aloud(text).removesuffix(".") == read.removesuffix(".")


@pytest.mark.parametrize(
    ("language", "text", "read"),
    [
        (
            "de-AT",
            "Bayern führt 2:1 nach 67:12, Nr. 9 trifft",
            "Bayern führt 2 zu 1 nach 67 Minuten 12, Nummer 9 trifft",
        ),
        ("fr", "Le score est 2–1", "Le score est 2 à 1"),
        ("zh", "比分2–1，67:00", "比分2 比 1，67 分"),
        ("ru", "Счёт 2:1", "Счёт 2, 1"),
        ("de", "In der 67. Minute 5 m", "In der 67. Minute 5 m"),
    ],
)
def test_other_languages_have_scores_and_clocks(language, text, read):
    assert read_aloud(text, language).removesuffix(".") == read


def test_a_sentence_ends_with_a_full_stop_that_voices_hear():
    assert [read_aloud(text) for text in ("A car", "A car!", "No. 9", '"A car"', "一个球")] == [
        "A car.",
        "A car!",
        "number 9.",
        '"A car"',
        "一个球",
    ]
