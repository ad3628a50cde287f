"""The programme's sound as it was captured: the last seconds, on the session's clock."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from dataclasses import dataclass

import numpy as np

from commentator_lib.media import PLAYBACK_RATE_HZ

# A chunk whose time is off by less than this follows the one before without a seam: its clock drifts.
_SEAM_S = 0.06
# A shorter gap is filled with silence; a longer one is a new beginning.
_LONGEST_FILLED_S = 10.0
_FADE = PLAYBACK_RATE_HZ // 200  # samples of a fade before and after a gap


@dataclass(frozen=True, slots=True)
class _Chunk:
    first: int  # number of its first sample
    from_s: float  # clock time of its first sample
    samples: np.ndarray  # (N, 2) int16

    @property
    def end(self) -> int:
        return self.first + len(self.samples)


class CapturedSound:
    """Samples, stereo int16 at 48 kHz, numbered from 0 on, each with the clock time at which it was captured.

    Keeps the last `kept_s` seconds. Chunks overlap or leave gaps where a source stumbles: an overlap is cut off, a
    gap is filled with silence.
    """

    def __init__(self, kept_s: float) -> None:
        self.end = 0  # number of the sample after the last
        self._kept = round(kept_s * PLAYBACK_RATE_HZ)
        self._chunks: deque[_Chunk] = deque()

    @property
    def first(self) -> int:
        """The number of the oldest sample that is kept."""
        return self._chunks[0].first if self._chunks else self.end

    @property
    def end_s(self) -> float | None:
        """The clock time after the last sample; None before the first."""
        return self.time_of(self.end) if self._chunks else None

    def push(self, samples: np.ndarray, from_s: float) -> None:
        """Add samples, (N, 2) int16, of which the first was captured at clock time `from_s`."""
        if self._chunks:
            gap_s = from_s - self.time_of(self.end)
            if _SEAM_S < gap_s <= _LONGEST_FILLED_S:
                self._fade_out_last()
                samples = _faded(samples, 0.0, 1.0)
                self._add(np.zeros((round(gap_s * PLAYBACK_RATE_HZ), 2), np.int16), self.time_of(self.end))
            elif -_LONGEST_FILLED_S <= gap_s < -_SEAM_S:
                cut = min(len(samples), round(-gap_s * PLAYBACK_RATE_HZ))
                samples, from_s = samples[cut:], from_s + cut / PLAYBACK_RATE_HZ
        self._add(samples, from_s)
        while self._chunks and self.end - self._chunks[0].end >= self._kept:
            self._chunks.popleft()

    def _fade_out_last(self) -> None:
        last = self._chunks.pop()
        faded = np.concatenate([last.samples[:-_FADE], _faded(last.samples[-_FADE:], 1.0, 0.0)])
        self._chunks.append(_Chunk(last.first, last.from_s, faded))

    def _add(self, samples: np.ndarray, from_s: float) -> None:
        if len(samples):
            self._chunks.append(_Chunk(self.end, from_s, samples))
            self.end += len(samples)

    def time_of(self, number: float) -> float:
        """Return the clock time of a sample; also of one before or after those that are kept."""
        k = bisect_right(self._chunks, number, key=lambda chunk: chunk.first) - 1
        chunk = self._chunks[max(0, k)]
        return chunk.from_s + (number - chunk.first) / PLAYBACK_RATE_HZ

    def number_at(self, at_s: float) -> int:
        """Return the number of the sample that was captured at a clock time, or of the nearest that is kept."""
        k = bisect_right(self._chunks, at_s, key=lambda chunk: chunk.from_s) - 1
        if k < 0:
            return self.first
        chunk = self._chunks[k]
        return min(chunk.end, chunk.first + round((at_s - chunk.from_s) * PLAYBACK_RATE_HZ))

    def read(self, first: int, count: int) -> np.ndarray:
        """Return `count` samples from a number on, (count, 2) int16; silence for those that are not kept."""
        out = np.zeros((count, 2), np.int16)
        k = max(0, bisect_right(self._chunks, first, key=lambda chunk: chunk.first) - 1)
        for chunk in [self._chunks[i] for i in range(k, len(self._chunks))]:
            if chunk.first >= first + count:
                break
            low, high = max(first, chunk.first), min(first + count, chunk.end)
            if low < high:
                out[low - first : high - first] = chunk.samples[low - chunk.first : high - chunk.first]
        return out


def _faded(samples: np.ndarray, from_gain: float, to_gain: float) -> np.ndarray:
    """Return samples, (N, 2) int16, of which the first 5 ms go from one gain to another."""
    count = min(_FADE, len(samples))
    faded = samples.copy()
    ramp = np.linspace(from_gain, to_gain, count)[:, None]
    faded[:count] = np.rint(samples[:count] * ramp).astype(np.int16)
    return faded
