"""Benchmark the baseline commentator on scripted matches: live under both policies, replay against live, sweep speed.

Why these quantities: a good commentary names what happened (recall of goals), soon after the viewer saw it
(response error), does not name what did not happen (false triggers), is not silent during the action (dead air)
and fits its picture (picture/sound error). A policy can improve one of these at the cost of another, so all are
reported together, over several matches, as mean and standard deviation. The commentator is the baseline, which
understands nothing: it names a goal when it has read the caption. So the numbers describe the workbench and the
baseline, not a model.

  goal_recall_3s           share of goals named within 3 s of being on screen
  response_error_median_s  first sound of the naming comment − event, on the viewer's clock, all kinds of event
  false_triggers_per_min   namings of what did not happen
  dead_air_share           silent share of the labelled action
  sync_error_p95_s         |sound − picture|, 95th percentile
  sweep_runs_per_s         what-if runs of a ten-minute match that this machine does in a second, all cores

Where a measure has no case in a run (no event was named, so there is no response error), the run does not count
for that measure; the value is null where no run has a case.

How: `experiments/sweeps/live_match.toml` in real time (six runs of two minutes, one after the other), the same
in replay, and three batches of 48 runs of the shipped sweep. It takes 17 minutes.

    python -m experiments.bench_match    # --pages also writes docs/results.json and the table in docs/benchmarks.md
    python -m experiments.bench_match --from experiments/results/bench_match-…    # print the table again, run nothing

The last line on stdout is one JSON object.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer

from commentator_lib.runs.meters import hardware
from commentator_lib.runs.provenance import new_run_id
from experiments.measuring.numbers import mean_and_std
from experiments.sweeping.sweep import (
    RESULTS,
    SweepError,
    load_results,
    load_runs,
    load_sweep,
    run_sweep,
)
from experiments.tools.command_line import help_text, new_app, run_app

ROOT = Path(__file__).resolve().parents[2]
SWEEPS = ROOT / "experiments" / "sweeps"
POLICIES = ("playout", "serial")
HEADLINE = (
    "goal_recall_3s",
    "goal_recall_2s_of_evidence",
    "goal_recall_2s_of_first_evidence",
    "recall_3s",
    "response_error_median_s",
    "false_triggers_per_min",
    "dead_air_share",
    "shortfall_median_s",
    "repetition",
    "sync_error_p95_s",
)
_BATCHES = 3
MATCH_S = 120.0
WHAT_IF_COST = "minicpmo_h100"
MARKS = "<!-- bench_match: written by make bench -->", "<!-- end of bench_match -->"

# (measure, its name in the table, digits, whether it is shown in per cent)
_ROWS = (
    ("goal_recall_3s", "goals named within 3 s of being seen", 0, True),
    ("goal_recall_2s_of_evidence", "goals named within 2 s of their caption", 0, True),
    ("goal_recall_2s_of_first_evidence", "goals named within 2 s of their roar or caption", 0, True),
    ("recall_3s", "all match events named within 3 s", 0, True),
    ("response_error_median_s", "first sound after the event was seen, median of those named, s", 2, False),
    ("response_latency_median_s", "the same, after it happened in front of the camera, s", 2, False),
    ("false_triggers_per_min", "false triggers a minute", 2, False),
    ("cut_recall_3s", "cuts named within 3 s", 0, True),
    ("comments_per_min", "comments a minute", 1, False),
    ("dead_air_share", "silence during action", 0, True),
    ("speak_f1", "speak/silent F1: speaking", 2, False),
    ("redundancy", "redundancy, mean abs(1 − comments) of a stretch of action", 2, False),
    ("gap_median_s", "silence between comments, median, s", 2, False),
    ("shortfall_median_s", "silence beyond the pause, median, s", 2, False),
    ("repetition", "4-grams of the last five comments said again", 0, True),
    ("sync_error_mean_s", "picture/sound error, mean, s", 3, False),
    ("sync_error_p95_s", "picture/sound error, p95, s", 3, False),
    ("delay_end_s", "picture delay at the end, s", 2, False),
    ("frozen_s", "picture stood still, s", 2, False),
)
_WHAT_IF_MEASURES = (
    "goal_recall_3s",
    "goal_recall_2s_of_evidence",
    "recall_3s",
    "response_error_median_s",
    "response_latency_median_s",
    "shortfall_median_s",
    "sync_error_p95_s",
    "delay_end_s",
)
_WHAT_IF_ROWS = tuple(row for row in _ROWS if row[0] in _WHAT_IF_MEASURES)


def of_policy(runs: pd.DataFrame, policy: str) -> list[dict[str, Any]]:
    """Return the rows of one policy, by column name."""
    return [row for row in runs.to_dict("records") if row["policy"] == policy]


def headline(live: pd.DataFrame) -> dict[str, dict[str, dict[str, float | None]]]:
    """Return policy → measure → mean and std over the runs."""
    found: dict[str, Any] = {}
    for policy in POLICIES:
        rows = of_policy(live, policy)
        found[policy] = {}
        for name in HEADLINE:
            value = mean_and_std(rows, name)
            found[policy][name] = {k: _rounded(value[k]) for k in ("mean", "std")}
    return found


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def agreement(live: pd.DataFrame, replay: pd.DataFrame) -> list[dict[str, Any]]:
    """Return one row per policy and measure: the median over the comments of all runs, live and in replay.

    `off` is (replay − live) / live.
    """
    found = []
    for policy in POLICIES:
        for name in ("first_sound_latency_s", "gap_before_s"):
            medians = [
                float(
                    np.median(
                        np.concatenate([t[name].dropna() for t in table[table.policy == policy].cycles])
                    )
                )
                for table in (live, replay)
            ]
            found.append(
                {
                    "policy": policy,
                    "measure": name,
                    "live": round(medians[0], 4),
                    "replay": round(medians[1], 4),
                    "off": round(medians[1] / medians[0] - 1.0, 4),
                }
            )
    return found


def with_cycles(folder: Path) -> pd.DataFrame:
    """Return a results folder's rows, each with the table of its run's cycles in the column `cycles`."""
    rows = load_results(folder)
    return rows.assign(cycles=[run.cycles for run in load_runs(folder, rows)])


def sweep_rates() -> list[float]:
    """Return the runs per second of several batches of the shipped sweep, each in its own folder.

    A first batch, which does not count, draws the pictures and starts the workers.
    """
    every = load_sweep(SWEEPS / "stride_threshold_cap.toml")
    # 48 runs a batch: the first two values of each setting, all clips and seeds, the first cost
    grid = {k: v[:2] for k, v in every.grid.items()}
    batch = every.model_copy(update={"grid": grid, "costs": every.costs[:1]})
    rates = []
    with tempfile.TemporaryDirectory() as temporary:
        for k in range(_BATCHES + 1):  # the first warms up
            some = batch.model_copy(update={"name": f"batch {k}" if k else "warming up"})
            rates.append(run_sweep(some, Path(temporary) / str(k))["runs_per_s"])
    return rates[1:]


def what_if_rows(seeds: tuple[int, ...] = (0, 1, 2)) -> list[dict[str, Any]]:
    """Return the measures of what-if runs with MiniCPM-o's costs, one for each policy and match.

    The events are those of the real watchers, which run once over each clip; the commentator is scripted, and knows
    what they report and what its frames show.
    """
    from commentator_lib.session import LiveSession
    from commentator_lib.settings import Settings
    from experiments.measuring.metrics import measure
    from experiments.sweeping.costs import load_cost
    from experiments.sweeping.noticed import RecordedWatcher, noticed_events
    from experiments.sweeping.run_job import tiny_match
    from experiments.sweeping.whatif import PICTURES_FPS, Spotter, SpotterTraits, TinyMatch

    cost = load_cost(WHAT_IF_COST)
    rows: list[dict[str, Any]] = []
    for seed in seeds:
        clip, truth = tiny_match(seed, MATCH_S)
        events = noticed_events(MATCH_S, seed)
        for policy in POLICIES:
            session = LiveSession(
                TinyMatch(clip, PICTURES_FPS, f"match:{seed}"),
                Settings(policy=policy, seed=seed),
                commentator=Spotter(truth, cost, SpotterTraits(), seed),
                watchers=[RecordedWatcher(events)],
                mode="what-if",
            ).run()
            found = measure(session.log.cycles, truth, source_from_s=session.log.header["source_from_s"])
            rows.append({"policy": policy, "seed": seed, **found})
    return rows


def markdown(result: dict[str, Any]) -> str:
    """Return the table of docs/benchmarks.md, from what docs/results.json holds."""
    what_if = (
        [
            "",
            "In what-if mode, with the costs of MiniCPM-o 4.5 as published on an H100, a scripted commentator, and the",
            "events that the real watchers noticed in the same matches:",
            "",
            *_table(result["what_if"], _WHAT_IF_ROWS),
        ]
        if "what_if" in result
        else []
    )
    lines = [
        "The baseline commentator on three scripted matches of two minutes (640×360), live, mean ± standard",
        f"deviation over the matches; {result['on']}. `make bench` writes this table.",
        "",
        *_table(result["table"], _ROWS),
        *what_if,
        "",
        "| replay against live, medians over all comments | live | replay | off by |",
        "|---|---|---|---|",
    ]
    names = {
        "first_sound_latency_s": "first sound after its frame, s",
        "gap_before_s": "silence before a comment, s",
    }
    for row in result["agreement"]:
        what = f"{row['policy']}: {names[row['measure']]}"
        lines.append(f"| {what} | {row['live']:.3f} | {row['replay']:.3f} | {row['off']:+.1%} |")
    rate = result["sweep_runs_per_s"]
    lines += ["", f"What-if runs of a ten-minute match: {_cell(rate, 2, False)} a second."]
    return "\n".join(lines)


def _table(table: dict[str, Any], rows: Sequence[tuple[str, str, int, bool]]) -> list[str]:
    """Return the lines of a table of measures, one column a policy."""
    lines = ["| measure | playout | serial |", "|---|---|---|"]
    for name, text, digits, share in rows:
        if name not in table[POLICIES[0]]:  # results of an earlier version
            continue
        cells = [_cell(table[policy][name], digits, share) for policy in POLICIES]
        lines.append(f"| {text} | {cells[0]} | {cells[1]} |")
    return lines


def _summed_up(
    rows: Sequence[dict[str, Any]], measures: Sequence[tuple[str, str, int, bool]]
) -> dict[str, Any]:
    """Return policy → measure → mean, standard deviation and number of runs."""
    return {
        policy: {
            name: {k: _rounded(v) if k != "runs" else v for k, v in mean_and_std(some, name).items()}
            for name, *_ in measures
        }
        for policy in POLICIES
        for some in [[row for row in rows if row["policy"] == policy]]
    }


def _cell(value: dict[str, Any], digits: int, share: bool) -> str:
    if value["mean"] is None:
        return "no case"
    scale, unit = (100, "%") if share else (1, "")
    spread = "" if value["std"] is None else f" ± {scale * value['std']:.{digits}f}"
    few = f" ({value['runs']} of 3 runs)" if value.get("runs", 3) < 3 else ""
    return f"{scale * value['mean']:.{digits}f}{spread}{unit}{few}"


def put_into(page: str, text: str) -> str:
    """Return the page with `text` between its marks, in place of what is there. Raise SweepError without marks."""
    start, end = (page.find(mark) for mark in MARKS)
    if start < 0 or end < start:
        raise SweepError(f"the page has no place for the table: {MARKS[0]} … {MARKS[1]}")
    return f"{page[: start + len(MARKS[0])]}\n{text}\n{page[end:]}"


app = new_app()


@app.command(help=help_text(__doc__))
def main(
    pages: Annotated[
        bool, typer.Option("--pages", help="Write docs/results.json and the table in docs/benchmarks.md.")
    ] = False,
    folder: Annotated[
        Path | None, typer.Option("--from", help="Take the runs from this folder of an earlier benchmark.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the runs (default: a new one).")] = None,
) -> None:
    # 1) run both sweeps and measure the sweep speed, unless --from names a folder that has them
    if folder is None:
        folder = out or RESULTS / f"bench_match-{new_run_id()}"
        for name in ("live_match", "replay_match"):
            done = run_sweep(load_sweep(SWEEPS / f"{name}.toml"), folder / name)
            if done["failed"]:
                raise SweepError(f"{done['failed']} runs failed: see {folder / name / 'runs.jsonl'}")
        (folder / "sweep_rates.json").write_text(json.dumps(sweep_rates()), encoding="utf-8")
    # 2) read the results
    live, replay = (with_cycles(folder / name) for name in ("live_match", "replay_match"))
    try:
        rates = json.loads((folder / "sweep_rates.json").read_text(encoding="utf-8"))
    except OSError as error:
        raise SweepError(
            f"cannot read {error.filename}: {error.strerror}; the benchmark was cut off"
        ) from None
    # 3) compute the table
    machine = hardware()
    per_s = mean_and_std([{"rate": r} for r in rates], "rate")
    table = _summed_up(live.to_dict("records"), _ROWS)
    what_if = what_if_rows()
    result = {
        "run": folder.name,
        "on": f"{machine['cores']} cores of {machine['processor']}, {machine['gpu'] or 'no GPU'}",
        "table": table,
        "what_if": _summed_up(what_if, _WHAT_IF_ROWS),
        "agreement": agreement(live, replay),
        "sweep_runs_per_s": {k: _rounded(per_s[k]) for k in ("mean", "std")},
    }
    # 4) print it, and write the pages
    text = markdown(result)
    if pages:
        (ROOT / "docs" / "results.json").write_text(
            json.dumps(result, indent=1) + os.linesep, encoding="utf-8"
        )
        page = ROOT / "docs" / "benchmarks.md"
        page.write_text(put_into(page.read_text(encoding="utf-8"), text), encoding="utf-8")
    print(f"{text}\n\n{folder}")
    print(json.dumps({"match": headline(live), "sweep_runs_per_s": result["sweep_runs_per_s"]}))


if __name__ == "__main__":
    run_app(app, "bench_match")
