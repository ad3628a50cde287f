"""Sweeps: what a file may say, that nothing finished is ever lost or done twice, and the cluster."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from commentator_lib.settings import SettingsError
from experiments.sweeping import jobs, run_job
from experiments.sweeping.jobs import load_sweep, plan_jobs
from experiments.sweeping.journal import Journal, load_results
from experiments.sweeping.run_jobs import run_sweep
from experiments.sweeping.sweep_file import Sweep, SweepError, make_sweep

ROOT = Path(__file__).resolve().parents[3]
SMALL = """
mode = "what-if"
duration_s = 20
seeds = [0, 1]
costs = ["minicpmo_h100"]

[grid]
frame_stride = [1, 2]
change_threshold = [0, 10]
"""
MANY = SMALL.replace("[0, 1]", str(list(range(30)))).replace("duration_s = 20", "duration_s = 60")


def written(tmp_path, text=SMALL, name="small"):
    path = tmp_path / f"{name}.toml"
    path.write_text(text)
    return path


def command(*arguments, **more):
    return subprocess.run(
        [sys.executable, "-m", "experiments.sweep", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        **more,
    )


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def without_time(rows):
    return {r["key"]: {k: v for k, v in r.items() if k not in ("wall_s",)} for r in rows}


# --- the file


def test_every_combination_is_one_job_with_a_key_of_its_own(tmp_path):
    found = plan_jobs(load_sweep(written(tmp_path)))
    assert len(found) == 8 and len({j.key for j in found}) == 8
    assert found[0].settings == {"commentator": "scripted", "frame_stride": 1, "change_threshold": 0}


def test_a_key_depends_on_all_that_makes_a_run(tmp_path, monkeypatch):
    first = plan_jobs(load_sweep(written(tmp_path)))[0].key
    for old, new in (
        ("duration_s = 20", "duration_s = 21"),
        ("minicpmo_h100", "rtx4090_published"),
        ("[grid]", "[settings]\npause_s = 0.5\n[grid]"),
        ("[grid]", "[spotter]\nmisread = 0.5\n[grid]"),
    ):
        assert plan_jobs(load_sweep(written(tmp_path, SMALL.replace(old, new))))[0].key != first, new
    monkeypatch.setattr(jobs, "RENDER_VERSION", 0)  # other pictures of the same match
    assert plan_jobs(load_sweep(written(tmp_path)))[0].key != first


@pytest.mark.parametrize(
    "path", sorted((ROOT / "experiments" / "sweeps").glob("*.toml")), ids=lambda p: p.stem
)
def test_shipped_sweeps_can_be_run(path):
    assert len(plan_jobs(load_sweep(path))) >= 2


def test_the_sweep_of_make_sweep_has_a_thousand_runs_of_ten_minutes():
    found = load_sweep(ROOT / "experiments" / "sweeps" / "stride_threshold_cap.toml")
    assert len(plan_jobs(found)) >= 1000 and found.duration_s == 600


BAD = {
    "unknown setting": ("frame_stride = [1, 2]", "frame_strid = [1, 2]", "did you mean frame_stride"),
    "empty grid": ("frame_stride = [1, 2]", "frame_stride = []", "the grid of frame_stride is empty"),
    "no list": ("frame_stride = [1, 2]", "frame_stride = 2", "give a list"),
    "out of range": ("frame_stride = [1, 2]", "frame_stride = [1, 9]", "frame_stride = 9"),
    "wrong type": ("frame_stride = [1, 2]", 'frame_stride = ["two"]', "frame_stride = 'two'"),
    "unknown entry": ("seeds", "seds", "did you mean seeds"),
    "mode": ('"what-if"', '"what"', "must be one of what-if, replay, live"),
    "no cost": ('costs = ["minicpmo_h100"]', "", "what-if needs a cost"),
    "unknown cost": ("minicpmo_h100", "minicpmo_a100", "shipped are"),
    "bad seed": ("seeds = [0, 1]", "seeds = [-1]", "whole numbers"),
    "no seeds": ("seeds = [0, 1]", "seeds = []", "seeds must be a list"),
    "seed in the grid": ("[grid]", "[grid]\nseed = [1]", "not swept by the grid"),
    "length": ("duration_s = 20", "duration_s = 5", "duration_s = 5 is out of range"),
    "length in words": ("duration_s = 20", 'duration_s = "long"', "number of seconds"),
    "clip": ("seeds", 'clips = ["match:x"]\nseeds', "write match:SEED"),
    "film in what-if": ("seeds", 'clips = ["film.mp4"]\nseeds', "scripted matches only"),
    "no film": ('mode = "what-if"', 'mode = "replay"\nclips = ["no.mp4"]', "no such file"),
    "costs in replay": ('"what-if"', '"replay"', "belong to mode what-if"),
    "spotter": ("[grid]", "[spotter]\nluck = 1.0\n[grid]", "no 'luck'"),
    "share": ("[grid]", "[spotter]\nmisread = 2\n[grid]", "is a share"),
    "window": ("frame_stride = [1, 2]", "frames_per_inference = [10]\nframe_stride = [4]", "window_frames"),
    "no TOML": ("[grid]", "[grid", "not valid TOML"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_files_are_named_in_one_line(case, tmp_path):
    old, new, message = BAD[case]
    text = SMALL.replace('costs = ["minicpmo_h100"]', "") if case == "no film" else SMALL
    assert old in text
    with pytest.raises((SweepError, SettingsError), match=message) as error:
        load_sweep(written(tmp_path, text.replace(old, new)))
    assert "\n" not in str(error.value)


def test_the_command_ends_with_2_and_makes_nothing(tmp_path):
    bad = written(tmp_path, SMALL.replace("[1, 2]", "[]"))
    good = written(tmp_path, name="good")
    for arguments in ([bad], [tmp_path / "none.toml"], [good, "--jobs", 0]):
        done = command(*arguments, "--out", tmp_path / "out")
        assert done.returncode == 2 and "Traceback" not in done.stderr and done.stderr.count("\n") == 1
        assert not (tmp_path / "out").exists()


def test_events_of_another_clip_are_refused(tmp_path):
    from experiments.match_clip.events import Stretch, Truth, save_events
    from tests.conftest import make_clip

    clip = make_clip(tmp_path / "clip.mp4")
    save_events(Truth(1.0, (), (Stretch("action", 0.0, 1.0),)), tmp_path / "clip.events.json", clip)
    text = SMALL.replace('"what-if"', '"replay"').replace('costs = ["minicpmo_h100"]', f'clips = ["{clip}"]')
    load_sweep(written(tmp_path, text))
    make_clip(clip, frames=10)
    with pytest.raises(SweepError, match="another clip"):
        load_sweep(written(tmp_path, text))


# --- running


def test_runs_are_appended_and_skipped(tmp_path):
    path = written(tmp_path)
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
    # A larger grid adds to it; a smaller one shows only its own.
    more = written(tmp_path, SMALL.replace("[0, 10]", "[0, 10, 30]"), "more")
    grown = run_sweep(load_sweep(more), tmp_path / "out", n_jobs=1, progress=False)
    assert (grown["done"], grown["skipped"]) == (4, 8)
    assert len(load_results(tmp_path / "out")) == 12
    run_sweep(load_sweep(path), tmp_path / "out", progress=False)
    assert len(load_results(tmp_path / "out")) == 8


def test_results_can_be_read_when_the_cost_file_has_gone_or_changed(tmp_path):
    from experiments.sweeping.costs import load_cost, save_cost

    save_cost(load_cost("minicpmo_h100"), tmp_path / "mine.toml")
    found = load_sweep(written(tmp_path, SMALL.replace("minicpmo_h100", str(tmp_path / "mine.toml"))))
    run_sweep(found, tmp_path / "out", n_jobs=1, progress=False)
    (tmp_path / "mine.toml").unlink()
    assert len(load_results(tmp_path / "out")) == 8


def test_rows_stand_in_the_order_of_the_sweep(tmp_path):
    found = load_sweep(written(tmp_path))
    run_sweep(found, tmp_path / "out", n_jobs=2, progress=False)
    assert load_results(tmp_path / "out")["key"].tolist() == [job.key for job in plan_jobs(found)]


def test_two_processes_give_what_one_gives(tmp_path):
    found = load_sweep(written(tmp_path))
    run_sweep(found, tmp_path / "one", n_jobs=1, progress=False)
    run_sweep(found, tmp_path / "two", n_jobs=2, progress=False)
    one, two = (without_time(lines(tmp_path / n / "runs.jsonl")) for n in ("one", "two"))
    assert one == two and len(one) == 8


def start(path, out, **more):
    return subprocess.Popen(
        [sys.executable, "-m", "experiments.sweep", str(path), "--out", str(out), "--jobs", "2"],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        **more,
    )


def wait_for_rows(path, count, process):
    """Wait as long as the sweep runs: how soon its first rows come depends on what else the machine does."""
    while not path.exists() or path.read_bytes().count(b"\n") < count:
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.02)


def test_after_a_kill_nothing_is_lost_and_nothing_is_done_twice(tmp_path):
    path, journal = written(tmp_path, MANY), tmp_path / "out" / "runs.jsonl"
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


def test_ctrl_c_leaves_everything_written(tmp_path):
    path, journal = written(tmp_path, MANY), tmp_path / "out" / "runs.jsonl"
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


def test_a_run_that_failed_is_told_and_tried_again(tmp_path, monkeypatch):
    found = load_sweep(written(tmp_path))
    monkeypatch.setattr(run_job, "run_what_if", lambda job: (_ for _ in ()).throw(RuntimeError("no luck")))
    result = run_sweep(found, tmp_path / "out", n_jobs=1, progress=False)
    assert result["failed"] == 8 and len(load_results(tmp_path / "out")) == 0
    assert lines(tmp_path / "out" / "runs.jsonl")[0]["error"] == "RuntimeError: no luck"
    monkeypatch.undo()
    result = run_sweep(found, tmp_path / "out", n_jobs=1, progress=False)
    assert (result["done"], result["failed"]) == (8, 0) and len(load_results(tmp_path / "out")) == 8


def test_replay_runs_the_real_eye_and_keeps_the_run(tmp_path):
    found = Sweep(name="replay", mode="replay", settings={"speech": True}, duration_s=20, height=180)
    result = run_sweep(found, tmp_path / "out", progress=False)
    assert result["failed"] == 0, lines(tmp_path / "out" / "runs.jsonl")
    row = load_results(tmp_path / "out").iloc[0]
    assert row.commentator == "baseline" and row.frames_shown == 500 and row.comments_per_min > 0
    assert (tmp_path / "out" / row.run / "cycles.parquet").exists()
    assert row.slew_max <= 0.1 + 1e-6 and row.repeated_frames == 0


def test_workers_that_die_do_not_take_the_sweep_with_them(tmp_path):
    """Killed from outside: a replay run is a failed row, a what-if sweep ends with a line and goes on later."""
    found = Sweep(name="replay", mode="replay", duration_s=60, height=180)
    with killed_after_a_line("out/*/cycles.jsonl", "spawn_main", tmp_path):
        result = run_sweep(found, tmp_path / "out", progress=False)
    assert result["failed"] == 1
    assert lines(tmp_path / "out" / "runs.jsonl")[0]["error"].startswith("its process died")
    again = run_sweep(found, tmp_path / "out", progress=False)
    assert (again["done"], again["failed"]) == (1, 0) and len(list(tmp_path.glob("out/*-killed-*"))) == 1

    many = load_sweep(written(tmp_path, MANY))
    with killed_after_a_line("many/runs.jsonl", "popen_loky", tmp_path):
        with pytest.raises(SweepError, match="a worker died.*go on"):
            run_sweep(many, tmp_path / "many", n_jobs=2, progress=False)
    before = len(lines(tmp_path / "many" / "runs.jsonl"))
    result = run_sweep(many, tmp_path / "many", n_jobs=2, progress=False)
    assert 0 < before < 120 and result["done"] == 120 - before


@contextlib.contextmanager
def killed_after_a_line(pattern, program, folder):
    """Kill a process of ours whose command line names `program`, once a file has a whole line."""

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


# --- folders


def test_folders_that_are_something_else_are_left_alone(tmp_path):
    found = load_sweep(written(tmp_path))
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
    found = load_sweep(written(tmp_path))
    journal = Journal(tmp_path / "out", found)
    with pytest.raises(SweepError, match="another sweep is writing"):
        Journal(tmp_path / "out", found)
    journal.close()
    Journal(tmp_path / "out", found).close()


# --- the cluster


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@contextlib.contextmanager
def cluster(workers=2, threads=1):
    """A Dask scheduler and workers on loopback, each a process; yields (address, worker processes)."""
    address = f"tcp://127.0.0.1:{free_port()}"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": "10s"}
    dask = [sys.executable, "-m", "dask"]
    quiet = {"cwd": ROOT, "env": environment, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    processes = []
    try:
        processes.append(
            subprocess.Popen(
                [
                    *dask,
                    "scheduler",
                    "--host",
                    "127.0.0.1",
                    "--port",
                    address.rsplit(":", 1)[1],
                    "--no-dashboard",
                    "--idle-timeout",
                    "120s",
                ],
                **quiet,
            )
        )
        for _ in range(workers):
            processes.append(
                subprocess.Popen(
                    [
                        *dask,
                        "worker",
                        address,
                        "--host",
                        "127.0.0.1",
                        "--nthreads",
                        str(threads),
                        "--no-nanny",
                        "--no-dashboard",
                        "--death-timeout",
                        "60",
                    ],
                    **quiet,
                )
            )
        wait_for_workers(address, workers)
        yield address, processes[1:]
    finally:
        for process in processes:
            process.kill()
            process.wait()


def wait_for_workers(address, count):
    from distributed import Client

    deadline = time.monotonic() + 60
    while True:
        try:
            with Client(address, timeout=5) as client:
                client.wait_for_workers(count, timeout=30)
                return
        except OSError:
            assert time.monotonic() < deadline, "no scheduler came up"


def test_a_cluster_gives_the_same_rows_and_outlives_a_worker(tmp_path):
    pytest.importorskip("distributed")
    found = load_sweep(written(tmp_path, MANY))
    with cluster() as (address, workers):
        journal = tmp_path / "out" / "runs.jsonl"

        def kill_one():
            deadline = time.monotonic() + 60
            while time.monotonic() < deadline:
                if journal.exists() and journal.read_bytes().count(b"\n") >= 10:
                    workers[0].kill()
                    return
                time.sleep(0.02)

        killer = threading.Thread(target=kill_one)
        killer.start()
        result = run_sweep(found, tmp_path / "out", cluster=address, progress=False)
        killer.join()
        assert workers[0].wait(10) == -signal.SIGKILL and workers[1].poll() is None
    assert (result["done"], result["failed"]) == (120, 0)
    few = make_sweep(found.model_dump() | {"seeds": [0, 29]})
    run_sweep(few, tmp_path / "here", n_jobs=1, progress=False)
    there, here = (without_time(lines(tmp_path / n / "runs.jsonl")) for n in ("out", "here"))
    assert len(here) == 8 and here == {key: there[key] for key in here}


def test_no_cluster_is_one_line(tmp_path):
    pytest.importorskip("distributed")
    for address in (f"tcp://127.0.0.1:{free_port()}", "nonsense://x"):
        done = command(written(tmp_path), "--out", tmp_path / "out", "--cluster", address)
        assert done.returncode == 2 and "no Dask scheduler answers" in done.stderr, done.stderr
        assert "Traceback" not in done.stderr


def test_replay_wants_workers_of_one_thread(tmp_path):
    pytest.importorskip("distributed")
    with cluster(workers=1, threads=2) as (address, _):
        with pytest.raises(SweepError, match="--nthreads 1"):
            run_sweep(
                Sweep(name="r", mode="replay", duration_s=20),
                tmp_path / "out",
                cluster=address,
                progress=False,
            )
