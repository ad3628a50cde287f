"""Results folders: a folder of something else is refused, and one sweep at a time may write."""

from __future__ import annotations

import pytest

from experiments.sweeping.jobs import load_sweep
from experiments.sweeping.journal import Journal, load_results
from experiments.sweeping.sweep_file import SweepError
from tests.experiments.sweeping.conftest import write_sweep_file


def test_folders_that_are_something_else_are_left_alone(tmp_path):
    found = load_sweep(write_sweep_file(tmp_path))
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.txt").write_text("mine")
    with pytest.raises(SweepError, match="holds files but no sweep.json"):
        Journal(other, found)
    with pytest.raises(SweepError, match="is a file"):
        Journal(other / "thesis.txt", found)
    old = tmp_path / "old"
    old.mkdir()
    (old / "sweep.json").write_text('{"format_version": 0}')
    (old / "runs.jsonl").write_text('{"key": "x", "error": ""}\n')
    with pytest.raises(SweepError, match="format 0"):
        Journal(old, found)
    (old / "sweep.json").write_text('{"format_ver')
    with pytest.raises(SweepError, match="damaged"):
        Journal(old, found)
    assert sorted(p.name for p in other.iterdir()) == ["thesis.txt"]
    assert (old / "runs.jsonl").read_text() == '{"key": "x", "error": ""}\n'
    with pytest.raises(SweepError, match="no results folder"):
        load_results(tmp_path / "nowhere")


def test_two_sweeps_do_not_write_to_one_folder(tmp_path):
    found = load_sweep(write_sweep_file(tmp_path))
    journal = Journal(tmp_path / "out", found)
    with pytest.raises(SweepError, match="another sweep is writing"):
        Journal(tmp_path / "out", found)
    journal.close()
    Journal(tmp_path / "out", found).close()
