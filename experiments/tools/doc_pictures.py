"""Draw the figures of the docs from the results of the shipped sweeps and of bench_model.

One command draws them all, so that the figures are as new as the results. A sweep's figures show the name and hash of
its results.

    python -m experiments.doc_pictures [--results experiments/results] [--out docs]

If a sweep has no results yet, the error names it, and nothing more is drawn. The last line on stdout is one JSON
object: picture → results.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import typer

from experiments.match_clip.match import FPS, draw, write_script
from experiments.measuring import analysis, plots, run_plots
from experiments.measuring.plot_parts import DOC_DPI
from experiments.sweeping.sweep import RESULTS, load_results, results_id
from experiments.tools.command_line import help_text, new_app, run_app

DOCS = Path(__file__).resolve().parents[2] / "docs"
# Results of bench_model by dtype; `run` and `own_run` say when they were measured, and with which command.
MODEL_RESULTS = DOCS / "minicpmo_h100.json"
KNOBS = ["frame_stride", "change_threshold", "speech_max_new_tokens"]
HEATED = ["response_error_median_s", "missed_3s", "dead_air_share", "false_triggers_per_min", "busy_share"]
SHOWN = ["missed_3s", "response_error_median_s", "response_latency_median_s", "dead_air_share", "busy_share"]
# (sweep, the setting on the x axis, the column that gives one line per value)
ONE_KNOB = (
    ("pause", "pause_s", "policy"),
    ("capture_rate", "capture_fps", "policy"),
    ("frames", "frames_per_inference", "cost"),
    ("policy", "policy", "cost"),
)
_SEEN = "scripted spotter, virtual time"


def match_picture(path: Path) -> None:
    """Write four frames of the match of seed 0 as a JPEG: play, the first goal's caption, the scorer, the replay."""
    import cv2

    script = write_script(120.0, 0)
    goal_s = script.truth.of_kind("goal")[0].t_s
    times_s = (goal_s - 3.0, goal_s + 1.1, goal_s + 3.4, goal_s + 7.4)
    frames = [draw(script, round(t * FPS), 640, 360) for t in times_s]
    sheet = np.vstack([np.hstack(frames[:2]), np.hstack(frames[2:])])
    sheet = cv2.resize(sheet, (960, 540), interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(path), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 88])


def tuning_pictures(results: Path, out: Path, cost: str = "minicpmo_h100") -> dict[str, str]:
    """Draw the figures of the sweeps into `out`. Return picture → its results. Raise SweepError for missing results."""
    # 1) the large sweep: heat maps and the Pareto front
    made = {}
    folder = results / "stride_threshold_cap"
    rows = analysis.load_run_table(load_results(folder))
    rows = pd.DataFrame(rows[rows.cost == cost])
    stride, threshold, cap = KNOBS
    best = analysis.recommend(rows, KNOBS)
    table = analysis.by_setting(rows, KNOBS, HEATED)
    shown = results_id(folder)
    run_id = f"{shown}, {cost}: {_SEEN}"
    front = analysis.pareto_front(table, analysis.OBJECTIVES)
    objectives = analysis.OBJECTIVES
    for name, figure in (
        ("heat_maps", plots.heat_maps(table, stride, threshold, cap, HEATED, run_id, best.setting)),
        (
            "pareto",
            plots.pareto_figure(table, front, "busy_share", "missed_3s", objectives, run_id, best.setting),
        ),
    ):
        figure.savefig(out / f"tuning_{name}.png", dpi=DOC_DPI)
        made[f"tuning_{name}.png"] = shown
    # 2) the sweeps of one setting
    for sweep, knob, by in ONE_KNOB:
        folder = results / sweep
        rows = analysis.load_run_table(load_results(folder))
        table = analysis.by_setting(rows, [knob, by], SHOWN)
        shown = results_id(folder)
        figure = plots.knob_figure(table, knob, SHOWN, by, f"{shown}: {_SEEN}")
        figure.savefig(out / f"tuning_{sweep}.png", dpi=DOC_DPI)
        made[f"tuning_{sweep}.png"] = shown
    return made


def model_picture(out: Path) -> dict[str, str]:
    """Draw MiniCPM-o's stages in its own code and in ours into `out`, from bench_model's saved results."""
    results = json.loads(MODEL_RESULTS.read_text())
    one = next(iter(results.values()))
    run_id = f"MiniCPM-o 4.5, {one['weights']} weights of the full size, {one['frames']} frames, {one['gpu']}"
    run_plots.before_after_figure(results, run_id).savefig(out / "minicpmo_stages.png", dpi=DOC_DPI)
    return {"minicpmo_stages.png": MODEL_RESULTS.name}


app = new_app()


@app.command(help=help_text(__doc__))
def main(
    results: Annotated[Path, typer.Option(help="Folder with the sweeps' results folders.")] = RESULTS,
    out: Annotated[Path, typer.Option(help="Where the pictures go.")] = DOCS,
) -> None:
    made = tuning_pictures(results, out)
    match_picture(out / "match.jpg")
    print(json.dumps(made | model_picture(out)))


if __name__ == "__main__":
    run_app(app, "doc_pictures")
