"""A score changes by equal readings and legal steps only."""

from __future__ import annotations

import pytest

from commentator_lib.watching.score import ADVANTAGE, ScoreVotes, step_kind


def push(votes, reading, from_s, seconds):
    """Give the same reading five times a second; return the changes."""
    changes = [votes.push(reading, from_s + k / 5) for k in range(round(seconds * 5))]
    return [c for c in changes if c is not None]


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        ((1, 0), (1, 1), "usual"),
        ((55, 50), (58, 50), "usual"),
        ((112, 1), (116, 1), "usual"),
        ((15, 30), (30, 30), "usual"),
        ((40, 40), (ADVANTAGE, 40), "usual"),
        ((ADVANTAGE, 40), (40, 40), "usual"),
        ((0, 0), (0, 2), "unusual"),
        ((40, 15), (0, 0), "unusual"),
        ((1, 0), (2, 1), "none"),
        ((2, 1), (1, 1), "fall"),
        ((0, 0), (0, 7), "none"),
        ((0, 0), (5, 3), "none"),
        ((1, 0), (1, 0, 0), "none"),
    ],
)
def test_kind_of_a_step(before, after, kind):
    assert step_kind(before, after) == kind


def test_first_stable_reading_is_a_start_and_no_change():
    votes = ScoreVotes()
    assert push(votes, (2, 1), 0.0, 3.0) == [] and votes.score == (2, 1)


def test_a_change_is_certain_after_equal_readings_and_knows_when_it_began():
    votes = ScoreVotes((0, 0))
    (change,) = push(votes, (1, 0), 10.0, 2.0)
    assert (change.score, change.before, change.first_s, change.correction) == ((1, 0), (0, 0), 10.0, False)
    assert push(votes, (1, 0), 12.0, 5.0) == []


def test_a_single_misreading_changes_nothing():
    votes = ScoreVotes((1, 0))
    for k in range(50):
        assert votes.push((7, 0) if k % 5 == 0 else (1, 0), k / 5) is None
    assert votes.score == (1, 0)


def test_readings_that_scatter_change_nothing():
    votes = ScoreVotes((1, 0))
    assert all(votes.push(((k * 7) % 9, k % 3), k / 5) is None for k in range(60))


def test_unreadable_pictures_do_not_break_a_vote():
    votes = ScoreVotes((0, 0))
    readings = [(1, 0), None, (1, 0), None, (1, 0), (1, 0)]
    assert sum(votes.push(r, k / 5) is not None for k, r in enumerate(readings)) == 1


def test_a_fall_is_a_correction_and_needs_more_readings():
    votes = ScoreVotes((2, 1))
    assert push(votes, (1, 1), 0.0, 1.0) == []
    (change,) = push(votes, (1, 1), 1.0, 2.0)
    assert change.correction and change.first_s == 0.0


def test_a_step_that_no_sport_knows_is_not_reported():
    votes = ScoreVotes((0, 0))
    assert push(votes, (6, 4), 0.0, 3.8) == [] and votes.score == (0, 0)
    assert push(votes, (6, 4), 3.8, 30.0) == []


def test_what_stands_for_long_is_a_new_start_from_which_goals_count():
    votes = ScoreVotes((1, 34))  # the minutes of a clock, taken for a number of the score
    assert push(votes, (1, 2), 0.0, 6.0) == [] and votes.score == (1, 2)
    (change,) = push(votes, (1, 3), 6.0, 1.0)
    assert (change.before, change.score) == ((1, 2), (1, 3))


def test_a_number_that_is_misread_for_long_makes_no_change_when_it_is_read_rightly_again():
    votes = ScoreVotes((1, 0))
    assert push(votes, (4, 7), 0.0, 6.0) == [] and votes.score == (4, 7)
    assert push(votes, (1, 0), 6.0, 1.0) == [] and votes.score == (1, 0)
    assert push(votes, (4, 8), 7.0, 2.0) == []


def test_a_goal_after_a_long_misreading_is_a_change_from_the_score_before_it():
    votes = ScoreVotes((1, 0))
    push(votes, (4, 0), 0.0, 0.1)
    push(votes, (1, 9), 1.0, 6.0)
    (change,) = push(votes, (1, 1), 7.0, 1.0)
    assert (change.before, change.score, change.correction) == ((1, 0), (1, 1), False)


def test_a_score_read_in_other_places_is_a_new_start_and_no_correction():
    votes = ScoreVotes((3, 1))
    votes.doubt()
    assert push(votes, (2, 1), 0.0, 1.0) == [] and votes.score == (2, 1)
    (change,) = push(votes, (2, 2), 1.0, 1.0)
    assert change.before == (2, 1)


def test_a_goal_while_a_board_moves_is_a_change():
    votes = ScoreVotes((1, 1))
    votes.doubt()
    assert [c.score for c in push(votes, (2, 1), 0.0, 1.0)] == [(2, 1)]
