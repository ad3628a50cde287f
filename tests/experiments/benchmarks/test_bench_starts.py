"""The benchmark of kernel starts: real kernels that answer, and what counts as a hang."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys

import pytest

from experiments.benchmarks.bench_starts import summary, time_starts
from experiments.tools.browser import ROOT

pytestmark = pytest.mark.slow


def run(*arguments):
    command = [sys.executable, "-m", "experiments.bench_starts", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=280)


def test_three_starts_are_counted_and_answer():
    done = run("--starts", "3")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert list(result) == ["starts", "hangs", "p50_s", "p95_s"]
    assert result["starts"] == 3 and result["hangs"] == 0
    assert 0.1 < result["p50_s"] <= result["p95_s"] < 20


def test_a_kernel_that_does_not_answer_in_time_is_a_hang():
    assert asyncio.run(time_starts(2, limit_s=0.01)) == [None, None]
    assert summary([None, 1.0, 3.0, None]) == {"starts": 4, "hangs": 2, "p50_s": 2.0, "p95_s": 2.9}
    assert summary([None]) == {"starts": 1, "hangs": 1, "p50_s": None, "p95_s": None}


def test_help_and_bad_numbers():
    assert "--starts" in run("--help").stdout
    done = run("--starts", "0")
    assert done.returncode == 2 and done.stderr == "bench_starts: --starts must be 1 or more\n"
