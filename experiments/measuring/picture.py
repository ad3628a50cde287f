"""How smoothly the picture ran: its speed, its freezes, its repeated frames."""

from __future__ import annotations

import numpy as np


def slew(captured_s: np.ndarray, due_s: np.ndarray) -> np.ndarray:
    """Return how much faster or slower than real time the picture ran, (N − 1,): |Δdue ÷ Δcaptured − 1|.

    Source: the rate at which a jitter buffer changes its delay (RFC 3550 players), over frames.
    """
    return np.abs(np.diff(due_s) / np.diff(captured_s) - 1.0)


def frozen_s(shown_s: np.ndarray, frame_s: float) -> float:
    """Return the seconds for which the picture was frozen.

    Σ (Δshown − one frame time) over neighbours that were shown more than two frame times apart. Source: the stalls of
    video quality measurement (ITU-T P.1203).
    """
    apart = np.diff(shown_s)
    return float((apart[apart > 2 * frame_s] - frame_s).sum())


def repeated_frames(index: np.ndarray) -> int:
    """Count frames that were shown again or out of order: |{k : index_k ≤ index_(k−1)}|, for `index` (N,)."""
    return int((np.diff(index) <= 0).sum())
