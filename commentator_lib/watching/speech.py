"""Tell whether somebody speaks: voiced sounds whose pitch glides, in syllables of 2 to 8 a second.

The pitch of a frame comes from its autocorrelation, which is divided by that of its window (Boersma 1993). The rate of
syllables is where the modulation of speech has its maximum (Houtgast and Steeneken 1985).
"""

from __future__ import annotations

from functools import cache

import numpy as np

from commentator_lib.watching.spectra import HOP_S, WINDOW_S, Spectra, decibels

PITCH_HZ = (75.0, 380.0)
VOICE_HZ = 1600.0  # up to here
ENVELOPE_HZ = (250.0, 3500.0)
LOOKED_AT = round(2.0 / HOP_S)  # frames over which speech is judged
_VOICED = 0.55  # harmonicity of a voiced frame
_VOICED_SHARE = (0.2, 0.95)
_SYLLABLES = 0.35  # least share of the envelope's modulation at 2–8 Hz, of that at 0.5–16 Hz
_DEPTH_DB = 6.0  # least spread of the envelope
_ONE_RATE = 0.3  # where more of the modulation than this has one rate, it is a beat
_GLIDES = 0.004  # median change of the pitch from frame to frame
_LEAST_DB = -58.0


def voices(spectra: Spectra) -> tuple[np.ndarray, np.ndarray]:
    """Return each frame's harmonicity (N,), 0–1, and its pitch in Hz (N,)."""
    count = len(spectra.times_s)
    if count == 0:
        return np.zeros(0), np.zeros(0)
    # 1) Autocorrelation from the power up to 1.6 kHz, at a rate of its own.
    step_hz = float(spectra.hz[1])
    bins = int(VOICE_HZ / step_hz) + 1
    power = spectra.power[:, :bins].astype(np.float64).copy()
    power[:, spectra.hz[:bins] < 60.0] = 0.0
    size = 8 * bins  # a fine raster of lags
    rate_hz = size * step_hz
    correlation = np.fft.irfft(power, size, axis=1)  # (N, size)
    correlation /= np.maximum(correlation[:, :1], 1e-15)
    lags = np.arange(int(rate_hz / PITCH_HZ[1]), min(int(rate_hz / PITCH_HZ[0]), size // 2) + 1)
    # 2) Undo the window's own autocorrelation.
    best = correlation[:, lags] / np.maximum(np.interp(lags / rate_hz, *_own_correlation()), 0.15)
    best -= 0.02 * np.log2(lags / lags[0])  # of a pitch and its half, the higher
    k = best.argmax(axis=1)
    return np.clip(best[np.arange(count), k], 0.0, 1.0), rate_hz / lags[k]


@cache
def _own_correlation() -> tuple[np.ndarray, np.ndarray]:
    """Return lags in seconds (400,), and the autocorrelation of the frames' window at them (400,)."""
    window = np.hanning(401)[:400]
    own = np.correlate(window, window, "full")[399:] / float((window**2).sum())
    return np.arange(400) * WINDOW_S / 400, own


def modulation(envelope: np.ndarray) -> tuple[float, float]:
    """Return (share of an envelope's (N,) modulation at 2–8 Hz, share at its strongest rate), both of 0.5–16 Hz."""
    varied = envelope - envelope.mean()
    power = np.abs(np.fft.rfft(varied * np.hanning(len(varied)))) ** 2
    hz = np.fft.rfftfreq(len(varied), HOP_S)
    power[(hz < 0.5) | (hz > 16.0)] = 0.0
    whole = max(float(power.sum()), 1e-15)
    return float(power[(hz >= 2.0) & (hz <= 8.0)].sum()) / whole, float(power.max()) / whole


def is_speech(
    harmonicity: np.ndarray, pitch_hz: np.ndarray, power: np.ndarray, goes_on: bool = False
) -> bool:
    """Return whether two seconds hold speech: their frames' harmonicity, pitch and power in its band, (N,) each.

    Where speech `goes_on`, voiced sounds that come and go are enough: a pause must not end it.
    """
    levels_db = decibels(power)
    if float(np.quantile(levels_db, 0.8)) < _LEAST_DB:
        return False
    loud = levels_db > np.quantile(levels_db, 0.95) - 15.0
    voiced = (harmonicity > _VOICED) & loud
    if goes_on:
        return 0.5 * _VOICED_SHARE[0] < float(voiced.mean()) < _VOICED_SHARE[1]
    if not _VOICED_SHARE[0] < float(voiced.mean()) < _VOICED_SHARE[1]:
        return False
    if float(np.quantile(levels_db, 0.9) - np.quantile(levels_db, 0.15)) < _DEPTH_DB:
        return False
    # The pitch of a voice glides all the time, that of an instrument stands and jumps.
    pairs = voiced[1:] & voiced[:-1]
    change = np.abs(np.diff(np.log(pitch_hz)))[pairs]
    change = change[change < 0.15]
    if len(change) < 8 or float(np.median(change)) < _GLIDES:
        return False
    syllables, strongest = modulation(np.sqrt(power))
    return syllables > _SYLLABLES and strongest < _ONE_RATE
