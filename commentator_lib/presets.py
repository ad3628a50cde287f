"""The nerdpudding project's four presets: sets of values that work well together."""

from __future__ import annotations

from typing import Any

_KEYS = (
    "capture_fps",
    "frames_per_inference",
    "frame_stride",
    "window_frames",
    "change_threshold",
    "inference_interval_s",
    "speech_max_new_tokens",
    "pause_s",
)
PRESETS: dict[str, dict[str, Any]] = {
    "sentry": dict(zip(_KEYS, (2.0, 4, 2, 32, 5.0, 1.0, 150, 1.0), strict=True)),
    "sniper": dict(zip(_KEYS, (5.0, 4, 1, 48, 0.0, 0.5, 96, 0.5), strict=True)),
    "owl": dict(zip(_KEYS, (4.0, 8, 2, 48, 1.0, 0.5, 120, 0.5), strict=True)),
    "beast": dict(zip(_KEYS, (5.0, 10, 2, 64, 0.0, 0.5, 96, 0.3), strict=True)),
}
