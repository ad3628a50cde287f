"""Measure loudness as EBU R128 does, by FFmpeg's meter."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from commentator_lib.sound.filters import SoundFilter

_LEAST_DB = -120.0


@dataclass(frozen=True, slots=True)
class Loudness:
    """What R128 says of a piece of sound. Sound too soft or too short to be measured has −70 LUFS."""

    integrated_lufs: float
    true_peak_dbtp: float  # between the samples too; −120 for silence


def measure(samples: np.ndarray, rate_hz: int) -> Loudness:
    """Measure samples, (N,) or (N, channels), int16 or float32 in [-1, 1]."""
    meter = SoundFilter("ebur128=metadata=1:peak=true", rate_hz, 1 if samples.ndim == 1 else samples.shape[1])
    for start in range(0, len(samples), rate_hz):
        meter.push(samples[start : start + rate_hz])
    if len(samples):
        meter.flush()
    peak = float(meter.metadata.get("lavfi.r128.true_peak", 0.0))
    lufs = float(meter.metadata.get("lavfi.r128.I", -70.0))
    return Loudness(lufs, 20 * math.log10(peak) if peak > 10 ** (_LEAST_DB / 20) else _LEAST_DB)
