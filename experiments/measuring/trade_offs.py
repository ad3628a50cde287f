"""What is gained against what it costs: F1 against redundancy, recall against silence, and computing against both.

Each setting of a sweep, or each policy of when to speak, is a point in four panels. Its front is that of all five
measures together, so one figure has one front, and what is recommended by the same five lies on it.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from experiments.measuring import analysis, sentences
from experiments.measuring.plot_parts import label, new_figure, tidy, whiskers

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MEASURES = ("speak_f1", "redundancy", "recall_3s", "dead_air_share", "busy_share")
# What is made as small as it can be; of the first and the third, more is better.
OBJECTIVES = ("f1_lost", "redundancy", "missed_3s", "dead_air_share", "busy_share")
PANELS = (
    ("redundancy", "speak_f1"),
    ("dead_air_share", "recall_3s"),
    ("busy_share", "speak_f1"),
    ("busy_share", "recall_3s"),
)


def with_objectives(results: pd.DataFrame) -> pd.DataFrame:
    """Return runs, or means of runs, with two more columns: f1_lost = 1 − speak_f1, missed_3s = 1 − recall_3s."""
    lost = 1.0 - results["speak_f1"].astype(float)
    return results.assign(f1_lost=lost, missed_3s=1.0 - results["recall_3s"].astype(float))


def trade_off_table(results: pd.DataFrame, settings: Sequence[str]) -> pd.DataFrame:
    """Return one row per combination of `settings`: means and intervals of MEASURES, and whether it is on the front.

    The column `front` is the Pareto front of OBJECTIVES, by the means; a row without one of the measures is not on it.
    """
    table = analysis.by_setting(results, settings, MEASURES)
    return table.assign(front=analysis.pareto_front(with_objectives(table), OBJECTIVES))


def recommended(results: pd.DataFrame, settings: Sequence[str]) -> analysis.Recommendation:
    """Return the setting with the least mean of OBJECTIVES, each scaled to its range; it lies on their front.

    Raise ValueError where a setting was not run on every clip and seed.
    """
    return analysis.recommend(with_objectives(results), settings, OBJECTIVES)


def trade_off_figure(
    table: pd.DataFrame, best: analysis.Recommendation, run_id: str = "", named: str | None = None
):
    """Return four panels with a point per row of `table`, which comes from `trade_off_table`; best is upper left.

    Bars are 95 % bootstrap intervals of the means. Points on the front are filled, and `best` has a red frame. With
    `named`, a column with a handful of names, each row has a colour and a place in the legend, and all have bars;
    else only those on the front have.
    """
    # 1) the panels, under a sentence
    marked = pd.Series(True, index=table.index)
    for name, at in best.setting.items():
        marked &= table[name] == at
    title = sentences.trade_off(table, marked, best.setting, best.share_of_draws)
    figure = new_figure(6.4, title, run_id)
    panels = figure.subplots(2, 2)
    # 2) the points
    for ax, (x, y) in zip(panels.ravel(), PANELS, strict=True):
        if named is None:
            _draw_settings(ax, table, x, y)
        else:
            _draw_names(ax, table, x, y, named)
        chosen = table[marked]
        ax.plot(chosen[x], chosen[y], "s", ms=13, mfc="none", mec="red", mew=2, zorder=5, label="recommended")
        ax.set_xlabel(label(x))
        ax.set_ylabel(textwrap.fill(label(y), 28))
        tidy(ax)
    # 3) one legend for all
    handles, names = panels[0, 0].get_legend_handles_labels()
    counts = table[[f"{m}_runs" for m in MEASURES]].to_numpy()
    runs = f"{counts.min()}" if counts.min() == counts.max() else f"{counts.min()} to {counts.max()}"
    note = f"each point: mean of n = {runs} runs; bars: 95 % bootstrap intervals"
    figure.legend(
        handles, names, loc="outside lower left", ncols=3, fontsize=8.5, title=note, title_fontsize=8.5,
        alignment="left", frameon=False, markerscale=0.6 if named is None else 0.8,
    )  # fmt: skip
    return figure


def _bars(rows: pd.DataFrame, x: str, y: str) -> Mapping[str, Any]:
    return dict(xerr=whiskers(rows, x), yerr=whiskers(rows, y))


def _draw_settings(ax: Axes, table: pd.DataFrame, x: str, y: str) -> None:
    """Draw settings without names: those on the front filled and with their intervals, the rest as rings."""
    best, rest = pd.DataFrame(table[table.front]), pd.DataFrame(table[~table.front])
    ax.plot(rest[x], rest[y], "o", ms=4, mfc="none", color="tab:gray", label=f"other settings ({len(rest)})")
    look: dict[str, Any] = dict(fmt="o", ms=4.5, color="tab:blue", elinewidth=0.5, ecolor="lightsteelblue")
    name = f"on the front of {len(OBJECTIVES)} measures ({len(best)})"
    ax.errorbar(best[x], best[y], label=name, **look, **_bars(best, x, y))


def _draw_names(ax: Axes, table: pd.DataFrame, x: str, y: str, named: str) -> None:
    """Draw each row in its own colour with its intervals; filled where it is on the front.

    The first mark is larger, so that another one in its place is seen too.
    """
    for k in range(len(table)):
        row = table.iloc[k : k + 1]
        on_front = bool(row.front.iloc[0])
        look: dict[str, Any] = dict(
            fmt="osD^vPX*"[k % 8],
            ms=10 if k == 0 else 7,
            mew=1.4,
            mfc=f"C{k}" if on_front else "none",
            lw=0.8,
            capsize=2,
        )
        name = f"{row[named].iloc[0]}{'' if on_front else ' (not on the front)'}"
        ax.errorbar(row[x], row[y], color=f"C{k}", label=name, **look, **_bars(row, x, y))
