"""The playback clock over several players, and the handle of one comment."""

from __future__ import annotations

import asyncio

import pytest

from commentator_lib.players.headless import HeadlessPlayer
from commentator_lib.players.playback_clock import ALIVE_S, PlaybackClock
from tests.conftest import virtually


def test_position_is_acknowledged_and_goes_on_between_reports():
    clock = PlaybackClock()
    report = clock.join("a")
    clock.track(1).submitted(10.0, 4.0)
    assert clock.track(1).heard_s(10.5) == 0.0  # planned, but nobody has heard it
    report(1, 0.0, 10.2)
    assert clock.track(1).heard_from_s(11.0) == 10.2
    assert clock.track(1).heard_s(11.2) == pytest.approx(1.0)
    report(1, 0.9, 11.2)  # it had a hole
    assert clock.track(1).heard_s(11.2) == pytest.approx(0.9)
    assert clock.track(1).end_s(11.2) == pytest.approx(11.2 + 3.1)


def test_end_is_when_the_last_of_it_was_heard():
    clock = PlaybackClock()
    report = clock.join("a")
    clock.track(1).submitted(10.0, 1.0)
    report(1, 0.0, 10.0)
    report(1, 1.0, 11.25)
    assert clock.track(1).end_s(20.0) == 11.25


def test_pace_follows_the_slowest_living_player():
    clock = PlaybackClock()
    fast, slow = clock.join("fast"), clock.join("slow")
    clock.track(1).submitted(10.0, 4.0)
    fast(1, 0.0, 10.0)
    slow(1, 0.0, 11.0)
    assert clock.track(1).heard_s(12.0) == pytest.approx(1.0)
    assert clock.track(1).end_s(12.0) == pytest.approx(15.0)
    assert clock.track(1).heard_from_s(12.0) == 10.0
    clock.leave("slow")
    assert clock.track(1).heard_s(12.0) == pytest.approx(2.0)


def test_player_that_falls_silent_is_gone_until_it_answers_again():
    clock = PlaybackClock()
    alive, dead = clock.join("alive"), clock.join("dead")
    clock.track(1).submitted(10.0, 10.0)
    alive(1, 0.0, 10.0)
    dead(1, 0.0, 10.0)
    alive(1, 3.0, 13.0)
    dead(1, 0.1, 10.1)
    assert clock.track(1).heard_s(10.1 + ALIVE_S + 1) == pytest.approx(3.1 + ALIVE_S - 2, abs=0.2)
    assert clock.lost == {"dead"}
    dead(1, 2.0, 14.0)
    assert clock.lost == set()
    assert clock.track(1).heard_s(14.0) == pytest.approx(2.0)


def test_without_players_the_estimate_serves():
    clock = PlaybackClock()
    clock.track(1).submitted(10.0, 2.0)
    clock.track(1).submitted(99.0, 2.0)  # more of the same comment: it follows
    assert clock.track(1).heard_s(11.0) == pytest.approx(1.0)
    assert clock.track(1).end_s(11.0) == pytest.approx(14.0)
    assert clock.track(1).begun(10.0) and not clock.track(1).begun(9.9)


def test_cut_shortens_what_is_to_be_heard():
    clock = PlaybackClock()
    report = clock.join("a")
    clock.track(1).submitted(10.0, 4.0)
    report(1, 0.0, 10.0)
    clock.track(1).cut(1.5)
    assert clock.track(1).end_s(10.5) == pytest.approx(11.5)


def test_older_comments_are_forgotten():
    clock = PlaybackClock()
    report = clock.join("a")
    for k in range(1, 4):
        clock.track(k).submitted(10.0 * k, 1.0)
        report(k, 1.0, 10.0 * k + 1)
    clock.forget_before(3)
    assert clock.track(1).heard_from_s(50.0) is None and clock.track(3).heard_from_s(50.0) == 30.0


def test_the_handle_of_a_comment_is_the_same_until_it_is_forgotten():
    clock = PlaybackClock()
    first = clock.track(1)
    first.submitted(10.0, 1.0)
    assert clock.track(1) is first
    clock.forget_before(2)
    assert clock.track(1) is not first and clock.track(1).heard_from_s(20.0) is None


def test_comment_of_which_nothing_was_sent_is_not_begun_and_ends_now():
    clock = PlaybackClock()
    comment = clock.track(1)
    assert not comment.begun(10.0) and comment.heard_s(10.0) == 0.0
    assert comment.heard_from_s(10.0) is None and comment.end_s(10.0) == 10.0
    comment.cut(0.0)
    assert comment.end_s(10.0) == 10.0


def test_first_sound_is_heard_once_every_living_player_has_begun():
    clock = PlaybackClock()
    fast, slow = clock.join("fast"), clock.join("slow")
    comment = clock.track(1)
    comment.submitted(10.0, 4.0)
    fast(1, 0.0, 10.0)
    assert not comment.begun(10.5) and comment.heard_s(10.5) == 0.0
    slow(1, 0.0, 10.6)
    assert comment.begun(10.6)


def test_cut_beyond_the_end_changes_nothing():
    comment = PlaybackClock().track(1)
    comment.submitted(10.0, 2.0)
    comment.cut(3.0)
    assert comment.end_s(10.0) == 12.0


def test_place_that_joins_again_begins_with_nothing_heard_and_one_that_left_is_not_listened_to():
    clock = PlaybackClock()
    old = clock.join("page", "tab")
    comment = clock.track(1)
    comment.submitted(10.0, 4.0)
    old(1, 1.0, 11.0)
    assert comment.heard_s(11.0) == pytest.approx(1.0)
    clock.join("page", "tab")
    assert comment.heard_s(11.0) == 0.0
    clock.leave("page")
    old(1, 3.0, 11.0)
    assert comment.heard_s(11.0) == pytest.approx(1.0)  # no player is left: the estimate is used


def test_a_sound_may_end_late_only_where_a_player_may_stall():
    async def main():
        clock = PlaybackClock()
        told = [clock.may_stall]
        HeadlessPlayer().attach(clock)
        told.append(clock.may_stall)
        clock.join("page", "tab")
        told.append(clock.may_stall)
        clock.leave("page")
        return [*told, clock.may_stall]

    assert virtually(main) == [False, False, True, False]


@pytest.mark.parametrize("news", ["report", "join", "leave", "wake", "cut"])
def test_each_change_wakes_all_that_wait_and_else_their_time_is_up(news):
    async def main():
        clock, seen, loop = PlaybackClock(), [], asyncio.get_running_loop()
        report = clock.join("page", "tab")

        async def wait(name, timeout_s):
            await clock.wait_change(timeout_s)
            seen.append((name, loop.time()))

        tasks = [asyncio.ensure_future(wait(name, 9.0)) for name in "ab"]
        gone = asyncio.ensure_future(wait("gone", 9.0))
        await asyncio.sleep(1.0)
        gone.cancel()
        await asyncio.sleep(1.0)
        {
            "report": lambda: report(1, 0.0, 2.0),
            "join": lambda: clock.join("page", "other tab"),
            "leave": lambda: clock.leave("page"),
            "wake": clock.wake,
            "cut": lambda: clock.track(1).cut(0.5),
        }[news]()
        await asyncio.gather(*tasks)
        await wait("late", 3.0)
        return seen

    assert virtually(main) == [("a", 2.0), ("b", 2.0), ("late", 5.0)]
