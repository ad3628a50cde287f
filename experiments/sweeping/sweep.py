"""Sweeps: every combination of some settings × clips × seeds, run, measured, and appended to a journal.

A notebook loop that keeps its rows in a list, the obvious way, loses the night with the kernel. Here each
finished run is one line, flushed as it comes; a sweep that is run again, also after a kill −9, skips what its
journal holds and does the rest. What a run *is* (settings, clip, seed, cost, assumptions) is hashed into its
key, so a changed sweep file never takes an old row for a new one.

Modes: `what-if` (virtual time, tiny pictures of a scripted match, a spotter with costs from a file; nothing is
computed), `replay` (virtual time, the real clip and commentator, calls charged what they took) and `live`.
What-if runs go to all cores through joblib, or to a Dask cluster; replay and live time real work, so they run
one at a time on a machine.

    python -m experiments.sweep experiments/sweeps/stride_threshold_cap.toml
    python -m experiments.sweep experiments/sweeps/pause.toml --cluster tcp://10.0.0.5:8786

Leaves `experiments/results/NAME/`: sweep.json (what was swept, on what), runs.jsonl (the journal), runs.parquet,
and for replay and live one run folder each. The last line on stdout is one JSON object.
"""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import functools
import hashlib
import itertools
import json
import os
import sys
import threading
import time
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer

from commentator_lib.files import file_sha256
from commentator_lib.runs.provenance import commit, versions
from commentator_lib.runs.reader import read_journal
from commentator_lib.runs.record import RunLogError
from commentator_lib.settings import Settings, SettingsError
from experiments.errors import UserError
from experiments.match_clip.events import EventsError, load_events
from experiments.match_clip.match import RENDER_VERSION
from experiments.sweeping.costs import CostError, load_cost
from experiments.sweeping.whatif import SpotterTraits
from experiments.tools.command_line import help_text, new_app, run_app

FORMAT_VERSION = 1
RESULTS = Path(__file__).resolve().parents[1] / "results"
MODES = ("what-if", "replay", "live")


class SweepError(UserError):
    """A sweep file or a results folder that cannot be used; one line that says why."""


@dataclass(frozen=True)
class Sweep:
    """A sweep file. `grid`: setting → values; `settings`: the same for all runs. `clips`: "match:SEED" for a
    scripted match of `duration_s` seconds and `height` pixels, or a video with its .events.json beside it."""

    name: str
    mode: str
    grid: dict[str, list[Any]] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    clips: list[str] = field(default_factory=lambda: ["match:0"])
    seeds: list[int] = field(default_factory=lambda: [0])
    costs: list[str] = field(default_factory=list)
    duration_s: float = 120.0
    height: int = 360
    spotter: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Job:
    """One run of a sweep, all that it takes to do it anywhere. `key` is a hash of the rest. `content`: the
    clip's SHA-256, or the version of the scripted match, so that other pictures are another run."""

    key: str
    mode: str
    clip: str
    content: str
    seed: int
    duration_s: float
    height: int
    settings: dict[str, Any]
    cost: str = ""
    cost_values: dict[str, Any] = field(default_factory=dict)
    spotter: dict[str, float] = field(default_factory=dict)


# --- the file


