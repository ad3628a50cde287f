"""Small sweep files, the sweep command, and helpers that read a journal."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from experiments.sweeping.jobs import load_sweep
from experiments.sweeping.run_jobs import run_sweep

ROOT = Path(__file__).resolve().parents[3]

SMALL = """
mode = "what-if"
duration_s = 20
seeds = [0, 1]
costs = ["minicpmo_h100"]

[grid]
frame_stride = [1, 2]
change_threshold = [0, 10]
"""

MANY = SMALL.replace("[0, 1]", str(list(range(30)))).replace("duration_s = 20", "duration_s = 24")


def write_sweep_file(tmp_path, text=SMALL, name="small"):
    """Write a sweep file and return its path."""
    path = tmp_path / f"{name}.toml"
    path.write_text(text)
    return path


def command(*arguments, **more):
    """Run `python -m experiments.sweep` and return the finished process."""
    return subprocess.run(
        [sys.executable, "-m", "experiments.sweep", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        **more,
    )


def start_sweep(path, out, *options, **more):
    """Start `python -m experiments.sweep` and return its process, whose output can be read."""
    return subprocess.Popen(
        [sys.executable, "-m", "experiments.sweep", str(path), "--out", str(out), *options],
        cwd=ROOT,
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **more},
    )


def wait_while_running(condition, process):
    """Wait for a condition as long as a sweep runs: how fast it is depends on the load of the machine."""
    while not condition():
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.02)


def count_rows(journal):
    return journal.read_bytes().count(b"\n") if journal.exists() else 0


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def without_time(rows):
    """Return key → row without its wall time, which differs from run to run."""
    return {r["key"]: {k: v for k, v in r.items() if k not in ("wall_s",)} for r in rows}


@pytest.fixture(scope="session")
def small_run(tmp_path_factory):
    """(sweep, results folder) of the small sweep, run once by two processes. Tests must not write to the folder."""
    folder = tmp_path_factory.mktemp("small")
    found = load_sweep(write_sweep_file(folder))
    run_sweep(found, folder / "out", n_jobs=2, progress=False)
    return found, folder / "out"
