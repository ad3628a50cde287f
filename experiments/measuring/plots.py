"""Figures of sweeps: every axis with its unit, every mean with a 95 % bootstrap interval, a sentence as title.

They plot what `analysis.by_setting` computed. Colours are fixed: a policy has the same colour in every figure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from experiments.measuring import sentences
from experiments.measuring.plot_parts import POLICY_COLOURS, label, new_figure, tidy, whiskers, words
from experiments.measuring.sentences import value

_INTERVAL = "95 % bootstrap interval"


def _marked(table: pd.DataFrame, setting: Mapping[str, Any]) -> pd.Series:
    """Return for each row whether it is this setting, as a bool Series."""
    same = np.logical_and.reduce([(table[name] == v).to_numpy() for name, v in setting.items()])
    return pd.Series(same, index=table.index)


def _runs(table: pd.DataFrame, measures: Sequence[str]) -> str:
    """Return how many runs each mean is of: "6", or "4 to 6"."""
    counts = table[[f"{m}_runs" for m in measures]].to_numpy()
    counts = counts[counts > 0]
    if not len(counts):
        return "0"
    low, high = int(counts.min()), int(counts.max())
    return f"{low}" if low == high else f"{low} to {high}"


def heat_maps(
    table: pd.DataFrame,
    x: str,
    y: str,
    facet: str,
    measures: Sequence[str],
    run_id: str = "",
    mark: Mapping[str, object] | None = None,
):
    """Return heat maps over `x` and `y`: measures (rows) × values of `facet` (columns).

    Each cell shows the mean over clips and seeds; how wide the intervals are is said above each row of maps. `table`
    comes from `analysis.by_setting`; `mark` is the setting that gets a frame.
    """
    # 1) a grid of panels, each cell as large as its number needs
    facets = sorted(table[facet].unique())
    xs, ys = sorted(table[x].unique()), sorted(table[y].unique())
    height = 0.6 + (0.42 + 0.21 * max(3, len(ys))) * len(measures)
    title = f"{sentences.strongest_knobs(table, [x, y, facet], measures)} (n = {_runs(table, measures)} runs a cell)"
    figure = new_figure(height, title, run_id)
    axes = figure.subplots(len(measures), len(facets), squeeze=False, sharex=True, sharey=True)
    for row, measure in enumerate(measures):
        low, high = table[measure].min(), table[measure].max()
        half = float(np.nanmedian(table[f"{measure}_high"] - table[f"{measure}_low"]) / 2)
        for column, at in enumerate(facets):
            ax = axes[row, column]
            # 2) the map, with the mean in each cell
            part = table[table[facet] == at]
            grid = (
                part.pivot(index=y, columns=x, values=measure).reindex(index=ys, columns=xs).to_numpy(float)
            )
            ax.imshow(grid, aspect="auto", cmap="viridis_r", vmin=low, vmax=high, origin="lower")
            for j, i in np.ndindex(grid.shape):
                mean = grid[j, i]
                dark = bool(not np.isnan(mean) and high > low and (mean - low) / (high - low) > 0.55)
                text = "–" if np.isnan(mean) else f"{mean:.2f}"
                ax.text(i, j, text, ha="center", va="center", fontsize=8, color="white" if dark else "black")
            # 3) ticks, labels and the frame
            ax.set_xticks(range(len(xs)), [f"{v:g}" for v in xs], fontsize=8)
            ax.set_yticks(range(len(ys)), [f"{v:g}" for v in ys], fontsize=8)
            if column == 0:
                spread = "" if np.isnan(half) else f"; intervals ± {half:.2g} in the median"
                ax.set_title(f"{label(measure)}{spread}", fontsize=9, loc="left", fontweight="bold")
                ax.set_ylabel(words(y), fontsize=8.5)
            if row == len(measures) - 1:
                ax.set_xlabel(f"{words(x)}\n{words(facet)} {value(at)}", fontsize=8.5)
            if mark is not None and mark.get(facet) == at:
                _frame(ax, xs.index(mark[x]), ys.index(mark[y]))
    return figure


def _frame(ax, column: int, row: int) -> None:
    from matplotlib.patches import Rectangle

    box = (column - 0.47, row - 0.44)
    ax.add_patch(Rectangle(box, 0.94, 0.88, fill=False, ec="white", lw=4))
    ax.add_patch(Rectangle(box, 0.94, 0.88, fill=False, ec="red", lw=2))


def pareto_figure(
    table: pd.DataFrame,
    front: pd.Series,
    x: str,
    y: str,
    objectives: Sequence[str],
    run_id: str = "",
    mark: Mapping[str, object] | None = None,
):
    """Return a scatter plot of all settings in two of the `objectives`.

    Settings on the `front`, of all objectives, are filled; `mark`, chosen by the same objectives, has a frame. The
    front has more dimensions than the figure, so a filled point may lie anywhere in it, and no line joins them.
    """
    # 1) all settings, the ones on the front filled and with their intervals
    marked = _marked(table, mark) if mark is not None else None
    figure = new_figure(4.2, sentences.on_the_front(front, marked, mark, len(objectives)), run_id)
    ax = figure.subplots()
    rest, best = pd.DataFrame(table[~front]), pd.DataFrame(table[front])
    ax.plot(rest[x], rest[y], "o", ms=5, mfc="none", color="tab:gray", label=f"other settings ({len(rest)})")
    name = f"on the front of {len(objectives)} measures ({len(best)}), with {_INTERVAL}s"
    bars: dict[str, Any] = dict(
        xerr=whiskers(best, x), yerr=whiskers(best, y), elinewidth=0.5, ecolor="lightsteelblue"
    )
    ax.errorbar(best[x], best[y], fmt="o", ms=6, color="tab:blue", label=name, **bars)
    # 2) the recommended setting, larger and on top
    if mark is not None and marked is not None and marked.any():
        chosen = table[marked].iloc[0]
        ax.plot(
            chosen[x], chosen[y], "s", ms=14, mfc="none", mec="red", mew=2.2, zorder=5, label="recommended"
        )
        right = chosen[x] > (ax.get_xlim()[0] + ax.get_xlim()[1]) / 2
        text = sentences.setting_words(mark)
        place: dict[str, Any] = dict(
            xytext=(-12 if right else 12, -4), textcoords="offset points", ha="right" if right else "left"
        )
        box = dict(boxstyle="round,pad=0.2", fc="white", ec="none", alpha=0.8)
        ax.annotate(text, (chosen[x], chosen[y]), fontsize=8.5, va="top", zorder=6, bbox=box, **place)
    # 3) axes
    ax.set_xlabel(f"{label(x)} (mean of {_runs(table, [x, y])} runs)")
    ax.set_ylabel(label(y))
    tidy(ax)
    ax.legend(fontsize=8)
    return figure


def knob_figure(
    table: pd.DataFrame, knob: str, measures: Sequence[str], by: str | None = None, run_id: str = ""
):
    """Return one panel per measure, at most three in a row: its mean over clips and seeds for each value of `knob`.

    Bars are 95 % bootstrap intervals; there is one series for each value of `by`. A line joins three values or more:
    between two it would claim a course that nobody measured.
    """
    # 1) the panels, and one more for the legend
    count = len(measures) + 1
    columns = min(3, count)
    rows = -(-count // columns)
    figure = new_figure(2.05 * rows, sentences.knob_effect(table, knob, measures), run_id)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    values = sorted(table[knob].unique())
    numbers = all(isinstance(v, int | float | np.number) for v in values)
    groups = [(None, table)] if by is None else list(table.groupby(by, sort=True))
    # 2) one panel per measure; names instead of numbers on the x axis are spaced evenly
    for panel, measure in zip(panels, measures, strict=False):
        for k, (group, part) in enumerate(groups):
            at = np.array(part[knob] if numbers else [values.index(v) for v in part[knob]], float)
            step = float(np.min(np.diff(values))) if numbers and len(values) > 1 else 1.0
            panel.errorbar(
                at
                + 0.12
                * step
                * (k - (len(groups) - 1) / 2),  # beside each other, so that bars can be told apart
                part[measure],
                yerr=whiskers(part, measure),
                marker="os^D"[k % 4],
                ms=4,
                lw=1.2 if numbers and len(part) > 2 else 0,
                elinewidth=1,
                capsize=2,
                label=f"{words(measure)}" if group is None else str(group),
                color=POLICY_COLOURS.get(str(group)),
            )
        if not numbers or len(values) < 6:
            ticks = values if numbers else range(len(values))
            panel.set_xticks(ticks, [value(v) for v in values])
        if not numbers:
            panel.set_xlim(-0.5, len(values) - 0.5)
        elif len(values) < 4:
            panel.margins(x=0.2)
        panel.set_xlabel(label(knob))
        panel.set_title(label(measure), fontsize=8.5, loc="left")
        tidy(panel)
    # 3) no empty panels; the legend says what a point is
    handles, names = panels[0].get_legend_handles_labels() if by is not None else ([], [])
    for panel in panels[len(measures) :]:
        panel.axis("off")
    note = f"mean of {_runs(table, measures)} runs,\n{_INTERVAL}"
    title = note if by is None else f"{label(by)}\n{note}"
    look = dict(fontsize=8.5, title_fontsize=8.5, alignment="left", frameon=False)
    panels[len(measures)].legend(handles, names, loc="center left", title=title, **look)
    return figure
