"""How far the picture lags behind the camera, so that picture and voice agree.

A frame captured at time c is shown at c + D. Two rules choose the D that is wanted:

- serial: an exponential moving average of the observed latency, as in the nerdpudding project. It lies in
    the middle of the latencies, so half of all comments come after their picture.
- playout: a high quantile of the latencies plus a margin, as a jitter buffer does (RFC 3550 players). A
  comment that is ready before its picture waits for it, so nearly every comment can be exactly on time.

Both observe the time from capture to the *first sound*, since a comment is heard from then on, seconds before its
generation ends.

The delay that is applied moves towards the wanted one by at most `slew_max` of real time, so that the
picture runs a little faster or slower but never jumps. A comment that is ready waits for its picture: up to there the
picture goes on as it was foreseen, whatever the delay learns meanwhile.
"""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import Callable, Sequence

logger = logging.getLogger(__name__)

# Enough latencies for a 95 % quantile, and few enough to follow a change of model or scene within minutes.
LATENCIES_KEPT = 50
# Frames whose time is remembered: a minute and more, at 30 frames a second.
_GIVEN_KEPT = 2048
# While fewer latencies are known than this, the quantile is stretched: see `playout_target`.
_FEW = 20


def ema(previous_s: float, observed_s: float, alpha: float) -> float:
    """Return one step of the exponential moving average: (1 − alpha)·previous + alpha·observed."""
    return (1.0 - alpha) * previous_s + alpha * observed_s


def quantile(values: Sequence[float], q: float) -> float:
    """Return the q-quantile of a short sequence, with linear interpolation as numpy does by default."""
    ordered = sorted(values)
    position = q * (len(ordered) - 1)
    low = int(position)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (position - low)


def playout_target(latencies_s: Sequence[float], q: float, margin_s: float) -> float:
    """Return the delay that lets a share `q` of comments be on time.

    The largest of a few observations is well below the quantile of many, so a short history is stretched
    by up to a quarter, less as it fills up.
    """
    few = max(0.0, 1.0 - len(latencies_s) / _FEW)
    return quantile(latencies_s, q) * (1.0 + 0.25 * few) + margin_s


def slewed(applied_s: float, wanted_s: float, elapsed_s: float, slew_max: float) -> float:
    """Return the applied delay moved towards the wanted one by at most `slew_max` seconds a second."""
    step = slew_max * max(0.0, elapsed_s)
    return applied_s + min(step, max(-step, wanted_s - applied_s))


