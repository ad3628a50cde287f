"""Draw figures of a run from its log: where each comment's time goes, the picture's delay, memory.

Each title is a sentence that is computed from what the figure shows; `run_id` stands below it in small print.
"""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from commentator_lib.runs.reader import SavedRun
from commentator_lib.runs.run_card_data import numbers

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLOURS = {"spoken": "tab:blue", "interrupted": "tab:orange", "failed": "tab:red", "stale": "tab:gray"}

# The stages of a comment from its newest frame's capture until it is heard: name, colour, from, to.
STAGES = (
    ("frame waits to be taken", "tab:gray", "frame_newest_captured_s", "infer_s"),
    ("first words", "tab:blue", "infer_s", "first_text_s"),
    ("first sound", "tab:cyan", "first_text_s", "first_sound_s"),
    ("waits for its picture", "lightgray", "first_sound_s", "heard_from_s"),
)


def _heard_with_stages(cycles: pd.DataFrame) -> pd.DataFrame:
    """Return the cycles whose comment was heard and has all times."""
    return cycles.loc[cycles.heard_from_s.notna() & cycles.first_text_s.notna()]


def stage_seconds(cycles: pd.DataFrame) -> pd.DataFrame:
    """Return the seconds of each stage: one row for each comment that was heard, columns named as in STAGES.

    Where the whole text comes at once, "first sound" is the time that the voice took.
    """
    import pandas as pd

    heard = _heard_with_stages(cycles)
    return pd.DataFrame(
        {name: (heard[end] - heard[start]).clip(lower=0).astype(float) for name, _, start, end in STAGES}
    )


# A delay is settled where it moves by no more than this (s a second; `slew_max` lets it move by 0.1) for this long …
_FLAT_S_PER_S = 0.02
_FLAT_FOR_S = 10.0
# … and lies this near to the delay that is wanted: the larger of a share of it and of seconds.
_NEAR_SHARE, _NEAR_S = 0.1, 0.1


def convergence(samples: pd.DataFrame) -> float:
    """Return the seconds from the session's start until the applied delay has settled; NaN where it has not.

    Settled: from then on until the end it stays within a tenth of the wanted delay (or 0.1 s), and the straight line
    through any ten seconds of it rises or falls by less than 0.02 s a second. So a delay that is still on its way has
    not settled, however near it is, nor has one that stays still for less than ten seconds.
    """
    if "delay_applied_s" not in samples:
        return float("nan")
    known = samples[samples.delay_applied_s.notna()]
    at_s, applied_s = known.at_s.to_numpy(float), known.delay_applied_s.to_numpy(float)
    wanted_s = (
        known.delay_wanted_s.to_numpy(float) if "delay_wanted_s" in known else np.full(len(known), np.nan)
    )
    # 1) Where it is far from what it wants; a wanted delay that is not known is no hindrance.
    far = np.abs(applied_s - wanted_s) > np.maximum(_NEAR_SHARE * wanted_s, _NEAR_S)
    # 2) Where the ten seconds that follow are not flat. The last ten have none, but are part of those before.
    whole = int((at_s <= at_s[-1] - _FLAT_FOR_S + 1e-6).sum()) if len(at_s) else 0
    steep = np.zeros(len(at_s), bool)
    for k in range(whole):
        end = int(np.searchsorted(at_s, at_s[k] + _FLAT_FOR_S + 1e-6))
        slope = np.polyfit(at_s[k:end] - at_s[k], applied_s[k:end], 1)[0] if end - k > 1 else 0.0
        steep[k] = abs(slope) > _FLAT_S_PER_S
    # 3) It has settled after the last of both, if ten seconds follow.
    off = np.flatnonzero(far | steep)
    settled = int(off[-1]) + 1 if len(off) else 0
    return float(at_s[settled]) if settled < whole else float("nan")


