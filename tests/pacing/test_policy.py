"""Slots, starts, cuts, and what was heard: the arithmetic of pacing."""

from __future__ import annotations

import pytest

from commentator_lib.pacing.policy import Slot, cut_position, heard_text, next_slot, start_of_comment


def test_first_slot_is_now():
    for policy in ("serial", "playout"):
        assert next_slot(policy, 3.0, None, 1.0, 2.0) == Slot(3.0, 3.0)


def test_serial_infers_after_the_pause():
    assert next_slot("serial", 3.0, 10.0, 1.0, 2.0) == Slot(11.0, 11.0)


def test_playout_infers_the_delay_before_the_pause_ends():
    assert next_slot("playout", 3.0, 10.0, 1.0, 2.0) == Slot(9.0, 11.0)


def test_slot_gone_by_starts_now_and_still_names_when_it_should_have_been_heard():
    assert next_slot("playout", 9.5, 10.0, 1.0, 2.0) == Slot(9.5, 11.0)


@pytest.mark.parametrize(
    ("policy", "ready", "due", "not_before", "off", "start"),
    [
        ("playout", 1.0, 2.0, 0.0, False, 2.0),  # waits for its picture
        ("playout", 3.0, 2.0, 0.0, False, 3.0),  # late: when ready
        ("playout", 1.0, 2.0, 2.5, False, 2.5),  # never over the one before
        ("serial", 1.0, 2.0, 0.0, False, 1.0),
        ("serial", 1.0, 2.0, 1.5, False, 1.5),
        ("playout", 1.0, 2.0, 0.0, True, 1.0),  # no delay: nothing to wait for
    ],
)
def test_start_of_comment(policy, ready, due, not_before, off, start):
    assert start_of_comment(policy, ready, due, not_before, off) == start


@pytest.mark.parametrize(
    ("heard", "cut"), [(0.0, 0.0), (0.01, 0.05), (0.05, 0.05), (0.0501, 0.1), (1.23, 1.25), (-1.0, 0.0)]
)
def test_cut_at_the_next_step(heard, cut):
    assert cut_position(heard) == pytest.approx(cut)


def test_heard_text_counts_whole_words_by_share_of_sound():
    pieces = [("One two.", 1.0), ("Three four five six.", 2.0)]
    assert heard_text(pieces, 3.0) == "One two. Three four five six."
    assert heard_text(pieces, 2.0) == "One two. Three four"
    assert heard_text(pieces, 1.99) == "One two. Three"
    assert heard_text(pieces, 0.0) == ""


def test_text_without_sound_goes_with_what_was_before_it():
    assert heard_text([("One.", 1.0), ("Two.", 0.0), ("Three.", 1.0)], 1.0) == "One. Two."
