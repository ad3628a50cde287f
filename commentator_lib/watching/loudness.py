"""Follow how loud the programme is: a sudden swell of noise such as a roar, a gasp, and silence."""

from __future__ import annotations

from collections import deque

import numpy as np

from commentator_lib.watching.spectra import HOP_S, decibels

LEVEL_HZ = (150.0, 3500.0)  # the band that every sample rate has
NOISE_HZ = (300.0, 3500.0)
SILENT_DB = -60.0
_HISTORY = round(30.0 / HOP_S)  # frames
_LEAST_HISTORY = round(5.0 / HOP_S)
_WINDOW = round(0.36 / HOP_S)  # so long it must be loud
_BEFORE = (round(2.2 / HOP_S), round(1.0 / HOP_S))  # frames ago: against these, the rise is sudden
_RISE_DB, _SUDDEN_DB, _ABOVE_MOST_DB = 6.0, 5.0, 4.0
_NOISY = 0.72  # least flatness of the spectrum
_NO_NOISE_DB = -95.0  # mean of the bins' decibels
_REST_S = 6.0
_FALL_DB = 30.0
_SILENCE_S = 3.0
# A gasp: noise that rises at once, and falls again within a second. Its middle is looked for so long ago; against the
# time before, it must have risen, and now it must have fallen. A roar is louder and stays.
_GASP, _BEFORE_GASP = (round(1.3 / HOP_S), round(0.85 / HOP_S)), (round(2.1 / HOP_S), round(1.55 / HOP_S))
_AFTER_GASP = round(0.2 / HOP_S)
_GASP_RISE_DB, _GASP_FALL_DB, _GASP_ABOVE_DB = 1.8, 2.0, (3.0, 12.5)
_GASP_REST_S = 3.0


