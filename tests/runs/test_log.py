"""The run log: journals as it happens, tables at the end."""

from __future__ import annotations

import json
import logging
import os

import numpy as np
import pandas as pd
import pytest

from commentator_lib.runs.log import RunLog
from commentator_lib.runs.reader import load_run, read_journal, read_shown
from commentator_lib.runs.record import CycleRecord, RunLogError, totals


def a_log(folder, cycles=3):
    log = RunLog(folder, {"mode": "live"})
    for k in range(1, cycles + 1):
        log.cycle(CycleRecord(cycle=k, outcome="spoken", heard_from_s=k * 1.0, text=f"Número {k}"))
    log.sampled([{"at_s": 1.0, "delay_applied_s": 2.5}])
    log.shown(0, 0.0, 1.0, 1.0)
    log.sounded(1, np.arange(10, dtype=np.int16), 1.0)
    log.captioned(1, "Número 1", True, 1.0)
    return log


def test_every_row_is_on_disk_before_the_run_ends(tmp_path):
    log = a_log(tmp_path / "run")
    run = load_run(tmp_path / "run")
    assert list(run.cycles.cycle) == [1, 2, 3] and run.cycles.text[1] == "Número 2"
    assert run.header["mode"] == "live" and "finished" not in run.header
    assert [e["kind"] for e in run.events] == ["sound", "caption"]
    log.close()


def test_tables_at_the_end_are_the_journals(tmp_path):
    log = a_log(tmp_path / "run")
    log.finish({"frames_shown": 1})
    cycles = pd.read_parquet(tmp_path / "run" / "cycles.parquet")
    pd.testing.assert_frame_equal(cycles, log.cycles, check_dtype=False)
    assert list(pd.read_parquet(tmp_path / "run" / "samples.parquet").delay_applied_s) == [2.5]
    assert load_run(tmp_path / "run").header["finished"] is True
    assert read_shown(tmp_path / "run").tolist() == [[0, 0, 1, 1]]


def test_columns_and_types_stand_even_without_rows(tmp_path):
    log = RunLog(tmp_path / "run", {})
    log.finish({})
    cycles = pd.read_parquet(tmp_path / "run" / "cycles.parquet")
    assert len(cycles) == 0 and {"outcome", "first_sound_latency_s", "vram_peak_bytes"} <= set(cycles.columns)


def test_memory_only_log_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    log = a_log(None)
    log.finish({})
    assert len(log.cycles) == 3 and len(log.samples) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_full_disk_is_noted_and_does_not_raise(tmp_path):
    log = a_log(tmp_path / "run")
    log._files["cycles.jsonl"].close()
    log._files["cycles.jsonl"] = open("/dev/full", "w")  # noqa: SIM115
    log.cycle(CycleRecord(cycle=4))
    assert "No space left" in log.problem and "cycles.jsonl" in log.problem
    log.cycle(CycleRecord(cycle=5))
    log.finish({})
    assert [c["cycle"] for c in read_journal(tmp_path / "run" / "cycles.jsonl")] == [1, 2, 3]


def test_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunLogError, match="cannot write the run folder .*--out"):
        RunLog(tmp_path / "file" / "run", {})


def test_times_are_rounded_to_the_microsecond():
    log = RunLog(None, {})
    log.cycle(CycleRecord(cycle=1, heard_from_s=1.23456789))
    assert log.cycle_rows[0]["heard_from_s"] == 1.234568
    assert json.dumps(log.cycle_rows[0])


def test_totals_count_every_outcome():
    assert totals([{"outcome": "spoken"}, {"outcome": "spoken"}, {"outcome": "failed"}]) == {
        "spoken": 2,
        "silent": 0,
        "unchanged": 0,
        "interrupted": 0,
        "stale": 0,
        "failed": 1,
    }


def test_failed_cycle_is_a_warning_with_its_reason(caplog):
    with caplog.at_level(logging.INFO, logger="commentator_lib"):
        log = RunLog(None, {})
        log.cycle(CycleRecord(cycle=1, outcome="spoken"))
        log.cycle(CycleRecord(cycle=2, outcome="failed", reason="out of memory"))
    assert [(r.levelname, r.getMessage()) for r in caplog.records] == [
        ("WARNING", "cycle 2 failed: out of memory")
    ]


def test_half_of_a_surrogate_pair_becomes_a_sign_that_can_be_stored(tmp_path):
    for folder in (tmp_path / "run", None):
        log = RunLog(folder, {"instruction": "look \udcff"})
        log.cycle(CycleRecord(cycle=1, outcome="failed", text="half \ud83d of it", reason="\udc00"))
        log.captioned(1, "whole \ud83d\ude00, half \ud83d", True, 1.0)
        log.question({"question": 1, "text": "why \ud83d?", "state": "asked"})
        log.changed("instruction", "\ud83d", None, 1.0)
        assert list(log.cycles.text) == ["half \ufffd of it"] and list(log.questions.text) == ["why \ufffd?"]
        log.finish({})
        assert log.problem == ""
    assert load_run(tmp_path / "run").events[0]["text"] == "whole 😀, half \ufffd"
    assert pd.read_parquet(tmp_path / "run" / "cycles.parquet").reason[0] == "\ufffd"
    assert load_run(tmp_path / "run").header["instruction"] == "look \ufffd"
