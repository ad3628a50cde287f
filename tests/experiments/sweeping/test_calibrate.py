"""Costs fitted to logs: known costs are found again, and the reported error is that on unseen runs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from commentator_lib.runs.reader import load_run
from commentator_lib.session import LiveSession
from commentator_lib.settings import Settings
from experiments.match_clip.events import Stretch, Truth
from experiments.sweeping.calibrate import (
    calibrate,
    find_runs,
    fit,
    fitted,
    predict,
    timings,
    unseen_errors,
)
from experiments.sweeping.costs import TokenCost, load_cost
from experiments.sweeping.sweep import SweepError
from experiments.sweeping.whatif import Spotter, SpotterTraits, TinyMatch

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[3]
KNOWN = TokenCost("by hand", 66, 1.0, 0.002, 0.05, 0.4, 0.002, 0.2, 0.05, 0.3)
TRUTH = Truth(240.0, (), (Stretch("action", 0.0, 240.0),), ("RED", "BLU"))


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Four what-if runs with 1, 2, 5 and 10 frames per comment, with costs sampled from KNOWN."""
    pictures = np.random.default_rng(0).integers(0, 255, (1500, 36, 64, 3), dtype=np.uint8)
    root = tmp_path_factory.mktemp("runs")
    for k, frames in enumerate((1, 2, 5, 10)):
        settings = Settings(commentator="scripted", change_threshold=0.0, frames_per_inference=frames)
        spotter = Spotter(TRUTH, KNOWN, SpotterTraits(misread=0.0), seed=k)
        source = TinyMatch(pictures, 6.25, "match:0")
        LiveSession(source, settings, commentator=spotter, mode="what-if", run_dir=root / f"run{k}").run()
    return [root / f"run{k}" for k in range(4)]


def test_fit_finds_a_line_and_no_negative_cost():
    x, z = np.arange(50.0), np.random.default_rng(0).uniform(0, 9, 50)
    assert fit([x, z], 2 + 0.5 * x + 0.25 * z) == pytest.approx([2, 0.5, 0.25])
    assert fit([x], 10 - 0.1 * x)[1] == 0
    constant = fit([np.full(50, 66.0)], np.full(50, 3.0))
    assert constant == pytest.approx([3.0, 0.0])  # a constant column gets 0
    assert predict(np.array([1.0, 2.0]), [np.array([3.0])]) == pytest.approx([7.0])


def test_known_costs_are_found_again(folders):
    cost, result, _ = calibrate([load_run(f) for f in folders])
    assert cost.first_sound_s == pytest.approx(1.0, abs=0.05)
    assert cost.first_sound_per_image_token_s == pytest.approx(0.002, rel=0.05)
    assert cost.generated_per_output_token_s == pytest.approx(0.2, rel=0.05)
    assert cost.first_sound_spread_s == pytest.approx(0.05, rel=0.3)
    assert cost.speech_per_output_token_s == pytest.approx(0.3, rel=0.02)
    assert cost.image_tokens_per_frame == pytest.approx(66)
    assert result["against"] == "image tokens"
    # The error on runs left out is the sampled noise, whose median is 0.67 standard deviations: 0.67 · 0.05 s.
    assert result["error_on_unseen_runs"]["first_sound_s"]["median_s"] == pytest.approx(0.034, abs=0.015)
    assert "scripted costs, nothing measured" in cost.source


def test_the_error_is_on_runs_left_out():
    """A run with other costs must have a large error: its own data are not in the fit that predicts it."""
    same = [synthetic_timings(1.0), synthetic_timings(1.0)]
    other = synthetic_timings(2.0)
    errors = unseen_errors([*same, other])["first_sound_s"]
    assert np.abs(errors[20:]) == pytest.approx(np.full(10, 1.0))
    assert np.abs(unseen_errors(same)["first_sound_s"]).max() < 1e-9


def synthetic_timings(first_s):
    from experiments.sweeping.calibrate import Timings

    ten = np.full(10, 1.0)
    return Timings("synthetic", 264 * ten, np.arange(10.0) + 5, first_s * ten, 3 * ten, 4 * ten)


def test_without_image_tokens_frames_are_counted(folders):
    runs = [load_run(f) for f in folders]
    for run in runs:
        run.cycles["image_tokens"] = None
    cost, result, _ = calibrate(runs)
    assert result["against"] == "frames" and cost.image_tokens_per_frame == 1
    assert cost.first_sound_per_image_token_s == pytest.approx(0.132, rel=0.05)
    assert "stands for one frame" in cost.source


def test_runs_that_cannot_be_put_together(folders):
    runs = [load_run(f) for f in folders]
    with pytest.raises(SweepError, match="two runs"):
        calibrate(runs[:1])
    runs[0].header["commentator"] = "somebody else"
    with pytest.raises(SweepError, match="different commentators"):
        calibrate(runs)
    runs[0].header["commentator"] = "scripted spotter"
    runs[0].cycles["outcome"] = "failed"
    with pytest.raises(SweepError, match="whole comments"):
        calibrate(runs)
    mixed = [load_run(f) for f in folders[:2]]
    mixed[0].cycles["image_tokens"] = None
    with pytest.raises(SweepError, match="some do not"):
        calibrate(mixed)


def run(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "experiments.calibrate", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )


@pytest.mark.slow
def test_the_command_writes_a_cost_that_a_sweep_can_read(folders, tmp_path):
    done = run(*folders, "--out", tmp_path / "cost.toml", "--plot", tmp_path / "cost.png")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.strip().splitlines()[-1])
    assert load_cost(str(tmp_path / "cost.toml")).first_sound_s == pytest.approx(
        result["cost"]["first_sound_s"]
    )
    assert (tmp_path / "cost.png").stat().st_size > 10_000


@pytest.mark.slow
def test_bad_input_is_one_line(folders, tmp_path):
    header = json.loads((folders[0] / "run.json").read_text())
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "run.json").write_text(json.dumps({**header, "format_version": 0}))
    (tmp_path / "empty").mkdir()
    for path, message in (("old", "format 0"), ("empty", "no run.json"), ("none", "no run folder")):
        done = run(folders[0], tmp_path / path)
        assert done.returncode == 2 and message in done.stderr and done.stderr.count("\n") == 1, done.stderr


def test_a_run_that_was_killed_counts_as_far_as_it_got(folders, tmp_path):
    import shutil

    shutil.copytree(folders[3], tmp_path / "killed")
    for path in tmp_path.glob("killed/*.parquet"):
        path.unlink()
    journal = tmp_path / "killed" / "cycles.jsonl"
    data = journal.read_bytes()
    journal.write_bytes(data[: int(len(data) * 0.7)])
    whole, part = (timings(load_run(f), False) for f in (folders[3], tmp_path / "killed"))
    assert 5 < len(part) < len(whole)
    assert len(find_runs([tmp_path / "killed"])) == 1
    assert fitted([part], "", 66).first_sound_s > 0