def load_sweep(path: Path) -> Sweep:
    """Read and check a sweep file, every combination of it. SweepError, or the settings' own error."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SweepError(f"cannot read the sweep file {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SweepError(f"{path} is not valid TOML: {error}") from None
    table.setdefault("name", path.stem)
    try:
        sweep = _checked(table)
        jobs(sweep)
    except (SweepError, SettingsError, CostError, EventsError) as error:
        raise SweepError(f"{path}: {error}") from None
    return sweep


def _checked(table: dict[str, Any]) -> Sweep:
    fields = {f.name: f for f in dataclasses.fields(Sweep)}
    for name in table:
        if name not in fields:
            near = difflib.get_close_matches(name, fields, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(fields)}"
            raise SweepError(f"unknown entry {name!r}: {hint}")
    if table.get("mode") not in MODES:
        raise SweepError(f"mode = {table.get('mode')!r} must be one of {', '.join(MODES)}")
    for name in ("grid", "settings", "spotter"):
        if not isinstance(table.get(name, {}), dict):
            raise SweepError(f"{name} must be a table: [{name}]")
    for name in ("clips", "seeds", "costs"):
        if name in table and (not isinstance(table[name], list) or not table[name]):
            raise SweepError(f"{name} must be a list with something in it")
    for name, values in table.get("grid", {}).items():
        if not isinstance(values, list) or not values:
            raise SweepError(f"the grid of {name} is empty: give a list of values")
    if "seed" in table.get("grid", {}) or "seed" in table.get("settings", {}):
        raise SweepError("the seed is not swept by the grid: write seeds = [0, 1, …] above the tables")
    sweep = Sweep(**table)
    if not all(isinstance(s, int) and not isinstance(s, bool) and s >= 0 for s in sweep.seeds):
        raise SweepError(f"seeds = {sweep.seeds} must be whole numbers that are not negative")
    if isinstance(sweep.duration_s, bool) or not isinstance(sweep.duration_s, int | float):
        raise SweepError(f"duration_s = {sweep.duration_s!r} must be a number of seconds")
    if not 20 <= sweep.duration_s <= 36_000:
        raise SweepError(f"duration_s = {sweep.duration_s:g} is out of range: 20 to 36000 s")
    if sweep.mode == "what-if" and not sweep.costs:
        raise SweepError('what-if needs a cost: costs = ["minicpmo_h100"], or a file that calibrate made')
    if sweep.mode != "what-if" and (sweep.costs or sweep.spotter):
        raise SweepError(f"costs and [spotter] belong to mode what-if, not to {sweep.mode}")
    for name, value in sweep.spotter.items():
        if name not in (known := [f.name for f in dataclasses.fields(SpotterTraits)]):
            raise SweepError(f"[spotter] has no {name!r}; known are {', '.join(known)}")
        if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
            raise SweepError(f"[spotter] {name} = {value!r} must be a number that is not negative")
        if name in ("recognise", "misread", "quiet") and value > 1:
            raise SweepError(f"[spotter] {name} = {value!r} is a share: 0 to 1")
    for clip in sweep.clips:
        _check_clip(str(clip), sweep.mode)
    return sweep


def _check_clip(clip: str, mode: str) -> None:
    if clip.startswith("match:"):
        if not clip[6:].isdigit():
            raise SweepError(f"clip {clip!r}: write match:SEED, for example match:0")
    elif mode == "what-if":
        raise SweepError(f"clip {clip!r}: what-if runs play scripted matches only, match:SEED")
    elif not Path(clip).exists():
        raise SweepError(f"clip {clip!r}: no such file")
    else:
        load_events(Path(clip).with_suffix(".events.json"), clip)


def jobs(sweep: Sweep) -> list[Job]:
    """Every run of a sweep, in the order of the file. Raises SettingsError for the first bad setting."""
    names = list(sweep.grid)
    base = {"commentator": "scripted"} if sweep.mode == "what-if" else {}
    costs = {name: load_cost(name) for name in sweep.costs}
    spotter = dataclasses.asdict(SpotterTraits(**sweep.spotter)) if sweep.mode == "what-if" else {}
    contents = {clip: _content(clip) for clip in sweep.clips}
    found = []
    for values in itertools.product(*sweep.grid.values()):
        settings = {**base, **sweep.settings, **dict(zip(names, values, strict=True))}
        Settings().changed(**settings)
        for clip, seed, cost in itertools.product(sweep.clips, sweep.seeds, sweep.costs or [""]):
            what = {
                "mode": sweep.mode,
                "clip": clip,
                "content": contents[clip],
                "seed": seed,
                "duration_s": float(sweep.duration_s),
                "height": sweep.height,
                "settings": settings,
                "cost": cost,
                "cost_values": dataclasses.asdict(costs[cost]) if cost else {},
                "spotter": spotter,
            }
            found.append(Job(_key(what), **what))
    return found


def _content(clip: str) -> str:
    return f"match version {RENDER_VERSION}" if clip.startswith("match:") else file_sha256(clip)


def _key(what: dict[str, Any]) -> str:
    canonical = json.dumps(what, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


# --- one run


def run_job(job: Job, folder: str | None = None) -> dict[str, Any]:
    """Do one run and measure it: a flat row. What breaks it stands in the row's `error`; the sweep goes on.

    `folder`: where replay and live leave the run's own folder.
    """
    started = time.perf_counter()
    row = {**_about(job), "error": ""}
    try:
        row |= _what_if(job) if job.mode == "what-if" else _really(job, Path(folder))
    except Exception as error:  # any fault of one run must not end a night of them
        row["error"] = f"{type(error).__name__}: {error}"
    return {**row, "wall_s": round(time.perf_counter() - started, 3)}


def _about(job: Job) -> dict[str, Any]:
    return {
        "key": job.key,
        "mode": job.mode,
        "clip": job.clip,
        "seed": job.seed,
        "duration_s": job.duration_s,
        "cost": job.cost,
        **job.settings,
    }


def _what_if(job: Job) -> dict[str, Any]:
    import cv2

    from commentator_lib.session import LiveSession
    from experiments.measuring.metrics import measure
    from experiments.sweeping.costs import TokenCost
    from experiments.sweeping.whatif import Spotter, TinyMatch

    cv2.setNumThreads(1)  # the other cores have runs of their own
    pictures, fps, truth = _tiny_match(int(job.clip[6:]), job.duration_s)
    spotter = Spotter(truth, TokenCost(**job.cost_values), SpotterTraits(**job.spotter), job.seed)
    session = LiveSession(
        TinyMatch(pictures, fps, job.clip),
        Settings().changed(**job.settings, seed=job.seed),
        commentator=spotter,
        mode="what-if",
    ).run()
    return measure(session.log.cycles, truth, source_from_s=session.log.header["source_from_s"])


_TINY: dict[tuple[int, float], Any] = {}  # a worker plays the same few matches hundreds of times


def _tiny_match(seed: int, duration_s: float):
    from experiments.match_clip.match import write_script
    from experiments.sweeping.whatif import PICTURES_FPS, tiny_pictures

    if (seed, duration_s) not in _TINY:
        truth = write_script(duration_s, seed).truth
        _TINY[seed, duration_s] = tiny_pictures(duration_s, seed), PICTURES_FPS, truth
    return _TINY[seed, duration_s]


def _really(job: Job, folder: Path) -> dict[str, Any]:
    from commentator_lib.runs.reader import load_run, read_shown
    from commentator_lib.session import LiveSession
    from experiments.measuring.metrics import measure

    clip, truth = clip_and_truth(job.clip, job.duration_s, job.height)
    run_dir = folder / job.key
    if run_dir.exists():  # an attempt that was killed; it is no result, but it may tell why
        run_dir.rename(run_dir.with_name(f"{run_dir.name}-killed-{time.time_ns()}"))
    settings = Settings().changed(**job.settings, seed=job.seed)
    LiveSession(str(clip), settings, mode=job.mode, run_dir=run_dir).run()
    run = load_run(run_dir)
    problem = run.header.get("error") or run.header.get("source_problem")
    if problem:
        raise RunLogError(f"the run ended early: {problem}")
    row = measure(
        run.cycles,
        truth,
        shown=read_shown(run_dir),
        samples=run.samples,
        fps=run.header["source_fps"],
        source_from_s=run.header["source_from_s"],
    )
    counts = {f"frames_{k}": run.header[f"frames_{k}"] for k in ("captured", "shown", "dropped")}
    return {"run": run_dir.name, "commentator": run.header["commentator"], **row, **counts}


def clip_and_truth(clip: str, duration_s: float, height: int):
    """(path, Truth) of a sweep's clip, rendered first where it is a scripted match. EventsError where the
    events do not belong to the clip."""
    from experiments.match_clip.match import match_clip

    if clip.startswith("match:"):
        return match_clip(duration_s, int(clip[6:]), height)
    path = Path(clip)
    return path, load_events(path.with_suffix(".events.json"), path)


# --- the journal


class Journal:
    """The rows of a sweep's folder. Opening it cuts off a line that a kill left half written; nothing else
    is ever changed. SweepError where the folder is something else, of another version, or in use."""

    def __init__(self, folder: Path, sweep: Sweep) -> None:
        import fcntl

        header = folder / "sweep.json"
        self.path = folder / "runs.jsonl"
        if folder.exists() and not folder.is_dir():
            raise SweepError(f"{folder} is a file: choose another folder with --out")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if not header.exists() and any(folder.iterdir()):
                raise SweepError(f"{folder} holds files but no sweep.json: choose an empty folder with --out")
            if header.exists():
                read_header(folder)
            self._file = open(self.path, "a+b")  # noqa: SIM115 - held open, and locked, for the whole sweep
        except OSError as error:
            raise SweepError(f"cannot write {folder}: {error.strerror}; choose another with --out") from None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.close()
            raise SweepError(f"another sweep is writing to {folder}: wait for it, or choose --out") from None
        self._cut_half_line()
        self.rows = {row["key"]: row for row in read_journal(self.path)}
        write_header(folder, sweep)

    def _cut_half_line(self) -> None:
        self._file.seek(0)
        whole = self._file.read().rfind(b"\n") + 1
        self._file.truncate(whole)
        self._file.seek(0, os.SEEK_END)

    def append(self, row: dict[str, Any]) -> None:
        """One line, on the disk before the next. OSError when the disk is full."""
        row = {k: None if v != v else round(v, 6) if isinstance(v, float) else v for k, v in row.items()}
        self._file.write((json.dumps(row, ensure_ascii=False) + "\n").encode())
        self._file.flush()
        self.rows[row["key"]] = row

    def close(self) -> None:
        self._file.close()


def read_header(folder: Path) -> dict[str, Any]:
    """sweep.json of a results folder. SweepError where it is none or of another version."""
    try:
        header = json.loads((folder / "sweep.json").read_text(encoding="utf-8"))
    except OSError as error:
        raise SweepError(f"{folder} is no results folder: sweep.json: {error.strerror}") from None
    except ValueError as error:
        raise SweepError(f"{folder / 'sweep.json'} is damaged: {error}") from None
    if not isinstance(header, dict) or header.get("format_version") != FORMAT_VERSION:
        found = header.get("format_version") if isinstance(header, dict) else None
        raise SweepError(
            f"{folder} is of format {found}, this version reads {FORMAT_VERSION}: choose another with --out"
        )
    return header


def write_header(folder: Path, sweep: Sweep) -> None:
    from commentator_lib.runs.meters import hardware

    header = {
        "format_version": FORMAT_VERSION,
        "sweep": dataclasses.asdict(sweep),
        "keys": [job.key for job in jobs(sweep)],
        "versions": versions(),
        "hardware": hardware(),
        "commit": commit(),
    }
    part = folder / "sweep.json.part"
    part.write_text(json.dumps(header, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    part.replace(folder / "sweep.json")


def load_results(folder: Path | str):
    """The finished runs of a results folder, one row each: a DataFrame. SweepError where it is none.

    In the order of the sweep, however they came in. Runs that failed are left out; so are those of
    combinations that the sweep no longer held when it was last run.
    """
    import pandas as pd

    folder = Path(folder)
    header = read_header(folder)
    rows = {r["key"]: r for r in read_journal(folder / "runs.jsonl")}
    return pd.DataFrame([rows[key] for key in header["keys"] if key in rows and not rows[key]["error"]])


def load_runs(folder: Path | str, results) -> list:
    """The run logs behind rows of `load_results`, in their order (replay and live only: what-if keeps none)."""
    from commentator_lib.runs.reader import load_run

    return [load_run(Path(folder) / run) for run in results["run"]]


def results_id(folder: Path | str) -> str:
    """A name for exactly these results, for figures: the folder's, and a hash of the keys of its runs."""
    keys = " ".join(sorted(load_results(folder)["key"]))
    return f"{Path(folder).name}-{hashlib.sha256(keys.encode()).hexdigest()[:8]}"


