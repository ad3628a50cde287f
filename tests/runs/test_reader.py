"""Reading run folders: cut-off lines, and folders that are no run or damaged."""

from __future__ import annotations

import pytest

from commentator_lib.runs.reader import load_run, read_journal, read_shown
from commentator_lib.runs.record import RunLogError
from tests.runs.test_log import a_log


def test_line_cut_off_by_a_kill_is_left_out(tmp_path):
    log = a_log(tmp_path / "run")
    log.close()
    for name in ("cycles.jsonl", "shown.csv"):
        with open(tmp_path / "run" / name, "a") as file:
            file.write('{"cycle": 4, "outco' if name.endswith("jsonl") else "1,0.04,1.")
    assert len(list(read_journal(tmp_path / "run" / "cycles.jsonl"))) == 3
    assert len(read_shown(tmp_path / "run")) == 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda d: None, "no run folder"),
        (lambda d: d.mkdir(), "no run.json"),
        (lambda d: (d.mkdir(), (d / "run.json").write_text("{")), "damaged"),
        (lambda d: (d.mkdir(), (d / "run.json").write_text('{"format_version": 99}')), "format 99"),
        (
            lambda d: (
                d.mkdir(),
                (d / "run.json").write_text('{"format_version": 1}'),
                (d / "cycles.jsonl").write_text("nonsense\n"),
            ),
            "damaged",
        ),
    ],
)
def test_folder_that_is_no_run(tmp_path, make, message):
    make(tmp_path / "run")
    with pytest.raises(RunLogError, match=message) as caught:
        load_run(tmp_path / "run")
    assert "\n" not in str(caught.value)
