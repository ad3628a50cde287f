"""Sentences that say the same, and the memory of the last comments."""

from __future__ import annotations

import pytest

from commentator_lib.commentary.repeats import RecentComments, Repeats, begins_like, same
from tests.commentary.repeat_pairs import DEVELOPMENT, HELD_OUT


def wrong(pairs):
    missed = [(old, new) for old, new, label in pairs if label and not same(new, old)]
    taken = [(old, new) for old, new, label in pairs if not label and same(new, old)]
    return missed, taken


def test_labelled_pairs():
    missed, taken = wrong(DEVELOPMENT)
    assert taken == [] and len(missed) <= 2


def test_pairs_that_were_kept_aside():
    missed, taken = wrong(HELD_OUT)
    print(missed, taken)
    assert taken == []


@pytest.mark.parametrize("number", [1, 2, 9, 10])
def test_numbers_that_differ_make_another_sentence(number):
    old = f"After a long spell with the ball Halden lead by {number} to 0 in the second half."
    assert same(old, old) and not same(old.replace(str(number), str(number + 1)), old)


def test_nothing_repeats_nothing():
    assert not same("", "") and not same("...", "...") and not same("⚽", "⚽")
    assert same("It is.", "It is!") and same("2–1", "2–1.")


def test_a_sentence_is_a_repeat_from_its_second_time_on():
    repeats = Repeats(["The ball is red."])
    assert [repeats.is_repeat(s) for s in ("The ball is red!", "It rolls.", "It rolls.")] == [
        True,
        False,
        True,
    ]


def test_five_comments_are_remembered_and_one_may_change():
    recent = RecentComments()
    for cycle in range(1, 8):
        recent.said(cycle, [f"Sentence {cycle}.", " "])
    assert recent.sentences == tuple(f"Sentence {cycle}." for cycle in range(3, 8))
    recent.said(7, ["Sentence"])  # cut in mid-sentence
    recent.said(5, [])  # nothing of it was heard
    recent.said(9, [])
    assert recent.sentences == ("Sentence 3.", "Sentence 4.", "Sentence 6.", "Sentence")


@pytest.mark.parametrize(
    ("text", "may_be"),
    [
        ("", True),
        ("The ba", True),
        ("The ball is red. It ro", True),
        ("It rolls. The ball is red.", True),
        ("The ball is blue", False),
        ("The ball is red. And", False),
        ("the BALL, is", True),
    ],
)
def test_what_begins_like_a_comment_that_was_said(text, may_be):
    assert begins_like(text, ["The ball is red.", "It rolls."]) is may_be