class PictureDelay:
    """The delay that is wanted and the one that is applied; gives each frame the time at which it is due.

    From frame to frame the delay changes by at most `slew_max` of the capture time between them. This bounds how close
    together and how far apart two frames are due, even where the loop runs late. Until the first frame has its time,
    no picture could jump, so the delay is still set freely: with playout the picture starts with its first frame as
    soon as the first latency is known.

    `catch_up` is called before anything here is changed, and before anything is asked for that frames change. Where
    frames are not shown one by one, it calls `due_all` for those whose time to be sent has come. While the delay rests
    they change nothing.
    """

    def __init__(
        self,
        policy: str,
        init_s: float,
        max_s: float,
        slew_max: float,
        alpha: float,
        q: float,
        margin_s: float,
    ) -> None:
        self.off = init_s <= 0
        self.catch_up: Callable[[], None] = lambda: None
        self.wanted_s = self._applied_s = min(init_s, max_s)
        self._latencies_s: deque[float] = deque(maxlen=LATENCIES_KEPT)
        self._first_captured_s: float | None = None
        self._last_captured_s: float | None = None
        self._given: deque[tuple[float, float]] = deque(maxlen=_GIVEN_KEPT)
        self._least_s = 0.0
        # (until, wanted): frames captured until then still go by the delay that was wanted before; rising
        self._promised: deque[tuple[float, float]] = deque()
        self.began_s: float | None = None  # capture of the first picture that was given its time
        self.configure(policy, max_s, slew_max, alpha, q, margin_s)

    def configure(
        self, policy: str, max_s: float, slew_max: float, alpha: float, q: float, margin_s: float
    ) -> None:
        """Change how the delay is chosen, also during a run: the latencies are kept, and the picture slews."""
        self.catch_up()
        self._promised.clear()
        self._policy, self._max_s, self._slew_max = policy, max_s, slew_max
        self._alpha, self._q, self._margin_s = alpha, q, margin_s
        if policy == "playout" and self._latencies_s and not self.off:
            self.wanted_s = playout_target(self._latencies_s, q, margin_s)
        self.wanted_s = min(self.wanted_s, max_s)

    def keep_above(self, least_s: float) -> None:
        """Keep the delay at least so long from now on: something else than a comment comes so late."""
        self.catch_up()
        if least_s > self._least_s and not self.off:
            self._promised.clear()
            self._least_s = min(least_s, self._max_s)
            self.wanted_s = max(self.wanted_s, self._least_s)

    @property
    def applied_s(self) -> float:
        """The delay of the last frame that was given its time."""
        if not self.rests:
            self.catch_up()
        return self._applied_s

    @property
    def started(self) -> bool:
        """Whether a frame has been given its time."""
        if self._last_captured_s is None:
            self.catch_up()
        return self._last_captured_s is not None

    def first_frame(self, captured_at_s: float) -> None:
        """Remember the frame with which the picture will start."""
        self._first_captured_s = captured_at_s

    def observe(self, latency_s: float, now_s: float, keep_until_s: float = -math.inf) -> None:
        """Take the latency of a comment: its first sound is ready `latency_s` after the capture of its newest frame.

        With playout, frames captured until `keep_until_s` stay due when they were: one of them may be waited for.
        Do not call it for "..." or a skipped cycle: they are fast, and would reduce the delay.
        """
        if self.off:
            return
        self.catch_up()
        before_s = self.wanted_s
        self._latencies_s.append(latency_s)
        if self._policy == "serial":
            self.wanted_s = max(self._least_s, min(self._max_s, ema(self.wanted_s, latency_s, self._alpha)))
        else:
            target_s = playout_target(self._latencies_s, self._q, self._margin_s)
            self.wanted_s = max(self._least_s, min(self._max_s, target_s))
            if self.started and keep_until_s > max(self._last_captured_s or 0.0, self._promised_until_s):
                self._promised.append((keep_until_s, before_s))
            if not self.started:
                # The frames that already wait are shown too, so the delay starts long enough for the first of them.
                waited_s = now_s - self._first_captured_s if self._first_captured_s is not None else 0.0
                self._applied_s = max(self.wanted_s, waited_s)
        logger.debug(
            "first sound after %.3f s: delay wanted %.3f s, applied %.3f s",
            latency_s,
            self.wanted_s,
            self._applied_s,
        )

    def due(self, captured_at_s: float) -> float:
        """Return when the next frame is due, and move the delay on. Called once for each frame, in order."""
        if self._last_captured_s is not None:
            while self._promised and captured_at_s > self._promised[0][0]:
                self._promised.popleft()
            wanted_s = self._promised[0][1] if self._promised else self.wanted_s
            elapsed_s = captured_at_s - self._last_captured_s
            self._applied_s = slewed(self._applied_s, wanted_s, elapsed_s, self._slew_max)
        self.began_s = captured_at_s if self.began_s is None else self.began_s
        self._last_captured_s = captured_at_s
        self._given.append((captured_at_s, captured_at_s + self._applied_s))
        return captured_at_s + self._applied_s

    @property
    def _promised_until_s(self) -> float:
        return self._promised[-1][0] if self._promised else -math.inf

    def usual_latency_s(self, q: float) -> float | None:
        """Return the q-quantile of the last latencies; None before the first."""
        return quantile(self._latencies_s, q) if self._latencies_s else None

    @property
    def rests(self) -> bool:
        """Whether the next frames are due by the delay that is applied now, until something changes it."""
        if self._promised:
            return False
        if self._last_captured_s is None or self._applied_s == self.wanted_s:
            return self._last_captured_s is not None
        return slewed(self._applied_s, self.wanted_s, 1.0, self._slew_max) == self._applied_s

    def due_all(self, captured_s: Sequence[float]) -> list[float]:
        """Return when the next frames are due, and move the delay on: as `due` does, one after another, but faster."""
        due_s: list[float] = []
        while len(due_s) < len(captured_s) and not self.rests:
            due_s.append(self.due(captured_s[len(due_s)]))
        if left := captured_s[len(due_s) :]:
            left_due_s = [at_s + self._applied_s for at_s in left]
            self._last_captured_s = left[-1]
            self._given.extend(zip(left[-_GIVEN_KEPT:], left_due_s[-_GIVEN_KEPT:], strict=True))
            due_s += left_due_s
        return due_s

    def smooth_due_of(self, captured_at_s: float) -> float:
        """Return when sound that was captured then is due: between two frames, in proportion between their times."""
        self.catch_up()
        after: tuple[float, float] | None = None
        for given in reversed(self._given):
            if given[0] <= captured_at_s:
                if after is None:
                    break
                share = (captured_at_s - given[0]) / max(1e-9, after[0] - given[0])
                return given[1] + share * (after[1] - given[1])
            after = given
        return self.due_of(captured_at_s)

    def due_of(self, captured_at_s: float) -> float:
        """Return when a frame is or was due; one that has no time yet, by the delay that is wanted now."""
        # 1) A frame that has its time, or lies between two that have theirs.
        if not self.rests:
            self.catch_up()
        from_s = self._last_captured_s
        if from_s is not None and captured_at_s <= from_s:
            for captured_s, due_s in reversed(self._given):
                if captured_s <= captured_at_s:
                    return due_s + (captured_at_s - captured_s)
            return captured_at_s + self._applied_s
        # 2) A later frame: the delay goes on moving from the last frame that has its time.
        if from_s is None:
            from_s = captured_at_s if self._first_captured_s is None else self._first_captured_s
        applied_s = self._applied_s
        for until_s, wanted_s in self._promised:
            to_s = min(until_s, captured_at_s)
            if to_s > from_s:
                applied_s = slewed(applied_s, wanted_s, to_s - from_s, self._slew_max)
                from_s = to_s
        return captured_at_s + slewed(applied_s, self.wanted_s, captured_at_s - from_s, self._slew_max)
