"""bench_serve: what it takes from a run's log, what it refuses, and one short run with a viewer that never reads."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from experiments.benchmarks.bench_serve import main, measures_of, said
from experiments.errors import UserError

ROOT = Path(__file__).resolve().parents[3]


def test_measures_are_of_spoken_comments_and_errors_count_by_their_size(tmp_path):
    known = {"first_sound_latency_s": 1.0, "shortfall_s": 0.0}
    rows = [
        {"outcome": "spoken", **known, "sync_error_s": -0.2, "shortfall_s": None},
        {"outcome": "spoken", **known, "sync_error_s": 0.1, "first_sound_latency_s": 3.0},
        {"outcome": "failed", "first_sound_latency_s": 9.0, "shortfall_s": 9.0, "sync_error_s": 9.0},
    ]
    (tmp_path / "cycles.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = measures_of(tmp_path)
    assert found["comments"] == 2 and found["first_sound_latency_s_p50"] == 2.0
    assert found["sync_error_s_p50"] == 0.15 and found["shortfall_s_p95"] == 0.0
    words = said("protocol 2", {"cores": 0.5, "viewer_frames_share": [1.0, 0.987], **found})
    assert "0.50 cores" in words and "98.7%" in words and "2 comments" in words


@pytest.mark.parametrize(
    "given", [{"seconds": 3.0}, {"only": "pictures"}, {"counts": "1,many"}, {"counts": "0"}, {"counts": ""}]
)
def test_bad_input_is_refused(given):
    with pytest.raises(UserError):
        main(**{"seconds": 10.0, "counts": "1", "only": "stuck", **given})


@pytest.mark.realtime
@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_viewer_is_measured_beside_one_that_never_reads():
    command = [sys.executable, "-m", "experiments.bench_serve", "--seconds", "10", "--only", "stuck"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=1100)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.strip().splitlines()[-1])
    row = result["stuck"]
    assert row["viewers"] == 1 and 0 < row["viewer_frames_share"][0] <= 1
    assert row["cores"] > 0 and row["rss_bytes"] > 50e6 and 0 < row["frames_shown_share"] <= 1
    assert result["seconds"] == 10 and result["machine_cores"] >= 1
