"""How what is important is said: by its importance, 0 to 3, faster and louder."""

from __future__ import annotations

import numpy as np

# By importance: how many times as fast, and how much louder (dB).
_EXCITEMENT = ((1.0, 0.0), (1.0, 0.0), (1.06, 1.5), (1.12, 3.0))


def excitement(importance: int) -> tuple[float, float]:
    """Return (how many times as fast, how much louder in dB) a comment is said; beyond the scale as at its end."""
    return _EXCITEMENT[max(0, min(importance, len(_EXCITEMENT) - 1))]


def louder(samples: np.ndarray, gain_db: float) -> np.ndarray:
    """Return float32 samples (N,) amplified by `gain_db`, but no more than full scale allows."""
    if gain_db == 0 or not len(samples):
        return samples
    peak = float(np.abs(samples).max())
    gain = min(10 ** (gain_db / 20), 0.98 / peak if peak > 0 else 1.0)
    return samples * np.float32(max(1.0, gain))
