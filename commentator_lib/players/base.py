"""What shows and sounds, and what was really heard.

Playback is acknowledged, not estimated. An estimate (first sound + seconds of sound), the obvious way,
does not see underruns, a paused tab or a second listener; the pace then runs ahead of the ear. So every
player reports how much of each comment it has played, and the pace follows the slowest of those alive.
With no player, or none that answers, the estimate serves.
"""

from __future__ import annotations

import asyncio
import contextlib
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from typing import Any

from commentator_lib.media import AudioChunk, Frame

# A player that should be sounding and has said nothing for this long is taken for gone.
ALIVE_S = 2.0


# `report(comment_id, heard_s, at_s)`: how much of a comment's sound has been played at clock time `at_s`.
Report = Callable[[int, float, float], None]


class Player(ABC):
    """Shows pictures and plays comments. Give `name`, and write what it can do: `show`, `play`, `caption`; the rest
    has working defaults. All calls come from the loop's thread and must not block.

    A player that sounds joins the playback clock in `attach`, once for each place where it sounds, and reports
    there what was heard, on the loop's thread. `lead_s` is how far ahead of its time a frame wants to be sent.
    """

    name: str
    lead_s: float = 0.0

    def attach(self, playback: PlaybackClock) -> None:
        """A run begins; comes before anything else in it."""

    @abstractmethod
    def show(self, frame: Frame, due_at_s: float) -> None:
        """A frame, sent `lead_s` ahead; to be drawn at clock time `due_at_s`."""

    def play(self, pcm: AudioChunk, comment_id: int, start_at_s: float) -> None:
        """The next piece of a comment's sound, int16 mono at 48 kHz; the first is to be heard at `start_at_s`."""

    def caption(self, comment_id: int, text: str, final: bool) -> None:
        """All words of a comment that have been heard so far."""

    def cut(self, comment_id: int, at_heard_s: float) -> None:
        """The comment ends after so many seconds of its own sound."""

    def log_row(self, kind: str, row: dict[str, Any]) -> None:
        """A row of the run's log as it is written; `kind` is run, cycle, sample or end.

        The method was called `note` in version 0.1: a player that still defines that is called, with a warning.
        """
        note = getattr(self, "note", None)
        if callable(note):
            warnings.warn(
                f"{type(self).__name__}.note is now called log_row; the old name goes with the next version",
                DeprecationWarning,
                stacklevel=2,
            )
            note(kind, row)

    def detach(self) -> None:
        """The run is over."""


class _Track:
    """One comment as one player has acknowledged it."""

    __slots__ = ("from_s", "heard_s", "at_s")

    def __init__(self) -> None:
        self.from_s: float | None = None  # clock time of its first sound
        self.heard_s = 0.0
        self.at_s = 0.0


