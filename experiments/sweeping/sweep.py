"""Run a sweep: every combination of settings × clips × seeds is run, measured and appended to a journal.

Each finished run is one line, written at once. A sweep that is started again, also after a kill −9, skips the runs in
its journal and does the rest.

Modes: `what-if` (virtual time, tiny pictures of a scripted match, a spotter with costs from a file; no model runs),
`replay` (virtual time with the real clip and commentator; a call takes as long as it was measured to take) and `live`.
What-if runs use all cores through joblib, or a Dask cluster; replay and live measure real time, so they run one at a
time on a machine.

    python -m experiments.sweep experiments/sweeps/stride_threshold_cap.toml
    python -m experiments.sweep experiments/sweeps/pause.toml --cluster tcp://10.0.0.5:8786

It writes `experiments/results/NAME/`: sweep.json (the sweep, versions, hardware), runs.jsonl (the journal),
runs.parquet, and for replay and live one folder for each run. The last line on stdout is one JSON object.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from commentator_lib.runs.reader import read_journal
from experiments.sweeping.jobs import load_sweep, plan_jobs
from experiments.sweeping.journal import load_results, load_runs, results_id
from experiments.sweeping.run_jobs import run_sweep
from experiments.sweeping.sweep_file import Sweep, SweepError
from experiments.tools.command_line import help_text, new_app, run_app

# What a notebook needs can all be imported from here.
__all__ = [
    "RESULTS",
    "Sweep",
    "SweepError",
    "load_results",
    "load_runs",
    "load_sweep",
    "results_id",
    "run_sweep",
]

RESULTS = Path(__file__).resolve().parents[1] / "results"

app = new_app()


@app.command(help=help_text(__doc__))
def sweep(
    file: Annotated[Path, typer.Argument(help="Sweep file (TOML); see experiments/sweeps/.")],
    out: Annotated[
        Path | None, typer.Option(help="Results folder (default experiments/results/NAME).")
    ] = None,
    n_jobs: Annotated[
        int | None,
        typer.Option("--jobs", min=1, help="Processes (default: all cores for what-if, else 1)."),
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option(help="Run on the Dask scheduler at this address, for example tcp://host:8786."),
    ] = None,
    list_only: Annotated[bool, typer.Option("--list", help="Say what would be run, and end.")] = False,
) -> None:
    # 1) read the file, and only list its runs if that is asked for
    found = load_sweep(file)
    if found.mode != "what-if" and (n_jobs or 1) > 1:
        raise SweepError(f"{found.mode} times real work: it runs one at a time, without --jobs")
    if list_only:
        grid = " × ".join(f"{len(v)} {k}" for k, v in found.grid.items()) or "one setting"
        print(f"{found.name}: {len(plan_jobs(found))} {found.mode} runs: {grid}", end="")
        print(f" × {len(found.clips)} clips × {len(found.seeds)} seeds × {len(found.costs) or 1} costs")
        return
    # 2) do the runs and report
    folder = out or RESULTS / found.name
    result = run_sweep(found, folder, n_jobs, cluster)
    print(f"{result['done']} runs done, {result['skipped']} were there, {result['failed']} failed: {folder}")
    if result["failed"]:
        journal = read_journal(folder / "runs.jsonl")
        print(f"the last failure: {[r['error'] for r in journal if r['error']][-1]}", file=sys.stderr)
    print(json.dumps(result))
    if result["failed"]:
        raise typer.Exit(1)


if __name__ == "__main__":
    run_app(app, "sweep")
