"""Do the runs that a journal does not hold yet: on all cores (joblib), on a Dask cluster, or one at a time.

What-if runs use virtual time, so several can share a machine. Replay and live runs measure real time, so they run one
at a time: on a machine each in its own process, on a cluster one on each worker, or on each GPU.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import itertools
import os
import queue
import sys
import threading
import time
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from commentator_lib.checks.gpu import needs_gpu
from commentator_lib.clock import Mode
from commentator_lib.settings import Settings
from experiments.sweeping.jobs import Job, plan_jobs
from experiments.sweeping.journal import Journal
from experiments.sweeping.run_job import run_job
from experiments.sweeping.sweep_file import Sweep, SweepError

if TYPE_CHECKING:
    from distributed import Client, Future

Rows = Generator[dict[str, Any], None, None]
Workers = Mapping[str, dict[str, Any]]  # address → what the scheduler says of it
Claim = Callable[[str], bool]  # key → whether this sweep is to do that run

_ASK_AGAIN_S = 2.0  # whether workers have come or gone, and whether other sweeps have done or left their runs
_NO_WORKERS_S = 60.0  # after so long without a worker a sweep gives up
_COLLECT_EVERY = 10  # runs; a collection takes about as long as a short run
_runs_here = itertools.count(1)


def run_sweep(
    sweep: Sweep, folder: Path, n_jobs: int | None = None, cluster: str | None = None, progress: bool = True
) -> dict[str, Any]:
    """Do the runs that the folder's journal does not hold yet. Return counts, the wall time (s) and the rate.

    Other processes and machines may run the same sweep into the same folder: each run is done by one of them, and each
    returns when all runs are done. On KeyboardInterrupt every finished run is in the journal. Raise SweepError where
    the folder cannot be used, or where workers or the cluster are lost.
    """
    from tqdm import tqdm

    every = plan_jobs(sweep)
    journal = Journal(folder, sweep)
    try:
        # 1) find what is left to do
        left = [job for job in every if job.key not in journal.done]
        to_do, started, done, failed = len(left), time.perf_counter(), 0, 0
        if n_jobs is None:
            n_jobs = os.cpu_count() or 1 if sweep.mode == "what-if" else 1
        bar = tqdm(
            total=len(every),
            initial=len(every) - to_do,
            desc=sweep.name,
            unit="run",
            disable=not progress or not left,
            mininterval=0.2 if sys.stderr.isatty() else 10.0,
        )
        # 2) do it; closing `rows` ends the workers, also on Ctrl-C
        with bar:
            while left:
                rows = (
                    rows_from_cluster(left, journal.claim, folder, cluster)
                    if cluster
                    else rows_from_cores(left, journal.claim, folder, n_jobs)
                )
                with contextlib.closing(rows):
                    for row in rows:
                        journal.append(row)
                        done += 1
                        failed += bool(row["error"])
                        bar.update(len(journal.done) - bar.n)
                left = [job for job in left if job.key not in journal.done]
                if left:  # others are doing these, and may be killed
                    time.sleep(_ASK_AGAIN_S)
        wall_s = time.perf_counter() - started
        # 3) write the same rows as a table
        if to_do or not (folder / "runs.parquet").exists():
            journal.write_table()
    finally:
        journal.close()
    return {
        "runs": len(every),
        "skipped": len(every) - to_do,
        "done": done,
        "done_elsewhere": to_do - done,
        "failed": failed,
        "wall_s": round(wall_s, 2),
        "runs_per_s": round(done / wall_s, 3) if done else None,
        "results": str(folder),
    }


def rows_from_cores(left: list[Job], claim: Claim, folder: Path, n_jobs: int) -> Rows:
    """Do the jobs that can be claimed on this machine's cores and yield each row when it is ready.

    Each replay or live run gets a new process, so that no run's memory, models or caches count for the next one. Raise
    SweepError where joblib loses a worker: it then stops all of them.
    """
    from concurrent.futures.process import BrokenProcessPool, ProcessPoolExecutor
    from multiprocessing import get_context

    from joblib import Parallel, delayed

    claimed = (job for job in left if claim(job.key))  # each when its turn comes: others may do the rest
    if left[0].mode != "what-if":
        for job in claimed:
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as fresh:
                try:
                    yield fresh.submit(_run_in_worker, job, str(folder), os.getpid()).result()
                except BrokenProcessPool:
                    yield {**job.columns(), "error": "its process died: killed, or out of memory"}
    elif n_jobs == 1 or len(left) == 1:
        yield from (run_job(job, str(folder)) for job in claimed)
    else:
        parallel = Parallel(n_jobs, return_as="generator_unordered")
        try:
            for row in parallel(delayed(_run_in_worker)(job, str(folder), os.getpid()) for job in claimed):
                assert row is not None  # only joblib's type annotations allow None
                yield row
        except BrokenProcessPool as error:
            raise SweepError(
                f"a worker died ({type(error).__name__}); run the sweep again to go on"
            ) from None


def _run_in_worker(job: Job, folder: str, parent: int) -> dict[str, Any]:
    _exit_with_parent(parent)
    return run_and_collect(job, folder)


def run_and_collect(job: Job, folder: str) -> dict[str, Any]:
    """Do one of the many runs of a process; return its row.

    Ended runs are freed by the garbage collector only, because their parts refer to each other. They are few objects
    with large arrays, and it goes by the number of objects: left to itself it lets more than 100 MB pile up.
    """
    row = run_job(job, folder)
    if next(_runs_here) % _COLLECT_EVERY == 0:
        gc.collect()
    return row


@functools.cache
def _exit_with_parent(parent: int) -> None:
    """End this process when its parent has ended: joblib's workers would wait for ever for a parent that was killed."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def rows_from_cluster(left: list[Job], claim: Claim, folder: Path, address: str) -> Rows:
    """Do the jobs that can be claimed on a Dask cluster and yield each row when it is ready.

    A lost worker's runs are given to another one, as often as the scheduler's setting `allowed-failures` says; then
    they have failed. The workers need this project and, for replay and live, this folder. Raise SweepError where the
    cluster does not answer, has no fitting workers, or is lost.
    """
    try:
        from distributed import CancelledError, Client
    except ImportError:
        raise SweepError("a cluster needs Dask: pip install 'commentator-lib[cluster]'") from None
    try:
        client = Client(address, timeout=10)
    except (OSError, ValueError) as error:
        raise SweepError(f"no Dask scheduler answers at {address} ({type(error).__name__})") from None
    try:
        yield from _rows_of_futures(left, claim, folder.resolve(), client)
    except (OSError, CancelledError) as error:
        raise SweepError(
            f"the Dask scheduler at {address} is lost ({type(error).__name__}); run the sweep again to go on"
        ) from None
    finally:
        client.close()