class PlaybackClock:
    """What was really heard of each comment, over all players.

    `submitted` tells it what was sent (needed for the estimate); players report into it; the loop asks
    for positions and waits for ends. Everything happens on the loop's thread.
    """

    def __init__(self) -> None:
        self._tracks: dict[tuple[str, str], dict[int, _Track]] = {}
        self._planned: dict[int, tuple[float, float]] = {}  # comment → (planned start, seconds sent)
        self._changed = asyncio.Event()
        self._lost: set[tuple[str, str]] = set()

    def join(self, player: str, place: str = "") -> Report:
        """Register a place where a player sounds; returns the function by which it reports from there."""
        key = (player, place)
        self._tracks[key] = {}

        def report(comment_id: int, heard_s: float, at_s: float) -> None:
            if key not in self._tracks:  # it has left
                return
            self._lost.discard(key)
            track = self._tracks[key].setdefault(comment_id, _Track())
            if track.from_s is None:
                track.from_s = at_s - heard_s
            track.heard_s, track.at_s = max(track.heard_s, heard_s), at_s
            self._changed.set()

        return report

    def leave(self, player: str, place: str | None = None) -> None:
        """Nothing waits any more for this place of a player, or for any of its places."""
        for key in [k for k in self._tracks if k[0] == player and place in (None, k[1])]:
            del self._tracks[key]
            self._lost.discard(key)
        self._changed.set()

    @property
    def lost(self) -> set[str]:
        """Players with a place that should be sounding and does not answer."""
        return {player for player, _ in self._lost}

    def submitted(self, comment_id: int, start_at_s: float, seconds: float) -> None:
        """`seconds` more of a comment's sound were sent, to be heard from `start_at_s` on if it is the first."""
        start, sent = self._planned.get(comment_id, (start_at_s, 0.0))
        self._planned[comment_id] = (start, sent + seconds)

    def cut(self, comment_id: int, at_heard_s: float) -> None:
        """A comment ends at this point of its own sound, if it was to go on beyond it."""
        if comment_id in self._planned:
            start, sent = self._planned[comment_id]
            self._planned[comment_id] = (start, min(sent, at_heard_s))
        self._changed.set()

    def forget_before(self, comment_id: int) -> None:
        """Drop what is known of comments older than this one."""
        for tracks in (self._planned, *self._tracks.values()):
            for known in [k for k in tracks if k < comment_id]:
                del tracks[known]

    def _alive(self, comment_id: int, now_s: float) -> list[_Track]:
        """The tracks of the players that are alive; a silent one that should be sounding is not."""
        start, sent = self._planned.get(comment_id, (now_s, 0.0))
        alive = []
        for key, tracks in self._tracks.items():
            track = tracks.get(comment_id) or _Track()
            last_word_s = max(track.at_s, start)
            if track.heard_s < sent - 1e-6 and now_s - last_word_s > ALIVE_S:
                self._lost.add(key)
            if key not in self._lost:
                alive.append(track)
        return alive

    def heard_s(self, comment_id: int, now_s: float) -> float:
        """Seconds of this comment that the slowest living player has played by `now_s`."""
        start, sent = self._planned.get(comment_id, (now_s, 0.0))
        alive = self._alive(comment_id, now_s)
        if not alive:
            return min(sent, max(0.0, now_s - start))
        return min(
            0.0 if t.from_s is None else min(sent, t.heard_s + max(0.0, now_s - t.at_s)) for t in alive
        )

    def begun(self, comment_id: int, now_s: float) -> bool:
        """Whether its first sound has been heard: acknowledged, or by the estimate where nobody answers."""
        alive = self._alive(comment_id, now_s)
        if alive:
            return all(t.from_s is not None for t in alive)
        return comment_id in self._planned and now_s >= self._planned[comment_id][0]

    def heard_from_s(self, comment_id: int, now_s: float) -> float | None:
        """When its first sound was heard: acknowledged, by the first player that heard it; else planned."""
        begun = [t.from_s for t in self._alive(comment_id, now_s) if t.from_s is not None]
        if begun:
            return min(begun)
        planned = self._planned.get(comment_id)
        return planned[0] if planned else None

    def end_s(self, comment_id: int, now_s: float) -> float:
        """When all that was sent will have been heard, or was: acknowledged, else foreseen."""
        start, sent = self._planned.get(comment_id, (now_s, 0.0))
        ends = []
        for track in self._alive(comment_id, now_s):
            if track.heard_s >= sent - 1e-6 and track.from_s is not None:
                ends.append(track.at_s)
            else:
                left_s = sent - track.heard_s
                ends.append(max(track.at_s if track.from_s is not None else start, now_s - ALIVE_S) + left_s)
        return max(ends) if ends else start + sent

    async def wait_change(self, timeout_s: float) -> None:
        """Until the next report, or `timeout_s` at most; silent players are noticed by asking again."""
        self._changed.clear()
        timer = asyncio.get_running_loop().call_later(max(0.0, timeout_s), self._changed.set)
        try:
            await self._changed.wait()
        finally:
            timer.cancel()

    def wake(self) -> None:
        """Let everybody who waits for a change look again."""
        self._changed.set()


class PlayerGroup:
    """All players of a session as one. One that raises is dropped and named; the others go on."""

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
        except Exception as error:  # as below
            self._on_failure(player.name, error)
        else:
            self.players.append(player)

    def _each(self, call: Callable[[Player], None]) -> None:
        for player in list(self.players):
            try:
                call(player)
            except Exception as error:  # a browser or a disk may fail in any way; the session goes on
                self.players.remove(player)
                self.playback.leave(player.name)
                self._on_failure(player.name, error)
                with contextlib.suppress(
                    Exception
                ):  # that it cannot end either adds nothing to what was told
                    player.detach()

    def show(self, frame: Frame, due_at_s: float) -> None:
        self._each(lambda p: p.show(frame, due_at_s))

    def play(self, pcm: AudioChunk, comment_id: int, start_at_s: float) -> None:
        self.playback.submitted(comment_id, start_at_s, pcm.duration_s)
        self._each(lambda p: p.play(pcm, comment_id, start_at_s))

    def caption(self, comment_id: int, text: str, final: bool) -> None:
        self._each(lambda p: p.caption(comment_id, text, final))

    def cut(self, comment_id: int, at_heard_s: float) -> None:
        self.playback.cut(comment_id, at_heard_s)
        self._each(lambda p: p.cut(comment_id, at_heard_s))

    def log_row(self, kind: str, row: dict[str, Any]) -> None:
        # Not `p.log_row`: a player of version 0.1 need not inherit from Player, and has `note` instead.
        self._each(lambda p: getattr(p, "log_row", partial(Player.log_row, p))(kind, row))

    def detach(self) -> None:
        self._each(lambda p: p.detach())
