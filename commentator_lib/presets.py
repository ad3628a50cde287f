"""Presets: sets of values that work well together; three by how much is said, and the nerdpudding project's four."""

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
_VALUES = {
    "calm": (2.0, 4, 2, 32, 12.0, 3.0, 64, 4.0),
    "balanced": (2.0, 4, 2, 32, 5.0, 1.0, 150, 1.0),  # the defaults
    "dense": (4.0, 6, 2, 48, 1.0, 0.5, 150, 0.3),
    "sentry": (2.0, 4, 2, 32, 5.0, 1.0, 150, 1.0),  # the project's own defaults, which ours follow
    "sniper": (5.0, 4, 1, 48, 0.0, 0.5, 96, 0.5),
    "owl": (4.0, 8, 2, 48, 1.0, 0.5, 120, 0.5),
    "beast": (5.0, 10, 2, 64, 0.0, 0.5, 96, 0.3),
}
PRESETS: dict[str, dict[str, Any]] = {
    name: dict(zip(_KEYS, values, strict=True)) for name, values in _VALUES.items()
}
PRESET_WORDS: dict[str, str] = {
    "calm": "Few and short comments, long pauses, and only when much has changed.",
    "balanced": "The default: a comment when enough has changed, and a second of pause.",
    "dense": "Comment after comment with hardly a pause, from more pictures and on small changes.",
    "sentry": "The nerdpudding project's default, the same values as balanced.",
    "sniper": "A few fresh pictures a comment, no change is too small: soon on what has just happened.",
    "owl": "Eight pictures a comment and a low threshold: sees small and slow changes.",
    "beast": "Ten pictures a comment, no threshold, hardly a pause: needs a fast GPU.",
}
