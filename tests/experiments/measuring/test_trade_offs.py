"""What is gained against what it costs: the front of five measures, what is recommended on it, and the figure."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest

from experiments.measuring import plot_parts, trade_offs

SETTINGS = ["frame_stride", "policy"]


def runs(**of_first):
    """Return two clips × two seeds of six settings; the measures of the first setting may be given."""
    rng = np.random.default_rng(3)
    rows = [
        {
            "frame_stride": stride,
            "policy": policy,
            "clip": f"match:{clip}",
            "seed": seed,
            **{name: rng.uniform(0.2, 0.8) for name in trade_offs.MEASURES},
            **(of_first if (stride, policy) == (1, "playout") else {}),
        }
        for stride in (1, 2, 4)
        for policy in ("playout", "serial")
        for clip in (0, 1)
        for seed in (0, 1)
    ]
    return pd.DataFrame(rows)


def test_a_setting_that_is_best_in_all_five_is_the_whole_front():
    best = dict(speak_f1=0.9, recall_3s=0.9, redundancy=0.1, dead_air_share=0.1, busy_share=0.1)
    results = runs(**best)
    table = trade_offs.trade_off_table(results, SETTINGS)
    assert table.front.sum() == 1
    assert trade_offs.recommended(results, SETTINGS).setting == {"frame_stride": 1, "policy": "playout"}
    assert trade_offs.recommended(results, SETTINGS).share_of_draws == 1.0


@pytest.mark.parametrize("measure", trade_offs.MEASURES)
def test_each_of_the_five_measures_can_keep_a_setting_on_the_front(measure):
    worst = dict(speak_f1=0.1, recall_3s=0.1, redundancy=0.9, dead_air_share=0.9, busy_share=0.9)
    better = 0.95 if measure in ("speak_f1", "recall_3s") else 0.05

    def first_is_on_the_front(results):
        table = trade_offs.trade_off_table(results, SETTINGS)
        return bool(table.front[(table.frame_stride == 1) & (table.policy == "playout")].all())

    assert not first_is_on_the_front(runs(**worst))
    assert first_is_on_the_front(runs(**{**worst, measure: better}))


def points(ax):
    """Return the coordinates of all points of a panel, filled or not, but for the recommended one's frame."""
    lines = [line for line in ax.lines if line.get_marker() not in ("_", "|", "None", "")]
    marks = [line for line in lines if line.get_label() != "recommended"]
    return {(round(x, 9), round(y, 9)) for line in marks for x, y in zip(*line.get_data(), strict=True)}


@pytest.mark.parametrize("named", [None, "policy"])
def test_four_panels_show_every_setting_with_axes_intervals_and_n(named):
    results = runs()
    results = results if named is None else results[results.frame_stride == 1]
    settings = SETTINGS if named is None else [named]
    table = trade_offs.trade_off_table(results, settings)
    best = trade_offs.recommended(results, settings)
    figure = trade_offs.trade_off_figure(table, best, "a run", named)
    assert len(figure.axes) == 4
    for ax, (x, y) in zip(figure.axes, trade_offs.PANELS, strict=True):
        assert ax.get_xlabel() == plot_parts.label(x)
        assert ax.get_ylabel().replace("\n", " ") == plot_parts.label(y)
        assert points(ax) == {(round(a, 9), round(b, 9)) for a, b in zip(table[x], table[y], strict=True)}
        frame = next(line for line in ax.lines if line.get_label() == "recommended")
        row = table[np.logical_and.reduce([table[name] == at for name, at in best.setting.items()])].iloc[0]
        assert (frame.get_xdata()[0], frame.get_ydata()[0]) == (row[x], row[y])
        assert row.front  # what is recommended lies on the front that the title names
        bars = [bar for container in ax.containers for bar in container.lines[2]]
        shown = len(table) if named else int(table.front.sum())
        assert sum(len(bar.get_segments()) for bar in bars) == 2 * shown  # across and upward
    assert figure.legends[0].get_title().get_text() == (
        "each point: mean of n = 4 runs; bars: 95 % bootstrap intervals"
    )
    title = " ".join(figure.get_suptitle().split())
    assert title.startswith("Recommended: ")
    assert f"one of {table.front.sum()} on the front of these five measures (of {len(table)})" in title
    assert f"the best in {best.share_of_draws:.0%} of the draws" in title


def test_a_setting_off_the_front_is_not_said_to_be_on_it():
    results = runs()
    table = trade_offs.trade_off_table(results, SETTINGS)
    best = trade_offs.recommended(results, SETTINGS)
    table["front"] = False
    title = trade_offs.trade_off_figure(table, best).get_suptitle()
    assert "not among 0 on the front" in " ".join(title.split())


def test_nothing_lies_on_the_sentence_or_on_the_legend():
    results = runs()
    figure = trade_offs.trade_off_figure(
        trade_offs.trade_off_table(results, SETTINGS), trade_offs.recommended(results, SETTINGS), "a run"
    )
    figure.savefig(io.BytesIO(), dpi=figure.dpi)  # saving finds the layout
    above, below = figure._suptitle.get_window_extent(), figure.legends[0].get_window_extent()
    for ax in figure.axes:
        box = ax.get_tightbbox()
        assert box.y1 <= above.y0 + 1 and box.y0 >= below.y1 - 1
        assert box.x0 >= -1 and box.x1 <= figure.bbox.x1 + 1
    assert above.x1 <= figure.bbox.x1 and below.x1 <= figure.bbox.x1
