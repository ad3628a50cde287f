"""The summary of a run, and its figures."""

from __future__ import annotations

import io

import numpy as np
import pytest

from commentator_lib.runs.figures import delay_figure, latency_figure, memory_figure, plot_run
from commentator_lib.runs.report import format_table, summary


@pytest.mark.slow
def test_plot_and_table(run, tmp_path):
    plot_run(run, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").stat().st_size > 10_000
    table = dict(summary(run))
    assert table["commentator, voice"].startswith("scripted")
    assert "s median" in table["first sound after the frame"] and "100.0%" in table["frames shown"]
    assert "picture/sound error" in format_table(summary(run))


def test_figures_show_what_was_logged(run):
    cycles, samples = run.cycles, run.samples
    heard = cycles[cycles.heard_from_s.notna() & cycles.first_text_s.notna()]
    (axes,) = latency_figure(cycles).axes
    tops = [bar.get_y() + bar.get_height() for bar in axes.patches[-len(heard) :]]
    assert len(heard) and tops == pytest.approx(
        list(heard.heard_from_s - heard.frame_newest_captured_s), abs=0.01
    )
    assert "s after" in axes.get_ylabel() and axes.get_xlabel() == "cycle"
    (axes,) = delay_figure(cycles, samples).axes
    applied, wanted, *dots = axes.lines
    assert np.allclose(applied.get_ydata(), samples.delay_applied_s.astype(float), equal_nan=True)
    assert len(dots[0].get_ydata()) == len(cycles[cycles.first_sound_latency_s.notna()])
    (axes,) = memory_figure(samples.assign(rss_bytes=2e8)).axes
    assert set(axes.lines[0].get_ydata()) == {200.0} and axes.get_ylabel() == "MB"
    for figure in (
        latency_figure(cycles[:0]),
        delay_figure(cycles[:0], samples[:0]),
        memory_figure(samples[:0]),
    ):
        figure.savefig(io.BytesIO())  # a run that was stopped before anything happened
