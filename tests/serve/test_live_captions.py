"""Captions in real time: what stands under the picture at a time."""

from commentator_lib.runs.line_breaks import LINE_COLUMNS, LINES
from commentator_lib.serve.feed import Words
from commentator_lib.serve.live_captions import LiveCaptions


def shown(*words):
    captions = LiveCaptions()
    for one in words:
        captions.add(one)
    return captions


def test_nothing_stands_before_and_long_after_the_words():
    captions = shown(Words(10.0, 1, "Two red cars.", True, None))
    assert captions.text_at(9.9) == ""
    assert captions.text_at(10.0) == captions.text_at(11.9) == "Two red cars."
    assert captions.text_at(12.5) == ""


def test_last_words_stay_until_the_voice_ends():
    captions = shown(Words(10.0, 1, "Two red cars.", True, 16.0))
    assert captions.text_at(15.9) == "Two red cars." and captions.text_at(16.0) == ""


def test_short_addition_joins_and_a_new_sentence_does_not():
    captions = shown(Words(0.0, 1, "Two red", False, 9.0), Words(1.0, 1, "Two red cars.", False, 9.0))
    assert captions.text_at(1.0) == "Two red cars."
    captions.add(Words(2.0, 1, "Two red cars. They are fast.", True, 9.0))
    assert captions.text_at(2.0) == "They are fast."


def test_next_comment_takes_the_place_of_the_one_before():
    captions = shown(Words(0.0, 1, "Two red cars.", False, 9.0), Words(1.0, 2, "Goal!", True, 9.0))
    assert captions.text_at(1.0) == "Goal!"


def test_long_sentence_is_shown_in_parts_of_two_lines_one_after_another():
    text = " ".join(f"word{k}" for k in range(40)) + "."
    captions = shown(Words(0.0, 1, text, True, 30.0))
    seen = list(dict.fromkeys(captions.text_at(k / 10) for k in range(300)))
    assert " ".join(seen) == text
    assert len(seen) > 2 and all(len(part) <= LINES * LINE_COLUMNS + 1 for part in seen)


def test_words_without_a_letter_change_nothing():
    captions = shown(Words(0.0, 1, "Goal!", False, 9.0), Words(1.0, 1, "Goal! ", True, 9.0))
    assert captions.text_at(1.0) == "Goal!"
