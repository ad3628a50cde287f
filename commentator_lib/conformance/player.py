"""Tests of what every player must do."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np

from commentator_lib.clock import VirtualTimeLoop
from commentator_lib.commentators.scripted import CostModel, ScriptedCommentator
from commentator_lib.media import PLAYBACK_RATE_HZ, AudioChunk, Frame
from commentator_lib.players.base import Player, PlayerGroup
from commentator_lib.session import LiveSession
from commentator_lib.settings import Settings
from commentator_lib.sources.synthetic import SyntheticSource


class PlayerConformance:
    """Subclass it and write `make`. These tests run in virtual time, so that no test waits.

    Set `real_time` if your player can work in real time only, as one with a sound card of its own does. Then they take
    about half a minute.
    """

    real_time = False

    def make(self) -> Player:
        """Return a new player."""
        raise NotImplementedError

    def test_it_has_a_name_and_a_lead(self) -> None:
        player = self.make()
        assert isinstance(player, Player)
        assert player.name and "\n" not in player.name
        assert 0.0 <= player.lead_s < 5.0

    def test_it_shows_and_plays(self) -> None:
        async def use(group: PlayerGroup) -> None:
            loop = asyncio.get_running_loop()
            start_s = loop.time() + 0.5
            for k in range(5):
                image = np.full((36, 64, 3), 40 * k, np.uint8)
                group.show(Frame(k, k / 25, loop.time(), image), start_s + k / 25)
            for _ in range(2):
                group.play(_tone(1.0), 1, start_s)
            group.caption(1, "Two red", final=False)
            group.caption(1, "Two red cars.", final=True)
            await asyncio.sleep(3.0)
            heard_s = group.playback.track(1).heard_s(loop.time())
            assert abs(heard_s - 2.0) < 0.1, f"2 s of sound were sent, and {heard_s:.2f} s reported as heard"

        self._run(use)

    def test_it_cuts_a_comment(self) -> None:
        async def use(group: PlayerGroup) -> None:
            loop = asyncio.get_running_loop()
            group.play(_tone(4.0), 1, loop.time())
            await asyncio.sleep(1.0)
            group.cut(1, 2.5)
            await asyncio.sleep(3.0)
            assert group.playback.track(1).heard_s(loop.time()) <= 2.6
            group.play(_tone(1.0), 2, loop.time())
            await asyncio.sleep(2.0)
            assert abs(group.playback.track(2).heard_s(loop.time()) - 1.0) < 0.1

        self._run(use)

    def test_it_takes_rows_of_the_log(self) -> None:
        async def use(group: PlayerGroup) -> None:
            times = {"at_s": 1.0, "detected_s": 1.4, "captured_s": 1.0}
            rest = {"importance": 3, "certainty": 0.9, "facts": '{"score": [1, 0]}'}
            rows: list[tuple[str, dict[str, Any]]] = [
                (
                    "run",
                    {"epoch_s": 0.0, "source": "x", "fps": 25.0, "duration_s": None, "commentator": "y"},
                ),
                ("cycle", {"cycle": 1, "outcome": "silent"}),
                ("sample", {"at_s": 1.0}),
                ("event", {"event": 0, "kind": "score", **times, **rest}),
                ("event", {"event": 0, "cycle": 1}),
                ("question", {"question": 1, "text": "Who?", "at_s": 1.0, "state": "asked", "cycle": None}),
                ("question", {"question": 1, "state": "answered", "cycle": 2}),
                ("end", {"problem": "", "stopped": False}),
            ]
            for kind, row in rows:
                group.log_row(kind, row)

        self._run(use)

    def test_a_session_plays_on_it_and_again_after_its_end(self) -> None:
        player = self.make()
        for _ in range(2):
            session = LiveSession(
                SyntheticSource(8.0, seed=1),
                Settings(commentator="scripted", change_threshold=0.0),
                commentator=ScriptedCommentator(cost=CostModel(0.2, 0.0, 1.0, 0.0, 0.1)),
                players=[player],
                mode="live" if self.real_time else "what-if",
            ).run()
            assert session.log.header["notes"] == []
            assert any(row["outcome"] == "spoken" for row in session.log.cycle_rows)

    def _run(self, use: Callable[[PlayerGroup], Awaitable[None]]) -> None:
        """Call `use` with a new player; an error of the player fails the test."""

        def failed(_name: str, error: Exception) -> None:
            raise error

        async def main() -> None:
            group = PlayerGroup([self.make()], failed)
            try:
                await use(group)
            finally:
                group.detach()

        with asyncio.Runner(loop_factory=None if self.real_time else VirtualTimeLoop) as runner:
            runner.run(main())


def _tone(seconds: float) -> AudioChunk:
    """Return a quiet 440 Hz tone, int16 (N,) at the players' rate."""
    t = np.arange(round(seconds * PLAYBACK_RATE_HZ)) / PLAYBACK_RATE_HZ
    samples = 3000 * np.sin(2 * np.pi * 440 * t)
    return AudioChunk(samples.astype(np.int16), PLAYBACK_RATE_HZ)
