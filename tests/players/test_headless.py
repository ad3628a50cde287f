"""The headless player's exact time, and the playback clock over several players."""

from __future__ import annotations

import numpy as np
import pytest

from commentator_lib.clock import sleep_until
from commentator_lib.media import PLAYBACK_RATE_HZ, AudioChunk, Frame
from commentator_lib.players.base import ALIVE_S, PlaybackClock, Player, PlayerGroup
from commentator_lib.players.headless import HeadlessPlayer
from tests.conftest import virtually

PICTURE = np.zeros((2, 2, 3), np.uint8)


def sound(seconds, value=1000):
    return AudioChunk(np.full(round(seconds * PLAYBACK_RATE_HZ), value, np.int16), PLAYBACK_RATE_HZ)


class Joined:
    """Stands for the playback clock; keeps what is reported."""

    def __init__(self, reports):
        self.reports = reports

    def join(self, player):
        return lambda *report: self.reports.append(report)


def player():
    drawn, sounded, reports = [], [], []
    made = HeadlessPlayer(
        lambda frame, due, at: drawn.append((frame.index, due, at)),
        lambda comment, samples, at: sounded.append((comment, len(samples) / PLAYBACK_RATE_HZ, at, samples)),
    )
    made.attach(Joined(reports))
    return made, drawn, sounded, reports


def test_it_is_a_player():
    assert isinstance(HeadlessPlayer(), Player)


def test_frames_are_drawn_when_due():
    async def main():
        p, drawn, _, _ = player()
        for k in range(5):
            p.show(Frame(k, 0.0, 0.0, PICTURE), 1.0 + k / 25)
        await sleep_until(2.0)
        assert [i for i, _, _ in drawn] == [0, 1, 2, 3, 4]
        assert all(at == pytest.approx(due) for _, due, at in drawn)

    virtually(main)


def test_chunks_of_a_comment_follow_to_the_sample_and_are_acknowledged():
    async def main():
        p, _, sounded, reports = player()
        p.play(sound(0.5), 1, 2.0)
        p.play(sound(0.25), 1, 2.5)
        await sleep_until(4.0)
        assert [(c, s, at) for c, s, at, _ in sounded] == [(1, 0.5, 2.0), (1, 0.25, 2.5)]
        assert reports == [(1, 0.0, 2.0), (1, 0.5, 2.5), (1, 0.75, 2.75)]
        assert p.underruns == 0

    virtually(main)


def test_late_chunk_is_an_underrun_and_moves_the_end():
    async def main():
        p, _, sounded, reports = player()
        p.play(sound(0.5), 1, 0.0)
        await sleep_until(0.8)
        p.play(sound(0.5), 1, 0.5)
        await sleep_until(2.0)
        assert p.underruns == 1
        assert sounded[1][2] == pytest.approx(0.8)
        assert reports[-1] == (1, 1.0, pytest.approx(1.3))

    virtually(main)


def test_comments_queue_and_never_overlap():
    async def main():
        p, _, sounded, _ = player()
        p.play(sound(1.0), 1, 0.0)
        p.play(sound(1.0), 2, 0.5)
        await sleep_until(3.0)
        assert [(c, at) for c, _, at, _ in sounded] == [(1, 0.0), (2, 1.0)]

    virtually(main)