def _rows_of_futures(left: list[Job], claim: Claim, folder: Path, client: Client) -> Rows:
    """Keep the workers busy, and the scheduler's memory small: it holds as many runs as the workers have slots."""
    mode, workers = left[0].mode, _workers(client)
    gpus = chosen_gpus(left, workers)
    claimed = (job for job in left if claim(job.key))
    running: dict[str, Future] = {}  # Dask forgets a run of which nobody holds the future
    finished: queue.SimpleQueue[tuple[Job, Future]] = queue.SimpleQueue()
    slots, asked_s = count_slots(mode, workers, gpus), time.monotonic()
    had_workers_s = asked_s
    while True:
        # 1) ask now and then which workers are there
        if time.monotonic() - asked_s >= _ASK_AGAIN_S:
            slots, asked_s = count_slots(mode, _workers(client), gpus), time.monotonic()
            had_workers_s = asked_s if slots else had_workers_s
        if asked_s - had_workers_s > _NO_WORKERS_S:
            raise SweepError("the cluster has lost all fitting workers; run the sweep again to go on")
        # 2) fill the slots; keys of one group, or the scheduler keeps a record of each for ever
        for job in itertools.islice(claimed, max(0, slots - len(running))):
            future = client.submit(run_and_collect, job, str(folder), key=("run", job.key), resources=gpus)
            running[job.key] = future
            future.add_done_callback(lambda future, job=job: finished.put((job, future)))
        if not running:
            return
        # 3) wait for a run to end
        try:
            job, future = finished.get(timeout=_ASK_AGAIN_S)
        except queue.Empty:
            continue
        try:
            row = _row_of(job, future)
        except TimeoutError:  # its worker was lost before it gave the row: the run is done again
            finished.put((job, future))
            continue
        del running[job.key]
        yield row


def _row_of(job: Job, future: Future) -> dict[str, Any]:
    """Return the row of a run that has ended. Raise CancelledError where the scheduler was lost, or TimeoutError."""
    from distributed import CancelledError, KilledWorker

    error = future.exception(timeout=_ASK_AGAIN_S)
    if error is None:
        return future.result(timeout=_ASK_AGAIN_S)
    if isinstance(error, CancelledError):
        raise error
    text = "its workers died: killed, or out of memory"
    return {
        **job.columns(),
        "error": text if isinstance(error, KilledWorker) else f"{type(error).__name__}: {error}",
    }


def _workers(client: Client) -> Workers:
    return client.scheduler_info(n_workers=-1)["workers"]


def chosen_gpus(left: list[Job], workers: Workers) -> dict[str, float] | None:
    """Return the resources that each run takes of its worker: a GPU for replay and live, where workers declare any.

    Raise SweepError where no worker fits: none is there, settings need a GPU and none is declared, or real work would
    be timed on a worker that does several things at once.
    """
    if not workers:
        raise SweepError("the Dask cluster has no workers")
    if left[0].mode == "what-if":
        return None
    gpus = {"GPU": 1.0} if any(_has_gpu(worker) for worker in workers.values()) else None
    needing = next((job for job in left if needs_gpu(Settings().changed(**job.settings))), None)
    if needing and not gpus:
        raise SweepError(
            f"{needing.settings['commentator']} needs a GPU, and no worker declares one: start those that have one "
            "with --resources GPU=1"
        )
    if any(worker["nthreads"] > 1 for worker in workers.values() if _has_gpu(worker) or not gpus):
        raise SweepError("replay and live time real work: start the workers with --nthreads 1")
    return gpus


def count_slots(mode: Mode, workers: Workers, gpus: dict[str, float] | None) -> int:
    """Return how many runs the scheduler holds at most: one for each worker that times real work, otherwise two for
    each thread, so that the next one is there when one ends."""
    if mode == "what-if":
        return 2 * sum(worker["nthreads"] for worker in workers.values())
    return sum(_has_gpu(worker) or not gpus for worker in workers.values())


def _has_gpu(worker: dict[str, Any]) -> bool:
    return worker["resources"].get("GPU", 0) >= 1
