"""The programme's sound on its way to pages, and what a viewer sets of it; no browser is needed."""

from __future__ import annotations

import asyncio
import time

import numpy as np
import pytest

from commentator_lib.media import PLAYBACK_RATE_HZ, AudioChunk
from tests.players.test_browser_player import attached, widget

RNG = np.random.default_rng(3)


def piece(seconds=0.1):
    return AudioChunk(
        RNG.integers(-9000, 9000, (round(seconds * PLAYBACK_RATE_HZ), 2), np.int16), PLAYBACK_RATE_HZ
    )


def test_pieces_go_out_as_they_are_with_number_and_time():
    async def main(pages, _playback):
        pages.says("hello")
        await pages.sends("welcome")
        first, second = piece(), piece(0.2)
        pages.player.play_programme(first, 50.0)
        pages.player.play_programme(second, 50.1)
        sent = await pages.sends("programme", 2)
        assert [content for content, _ in sent] == [
            {"kind": "programme", "seq": 0, "start": 50.0},
            {"kind": "programme", "seq": 1, "start": 50.1},
        ]
        assert [buffers[0] for _, buffers in sent] == [first.samples.tobytes(), second.samples.tobytes()]

    attached(main)


def test_nothing_is_sent_while_no_page_is_open_and_a_later_page_gets_what_is_still_to_be_heard():
    async def main(pages, _playback):
        now = time.monotonic()
        pieces = [piece() for _ in range(40)]
        for k, sound in enumerate(pieces):
            pages.player.play_programme(sound, now - 3.85 + 0.1 * k)  # the last ends in 0.15 s
        await asyncio.sleep(0.05)
        assert pages.sent == []
        pages.says("hello", "late")
        await pages.sends("programme")
        sent = pages.of("programme")
        assert [c["seq"] for c, _ in sent] in ([38, 39], [39])
        assert {c["page"] for c, _ in sent} == {"late"} and sent[-1][1] == [pieces[-1].samples.tobytes()]
        assert len(pages.player._memory._programme) <= 21  # of two seconds

    attached(main)


def test_float_samples_are_converted():
    async def main(pages, _playback):
        pages.says("hello")
        pages.player.play_programme(AudioChunk(np.full((480, 2), 0.5, np.float32), PLAYBACK_RATE_HZ), 1.0)
        ((_, buffers),) = await pages.sends("programme")
        assert np.abs(np.frombuffer(buffers[0], np.int16) - 16384).max() <= 1

    attached(main)


@pytest.mark.parametrize(
    ("old", "new", "value"), [("volume", "voice_volume", 0.25), ("muted", "voice_muted", True)]
)
def test_names_of_version_0_2_are_those_of_the_voice(old, new, value):
    with pytest.warns(DeprecationWarning, match=f"LivePlayer.{old} is now called {new}") as warned:
        player = widget.LivePlayer(**{old: value})
    assert warned[0].filename == __file__ or len(warned) == 1
    assert getattr(player, new) == value
    player = widget.LivePlayer()
    with pytest.warns(DeprecationWarning, match=new):
        setattr(player, old, value)
    with pytest.warns(DeprecationWarning, match=new):
        assert getattr(player, old) == value == getattr(player, new)
    assert player.programme_volume == 1.0 and player.programme_muted is False


def test_a_volume_out_of_range_is_refused():
    import traitlets

    with pytest.raises(traitlets.TraitError):
        widget.LivePlayer(programme_volume=1.5)
