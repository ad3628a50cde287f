"""Sweeps: no finished run is ever lost or done twice."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import threading
import time

import psutil
import pytest

from experiments.sweeping import run_job
from experiments.sweeping.jobs import load_sweep, plan_jobs
from experiments.sweeping.journal import load_results
from experiments.sweeping.run_jobs import run_sweep
from experiments.sweeping.sweep_file import Sweep, SweepError
from tests.experiments.sweeping.conftest import (
    MANY,
    SMALL,
    command,
    count_rows,
    lines,
    start_sweep,
    wait_while_running,
    without_time,
    write_sweep_file,
)


@pytest.mark.slow
def test_runs_are_appended_and_skipped(tmp_path):
    path = write_sweep_file(tmp_path)
    done = command(path, "--out", tmp_path / "out", "--jobs", 1)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.strip().splitlines()[-1])
    assert (result["done"], result["skipped"], result["failed"]) == (8, 0, 0) and result["runs_per_s"] > 0
    before = (tmp_path / "out" / "runs.jsonl").read_bytes()
    again = json.loads(command(path, "--out", tmp_path / "out").stdout.strip().splitlines()[-1])
    assert (again["done"], again["skipped"]) == (0, 8)
    assert (tmp_path / "out" / "runs.jsonl").read_bytes() == before
    table = load_results(tmp_path / "out")
    assert len(table) == 8 and set(table.frame_stride) == {1, 2} and table.dead_air_share.between(0, 1).all()
    # A larger grid adds runs; with a smaller one only its own runs are shown.
    more = write_sweep_file(tmp_path, SMALL.replace("[0, 10]", "[0, 10, 30]"), "more")
    grown = run_sweep(load_sweep(more), tmp_path / "out", n_jobs=1, progress=False)
    assert (grown["done"], grown["skipped"]) == (4, 8)
    assert len(load_results(tmp_path / "out")) == 12
    run_sweep(load_sweep(path), tmp_path / "out", progress=False)
    assert len(load_results(tmp_path / "out")) == 8


@pytest.mark.slow
def test_results_can_be_read_when_the_cost_file_has_gone_or_changed(tmp_path):
    from experiments.sweeping.costs import load_cost, save_cost

    save_cost(load_cost("minicpmo_h100"), tmp_path / "mine.toml")
    found = load_sweep(
        write_sweep_file(tmp_path, SMALL.replace("minicpmo_h100", str(tmp_path / "mine.toml")))
    )
    run_sweep(found, tmp_path / "out", n_jobs=1, progress=False)
    (tmp_path / "mine.toml").unlink()
    assert len(load_results(tmp_path / "out")) == 8


@pytest.mark.slow
def test_rows_stand_in_the_order_of_the_sweep(small_run):
    found, folder = small_run
    assert load_results(folder)["key"].tolist() == [job.key for job in plan_jobs(found)]


@pytest.mark.slow
def test_two_processes_give_what_one_gives(small_run, tmp_path):
    found, folder = small_run
    run_sweep(found, tmp_path / "one", n_jobs=1, progress=False)
    one, two = (without_time(lines(path / "runs.jsonl")) for path in (tmp_path / "one", folder))
    assert one == two and len(one) == 8


def start(path, out, **more):
    return start_sweep(path, out, "--jobs", "2", **{"stdout": subprocess.DEVNULL, **more})


def wait_for_rows(path, count, process):
    wait_while_running(lambda: count_rows(path) >= count, process)


@pytest.mark.slow
def test_after_a_kill_nothing_is_lost_and_nothing_is_done_twice(tmp_path):
    path, journal = write_sweep_file(tmp_path, MANY), tmp_path / "out" / "runs.jsonl"
    process = start(path, tmp_path / "out")
    try:
        wait_for_rows(journal, 6, process)
        children = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        process.wait()
        _, alive = psutil.wait_procs(children, timeout=30)
        assert not alive, f"workers outlive their sweep: {alive}"
    finally:
        process.kill()
        process.stderr.close()
    finished = journal.read_bytes().count(b"\n")
    with open(journal, "ab") as file:  # as if it had been killed while it wrote
        file.write(b'{"key": "half a li')
    result = run_sweep(load_sweep(path), tmp_path / "out", n_jobs=2, progress=False)
    assert result["skipped"] == finished and result["done"] == 120 - finished
    rows = lines(journal)
    assert len(rows) == len({r["key"] for r in rows}) == 120


@pytest.mark.realtime
def test_ctrl_c_leaves_everything_written(tmp_path):
    path, journal = write_sweep_file(tmp_path, MANY), tmp_path / "out" / "runs.jsonl"
    process = start(path, tmp_path / "out")
    try:
        wait_for_rows(journal, 4, process)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130, stderr
    assert "run it again to go on" in stderr and "Traceback" not in stderr
    assert len(lines(journal)) >= 4


@pytest.mark.slow
def test_a_run_that_failed_is_counted_and_tried_again(tmp_path, monkeypatch):
    found = load_sweep(write_sweep_file(tmp_path))
    monkeypatch.setattr(run_job, "run_what_if", lambda job: (_ for _ in ()).throw(RuntimeError("no luck")))
    result = run_sweep(found, tmp_path / "out", n_jobs=1, progress=False)
    assert result["failed"] == 8 and len(load_results(tmp_path / "out")) == 0
    assert lines(tmp_path / "out" / "runs.jsonl")[0]["error"] == "RuntimeError: no luck"
    monkeypatch.undo()
    result = run_sweep(found, tmp_path / "out", n_jobs=1, progress=False)
    assert (result["done"], result["failed"]) == (8, 0) and len(load_results(tmp_path / "out")) == 8


@pytest.mark.slow
def test_replay_runs_the_baseline_and_keeps_the_run(tmp_path):
    found = Sweep(name="replay", mode="replay", settings={"speech": True}, duration_s=20, height=180)
    result = run_sweep(found, tmp_path / "out", progress=False)
    assert result["failed"] == 0, lines(tmp_path / "out" / "runs.jsonl")
    row = load_results(tmp_path / "out").iloc[0]
    assert row.commentator == "baseline" and row.frames_shown == 500 and row.comments_per_min > 0
    assert (tmp_path / "out" / row.run / "cycles.parquet").exists()
    assert row.slew_max <= 0.1 + 1e-6 and row.repeated_frames == 0


@pytest.mark.slow
def test_workers_that_die_do_not_take_the_sweep_with_them(tmp_path):
    """A replay run whose process is killed is a failed row; a what-if sweep ends with one line and can go on later."""
    found = Sweep(name="replay", mode="replay", duration_s=30, height=180)
    with killed_after_a_line("out/*/cycles.jsonl", "spawn_main", tmp_path):
        result = run_sweep(found, tmp_path / "out", progress=False)
    assert result["failed"] == 1
    assert lines(tmp_path / "out" / "runs.jsonl")[0]["error"].startswith("its process died")
    again = run_sweep(found, tmp_path / "out", progress=False)
    assert (again["done"], again["failed"]) == (1, 0) and len(list(tmp_path.glob("out/*-killed-*"))) == 1

    many = load_sweep(write_sweep_file(tmp_path, MANY))
    with killed_after_a_line("many/runs.jsonl", "popen_loky", tmp_path):
        with pytest.raises(SweepError, match="a worker died.*go on"):
            run_sweep(many, tmp_path / "many", n_jobs=2, progress=False)
    before = len(lines(tmp_path / "many" / "runs.jsonl"))
    result = run_sweep(many, tmp_path / "many", n_jobs=2, progress=False)
    assert 0 < before < 120 and result["done"] == 120 - before


@contextlib.contextmanager
def killed_after_a_line(pattern, program, folder):
    """Kill a child process whose command line contains `program` as soon as a file has a complete line."""

    def kill():
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if any(b"\n" in path.read_bytes() for path in folder.glob(pattern)):
                for child in psutil.Process().children(recursive=True):
                    with contextlib.suppress(psutil.Error):
                        if program in " ".join(child.cmdline()):
                            child.kill()
                            return
            time.sleep(0.01)

    killer = threading.Thread(target=kill)
    killer.start()
    yield
    killer.join()
