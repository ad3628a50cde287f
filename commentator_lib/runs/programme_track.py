"""The programme's sound of a run as it was heard, made again from its source.

The source is read again for the export anyway, and `shown.csv` says when each frame was due. So the sound is rendered
again by the same code, over the same delay, instead of being stored a second time.
"""

from __future__ import annotations

import numpy as np

from commentator_lib.media import PLAYBACK_RATE_HZ, Frame
from commentator_lib.sound.captured import CapturedSound
from commentator_lib.sound.programme import HeardSound, ProgrammeRenderer
from commentator_lib.sources.base import Source

_KEPT_S = 90.0  # longer than any delay


class ProgrammeTrack:
    """Renders the programme of a run while its source is read again. `shown` is what `read_shown` returns, (N, 4).

    Call `take` after each `read` of the source, and then `until` for the sound that was heard up to a time. All times
    are seconds since the session's start.
    """

    def __init__(self, shown: np.ndarray) -> None:
        self._captured_s, self._due_s = shown[:, 1], shown[:, 2]
        self._captured_of = dict(zip(shown[:, 0].astype(int).tolist(), shown[:, 1].tolist(), strict=True))
        self._offset_s: float | None = None  # captured − media time
        self._before: list[tuple[np.ndarray, float]] = []
        self._sound = CapturedSound(_KEPT_S)
        begins_s = float(shown[0, 1]) if len(shown) else 0.0
        self._renderer = ProgrammeRenderer(self._sound, begins_s)

    def take(self, source: Source, frame: Frame | None) -> None:
        """Take the sound that came with a frame, or after the last one."""
        if self._offset_s is None and frame is not None:
            captured_s = self._captured_of.get(frame.index)
            self._offset_s = None if captured_s is None else captured_s - frame.pts_s
        self._before += [(chunk.samples, chunk.from_s or 0.0) for chunk in source.read_sound()]
        if self._offset_s is not None:
            for samples, from_s in self._before:
                self._sound.push(samples, from_s + self._offset_s)
            self._before.clear()

    def heard_until(self, until_s: float) -> list[HeardSound]:
        """Return what was heard up to a time and was not returned yet."""
        return self._renderer.render(until_s, self._due_of)

    def finish(self) -> list[HeardSound]:
        """Return what is left."""
        end_s = self._sound.end_s
        return [*([] if end_s is None else self.heard_until(end_s + 1e6)), *self._renderer.finish()]

    def _due_of(self, captured_s: float) -> float:
        """Return when what was captured then was due: between frames in proportion, beyond them with their delay."""
        known, due = self._captured_s, self._due_s
        if captured_s <= known[0]:
            return float(captured_s + due[0] - known[0])
        if captured_s >= known[-1]:
            return float(captured_s + due[-1] - known[-1])
        return float(np.interp(captured_s, known, due))


class TimeLine:
    """Puts pieces of stereo sound on one time line from `zero_s` on, and gives it out in blocks without a gap."""

    def __init__(self, zero_s: float) -> None:
        self._zero_s = zero_s
        self._at = 0  # number of the next sample that is given
        self._waiting: list[tuple[int, np.ndarray]] = []

    def add(self, pieces: list[HeardSound]) -> None:
        """Add pieces; what lies before the samples that were given already is left out."""
        for piece in pieces:
            self._waiting.append((round((piece.at_s - self._zero_s) * PLAYBACK_RATE_HZ), piece.samples))

    def take(self, until_s: float) -> np.ndarray:
        """Return the samples up to a time since `zero_s`, (N, 2) int16: silence where there is no piece."""
        end = max(self._at, round(until_s * PLAYBACK_RATE_HZ))
        out = np.zeros((end - self._at, 2), np.int16)
        kept = []
        for first, samples in self._waiting:
            low, high = max(first, self._at), min(first + len(samples), end)
            if low < high:
                out[low - self._at : high - self._at] = samples[low - first : high - first]
            if first + len(samples) > end:
                kept.append((first, samples))
        self._waiting, self._at = kept, end
        return out
