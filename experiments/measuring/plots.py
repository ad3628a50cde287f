"""Figures of sweeps and benchmarks: every axis with its unit, every mean with its spread.

They plot what `analysis` computed. Colours are fixed: a policy has the same colour in every figure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from commentator_lib.runs.figures import STAGES

# The label of a measure on an axis. A column that is not listed is labelled with its name.
LABELS = {
    "response_error_median_s": "response error, median, s",
    "response_latency_median_s": "response latency, median, s",
    "missed_3s": "events missed (3 s), share",
    "recall_3s": "events named (3 s), share",
    "goal_recall_3s": "goals named (3 s), share",
    "dead_air_share": "dead air in action, share",
    "false_triggers_per_min": "false triggers a minute",
    "busy_share": "computing, share of time",
    "sync_error_p95_s": "picture/sound error, p95, s",
    "gap_median_s": "silence between comments, median, s",
    "comments_per_min": "comments a minute",
    "redundancy": "redundancy, mean |1 − n|",
    "delay_end_s": "picture delay at the end, s",
    "frame_stride": "frame stride, frames",
    "change_threshold": "change threshold, of 255",
    "speech_max_new_tokens": "token cap, tokens",
    "pause_s": "pause, s",
    "capture_fps": "capture rate, frames/s",
    "frames_per_inference": "frames a comment sees",
    "policy": "pacing policy",
    "speak_f1": "F1 of speaking in action, one decision a second",
    "repetition": "four-word runs said before, share",
}
POLICY_COLOURS = {"playout": "tab:blue", "serial": "tab:orange"}


def label(name: str) -> str:
    """Return the axis label of a column."""
    return LABELS.get(name, name.replace("_", " "))


def _figure(width: float, height: float, title: str):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    figure.suptitle(title, fontsize=10)
    return figure


def heat_maps(
    table: pd.DataFrame,
    x: str,
    y: str,
    facet: str,
    measures: Sequence[str],
    title: str = "",
    mark: Mapping[str, object] | None = None,
):
    """Return heat maps over `x` and `y`: measures (rows) × values of `facet` (columns).

    Each cell shows mean ± std over clips and seeds. `table` comes from `analysis.by_setting`; `mark` is the setting
    that gets a frame.
    """
    # 1) a grid of panels
    facets = sorted(table[facet].unique())
    xs, ys = sorted(table[x].unique()), sorted(table[y].unique())
    width, height = 1.2 + 0.75 * len(xs) * len(facets), 0.9 + (0.7 + 0.36 * len(ys)) * len(measures)
    figure = _figure(max(6.0, width), height, title)
    axes = figure.subplots(len(measures), len(facets), squeeze=False, sharex=True, sharey=True)
    for row, measure in enumerate(measures):
        low, high = table[measure].min(), table[measure].max()
        for column, value in enumerate(facets):
            ax = axes[row, column]
            # 2) the map, with mean ± std in each cell
            part = table[table[facet] == value]
            grid = part.pivot(index=y, columns=x, values=measure).reindex(index=ys, columns=xs)
            spread = part.pivot(index=y, columns=x, values=f"{measure}_std").reindex(index=ys, columns=xs)
            ax.imshow(
                grid.to_numpy(float), aspect="auto", cmap="viridis_r", vmin=low, vmax=high, origin="lower"
            )
            for j, i in np.ndindex(grid.shape):
                mean, std = grid.to_numpy(float)[j, i], spread.to_numpy(float)[j, i]
                text = "–" if np.isnan(mean) else f"{mean:.2f}" + ("" if np.isnan(std) else f"\n±{std:.2f}")
                dark = bool(not np.isnan(mean) and high > low and (mean - low) / (high - low) > 0.55)
                ax.text(i, j, text, ha="center", va="center", fontsize=6, color="white" if dark else "black")
            # 3) ticks, labels and the frame
            ax.set_xticks(range(len(xs)), [f"{v:g}" for v in xs], fontsize=7)
            ax.set_yticks(range(len(ys)), [f"{v:g}" for v in ys], fontsize=7)
            if row == 0:
                ax.set_title(f"{label(facet)}: {value:g}", fontsize=8)
            if row == len(measures) - 1:
                ax.set_xlabel(label(x), fontsize=8)
            if column == 0:
                ax.set_ylabel(label(y), fontsize=8)
            if mark is not None and mark.get(facet) == value:
                _frame(ax, xs.index(mark[x]), ys.index(mark[y]))
        bar = figure.colorbar(axes[row, -1].images[0], ax=axes[row, :].tolist(), pad=0.01)
        bar.set_label(label(measure), fontsize=7)
        bar.ax.tick_params(labelsize=7)
    return figure


def _frame(ax, column: int, row: int) -> None:
    from matplotlib.patches import Rectangle

    ax.add_patch(Rectangle((column - 0.48, row - 0.46), 0.96, 0.92, fill=False, ec="red", lw=1.8))


def pareto_figure(
    table: pd.DataFrame,
    front: pd.Series,
    x: str,
    y: str,
    name: Sequence[str],
    title: str = "",
    mark: Mapping[str, object] | None = None,
):
    """Return a scatter plot of all settings in two objectives, with standard errors.

    A line joins the settings on the front; each of them is labelled with its values of `name`.
    """
    # 1) all settings
    figure = _figure(8, 4.6, title)
    ax = figure.subplots()
    error = {m: table[f"{m}_std"] / np.sqrt(table[f"{m}_runs"]) for m in (x, y)}
    ax.errorbar(
        table[x],
        table[y],
        xerr=error[x],
        yerr=error[y],
        fmt="o",
        ms=3,
        lw=0.5,
        color="tab:gray",
        alpha=0.5,
        label="setting, mean and standard error",
    )
    # 2) the front
    best = pd.DataFrame(table[front]).sort_values(x)
    ax.plot(best[x], best[y], "o-", color="tab:blue", ms=5, label="Pareto front")
    for k, (_, row) in enumerate(best.iterrows()):
        text = "/".join(
            f"{row[n]:g}" if isinstance(row[n], int | float | np.number) else str(row[n]) for n in name
        )
        up = 6 + 9 * (k % 2)
        ax.annotate(text, (row[x], row[y]), fontsize=6, xytext=(4, up), textcoords="offset points")
    # 3) the recommended setting
    if mark is not None:
        chosen = table[np.logical_and.reduce([table[n] == v for n, v in mark.items()])]
        ax.plot(chosen[x], chosen[y], "s", ms=11, mfc="none", mec="red", mew=1.8, label="recommended")
    ax.set_xlabel(label(x))
    ax.set_ylabel(label(y))
    ax.grid(alpha=0.3)
    ax.legend(fontsize=8, title=" / ".join(label(n).split(",")[0] for n in name), title_fontsize=7)
    return figure


def knob_figure(
    table: pd.DataFrame, knob: str, measures: Sequence[str], by: str | None = None, title: str = ""
):
    """Return one panel per measure: its mean over clips and seeds for each value of the setting `knob`.

    Bars are one standard deviation; there is one line for each value of `by`.
    """
    # 1) the panels
    columns = min(5, len(measures))
    rows = -(-len(measures) // columns)
    figure = _figure(2.9 * columns, 0.4 + 2.5 * rows, title)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    values = sorted(table[knob].unique())
    numbers = all(isinstance(v, int | float | np.number) for v in values)
    groups = [(None, table)] if by is None else list(table.groupby(by, sort=True))
    # 2) one panel per measure; names instead of numbers on the x axis are spaced evenly
    for panel, measure in zip(panels, measures, strict=False):
        for value, part in groups:
            at = part[knob] if numbers else [values.index(v) for v in part[knob]]
            panel.errorbar(
                at,
                part[measure],
                yerr=part[f"{measure}_std"],
                marker="o",
                ms=4,
                lw=1.2 if numbers else 0,
                elinewidth=1,
                capsize=2,
                label=None if value is None else str(value),
                color=POLICY_COLOURS.get(str(value)),
            )
        if not numbers:
            panel.set_xticks(range(len(values)), values)
            panel.set_xlim(-0.5, len(values) - 0.5)
        panel.set_xlabel(label(knob), fontsize=8)
        panel.set_ylabel(label(measure), fontsize=8)
        panel.tick_params(labelsize=7)
        panel.grid(alpha=0.3)
    # 3) no empty panels, one legend
    for panel in panels[len(measures) :]:
        panel.remove()
    if by is not None:
        panels[0].legend(fontsize=7, title=label(by), title_fontsize=7)
    return figure


def stage_figure(stages: Mapping[str, pd.DataFrame], title: str = ""):
    """Return stacked bars, one per group of runs: the mean seconds of each stage from capture to the first sound.

    The whisker is one standard deviation of their sum.
    """
    figure = _figure(7, 1.2 + 0.7 * len(stages), title)
    ax = figure.subplots()
    for row, (_, table) in enumerate(stages.items()):
        left = 0.0
        for name, colour, _, _ in STAGES:
            seconds = float(np.mean(table[name])) if len(table) else 0.0
            ax.barh(row, seconds, left=left, color=colour, label=name if row == 0 else None, height=0.6)
            left += seconds
        spread = float(np.std(table.sum(axis=1).to_numpy(), ddof=1)) if len(table) > 1 else 0.0
        ax.errorbar(left, row, xerr=spread, color="black", capsize=3, lw=1)
        ax.text(left + spread, row, f"  {left:.2f} s, {len(table)} comments", va="center", fontsize=8)
    ax.set_yticks(range(len(stages)), list(stages), fontsize=8)
    ax.set_xlabel("s after the newest frame's capture, mean; whisker: standard deviation of the sum")
    ax.margins(x=0.25)
    ax.grid(alpha=0.3, axis="x")
    ax.legend(fontsize=7, ncols=4, loc="upper center", bbox_to_anchor=(0.45, -0.28))
    return figure


def speaking_figure(table: pd.DataFrame, what: str):
    """Return F1 of speaking against repetition, one point a policy with its name; best is at the upper left.

    `table` comes from `analysis.by_setting` by the column `when`; bars are one standard deviation over the runs.
    `what` says who speaks and on what; the title compares with the policy interval those that ask the model.
    """
    # 1) What the figure shows, in a sentence.
    asked = table[table.when.isin(["first-token", "perplexity", "yes-no"])]
    slots = table[table.when == "interval"].iloc[0]
    title = (
        f"{what}: where the model is asked first, {asked.repetition.mean():.0%} is repeated at F1 "
        f"{asked.speak_f1.mean():.2f}; at every slot {slots.repetition:.0%} at F1 {slots.speak_f1:.2f}"
    )
    figure = _figure(8, 4.6, title)
    ax = figure.subplots()
    # 2) The points; the first mark is larger, so that another one in its place is seen too.
    runs = int(table.speak_f1_runs.min())
    for k, (_, row) in enumerate(table.iterrows()):
        ax.errorbar(
            row.repetition,
            row.speak_f1,
            xerr=row.repetition_std,
            yerr=row.speak_f1_std,
            fmt="osD^vPX*"[k % 8],
            ms=13 if k == 0 else 8,
            mfc="none",
            mew=1.6,
            lw=0.8,
            capsize=2,
            color=f"C{k}",
            label=row.when,
        )
    ax.set_xlabel(label("repetition"))
    ax.set_ylabel(label("speak_f1"))
    ax.grid(alpha=0.3)
    ax.legend(fontsize=8, title=f"mean and standard deviation of {runs} runs", title_fontsize=7)
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


def before_after_figure(results: Mapping[str, Mapping], title: str = ""):
    """Return a bar chart of the time of each stage of MiniCPM-o, in the model's own code and in ours.

    `results`: bench_model's results by dtype. Bars are medians on a log axis; a whisker goes from the minimum to
    the maximum where there were several rounds. A stage that was not measured has no bar.
    """
    # 1) four bars per stage: two dtypes, own code and ours
    figure = _figure(7.5, 0.9 + 0.85 * len(MODEL_STAGES), title)
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
            step, key = places[side]
            value = result.get(step, {}).get(key)
            if value is None:
                continue
            scale = 1000 if key.endswith("_s") else 1
            low, middle, high = (
                [scale * value[part] for part in ("min", "median", "max")]
                if isinstance(value, Mapping)
                else [scale * value] * 3
            )
            place = row + (number - (len(bars) - 1) / 2) * height
            ax.barh(place, middle, height, color=colour)
            ax.errorbar(
                middle, place, xerr=[[middle - low], [high - middle]], color="black", capsize=2, lw=0.8
            )
            shown = f"{middle:.0f}" if middle >= 100 else f"{middle:.3g}"
            ax.text(high * 1.08, place, shown, va="center", fontsize=7)
        ax.barh(0, 0, color=colour, label=name)
    # 3) axes
    ax.set_xscale("log")
    ax.set_yticks(range(len(MODEL_STAGES)), [stage for stage, *_ in MODEL_STAGES], fontsize=8)
    ax.invert_yaxis()
    ax.set_xlabel("ms, median; whisker: least to most")
    ax.set_xlim(right=ax.get_xlim()[1] * 2)
    ax.grid(alpha=0.3, axis="x")
    ax.legend(fontsize=7, ncols=4, loc="upper center", bbox_to_anchor=(0.4, -0.1))
    return figure


def error_figure(
    errors: Mapping[str, Sequence[float]], title: str = "", what: str = "picture/sound error, s"
):
    """Return cumulative distributions, one line per group, with the median and p95 in the legend."""
    figure = _figure(7, 3.4, title)
    ax = figure.subplots()
    for name, values in errors.items():
        values = np.sort(np.asarray(values, float))
        if not len(values):
            continue
        share = np.arange(1, len(values) + 1) / len(values)
        text = f"{name}: {np.median(values):.3f} median, {np.quantile(values, 0.95):.3f} p95 ({len(values)})"
        ax.step(values, share, where="post", label=text, color=POLICY_COLOURS.get(name))
    ax.set_xlabel(what)
    ax.set_ylabel("share of comments up to here")
    ax.set_ylim(0, 1.02)
    ax.grid(alpha=0.3)
    ax.legend(fontsize=8)
    return figure


def save(figure, folder: Path, run_id: str, name: str) -> Path:
    """Write `folder`/`run_id`-`name`.png and return its path. The name says which results the figure shows."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{re.sub(r'[^A-Za-z0-9_.-]+', '-', run_id)}-{name}.png"
    figure.savefig(path, dpi=120)
    return path


def show(figure, folder: Path, run_id: str, name: str):
    """Save a figure and return the saved picture, which a notebook displays (it would not display the figure)."""
    from IPython.display import Image

    title = figure.get_suptitle() or name
    return Image(filename=str(save(figure, folder, run_id, name)), alt=title)
