"""Sweeps on a Dask cluster: the same rows, and none lost or doubled, whatever dies."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import signal
import threading
import time
import weakref

import psutil
import pytest

from experiments.benchmarks.cluster_processes import local_cluster
from experiments.benchmarks.source_servers import free_port
from experiments.sweeping import run_jobs
from experiments.sweeping.jobs import load_sweep, plan_jobs
from experiments.sweeping.run_jobs import chosen_gpus, count_slots, run_sweep
from experiments.sweeping.sweep_file import Sweep, SweepError, make_sweep
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

pytest.importorskip("distributed")

PLAIN, GPU, TWO_THREADS = (
    {"nthreads": threads, "resources": resources}
    for threads, resources in ((1, {}), (1, {"GPU": 1}), (2, {}))
)
REPLAY = Sweep(name="r", mode="replay", duration_s=20, seeds=list(range(12)))


@contextlib.contextmanager
def after_rows(journal, count, act):
    """Call `act` as soon as a journal has so many rows."""

    def wait_and_act():
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if count_rows(journal) >= count:
                act()
                return
            time.sleep(0.02)

    actor = threading.Thread(target=wait_and_act)
    actor.start()
    try:
        yield
    finally:
        actor.join()


@pytest.mark.slow
def test_a_cluster_gives_the_same_rows_and_outlives_a_worker(tmp_path):
    found = load_sweep(write_sweep_file(tmp_path, MANY))
    with local_cluster() as (address, (_, lost, kept)):
        with after_rows(tmp_path / "out" / "runs.jsonl", 10, lost.kill):
            result = run_sweep(found, tmp_path / "out", cluster=address, progress=False)
        assert lost.wait(10) == -signal.SIGKILL and kept.poll() is None
    assert (result["done"], result["failed"]) == (120, 0)
    assert len(lines(tmp_path / "out" / "runs.jsonl")) == 120
    few = make_sweep(found.model_dump() | {"seeds": [0, 29]})
    run_sweep(few, tmp_path / "here", n_jobs=1, progress=False)
    there, here = (without_time(lines(tmp_path / n / "runs.jsonl")) for n in ("out", "here"))
    assert len(here) == 8 and here == {key: there[key] for key in here}


@pytest.mark.slow
def test_each_worker_prepares_a_clip_once_and_is_sent_jobs_only(tmp_path):
    from distributed import Client

    from experiments.sweeping.run_job import tiny_match

    found = load_sweep(write_sweep_file(tmp_path, SMALL.replace("[0, 1]", str(list(range(10))))))
    with local_cluster() as (address, _):
        result = run_sweep(found, tmp_path / "out", cluster=address, progress=False)
        with Client(address) as client:
            prepared = client.run(tiny_match.cache_info).values()
    assert (result["done"], result["failed"]) == (40, 0)
    assert [cache.misses for cache in prepared] == [1, 1], prepared
    assert sum(cache.hits for cache in prepared) == 38


def die_with_seed_1(job, folder):
    """Note the attempt; end the worker's process where the job has seed 1 and the first threshold and stride."""
    from experiments.sweeping.run_job import run_job

    if (job.seed, job.settings["frame_stride"], job.settings["change_threshold"]) != (1, 1, 0):
        return run_job(job, folder)
    with open(f"{folder}/attempts", "a") as file:
        file.write("x")
    os._exit(1)


