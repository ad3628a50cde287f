"""The table that `bench_model --compare seed` prints."""

from __future__ import annotations

from typing import Any

# The least time in ms that an H100 needs to read the weights once (2.9 TB/s), by stage and kind of weights.
_LIMITS = {
    "decode_ms": {"bf16": 5.4, "awq": 1.7},
    "talker_ms": {"bf16": 0.25, "awq": 0.25},
}


def comparison(result: dict[str, Any]) -> str:
    """Return a table of the stages of the model's own code and of our loop: median (min–max)."""
    stages = [
        ("frames to first sound, ms", "own_stream_speech", "first_sound_ms", "speech", "first_sound_ms"),
        (
            "preprocessing, vision, prefill, ms",
            "own_stream_text",
            "preprocess_vision_prefill_ms",
            "text",
            "look_ms",
        ),
        ("decode, ms a token (generate)", "own_chat", "decode_ms", "text", "decode_ms"),
        ("decode, ms a token (streaming_generate)", "own_stream_text", "decode_ms", "text", "decode_ms"),
        ("talker, ms an audio token", "own_stream_speech", "talker_ms", "voice", "talker_ms"),
        ("Token2wav, ms a second of sound", "own_stream_speech", "vocoder_ms", "voice", "vocoder_ms"),
        (
            "speech, s of computing a second",
            "own_stream_speech",
            "speech_compute_s",
            "speech",
            "speech_compute_s",
        ),
    ]

    def shown(value: Any) -> str:
        if isinstance(value, dict):
            return f"{value['median']:g} ({value['min']:g}–{value['max']:g})"
        return "" if value is None else f"{value:g}"

    rows = [("stage", "its own", "ours", "limit")]
    for name, own_step, own_key, our_step, our_key in stages:
        limit = _LIMITS.get(our_key, {}).get(result["dtype"])
        own, ours = result.get(own_step, {}).get(own_key), result.get(our_step, {}).get(our_key)
        rows.append((name, shown(own), shown(ours), shown(limit)))
    widths = [max(len(row[k]) for row in rows) for k in range(4)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows
    )
