"""Find the borders between shots in a row of looks: cuts at once, dissolves and wipes when they are over."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from commentator_lib.watching.look_row import LookRow
from commentator_lib.watching.looks import Look
from commentator_lib.watching.transitions import find_wipe, other_shot, shared_colours, sharpness

_LONGEST_S = 2.4  # of a dissolve or a wipe
_LONGEST_WIPE_S = 1.75  # with the looks before and after it
_LEAST_STEP = 7.0  # difference of two looks, 0–255, below which no cut is looked for
_CLEAR, _LARGER = 2.0, 1.25  # a clear cut, and any, changes so much more than its neighbours
_MAYBE_S = 0.5  # so long a cut may turn out to be a part of a wipe
_HELD = 0.1  # share of the points that are found again within a shot at least
_GLARE = 18.0  # rise of the light, 0–255, that may be a flash or an explosion
_GLARE_S = (0.7, 1.8)  # the least and the longest wait until its picture is seen again
_LEAST_RMS = 14.0  # difference of the two shots of a dissolve, 0–255


@dataclass(frozen=True, slots=True, eq=False)
class Border:
    """What joins two shots: its kind ("cut", "dissolve" or "wipe"), from its first frame to its end, in seconds.

    `cover`: the colours (216,) of a wipe's graphic where it covered most of the picture.
    """

    kind: str
    from_s: float
    to_s: float
    cover: np.ndarray | None = None


class BorderFinder:
    """Takes looks one by one, and returns each border once it is certain."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Start again with the next look."""
        self._row = LookRow()
        # A cut that may turn out to be a wipe: the look before it, and when it is due.
        self._maybe: tuple[Look, Border, float] | None = None
        self._waiting: tuple[Look, Border] | None = None  # a border that may be glare, and the look before it

    def push(self, look: Look) -> list[Border]:
        """Take the next look; return the borders that are certain now, at most one."""
        self._row.add(look)
        if self._waiting is not None:
            return self._after_glare(look)
        border = (
            self._find_cut() or find_dissolve(self._row) or find_wipe_or_cut(self._row) or self._due_cut(look)
        )
        if border is None:
            return []
        self._maybe = None
        before = self._row.before(border.from_s)
        lights = [x.light for x in self._row.looks if x.at_s >= border.from_s - 1e-9]
        if max(lights) > before.light + _GLARE:
            self._waiting = (before, border)
            return []
        self._row.keep_from(border.to_s)
        return [border]

    def _after_glare(self, look: Look) -> list[Border]:
        """Return the border that seemed to be glare, if another shot is seen when the light falls no more."""
        assert self._waiting is not None
        (before, border), looks = self._waiting, self._row.looks
        back = not other_shot(before, look)
        falls = len(looks) > 2 and looks[-3].light - look.light > 3.0
        if not back and look.at_s < border.from_s + (_GLARE_S[1] if falls else _GLARE_S[0]):
            return []
        self._waiting = None
        self._row.keep_from(look.at_s if back else border.to_s)
        return [] if back else [border]

    def _find_cut(self) -> Border | None:
        """Return a cut at the look before the newest: a step far above its neighbours, to another shot."""
        looks, steps = self._row.looks, self._row.steps
        if len(looks) < 3:
            return None
        step, after, before = steps[-2], steps[-1], steps[-3]
        old, first, newest = looks[-3:]
        if step < _LEAST_STEP or step < 1.1 * max(before, after):
            return None
        if not other_shot(old, first) or not other_shot(old, newest):
            return None
        # 1) A clear one.
        cut, holds = Border("cut", first.at_s, first.at_s), not other_shot(first, newest, _HELD)
        if step > _CLEAR * max(before, after) and (step > 5 * after or holds):
            return cut
        # 2) Where a shot moves much itself, both must hold together, as the looks of a fast pan do not.
        if not holds or (len(looks) > 3 and other_shot(looks[-4], old, _HELD)):
            return None
        if step > 3 * after:
            return cut
        if step > 3 * before:  # what comes may still be a part of a wipe
            self._maybe = self._maybe or (old, cut, newest.at_s + _MAYBE_S)
            return None
        larger = step > _LARGER * max(before, after) and shared_colours(old, first) < 0.62
        return cut if larger and not _is_blurred(old, first, newest) else None

    def _due_cut(self, look: Look) -> Border | None:
        """Return the cut that might have been the beginning of a wipe, when its time is over."""
        if self._maybe is None or look.at_s < self._maybe[2] - 1e-6:
            return None
        (before, cut, _), self._maybe = self._maybe, None
        return cut if other_shot(before, look) else None


