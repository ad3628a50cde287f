"""The analysis of sweeps, on tables small enough to check by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from experiments.measuring import analysis


def results(values, clips=("a", "b"), seeds=(0, 1), **more):
    """Return one row per (stride, clip, seed); `values(stride, clip, seed)` gives missed_3s."""
    return pd.DataFrame(
        [
            {
                "frame_stride": stride,
                "clip": clip,
                "seed": seed,
                "missed_3s": values(stride, clip, seed),
                **more,
            }
            for stride in (1, 2, 3)
            for clip in clips
            for seed in seeds
        ]
    )


def test_means_and_spread_over_clips_and_seeds():
    table = analysis.by_setting(
        results(lambda stride, clip, seed: stride + seed), ["frame_stride"], ["missed_3s"]
    )
    assert table.missed_3s.tolist() == [1.5, 2.5, 3.5]
    assert table.missed_3s_std.tolist() == pytest.approx([np.std([0, 1, 0, 1], ddof=1)] * 3)
    assert table.missed_3s_runs.tolist() == [4, 4, 4]
    assert table.missed_3s_low.tolist() == [1.0, 2.0, 3.0] and table.missed_3s_high.tolist() == [
        2.0,
        3.0,
        4.0,
    ]


def test_runs_without_a_value_do_not_count():
    table = analysis.by_setting(
        results(lambda stride, clip, seed: np.nan if seed else stride), ["frame_stride"], ["missed_3s"]
    )
    assert table.missed_3s.tolist() == [1, 2, 3] and table.missed_3s_runs.tolist() == [2, 2, 2]
    with pytest.raises(KeyError):
        analysis.by_setting(results(lambda *_: 0.0), ["frame_stride"], ["no_such_measure"])


def test_a_readable_table_tells_spread_and_number_of_runs():
    values = {1: 0.0, 2: 0.5, 3: np.nan}
    table = analysis.readable(
        results(lambda stride, clip, seed: values[stride] + seed), "frame_stride", ["missed_3s"]
    )
    assert table.loc["missed_3s"].tolist() == ["0.5 [0, 1] (4)", "1 [0.5, 1.5] (4)", "no case"]


def test_pareto_front_by_hand():
    table = pd.DataFrame(
        {"x": [1, 2, 3, 2, 1, np.nan], "y": [3, 2, 1, 3, 3, 0]}
    )  # (2, 3) is not on the front; both rows (1, 3) are
    assert analysis.pareto_front(table, ["x", "y"]).tolist() == [True, True, True, False, True, False]


def test_a_clear_winner_is_recommended_without_doubt():
    found = analysis.recommend(
        results(lambda stride, clip, seed: abs(stride - 2) + 0.01 * seed), ["frame_stride"], ["missed_3s"]
    )
    assert found.setting == {"frame_stride": 2} and found.share_of_draws == 1.0
    assert found.table.frame_stride.iloc[0] == 2 and found.table.score.iloc[0] == 0
    assert found.table.missed_3s_low.iloc[0] >= 0 and found.table.missed_3s_high.iloc[0] <= 0.01


def test_a_close_result_is_reported_as_uncertain():
    rng = np.random.default_rng(1)
    noise = rng.normal(0, 1, (4, 4, 12))
    table = results(
        lambda stride, clip, seed: noise[stride, "ab".index(clip), seed] + 5 * (stride == 3), seeds=range(12)
    )
    found = analysis.recommend(table, ["frame_stride"], ["missed_3s"])
    assert found.setting["frame_stride"] in (1, 2)
    assert 0.5 <= found.share_of_draws < 1.0
    assert found.table.share_of_draws.sum() == pytest.approx(1.0)


def test_objectives_count_by_their_range():
    # Stride 1 is best in one objective, stride 3 in the other, stride 2 nearly best in both.
    table = results(lambda stride, clip, seed: {1: 0.0, 2: 0.1, 3: 1.0}[stride])
    table["busy_share"] = table.frame_stride.map({1: 100.0, 2: 10.0, 3: 0.0})
    found = analysis.recommend(table, ["frame_stride"], ["missed_3s", "busy_share"])
    assert found.setting == {"frame_stride": 2}
    assert found.table.score.iloc[0] == pytest.approx(0.1)


def test_a_grid_with_holes_gives_no_recommendation():
    table = results(lambda stride, clip, seed: float(stride))
    with pytest.raises(ValueError, match="every setting"):
        analysis.recommend(table.iloc[1:], ["frame_stride"], ["missed_3s"])
    table.loc[0, "missed_3s"] = np.nan
    with pytest.raises(ValueError, match="every setting"):
        analysis.recommend(table, ["frame_stride"], ["missed_3s"])


def test_stages_add_up_to_the_way_from_capture_to_ear():
    cycles = pd.DataFrame(
        {
            "frame_newest_captured_s": [1.0, 5.0],
            "infer_s": [1.5, 5.1],
            "first_text_s": [2.0, None],
            "first_sound_s": [2.25, None],
            "heard_from_s": [4.0, None],
        }
    )
    table = analysis.stage_seconds(cycles)
    assert table.iloc[0].tolist() == [0.5, 0.5, 0.25, 1.75] and len(table) == 1


def test_against_the_published_table_nothing_is_made_up():
    rows = pd.DataFrame({"first_sound_latency_median_s": [1.0, 3.0], "comments_per_min": [6.0, 8.0]})
    table = analysis.against_published(rows, "2 cores", "baseline")
    assert table.ours.tolist() == [
        "not measured",
        "2.00 [1.00, 3.00] s to first sound, median (n = 2)",
        "7.0 [6.0, 8.0] (n = 2)",
        "not measured",
        "not measured",
    ]
    assert table["on ours"].tolist() == ["", "2 cores", "2 cores", "", ""]
