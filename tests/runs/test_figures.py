"""Figures of a run: their sentences follow from the log, and "settled" means settled."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from commentator_lib.runs.figures import (
    convergence,
    delay_figure,
    delay_sentence,
    latency_figure,
    memory_figure,
)


def samples(applied_s, wanted_s=None, every_s=1.0) -> pd.DataFrame:
    """Return one sample a second, as a run logs them."""
    applied = pd.Series(applied_s, dtype=float)
    wanted = applied * 0 + (applied.iloc[-1] if wanted_s is None else wanted_s)
    at_s = every_s * np.arange(1, len(applied) + 1)
    return pd.DataFrame({"at_s": at_s, "delay_applied_s": applied, "delay_wanted_s": wanted})


def test_a_ramp_of_nine_seconds_has_not_settled():
    """As in a run that ends while the delay is still on its way: it is near its last value because it stops there."""
    ramp = 3.0 + 0.1 * np.arange(10)
    assert np.isnan(convergence(samples(ramp)))
    assert np.isnan(
        convergence(samples([3.0] * 20 + [*ramp]))
    )  # it was still, and then it moved until the end
    assert np.isnan(
        convergence(samples(3.0 + 0.03 * np.arange(10)))
    )  # a slow one, within a tenth all the time
    assert np.isnan(convergence(samples(4.0 + 0.03 * np.arange(60), wanted_s=4.0 + 0.03 * np.arange(60))))


def test_a_step_that_settles_has_settled_when_it_is_flat():
    ramp = [3.0 + 0.1 * k for k in range(20)]
    assert convergence(samples([None, None, *ramp, *[5.0] * 30])) == pytest.approx(23, abs=2)
    assert convergence(samples([2.0] * 12)) == 1.0


def test_noise_does_not_hinder_it():
    noise = np.random.default_rng(0).normal(0, 0.03, 60)
    applied = np.concatenate([np.linspace(3.0, 5.0, 20), np.full(60, 5.0) + noise])
    assert convergence(samples(applied, wanted_s=5.0)) == pytest.approx(20, abs=4)


def test_flat_but_far_from_what_it_wants_has_not_settled():
    assert np.isnan(convergence(samples([5.0] * 60, wanted_s=8.0)))
    assert convergence(samples([5.0] * 60, wanted_s=5.3)) == 1.0


def test_still_for_less_than_ten_seconds_is_not_settled():
    assert np.isnan(convergence(samples([5.0] * 9)))
    assert np.isnan(convergence(samples([3.0] * 20 + [4.0] * 8)))


def test_without_a_delay_there_is_nothing_to_settle():
    assert np.isnan(convergence(pd.DataFrame()))
    assert np.isnan(convergence(samples([2.0] * 30).assign(delay_applied_s=None)))
    assert delay_sentence(pd.DataFrame()) == "The picture never started, so no delay was applied"


def test_the_title_says_whether_the_delay_has_settled():
    cycles = pd.DataFrame(columns=["outcome", "first_sound_latency_s"])
    still, moving = samples([5.0] * 30), samples(3.0 + 0.1 * np.arange(20), wanted_s=6.0)
    assert delay_figure(cycles, still).get_suptitle() == "The picture's delay settled at 5.00 s after 1 s"
    assert delay_figure(cycles, moving, run_id="run 7").get_suptitle() == (
        "The picture's delay did not settle in 20 s: it ended at 4.90 s; wanted were 6.00 s"
    )
    assert delay_figure(cycles, moving, run_id="run 7").get_supxlabel() == "run 7"
    assert delay_figure(cycles, moving, "My own").get_suptitle() == "My own"


def test_two_samples_are_two_points_without_a_line(run):
    two = samples([2.0, 2.1]).assign(rss_bytes=[1e8, 2e8])
    applied, wanted, *_ = delay_figure(run.cycles[:0], two).axes[0].lines
    assert applied.get_linestyle() == "None" and applied.get_marker() == "."
    memory = memory_figure(two)
    assert memory.axes[0].lines[0].get_linestyle() == "None"
    assert memory.get_suptitle() == "Memory: 100 MB after the first second, 200 at the end, 200 at most"
    many = delay_figure(run.cycles[:0], samples([2.0] * 5)).axes[0].lines[0]
    assert many.get_linestyle() == "-"


def test_the_title_tells_the_median_way_to_the_ear_and_n(run):
    title = latency_figure(run.cycles).get_suptitle()
    heard = run.cycles[run.cycles.heard_from_s.notna()]
    median_s = (heard.heard_from_s - heard.frame_newest_captured_s).median()
    assert title.startswith(
        f"A comment is heard {median_s:.2f} s after its newest frame (median, n = {len(heard)})"
    )
    assert latency_figure(run.cycles[:0]).get_suptitle() == "No comment was heard"
    assert memory_figure(run.samples[:0]).get_suptitle() == "Memory was not measured in this run"
