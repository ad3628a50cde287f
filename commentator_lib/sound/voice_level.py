"""Bring a voice to the loudness of a broadcast: −16 LUFS, whatever voice it is, and never above a peak of −4 dBFS.

The gain is that of the whole voice so far, measured as EBU R128 does, so an excited sentence stays louder than a calm
one. It changes between comments only.
"""

from __future__ import annotations

import numpy as np

from commentator_lib.media import PLAYBACK_RATE_HZ, is_silent, to_float32, to_int16
from commentator_lib.sound.filters import SoundFilter
from commentator_lib.sound.loudness import measure

VOICE_LUFS = -16.0
# With a peak of −4 dBFS, and a programme that is 12 dB lower meanwhile, the sum does not clip.
VOICE_PEAK = 0.63
_MOST_GAIN_DB = 30.0
_LIMITED_DB = 0.8  # what the limiter takes off the loudness of speech
# R128 needs a block of this length; before, the level of what is there is taken for its loudness.
_LEAST_S = 0.4
_SILENT_LUFS = -69.0


class VoiceLevel:
    """The level of one voice. For each comment call `begin`, `push` for its pieces, and `flush`.

    All pieces of a comment, joined, are as long as they were.
    """

    def __init__(self) -> None:
        self._meter = SoundFilter("ebur128=metadata=1", PLAYBACK_RATE_HZ)
        self._gain: float | None = None
        self._limiter: SoundFilter | None = None

    def begin(self) -> None:
        """Begin a comment: choose its gain by all that was spoken before."""
        lufs = float(self._meter.metadata.get("lavfi.r128.I", _SILENT_LUFS - 1))
        self._gain = _gain(lufs) if lufs > _SILENT_LUFS else None
        self._limiter = None

    def push(self, pcm: np.ndarray) -> np.ndarray:
        """Return the samples that are final after these; both int16 (N,) at 48 kHz."""
        if self._limiter is None and is_silent(pcm):
            return pcm
        # 1) Measure; the first piece of the first comment also decides its gain.
        samples = to_float32(pcm)
        self._meter.push(samples)
        if self._gain is None:
            self._gain = _gain(_loudness(samples))
        # 2) Amplify, and limit the peaks.
        if self._limiter is None:
            self._limiter = SoundFilter(
                f"alimiter=limit={VOICE_PEAK}:attack=5:release=50:level=false:latency=true", PLAYBACK_RATE_HZ
            )
        return to_int16(self._limiter.push(samples * np.float32(self._gain)))

    def flush(self) -> np.ndarray:
        """Return what the limiter still holds, int16 (N,): the comment is over."""
        limiter, self._limiter = self._limiter, None
        return np.zeros(0, np.int16) if limiter is None else to_int16(limiter.flush())


def _gain(lufs: float) -> float:
    """Return the factor that brings a loudness to `VOICE_LUFS`."""
    return 10 ** (min(_MOST_GAIN_DB, max(-_MOST_GAIN_DB, VOICE_LUFS + _LIMITED_DB - lufs)) / 20)


def _loudness(samples: np.ndarray) -> float:
    """Return the loudness of a piece of speech, float32 (N,) at 48 kHz, in LUFS; of a short one, about."""
    if len(samples) >= _LEAST_S * PLAYBACK_RATE_HZ:
        if (lufs := measure(samples, PLAYBACK_RATE_HZ).integrated_lufs) > _SILENT_LUFS:
            return lufs
    power = float(np.mean(np.square(samples, dtype=np.float64)))
    return 10 * float(np.log10(max(power, 1e-7)))
