"""Speech and silence, compared with cases that were computed by hand."""

from __future__ import annotations

import math

import pytest

from commentator_lib.truth import speech
from commentator_lib.truth.base import Stretch

# 0 to 10 s action, 10 to 20 s nothing, 20 to 30 s action
STRETCHES = (Stretch("action", 0, 10), Stretch("nothing", 10, 20), Stretch("action", 20, 30))


def test_covered_time_counts_overlaps_once():
    assert speech.covered_s([(0, 4), (2, 6), (8, 9)], 1, 8.5) == pytest.approx(5.5)
    assert speech.covered_s([], 0, 5) == 0


def test_f1_by_the_second():
    # Speech at 0–5 and 12–15 s, action at 0–10 and 20–30 s. Speaking: TP 5, FN 15, FP 3; silent: TP 7, FP 15, FN 3.
    speak, silent = speech.speak_silent_f1([(0, 5), (12, 15)], STRETCHES, 30)
    assert speak == pytest.approx(2 * 5 / (2 * 5 + 3 + 15))
    assert silent == pytest.approx(2 * 7 / (2 * 7 + 15 + 3))
    # A second with less than half a second of speech does not count as spoken.
    assert speech.speak_silent_f1([(0, 0.4)], STRETCHES, 30)[0] == 0


def test_livestar():
    starts = [2.0, 5.0, 15.0]  # two in the first action, none in the second
    assert speech.time_diff_s(starts, STRETCHES) == pytest.approx((2.0 + 10.0) / 2)
    assert speech.redundancy(starts, STRETCHES) == pytest.approx((1 + 1) / 2)
    assert speech.coverage(starts, STRETCHES) == 0.5
    assert math.isnan(speech.time_diff_s(starts, STRETCHES[1:2]))


def test_dead_air_is_silence_in_action_only():
    assert speech.dead_air_share([(0, 5), (10, 20)], STRETCHES) == pytest.approx(15 / 20)
    assert math.isnan(speech.dead_air_share([], STRETCHES[1:2]))


def test_gaps_and_overlap():
    heard = [(0, 4), (5, 9), (8, 10), (13, 14)]
    assert speech.gaps_s(heard).tolist() == [1, 3]
    assert speech.overlap_s(heard) == 1
    assert speech.gaps_s([(0, 1)]).tolist() == [] and speech.overlap_s([]) == 0


def test_words_and_realtime_factor():
    assert speech.words_per_s(["one two three", "four"], 2.0) == 2.0
    assert speech.speech_realtime_factor([3.0, 1.0], [4.0, 4.0]) == 0.5
    assert math.isnan(speech.speech_realtime_factor([], []))


def test_repetition_of_four_grams():
    first = "the red team attacks again"  # the-red-team-attacks, red-team-attacks-again
    second = "The red team attacks!"  # one 4-gram, said before: share 1
    third = "something else is on screen"  # two 4-grams, both new: share 0
    assert speech.repetition([first, second, third]) == 0.5
    assert math.isnan(speech.repetition([first, "too short"]))
    # After five other comments it counts as new.
    others = [f"comment number {k} stands here" for k in "abcde"]
    assert speech.repetition([first, *others, first]) < speech.repetition([first, *others[:4], first])
