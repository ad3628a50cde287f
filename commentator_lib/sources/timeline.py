"""Media times from the time stamps of a file, mended where those are wrong: pure arithmetic."""

from __future__ import annotations

# A gap in the time stamps longer than this is a fault of the file, unless something else says that it is a pause.
LONGEST_GAP_S = 10.0


class Timeline:
    """Gives each picture of a file its media time from 0 on, which always grows.

    `step_s` is the nominal time from picture to picture. `covered_until_s` is the time stamp until which the file says
    that it lasts: up to there a gap is a still picture.
    """

    def __init__(self, step_s: float, covered_until_s: float = float("-inf")) -> None:
        self.zero_s = 0.0  # time stamp of the first picture
        self.last_s: float | None = None  # media time of the last picture
        self.mended = False  # a clock has run backwards or leapt
        self._step_s = step_s
        self._covered_until_s = covered_until_s
        self._shift_s = 0.0
        self._until_s = 0.0  # media time until which the last picture says that it is shown

    def place(
        self,
        stamp_s: float | None,
        shown_for_s: float,
        next_stamp_s: float | None,
        heard_until_s: float | None = None,
    ) -> float:
        """Return the media time of the next picture, in seconds.

        One without a time stamp follows by the nominal step. `shown_for_s` is the picture's own duration, 0 if unknown;
        `next_stamp_s` that of the picture after it; `heard_until_s` the time stamp up to which sound goes on without a
        gap.
        """
        if self.last_s is None:
            self.zero_s = stamp_s or 0.0
            at_s = 0.0
        else:
            at_s = self._after(self.last_s, stamp_s, next_stamp_s, heard_until_s)
        self.last_s, self._until_s = at_s, at_s + shown_for_s
        return at_s

    def _after(
        self, last_s: float, stamp_s: float | None, next_stamp_s: float | None, heard_until_s: float | None
    ) -> float:
        nominal_s = last_s + self._step_s
        if stamp_s is None:
            return nominal_s
        at_s = stamp_s - self.zero_s + self._shift_s
        # 1) One stray time stamp: the next picture follows the one before, and this one does not lie between.
        if next_stamp_s is not None:
            next_s = next_stamp_s - self.zero_s + self._shift_s
            if self._follows(next_s, next_stamp_s, last_s, heard_until_s) and not last_s < at_s < next_s:
                return min(nominal_s, (last_s + next_s) / 2)
        # 2) A clock that runs backwards or leaps goes on with the nominal step.
        if not self._follows(at_s, stamp_s, last_s, heard_until_s):
            self._shift_s += nominal_s - at_s
            self.mended = True
            return nominal_s
        return at_s

    def _follows(self, at_s: float, stamp_s: float, last_s: float, heard_until_s: float | None) -> bool:
        """Return whether a picture at `at_s` may follow the last one: at once, or after a still picture."""
        if at_s <= last_s:
            return False
        near = at_s <= last_s + LONGEST_GAP_S or at_s <= self._until_s + self._step_s
        covered = stamp_s <= self._covered_until_s + self._step_s
        heard = heard_until_s is not None and stamp_s <= heard_until_s + LONGEST_GAP_S / 2
        return near or covered or heard
