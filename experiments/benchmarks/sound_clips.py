"""The clip that bench_sound plays, and how flashes and beeps are found again."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from commentator_lib.media import PLAYBACK_RATE_HZ
from commentator_lib.video_writer import H264Writer, SoundTrack

EVERY_S, LIT_S, BEEP_S = 1.0, 0.2, 0.05


def make_flashing_clip(path: Path, seconds: float, size: tuple[int, int, int] = (640, 360, 25)) -> None:
    """Write a dark clip that flashes and beeps at each full second, over soft noise; `size`: width, height, rate."""
    width, height, fps = size
    rng = np.random.default_rng(0)
    tracks = (SoundTrack("programme", channels=2),)
    encoder = {"preset": "ultrafast", "crf": "10"}
    with H264Writer(path, width, height, fps, encoder=encoder, sound_tracks=tracks) as video:
        for k in range(round(seconds * fps)):
            image = np.full((height, width, 3), 240 if (k / fps + 1e-6) % EVERY_S < LIT_S else 16, np.uint8)
            image[::40, :, 0] = k % 200
            video.write(image)
        for first in range(0, round(seconds * PLAYBACK_RATE_HZ), PLAYBACK_RATE_HZ):
            t = (first + np.arange(PLAYBACK_RATE_HZ)) / PLAYBACK_RATE_HZ
            mono = 0.3 * np.sin(2 * np.pi * 1000 * t) * (t % EVERY_S < BEEP_S)
            noise = rng.normal(0, 0.01, (len(t), 2))
            video.write_sound((mono[:, None] + noise).astype(np.float32), first)


def starts_s(samples: np.ndarray, level: float) -> np.ndarray:
    """Return when sound (N,) at 48 kHz becomes louder than `level` after a third of a second without, in seconds."""
    loud = np.flatnonzero(np.abs(samples.astype(np.float64)) > level)
    return loud[np.diff(loud, prepend=-PLAYBACK_RATE_HZ) > PLAYBACK_RATE_HZ // 3] / PLAYBACK_RATE_HZ


def errors_ms(flashes_s: np.ndarray, beeps_s: np.ndarray) -> np.ndarray:
    """Return beep − flash in ms, for each flash that has a beep within 0.4 s."""
    nearest = np.asarray([beeps_s[np.argmin(np.abs(beeps_s - flash))] - flash for flash in flashes_s])
    return 1000 * nearest[np.abs(nearest) < 0.4]


def summary(errors: np.ndarray) -> dict[str, float]:
    """Return median, 95th percentile and signed median of errors in ms, and their number."""
    return {
        "median_ms": round(float(np.median(np.abs(errors))), 1),
        "p95_ms": round(float(np.percentile(np.abs(errors), 95)), 1),
        "signed_median_ms": round(float(np.median(errors)), 1),
        "events": len(errors),
    }
