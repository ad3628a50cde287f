"""Cut the programme's sound into short frames with their spectra, whatever the pieces and rates in which it comes.

A frame is 40 ms long, and one begins every 20 ms; they are returned by fives, since one at a time costs twice as
much. Powers are mean squares, so that the full band of a full-scale sine adds up to 0.5, at every rate.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from commentator_lib.media import AudioChunk, to_float32

HOP_S, WINDOW_S = 0.02, 0.04
_TOGETHER = 5  # frames
_LONGEST_GAP_S = 0.25  # sound that goes on after a longer gap starts anew


@dataclass(frozen=True, slots=True, eq=False)
class Spectra:
    """The frames of one piece of sound."""

    times_s: np.ndarray  # (N,) source time of each frame's first sample
    power: np.ndarray  # (N, bins) mean square in each bin
    hz: np.ndarray  # (bins,) each bin's frequency

    def band(self, low_hz: float, high_hz: float) -> np.ndarray:
        """Return each frame's power from `low_hz` to `high_hz` (N,), a mean square."""
        first, last = np.searchsorted(self.hz, (low_hz, high_hz))
        return self.power[:, first:last].sum(axis=1)


def decibels(power: np.ndarray | float) -> np.ndarray:
    """Return powers in dBFS; digital silence is −120."""
    return 10 * np.log10(np.maximum(power, 1e-12))


class FrameCutter:
    """Takes pieces of sound, and returns the spectra of the frames that are complete. It keeps the newest second.

    `jumped` says that the last piece did not follow the one before it.
    """

    def __init__(self) -> None:
        self._rate_hz = 0
        self._rest = np.zeros(0, np.float32)  # samples of frames that are not complete
        self._rest_s = 0.0  # source time of the first of them
        self._next_s = 0.0  # source time of the sample that follows
        self._window = np.zeros(0)
        self.recent = np.zeros(0, np.float32)  # the newest second
        self.jumped = False

    @property
    def end_s(self) -> float:
        """The source time up to which sound has come."""
        return self._next_s

    @property
    def rate_hz(self) -> int:
        """The rate of the newest piece."""
        return self._rate_hz

    def push(self, sound: AudioChunk) -> Spectra:
        """Take the next piece; return the frames that it completes, maybe none."""
        from scipy.signal import get_window

        # 1) Where it belongs; the rest of another rate or of before a jump is dropped.
        begin_s = self._next_s if sound.from_s is None else float(sound.from_s)
        self.jumped = abs(begin_s - self._next_s) > _LONGEST_GAP_S
        if sound.sample_rate_hz != self._rate_hz or self.jumped:
            self._rate_hz = sound.sample_rate_hz
            self._rest, self.recent = np.zeros(0, np.float32), np.zeros(0, np.float32)
            self._window = np.asarray(get_window("hann", self._length), np.float32)
        if len(self._rest) == 0:
            self._rest_s = begin_s
        clean = np.nan_to_num(to_float32(sound.samples).reshape(-1), nan=0.0, posinf=0.0, neginf=0.0)
        clean = np.clip(clean, -1.0, 1.0)
        self._rest = np.concatenate([self._rest, clean])
        self.recent = np.concatenate([self.recent, clean])[-self._rate_hz :]
        self._next_s = begin_s + len(clean) / self._rate_hz
        # 2) Cut frames, without their mean (DC), and transform them.
        length, hop = self._length, max(1, round(HOP_S * self._rate_hz))
        count = max(0, (len(self._rest) - length) // hop + 1)
        count = count if count >= _TOGETHER else 0
        hz = np.arange(length // 2 + 1) * (self._rate_hz / length)
        if count == 0:
            return Spectra(np.zeros(0), np.zeros((0, len(hz)), np.float32), hz)
        frames = np.lib.stride_tricks.sliding_window_view(self._rest, length)[::hop][:count]  # (N, length)
        frames = (frames - frames.mean(axis=1, keepdims=True)) * self._window
        power = np.abs(np.fft.rfft(frames, axis=1)) ** 2
        power *= 2.0 / (length * float((self._window**2).sum()))
        times_s = self._rest_s + np.arange(count) * (hop / self._rate_hz)
        self._rest = self._rest[count * hop :]
        self._rest_s += count * hop / self._rate_hz
        return Spectra(times_s, power, hz)

    @property
    def _length(self) -> int:
        return max(16, 2 * round(WINDOW_S * self._rate_hz / 2))
