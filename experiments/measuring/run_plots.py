"""Figures of runs and benchmarks: where the time goes, how far voice and picture are apart, when to speak.

A sentence computed from the data is the title. Means have a 95 % bootstrap interval; fewer than 20 values are drawn one
by one, without a 95th percentile.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from commentator_lib.runs.figures import STAGES
from commentator_lib.runs.run_card_words import small_seconds
from experiments.measuring import sentences
from experiments.measuring.numbers import bootstrap_interval
from experiments.measuring.plot_parts import FEWEST_FOR_P95, POLICY_COLOURS, label, new_figure, tidy, whiskers


def stage_figure(stages: Mapping[str, pd.DataFrame], run_id: str = ""):
    """Return stacked bars, one per group of runs: the mean seconds of each stage from capture to the first sound.

    The whisker is the 95 % bootstrap interval of the mean of their sum; the title tells the longest stage.
    """
    figure = new_figure(1.0 + 0.7 * len(stages), sentences.where_time_goes(stages), run_id)
    ax = figure.subplots()
    for row, (_, table) in enumerate(stages.items()):
        left = 0.0
        for name, colour, _, _ in STAGES:
            seconds = float(np.mean(table[name])) if len(table) else 0.0
            ax.barh(row, seconds, left=left, color=colour, label=name if row == 0 else None, height=0.6)
            left += seconds
        low, high = bootstrap_interval(table.sum(axis=1).to_numpy(float))
        end = left
        if low == low:
            ax.errorbar(
                left,
                row,
                xerr=[[max(0.0, left - low)], [max(0.0, high - left)]],
                color="black",
                capsize=3,
                lw=1,
            )
            end = high
        ax.text(end, row, f"  {left:.2f} s (n = {len(table)})", va="center", fontsize=8.5)
    ax.set_yticks(range(len(stages)), list(stages))
    ax.set_xlabel("s after the newest frame's capture: mean; whisker: 95 % bootstrap interval")
    ax.margins(x=0.22)
    ax.set_xlim(left=0)
    tidy(ax, "x")
    _legend_above(ax)
    return figure


def _legend_above(ax) -> None:
    ax.legend(
        fontsize=8.5, ncols=4, loc="lower center", bbox_to_anchor=(0.4, 1.0), frameon=False, columnspacing=1.2
    )


def error_figure(
    errors: Mapping[str, Sequence[float]], run_id: str = "", what: str = "picture/sound error, absolute, s"
):
    """Return the errors of each group, with their median, number and spread in words.

    Groups of 20 and more are drawn as cumulative distributions with their 95th percentile. Where one is smaller,
    all are drawn value by value, and the largest is named.
    """
    groups = {name: np.sort(np.asarray(values, float)) for name, values in errors.items()}
    groups = {name: values[~np.isnan(values)] for name, values in groups.items()}
    widest = max((float(values[-1]) for values in groups.values() if len(values)), default=1.0)
    few = any(len(values) < FEWEST_FOR_P95 for values in groups.values())
    title = sentences.how_far_apart({name: v.tolist() for name, v in groups.items()})
    figure = new_figure(1.0 + 0.6 * len(groups) if few else 3.0, title, run_id)
    ax = figure.subplots()
    for row, (name, values) in enumerate(groups.items()):
        colour = POLICY_COLOURS.get(name, f"C{row}")
        if few:
            _draw_points(ax, row, values, colour, 0.012 * widest)
        elif len(values):
            share = np.arange(1, len(values) + 1) / len(values)
            middle, p95 = (
                small_seconds(float(np.median(values))),
                small_seconds(float(np.quantile(values, 0.95))),
            )
            text = f"{name}: {middle} median, {p95} p95 (n = {len(values)})"
            ax.step(values, share, where="post", label=text, color=colour)
    if few:
        ax.set_yticks(range(len(groups)), [f"{name}\n(n = {len(v)})" for name, v in groups.items()])
        ax.set_ylim(-0.6, len(groups) - 0.4)
        ax.margins(x=0.05)
    else:
        ax.set_ylabel("share of comments up to here")
        ax.set_ylim(0, 1.02)
        ax.legend(fontsize=8.5)
    ax.set_xlim(left=0.0 if not any(len(v) for v in groups.values()) else -0.02 * ax.get_xlim()[1])
    ax.set_xlabel(what)
    tidy(ax)
    return figure


def _draw_points(ax, row: int, values: np.ndarray, colour: str, near: float) -> None:
    """Draw each value as a point on its row, beside each other where they are `near`, and the median as a tick."""
    if not len(values):
        ax.text(0, row, "no comment", va="center", fontsize=8.5, fontstyle="italic")
        return
    up = np.zeros(len(values))
    for k in range(1, len(values)):
        if values[k] - values[k - 1] < near:
            up[k] = (up[k - 1] + 1) % 5
    ax.plot(values, row - 0.16 + 0.08 * up, "o", ms=5, mfc="none", color=colour)
    middle = float(np.median(values))
    ax.plot([middle, middle], [row - 0.3, row + 0.3], color=colour, lw=2)
    ax.text(
        middle,
        row + 0.32,
        f"median {small_seconds(middle)}, most {small_seconds(values[-1])}",
        fontsize=8.5,
        va="bottom",
    )


def speaking_figure(table: pd.DataFrame, what: str, run_id: str = ""):
    """Return F1 of speaking against repetition, one point a policy with its name; best is at the upper left.

    `table` comes from `analysis.by_setting` by the column `when`; bars are 95 % bootstrap intervals over the runs.
    `what` says who speaks and on what; the title compares with the policy interval those that ask the model.
    """
    figure = new_figure(4.2, sentences.speaking(table, what), run_id)
    ax = figure.subplots()
    # The first mark is larger, so that another one in its place is seen too.
    spans = [whiskers(table, name) for name in ("repetition", "speak_f1")]  # (2, rows) each
    for k, name in enumerate(table.when.tolist()):
        ax.errorbar(
            table.repetition.tolist()[k],
            table.speak_f1.tolist()[k],
            xerr=spans[0][:, k : k + 1],
            yerr=spans[1][:, k : k + 1],
            fmt="osD^vPX*"[k % 8],
            ms=13 if k == 0 else 8,
            mfc="none",
            mew=1.6,
            lw=0.8,
            capsize=2,
            color=f"C{k}",
            label=name,
        )
    ax.set_xlabel(label("repetition"))
    ax.set_ylabel(label("speak_f1"))
    tidy(ax)
    runs = int(table.speak_f1_runs.min())
    ax.legend(fontsize=8.5, title=f"mean and 95 % bootstrap interval, n = {runs} runs", title_fontsize=8)
    return figure


# A stage of a model's comment: (its name, the step and key in bench_model's result for the model's own code, for ours).
MODEL_STAGES = (
    ("frames → first sound, ms", ("own_stream_speech", "first_sound_ms"), ("speech", "first_sound_ms")),
    (
        "preprocessing + vision + prefill, ms",
        ("own_stream_text", "preprocess_vision_prefill_ms"),
        ("text", "look_ms"),
    ),
    ("decode, ms a token", ("own_stream_text", "decode_ms"), ("text", "decode_ms")),
    ("talker, ms an audio token", ("own_stream_speech", "talker_ms"), ("voice", "talker_ms")),
    ("Token2wav, ms a second of sound", ("own_stream_speech", "vocoder_ms"), ("voice", "vocoder_ms")),
    ("all, ms a second of sound", ("own_stream_speech", "speech_compute_s"), ("speech", "speech_compute_s")),
)
_PAIRS = (("#c7c7c7", "tab:blue"), ("#8c8c8c", "tab:cyan"))


def _stage_ms(result: Mapping, place: tuple[str, str]) -> tuple[float, float, float] | None:
    """Return (least, median, most) of a stage in ms; None where it was not measured."""
    step, key = place
    found = result.get(step, {}).get(key)
    if found is None:
        return None
    scale = 1000 if key.endswith("_s") else 1
    parts = [found[p] for p in ("min", "median", "max")] if isinstance(found, Mapping) else [found] * 3
    low, middle, high = (scale * float(part) for part in parts)
    return low, middle, high


def before_after_figure(results: Mapping[str, Mapping], run_id: str = ""):
    """Return a bar chart of the time of each stage of MiniCPM-o, in the model's own code and in ours.

    `results`: bench_model's results by dtype. Bars are medians on a log axis; a whisker goes from the minimum to
    the maximum where there were several rounds. A stage that was not measured has no bar. The title compares the first
    sound.
    """
    # 1) four bars per stage: two dtypes, own code and ours
    pairs = {}
    for dtype, result in results.items():
        own, ours = (_stage_ms(result, place) for place in MODEL_STAGES[0][1:])
        if own is not None and ours is not None:
            pairs[dtype.upper()] = (own[1], ours[1])
    title = sentences.times_as_fast(pairs, "From the frames to the first sound")
    figure = new_figure(0.9 + 0.75 * len(MODEL_STAGES), title, run_id)
    ax = figure.subplots()
    bars = [
        (f"{dtype.upper()}, {whose}", result, side, colour)
        for (dtype, result), pair in zip(results.items(), _PAIRS, strict=False)
        for side, (whose, colour) in enumerate(zip(("its own code", "here"), pair, strict=True))
    ]
    height = 0.8 / len(bars)
    # 2) draw them, in milliseconds
    for number, (name, result, side, colour) in enumerate(bars):
        for row, (_, *places) in enumerate(MODEL_STAGES):
            found = _stage_ms(result, places[side])
            if found is None:
                continue
            low, middle, high = found
            place = row + (number - (len(bars) - 1) / 2) * height
            ax.barh(place, middle, height, color=colour)
            span = [[middle - low], [high - middle]]
            ax.errorbar(middle, place, xerr=span, color="black", capsize=2, lw=0.8)
            shown = f"{middle:.0f}" if middle >= 100 else f"{middle:.3g}"
            ax.text(high * 1.08, place, shown, va="center", fontsize=8)
        ax.barh(0, 0, color=colour, label=name)
    # 3) axes
    ax.set_xscale("log")
    ax.set_yticks(range(len(MODEL_STAGES)), [stage for stage, *_ in MODEL_STAGES])
    ax.invert_yaxis()
    ax.set_xlabel("ms, median, logarithmic; whisker: least to most")
    ax.set_xlim(right=ax.get_xlim()[1] * 2)
    tidy(ax, "x")
    _legend_above(ax)
    return figure