@pytest.mark.parametrize(("cut_at", "now"), [(0.6, 0.5), (0.5, 0.5), (0.35, 0.5)])
def test_cut_ends_a_comment_there_without_a_click(cut_at, now):
    async def main():
        p, _, sounded, reports = player()
        p.play(sound(1.0), 1, 0.0)
        p.play(sound(1.0), 1, 1.0)
        await sleep_until(now)
        p.cut(1, cut_at)
        p.play(sound(0.2), 2, now)
        await sleep_until(4.0)
        heard = max(cut_at, now) if cut_at >= now else now
        samples = np.concatenate([s for c, _, _, s in sounded if c == 1])
        assert len(samples) / PLAYBACK_RATE_HZ == pytest.approx(min(heard, max(cut_at, now)), abs=0.16)
        assert abs(int(samples[-1])) < 50 and samples[len(samples) // 2] == 1000
        assert [c for c, _, _, _ in sounded][-1] == 2
        assert sounded[-1][2] >= sounded[-2][2]

    virtually(main)


def test_cut_before_it_began_drops_it_whole_and_what_still_comes():
    async def main():
        p, _, sounded, _ = player()
        p.play(sound(1.0), 1, 5.0)
        p.cut(1, 0.0)
        p.play(sound(1.0), 1, 6.0)
        await sleep_until(10.0)
        assert sounded == []

    virtually(main)


def test_detach_hands_over_what_was_played():
    async def main():
        p, _, sounded, _ = player()
        p.play(sound(1.0), 1, 0.0)
        await sleep_until(0.4)
        p.detach()
        await sleep_until(3.0)
        assert [(c, s) for c, s, _, _ in sounded] == [(1, pytest.approx(0.4))]

    virtually(main)


# --- the playback clock


def test_position_is_acknowledged_and_goes_on_between_reports():
    clock = PlaybackClock()
    report = clock.join("a")
    clock.submitted(1, 10.0, 4.0)
    assert clock.heard_s(1, 10.5) == 0.0  # planned, but nobody has heard it
    report(1, 0.0, 10.2)
    assert clock.heard_from_s(1, 11.0) == 10.2
    assert clock.heard_s(1, 11.2) == pytest.approx(1.0)
    report(1, 0.9, 11.2)  # it had a hole
    assert clock.heard_s(1, 11.2) == pytest.approx(0.9)
    assert clock.end_s(1, 11.2) == pytest.approx(11.2 + 3.1)


def test_end_is_when_the_last_of_it_was_heard():
    clock = PlaybackClock()
    report = clock.join("a")
    clock.submitted(1, 10.0, 1.0)
    report(1, 0.0, 10.0)
    report(1, 1.0, 11.25)
    assert clock.end_s(1, 20.0) == 11.25


def test_pace_follows_the_slowest_living_player():
    clock = PlaybackClock()
    fast, slow = clock.join("fast"), clock.join("slow")
    clock.submitted(1, 10.0, 4.0)
    fast(1, 0.0, 10.0)
    slow(1, 0.0, 11.0)
    assert clock.heard_s(1, 12.0) == pytest.approx(1.0)
    assert clock.end_s(1, 12.0) == pytest.approx(15.0)
    assert clock.heard_from_s(1, 12.0) == 10.0
    clock.leave("slow")
    assert clock.heard_s(1, 12.0) == pytest.approx(2.0)


def test_player_that_falls_silent_is_gone_until_it_answers_again():
    clock = PlaybackClock()
    alive, dead = clock.join("alive"), clock.join("dead")
    clock.submitted(1, 10.0, 10.0)
    alive(1, 0.0, 10.0)
    dead(1, 0.0, 10.0)
    alive(1, 3.0, 13.0)
    dead(1, 0.1, 10.1)
    assert clock.heard_s(1, 10.1 + ALIVE_S + 1) == pytest.approx(3.1 + ALIVE_S - 2, abs=0.2)
    assert clock.lost == {"dead"}
    dead(1, 2.0, 14.0)
    assert clock.lost == set()
    assert clock.heard_s(1, 14.0) == pytest.approx(2.0)


def test_without_players_the_estimate_serves():
    clock = PlaybackClock()
    clock.submitted(1, 10.0, 2.0)
    clock.submitted(1, 99.0, 2.0)  # more of the same comment: it follows
    assert clock.heard_s(1, 11.0) == pytest.approx(1.0)
    assert clock.end_s(1, 11.0) == pytest.approx(14.0)
    assert clock.begun(1, 10.0) and not clock.begun(1, 9.9)


def test_cut_shortens_what_is_to_be_heard():
    clock = PlaybackClock()
    report = clock.join("a")
    clock.submitted(1, 10.0, 4.0)
    report(1, 0.0, 10.0)
    clock.cut(1, 1.5)
    assert clock.end_s(1, 10.5) == pytest.approx(11.5)


def test_older_comments_are_forgotten():
    clock = PlaybackClock()
    report = clock.join("a")
    for k in range(1, 4):
        clock.submitted(k, 10.0 * k, 1.0)
        report(k, 1.0, 10.0 * k + 1)
    clock.forget_before(3)
    assert clock.heard_from_s(1, 50.0) is None and clock.heard_from_s(3, 50.0) == 30.0


def test_group_drops_a_player_that_raises():
    async def main():
        class Bad(HeadlessPlayer):
            name = "bad"

            def play(self, *args):
                raise OSError("gone")

        failed = []
        good, bad = HeadlessPlayer(), Bad()
        group = PlayerGroup([good, bad], lambda name, error: failed.append((name, str(error))))
        group.play(sound(0.5), 1, 0.0)
        group.play(sound(0.5), 1, 0.5)
        await sleep_until(2.0)
        assert failed == [("bad", "gone")] and group.players == [good]
        assert group.playback.heard_s(1, 2.0) == pytest.approx(1.0)

    virtually(main)


class OldPlayer(Player):
    """Written for version 0.1, where `log_row` was called `note`."""

    name = "old"

    def __init__(self):
        self.rows = []

    def show(self, frame, due_at_s):
        pass

    def note(self, kind, row):
        self.rows.append((kind, row))


class OldPlayerWithoutBase:
    """As `OldPlayer`; in version 0.1 a player needed no base class."""

    name = "old"
    lead_s = 0.0
    __init__ = OldPlayer.__init__
    attach = Player.attach
    note = OldPlayer.note


@pytest.mark.parametrize("kind", [OldPlayer, OldPlayerWithoutBase])
def test_player_that_still_defines_note_is_called_with_a_warning(kind):
    failed = []
    group = PlayerGroup([old := kind()], lambda name, error: failed.append(error))
    with pytest.warns(DeprecationWarning, match=f"{kind.__name__}.note is now called log_row"):
        group.log_row("cycle", {"cycle": 1})
    assert old.rows == [("cycle", {"cycle": 1})] and not failed


def test_player_that_takes_no_rows_gets_them_without_a_warning(recwarn):
    class Plain(OldPlayer):
        note = None

    failed = []
    PlayerGroup([Plain()], lambda name, error: failed.append(error)).log_row("cycle", {})
    assert not failed and not recwarn
