"""Trim the silence around speech that comes in pieces, without waiting for its end."""

from __future__ import annotations

import numpy as np

_LOUD = 10 ** (-45 / 20)  # root mean square of ±1 from which a window is speech
_WINDOW_S = 0.01
_KEEP_S = 0.03
_FADE_S = 0.005


class StreamTrim:
    """Cuts leading and trailing silence of one utterance down to 30 ms; what is quiet in between stays.

    What is quiet is held back until speech follows; so a piece that is given out never ends in silence. Sound is
    float32 mono, (N,).
    """

    def __init__(self, sample_rate_hz: int) -> None:
        self._hop = max(1, round(_WINDOW_S * sample_rate_hz))
        self._keep = round(_KEEP_S * sample_rate_hz)
        self._fade = round(_FADE_S * sample_rate_hz)
        self._held = np.zeros(0, np.float32)
        self._begun = False

    def push(self, samples: np.ndarray) -> np.ndarray:
        """Return what can be given out after these samples; may be empty."""
        self._held = np.concatenate([self._held, samples.astype(np.float32, copy=False)])
        windows = len(self._held) // self._hop
        if not windows:
            return self._held[:0]
        power = np.square(self._held[: windows * self._hop]).reshape(windows, -1).mean(axis=1)  # (windows,)
        loud = np.flatnonzero(power > _LOUD**2)
        if not len(loud):
            if not self._begun:  # of leading silence only the end can matter
                self._held = self._held[-(self._keep + self._hop) :]
            return self._held[:0]
        start = 0 if self._begun else max(0, int(loud[0]) * self._hop - self._keep)
        end = (int(loud[-1]) + 1) * self._hop
        given, self._held = self._held[start:end].copy(), self._held[end:]
        if not self._begun and start > 0:
            fade = min(self._fade, len(given))
            given[:fade] *= np.linspace(0.0, 1.0, fade, dtype=np.float32)
        self._begun = True
        return given

    def end(self) -> np.ndarray:
        """Return the rest of the utterance."""
        if not self._begun:
            return self._held[:0]
        rest = self._held[: self._keep].copy()
        if len(self._held) > self._keep:
            fade = min(self._fade, len(rest))
            rest[-fade:] *= np.linspace(1.0, 0.0, fade, dtype=np.float32)
        return rest
