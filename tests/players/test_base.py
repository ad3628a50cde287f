"""A group of players: one that fails is dropped, and one of version 0.1 still works."""

from __future__ import annotations

import numpy as np
import pytest

from commentator_lib.clock import sleep_until
from commentator_lib.media import PLAYBACK_RATE_HZ, AudioChunk
from commentator_lib.players.base import Player, PlayerGroup
from commentator_lib.players.headless import HeadlessPlayer
from tests.conftest import virtually


def sound(seconds, value=1000):
    return AudioChunk(np.full(round(seconds * PLAYBACK_RATE_HZ), value, np.int16), PLAYBACK_RATE_HZ)


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
        assert group.playback.track(1).heard_s(2.0) == pytest.approx(1.0)

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
