"""The clock of a match: whether it runs, up or down, stands, or jumps. It anchors a scoreboard."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

_KEPT = 12
_RATE = (0.7, 1.3)  # seconds of the clock a second of the source, up or down, of a clock that runs
_FAST = (1.35, 6.0)  # of a clock in a replay
_JUMP_S = 3.0
_BEHIND_S = 2  # a clock that is behind the farthest that it had come by more than this shows the past,
_LONGEST_REPLAY_S = 45.0  # but not for longer than this
_GOES_ON_S = 1.6  # how far a reading may be from what a clock that goes on would show
_HALVES_S = (2700, 5400, 6300)  # where the second half and the halves of extra time begin,
_HALF_BEGINS_S = 30  # for so long
_STANDS_S = 4.0  # a clock that does not change for so long stands


@dataclass(frozen=True, slots=True)
class ClockChange:
    """What a clock has begun to do: `state` is started, stopped, jumped or fast."""

    state: str
    at_s: float


class MatchClock:
    """The readings of one clock. `seconds` is what it shows; `ticks` says whether it was seen to run."""

    def __init__(self) -> None:
        self.seconds: int | None = None
        self.ticks = False
        self.state = ""  # started · stopped · "" before it is known
        self._stood_s = 0.0
        self._direction = 0  # 1 where it counts up, −1 down, 0 before that is known
        self._furthest: int | None = None  # the farthest that it has come
        self._first = 0  # what it showed when it was first seen to run, or at the start of a new period
        self._past_since_s: float | None = None  # since when it shows less than that
        # (source time, seconds), at each change
        self._readings: deque[tuple[float, int]] = deque(maxlen=_KEPT)

    def goes_on(self, seconds: int, at_s: float) -> bool:
        """Return whether a reading is what it must show now: it ran when it was read last, and has gone on running."""
        if self.state != "started" or not self._readings:
            return False
        last_s, last = self._readings[-1]
        return abs(last + self._direction * (at_s - last_s) - seconds) <= _GOES_ON_S

    def in_past(self, at_s: float, for_s: float = 0.0) -> bool:
        """Return whether it shows, for `for_s` seconds already, a time that was before, or runs too fast: a replay."""
        if self.state == "fast":
            return True
        return self._past_since_s is not None and at_s - self._past_since_s >= for_s

    def push(self, seconds: int, at_s: float) -> ClockChange | None:
        """Take a reading; return what the clock has begun to do."""
        if seconds == self.seconds:
            return self.stand(at_s)
        last_s, last = self._readings[-1] if self._readings else (self._stood_s, self.seconds)
        self.seconds = seconds
        jumped = last is not None and abs(abs(seconds - last) - (at_s - last_s)) > _JUMP_S
        self._compare_with_furthest(seconds, at_s, jumped)
        # 1) A jump begins a new history.
        if jumped:
            self._readings.clear()
            self._readings.append((at_s, seconds))
            return ClockChange("jumped", at_s) if self.ticks else None
        # 2) The rate over the last few changes.
        self._readings.append((at_s, seconds))
        rate = self.rate()
        if rate is None:
            return None
        if _FAST[0] <= abs(rate) <= _FAST[1] and self.ticks and self.state != "fast":
            self.state = "fast"
            return ClockChange("fast", self._readings[0][0])
        if _RATE[0] <= abs(rate) <= _RATE[1] and self.state != "started":
            self.ticks, self.state = True, "started"
            self._direction = 1 if rate > 0 else -1
            if self._furthest is None:
                self._furthest, self._first = seconds, self._readings[0][1]
            return ClockChange("started", self._readings[0][0])
        return None

    def _compare_with_furthest(self, seconds: int, at_s: float, jumped: bool) -> None:
        """Note whether it shows the past. A jump ahead counts only once it goes on from there: it may be misread."""
        if self._furthest is None:
            return
        behind = self._direction * (self._furthest - seconds)
        if behind <= _BEHIND_S:
            self._past_since_s = None
            self._furthest = seconds if behind < 0 and not jumped else self._furthest
        elif self._begins_anew(seconds, behind):
            self._furthest, self._first, self._past_since_s = seconds, seconds, None
        elif self._past_since_s is None:
            self._past_since_s = at_s
        elif at_s - self._past_since_s > _LONGEST_REPLAY_S:  # another half, another match
            self._furthest, self._past_since_s = seconds, None

    def _begins_anew(self, seconds: int, behind: int) -> bool:
        """Return whether a clock was set anew for a half, a period or a round, and shows no replay.

        One that counts down shows what it showed at its start, or more than it was ever seen to show. Both kinds go
        back farther than a replay does; one that counts up to where a half begins.
        """
        if self._direction < 0:
            return seconds >= self._first - 1 or behind > _LONGEST_REPLAY_S
        begins = any(0 <= seconds - start <= _HALF_BEGINS_S for start in _HALVES_S)
        return begins and behind > _LONGEST_REPLAY_S

    def stand(self, at_s: float) -> ClockChange | None:
        """Note that the clock still shows the same; return a change where it has stopped."""
        if not self._readings:
            self._stood_s = at_s  # from here on it may run again
        elif self.state == "started" and at_s - self._readings[-1][0] >= _STANDS_S:
            since_s = self._readings[-1][0]
            self.state, self._stood_s = "stopped", at_s
            self._readings.clear()
            return ClockChange("stopped", since_s)
        return None

    def rate(self) -> float | None:
        """Return the seconds of the clock a second of the source over its last changes; None for fewer than three."""
        some = list(self._readings)[-5:]
        if len(some) < 3:
            return None
        (from_s, first), (to_s, last) = some[0], some[-1]
        steps = [b[1] - a[1] for a, b in zip(some, some[1:], strict=False)]
        if not (all(s > 0 for s in steps) or all(s < 0 for s in steps)):
            return None
        return (last - first) / (to_s - from_s) if to_s > from_s else None