def flatness(power: np.ndarray) -> float:
    """Return how much a spectrum (bins,) is like noise, 0–1: its geometric mean against its local mean.

    Of noise that was averaged over some frames nearly 1 is left; lines of speech and music stand out.
    """
    size = max(3, len(power) // 10)
    local = np.convolve(np.pad(power, size // 2, mode="edge"), np.ones(size) / size, "same")[size // 2 :][
        : len(power)
    ]
    return float(np.exp(np.mean(np.log((power + 1e-14) / (local + 1e-14)))))


def swell_rise_db(levels_db: np.ndarray) -> float | None:
    """Return by how much the newest 0.36 s rise above the usual level, where they do so suddenly; else None.

    `levels_db` (N,) are the levels of the last half minute's frames, the newest last; silent frames among them are
    no measure of what is usual.
    """
    now, before = levels_db[-_WINDOW:], levels_db[: -_BEFORE[1]]
    usual = before[before > _NO_NOISE_DB]
    if len(usual) < _LEAST_HISTORY:
        return None
    loud = float(np.quantile(now, 0.2))
    middle, most = np.quantile(usual, (0.5, 0.8))
    lately = before[-(_BEFORE[0] - _BEFORE[1]) :]
    if loud < middle + _RISE_DB or loud < most + _ABOVE_MOST_DB or loud < float(np.mean(lately)) + _SUDDEN_DB:
        return None
    return float(np.median(now) - middle)


def gasp_rise_db(levels_db: np.ndarray) -> float | None:
    """Return by how much a gasp rose above the usual level, where one was heard about a second ago; else None.

    `levels_db` (N,) are the levels of the last half minute's frames, the newest last.
    """
    before = levels_db[: -_BEFORE_GASP[1]]
    usual = before[before > _NO_NOISE_DB]
    if len(usual) < _LEAST_HISTORY:
        return None
    gasp = float(np.quantile(levels_db[-_GASP[0] : -_GASP[1]], 0.3))
    if gasp < float(np.mean(levels_db[-_BEFORE_GASP[0] : -_BEFORE_GASP[1]])) + _GASP_RISE_DB:
        return None
    if gasp < float(np.mean(levels_db[-_AFTER_GASP:])) + _GASP_FALL_DB:
        return None
    rise_db = gasp - float(np.median(usual))
    return rise_db if _GASP_ABOVE_DB[0] <= rise_db <= _GASP_ABOVE_DB[1] else None


def usual_level_db(levels_db: np.ndarray) -> float:
    """Return the usual level: the median of what is not silent; −inf where all is."""
    heard = levels_db[levels_db > SILENT_DB]
    return float(np.median(heard)) if len(heard) >= _LEAST_HISTORY else -np.inf


def noise_db(power: np.ndarray) -> np.ndarray:
    """Return the mean of the bins' decibels of frames (N, bins); (N,).

    A tone, or the lines of a voice, raise few of the bins; a roar raises all.
    """
    return decibels(power).mean(axis=1)


class LoudnessFollower:
    """Takes frames one by one: their time, their level, and their spectrum in the noise band."""

    def __init__(self) -> None:
        self._levels: deque[float] = deque(maxlen=_HISTORY)
        self._noise: deque[float] = deque(maxlen=_HISTORY)
        self._spectra: deque[np.ndarray] = deque(maxlen=_GASP[0])
        self._frames = 0
        self._told_s = self._gasp_s = -np.inf
        self._silent_from_s: float | None = None
        self._silence_told = False
        self._threshold_db = SILENT_DB

    def push(self, at_s: float, level_db: float, mean_db: float, noise: np.ndarray) -> None:
        """Take the next frame: its level, and the spectrum (bins,) of its noise band with the mean of its decibels."""
        self._levels.append(level_db)
        self._noise.append(mean_db)
        if self._spectra and len(self._spectra[-1]) != len(noise):
            self._spectra.clear()
        self._spectra.append(noise)
        self._frames += 1
        if level_db >= self._threshold_db:
            self._silent_from_s, self._silence_told = None, False
            if self._frames % 25 == 0:
                self._threshold_db = max(SILENT_DB, usual_level_db(np.array(self._levels)) - _FALL_DB)
        elif self._silent_from_s is None:
            self._silent_from_s = at_s

    def swell(self, at_s: float) -> tuple[float, float] | None:
        """Return (since when in s, rise in dB) of a swell that is certain now, or None."""
        # 1) A swell is possible at all: it is loud, and louder than a second ago.
        if at_s - self._told_s < _REST_S or len(self._noise) < _LEAST_HISTORY or len(self._spectra) < _WINDOW:
            return None
        if self._levels[-1] < -50.0 or self._noise[-1] < self._noise[-_BEFORE[0] + 10] + 2.0:
            return None
        # 2) Compare with what is usual.
        levels_db = np.array(self._noise)
        rise_db = swell_rise_db(levels_db)
        if rise_db is None or flatness(np.mean(list(self._spectra)[-_WINDOW:], axis=0)) < _NOISY:
            return None
        # 3) It began where the level crossed the middle of its rise for the last time.
        self._told_s = at_s
        lately = levels_db[-_BEFORE[0] :]
        quiet = np.flatnonzero(lately < np.median(lately[-_WINDOW:]) - max(3.0, 0.6 * rise_db))
        since = len(lately) - 1 - int(quiet[-1]) if len(quiet) else len(lately)
        return at_s - (since - 1) * HOP_S, rise_db

    def gasp(self, at_s: float) -> tuple[float, float] | None:
        """Return (when it began in s, rise in dB) of a gasp that is certain now, or None."""
        if at_s - max(self._gasp_s, self._told_s) < _GASP_REST_S or len(self._spectra) < _GASP[0]:
            return None
        rise_db = gasp_rise_db(np.array(self._noise))
        if rise_db is None:
            return None
        if flatness(np.mean(list(self._spectra)[: _GASP[0] - _GASP[1]], axis=0)) < _NOISY:
            return None
        self._gasp_s = at_s
        return at_s - _GASP[0] * HOP_S, rise_db

    def silence(self, at_s: float) -> float | None:
        """Return since when (s) it has been silent, once, or None."""
        if self._silent_from_s is None or self._silence_told or at_s - self._silent_from_s < _SILENCE_S:
            return None
        self._silence_told = True
        return self._silent_from_s
