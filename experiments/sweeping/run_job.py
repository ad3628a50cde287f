"""Do one run of a sweep and return its measures as a flat row."""

from __future__ import annotations

import functools
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from commentator_lib.runs.record import RunLogError
from commentator_lib.settings import Settings
from experiments.match_clip.events import Truth, load_events
from experiments.sweeping.jobs import Job
from experiments.sweeping.whatif import SpotterTraits

if TYPE_CHECKING:
    from commentator_lib.scene import ClipPictures
    from commentator_lib.session import LiveSession


def run_job(job: Job, folder: str) -> dict[str, Any]:
    """Do one run and return its measures as a flat row. An exception becomes the row's `error`; the sweep goes on.

    Replay and live runs write their run folder into `folder`.
    """
    started = time.perf_counter()
    row = {**job.columns(), "error": ""}
    try:
        row |= run_what_if(job) if job.mode == "what-if" else run_for_real(job, Path(folder))
    except Exception as error:  # one run that fails must not end a sweep of many hours
        row["error"] = f"{type(error).__name__}: {error}"
    return {**row, "wall_s": round(time.perf_counter() - started, 3)}


def run_what_if(job: Job) -> dict[str, Any]:
    """Run a spotter on tiny pictures of a scripted match, in virtual time; return the measures."""
    from experiments.measuring.metrics import measure

    session, truth = what_if_session(job)
    return measure(list(session.log.cycle_rows), truth, source_from_s=session.log.header["source_from_s"])


def what_if_session(job: Job) -> tuple[LiveSession, Truth]:
    """Run a what-if job; return its session, which has ended, and the truth of its match."""
    import cv2

    from commentator_lib.session import LiveSession
    from experiments.sweeping.costs import TokenCost
    from experiments.sweeping.whatif import PICTURES_FPS, Spotter, TinyMatch

    cv2.setNumThreads(1)  # other runs use the other cores
    clip, truth = tiny_match(int(job.clip[6:]), job.duration_s)
    spotter = Spotter(truth, TokenCost(**job.cost_values), SpotterTraits(**job.spotter), job.seed)
    session = LiveSession(
        TinyMatch(clip, PICTURES_FPS, job.clip),
        Settings().changed(**job.settings, seed=job.seed),
        commentator=spotter,
        mode="what-if",
    ).run()
    return session, truth


@functools.cache  # a worker plays the same few matches hundreds of times
def tiny_match(seed: int, duration_s: float) -> tuple[ClipPictures, Truth]:
    """Return the tiny pictures, (36, 64, 3) uint8 each, of a scripted match, and its truth."""
    import numpy as np

    from commentator_lib.scene import ClipPictures
    from experiments.match_clip.match import write_script
    from experiments.sweeping.whatif import tiny_pictures

    pictures = np.asarray(tiny_pictures(duration_s, seed))  # of a mapped file, parts are slow to make
    return ClipPictures(list(pictures)), write_script(duration_s, seed).truth


def run_for_real(job: Job, folder: Path) -> dict[str, Any]:
    """Run the real commentator on the real clip, in replay or live; return the measures.

    Raise RunLogError where the run ended early.
    """
    from commentator_lib.runs.reader import load_run, read_shown
    from commentator_lib.session import LiveSession
    from experiments.measuring.metrics import measure

    clip, truth = clip_and_truth(job.clip, job.duration_s, job.height)
    run_dir = folder / job.key
    if run_dir.exists():  # an attempt that was killed: no result, but it may help to find out why
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


def clip_and_truth(clip: str, duration_s: float, height: int) -> tuple[Path, Truth]:
    """Return path and truth of a sweep's clip; render a scripted match that does not exist yet.

    Raise EventsError where the events do not belong to the clip, MatchError where a match cannot be rendered.
    """
    from experiments.match_clip.match import match_clip

    if clip.startswith("match:"):
        return match_clip(duration_s, int(clip[6:]), height)
    path = Path(clip)
    return path, load_events(path.with_suffix(".events.json"), path)
