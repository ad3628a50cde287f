"""Do the runs that a journal does not hold yet: on all cores (joblib), on a Dask cluster, or one at a time.

What-if runs use virtual time, so several can share a machine. Replay and live runs measure real time, so they run one
at a time, each in its own process.
"""

from __future__ import annotations

import contextlib
import functools
import os
import sys
import threading
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

from experiments.sweeping.jobs import Job, plan_jobs
from experiments.sweeping.journal import Journal, load_results
from experiments.sweeping.run_job import run_job
from experiments.sweeping.sweep_file import Sweep, SweepError

Rows = Generator[dict[str, Any], None, None]


def run_sweep(
    sweep: Sweep, folder: Path, n_jobs: int | None = None, cluster: str | None = None, progress: bool = True
) -> dict[str, Any]:
    """Do the runs that the folder's journal does not hold yet. Return counts, the wall time (s) and the rate.

    On KeyboardInterrupt every finished run is in the journal. Raise SweepError where the folder cannot be used, or
    where workers or the cluster are lost.
    """
    from tqdm import tqdm

    every = plan_jobs(sweep)
    journal = Journal(folder, sweep)
    try:
        # 1) find what is left to do
        left = [job for job in every if journal.rows.get(job.key, {"error": "?"})["error"]]
        started, done, failed = time.perf_counter(), 0, 0
        if n_jobs is None:
            n_jobs = os.cpu_count() or 1 if sweep.mode == "what-if" else 1
        rows = rows_from_cluster(left, folder, cluster) if cluster else rows_from_cores(left, folder, n_jobs)
        bar = tqdm(
            total=len(every),
            initial=len(every) - len(left),
            desc=sweep.name,
            unit="run",
            disable=not progress or not left,
            mininterval=0.2 if sys.stderr.isatty() else 10.0,
        )
        # 2) do it; closing `rows` ends the workers, also on Ctrl-C
        with bar, contextlib.closing(rows):
            for row in rows:
                journal.append(row)
                done += 1
                failed += bool(row["error"])
                bar.update()
        wall_s = time.perf_counter() - started
        # 3) write the same rows as a table
        if left or not (folder / "runs.parquet").exists():
            load_results(folder).to_parquet(folder / "runs.parquet", index=False)
    finally:
        journal.close()
    return {
        "runs": len(every),
        "skipped": len(every) - len(left),
        "done": done,
        "failed": failed,
        "wall_s": round(wall_s, 2),
        "runs_per_s": round(done / wall_s, 3) if done else None,
        "results": str(folder),
    }


def rows_from_cores(left: list[Job], folder: Path, n_jobs: int) -> Rows:
    """Do the jobs on this machine's cores and yield each row when it is ready.

    Each replay or live run gets a new process, so that no run's memory, models or caches count for the next one. Raise
    SweepError where joblib loses a worker: it then stops all of them.
    """
    from concurrent.futures.process import BrokenProcessPool, ProcessPoolExecutor
    from multiprocessing import get_context

    from joblib import Parallel, delayed

    if left and left[0].mode != "what-if":
        for job in left:
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as fresh:
                try:
                    yield fresh.submit(_run_in_worker, job, str(folder), os.getpid()).result()
                except BrokenProcessPool:
                    yield {**job.columns(), "error": "its process died: killed, or out of memory"}
    elif n_jobs == 1 or len(left) == 1:
        yield from (run_job(job, str(folder)) for job in left)
    else:
        parallel = Parallel(n_jobs, return_as="generator_unordered")
        try:
            for row in parallel(delayed(_run_in_worker)(job, str(folder), os.getpid()) for job in left):
                assert row is not None  # only joblib's type annotations allow None
                yield row
        except BrokenProcessPool as error:
            raise SweepError(
                f"a worker died ({type(error).__name__}); run the sweep again to go on"
            ) from None


def _run_in_worker(job: Job, folder: str, parent: int) -> dict[str, Any]:
    _exit_with_parent(parent)
    return run_job(job, folder)


@functools.cache
def _exit_with_parent(parent: int) -> None:
    """End this process when its parent has ended: joblib's workers would wait for ever for a parent that was killed."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def rows_from_cluster(left: list[Job], folder: Path, address: str) -> Rows:
    """Do the jobs on a Dask cluster and yield each row when it is ready; jobs of a lost worker are done by another.

    The workers need this project and, for replay and live, access to this folder. Raise SweepError where no cluster
    answers.
    """
    try:
        from distributed import Client, as_completed
    except ImportError:
        raise SweepError("a cluster needs Dask: pip install 'commentator-lib[cluster]'") from None
    try:
        client = Client(address, timeout=10)
    except (OSError, ValueError) as error:
        raise SweepError(f"no Dask scheduler answers at {address} ({type(error).__name__})") from None
    try:
        threads: dict[str, int] = client.nthreads()  # pyright: ignore[reportAssignmentType] - synchronous here
        if not threads:
            raise SweepError(f"the Dask cluster at {address} has no workers")
        if left and left[0].mode != "what-if" and max(threads.values()) > 1:
            raise SweepError("replay and live time real work: start the workers with --nthreads 1")
        futures = [client.submit(run_job, job, str(folder), key=job.key, retries=2) for job in left]
        for future in as_completed(futures):
            yield future.result()
    finally:
        client.close()
