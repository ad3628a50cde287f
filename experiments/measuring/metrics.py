"""All measures of one run, from its log and the truth of its clip.

No language model is used as a judge: its grades change with the model, and it cannot judge time. These measures can
be computed by hand, as the tests do. None of them says whether a comment is *good*; together they say whether it
came, when, at the right picture, and at what cost. A commentator that never stops talking has a high coverage, so
read coverage together with redundancy and false triggers.

Response errors, recall, dead air and F1 are on the viewer's clock; `response_latency_*` and `staleness_*`, which
include the delay, are on the camera's (see `events`).

Where a measure has no case (no comment names an event, for example), its value is NaN, never 0.
"""

from __future__ import annotations

import re

import numpy as np

from commentator_lib.truth.comments import Comment, column, heard_comments, recall
from commentator_lib.truth.speech import (
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
from experiments.match_clip.events import KINDS, Truth
from experiments.measuring.events import (
    RECALL_WITHIN_S,
    evidence_delays,
    false_triggers,
    response_errors,
    response_latencies,
)
from experiments.measuring.numbers import NAN, per_minute, quantile
from experiments.measuring.picture import frozen_s, repeated_frames, slew


def measure(
    cycles,
    truth: Truth,
    *,
    shown: np.ndarray | None = None,
    samples=None,
    fps: float = 25.0,
    source_from_s: float = 0.0,
) -> dict[str, float]:
    """Return every measure of one run as a flat row.

    `cycles`, `samples`: the run log's tables; for `cycles` the rows of the log do too, and are faster. `shown` (N, 4):
    index, captured, due, shown (s), as from `read_shown`; without it the picture's columns are NaN. `source_from_s`:
    when the clip's first frame was captured, on the log's clock.

    The picture/sound error is the log's `sync_error_s`, first sound heard − the time at which the picture that it is
    about was due, as mean and p95 of its absolute value; staleness is first sound heard − newest frame captured.

    Raise ValueError where the truth has no length.
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
    kinds = dict.fromkeys([*KINDS, *(event.kind for event in truth.events)])
    for kind in kinds:
        count = len(truth.of_kind(kind))
        found = response_errors(comments, truth.events, kind)
        name = re.sub(r"\W+", "_", kind)
        row[f"{name}_recall_3s"] = recall(found, count, 3.0)
        row[f"{name}_response_error_median_s"] = quantile(found, 0.5)
        if kind != "cut":
            errors += found
            latencies += response_latencies(comments, truth.events, kind)
            total += count
    goals = len(truth.of_kind("goal"))
    for name, sounds in (
        ("evidence", ()),
        ("first_evidence", truth.sounds),
    ):  # on screen; on screen or in sound
        delays = evidence_delays(comments, truth.events, "goal", sounds)
        row[f"goal_recall_2s_of_{name}"] = recall([max(0.0, d) for d in delays], goals, 2.0)
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
    speech_s, compute_s = column(cycles, "speech_s"), _compute_s(cycles)
    whole = (_outcomes(cycles) == "spoken") & ~np.isnan(column(cycles, "generated_s")) & (speech_s > 0)
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
        "shortfall_median_s": quantile(_known(column(cycles, "shortfall_s")), 0.5),
        "overlap_s": overlap_s(heard),
        "words_per_s": words_per_s([c.text for c in comments], sum(e - s for s, e in heard)),
        "speech_realtime_factor": speech_realtime_factor(list(compute_s[whole]), list(speech_s[whole])),
        "repetition": repetition([c.text for c in comments]),
    }


def _picture_measures(cycles, shown: np.ndarray | None, fps: float) -> dict[str, float]:
    sync_error_s = column(cycles, "sync_error_s")
    heard = ~np.isnan(sync_error_s)
    error = np.abs(sync_error_s[heard])
    staleness = (column(cycles, "heard_from_s") - column(cycles, "frame_newest_captured_s"))[heard]
    delays_s = column(cycles, "delay_applied_s")[heard]
    row = {
        "sync_error_mean_s": float(error.mean()) if len(error) else NAN,
        "sync_error_p95_s": quantile(error, 0.95),
        "staleness_median_s": quantile(staleness, 0.5),
        "first_sound_latency_median_s": quantile(_known(column(cycles, "first_sound_latency_s")), 0.5),
        "delay_end_s": float(delays_s[-1]) if len(delays_s) else NAN,
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
    """Return rates of cycles and tokens, the share of time spent computing, discarded tokens, and peak memory.

    `busy_share` is Σ (generated − infer) ÷ the clip's length; `discarded_token_share` is ÷ tokens generated.
    """
    asked = ~np.isnan(column(cycles, "infer_s"))
    tokens = float(column(cycles, "output_tokens")[asked].sum())
    discarded = float(column(cycles, "discarded_tokens")[asked].sum())
    image_tokens = _known(column(cycles, "image_tokens")[asked])
    cpu, shown_fps = _values_of(samples, "cpu_core_share"), _values_of(samples, "shown_fps")

    def peak(table, name: str) -> float:
        return quantile(_values_of(table, name), 1.0)

    def peak_of_cycles(name: str) -> float:
        return quantile(_known(column(cycles, name)), 1.0)

    return {
        "cycles_per_min": per_minute(int(asked.sum()), duration_s),
        "skipped_share": float((_outcomes(cycles) == "unchanged").mean()) if len(cycles) else NAN,
        "busy_share": float(np.nansum(_compute_s(cycles)[asked])) / duration_s,
        "output_tokens_per_min": per_minute(tokens, duration_s),
        "image_tokens_per_min": per_minute(image_tokens.sum() if len(image_tokens) else NAN, duration_s),
        "discarded_token_share": discarded / tokens if tokens else NAN,
        "shown_fps": quantile(shown_fps[shown_fps > 0], 0.5),  # over the seconds with a running picture
        "cpu_core_share": float(cpu.mean()) if len(cpu) else NAN,
        "peak_rss_bytes": peak(samples, "rss_bytes"),
        "peak_vram_bytes": max(
            peak(samples, "vram_used_bytes"), peak_of_cycles("vram_peak_bytes"), key=lambda v: (v == v, v)
        ),
        "idle_vram_bytes": peak_of_cycles("vram_idle_bytes"),
    }


def _outcomes(cycles) -> np.ndarray:
    return np.array(
        cycles["outcome"] if hasattr(cycles, "columns") else [row["outcome"] for row in cycles], str
    )


def _compute_s(cycles) -> np.ndarray:
    """Return the seconds of computing of each cycle (N,): generated − infer; NaN without both."""
    return column(cycles, "generated_s") - column(cycles, "infer_s")


def _known(values: np.ndarray) -> np.ndarray:
    """Return the values that are not missing."""
    return values[~np.isnan(values)]


def _values_of(table, name: str) -> np.ndarray:
    """Return the values (N,) of a column that are not missing; (0,) without the table or the column."""
    if table is None or name not in table:
        return np.array([])
    return table[name].dropna().to_numpy(float)