# --- many runs


def run_sweep(
    sweep: Sweep, folder: Path, n_jobs: int | None = None, cluster: str | None = None, progress: bool = True
) -> dict[str, Any]:
    """Do what the folder's journal does not hold yet. Returns counts, the wall time and the rate.

    KeyboardInterrupt passes through with every finished run written.
    """
    from tqdm import tqdm

    every = jobs(sweep)
    journal = Journal(folder, sweep)
    try:
        left = [job for job in every if journal.rows.get(job.key, {"error": "?"})["error"]]
        started, done, failed = time.perf_counter(), 0, 0
        rows = (
            _on_cluster(left, folder, cluster) if cluster else _here(left, folder, n_jobs or _n_jobs(sweep))
        )
        bar = tqdm(
            total=len(every),
            initial=len(every) - len(left),
            desc=sweep.name,
            unit="run",
            disable=not progress or not left,
            mininterval=0.2 if sys.stderr.isatty() else 10.0,
        )
        # Closing the rows on the way out ends the workers, also on Ctrl-C.
        with bar, contextlib.closing(rows):
            for row in rows:
                journal.append(row)
                done += 1
                failed += bool(row["error"])
                bar.update()
        wall_s = time.perf_counter() - started
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


def _n_jobs(sweep: Sweep) -> int:
    return os.cpu_count() or 1 if sweep.mode == "what-if" else 1


