"""Captured sound: seams, gaps, overlaps, drift, and its bound."""

from __future__ import annotations

import numpy as np
import pytest

from commentator_lib.sound.captured import CapturedSound

R = 48_000


def ramp(first: int, count: int) -> np.ndarray:
    """Return samples whose values are their numbers."""
    return np.repeat((np.arange(first, first + count) % 30_000).astype(np.int16)[:, None], 2, axis=1)


def test_pieces_follow_each_other_and_keep_their_times():
    sound = CapturedSound(10)
    for first in range(0, R, 1000):
        sound.push(ramp(first, 1000), 5.0 + first / R)
    assert sound.end == R and sound.end_s == pytest.approx(6.0)
    assert sound.time_of(R // 2) == pytest.approx(5.5) and sound.number_at(5.25) == R // 4
    assert np.array_equal(sound.read(12_345, 3000), ramp(12_345, 3000))


def test_a_gap_is_silence_and_an_overlap_is_cut_off():
    sound = CapturedSound(10)
    sound.push(ramp(1, 4800), 0.0)
    sound.push(ramp(1, 4800), 0.3)
    assert sound.end == round(0.4 * R)
    assert not sound.read(4800, 9600).any() and np.array_equal(sound.read(14_640, 4560), ramp(241, 4560))
    sound.push(ramp(4801 - 4800, 9600), 0.3)  # from 0.3 to 0.5 s, of which 0.1 s is there
    assert sound.end == round(0.5 * R) and sound.time_of(sound.end) == pytest.approx(0.5)


def test_a_drifting_clock_leaves_no_seam():
    sound = CapturedSound(100)
    for k in range(600):
        sound.push(ramp(k * 4800, 4800), k * 0.1 * (1 + 200e-6))
    assert sound.end == 600 * 4800
    assert np.array_equal(sound.read(0, sound.end), ramp(0, sound.end))
    assert sound.time_of(600 * 4800) == pytest.approx(60.012, abs=1e-3)


def test_a_leap_is_a_new_beginning():
    sound = CapturedSound(10)
    sound.push(ramp(0, 4800), 0.0)
    sound.push(ramp(0, 4800), 3600.0)
    assert sound.end == 9600 and sound.time_of(4800) == pytest.approx(3600.0)


def test_only_the_last_seconds_are_kept():
    sound = CapturedSound(2.0)
    for k in range(100):
        sound.push(ramp(k * 4800, 4800), k * 0.1)
    assert sound.first == 80 * 4800 and sound.end == 100 * 4800
    assert not sound.read(0, 4800).any()  # forgotten
    assert sound.number_at(1.0) == sound.first


def test_nothing_was_captured():
    sound = CapturedSound(2.0)
    assert sound.end_s is None and sound.end == sound.first == 0
    sound.push(np.zeros((0, 2), np.int16), 1.0)
    assert sound.end_s is None
