"""Mix the voice over the programme, as a broadcaster does: the programme is ducked, and the sum never clips.

The limiter works on four times the samples, because the peak between two samples can be higher than both: the true
peak stays below −1 dBTP.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from commentator_lib.media import PLAYBACK_RATE_HZ
from commentator_lib.sound.ducking import DuckCurve, Interval
from commentator_lib.sound.filters import SoundFilter

_OVERSAMPLED_HZ = 4 * PLAYBACK_RATE_HZ
_LIMITER = (
    f"aresample={_OVERSAMPLED_HZ},alimiter=limit=0.84:attack=5:release=50:level=false:latency=true,"
    f"aresample={PLAYBACK_RATE_HZ}"
)


class Mixer:
    """Mixes block by block, at 48 kHz. `intervals`: when comments are heard, in seconds of the blocks' times.

    All results of `push` and of `flush`, joined, are as long as what was pushed, sample for sample in its place.
    """

    def __init__(self, duck_db: float, intervals: Sequence[Interval]) -> None:
        self._duck = DuckCurve(intervals, duck_db)
        self._limiter = SoundFilter(_LIMITER, PLAYBACK_RATE_HZ, 2)
        self._pushed = self._given = 0  # samples

    def set_ducking(self, duck_db: float, intervals: Sequence[Interval]) -> None:
        """Duck by other intervals from the next block on: in real time they become known as time goes on."""
        self._duck = DuckCurve(intervals, duck_db)

    def push(self, programme: np.ndarray, voice: np.ndarray, at_s: float) -> np.ndarray:
        """Return the samples of the mix that are final after these, float32 (M, 2); may be empty.

        `programme` is (N, 2), `voice` (N,), both float32 and first heard at `at_s`; blocks follow each other.
        """
        gain = self._duck.gain(at_s + np.arange(len(programme)) / PLAYBACK_RATE_HZ)
        self._pushed += len(programme)
        return self._within(self._limiter.push(programme * gain[:, None] + voice[:, None]))

    def flush(self) -> np.ndarray:
        """Return what the limiter still holds, float32 (M, 2); nothing may be pushed after this."""
        rest = self._within(self._limiter.flush())
        missing = np.zeros((self._pushed - self._given, 2), np.float32)
        return np.concatenate([rest, missing])

    def _within(self, samples: np.ndarray) -> np.ndarray:
        """Return the samples without those that the resampler adds beyond what was pushed."""
        samples = samples[: self._pushed - self._given]
        self._given += len(samples)
        return samples
