"""What was really heard of each comment, over all players.

Playback is acknowledged, not estimated. An estimate (first sound + seconds of sound) does not see underruns, a paused
tab or a second listener, so the next comment would start before this one was heard. So every player reports how much
of each comment it has played, and the pace follows the slowest of those that answer. Without such a player the
estimate is used.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

# A player that should be sounding and has not reported for this long counts as gone.
ALIVE_S = 2.0
# Two amounts of sound that differ by less than this are equal; it is far less than a sample.
_SAME_S = 1e-6

# `report(comment_id, heard_s, at_s)`: how much of a comment's sound has been played at clock time `at_s`.
Report = Callable[[int, float, float], None]

# A place where a player sounds: the player's name, and the place's (a browser tab, for example).
_Place = tuple[str, str]


@dataclass(slots=True)
class _Acknowledged:
    """How much of one comment one place has acknowledged."""

    from_s: float | None = None  # clock time of its first sound
    heard_s: float = 0.0
    at_s: float = 0.0  # clock time of the last report


_NOTHING_HEARD = _Acknowledged()


class CommentPlayback:
    """The playback of one comment, as `PlaybackClock.track` gives it.

    `submitted` and `cut` record what was sent; the other methods return what was heard at a clock time `now_s`.
    """

    def __init__(self, clock: PlaybackClock) -> None:
        self._clock = clock
        self._planned_start_s: float | None = None  # None: nothing was sent yet
        self._sent_s = 0.0
        self._acknowledged: dict[_Place, _Acknowledged] = {}

    def submitted(self, start_at_s: float, seconds: float) -> None:
        """Note that `seconds` more of its sound were sent; the first of them is to be heard from `start_at_s` on."""
        if self._planned_start_s is None:
            self._planned_start_s = start_at_s
        self._sent_s += seconds

    def cut(self, at_heard_s: float) -> None:
        """End it after `at_heard_s` seconds of its own sound, unless it ends before."""
        if self._planned_start_s is not None:
            self._sent_s = min(self._sent_s, at_heard_s)
        self._clock.wake()

    def heard_s(self, now_s: float) -> float:
        """Return the seconds of it that the slowest living player has played by `now_s`."""
        alive = self._alive(now_s)
        if not alive:
            return min(self._sent_s, max(0.0, now_s - self._start_s(now_s)))
        heard_s = self._sent_s
        for place in alive:
            if place.from_s is None:
                return 0.0
            heard_s = min(heard_s, place.heard_s + max(0.0, now_s - place.at_s))
        return heard_s

    def begun(self, now_s: float) -> bool:
        """Return whether its first sound has been heard: acknowledged, or by the estimate where no player answers."""
        alive = self._alive(now_s)
        if alive:
            return all(place.from_s is not None for place in alive)
        return self._planned_start_s is not None and now_s >= self._planned_start_s

    def heard_from_s(self, now_s: float) -> float | None:
        """Return when its first sound was heard by the first player that acknowledged it, else the planned time."""
        begun = [place.from_s for place in self._alive(now_s) if place.from_s is not None]
        return min(begun) if begun else self._planned_start_s

    def end_s(self, now_s: float) -> float:
        """Return when all that was sent was heard, as acknowledged, or will have been heard."""
        start_s = self._start_s(now_s)
        ends = []
        for place in self._alive(now_s):
            if self._played_all(place) and place.from_s is not None:
                ends.append(place.at_s)
            else:
                left_s = self._sent_s - place.heard_s
                last_known_s = place.at_s if place.from_s is not None else start_s
                ends.append(max(last_known_s, now_s - ALIVE_S) + left_s)
        return max(ends) if ends else start_s + self._sent_s

    def _start_s(self, now_s: float) -> float:
        return now_s if self._planned_start_s is None else self._planned_start_s

    def _played_all(self, place: _Acknowledged) -> bool:
        return place.heard_s >= self._sent_s - _SAME_S

    def _alive(self, now_s: float) -> list[_Acknowledged]:
        """Return the places that are alive; one that should be sounding and does not report is not."""
        alive, lost = [], self._clock.lost_places
        for key in self._clock.places:
            place = self._acknowledged.get(key, _NOTHING_HEARD)
            if now_s - place.at_s > ALIVE_S and not self._played_all(place):
                if now_s - self._start_s(now_s) > ALIVE_S:  # it should be sounding
                    lost.add(key)
            if key not in lost:
                alive.append(place)
        return alive

    # --- for the clock

    def _report(self, key: _Place, heard_s: float, at_s: float) -> None:
        place = self._acknowledged.setdefault(key, _Acknowledged())
        if place.from_s is None:
            place.from_s = at_s - heard_s
        place.heard_s, place.at_s = max(place.heard_s, heard_s), at_s

    def _forget_place(self, key: _Place) -> None:
        self._acknowledged.pop(key, None)


class PlaybackClock:
    """The playback of all comments: players join and report, the loop asks through `track` and waits for changes.

    All calls are on the loop's thread.
    """

    def __init__(self) -> None:
        self.places: dict[_Place, bool] = {}  # in the order in which they joined; whether each may stall
        self.lost_places: set[_Place] = set()
        self._comments: dict[int, CommentPlayback] = {}
        self._waiting: list[asyncio.Future[None]] = []  # one of each task that waits for a change

    # --- for players

    def join(self, player: str, place: str = "", *, may_stall: bool = True) -> Report:
        """Register a place where a player sounds; return the function by which it reports from there.

        `may_stall` False: it never stops in mid-sound, and reports the end of each.
        """
        key = (player, place)
        self.places[key] = may_stall
        self._forget_acknowledged(key)
        self.wake()  # who waits for an end that was sure must look again from now on

        def report(comment_id: int, heard_s: float, at_s: float) -> None:
            if key not in self.places:  # it has left
                return
            self.lost_places.discard(key)
            self.track(comment_id)._report(key, heard_s, at_s)
            self.wake()

        return report

    def leave(self, player: str, place: str | None = None) -> None:
        """Remove this place of a player, or all of its places for None."""
        for key in [k for k in self.places if k[0] == player and place in (None, k[1])]:
            del self.places[key]
            self.lost_places.discard(key)
            self._forget_acknowledged(key)
        self.wake()

    def _forget_acknowledged(self, key: _Place) -> None:
        for comment in self._comments.values():
            comment._forget_place(key)

    # --- for the loop

    def track(self, comment_id: int) -> CommentPlayback:
        """Return the playback of a comment; the same one each time, until it is forgotten."""
        if (known := self._comments.get(comment_id)) is None:
            known = self._comments[comment_id] = CommentPlayback(self)
        return known

    def forget_before(self, comment_id: int) -> None:
        """Drop what is known of comments older than this one."""
        for known in [k for k in self._comments if k < comment_id]:
            del self._comments[known]

    @property
    def may_stall(self) -> bool:
        """Whether a sound may end later than is foreseen, without a report."""
        return any(self.places.values())

    @property
    def lost(self) -> set[str]:
        """Return the players with a place that should be sounding and does not report."""
        return {player for player, _ in self.lost_places}

    async def wait_change(self, timeout_s: float) -> None:
        """Wait for the next report, `timeout_s` at most; a silent player shows only when the caller checks again."""
        clock = asyncio.get_running_loop()
        change = clock.create_future()
        self._waiting.append(change)
        timer = clock.call_later(max(0.0, timeout_s), self.wake)
        try:
            await change
        finally:
            timer.cancel()

    def wake(self) -> None:
        """Wake all tasks that wait for a change."""
        waiting, self._waiting = self._waiting, []
        for change in waiting:
            if not change.done():  # its task may have been cancelled
                change.set_result(None)
