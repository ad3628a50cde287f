"""What is sent to a tracker. Doubles with the trackers' signatures are used, since neither need be installed."""

from __future__ import annotations

import subprocess
import sys
import types
from pathlib import Path

import pytest

from experiments.sweeping.sweep import SweepError, load_sweep, run_sweep
from experiments.tools import track
from tests.conftest import what_if
from tests.experiments.sweeping.conftest import write_sweep_file

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "one"
    what_if(60.0, run_dir=folder)
    return folder


class FakeMlflow(types.ModuleType):
    def __init__(self):
        super().__init__("mlflow")
        self.calls = []

    def set_experiment(self, name):
        self.calls.append(("experiment", name))

    def start_run(self, *, run_name):
        self.calls.append(("run", run_name))
        import contextlib

        return contextlib.nullcontext()

    def log_params(self, parameters):
        self.calls.append(("params", parameters))

    def log_metrics(self, measures, *, step=None):
        assert all(isinstance(v, float) for v in measures.values())
        self.calls.append(("metrics", measures, step))

    def log_artifact(self, path):
        assert Path(path).exists()
        self.calls.append(("artifact", Path(path).name))


def test_a_run_goes_to_mlflow_with_its_settings_series_and_files(run_folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "mlflow", fake := FakeMlflow())
    (entry,) = track.entries(run_folder)
    track.to_mlflow(entry, "mine")
    kinds = [c[0] for c in fake.calls]
    assert kinds[:3] == ["experiment", "run", "params"] and fake.calls[0][1] == "mine"
    assert fake.calls[2][1]["pause_s"] == 1.0 and fake.calls[2][1]["mode"] == "what-if"
    steps = [c[2] for c in fake.calls if c[0] == "metrics" and c[2] is not None]
    assert steps == sorted(steps) and len(steps) > 5
    assert ("artifact", "cycles.parquet") in fake.calls
    totals = next(c[1] for c in fake.calls if c[0] == "metrics" and c[2] is None)
    assert totals["cycles_spoken"] > 5 and "first_sound_latency_s_median" in totals


def test_a_run_goes_to_wandb_and_is_closed_even_when_that_fails(run_folder, monkeypatch):
    class Run:
        def __init__(self):
            self.summary, self.logged, self.finished = {}, [], False

        def log(self, values, step):
            self.logged.append(step)

        def log_artifact(self, artifact):
            raise OSError("no network")

        def finish(self):
            self.finished = True

    run = Run()
    fake = types.ModuleType("wandb")
    fake.init = lambda *, project, name, config: run
    fake.Artifact = lambda name, type: types.SimpleNamespace(add_file=lambda path: None)
    monkeypatch.setitem(sys.modules, "wandb", fake)
    (entry,) = track.entries(run_folder)
    with pytest.raises(OSError):
        track.to_wandb(entry, "mine")
    assert run.finished and run.summary["cycles_spoken"] > 5 and len(run.logged) > 5


@pytest.mark.slow
def test_a_sweep_is_one_entry_a_row(tmp_path):
    run_sweep(load_sweep(write_sweep_file(tmp_path)), tmp_path / "out", n_jobs=1, progress=False)
    found = list(track.entries(tmp_path / "out"))
    assert len(found) == 8 and {e.parameters["frame_stride"] for e in found} == {1, 2}
    assert all("dead_air_share" in e.measures and "frame_stride" not in e.measures for e in found)


@pytest.mark.slow
@pytest.mark.parametrize("to", ["mlflow", "wandb", "tensorboard"])
def test_what_is_not_there_is_one_line(run_folder, tmp_path, to):
    (tmp_path / "wandb").mkdir()  # a folder that the tracker leaves must not count as the package
    code = f"""
import sys
for name in ("mlflow", "wandb"):  # also where one is installed
    sys.modules.pop(name, None)
import importlib.util
real = importlib.util.find_spec
importlib.util.find_spec = lambda n, *a: real(n, *a) if n not in ("mlflow",) else None
from experiments.tools import track
from experiments.tools.command_line import run_app
sys.argv = ["track", {str(run_folder)!r}, "--to", {to!r}]
run_app(track.app, "track")
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr
    assert ("not installed" if to != "tensorboard" else "unknown tracker") in done.stderr


def test_neither_a_run_nor_a_sweep(tmp_path):
    from commentator_lib.runs.record import RunLogError

    with pytest.raises((RunLogError, SweepError), match="run folder"):
        list(track.entries(tmp_path))
