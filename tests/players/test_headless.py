"""The headless player's exact time."""

from __future__ import annotations

import numpy as np
import pytest

from commentator_lib.clock import sleep_until
from commentator_lib.media import PLAYBACK_RATE_HZ, AudioChunk, Frame
from commentator_lib.players.base import Player
from commentator_lib.players.headless import HeadlessPlayer
from tests.conftest import virtually

PICTURE = np.zeros((2, 2, 3), np.uint8)


def sound(seconds, value=1000):
    return AudioChunk(np.full(round(seconds * PLAYBACK_RATE_HZ), value, np.int16), PLAYBACK_RATE_HZ)


class Joined:
    """A double of the playback clock that keeps what is reported."""

    def __init__(self, reports):
        self.reports = reports

    def join(self, player, *, may_stall):
        assert not may_stall  # it is exact
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
