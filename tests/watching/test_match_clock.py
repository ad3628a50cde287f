"""A clock that runs near a second a second is a match clock; it starts, stops, jumps, or runs too fast in a replay."""

from __future__ import annotations

import pytest

from commentator_lib.watching.match_clock import MatchClock


def run(clock, seconds_at, from_s=0.0, to_s=10.0):
    """Read the clock five times a second; return the changes."""
    changes = []
    for k in range(round((to_s - from_s) * 5)):
        at_s = from_s + k / 5
        if (change := clock.push(int(seconds_at(at_s)), at_s)) is not None:
            changes.append(change)
    return changes


def test_a_clock_that_runs_up_or_down_ticks():
    for sign in (1, -1):
        clock = MatchClock()
        (change,) = run(clock, lambda s, sign=sign: 600 + sign * s)
        assert clock.ticks and change.state == "started" and change.at_s <= 1.2


def test_a_number_that_stands_is_no_clock():
    clock = MatchClock()
    assert run(clock, lambda s: 612, to_s=60.0) == [] and not clock.ticks


def test_a_number_that_scatters_is_no_clock():
    clock = MatchClock()
    run(clock, lambda s: (int(s) * 7919) % 3600, to_s=60.0)
    assert not clock.ticks


def test_a_running_clock_that_stands_has_stopped_and_starts_again():
    clock = MatchClock()
    run(clock, lambda s: 100 + s, to_s=10.0)
    (stopped,) = run(clock, lambda s: 109, 10.0, 20.0)
    assert stopped.state == "stopped" and 9.0 <= stopped.at_s <= 10.0
    (started,) = run(clock, lambda s: 109 + s - 20, 20.0, 30.0)
    assert started.state == "started"


def test_a_clock_jumps_at_a_cut():
    clock = MatchClock()
    run(clock, lambda s: 100 + s, to_s=10.0)
    states = [c.state for c in run(clock, lambda s: 2700 + s, 10.0, 20.0)]
    assert states[0] == "jumped" and clock.seconds == 2719


def test_a_clock_that_goes_back_shows_the_past_until_it_is_where_it_was():
    clock = MatchClock()
    run(clock, lambda s: 100 + s, to_s=20.0)
    assert not clock.in_past(20.0)
    run(clock, lambda s: 80 + s, 20.0, 25.0)
    assert clock.in_past(25.0) and clock.in_past(25.0, for_s=3.0)
    run(clock, lambda s: 100 + s, 25.0, 30.0)
    assert not clock.in_past(30.0)


def test_another_half_is_not_the_past_for_long():
    clock = MatchClock()
    run(clock, lambda s: 2690 + s, to_s=20.0)
    run(clock, lambda s: s, 20.0, 80.0)
    assert not clock.in_past(80.0)


def test_a_clock_in_a_replay_runs_too_fast():
    clock = MatchClock()
    run(clock, lambda s: 100 + s, to_s=10.0)
    states = [c.state for c in run(clock, lambda s: 110 + 2.0 * (s - 10), 10.0, 20.0)]
    assert "fast" in states


@pytest.mark.parametrize(
    ("shown", "past"),
    [
        ([81, 80, 79, 78, 77, 115, 114, 113], False),  # more than was ever shown: a new round
        ([115, *range(114, 100, -1), 115, 114, 113], False),  # what it began with: the next round
        ([715, *range(714, 640, -1), 700, 699, 698], False),  # farther back than a replay goes
        ([115, *range(114, 90, -1), 100, 99, 98], True),
    ],
)
def test_a_clock_that_counts_down_is_set_anew_or_shows_a_replay(shown, past):
    clock = MatchClock()
    for at_s, seconds in enumerate(shown):
        clock.push(seconds, float(at_s))
    assert clock.in_past(float(len(shown)), 1.2) is past


def test_a_clock_that_runs_goes_on_as_expected():
    clock = MatchClock()
    for k in range(6):
        clock.push(600 + k, 10.0 + k)
    assert clock.goes_on(607, 17.0) and clock.goes_on(612, 22.5)
    assert not clock.goes_on(600, 17.0) and not clock.goes_on(640, 17.0)
    assert not MatchClock().goes_on(600, 0.0)


def test_a_clock_that_is_misread_once_shows_no_past():
    clock = MatchClock()
    for k in range(6):
        clock.push(600 + k, 10.0 + k)
    clock.push(616, 16.0)
    clock.push(607, 17.0)
    assert not clock.in_past(17.0)


@pytest.mark.parametrize(
    ("clock_s", "is_past"),
    [(2702, False), (1500, True)],
    ids=["a second half", "a look back into the first half"],
)
def test_a_clock_that_goes_back_after_stoppage_time(clock_s, is_past):
    clock = MatchClock()
    for k in range(6):
        clock.push(2700 + 120 + k, 10.0 + k)
    clock.push(clock_s, 30.0)
    assert clock.in_past(30.0) is is_past
