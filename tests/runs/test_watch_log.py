"""What watchers noticed, in the run's folder: written as it happens, one row an event, with the cycle that told it."""

from __future__ import annotations

import json

import pandas as pd

from commentator_lib.events import Event
from commentator_lib.runs.log import RunLog, finish_run
from commentator_lib.runs.reader import load_run

COLUMNS = ["event", "kind", "at_s", "detected_s", "captured_s", "importance", "certainty", "facts", "cycle"]


def noticed(log):
    first = log.noticed(Event("score", 4.0, 4.6, 3, 0.95, {"score": [1, 0]}), 4.1)
    second = log.noticed(Event("cut", 5.0, 5.2, 0), 5.1)
    log.told([first], 7)
    log.told([first], 9)  # once is enough
    return first, second


def test_rows_of_events_and_of_who_told_them(tmp_path):
    log = RunLog(tmp_path / "run", {})
    assert noticed(log) == (0, 1)
    frame = log.events
    assert list(frame.columns) == COLUMNS and list(frame.kind) == ["score", "cut"]
    assert list(frame.cycle) == [7, pd.NA] or (frame.cycle[0] == 7 and pd.isna(frame.cycle[1]))
    assert json.loads(frame.facts[0]) == {"score": [1, 0]}


def test_the_table_is_written_at_the_end(tmp_path):
    log = RunLog(tmp_path / "run", {})
    noticed(log)
    log.finish({})
    frame = pd.read_parquet(tmp_path / "run" / "events.parquet")
    assert list(frame.columns) == COLUMNS and len(frame) == 2
    assert load_run(tmp_path / "run").noticed.equals(log.events)


def test_a_killed_run_gets_its_table(tmp_path):
    log = RunLog(tmp_path / "run", {})
    noticed(log)
    log.close()
    assert finish_run(tmp_path / "run")
    assert len(pd.read_parquet(tmp_path / "run" / "events.parquet")) == 2


def test_without_events_the_table_has_its_columns(tmp_path):
    log = RunLog(tmp_path / "run", {})
    log.finish({})
    frame = pd.read_parquet(tmp_path / "run" / "events.parquet")
    assert list(frame.columns) == COLUMNS and len(frame) == 0


def test_facts_of_any_kind_are_logged(tmp_path):
    log = RunLog(None, {})
    log.noticed(Event("odd", 0.0, 0.0, facts={"path": tmp_path, "größe": 1}), 0.0)
    assert json.loads(log.events.facts[0])["größe"] == 1