def _here(left: list[Job], folder: Path, n_jobs: int) -> Iterator[dict[str, Any]]:
    """Rows as they come, from this machine's cores. Replay and live runs get a fresh process each, so that no
    run's memory, models or caches are counted for the next one."""
    from concurrent.futures.process import BrokenProcessPool, ProcessPoolExecutor
    from multiprocessing import get_context

    from joblib import Parallel, delayed

    if left and left[0].mode != "what-if":
        for job in left:
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as fresh:
                try:
                    yield fresh.submit(_in_worker, job, str(folder), os.getpid()).result()
                except BrokenProcessPool:
                    yield {**_about(job), "error": "its process died: killed, or out of memory"}
    elif n_jobs == 1 or len(left) == 1:
        yield from (run_job(job, str(folder)) for job in left)
    else:
        parallel = Parallel(n_jobs, return_as="generator_unordered")
        try:
            yield from parallel(delayed(_in_worker)(job, str(folder), os.getpid()) for job in left)
        except BrokenProcessPool as error:  # joblib gives up all of its workers with one
            raise SweepError(
                f"a worker died ({type(error).__name__}); run the sweep again to go on"
            ) from None


def _in_worker(job: Job, folder: str, parent: int) -> dict[str, Any]:
    _leave_with(parent)
    return run_job(job, folder)


