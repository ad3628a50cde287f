"""Send a run's measures, or a sweep's, to MLflow or Weights & Biases, if one of them is installed.

The project needs neither: the run folder holds everything, and this copies from it when the run has ended, so that the
real-time loop never waits for a network.

    python -m experiments.track runs/20260101-120000-abcd --to mlflow
    python -m experiments.track experiments/results/NAME --to wandb --project commentary

A run folder becomes one tracked run: its settings as parameters, its cycles' times as series, its files as
artifacts. A results folder becomes one tracked run per row. The tracker's own settings say where they are stored
(MLFLOW_TRACKING_URI, WANDB_MODE, …).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from commentator_lib.errors import first_line
from commentator_lib.runs.reader import load_run
from experiments.sweeping.journal import load_results, read_header
from experiments.sweeping.sweep_file import SweepError
from experiments.tools.command_line import help_text, new_app, run_app

TRACKERS = ("mlflow", "wandb")
SERIES = (
    "first_sound_latency_s",
    "gap_before_s",
    "sync_error_s",
    "delay_applied_s",
    "speech_s",
    "output_tokens",
)


@dataclass(frozen=True)
class Entry:
    """One tracked run. `series`: (step, {measure: value}), a step for each cycle."""

    name: str
    parameters: dict[str, Any]
    measures: dict[str, float]
    series: list[tuple[int, dict[str, float]]] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)


def entries(folder: Path) -> Iterator[Entry]:
    """Yield the entry of a run folder, or those of a results folder. Raise RunLogError or SweepError otherwise."""
    if (folder / "sweep.json").exists():
        yield from _entries_of_sweep(folder)
    else:
        yield _entry_of_run(folder)


def _entry_of_run(folder: Path) -> Entry:
    run = load_run(folder)
    header = run.header
    about = {k: header[k] for k in ("mode", "commentator", "voice", "commit") if header.get(k) is not None}
    cycles = run.cycles
    outcomes = {f"cycles_{k}": float(v) for k, v in cycles.outcome.value_counts().items()}
    known = {m: cycles[m].dropna().to_numpy(float) for m in SERIES}
    medians = {f"{m}_median": float(np.median(v)) for m, v in known.items() if len(v)}
    series = [
        (int(row["cycle"]), {m: float(row[m]) for m in SERIES if row[m] == row[m] and row[m] is not None})
        for row in cycles.astype(dict.fromkeys(SERIES, float)).to_dict("records")
    ]
    names = ("run.json", "cycles.parquet", "samples.parquet", "latency.png")
    files = [folder / name for name in names if (folder / name).exists()]
    return Entry(folder.name, header["settings"] | about, outcomes | medians, series, files)


def _entries_of_sweep(folder: Path) -> Iterator[Entry]:
    sweep = read_header(folder)["sweep"]
    about = {"key", "mode", "clip", "seed", "duration_s", "cost", "run", "commentator", "error"}
    settings = set(sweep["grid"]) | set(sweep["settings"])
    for row in load_results(folder).to_dict("records"):
        parameters = {k: row[k] for k in row if k in about | settings and row[k] not in ("", None)}
        measures = {
            k: float(v)
            for k, v in row.items()
            if k not in about | settings and isinstance(v, int | float) and v == v
        }
        yield Entry(f"{sweep['name']}-{row['key']}", parameters, measures)


def to_mlflow(entry: Entry, project: str) -> None:
    """Send an entry to MLflow, into the experiment `project`."""
    import mlflow  # pyright: ignore[reportMissingImports] - optional

    mlflow.set_experiment(project)
    with mlflow.start_run(run_name=entry.name):
        mlflow.log_params(entry.parameters)
        mlflow.log_metrics(entry.measures)
        for step, values in entry.series:
            mlflow.log_metrics(values, step=step)
        for path in entry.files:
            mlflow.log_artifact(str(path))


def to_wandb(entry: Entry, project: str) -> None:
    """Send an entry to Weights & Biases."""
    import wandb  # pyright: ignore[reportMissingImports] - optional

    run = wandb.init(project=project, name=entry.name, config=entry.parameters)
    try:
        for step, values in entry.series:
            run.log(values, step=step)
        run.summary.update(entry.measures)
        if entry.files:
            artifact = wandb.Artifact(f"run-{entry.name}", type="run-log")
            for path in entry.files:
                artifact.add_file(str(path))
            run.log_artifact(artifact)
    finally:
        run.finish()


app = new_app()


@app.command(help=help_text(__doc__))
def main(
    folder: Annotated[Path, typer.Argument(help="A run folder, or a results folder of a sweep.")],
    to: Annotated[str, typer.Option(help=f"Where to: {' or '.join(TRACKERS)}.")],
    project: Annotated[str, typer.Option(help="The tracker's project or experiment.")] = "live-commentary",
) -> None:
    from importlib.util import find_spec

    from tqdm import tqdm

    if to not in TRACKERS:
        raise SweepError(f"unknown tracker {to!r}; known are {', '.join(TRACKERS)}")
    found = find_spec(to)
    # Without an origin it is no package but a folder called wandb, in which that tracker stores runs.
    if found is None or found.origin is None:
        raise SweepError(f"{to} is not installed: pip install {to}")
    send = {"mlflow": to_mlflow, "wandb": to_wandb}[to]
    sent = 0
    for entry in tqdm(list(entries(folder)), desc=to, unit="run", disable=None):
        try:
            send(entry, project)
        except Exception as error:  # a tracker fails in its own ways: no network, no account, a full disk
            reason = first_line(error)
            raise SweepError(f"{to} did not take run {entry.name} ({sent} were sent): {reason}") from None
        sent += 1
    print(f"{sent} runs sent to {to}, project {project}")


if __name__ == "__main__":
    run_app(app, "track")