@pytest.mark.slow
def test_a_run_that_kills_its_workers_is_tried_once_more_and_fails_alone(tmp_path, monkeypatch):
    found = load_sweep(write_sweep_file(tmp_path))
    monkeypatch.setattr(run_jobs, "run_and_collect", die_with_seed_1)
    once_more = {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1"}
    with local_cluster(workers=3, settings=once_more) as (address, _):
        result = run_sweep(found, tmp_path / "out", cluster=address, progress=False)
    rows = lines(tmp_path / "out" / "runs.jsonl")
    assert result["done"] == len(rows) == len({row["key"] for row in rows}) == 8
    failed = {(row["seed"], row["frame_stride"], row["change_threshold"]): row["error"] for row in rows}
    assert failed[1, 1, 0].startswith("its workers died")
    assert (tmp_path / "out" / "attempts").read_text() == "xx"
    assert result["failed"] <= 3  # those that were beside it both times


def fail(job, folder):
    raise RuntimeError("no luck")


@pytest.mark.slow
def test_a_fault_outside_of_a_run_is_its_row(tmp_path, monkeypatch):
    monkeypatch.setattr(run_jobs, "run_and_collect", fail)
    with local_cluster(workers=1) as (address, _):
        result = run_sweep(
            load_sweep(write_sweep_file(tmp_path)), tmp_path / "out", cluster=address, progress=False
        )
    assert (result["done"], result["failed"]) == (8, 8)
    assert {row["error"] for row in lines(tmp_path / "out" / "runs.jsonl")} == {"RuntimeError: no luck"}


@pytest.mark.slow
def test_a_lost_scheduler_is_one_line_and_the_sweep_goes_on_later(tmp_path):
    path, journal = write_sweep_file(tmp_path, MANY), tmp_path / "out" / "runs.jsonl"
    with local_cluster() as (address, (scheduler, *_)):
        with after_rows(journal, 10, scheduler.kill):
            done = command(path, "--out", tmp_path / "out", "--cluster", address)
    assert done.returncode == 2 and "is lost" in done.stderr and "run the sweep again" in done.stderr
    before = len(lines(journal))
    again = run_sweep(load_sweep(path), tmp_path / "out", n_jobs=2, progress=False)
    assert 10 <= before < 120 and (again["skipped"], again["done"]) == (before, 120 - before)


def test_ended_runs_do_not_pile_up(monkeypatch):
    class Ended:
        def __init__(self):
            self.itself = self

    alive = weakref.WeakSet()
    monkeypatch.setattr(run_jobs, "run_job", lambda job, folder: alive.add(Ended()) or {"error": ""})
    gc.disable()  # Python's own collections come when they come
    try:
        counts = [len(alive) for _ in range(30) if run_jobs.run_and_collect(None, "")]
    finally:
        gc.enable()
    assert max(counts) < 10 and 0 in counts, counts


class OneWorkerThatLeaves:
    """A Dask client: its only worker is gone when it is asked for again, and no run ever ends."""

    def __init__(self):
        self.asked = 0
        self.submitted = []

    def scheduler_info(self, n_workers):
        self.asked += 1
        return {"workers": {"tcp://w": PLAIN} if self.asked == 1 else {}}

    def submit(self, _run, job, _folder, **_more):
        self.submitted.append(job)
        return self

    def add_done_callback(self, _call):
        pass


def test_without_workers_a_sweep_ends_and_has_claimed_what_they_would_do_next(tmp_path, monkeypatch):
    monkeypatch.setattr(run_jobs, "_NO_WORKERS_S", 0.3)
    monkeypatch.setattr(run_jobs, "_ASK_AGAIN_S", 0.05)
    jobs, claimed, client = plan_jobs(load_sweep(write_sweep_file(tmp_path))), [], OneWorkerThatLeaves()

    def claim(key):
        claimed.append(key)
        return True

    with pytest.raises(SweepError, match="lost all fitting workers"):
        list(run_jobs._rows_of_futures(jobs, claim, tmp_path, client))
    assert client.submitted == jobs[:2] and claimed == [job.key for job in jobs[:2]]


@contextlib.contextmanager
def cluster_in_this_process(declared):
    """Start workers of one thread with the resources that each declares: name → resources. Yield the address."""
    from distributed import Scheduler, SpecCluster, Worker

    on_loopback = {"host": "127.0.0.1", "dashboard_address": "127.0.0.1:0", "dashboard": False}
    workers = {
        name: {"cls": Worker, "options": {"nthreads": 1, "resources": resources, **on_loopback}}
        for name, resources in declared.items()
    }
    scheduler = {"cls": Scheduler, "options": {"port": 0, **on_loopback}}
    with SpecCluster(workers, scheduler) as cluster:
        yield cluster.scheduler_address


def say_where(job, folder):
    from distributed import get_worker

    from_s = time.monotonic()
    time.sleep(0.05)
    where = {"worker": get_worker().name, "from_s": from_s, "to_s": time.monotonic()}
    return {**job.columns(), "error": "", **where}


def test_real_runs_take_a_gpu_each(tmp_path, monkeypatch):
    """Runs of replay go to the workers that declare a GPU, one at a time on each; what-if runs go anywhere."""
    monkeypatch.setattr(run_jobs, "run_and_collect", say_where)
    what_if = load_sweep(write_sweep_file(tmp_path))
    declared = {"plain 1": {}, "gpu 1": {"GPU": 1}, "gpu 2": {"GPU": 1}, "plain 2": {}}
    with cluster_in_this_process(declared) as address:
        run_sweep(REPLAY, tmp_path / "real", cluster=address, progress=False)
        run_sweep(what_if, tmp_path / "what-if", cluster=address, progress=False)
    rows = lines(tmp_path / "real" / "runs.jsonl")
    assert len(rows) == 12 and {row["worker"] for row in rows} == {"gpu 1", "gpu 2"}
    for name in ("gpu 1", "gpu 2"):
        spans = sorted((row["from_s"], row["to_s"]) for row in rows if row["worker"] == name)
        assert all(ended <= began for (_, ended), (began, _) in zip(spans, spans[1:], strict=False)), spans
    assert {row["worker"] for row in lines(tmp_path / "what-if" / "runs.jsonl")} & {"plain 1", "plain 2"}


def test_which_workers_fit():
    replay = plan_jobs(REPLAY)
    model = plan_jobs(REPLAY.model_copy(update={"settings": {"commentator": "minicpmo"}}))
    assert chosen_gpus(replay, {"a": PLAIN}) is None
    assert chosen_gpus(replay, {"a": PLAIN, "b": GPU, "c": TWO_THREADS}) == {"GPU": 1}
    assert chosen_gpus(model, {"a": PLAIN, "b": GPU}) == {"GPU": 1}
    with pytest.raises(SweepError, match="minicpmo needs a GPU.*--resources GPU=1"):
        chosen_gpus(model, {"a": PLAIN})
    with pytest.raises(SweepError, match="--nthreads 1"):
        chosen_gpus(replay, {"a": PLAIN, "b": TWO_THREADS})
    with pytest.raises(SweepError, match="--nthreads 1"):
        chosen_gpus(replay, {"a": {**GPU, "nthreads": 2}})
    with pytest.raises(SweepError, match="no workers"):
        chosen_gpus(replay, {})
    every = {"a": PLAIN, "b": GPU, "c": TWO_THREADS}
    assert (count_slots("what-if", every, None), count_slots("live", every, {"GPU": 1})) == (8, 1)
    assert count_slots("replay", every, None) == 3


@pytest.mark.slow
def test_two_machines_fill_one_folder_and_one_of_them_dies(tmp_path):
    """Each has its own scheduler, worker and sweep. The one is killed in mid-run, with all that it has."""
    path = write_sweep_file(tmp_path, MANY.replace("[0, 10]", "[0, 10, 20]"))
    out, journal = tmp_path / "out", tmp_path / "out" / "runs.jsonl"
    with (
        local_cluster(workers=1) as (one_address, one_processes),
        local_cluster(workers=1) as (two_address, _),
    ):
        one, two = (start_sweep(path, out, "--cluster", address) for address in (one_address, two_address))
        try:
            for process in (one, two):
                opened = psutil.Process(process.pid).open_files
                wait_while_running(
                    lambda opened=opened: any(f.path == str(journal) for f in opened()), process
                )
            wait_while_running(lambda: count_rows(journal) >= 20, one)
            for process in (one, *one_processes):
                process.kill()
            stdout, stderr = two.communicate(timeout=200)
        finally:
            for process in (one, two):
                process.kill()
                process.communicate()
    assert two.returncode == 0, stderr
    result = json.loads(stdout.strip().splitlines()[-1])
    rows = lines(journal)
    assert len(rows) == len({row["key"] for row in rows}) == 180 and not any(row["error"] for row in rows)
    assert result["done"] and result["skipped"] + result["done_elsewhere"], result
    assert result["skipped"] + result["done"] + result["done_elsewhere"] == 180


@pytest.mark.realtime
def test_ctrl_c_leaves_everything_written(tmp_path):
    path, journal = write_sweep_file(tmp_path, MANY), tmp_path / "out" / "runs.jsonl"
    with local_cluster() as (address, _):
        sweep = start_sweep(path, tmp_path / "out", "--cluster", address)
        try:
            wait_while_running(lambda: count_rows(journal) >= 4, sweep)
            sweep.send_signal(signal.SIGINT)
            _, stderr = sweep.communicate(timeout=60)
        finally:
            sweep.kill()
    assert sweep.returncode == 130, stderr
    assert "run it again to go on" in stderr and "Traceback" not in stderr
    before = len(lines(journal))
    again = run_sweep(load_sweep(path), tmp_path / "out", n_jobs=2, progress=False)
    assert before >= 4 and (again["skipped"], again["done"]) == (before, 120 - before)


@pytest.mark.slow
def test_no_cluster_is_one_line(tmp_path):
    for address in (f"tcp://127.0.0.1:{free_port()}", "nonsense://x"):
        done = command(write_sweep_file(tmp_path), "--out", tmp_path / "out", "--cluster", address)
        assert done.returncode == 2 and "no Dask scheduler answers" in done.stderr, done.stderr
        assert "Traceback" not in done.stderr
