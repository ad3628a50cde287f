"""The least silence that a schedule on paper leaves, against cases that can be counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from experiments.benchmarks.bench_pacing import least_silence_s


def silences(first_s, generated_s, speech_s, pause_s=1.0, **more):
    first, generated, speech = (np.asarray(column, float) for column in (first_s, generated_s, speech_s))
    return least_silence_s(first, generated, speech, pause_s, **more)


def test_a_commentator_that_is_fast_enough_leaves_none():
    assert silences([1] * 9, [4] * 9, [5] * 9) == pytest.approx([0] * 8)


def test_one_that_is_too_slow_leaves_what_is_missing_in_each_round():
    # 8 s of work for 5 s of speech and 1 s of pause
    assert silences([1] * 5, [8] * 5, [5] * 5) == pytest.approx([2] * 4)


def test_work_that_is_saved_up_fills_the_gap_after_a_short_comment():
    # Comments of 6 s take 5 s: each leaves 2 s in hand, of which the one of 1 s (3 s are missing after it) takes 3.
    speech, generated = [6, 6, 1, 6], [5, 5, 5, 5]
    assert silences([2] * 4, generated, speech) == pytest.approx([0, 0, 0])
    # A picture that lags 2 s allows none to be saved up; one of 3 s allows one second, and so on.
    assert silences([2] * 4, generated, speech, delay_s=2.0) == pytest.approx([0, 0, 3])
    assert silences([2] * 4, generated, speech, delay_s=3.0) == pytest.approx([0, 0, 2])
    assert silences([2] * 4, generated, speech, delay_s=5.0) == pytest.approx([0, 0, 0])


def test_a_first_sound_that_is_later_than_the_delay_is_heard_late():
    assert silences([1, 1, 3], [4, 4, 4], [6, 6, 6], delay_s=2.0) == pytest.approx([0, 1])
