"""Figures: they show their data, label their axes with units, and are saved under the run's id."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest

from commentator_lib.runs.figures import STAGES
from experiments.measuring import analysis, plot_parts, plots, run_plots, sentences

KNOBS = ["frame_stride", "change_threshold", "speech_max_new_tokens"]
MEASURES = ["dead_air_share", "missed_3s"]


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    results = pd.DataFrame(
        [
            {
                "frame_stride": a,
                "change_threshold": b,
                "speech_max_new_tokens": c,
                "clip": "m",
                "seed": s,
                "policy": ("playout", "serial")[s % 2],
                "dead_air_share": rng.uniform(),
                "missed_3s": 0.1 * a,
            }
            for a in (1, 2)
            for b in (0, 5, 10)
            for c in (64, 150)
            for s in range(4)
        ]
    )
    results.loc[results.change_threshold == 10, "missed_3s"] = np.nan
    return analysis.by_setting(results, KNOBS, MEASURES), results


def texts(figure):
    return [t.get_text() for ax in figure.axes for t in ax.texts]


def title(figure):
    return " ".join(figure.get_suptitle().split())


def smallest_px(figure, dpi=plot_parts.DOC_DPI):
    """Return the height in px of the smallest text, but for the run's id, at the size that the docs show."""
    from matplotlib.text import Text

    found = [t for t in figure.findobj(Text) if t.get_text().strip() and t.get_visible()]
    sizes = [t.get_fontsize() for t in found if t.get_text() != figure.get_supxlabel()]
    return min(float(size) for size in sizes) * dpi / 72


def test_heat_maps_write_the_mean_into_each_cell_and_say_what_moves_it(table):
    means, _ = table
    mark = dict(zip(KNOBS, (2, 5, 150), strict=True))
    figure = plots.heat_maps(means, *KNOBS, MEASURES, "a run", mark)
    assert len(texts(figure)) == 2 * 2 * 6
    assert f"{means.iloc[0].dead_air_share:.2f}" in texts(figure)
    assert texts(figure).count("–") == 4  # cells without a measurement
    labels = {ax.get_xlabel() for ax in figure.axes} | {ax.get_ylabel() for ax in figure.axes}
    assert {"frame stride\ntoken cap 64", "change threshold"} <= labels
    assert [len(ax.patches) for ax in figure.axes] == [0, 2, 0, 2]  # the mark, with an edge of its own
    assert "the frame stride moves events missed most" in title(figure).lower()
    assert title(figure).endswith("(n = 4 runs a cell)") and figure.get_supxlabel() == "a run"
    spreads = [ax.get_title(loc="left") for ax in figure.axes if ax.get_title(loc="left")]
    assert spreads[0].startswith("dead air in action, share; intervals ± 0.")


def test_heat_maps_of_the_full_sweep_can_be_read_at_the_docs_size():
    grid = [(a, b, c, s) for a in range(1, 5) for b in range(7) for c in (64, 96, 150) for s in range(2)]
    rows = pd.DataFrame(grid, columns=[*KNOBS, "seed"])
    means = analysis.by_setting(rows.assign(dead_air_share=0.5, missed_3s=rows.seed / 2), KNOBS, MEASURES)
    figure = plots.heat_maps(means, *KNOBS, MEASURES, "a run")
    assert smallest_px(figure) >= 9.5
    width, _ = figure.get_size_inches() * plot_parts.DOC_DPI
    assert width <= 700
    # each number fits into its cell
    figure.canvas.draw()
    for ax in figure.axes:
        cell = ax.get_window_extent().width / 4
        assert all(t.get_window_extent().width < 0.9 * cell for t in ax.texts)


def test_the_recommended_setting_lies_on_the_front_it_was_chosen_from(table):
    means, results = table
    known = results.dropna()
    best = analysis.recommend(known, KNOBS, MEASURES)
    means = analysis.by_setting(known, KNOBS, MEASURES)
    front = analysis.pareto_front(means, MEASURES)
    figure = plots.pareto_figure(means, front, *MEASURES, MEASURES, "a run", best.setting)
    chosen = means[np.logical_and.reduce([means[k] == v for k, v in best.setting.items()])]
    assert front[chosen.index].all()
    assert title(figure).startswith(f"{front.sum()} of {len(means)} settings")
    assert title(figure).endswith("among them") and "not among" not in title(figure)
    (ax,) = figure.axes
    red = next(line for line in ax.lines if line.get_label() == "recommended")
    filled = ax.containers[0].lines[0]
    assert (red.get_xdata()[0], red.get_ydata()[0]) in set(zip(*filled.get_data(), strict=True))
    assert filled.get_linestyle() == "None"  # no line joins points of a front that has more dimensions
    assert texts(figure) == [sentences.setting_words(best.setting)]


