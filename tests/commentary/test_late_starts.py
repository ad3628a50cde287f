"""A commentator that can only just keep up: what it begins late is made on the picture that will be on screen."""

from __future__ import annotations

import pytest

from commentator_lib.commentators.scripted import CostModel
from tests.conftest import what_if


@pytest.fixture(scope="module")
def just_enough():
    """The spoken cycles of fifteen minutes of 6.4 s of work for 6 s of speech and a pause of 1 s."""
    cycles = what_if(900.0, cost=CostModel(2.5, 0.375, 6.0, 1.5, 0.65)).log.cycles
    return cycles[cycles.outcome == "spoken"]


def test_the_silence_is_the_pause(just_enough):
    beyond = just_enough.shortfall_s.dropna()
    assert len(beyond) > 100
    assert beyond.median() <= 0.02 and beyond.quantile(0.95) <= 0.4


def test_words_fit_the_picture_and_the_delay_stays_short(just_enough):
    assert just_enough.sync_error_s.abs().quantile(0.95) <= 0.12
    assert just_enough.delay_applied_s.max() <= 4.0 and just_enough.delay_wanted_s.iloc[-1] <= 3.6


def test_some_are_made_on_an_earlier_picture_and_none_on_one_twice(just_enough):
    assert (just_enough.frame_newest_age_s > 0.1).any()
    assert just_enough.frame_last_index.is_monotonic_increasing and just_enough.frame_last_index.is_unique


def test_the_delay_does_not_grow_without_end_where_no_delay_helps():
    cycles = what_if(900.0, cost=CostModel(2.5, 0.375, 6.0, 1.5, 1.2)).log.cycles
    spoken = cycles[cycles.outcome == "spoken"]
    assert spoken.shortfall_s.median() > 2.0
    assert spoken.delay_applied_s.max() <= 4.2
