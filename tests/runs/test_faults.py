"""What went wrong with comments is told once, and a run whose comments all failed is known."""

from __future__ import annotations

from commentator_lib.runs.faults import lasting_failure, new_faults
from commentator_lib.runs.record import SAID_BEFORE


def row(cycle, outcome, reason=""):
    return {"cycle": cycle, "outcome": outcome, "reason": reason}


def test_each_fault_is_told_once():
    told = set()
    rows = [
        row(1, "spoken"),
        row(2, "failed", "no answer for 20 s"),
        row(3, "silent", "the model refuses: no"),
        row(4, "silent"),
        row(4, "silent", f"{SAID_BEFORE}: 'A ball.'"),
        row(5, "stale", "ready 3 s behind its picture"),
        row(6, "spoken", "cut off at its 150 tokens"),
    ]
    assert new_faults(rows, told) == [
        "comment 2 failed: no answer for 20 s",
        "comment 3 says nothing: the model refuses: no",
        "comment 6 is not whole: cut off at its 150 tokens",
    ]
    assert new_faults([*rows, row(7, "failed", "no answer for 30 s")], told) == []
    assert new_faults([row(8, "failed", "404: no such model")], told) == [
        "comment 8 failed: 404: no such model"
    ]


def test_many_faults_do_not_fill_the_terminal():
    rows = [row(k, "failed", "reason " + "x" * k) for k in range(100)]
    assert 1 < len(new_faults(rows, set())) < 10


def test_a_failure_lasts_while_no_comment_has_come():
    assert lasting_failure([]) == "" and lasting_failure([row(1, "unchanged")]) == ""
    assert lasting_failure([row(1, "failed", "401"), row(2, "unchanged"), row(3, "failed", "404")]) == "404"
    for outcome in ("spoken", "silent", "interrupted", "stale"):
        assert lasting_failure([row(1, "failed", "401"), row(2, outcome), row(3, "failed", "404")]) == ""