def test_a_setting_that_is_not_on_the_front_is_not_said_to_be(table):
    means, _ = table
    front = pd.Series(False, index=means.index)
    front.iloc[0] = True
    mark = means.iloc[3][KNOBS].to_dict()
    assert title(plots.pareto_figure(means, front, *MEASURES, MEASURES, "", mark)).endswith("not among them")


def test_knobs_by_number_and_by_name(table):
    _, results = table
    by_policy = analysis.by_setting(results, ["frame_stride", "policy"], MEASURES)
    figure = plots.knob_figure(by_policy, "frame_stride", MEASURES, by="policy", run_id="a run")
    legend = figure.axes[len(MEASURES)].get_legend()
    assert [t.get_text() for t in legend.get_texts()] == ["playout", "serial"]
    assert "mean of " in legend.get_title().get_text() and "95 % bootstrap" in legend.get_title().get_text()
    assert "From frame stride 1 to 2 frames events missed rises from 0.1 to 0.2" in title(figure)
    named = plots.knob_figure(analysis.by_setting(results, ["policy"], MEASURES), "policy", MEASURES)
    assert [t.get_text() for t in named.axes[0].get_xticklabels()] == ["playout", "serial"]


def test_no_line_joins_two_points(table):
    _, results = table
    two = plots.knob_figure(
        analysis.by_setting(results, ["frame_stride"], MEASURES), "frame_stride", MEASURES
    )
    three = plots.knob_figure(
        analysis.by_setting(results, ["change_threshold"], MEASURES[:1]), "change_threshold", MEASURES[:1]
    )
    assert two.axes[0].containers[0].lines[0].get_linewidth() == 0
    assert three.axes[0].containers[0].lines[0].get_linewidth() > 0


def test_five_measures_are_two_rows_of_three_panels_with_the_legend_in_the_sixth(table):
    _, results = table
    measures = [*MEASURES, "c", "d", "e"]
    rows = results.dropna().assign(c=1.0, d=results.frame_stride, e=0.0)
    figure = plots.knob_figure(
        analysis.by_setting(rows, ["frame_stride"], measures), "frame_stride", measures
    )
    boxes = [ax.get_subplotspec() for ax in figure.axes]
    assert {(b.rowspan.start, b.colspan.start) for b in boxes} == {(r, c) for r in (0, 1) for c in (0, 1, 2)}
    assert smallest_px(figure) >= 9.5


def test_whiskers_never_reach_below_what_was_measured(table):
    _, results = table
    rows = results.dropna().assign(dead_air_share=[0.0, 0.0, 0.0, 0.9] * 8)
    means = analysis.by_setting(rows, ["frame_stride"], ["dead_air_share"])
    down, up = plot_parts.whiskers(means, "dead_air_share")
    assert (means.dead_air_share - down >= 0).all() and (up > 0).all()
    assert (means.dead_air_share - means.dead_air_share_std < 0).all()  # the standard deviation would


def test_stages_tell_the_longest_and_how_many():
    stages = pd.DataFrame({name: [1.0, 2.0] for name, *_ in STAGES})
    stages["waits for its picture"] = [4.0, 5.0]
    figure = run_plots.stage_figure({"playout": stages, "serial": stages[:0]}, "a run")
    assert "9.00 s (n = 2)" in " ".join(texts(figure))
    assert title(figure) == (
        "A comment is heard under playout 9.0 s after its newest frame, 4.5 s of it: waits for its picture"
    )
    assert title(run_plots.stage_figure({"serial": stages[:0]})) == "No comment was heard"


def test_below_twenty_values_each_is_a_point_and_there_is_no_p95():
    figure = run_plots.error_figure({"playout": [0.0, 0.1, 0.2], "serial": [1.0] * 19, "none": []}, "a run")
    (ax,) = figure.axes
    points = [line for line in ax.lines if line.get_marker() == "o"]
    assert [len(line.get_xdata()) for line in points] == [3, 19]
    assert len({*points[1].get_ydata()}) > 1  # equal values lie beside each other
    assert "p95" not in " ".join(texts(figure)) and "median 0.10 s, most 0.20 s" in texts(figure)
    assert [t.get_text() for t in ax.get_yticklabels()] == [
        "playout\n(n = 3)",
        "serial\n(n = 19)",
        "none\n(n = 0)",
    ]
    assert title(figure) == (
        "Voice and picture are 0.10 s apart under playout and 1.00 s under serial (median)"
    )


def test_from_twenty_values_on_there_is_a_distribution_with_p95():
    figure = run_plots.error_figure({"playout": np.arange(20) / 100, "serial": np.arange(40) / 100})
    names = [t.get_text() for t in figure.axes[0].get_legend().get_texts()]
    assert names == [
        "playout: 95 ms median, 0.18 s p95 (n = 20)",
        "serial: 0.20 s median, 0.37 s p95 (n = 40)",
    ]


