"""Watch for bursts of local motion: something moves much more than in the seconds before, whatever the camera does.

Kind of event: "motion" (importance 1), with the facts `where` ("on the left", "in the middle", "on the right") and
`strength` (how many spreads above the usual).
"""

from __future__ import annotations

from collections import deque

import numpy as np

from commentator_lib.events import Event
from commentator_lib.media import Frame
from commentator_lib.watching.base import Watcher
from commentator_lib.watching.borders import BorderFinder
from commentator_lib.watching.bursts import Burst, active, activity, local_motion, strength, where
from commentator_lib.watching.looks import LEAST_APART_S, Look, look_at
from commentator_lib.watching.standing import is_black
from commentator_lib.watching.transitions import difference, other_shot

_HISTORY_S = 20.0
_STRONG = 3.5  # spreads above the usual
_LEAST_ACTIVITY = 12.0
_WAIT_S = 0.75  # after its start, a burst is judged
_LEAST_LOOKS = 3
_MOST_OF_PICTURE = 0.42  # what moves more of the picture than this is no local motion
_REST_S = 5.0  # between two events
_SETTLE_S = 1.0  # after a cut


class MotionWatcher(Watcher):
    """Reports bursts of motion. What decides is in bursts.py."""

    name = "motion"

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget everything: the source has jumped back, or another one follows."""
        self._last: Look | None = None
        self._borders = BorderFinder()
        self._start_shot(None)
        self._told_s = -np.inf

    def look(self, frame: Frame) -> list[Event]:
        """Look at a frame; return the burst that is certain now, if there is one."""
        # 1) Leave out what comes too soon; start again where the source has jumped back.
        if self._last is not None:
            if frame.pts_s < self._last.at_s - 1e-6:
                self.reset()
            elif frame.pts_s - self._last.at_s < LEAST_APART_S:
                return []
        look, last = look_at(frame), self._last
        self._last = look
        if last is None or is_black(look) or is_black(last):
            self._start_shot(look.at_s)
            return []
        # 2) A new shot has its own usual motion.
        if any(self._borders.push(look)) or (difference(look, last) > 12.0 and other_shot(last, look)):
            self._start_shot(look.at_s)
            return []
        # 3) How much moves, and whether that is much more than before.
        blocks = local_motion(look, last)
        value = activity(blocks)
        usual = np.array([v for t, v in self._history if look.at_s - _HISTORY_S < t < look.at_s - 0.9])
        strong = strength(value, usual)
        self._history.append((look.at_s, value))
        if look.at_s - self._settled_s < 0:
            return []
        if strong > _STRONG and value > _LEAST_ACTIVITY:
            self._extend(look, last, blocks, strong)
        return self._judge(look)

    def _start_shot(self, at_s: float | None) -> None:
        self._history: deque[tuple[float, float]] = deque(maxlen=150)  # (time, activity)
        self._burst: Burst | None = None
        self._before: Look | None = None
        self._settled_s = -np.inf if at_s is None else at_s + _SETTLE_S

    def _extend(self, look: Look, last: Look, blocks: np.ndarray, strong: float) -> None:
        """Add a look with strong motion to the burst, or begin one."""
        if self._burst is None:
            self._before = last
            self._burst = Burst(look.at_s, 1, strong, blocks, active(blocks))
            return
        burst = self._burst
        burst.looks += 1
        burst.strongest = max(burst.strongest, strong)
        burst.total = burst.total + blocks
        burst.moved |= active(blocks)

    def _judge(self, look: Look) -> list[Event]:
        """Return the event of a burst that has lasted, in one part of one shot."""
        burst, before = self._burst, self._before
        if burst is None or before is None or look.at_s - burst.from_s < _WAIT_S:
            return []
        self._burst = None
        local = float(burst.moved.mean()) <= _MOST_OF_PICTURE
        if (
            burst.looks < _LEAST_LOOKS
            or not local
            or look.at_s - self._told_s < _REST_S
            or other_shot(before, look)
        ):
            return []
        self._told_s = look.at_s
        facts = {"where": where(burst.total), "strength": round(burst.strongest, 1)}
        return [Event("motion", burst.from_s, look.at_s, facts=facts)]
