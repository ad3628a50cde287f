"""What a commentary was worth, from its log and the truth of its clip: all measures of one run.

Small pure functions, no judge model: a language model's grades change with the grader and cannot see time, and
what stands here can be worked out by hand, as each test does. None of it says whether a comment is *good*;
together the measures say whether it came, when, to the right picture, and at which cost. A talker that never
stops scores well on coverage, so redundancy and false triggers always stand beside it.

Response errors, recall, dead air and F1 are on the viewer's clock; `response_latency_*` and `staleness_*`, the
price of the delay, are on the camera's (see `events`).

Where a quantity has no case (no comment named an event, say), its value is NaN, never 0.
"""

from __future__ import annotations

import numpy as np

from experiments.match_clip.events import KINDS, Truth
from experiments.measuring.events import (
    MATCH_KINDS,
    RECALL_WITHIN_S,
    Comment,
    false_triggers,
    heard_comments,
    recall,
    response_errors,
    response_latencies,
)
from experiments.measuring.numbers import NAN, per_minute, quantile
from experiments.measuring.picture import frozen_s, repeated_frames, slew
from experiments.measuring.speech import (
    coverage,
    covered_s,
    dead_air_share,
    gaps_s,
    overlap_s,
    redundancy,
    repetition,
    speak_silent_f1,
    speech_realtime_factor,
    time_diff_s,
    words_per_s,
)


def measure(
    cycles,
    truth: Truth,
    *,
    shown: np.ndarray | None = None,
    samples=None,
    fps: float = 25.0,
    source_from_s: float = 0.0,
) -> dict[str, float]:
    """Every measure of one run as a flat row.

    Picture/sound error is the log's `sync_error_s`, (first sound heard − newest frame captured) − the delay
    applied then, as mean and p95 of its absolute value; staleness is the same without taking the delay off.

    `cycles`, `samples`: the run log's tables; `shown` (N, 4): index, captured, due, shown, as `read_shown`
    gives it; without it the picture's columns are NaN. ValueError where truth has no length.
    """
    if truth.duration_s <= 0:
        raise ValueError("the truth of a clip without length measures nothing")
    comments = heard_comments(cycles, source_from_s)
    row = {**_event_measures(comments, truth), **_speech_measures(cycles, comments, truth)}
    row |= _picture_measures(cycles, shown, fps)
    row |= _cost_measures(cycles, samples, truth.duration_s)
    return {name: float(value) for name, value in row.items()}


def _event_measures(comments: list[Comment], truth: Truth) -> dict[str, float]:
    row: dict[str, float] = {}
    errors, latencies, total = [], [], 0
    for kind in KINDS:
        count = len(truth.of_kind(kind))
        found = response_errors(comments, truth.events, kind)
        name = kind.replace("-", "_")
        row[f"{name}_recall_3s"] = recall(found, count, 3.0)
        row[f"{name}_response_error_median_s"] = quantile(found, 0.5)
        if kind in MATCH_KINDS:
            errors += found
            latencies += response_latencies(comments, truth.events, kind)
            total += count
    for within_s in RECALL_WITHIN_S:
        row[f"recall_{within_s:g}s"] = recall(errors, total, within_s)
    row["response_error_median_s"] = quantile(errors, 0.5)
    row["response_error_p95_s"] = quantile(errors, 0.95)
    row["response_latency_median_s"] = quantile(latencies, 0.5)
    row["early_share"] = float(np.mean(np.asarray(errors) < -0.05)) if errors else NAN
    row["false_triggers_per_min"] = per_minute(false_triggers(comments, truth.events), truth.duration_s)
    return row


