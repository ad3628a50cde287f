"""A Dask cluster on this machine, for benchmarks and tests: a scheduler and workers, each a process of its own."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path

from experiments.benchmarks.source_servers import free_port

_ROOT = Path(__file__).resolve().parents[2]
_STARTS_WITHIN_S = 60.0
_FLAT_MEMORY = {
    # Dask keeps the profile of the last hour: about 0.05 MB a second
    "DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "False",
    # what nannies set; here are none, so that a killed worker stays away
    "MALLOC_TRIM_THRESHOLD_": "65536",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}


@contextlib.contextmanager
def local_cluster(
    workers: int = 2, settings: dict[str, str] | None = None
) -> Generator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """Start a Dask scheduler and workers of one thread on loopback; kill them at the end.

    Yield (address, [scheduler, worker, …]). `settings`: environment variables of Dask's configuration. They end by
    themselves two minutes after their last work. Raise TimeoutError where the workers do not come up.
    """
    environment = {**os.environ, **_FLAT_MEMORY, "PYTHONPATH": str(_ROOT), **(settings or {})}
    address = f"tcp://127.0.0.1:{free_port()}"
    on_loopback = ["--host", "127.0.0.1", "--dashboard-address", "127.0.0.1:0", "--no-dashboard"]
    processes: list[subprocess.Popen[bytes]] = []

    def start(*arguments: str) -> None:
        processes.append(
            subprocess.Popen(
                [sys.executable, "-m", "dask", *arguments, *on_loopback],
                cwd=_ROOT,
                env=environment,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        )

    try:
        start("scheduler", "--port", address.rsplit(":", 1)[1], "--idle-timeout", "120s")
        for _ in range(workers):
            start("worker", address, "--nthreads", "1", "--no-nanny", "--death-timeout", "60")
        _wait_for_workers(address, workers)
        yield address, processes
    finally:
        for process in processes:
            process.kill()
            process.wait()


def _wait_for_workers(address: str, count: int) -> None:
    from distributed import Client

    deadline = time.monotonic() + _STARTS_WITHIN_S
    while True:
        try:
            with Client(address, timeout=5) as client:
                client.wait_for_workers(count, timeout=_STARTS_WITHIN_S)
                return
        except OSError:
            if time.monotonic() > deadline:
                raise TimeoutError("no Dask scheduler came up") from None
