"""How the picture ran: its speed, its freezes, its repeated frames."""

from __future__ import annotations

import numpy as np


def slew(captured_s: np.ndarray, due_s: np.ndarray) -> np.ndarray:
    """How much faster or slower the picture ran than real time, frame by frame: |Δdue ÷ Δcaptured − 1|.

    Source: the rate at which a jitter buffer changes its delay (RFC 3550 players), over frames.
    """
    return np.abs(np.diff(due_s) / np.diff(captured_s) - 1.0)


def frozen_s(shown_s: np.ndarray, frame_s: float) -> float:
    """Seconds for which the picture stood: Σ (Δshown − one frame time) over neighbours that were shown more
    than two frame times apart. Source: the freezes of video quality measurement (ITU-T P.1203 counts stalls)."""
    apart = np.diff(shown_s)
    return float((apart[apart > 2 * frame_s] - frame_s).sum())


def repeated_frames(index: np.ndarray) -> int:
    """Frames shown that had been shown before, or came out of order: |{k : index_k ≤ index_(k−1)}|."""
    return int((np.diff(index) <= 0).sum())
