"""How much is said, and what is missed, with each preset.

Why these quantities: a preset is chosen by how much of a commentary somebody wants to hear. So comments a minute and
silence come first; what the silence costs is the share of the match's events that no comment names soon.

  comments_per_minute  comments that were heard
  silence_share        share of the time in which no comment is heard
  words_per_comment    words that were heard
  missed_share         events that no comment names within 3 s of when they are seen, of all

How: virtual time, what-if mode: the scripted spotter of the sweeps on scripted matches, with costs from a file. No
model runs. The mean over matches × seeds.

    python -m experiments.bench_presets --duration 600 --costs minicpmo_h100

The last line on stdout is one JSON object.
"""

from __future__ import annotations

import json
from typing import Annotated

import numpy as np
import typer
from tqdm import tqdm

from commentator_lib.presets import PRESETS
from experiments.measuring.metrics import measure
from experiments.sweeping.jobs import Job, plan_jobs
from experiments.sweeping.run_job import what_if_session
from experiments.sweeping.sweep_file import Sweep
from experiments.tools.command_line import help_text, new_app, run_app

_CLIPS, _SEEDS = ["match:0", "match:1"], [0, 1, 2]

app = new_app()


def measure_job(job: Job) -> dict[str, float]:
    """Return the measures of the module's docstring for one run."""
    session, truth = what_if_session(job)
    cycles, header = session.log.cycles, session.log.header
    heard = cycles[cycles.heard_text != ""]
    row = measure(cycles, truth, source_from_s=header["source_from_s"])
    return {
        "comments_per_minute": len(heard) / job.duration_s * 60,
        "silence_share": 1.0 - float(heard.speech_s.sum()) / job.duration_s,
        "words_per_comment": float(heard.heard_text.str.split().str.len().mean()),
        "missed_share": 1.0 - row["recall_3s"],
    }


@app.command(help=help_text(__doc__))
def main(
    duration: Annotated[float, typer.Option(help="Length of each match, s.")] = 600.0,
    costs: Annotated[str, typer.Option(help="A file of experiments/costs.")] = "minicpmo_h100",
    presets: Annotated[list[str] | None, typer.Option("--preset", help="Only these; repeatable.")] = None,
) -> None:
    result: dict[str, dict[str, float]] = {}
    for name in tqdm(presets or list(PRESETS), disable=None):
        sweep = Sweep(
            name=name,
            mode="what-if",
            settings=PRESETS[name],
            clips=_CLIPS,
            seeds=_SEEDS,
            costs=[costs],
            duration_s=duration,
        )
        rows = [measure_job(job) for job in plan_jobs(sweep)]
        result[name] = {key: round(float(np.nanmean([row[key] for row in rows])), 3) for key in rows[0]}
    width = max(map(len, result))
    print(f"{'':<{width}}  comments/min  silence  words  missed")
    for name, row in result.items():
        print(
            f"{name:<{width}}  {row['comments_per_minute']:12.1f}  {row['silence_share']:7.0%}  "
            f"{row['words_per_comment']:5.1f}  {row['missed_share']:6.0%}"
        )
    print(json.dumps(result))


if __name__ == "__main__":
    run_app(app, "bench_presets")
