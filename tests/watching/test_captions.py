"""What a caption is about, which captions are new, and which texts are captions at all."""

from __future__ import annotations

import pytest

from commentator_lib.watching.captions import CaptionMemory, about_of, form_of, importance_of, is_caption
from commentator_lib.watching.ocr import Box


@pytest.mark.parametrize(
    ("text", "about"),
    [
        ("GOAL 9 NORBEKO", "goal"),
        ("GOOOOL!", "goal"),
        ("TOR 2:1", "goal"),
        ("YELLOW CARD 4 OSTRELL", "yellow card"),
        ("Second yellow - 4 Ostrell", "red card"),
        ("RED CARD", "red card"),
        ("SUBSTITUTION 8 out 14 in", "substitution"),
        ("CORNER HAVEN TOWN", "corner"),
        ("KICK-OFF 20:45", "kick-off"),
        ("HALF TIME", "half-time"),
        ("VAR CHECK possible penalty", "penalty"),
        ("REPLAY", "replay"),
        ("Corners 4", ""),
        ("Shots on goal 3", ""),
        ("Top scorers", ""),
        ("Goal difference", ""),
        ("Round 12", ""),
        ("Cornerstone Bank", ""),
        ("Dr. Subsley", ""),
    ],
)
def test_what_a_caption_is_about(text, about):
    assert about_of(text) == about


def test_importance_follows_what_it_is_about():
    assert importance_of("goal") == 3 and importance_of("corner") == 2 and importance_of("") == 0


def test_same_caption_is_new_once_a_minute():
    memory = CaptionMemory()
    assert memory.is_new(["GOAL", "9 NORBEKO"], "goal", 10.0)
    assert not memory.is_new(["GOAL", "9 NORBEKO"], "goal", 20.0)
    assert memory.is_new(["GOAL", "7 CASTENO"], "goal", 20.0)
    assert memory.is_new(["GOAL", "9 NORBEKO"], "goal", 90.0)


def test_a_panel_of_numbers_is_not_new_with_every_number():
    memory = CaptionMemory()
    assert memory.is_new(["Possession", "52 48 HAV NYM"], "", 10.0)
    assert not memory.is_new(["Possession", "53 47 HAV NYM"], "", 20.0)


def test_a_countdown_is_one_caption():
    memory = CaptionMemory()
    assert memory.is_new(["KICK-OFF IN 01:12"], "kick-off", 1.0)
    assert not memory.is_new(["KICK-OFF IN 01:11"], "kick-off", 2.0)


def test_two_readings_agree_by_letters_and_digits():
    assert form_of(["GOAL ", "9 Norbeko"]) == form_of(["goal", "9  NORBEKO."])


def test_text_high_up_is_a_caption_only_if_its_words_are_known():
    low, high = Box(40, 280, 300, 330), Box(40, 20, 300, 60)
    assert is_caption(["Haven Town"], low, 360) and not is_caption(["Haven Town"], high, 360)
    assert is_caption(["REPLAY"], high, 360) and not is_caption(["12 4"], low, 360)
