"""Figures: they show their data, label their axes with units, and are saved under the run's id."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from commentator_lib.runs.figures import STAGES
from experiments.measuring import analysis, plots

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


def test_heat_maps_write_mean_and_spread_into_each_cell(table):
    means, _ = table
    figure = plots.heat_maps(means, *KNOBS, MEASURES, "title", {**dict(zip(KNOBS, (2, 5, 150), strict=True))})
    assert len(texts(figure)) == 2 * 2 * 6
    row = means.iloc[0]
    assert f"{row.dead_air_share:.2f}\n±{row.dead_air_share_std:.2f}" in texts(figure)
    assert texts(figure).count("–") == 4  # cells without a measurement
    labels = {ax.get_xlabel() for ax in figure.axes} | {ax.get_ylabel() for ax in figure.axes}
    assert {"frame stride, frames", "change threshold, of 255", "dead air in action, share"} <= labels
    assert [len(ax.patches) for ax in figure.axes[:4]] == [0, 1, 0, 1]  # the mark


def test_pareto_names_the_settings_on_the_front(table):
    means, _ = table
    front = analysis.pareto_front(means, MEASURES)
    mark = means.loc[front, KNOBS].iloc[0].to_dict()
    figure = plots.pareto_figure(means, front, *MEASURES, KNOBS, "title", mark)
    assert len(texts(figure)) == front.sum()
    assert figure.axes[0].get_xlabel() == "dead air in action, share"


def test_knobs_by_number_and_by_name(table):
    _, results = table
    by_policy = analysis.by_setting(results, ["frame_stride", "policy"], MEASURES)
    figure = plots.knob_figure(by_policy, "frame_stride", MEASURES, by="policy", title="t")
    assert [t.get_text() for t in figure.axes[0].get_legend().get_texts()] == ["playout", "serial"]
    named = plots.knob_figure(analysis.by_setting(results, ["policy"], MEASURES), "policy", MEASURES)
    assert [t.get_text() for t in named.axes[0].get_xticklabels()] == ["playout", "serial"]


def test_stages_and_errors_tell_how_many_and_how_far():
    stages = pd.DataFrame({name: [1.0, 2.0] for name, *_ in STAGES})
    figure = plots.stage_figure({"playout": stages, "serial": stages[:0]})
    assert "6.00 s, 2 comments" in " ".join(texts(figure))
    errors = plots.error_figure({"playout": [0.0, 0.1, 0.2], "serial": []})
    (label,) = [t.get_text() for t in errors.axes[0].get_legend().get_texts()]
    assert label == "playout: 0.100 median, 0.190 p95 (3)"


def test_stages_before_and_after_have_a_bar_each_and_none_where_nothing_was_measured():
    row = {"median": 40.0, "min": 30.0, "max": 60.0}
    result = {
        "own_stream_text": {"decode_ms": row},
        "text": {"decode_ms": {"median": 6.4, "min": 6.3, "max": 6.5}},
        "own_stream_speech": {"speech_compute_s": row, "talker_ms": 23.0},
    }
    figure = plots.before_after_figure({"bf16": result, "awq": {}}, "a run")
    ax = figure.axes[0]
    texts = [text.get_text() for text in ax.texts]
    assert texts == ["40", "23", "40000", "6.4"]
    assert ax.get_xscale() == "log" and "ms" in ax.get_xlabel()
    names = [text.get_text() for text in ax.get_legend().get_texts()]
    assert names == ["BF16, its own code", "BF16, here", "AWQ, its own code", "AWQ, here"]


def test_saved_under_the_run(tmp_path, table):
    figure = plots.error_figure({"playout": [0.1]})
    path = plots.save(figure, tmp_path / "figures", "sweep/1 a", "errors")
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
