"""Memory during a long sweep on a Dask cluster: does the scheduler, a worker or the client grow with every run?

Why: a sweep of many hours must not end because a process that keeps a little of every run has used up the memory.

How: what-if runs of `MATCH_S` seconds (four strides × five thresholds × as many seeds as it takes) on a cluster of this
machine: a scheduler, two workers of one thread, and this process, which writes the journal. The resident memory of each
is noted every half second, with the number of rows in the journal. Shown is the first sample at 10 % and at 50 % of the
rows, and the last one before all rows are there. Flat: no process is more than a tenth above its memory at 10 %.

    nice -n 10 python -m experiments.bench_cluster --runs 10000

The last line on stdout is one JSON object.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import threading
from collections.abc import Generator
from pathlib import Path
from typing import Annotated

import psutil
import typer

from commentator_lib.runs.meters import hardware
from experiments.benchmarks.cluster_processes import local_cluster
from experiments.errors import UserError
from experiments.sweeping.run_jobs import run_sweep
from experiments.sweeping.sweep_file import Sweep
from experiments.tools.command_line import help_text, new_app, run_app

MATCH_S = 24.0
GRID = {"frame_stride": [1, 2, 3, 4], "change_threshold": [0, 5, 10, 20, 30]}
_A_SEED = len(GRID["frame_stride"]) * len(GRID["change_threshold"])  # runs
_SAMPLE_EVERY_S = 0.5

Sample = tuple[int, list[float]]  # rows in the journal, resident memory of each process in MB


@contextlib.contextmanager
def memory_samples(pids: list[int], journal: Path) -> Generator[list[Sample]]:
    """Note the resident memory of processes while the body runs; the list grows meanwhile."""
    processes = [psutil.Process(pid) for pid in pids]
    samples: list[Sample] = []
    ended = threading.Event()

    def watch() -> None:
        rows = read = 0
        while not ended.wait(_SAMPLE_EVERY_S):
            if journal.exists():
                with open(journal, "rb") as file:
                    file.seek(read)
                    new = file.read()
                rows, read = rows + new.count(b"\n"), read + len(new)
            samples.append((rows, [process.memory_info().rss / 1e6 for process in processes]))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield samples
    finally:
        ended.set()
        watcher.join()


def marks_of(samples: list[Sample], runs: int) -> list[Sample]:
    """Return the first sample at 10 % and at 50 % of the rows, and the last one before all rows are there.

    Raise UserError where the sweep was too short for that.
    """
    during = [sample for sample in samples if sample[0] < runs]
    first, middle = ([s for s in during if s[0] >= share * runs][:1] for share in (0.1, 0.5))
    if not middle:
        raise UserError("the sweep ended before it could be sampled: give more --runs")
    return [*first, *middle, during[-1]]


app = new_app()


@app.command(help=help_text(__doc__))
def main(
    runs: Annotated[int, typer.Option(help=f"Number of runs, a multiple of {_A_SEED}.")] = 10_000,
) -> None:
    # 1) plan
    if runs < _A_SEED or runs % _A_SEED:
        raise UserError(f"--runs {runs} must be a multiple of {_A_SEED}")
    sweep = Sweep(
        name="cluster",
        mode="what-if",
        duration_s=MATCH_S,
        seeds=list(range(runs // _A_SEED)),
        costs=["minicpmo_h100"],
        grid=GRID,
    )
    # 2) run
    names = ("scheduler", "worker_1", "worker_2", "client")
    with tempfile.TemporaryDirectory() as temporary, local_cluster(workers=2) as (address, processes):
        folder = Path(temporary) / "out"
        pids = [process.pid for process in processes] + [os.getpid()]
        with memory_samples(pids, folder / "runs.jsonl") as samples:
            done = run_sweep(sweep, folder, cluster=address)
    # 3) report
    marks = marks_of(samples, runs)
    memory_mb = {name: [round(mb[k], 1) for _, mb in marks] for k, name in enumerate(names)}
    growth = {name: round(mb[-1] / mb[0], 3) for name, mb in memory_mb.items()}
    result = {key: done[key] for key in ("runs", "failed", "wall_s", "runs_per_s")}
    result |= {"at_rows": [rows for rows, _ in marks], "memory_mb": memory_mb, "growth": growth}
    result["flat"] = max(growth.values()) <= 1.1
    for name, mb in memory_mb.items():
        print(f"{name}: {mb[0]:.0f} MB at 10 %, {mb[1]:.0f} MB at 50 %, {mb[2]:.0f} MB at the end")
    machine = hardware()
    print(f"on {machine['processor']}, {machine['cores']} cores, load {os.getloadavg()[0]:.1f}")
    print(json.dumps(result))


if __name__ == "__main__":
    run_app(app, "bench_cluster")
