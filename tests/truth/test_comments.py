"""Which comment is paired with which event, and how many are found in time."""

from __future__ import annotations

import math

from commentator_lib.truth.comments import pair, recall


def test_pairs_are_one_to_one_and_as_many_as_possible():
    # One naming between two events is paired with the nearer one only.
    assert pair([10.0, 14.0], [13.0]) == [(1, 0)]
    # As many pairs as possible: each event gets a naming, although 11 is nearer to 10.5 than to 10.
    assert pair([10.0, 10.5], [11.0, 12.0]) == [(0, 0), (1, 1)]
    # Two pairs with errors of 5.1 s and −1 s are better than the one pair with −1 s alone.
    assert sorted(pair([10.0, 20.0], [15.1, 19.0])) == [(0, 0), (1, 1)]


def test_pairs_keep_to_the_window():
    assert pair([10.0], [20.1]) == []  # more than 10 s late
    assert pair([10.0], [20.0]) == [(0, 0)]
    assert pair([10.0], [4.9]) == []  # more than 5 s early
    assert pair([10.0], [5.0]) == [(0, 0)]
    assert pair([], [1.0]) == [] and pair([1.0], []) == []


def test_recall_counts_early_and_late_alike():
    assert [recall([2.5, 1.0, -0.5], 4, within_s) for within_s in (0.5, 1, 3)] == [0.25, 0.5, 0.75]
    assert math.isnan(recall([], 0, 3)) and recall([], 2, 3) == 0
