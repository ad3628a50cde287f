"""The benchmarks in their short form: what the guard measures, one group at a time, in a process of its own.

All of them are the same on every run: virtual time, costs from a seed, clips from a seed, or the shipped clips. What
takes processor time is in `work`. The guard runs this file with the code of any checkout, this one or an older one:

    PYTHONPATH=CHECKOUT python -P figures.py pacing     the last line on stdout is one JSON object, the group's figures

So it imports only names that older checkouts have too, and only where they are used.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from commentator_lib.session import LiveSession
    from experiments.match_clip.events import Truth

Figures = dict[str, float]
POLICIES = ("playout", "serial")
MATCH_S = 300.0
_SEEDS = (0, 1)
_LAYOUT = "added_time"  # a clip of 30 s with three changes of the score


def pacing() -> Figures:
    """Return silence, picture/sound error and delay of `bench_pacing`, over 60 comments of each policy."""
    from experiments.benchmarks.bench_pacing import Costs, run_policy

    found: Figures = {}
    for policy in POLICIES:
        row = run_policy(policy, Costs(1.3, 0.75, 6.0, 1.0, 60, 0))
        silence = row["silence_beyond_pause_s"]
        found |= {
            f"{policy}_silence_median_s": silence["median"],
            f"{policy}_silence_p95_s": silence["p95"],
            f"{policy}_sync_error_p95_s": row["sync_error_s"]["p95"],
            f"{policy}_delay_end_s": row["delay_end_s"],
            f"{policy}_frames_jumped": float(row["frames_jumped"]),
        }
    return found


# Figure → column of `experiments.measuring.metrics.measure`.
_MATCH_COLUMNS = {
    "recall_3s": "recall_3s",
    "speak_f1": "speak_f1",
    "redundancy": "redundancy",
    "dead_air_share": "dead_air_share",
    "false_triggers_per_min": "false_triggers_per_min",
    "first_sound_s": "first_sound_latency_median_s",
    "response_error_s": "response_error_median_s",
    "gap_p95_s": "gap_p95_s",
    "sync_error_p95_s": "sync_error_p95_s",
    "busy_share": "busy_share",
}


def match() -> Figures:
    """Return the measures of what-if runs of scripted matches under both policies, means over the matches."""
    found: Figures = {}
    for policy in POLICIES:
        rows = [measures_of(*spotter_run(seed, policy)) for seed in _SEEDS]
        for name, column in _MATCH_COLUMNS.items():
            found[f"{policy}_{name}"] = float(np.mean([row[column] for row in rows]))
    return found


def told() -> Figures:
    """Return how many of the events that a watcher reports are noticed and told, and how soon, in a scripted match."""
    from experiments.match_clip.match import write_script
    from experiments.measuring.speaking import Assumptions, Describer, reported_events
    from experiments.sweeping.noticed import RecordedWatcher

    truth, assumed = write_script(MATCH_S, 0).truth, Assumptions()
    reported = reported_events(truth, assumed, 0)
    commentator = Describer(truth, assumed, 0).commentator()
    session = _match_run(commentator, [RecordedWatcher(reported)], speak_when="events")
    events, row = session.log.events, measures_of(session, truth)
    return {
        "noticed_share": len(events) / len(reported),
        "told_share": float(events.cycle.notna().sum()) / len(reported),
        "recall_3s": row["recall_3s"],
        "response_latency_s": row["response_latency_median_s"],
    }


def spotter_run(seed: int, policy: str) -> tuple[LiveSession, Truth]:
    """Run the spotter of what-if sweeps on a match; return its session, which has ended, and the match's truth."""
    from experiments.match_clip.match import write_script
    from experiments.sweeping.costs import load_cost
    from experiments.sweeping.whatif import Spotter, SpotterTraits

    truth = write_script(MATCH_S, seed).truth
    spotter = Spotter(truth, load_cost("minicpmo_h100"), SpotterTraits(), seed)
    return _match_run(spotter, [], policy=policy, seed=seed), truth


