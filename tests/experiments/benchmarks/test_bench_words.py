"""The cases of bench_words: what is right stays right; the frame tells a wrong case from a right one."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from experiments.benchmarks import bench_words
from experiments.benchmarks.words_servers import CASES, is_silent, said, says


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_words_of_servers(name, tmp_path):
    assert CASES[name](tmp_path) == ""


def test_a_case_that_is_wrong_is_told_to_be():
    assert "<b>" in says(said("<b>It moves."), "It moves.")(None)


def test_a_silent_case_wants_its_reason(tmp_path):
    assert "is spoken" in is_silent(said("It moves."), "why")(tmp_path)


def test_an_error_counts_as_wrong():
    def broken(_folder):
        raise OSError("no such thing")

    assert bench_words.fault_of(broken) == "OSError: no such thing"
    assert bench_words.fault_of(lambda folder: "" if folder.is_dir() else "no folder") == ""


@pytest.mark.parametrize(("fault", "code"), [("", 0), ("too loud", 1)])
def test_each_case_is_a_line_and_the_last_line_counts(monkeypatch, fault, code):
    monkeypatch.setattr(
        bench_words, "all_cases", lambda: {"a: one": lambda _f: "", "a: two": lambda _f: fault}
    )
    done = CliRunner().invoke(bench_words.app, [])
    *lines, last = done.stdout.splitlines()
    assert done.exit_code == code and json.loads(last) == {"cases": 2, "right": 2 - code}
    assert len(lines) == 2 and lines[0].startswith("right") and (fault in lines[1])


def test_every_room_that_exists_has_cases():
    assert any(name.startswith("servers: ") for name in bench_words.all_cases())