def latency_figure(cycles: pd.DataFrame, title: str = "", run_id: str = "") -> Figure:
    """Return stacked bars: the stages of each comment that was heard, from its newest frame until it was heard."""
    heard = _heard_with_stages(cycles)
    stages = stage_seconds(cycles)
    totals_s = stages.sum(axis=1).to_numpy(float)
    sentence = (
        f"A comment is heard {np.median(totals_s):.2f} s after its newest frame (median, n = {len(heard)}); "
        f"most of it: {stages.median().idxmax()}"
        if len(heard)
        else "No comment was heard"
    )
    figure, axes = _make_figure(title or sentence, run_id)
    below = np.zeros(len(heard))
    for name, colour, _, _ in STAGES:
        seconds = stages[name].to_numpy()
        label = f"{name}: {np.median(seconds):.2f} s median" if len(heard) else name
        axes.bar(np.arange(len(heard)), seconds, bottom=below, color=colour, label=label, width=0.8)
        below += seconds
    axes.set_xticks(np.arange(len(heard))[:: max(1, len(heard) // 12)])
    axes.set_xticklabels([str(c) for c in heard.cycle][:: max(1, len(heard) // 12)])
    axes.set_xlabel("cycle")
    axes.set_ylabel("s after the frame's capture")
    _add_legend(axes)
    return figure


def delay_figure(cycles: pd.DataFrame, samples: pd.DataFrame, title: str = "", run_id: str = "") -> Figure:
    """Return the picture's delay over the run, applied and wanted, against the latencies that drive it."""
    figure, axes = _make_figure(title or delay_sentence(samples), run_id)
    _draw_delay(axes, cycles, samples)
    axes.set_xlabel("time since the session's start, s")
    _add_legend(axes)
    return figure


def delay_sentence(samples: pd.DataFrame) -> str:
    """Return whether the picture's delay settled, when and at what."""
    applied, wanted = (_known(samples, name) for name in ("delay_applied_s", "delay_wanted_s"))
    if not len(applied):
        return "The picture never started, so no delay was applied"
    settled_s, end_s = convergence(samples), float(np.median(applied[-10:]))
    if settled_s == settled_s:
        return f"The picture's delay settled at {end_s:.2f} s after {settled_s:.0f} s"
    wish = f"; wanted were {wanted[-1]:.2f} s" if len(wanted) else ""
    lasted_s = float(_known(samples, "at_s")[-1])
    return f"The picture's delay did not settle in {lasted_s:.0f} s: it ended at {applied[-1]:.2f} s{wish}"


def _known(table: pd.DataFrame, column: str) -> np.ndarray:
    """Return a column's values that are known, (N,) float64."""
    values = numbers(table, column)
    return values[~np.isnan(values)]


def memory_figure(samples: pd.DataFrame, title: str = "", run_id: str = "") -> Figure:
    """Return resident memory, and GPU memory where there is any, over the run."""
    figure, axes = _make_figure(title or _memory_sentence(samples), run_id)
    for column, label in (("rss_bytes", "resident memory"), ("vram_used_bytes", "GPU memory, all processes")):
        if count := len(_known(samples, column)):
            style = "-" if count > 2 else "o"  # no line between two points
            axes.plot(samples.at_s, numbers(samples, column) / 1e6, style, label=f"{label} (n = {count})")
    axes.set_ylim(bottom=0)
    axes.set_xlabel("time since the session's start, s")
    axes.set_ylabel("MB")
    _add_legend(axes)
    return figure


def _memory_sentence(samples: pd.DataFrame) -> str:
    memory = _known(samples, "rss_bytes") / 1e6
    if not len(memory):
        return "Memory was not measured in this run"
    first, last, most = memory[0], memory[-1], memory.max()
    return f"Memory: {first:.0f} MB after the first second, {last:.0f} at the end, {most:.0f} at most"


def _make_figure(title: str, run_id: str = "", height_in: float = 3.3) -> tuple[Figure, Axes]:
    figure = _titled_figure(title, run_id, height_in)
    axes = figure.subplots()
    axes.grid(alpha=0.3)
    return figure, axes


def _titled_figure(title: str, run_id: str, height_in: float) -> Figure:
    """Return a figure with a sentence above it, and the run's id below it in small print."""
    from matplotlib.figure import Figure

    lines = textwrap.wrap(title, 110) or [""]
    figure = Figure(figsize=(9, height_in + 0.17 * len(lines)), layout="constrained")
    figure.suptitle("\n".join(lines), fontsize=10.5, x=0.01, ha="left")
    if run_id:
        figure.supxlabel(run_id, fontsize=6.5, color="dimgray", x=0.995, ha="right")
    return figure


def _add_legend(axes: Axes) -> None:
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=9, loc="best")


def _draw_delay(axes: Axes, cycles: pd.DataFrame, samples: pd.DataFrame) -> None:
    if len(samples):
        for column, width, style in (("delay_applied_s", 1.5, "-"), ("delay_wanted_s", 0.8, "--")):
            label = f"picture delay, {column.split('_')[1]}"
            values = numbers(samples, column)
            joined = len(_known(samples, column)) > 2  # no line between two points
            look = (style, "") if joined else ("", ".")
            axes.plot(samples.at_s, values, color="black", lw=width, ls=look[0], marker=look[1], label=label)
    for outcome, colour in _COLOURS.items():
        some = cycles[(cycles.outcome == outcome) & cycles.first_sound_latency_s.notna()]
        if len(some):
            label = f"first sound, {outcome} (n = {len(some)})"
            axes.plot(some.first_sound_s, some.first_sound_latency_s, "o", ms=5, color=colour, label=label)
    axes.set_ylabel("s after the frame's capture")
    axes.set_ylim(bottom=0)


def plot_run(run: SavedRun, path: Path) -> None:
    """Write a PNG: latency of each comment and the picture delay over the run; below, picture/sound error."""
    # 1) the picture's delay and the latencies that drive it
    samples, cycles, header = run.samples, run.cycles, run.header
    names = (run.folder.name, header["commentator"], header["settings"]["policy"], header["mode"])
    figure = _titled_figure(delay_sentence(samples), " · ".join(names), 5.3)
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
    _draw_delay(top, cycles, samples)
    # 2) when comments were heard, and how far they were from their picture
    for from_s, to_s in zip(cycles.heard_from_s, cycles.heard_to_s, strict=True):
        if from_s == from_s and to_s > from_s:
            bottom.axvspan(from_s, to_s, color="tab:blue", alpha=0.15, lw=0)
    heard = cycles[cycles.sync_error_s.notna()]
    bottom.axhline(0, color="black", lw=0.8)
    label = f"sound after picture (n = {len(heard)})"
    bottom.plot(heard.heard_from_s, heard.sync_error_s, "o", ms=5, color="tab:green", label=label)
    bottom.set_ylabel("picture/sound error, s")
    bottom.set_xlabel("time since the session's start, s (shaded: comments being heard)")
    reach = max(0.1, 1.2 * float(heard.sync_error_s.abs().max()) if len(heard) else 0.1)
    bottom.set_ylim(-reach, reach)
    for axes in (top, bottom):
        axes.grid(alpha=0.3)
        _add_legend(axes)
    figure.savefig(path, dpi=120)