@functools.cache
def _leave_with(parent: int) -> None:
    """End this process when its parent is gone: joblib's workers wait for ever for one that was killed."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _on_cluster(left: list[Job], folder: Path, address: str) -> Iterator[dict[str, Any]]:
    """Rows as they come, from a Dask cluster; what a lost worker had is done again by another.

    The workers need this project and, for replay and live, this folder. SweepError where no cluster answers.
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
        threads = client.nthreads()
        if not threads:
            raise SweepError(f"the Dask cluster at {address} has no workers")
        if left and left[0].mode != "what-if" and max(threads.values()) > 1:
            raise SweepError("replay and live time real work: start the workers with --nthreads 1")
        futures = [client.submit(run_job, job, str(folder), key=job.key, retries=2) for job in left]
        for future in as_completed(futures):
            yield future.result()
    finally:
        client.close()


# --- the command line


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
    found = load_sweep(file)
    if found.mode != "what-if" and (n_jobs or 1) > 1:
        raise SweepError(f"{found.mode} times real work: it runs one at a time, without --jobs")
    if list_only:
        grid = " × ".join(f"{len(v)} {k}" for k, v in found.grid.items()) or "one setting"
        print(f"{found.name}: {len(jobs(found))} {found.mode} runs: {grid}", end="")
        print(f" × {len(found.clips)} clips × {len(found.seeds)} seeds × {len(found.costs) or 1} costs")
        return
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
    from experiments.sweeping import sweep as by_name

    run_app(by_name.app, "sweep")
