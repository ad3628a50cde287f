"""The interface of every player, and all players of a session as one.

A player shows pictures and captions and plays comments: a browser, a headless one for tests and servers, or a
user's own. Players report to the playback clock (playback_clock.py) what was really heard.
"""

from __future__ import annotations

import contextlib
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from typing import Any

from commentator_lib.media import AudioChunk, Frame
from commentator_lib.players.playback_clock import PlaybackClock


class Player(ABC):
    """Shows pictures and plays comments.

    Set `name`, and write what it can do: `show`, `play`, `caption`; the other members have defaults. All calls come
    from the loop's thread and must not block.

    A player with sound joins the playback clock in `attach`, once for each place where it sounds, and reports there, on
    the loop's thread, what was heard. `lead_s`: a frame is sent so many seconds ahead of its time.
    """

    name: str
    lead_s: float = 0.0

    def attach(self, playback: PlaybackClock) -> None:
        """Get ready for a run. Called before all other methods."""

    @abstractmethod
    def show(self, frame: Frame, due_at_s: float) -> None:
        """Take a frame to be drawn at clock time `due_at_s`; it is sent `lead_s` ahead."""

    def play(self, pcm: AudioChunk, comment_id: int, start_at_s: float) -> None:
        """Take the next piece of a comment's sound, int16 (N,) mono at 48 kHz.

        The first piece is to be heard at clock time `start_at_s`; each of the others follows the one before.
        """

    def play_programme(self, pcm: AudioChunk, start_at_s: float) -> None:
        """Take the next piece of the programme's own sound, int16 (N, 2) stereo at 48 kHz, to be heard at `start_at_s`.

        It comes ahead of its time, by more than `lead_s` where that is possible. A piece that starts within half a
        sample of the end of the one before follows it without a seam; otherwise there was no sound between them.
        """

    def caption(self, comment_id: int, text: str, final: bool) -> None:
        """Show all words of a comment that have been heard so far; `final`: no more will come."""

    def cut(self, comment_id: int, at_heard_s: float) -> None:
        """End the comment after `at_heard_s` seconds of its own sound."""

    def log_row(self, kind: str, row: dict[str, Any]) -> None:
        """Take a row of the run's log as it is written; `kind` is run, source, cycle, sample, event, question or end.

        The method was called `note` in version 0.1: a player that still defines that is called, with a warning.
        """
        note = getattr(self, "note", None)
        if callable(note):
            warnings.warn(
                f"{type(self).__name__}.note is now called log_row; the old name is removed in the next version",
                DeprecationWarning,
                stacklevel=2,
            )
            note(kind, row)

    def detach(self) -> None:
        """Stop: the run is over."""


class PlayerGroup:
    """All players of a session as one. A player that raises an error is dropped; the others go on.

    `on_failure(player's name, error)` is called for each player that is dropped.
    """

    def __init__(self, players: list[Player], on_failure: Callable[[str, Exception], None]) -> None:
        self.playback = PlaybackClock()
        self.players: list[Player] = []
        self._on_failure = on_failure
        for player in players:
            self.add(player)

    @property
    def lead_s(self) -> float:
        return max((p.lead_s for p in self.players), default=0.0)

    def add(self, player: Player) -> None:
        try:
            player.attach(self.playback)
        except Exception as error:  # a browser or a disk may fail in any way; the session goes on
            self._on_failure(player.name, error)
        else:
            self.players.append(player)

    def _each(self, call: Callable[[Player], None]) -> None:
        for player in list(self.players):
            try:
                call(player)
            except Exception as error:  # as in `add`
                self.players.remove(player)
                self.playback.leave(player.name)
                self._on_failure(player.name, error)
                with contextlib.suppress(Exception):  # its first failure was reported; a second adds nothing
                    player.detach()

    def show(self, frame: Frame, due_at_s: float) -> None:
        self._each(lambda p: p.show(frame, due_at_s))

    def play(self, pcm: AudioChunk, comment_id: int, start_at_s: float) -> None:
        self.playback.track(comment_id).submitted(start_at_s, pcm.duration_s)
        self._each(lambda p: p.play(pcm, comment_id, start_at_s))

    def play_programme(self, pcm: AudioChunk, start_at_s: float) -> None:
        self._each(lambda p: p.play_programme(pcm, start_at_s))

    def caption(self, comment_id: int, text: str, final: bool) -> None:
        self._each(lambda p: p.caption(comment_id, text, final))

    def cut(self, comment_id: int, at_heard_s: float) -> None:
        self.playback.track(comment_id).cut(at_heard_s)
        self._each(lambda p: p.cut(comment_id, at_heard_s))

    def log_row(self, kind: str, row: dict[str, Any]) -> None:
        # Not `p.log_row`: a player of version 0.1 need not inherit from Player, and has `note` instead.
        self._each(lambda p: getattr(p, "log_row", partial(Player.log_row, p))(kind, row))

    def detach(self) -> None:
        self._each(lambda p: p.detach())
