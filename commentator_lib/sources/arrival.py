"""When a live source's pictures were captured, and in what rhythm they come: pure arithmetic on arrival times.

A picture that comes late was not captured late. So its time of capture is its time stamp, on a clock that is anchored
to the earliest arrivals: network jitter, a backlog and a stall show as age, and sound and picture keep together.
"""

from __future__ import annotations

from collections import deque

# The anchor is the earliest arrival of so many seconds: a clock that drifts by 200 ppm is followed within 4 ms.
_WINDOW_S = 20.0
# The anchor moves at so many seconds a second; at the beginning, and where it is off by more than `_STEP_S`, at once.
_SLEW, _STEP_S, _BEGINNING_S = 0.01, 0.2, 2.0
# A smaller move does not unsettle it.
_SETTLED_S = 0.02
# Time stamps that leap by more are a new clock, if the next ones follow; else a stray.
_LEAP_BACK_S, _LEAP_AHEAD_S = 1.0, 10.0
# Intervals between pictures that tell the rhythm of a source.
_INTERVALS, _KNOWN = 20, 3


class ArrivalClock:
    """Gives each picture its clock time of capture; `offset_s` is clock time minus time stamp.

    `settled_since_s` is when the anchor has last moved at once: after it, ages can be trusted.
    """

    def __init__(self) -> None:
        self.offset_s: float | None = None
        self.settled_since_s = 0.0
        self.restarts = 0  # new clocks in mid-stream
        self._began_s = 0.0
        self._window: deque[tuple[float, float]] = deque()  # (arrival, offset), offsets rising
        self._last: tuple[float, float] | None = None  # (time stamp, arrival)
        self._stray: tuple[float, float] | None = None

    def captured_s(self, stamp_s: float | None, now_s: float) -> float:
        """Return when a picture that arrives at `now_s` was captured; one without a time stamp now."""
        if stamp_s is None:
            self.settled_since_s = self.settled_since_s or now_s  # those that follow may have one
            return now_s
        # 1) A leap of the time stamps.
        if self._last is not None and not self._follows(stamp_s, now_s, self._last):
            if self._stray is None or not self._follows(stamp_s, now_s, self._stray):
                self._stray = (stamp_s, now_s)
                return now_s
            self.restarts += 1
            self.offset_s = None
            self._window.clear()
        self._stray = None
        # 2) The earliest arrival of the window.
        elapsed_s = now_s - self._last[1] if self._last is not None else 0.0
        self._last = (stamp_s, now_s)
        offset_s = now_s - stamp_s
        while self._window and self._window[-1][1] >= offset_s:
            self._window.pop()
        self._window.append((now_s, offset_s))
        while self._window[0][0] < now_s - _WINDOW_S:
            self._window.popleft()
        # 3) Move the anchor to it.
        wanted_s = self._window[0][1]
        if self.offset_s is None:
            self.offset_s = wanted_s
            self._began_s = self.settled_since_s = now_s
        off_s = wanted_s - self.offset_s
        if off_s < -_STEP_S or (off_s < 0 and now_s - self._began_s < _BEGINNING_S):
            self.settled_since_s = now_s if off_s < -_SETTLED_S else self.settled_since_s
            self.offset_s = wanted_s
        else:
            step_s = _SLEW * elapsed_s
            self.offset_s += min(step_s, max(-step_s, off_s))
        return min(stamp_s + self.offset_s, now_s)

    @staticmethod
    def _follows(stamp_s: float, now_s: float, before: tuple[float, float]) -> bool:
        """Return whether a time stamp may follow one before, in the time that has passed."""
        step_s = stamp_s - before[0]
        return -_LEAP_BACK_S <= step_s <= now_s - before[1] + _LEAP_AHEAD_S


class Rhythm:
    """How often a source's pictures come: what is silence for one is a pause for another."""

    def __init__(self) -> None:
        self._intervals_s: deque[float] = deque(maxlen=_INTERVALS)
        self._last_s: float | None = None

    def arrived(self, at_s: float) -> None:
        """Note an arrival."""
        if self._last_s is not None:
            self._intervals_s.append(at_s - self._last_s)
        self._last_s = at_s

    def outage(self) -> None:
        """Note that the time since the last arrival is no interval of the source's own."""
        self._last_s = None

    @property
    def fps(self) -> float | None:
        """Pictures a second, measured over the last ones; None before the second."""
        total_s = sum(self._intervals_s)
        return len(self._intervals_s) / total_s if total_s > 0 else None

    def longest_s(self, unknown_s: float) -> float:
        """Return the longest of the last intervals; `unknown_s` while fewer than three are known."""
        return max(self._intervals_s) if len(self._intervals_s) >= _KNOWN else unknown_s


class BurstHold:
    """How long pictures are held back so that those of a source that comes in bursts can be shown evenly.

    The median of the greatest lateness in each of the last few seconds: one stall does not count, a habit does.
    """

    _BIN_S, _BINS, _LEAST_S, _MARGIN_S = 2.0, 5, 0.15, 0.05

    def __init__(self) -> None:
        self.hold_s = 0.0
        self._bins: deque[float] = deque(maxlen=self._BINS)
        self._begun_s: float | None = None
        self._latest_s = 0.0

    def arrived(self, late_s: float, now_s: float) -> None:
        """Note how much later than the earliest ones a picture has come."""
        if self._begun_s is None:
            self._begun_s = now_s
        self._latest_s = max(self._latest_s, late_s)
        if now_s - self._begun_s < self._BIN_S:
            return
        self._bins.append(self._latest_s)
        self._begun_s, self._latest_s = now_s, 0.0
        if len(self._bins) == self._BINS:
            median_s = sorted(self._bins)[self._BINS // 2]
            wanted_s = median_s + self._MARGIN_S if median_s > self._LEAST_S else 0.0
            # Each change of the hold moves the picture: only one that matters is made.
            if abs(wanted_s - self.hold_s) > self._LEAST_S:
                self.hold_s = wanted_s
