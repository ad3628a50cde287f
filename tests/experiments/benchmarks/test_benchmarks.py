"""The benchmarks run, print one JSON object as the last line, and meet the bounds that the README promises."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


def bench(name, *arguments):
    """Run a benchmark as a command; return its JSON object."""
    done = subprocess.run(
        [sys.executable, "-m", f"experiments.{name}", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.strip().splitlines()[-1])


@pytest.mark.slow
def test_pacing_holds_its_promises():
    result = bench("bench_pacing", "--comments", 100)
    playout, serial = result["playout"], result["serial"]
    assert (
        playout["silence_beyond_pause_s"]["median"] <= 0.05
        and playout["silence_beyond_pause_s"]["p95"] <= 0.3
    )
    assert playout["sync_error_s"]["median"] <= 0.02 and playout["sync_error_s"]["p95"] <= 0.15
    assert playout["slew_max"] <= 0.1 + 1e-6 and playout["frames_jumped"] == 0
    assert serial["silence_beyond_pause_s"]["median"] > 1.0


@pytest.mark.slow
def test_programme_is_the_same_twice():
    result = bench("bench_programme", "--minutes", 10)
    assert result["same_log"] is True and result["cycles"] > 50


@pytest.mark.parametrize(
    "name", ["bench_pacing", "bench_programme", "bench_overhead", "bench_scene", "bench_baseline"]
)
def test_docstring_says_why_and_help_works(name):
    done = subprocess.run(
        [sys.executable, "-m", f"experiments.{name}", "--help"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0 and "Why" in done.stdout and "JSON" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("bench_pacing", ["--comments", "1"]),
        ("bench_programme", ["--minutes", "0"]),
        ("bench_overhead", ["--seconds", "1"]),
    ],
)
def test_bad_arguments_end_with_2(name, arguments):
    done = subprocess.run(
        [sys.executable, "-m", f"experiments.{name}", *arguments], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 2 and "Traceback" not in done.stderr


@pytest.mark.slow
def test_the_baseline_prints_what_it_says_and_what_it_costs():
    result = bench("bench_baseline", "--seconds", 8, "--every", 2)
    for costs in result.values():
        assert costs["comments"] == 4 and 0 < costs["comment_ms"]["mean"] <= costs["comment_ms"]["max"]