def _speech_measures(cycles, comments: list[Comment], truth: Truth) -> dict[str, float]:
    speech = [(c.from_s, c.to_s) for c in comments]
    heard = [(c.heard_from_s, c.heard_to_s) for c in comments]
    starts = [c.from_s for c in comments]
    gaps = gaps_s(heard)
    speak, silent = speak_silent_f1(speech, truth.stretches, truth.duration_s)
    whole = cycles[(cycles.outcome == "spoken") & cycles.generated_s.notna() & (cycles.speech_s > 0)]
    return {
        "comments_per_min": per_minute(len(comments), truth.duration_s),
        "speak_f1": speak,
        "silent_f1": silent,
        "time_diff_s": time_diff_s(starts, truth.stretches),
        "redundancy": redundancy(starts, truth.stretches),
        "coverage": coverage(starts, truth.stretches),
        "dead_air_share": dead_air_share(speech, truth.stretches),
        "speech_share": covered_s(speech, 0.0, truth.duration_s) / truth.duration_s,
        "gap_mean_s": float(gaps.mean()) if len(gaps) else NAN,
        "gap_median_s": quantile(gaps, 0.5),
        "gap_p95_s": quantile(gaps, 0.95),
        "overlap_s": overlap_s(heard),
        "words_per_s": words_per_s([c.text for c in comments], sum(e - s for s, e in heard)),
        "speech_realtime_factor": speech_realtime_factor(whole.generated_s - whole.infer_s, whole.speech_s),
        "repetition": repetition([c.text for c in comments]),
    }


def _picture_measures(cycles, shown: np.ndarray | None, fps: float) -> dict[str, float]:
    heard = cycles[cycles.sync_error_s.notna()]
    error = heard.sync_error_s.abs().to_numpy(float)
    staleness = (heard.heard_from_s - heard.frame_newest_captured_s).to_numpy(float)
    row = {
        "sync_error_mean_s": float(error.mean()) if len(error) else NAN,
        "sync_error_p95_s": quantile(error, 0.95),
        "staleness_median_s": quantile(staleness, 0.5),
        "first_sound_latency_median_s": quantile(cycles.first_sound_latency_s.dropna(), 0.5),
        "delay_end_s": float(heard.delay_applied_s.iloc[-1]) if len(heard) else NAN,
        "slew_max": NAN,
        "frozen_s": NAN,
        "repeated_frames": NAN,
    }
    if shown is not None and len(shown) > 1:
        row["slew_max"] = float(slew(shown[:, 1], shown[:, 2]).max())
        row["frozen_s"] = frozen_s(shown[:, 3], 1.0 / fps)
        row["repeated_frames"] = repeated_frames(shown[:, 0])
    return row


def _cost_measures(cycles, samples, duration_s: float) -> dict[str, float]:
    """Cycles that asked the commentator, the share of time in which it computed (Σ (generated − infer) ÷ the
    clip's length), tokens thrown away (÷ tokens generated), and memory where it was sampled."""
    asked = cycles[cycles.infer_s.notna()]
    tokens = float(asked.output_tokens.sum())
    cpu, shown_fps = _known(samples, "cpu_core_share"), _known(samples, "shown_fps")

    def peak(table, column: str) -> float:
        return quantile(_known(table, column), 1.0)

    return {
        "cycles_per_min": per_minute(len(asked), duration_s),
        "skipped_share": float((cycles.outcome == "unchanged").mean()) if len(cycles) else NAN,
        "busy_share": float((asked.generated_s - asked.infer_s).sum()) / duration_s,
        "output_tokens_per_min": per_minute(tokens, duration_s),
        "image_tokens_per_min": per_minute(asked.image_tokens.astype(float).sum(min_count=1), duration_s),
        "discarded_token_share": float(asked.discarded_tokens.sum()) / tokens if tokens else NAN,
        "shown_fps": quantile(shown_fps[shown_fps > 0], 0.5),  # over the seconds in which the picture ran
        "cpu_core_share": float(cpu.mean()) if len(cpu) else NAN,
        "peak_rss_bytes": peak(samples, "rss_bytes"),
        "peak_vram_bytes": max(
            peak(samples, "vram_used_bytes"), peak(cycles, "vram_peak_bytes"), key=lambda v: (v == v, v)
        ),
        "idle_vram_bytes": peak(cycles, "vram_idle_bytes"),
    }


def _known(table, column: str) -> np.ndarray:
    """The values of a column that are there; none where the table or the column is not."""
    if table is None or column not in table:
        return np.array([])
    return table[column].dropna().to_numpy(float)
