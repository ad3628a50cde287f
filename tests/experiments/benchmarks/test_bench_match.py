"""The match benchmark's arithmetic, and that the docs' page of benchmarks quotes the measured results."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from experiments.benchmarks import bench_match
from experiments.sweeping.sweep import SweepError

ROOT = Path(__file__).resolve().parents[3]


def runs(latencies):
    """Return three runs per policy; `latencies(policy)` gives the first-sound latencies of a run's cycles."""
    rows = []
    for policy in bench_match.POLICIES:
        for k in range(3):
            cycles = pd.DataFrame(
                {
                    "first_sound_latency_s": latencies(policy),
                    "gap_before_s": [None, *([1.0 + k] * (len(latencies(policy)) - 1))],
                }
            )
            measures = {name: float(k) for name, *_ in bench_match._ROWS} | {"sync_error_p95_s": 0.1}
            rows.append({"policy": policy, "cycles": cycles, **measures})
    return pd.DataFrame(rows)


def test_headline_has_what_was_asked_and_nothing_that_was_not_measured():
    live = runs(lambda policy: [1.0, 2.0])
    live.loc[live.policy == "serial", "response_error_median_s"] = float("nan")
    found = bench_match.headline(live)
    assert set(found) == {"playout", "serial"}
    assert list(found["playout"]) == [
        "goal_recall_3s",
        "goal_recall_2s_of_evidence",
        "goal_recall_2s_of_first_evidence",
        "recall_3s",
        "response_error_median_s",
        "false_triggers_per_min",
        "dead_air_share",
        "shortfall_median_s",
        "repetition",
        "sync_error_p95_s",
    ]
    assert found["playout"]["goal_recall_3s"] == {"mean": 1.0, "std": 1.0}
    assert found["playout"]["sync_error_p95_s"] == {"mean": 0.1, "std": 0.0}
    assert found["serial"]["response_error_median_s"] == {"mean": None, "std": None}
    json.loads(json.dumps(found, allow_nan=False))


def test_agreement_compares_medians_over_all_comments():
    live, replay = runs(lambda policy: [1.0, 1.0, 3.0]), runs(lambda policy: [1.1, 1.1, 1.1])
    found = {(r["policy"], r["measure"]): r for r in bench_match.agreement(live, replay)}
    assert found["playout", "first_sound_latency_s"]["off"] == pytest.approx(0.1)
    assert found["serial", "gap_before_s"] == {
        "policy": "serial",
        "measure": "gap_before_s",
        "live": 2.0,
        "replay": 2.0,
        "off": 0.0,
    }


def test_the_table_goes_between_its_marks_and_nowhere_else():
    page = f"before\n{bench_match.MARKS[0]}\nold\n{bench_match.MARKS[1]}\nafter\n"
    new = bench_match.put_into(page, "new")
    assert new == f"before\n{bench_match.MARKS[0]}\nnew\n{bench_match.MARKS[1]}\nafter\n"
    assert bench_match.put_into(new, "new") == new
    with pytest.raises(SweepError, match="no place"):
        bench_match.put_into("a page", "new")


def test_cells_tell_spread_and_missing_cases():
    assert bench_match._cell({"mean": 0.5, "std": 0.1, "runs": 3}, 0, True) == "50 ± 10%"
    assert bench_match._cell({"mean": 0.5, "std": None, "runs": 1}, 2, False) == "0.50 (1 of 3 runs)"
    assert bench_match._cell({"mean": None, "std": None, "runs": 0}, 2, False) == "no case"


def test_the_page_quotes_the_results_that_were_measured():
    result = json.loads((ROOT / "docs" / "results.json").read_text(encoding="utf-8"))
    page = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    assert bench_match.put_into(page, bench_match.markdown(result)) == page


def test_replay_agreed_with_live_when_it_was_measured():
    result = json.loads((ROOT / "docs" / "results.json").read_text(encoding="utf-8"))
    assert len(result["agreement"]) == 4
    assert all(abs(row["off"]) <= 0.10 for row in result["agreement"]), result["agreement"]


@pytest.mark.slow
def test_help_says_why_and_a_folder_that_is_none_is_one_line(tmp_path):
    def run(*arguments):
        return subprocess.run(
            [sys.executable, "-m", "experiments.bench_match", *arguments],
            cwd=ROOT,
            capture_output=True,
            text=True,
        )

    help_text = run("--help")
    assert help_text.returncode == 0 and "Why" in help_text.stdout and "JSON" in help_text.stdout
    done = run("--from", str(tmp_path / "none"))
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "no results folder" in done.stderr