def _match_run(commentator: Any, watchers: Sequence[Any], **settings: Any) -> LiveSession:
    """Run a commentator in virtual time. The pictures are blank, and no cycle is left out for want of change.

    So no picture need be drawn: what these commentators say depends on the times of their frames.
    """
    from commentator_lib.session import LiveSession
    from commentator_lib.settings import Settings
    from experiments.sweeping.whatif import HEIGHT, PICTURES_FPS, WIDTH, TinyMatch

    blank = np.zeros((int(MATCH_S * PICTURES_FPS), HEIGHT, WIDTH, 3), np.uint8)
    return LiveSession(
        TinyMatch(blank, PICTURES_FPS, "match"),
        Settings(commentator="scripted", change_threshold=0.0, **settings),
        commentator=commentator,
        watchers=watchers,
        mode="what-if",
    ).run()


def measures_of(session: LiveSession, truth: Truth) -> dict[str, float]:
    """Return all measures of a session that has ended."""
    from experiments.measuring.metrics import measure

    return measure(session.log.cycles, truth, source_from_s=session.log.header["source_from_s"])


def replay() -> Figures:
    """Return silence, error and first sound of a replay of the shipped clips with costs from a seed."""
    from commentator_lib.commentators.scripted import CostModel, ScriptedCommentator
    from commentator_lib.session import LiveSession
    from commentator_lib.settings import Settings
    from commentator_lib.sources.open import demo_clips

    session = LiveSession(
        demo_clips(),
        Settings(commentator="scripted", watchers=()),
        commentator=ScriptedCommentator(cost=CostModel(0.6, 0.1, 2.0, 0.5, 0.5)),
        mode="replay",
    ).run()
    cycles = session.log.cycles
    return {
        "comments": float((cycles.outcome == "spoken").sum()),
        "silence_p95_s": float(cycles.shortfall_s.quantile(0.95)),
        "sync_error_p95_s": float(cycles.sync_error_s.abs().quantile(0.95)),
        "first_sound_s": float(cycles.first_sound_latency_s.median()),
    }


def programme() -> Figures:
    """Return whether two what-if runs of ten minutes leave the same log (1 or 0), and how many cycles a minute."""
    from experiments.benchmarks.bench_programme import run_once

    with tempfile.TemporaryDirectory() as folder:
        runs = [run_once(Path(folder) / str(k), 10.0, 0) for k in range(2)]
    return {"same_log": float(runs[0][1] == runs[1][1]), "cycles_per_min": runs[0][2] / 10.0}


def scoreboard() -> Figures:
    """Return recall, false changes and delay of `bench_watch` on one drawn clip."""
    from experiments.boards.clip import CLIPS_FOLDER, render
    from experiments.boards.judge import add_up, judge
    from experiments.boards.plan import plan_part
    from experiments.boards.reading import WATCHERS, read

    (clip,) = plan_part("development", 0, 1, _LAYOUT)
    reading = read(str(render(clip, CLIPS_FOLDER)), WATCHERS["graphics"](clip))
    row = add_up([judge(reading.events, clip.changes, clip.duration_s)]).as_dict()
    delay_s = row["delay_median_s"]
    return {
        "recall_3s": row["recall_3s"],
        "false_changes": float(row["false_changes"]),
        "delay_median_s": float("nan") if delay_s is None else delay_s,
    }


def scene() -> Figures:
    """Return how many changes of the shipped clips are decided rightly, and how many of their cuts are found."""
    from commentator_lib.settings import Settings
    from commentator_lib.watching.shots import ShotsWatcher
    from experiments.benchmarks.bench_scene import real_stretches
    from experiments.benchmarks.bench_watchers import Score, real_films, watch

    threshold = Settings().change_threshold
    right = [(change.compensated >= threshold) == happens for happens, _, change in real_stretches()]
    score = Score()
    for film in real_films()[0]:
        score.add(watch(ShotsWatcher(), film), film.truth, 1.0)
    cuts = score.kinds["cut"]
    return {
        "decided_rightly_share": float(np.mean(right)),
        "cuts_found_share": cuts.found / cuts.known,
        "cuts_false": float(sum(tally.false for tally in score.kinds.values())),
    }


GROUPS: dict[str, Callable[[], Figures]] = {
    "pacing": pacing,
    "match": match,
    "told": told,
    "replay": replay,
    "programme": programme,
    "scoreboard": scoreboard,
    "scene": scene,
}

if __name__ == "__main__":
    print(json.dumps(GROUPS[sys.argv[1]]()))