def test_stages_before_and_after_have_a_bar_each_and_none_where_nothing_was_measured():
    row = {"median": 40.0, "min": 30.0, "max": 60.0}
    result = {
        "own_stream_text": {"decode_ms": row},
        "text": {"decode_ms": {"median": 6.4, "min": 6.3, "max": 6.5}},
        "own_stream_speech": {"speech_compute_s": row, "talker_ms": 23.0, "first_sound_ms": 600.0},
        "speech": {"first_sound_ms": {"median": 200.0, "min": 190.0, "max": 210.0}},
    }
    figure = run_plots.before_after_figure({"bf16": result, "awq": {}}, "a run")
    ax = figure.axes[0]
    assert [text.get_text() for text in ax.texts] == ["600", "40", "23", "40000", "200", "6.4"]
    assert ax.get_xscale() == "log" and "ms" in ax.get_xlabel()
    names = [text.get_text() for text in ax.get_legend().get_texts()]
    assert names == ["BF16, its own code", "BF16, here", "AWQ, its own code", "AWQ, here"]
    assert title(figure) == (
        "From the frames to the first sound: in BF16 200 ms instead of 600, 3.0 times as fast"
    )


def test_nothing_lies_on_the_sentence_above_a_figure(table):
    _, results = table
    stages = pd.DataFrame({name: [1.0, 2.0] for name, *_ in STAGES})
    model = {"bf16": {"own_stream_speech": {"first_sound_ms": 9.0}, "speech": {"first_sound_ms": 3.0}}}
    known = analysis.by_setting(results.dropna(), KNOBS, MEASURES)
    for figure in (
        run_plots.stage_figure({"playout": stages, "serial": stages}, "a run"),
        run_plots.before_after_figure({**model, "awq": model["bf16"]}, "a run"),
        run_plots.error_figure({"playout": [0.1, 0.2]}, "a run"),
        plots.heat_maps(known, *KNOBS, MEASURES, "a run"),
        plots.knob_figure(known, "frame_stride", MEASURES, run_id="a run"),
    ):
        figure.savefig(io.BytesIO(), dpi=figure.dpi)  # saving finds the layout
        above = figure._suptitle.get_window_extent()
        assert above.y1 <= figure.bbox.y1 and above.x1 <= figure.bbox.x1
        for ax in figure.axes:
            parts = [ax.get_tightbbox(), *([ax.get_legend().get_window_extent()] if ax.get_legend() else [])]
            assert all(part.y1 <= above.y0 + 1 for part in parts)


def test_the_alt_text_tells_sentence_axes_series_and_run(tmp_path):
    figure = run_plots.error_figure({"playout": np.arange(20) / 100}, "run 7")
    shown = plot_parts.show(figure, tmp_path, "run 7", "errors")
    assert shown.alt == (
        "Voice and picture are 95 ms apart under playout (median). "
        "Axes: share of comments up to here over picture/sound error, absolute, s. "
        "Series: playout: 95 ms median, 0.18 s p95 (n = 20). run 7."
    )


def test_saved_under_the_run(tmp_path):
    figure = run_plots.error_figure({"playout": [0.1]})
    path = plot_parts.save(figure, tmp_path / "figures", "sweep/1 a", "errors")
    assert path.name == "sweep-1-a-errors.png" and path.stat().st_size > 5000


@pytest.mark.slow
def test_the_pictures_of_the_docs_are_drawn_from_results(tmp_path):
    from experiments.sweeping.sweep import Sweep, SweepError, run_sweep
    from experiments.tools.doc_pictures import ONE_KNOB, main

    with pytest.raises(SweepError, match="no results folder"):
        main(tmp_path / "results", tmp_path)
    common = dict(mode="what-if", duration_s=20.0, seeds=[0, 1], costs=["minicpmo_h100", "rtx4090_published"])
    grids = {
        "stride_threshold_cap": {
            "frame_stride": [1, 2],
            "change_threshold": [0, 20],
            "speech_max_new_tokens": [64],
        }
    }
    values = {
        "pause_s": [0.5, 1],
        "capture_fps": [1, 2],
        "frames_per_inference": [1, 4],
        "policy": ["playout", "serial"],
    }
    for sweep, knob, by in ONE_KNOB:
        grids[sweep] = {knob: values[knob]} | ({by: values[by]} if by in values else {})
    for name, grid in grids.items():
        run_sweep(
            Sweep(name=name, grid=grid, **common), tmp_path / "results" / name, n_jobs=1, progress=False
        )
    main(tmp_path / "results", tmp_path)
    names = ["heat_maps", "pareto", "pause", "capture_rate", "frames", "policy"]
    drawn = {f"tuning_{n}.png" for n in names} | {"minicpmo_stages.png"}
    assert {p.name for p in tmp_path.glob("*.png")} == drawn
    assert (tmp_path / "match.jpg").stat().st_size > 20_000
