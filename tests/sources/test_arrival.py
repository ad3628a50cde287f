"""When live pictures were captured, and in what rhythm they come: arithmetic, with arrivals of every kind."""

import numpy as np
import pytest

from commentator_lib.sources.arrival import ArrivalClock, BurstHold, Rhythm

FPS = 25


def ages_s(arrivals, stamps):
    """Return the age that each picture is given when it arrives, (N,)."""
    clock = ArrivalClock()
    return np.asarray(
        [now - clock.captured_s(stamp, now) for now, stamp in zip(arrivals, stamps, strict=True)]
    )


def test_jitter_shows_as_age_and_the_times_of_capture_are_even():
    stamps = np.arange(500) / FPS
    late = np.random.default_rng(0).uniform(0, 0.05, 500)
    clock = ArrivalClock()
    captured = np.asarray([clock.captured_s(s, 100 + s + d) for s, d in zip(stamps, late, strict=True)])
    assert np.abs(np.diff(captured[60:]) - 1 / FPS).max() < 0.001
    assert ages_s(100 + stamps + late, stamps)[60:] == pytest.approx(late[60:], abs=0.003)


def test_a_backlog_at_the_beginning_is_no_later_capture():
    """50 pictures come at once, and then each at its time: from then on they are new."""
    stamps = np.arange(200) / FPS
    arrivals = 10 + np.maximum(stamps, 50 / FPS)
    clock = ArrivalClock()
    for now, stamp in zip(arrivals, stamps, strict=True):
        captured = clock.captured_s(stamp, now)
        assert captured <= now
    assert captured == pytest.approx(arrivals[-1], abs=1e-6)
    assert clock.settled_since_s == pytest.approx(arrivals[50], abs=0.05)


def test_a_stall_shows_as_age():
    stamps = np.arange(500) / FPS
    arrivals = 5 + stamps.copy()
    arrivals[200:275] = arrivals[275]  # nothing for 3 s, and then all of it at once
    ages = ages_s(arrivals, stamps)
    assert ages[199] == pytest.approx(0, abs=1e-6)
    assert ages[200] == pytest.approx(3.0, abs=0.01) and ages[250] == pytest.approx(1.0, abs=0.01)
    assert ages[276:].max() < 0.01


@pytest.mark.parametrize("ppm", [-200, 200, 1000])
def test_a_clock_that_drifts_is_followed(ppm):
    stamps = np.arange(FPS * 600) / FPS
    ages = ages_s(stamps * (1 + ppm * 1e-6), stamps)
    assert np.abs(ages).max() < 0.025


@pytest.mark.parametrize("leap_s", [-500.0, -3.0, 40.0, 95443.7])
def test_a_new_clock_is_taken_up(leap_s):
    stamps = np.arange(400) / FPS
    stamps[200:] += leap_s
    clock = ArrivalClock()
    arrivals = 7 + np.arange(400) / FPS
    captured = [clock.captured_s(s, a) for s, a in zip(stamps, arrivals, strict=True)]
    assert clock.restarts == 1
    assert np.abs(np.asarray(captured) - arrivals).max() < 0.01


@pytest.mark.parametrize("stray_s", [-500.0, 95443.7])
def test_one_stray_stamp_is_no_new_clock(stray_s):
    stamps = np.arange(100) / FPS
    stamps[50] += stray_s
    clock = ArrivalClock()
    arrivals = 7 + np.arange(100) / FPS
    captured = [clock.captured_s(s, a) for s, a in zip(stamps, arrivals, strict=True)]
    assert clock.restarts == 0
    assert np.abs(np.asarray(captured) - arrivals).max() < 0.01


def test_a_camera_that_pauses_is_no_new_clock():
    stamps = np.r_[np.arange(50) / FPS, 60 + np.arange(50) / FPS]
    clock = ArrivalClock()
    for s in stamps:
        clock.captured_s(s, 3 + s)
    assert clock.restarts == 0


def test_pictures_without_time_stamps_are_captured_when_they_come():
    assert ArrivalClock().captured_s(None, 12.5) == 12.5


def test_rhythm_of_a_camera_and_of_snapshots():
    rhythm = Rhythm()
    assert rhythm.fps is None and rhythm.longest_s(6.0) == 6.0
    for k in range(10):
        rhythm.arrived(7.0 * k)
    assert rhythm.fps == pytest.approx(1 / 7) and rhythm.longest_s(6.0) == pytest.approx(7.0)
    rhythm.outage()
    rhythm.arrived(1000.0)
    assert rhythm.longest_s(6.0) == pytest.approx(7.0)
    for k in range(40):
        rhythm.arrived(1000.0 + (k + 1) / FPS)
    assert rhythm.fps == pytest.approx(FPS)


def held_s(late_of, seconds=30):
    hold = BurstHold()
    for k in range(seconds * FPS):
        hold.arrived(late_of(k / FPS), k / FPS)
    return hold.hold_s


def test_pictures_that_come_in_chunks_are_held_back_so_that_they_can_be_shown_evenly():
    assert held_s(lambda t: 1.0 - t % 1.0) == pytest.approx(1.05, abs=0.06)


def test_a_single_stall_and_jitter_are_not_a_habit():
    assert held_s(lambda t: max(0.0, 5.0 - (t - 10)) if t > 10 else 0.0) == 0.0
    assert held_s(lambda t: 0.05) == 0.0
