"""Results folders: those of something else are refused; sweeps of the same runs share one and lose or double no row."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys

import pytest

from experiments.sweeping.jobs import load_sweep, plan_jobs
from experiments.sweeping.journal import Journal, load_results
from experiments.sweeping.sweep_file import SweepError
from tests.experiments.sweeping.conftest import ROOT, SMALL, lines, write_sweep_file

# Another process: it opens a journal and answers each line of its input, which is an expression.
OTHER = """
import sys
from pathlib import Path
from experiments.sweeping.jobs import load_sweep
from experiments.sweeping.journal import Journal
from experiments.sweeping.sweep_file import SweepError
try:
    journal = Journal(Path(sys.argv[1]), load_sweep(Path(sys.argv[2])))
except SweepError as error:
    sys.exit(str(error))
print("open", flush=True)
for line in sys.stdin:
    print(eval(line), flush=True)
"""


@contextlib.contextmanager
def another_process(folder, path):
    """Open a folder's journal in another process. Yield (process, function that returns its answer to a line)."""
    process = subprocess.Popen(
        [sys.executable, "-c", OTHER, str(folder), str(path)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )

    def ask(line):
        process.stdin.write(line + "\n")
        process.stdin.flush()
        return process.stdout.readline().strip()

    try:
        assert process.stdout.readline() == "open\n"
        yield process, ask
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def small(tmp_path):
    """(sweep file, its sweep, the keys of its runs, a results folder that does not exist yet)."""
    path = write_sweep_file(tmp_path)
    found = load_sweep(path)
    return path, found, [job.key for job in plan_jobs(found)], tmp_path / "out"


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


def test_two_sweeps_of_one_process_do_not_write_to_one_folder(small):
    _, found, _, folder = small
    journal = Journal(folder, found)
    with pytest.raises(SweepError, match="another sweep is writing"):
        Journal(folder, found)
    journal.close()
    Journal(folder, found).close()


def test_a_claimed_run_is_done_by_one_process_until_that_one_dies(small):
    path, found, keys, folder = small
    with (
        another_process(folder, path) as (process, ask),
        contextlib.closing(Journal(folder, found)) as journal,
    ):
        assert ask(f"journal.claim({keys[0]!r})") == "True"
        assert not journal.claim(keys[0]) and journal.claim(keys[1])
        assert ask(f"journal.claim({keys[1]!r})") == "False"
        process.kill()
        process.wait()
        assert journal.claim(keys[0])


@pytest.mark.parametrize("error", ["", "RuntimeError: no luck"])
def test_a_row_of_another_process_counts(small, error):
    """Also a failed one, so that two sweeps do not both try it; a sweep that starts later tries it again."""
    path, found, keys, folder = small
    row = {"key": keys[0], "error": error}
    with another_process(folder, path) as (_, ask), contextlib.closing(Journal(folder, found)) as journal:
        assert ask(f"journal.claim({keys[0]!r}) and journal.append({row})") == "None"
        assert not journal.claim(keys[0]) and journal.done == {keys[0]}
        assert journal.claim(keys[1])
        journal.append({"key": keys[1], "error": ""})
        assert ask("len(journal.done), journal.claim(journal._header['keys'][1])") == "(1, False)"
        assert ask("len(journal.done)") == "2"
    assert [row["key"] for row in lines(folder / "runs.jsonl")] == keys[:2]
    with contextlib.closing(Journal(folder, found)) as later:
        assert later.claim(keys[0]) == bool(error) and not later.claim(keys[1])


def test_half_a_line_of_a_killed_process_is_removed_while_another_goes_on(small):
    path, found, keys, folder = small
    with (
        another_process(folder, path) as (process, ask),
        contextlib.closing(Journal(folder, found)) as journal,
    ):
        journal.append({"key": keys[0], "error": ""})
        ask('journal._file.write(b\'{"key": "half a li\'), journal._file.flush()')
        process.kill()
        process.wait()
        assert not (folder / "runs.jsonl").read_bytes().endswith(b"\n")
        journal.append({"key": keys[1], "error": ""})
    assert [row["key"] for row in lines(folder / "runs.jsonl")] == keys[:2]


def test_sweeps_of_other_runs_wait_for_each_other(small, tmp_path):
    path, found, keys, folder = small
    larger = load_sweep(write_sweep_file(tmp_path, SMALL.replace("[0, 10]", "[0, 10, 30]"), "larger"))
    with another_process(folder, path):
        with pytest.raises(SweepError, match="another sweep is writing other runs"):
            Journal(folder, larger)
        Journal(folder, found).close()
    assert json.loads((folder / "sweep.json").read_text())["keys"] == keys
    with contextlib.closing(Journal(folder, larger)):
        assert len(json.loads((folder / "sweep.json").read_text())["keys"]) == 12


def test_a_damaged_row_is_one_line(small):
    _, found, _, folder = small
    Journal(folder, found).close()
    (folder / "runs.jsonl").write_text("[1]\n")
    for _ in range(2):  # it leaves nothing open
        with pytest.raises(SweepError, match="runs.jsonl is damaged"):
            Journal(folder, found)