def find_dissolve(row: LookRow) -> Border | None:
    """Return the longest dissolve that ended at the look before the newest."""
    end = len(row.looks) - 2
    for first in range(max(0, end - 14), end - 1):
        if row.seconds(first, end) > _LONGEST_S or row.apart_rms(first, end) < _LEAST_RMS:
            continue
        if not row.dissolves(first, end):
            continue
        # The looks around it must stand at its ends: they are no longer on the way.
        if not 0.85 < row.share(first, end, end + 1) < 1.09:
            continue
        if first and not -0.2 < row.share(first, end, first - 1) < 0.12:
            continue
        if other_shot(row.looks[first], row.looks[end]):
            begins = first + 1 + int(np.argmax(row.mixed(first, end).shares > 0.03))
            return Border("dissolve", row.looks[begins].at_s, row.looks[end].at_s)
    return None


def find_wipe_or_cut(row: LookRow) -> Border | None:
    """Return a wipe, or a cut between moving pictures, when the picture has come to rest after it."""
    # 1) For two looks the steps have been less than half of the largest of this stretch.
    looks, steps = row.looks, row.steps
    now = len(looks) - 2  # the first look at rest
    if now < 2:
        return None
    stretch = [k for k in range(1, now) if row.seconds(k, now) < _LONGEST_S]
    half = 0.5 * max((steps[k] for k in stretch), default=0.0)
    if 2 * half < _LEAST_STEP or max(steps[now:]) > half or steps[now - 1] < 0.8 * half:
        return None
    # 2) From the last quiet look before, or, where a graphic stood still for a moment, the one before that.
    loud = [k for k in stretch if steps[k] > 0.7 * half]
    first = now - 1
    while first > 0 and first in loud:
        first -= 1
    earliest = min((k for k in loud if row.seconds(k - 1, now) < _LONGEST_WIPE_S), default=now) - 1
    if not other_shot(looks[first], looks[now]):
        return None
    if any(row.dissolves(k, now) for k in range(max(0, first - 1), now - 1)):
        return None  # the next look will show that it is over
    for start in sorted({earliest, first, max(0, first - 1)}):
        if steps[start] > half or row.seconds(start, now) > _LONGEST_WIPE_S:
            continue
        for end in (now, now - 1):
            if end - start > 1 and (wipe := find_wipe(tuple(looks[start : end + 1]))) is not None:
                from_s, to_s = looks[start + wipe.begins].at_s, looks[start + wipe.ends].at_s
                return Border("wipe", from_s, to_s, wipe.cover)
    # 3) No wipe: the one step to another shot, where all others go on in the same shot.
    cuts = [k for k in range(first + 1, now + 1) if other_shot(looks[k - 1], looks[k])]
    if len(cuts) != 1:
        return None
    before, after = looks[cuts[0] - 1], looks[cuts[0]]
    if shared_colours(before, after) > 0.5 and _is_blurred(before, after, looks[first], looks[now]):
        return None  # a whip pan
    return Border("cut", after.at_s, after.at_s)


def _is_blurred(a: Look, b: Look, *usual: Look) -> bool:
    """Return whether one of two looks has far less detail than the others, as in the middle of a fast pan."""
    least = 0.6 * max(1.0, *(sharpness(look) for look in usual))
    return min(sharpness(a), sharpness(b)) < least
