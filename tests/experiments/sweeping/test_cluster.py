"""Sweeps on a Dask cluster."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from experiments.sweeping.jobs import load_sweep
from experiments.sweeping.run_jobs import run_sweep
from experiments.sweeping.sweep_file import Sweep, SweepError, make_sweep
from tests.experiments.sweeping.conftest import MANY, ROOT, command, lines, without_time, write_sweep_file


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@contextlib.contextmanager
def cluster(workers=2, threads=1):
    """Start a Dask scheduler and workers on loopback, each a process. Yield (address, worker processes)."""
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


@pytest.mark.slow
def test_a_cluster_gives_the_same_rows_and_outlives_a_worker(tmp_path):
    pytest.importorskip("distributed")
    found = load_sweep(write_sweep_file(tmp_path, MANY))
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


@pytest.mark.slow
def test_no_cluster_is_one_line(tmp_path):
    pytest.importorskip("distributed")
    for address in (f"tcp://127.0.0.1:{free_port()}", "nonsense://x"):
        done = command(write_sweep_file(tmp_path), "--out", tmp_path / "out", "--cluster", address)
        assert done.returncode == 2 and "no Dask scheduler answers" in done.stderr, done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_replay_wants_workers_of_one_thread(tmp_path):
    pytest.importorskip("distributed")
    with cluster(workers=1, threads=2) as (address, _), pytest.raises(SweepError, match="--nthreads 1"):
        run_sweep(
            Sweep(name="r", mode="replay", duration_s=20),
            tmp_path / "out",
            cluster=address,
            progress=False,
        )
