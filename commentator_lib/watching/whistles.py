"""Hear a referee's whistle: a narrow tone from 2 to 4.5 kHz that trills and keeps its pitch.

Music and birds have such tones too, but theirs glide, come in many pitches, stand above a lower fundamental, or are
smooth: a pea, or the beat of two or three chambers, makes a whistle rough.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from commentator_lib.watching.spectra import HOP_S, WINDOW_S, Spectra

BAND_HZ = (1900.0, 4700.0)
_TONE_HZ = 130.0  # half the width of a tone with its trill
_CLEAR = 2.5  # a tone has so much more power than the rest of the band
_SHARP = 60.0  # and its peak so much more than the band's median bin
_LEAST_POWER = 3e-7  # a mean square: −65 dBFS
_LEAST_S, _ENOUGH_S = 0.15, 0.3
_PITCH_HZ = 220.0  # how far the peak may wander within a blast
_DRIFT_HZ = 160.0  # how far it may move from a blast's beginning to its end
_GAP = 2  # frames that may be missing within a blast
_TRILL_HZ = (12.0, 130.0)
_ROUGH, _ROUGH_HZ = 0.1, 10.0  # least swing of the amplitude, as a share, and of the frequency
_ONE_RATE = 0.5  # share of the swings that is at one rate
_BLOCK_S = 0.002
_PITCHES, _PITCHES_S = 3, 4.0  # so many pitches within this time are music
_SERIES_S = 2.0  # a blast that follows the last one so soon belongs to the same series


@dataclass(frozen=True, slots=True)
class Tones:
    """The strongest tone of each frame in the whistle's band: its frequency (N,), and whether it is clear (N,)."""

    hz: np.ndarray
    clear: np.ndarray


def find_tones(spectra: Spectra) -> Tones:
    """Return the tones of frames."""
    hz, count = spectra.hz, len(spectra.times_s)
    first, last = np.searchsorted(hz, BAND_HZ)
    band = spectra.power[:, first:last]  # (N, bins)
    if count == 0 or band.shape[1] < 8:
        return Tones(np.zeros(count), np.zeros(count, bool))
    # 1) The peak's power against the band's.
    width = max(1, round(_TONE_HZ / (hz[1] - hz[0])))
    peak = band.argmax(axis=1)  # (N,)
    sums = np.concatenate([np.zeros((count, 1)), np.cumsum(band, axis=1)], axis=1)
    rows = np.arange(count)
    tone = sums[rows, np.minimum(peak + width + 1, band.shape[1])] - sums[rows, np.maximum(peak - width, 0)]
    rest = np.maximum(sums[:, -1] - tone, 1e-12)
    middle = np.maximum(np.median(band, axis=1), 1e-14)
    clear = (tone > _CLEAR * rest) & (band[rows, peak] > _SHARP * middle) & (tone > _LEAST_POWER)
    # 2) No lower note of which it would be an overtone.
    reach = np.arange(-2, 3)
    for row in np.flatnonzero(clear):
        for part in (2, 3, 4):
            at, power = round((int(peak[row]) + int(first)) / part), spectra.power[row]
            lower = float(power[at + reach].max())
            alone = lower > 12 * max(float(np.median(power[at + 3 * reach])), 1e-14)
            if alone and lower > 0.03 * float(band[row, peak[row]]):
                clear[row] = False
    return Tones(hz[first:last][peak], clear)


def is_rough(samples: np.ndarray, rate_hz: int, tone_hz: float) -> bool:
    """Return whether a tone (N,) trills: its amplitude or its frequency swings at one rate, from 12 to 130 a second.

    Both come from the analytic signal of the band around the tone. Noise makes them swing too, but at all rates.
    """
    from scipy.signal import butter, hilbert, sosfilt

    high_hz = min(tone_hz + 350.0, 0.49 * rate_hz)
    band = butter(2, (max(300.0, tone_hz - 350.0), high_hz), "bandpass", fs=rate_hz, output="sos")
    analytic = np.asarray(hilbert(np.asarray(sosfilt(band, samples.astype(np.float64)))))
    edge = int(0.02 * rate_hz)
    amplitude = np.abs(analytic)[edge:-edge]
    frequency_hz = np.diff(np.unwrap(np.angle(analytic)))[edge:-edge] * rate_hz / (2 * np.pi)
    block = max(1, round(_BLOCK_S * rate_hz))
    count = min(len(amplitude), len(frequency_hz)) // block
    if count < 30 or amplitude.mean() <= 0:
        return False
    amplitude = amplitude[: count * block].reshape(count, block).mean(axis=1) / amplitude.mean()
    frequency_hz = frequency_hz[: count * block].reshape(count, block).mean(axis=1)
    seconds = block / rate_hz
    return _swings(amplitude, seconds, _ROUGH) or _swings(frequency_hz, seconds, _ROUGH_HZ)


