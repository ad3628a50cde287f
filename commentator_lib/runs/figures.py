"""Draw figures of a run from its log: where each comment's time goes, the picture's delay, memory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from commentator_lib.runs.reader import SavedRun

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


def latency_figure(cycles: pd.DataFrame, title: str = "") -> Figure:
    """Return stacked bars: the stages of each comment that was heard, from its newest frame until it was heard."""
    figure, axes = _make_figure(title or "Where the time goes, comment by comment")
    heard = _heard_with_stages(cycles)
    stages = stage_seconds(cycles)
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


def delay_figure(cycles: pd.DataFrame, samples: pd.DataFrame, title: str = "") -> Figure:
    """Return the picture's delay over the run, applied and wanted, against the latencies that drive it."""
    figure, axes = _make_figure(title or "Picture delay and what drives it")
    _draw_delay(axes, cycles, samples)
    axes.set_xlabel("time since the session's start, s")
    _add_legend(axes)
    return figure


def memory_figure(samples: pd.DataFrame, title: str = "") -> Figure:
    """Return resident memory, and GPU memory where there is any, over the run."""
    figure, axes = _make_figure(title or "Memory over the run")
    for column, label in (("rss_bytes", "resident memory"), ("vram_used_bytes", "GPU memory, all processes")):
        if column in samples and bool(samples[column].notna().any()):
            axes.plot(samples.at_s, samples[column].astype(float) / 1e6, label=label)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("time since the session's start, s")
    axes.set_ylabel("MB")
    _add_legend(axes)
    return figure


def _make_figure(title: str) -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.4), layout="constrained")
    figure.suptitle(title, fontsize=10)
    axes = figure.subplots()
    axes.grid(alpha=0.3)
    return figure, axes


def _add_legend(axes: Axes) -> None:
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=8, loc="best")


def _draw_delay(axes: Axes, cycles: pd.DataFrame, samples: pd.DataFrame) -> None:
    if len(samples):
        for column, width, style in (("delay_applied_s", 1.5, "-"), ("delay_wanted_s", 0.8, "--")):
            label = f"picture delay, {column.split('_')[1]}"
            axes.plot(
                samples.at_s, samples[column].astype(float), color="black", lw=width, ls=style, label=label
            )
    for outcome, colour in _COLOURS.items():
        some = cycles[(cycles.outcome == outcome) & cycles.first_sound_latency_s.notna()]
        if len(some):
            label = f"first sound, {outcome}"
            axes.plot(some.first_sound_s, some.first_sound_latency_s, "o", ms=5, color=colour, label=label)
    axes.set_ylabel("s after the frame's capture")
    axes.set_ylim(bottom=0)


def plot_run(run: SavedRun, path: Path) -> None:
    """Write a PNG: latency of each comment and the picture delay over the run; below, picture/sound error."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 5.5), layout="constrained")
    # 1) the picture's delay and the latencies that drive it
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
    samples, cycles = run.samples, run.cycles
    _draw_delay(top, cycles, samples)
    # 2) when comments were heard, and how far they were from their picture
    for from_s, to_s in zip(cycles.heard_from_s, cycles.heard_to_s, strict=True):
        if from_s == from_s and to_s > from_s:
            bottom.axvspan(from_s, to_s, color="tab:blue", alpha=0.15, lw=0)
    heard = cycles[cycles.sync_error_s.notna()]
    bottom.axhline(0, color="black", lw=0.8)
    bottom.plot(
        heard.heard_from_s, heard.sync_error_s, "o", ms=5, color="tab:green", label="sound after picture"
    )
    bottom.set_ylabel("picture/sound error, s")
    bottom.set_xlabel("time since the session's start, s (shaded: comments being heard)")
    reach = max(0.1, 1.2 * float(heard.sync_error_s.abs().max()) if len(heard) else 0.1)
    bottom.set_ylim(-reach, reach)
    for axes in (top, bottom):
        axes.grid(alpha=0.3)
        _add_legend(axes)
    header = run.header
    figure.suptitle(
        f"{run.folder.name}: {header['commentator']}, {header['settings']['policy']}, {header['mode']}",
        fontsize=10,
    )
    figure.savefig(path, dpi=120)