def _swings(values: np.ndarray, step_s: float, least: float) -> bool:
    """Return whether values (N,), `step_s` apart, swing by `least` or more at one rate that a trill may have."""
    x = np.arange(len(values))
    window = np.hanning(len(values))
    varied = (values - np.polyval(np.polyfit(x, values, 2), x)) * window
    power = np.abs(np.fft.rfft(varied)) ** 2
    hz = np.fft.rfftfreq(len(values), step_s)
    power[(hz < _TRILL_HZ[0]) | (hz > 250.0)] = 0.0
    peak = int(np.where(hz <= _TRILL_HZ[1], power, 0.0).argmax())
    around = float(power[max(0, peak - 2) : peak + 3].sum())
    swing = 2 * np.sqrt(around * 2 / 3) / float(window.sum())
    return swing > least and around > _ONE_RATE * float(power.sum())


@dataclass(slots=True)
class Blast:
    """A tone that goes on: its first frame's time, and the frequency of each of its frames; 0 where it is missing."""

    from_s: float
    hz: list[float]
    told: bool = False

    @property
    def heard(self) -> np.ndarray:
        """The frequencies of the frames in which it was heard."""
        return np.array([f for f in self.hz if f > 0])

    @property
    def length_s(self) -> float:
        """How long it has lasted."""
        return (len(self.hz) - self.missing - 1) * HOP_S + WINDOW_S / 2

    @property
    def missing(self) -> int:
        """The number of frames since it was last heard."""
        return next((k for k, f in enumerate(reversed(self.hz)) if f > 0), len(self.hz))


def keeps_pitch(hz: np.ndarray) -> bool:
    """Return whether the frequencies of a blast's frames (N,) stay where they began."""
    third = max(1, len(hz) // 3)
    drift = abs(float(np.median(hz[:third]) - np.median(hz[-third:])))
    return float(np.quantile(hz, 0.9) - np.quantile(hz, 0.1)) < _PITCH_HZ and drift < _DRIFT_HZ


class WhistleFinder:
    """Takes frames one by one, and tells of each blast that is a whistle's first one."""

    def __init__(self) -> None:
        self._blast: Blast | None = None
        self._notes: deque[tuple[float, float]] = deque(
            maxlen=64
        )  # (time, frequency) of tones that have ended
        self._last_s = -np.inf  # end of the last whistle's blast
        self._blasts = 0

    def push(
        self, at_s: float, hz: float, clear: bool, samples: np.ndarray, rate_hz: int, end_s: float
    ) -> Blast | None:
        """Take the next frame's tone; return the blast that is a new whistle, or None.

        `samples` are the newest second, which ends at `end_s`.
        """
        # 1) Go on with the blast, or begin one.
        blast = self._blast
        over = False
        if blast is not None:
            near = clear and abs(hz - float(np.median(blast.heard))) < _PITCH_HZ
            blast.hz.append(hz if near else 0.0)
            over = blast.missing > _GAP
            if over:
                self._blast = None
                if len(blast.heard) >= 3:
                    self._notes.append((at_s, float(np.median(blast.heard))))
                if blast.told:
                    self._last_s = at_s
        if self._blast is None and clear:
            self._blast = Blast(at_s, [hz])
        # 2) Judge it when it is over or long enough.
        if (
            blast is None
            or blast.told
            or blast.length_s < _LEAST_S
            or not (over or blast.length_s >= _ENOUGH_S)
        ):
            return None
        if len(blast.heard) < 0.7 * (len(blast.hz) - blast.missing) or not keeps_pitch(blast.heard):
            return None
        if self._pitches(at_s, float(np.median(blast.heard))) >= _PITCHES:
            return None
        first = max(0, len(samples) - round((end_s - blast.from_s) * rate_hz))
        piece = samples[first : first + round(min(blast.length_s, 0.5) * rate_hz)]
        if len(piece) < 0.1 * rate_hz or not is_rough(piece, rate_hz, float(np.median(blast.heard))):
            return None
        # 3) The further blasts of a series are no news.
        blast.told = True
        follows = blast.from_s - self._last_s < _SERIES_S
        self._last_s = at_s
        return None if follows else blast

    def _pitches(self, at_s: float, hz: float) -> int:
        """Return how many different pitches were heard in the last seconds."""
        heard = [hz]
        for then_s, other_hz in self._notes:
            if at_s - then_s < _PITCHES_S and all(abs(other_hz - h) > 120 for h in heard):
                heard.append(other_hz)
        return len(heard)
