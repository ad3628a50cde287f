"""Measure how well the watchers read the scoreboards of broadcasts, and what that costs.

Why these quantities: a goal that is read late is commented late, and a goal that never fell, but is announced, is worse
than silence. So recall counts changes that were reported with exactly the new score within 3 s of the first frame
that shows it, and every other score event is a false change, the first reading of a board included. Watchers are always
on, so what they cost is a share of the machine that everything else runs on.

  recall_3s              share of true changes found within 3 s; targets: football 0.95, other sports 0.7
  false_changes_per_min  score events that match no true change; targets: 0.1 on all clips, 0 on the traps
  delay_median_s         from the first frame with the new score to the report
  late                   right, but reported after 3 s and before the next change: neither found nor false
  core_share             seconds of processor for a second of video, without decoding: for a picture that stands still,
                         and for the clip that cost the most

How: boards that are drawn for it (experiments/boards), over moving pictures, as H.264 files in data/made, each read at
five frames a second as fast as it goes. Half of the layouts are for development; those held out are for the final
figure. Traps look like scores: shirt numbers, hoardings, tickers, commercials. The first run draws the clips.

    python -m experiments.bench_watch --part development
    python -m experiments.bench_watch --part traps --layout ticker
    python -m experiments.bench_watch --part development --sheet boards.png    # look at the clips, read nothing

The last line on stdout is one JSON object.
"""

from __future__ import annotations

import json
import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from tqdm import tqdm

from commentator_lib.runs.meters import hardware
from experiments.boards.clip import CLIPS_FOLDER, Clip, render
from experiments.boards.judge import Verdict, add_up, judge
from experiments.boards.plan import plan_part
from experiments.boards.reading import WATCHERS, MakeWatchers, Reading, read, sampled, still_frames
from experiments.boards.sheet import save_sheet
from experiments.errors import UserError
from experiments.tools.command_line import help_text, new_app, run_app

TARGETS = {
    "recall_football": 0.95,
    "recall_other": 0.7,
    "false_changes_per_min": 0.1,
    "false_changes_on_traps": 0,
}
_MOST_NOTES = 40


class Part(StrEnum):
    """Which clips are read."""

    DEVELOPMENT = "development"
    DEVELOPMENT2 = "development2"
    DEVELOPMENT3 = "development3"
    HELDOUT = "heldout"
    TRAPS = "traps"
    ALL = "all"


Judged = list[tuple[Clip, Verdict, Reading]]


def chosen_clips(part: Part, layout: str, clips_per_layout: int, seed: int) -> list[Clip]:
    """Return the clips that a user asks for. Raise UserError where there are none."""
    if clips_per_layout < 1 or seed < 0:
        raise UserError("give 1 clip or more for each layout, and a seed of 0 or above")
    if part is not Part.ALL:
        return plan_part(part.value, seed, clips_per_layout, layout)
    clips: list[Clip] = []
    for each in (Part.DEVELOPMENT, Part.DEVELOPMENT2, Part.DEVELOPMENT3, Part.HELDOUT, Part.TRAPS):
        try:
            clips += plan_part(each.value, seed, clips_per_layout, layout)
        except UserError:
            pass  # a layout is in one part only
    if not clips:
        raise UserError(f"no layout {layout!r} in any part")
    return clips


def read_clips(clips: list[Clip], make_watchers: MakeWatchers, folder: Path) -> Judged:
    """Draw the clips that are not there yet, read all, and compare them with the truth."""
    judged: Judged = []
    with tqdm(clips, disable=None, unit="clip") as bar:
        for clip in bar:
            bar.set_description(clip.name)
            path = render(clip, folder)
            reading = read(str(path), make_watchers(clip))
            judged.append((clip, judge(reading.events, clip.changes, clip.duration_s), reading))
    return judged


def sport_of(clip: Clip) -> str:
    """Return "football" or "other": the targets differ."""
    return "football" if clip.course.sport == "football" else "other"


def measures(judged: Judged) -> dict[str, Any]:
    """Return the measures of each layout, of each part and sport, and in total."""
    result: dict[str, Any] = {"layouts": {}, "parts": {}}
    for clip, _, _ in judged:
        part = clip.part if clip.part == Part.TRAPS else f"{clip.part}_{sport_of(clip)}"
        same_part = [
            v
            for c, v, _ in judged
            if c.part == clip.part and (c.part == Part.TRAPS or sport_of(c) == sport_of(clip))
        ]
        same = [v for c, v, _ in judged if (c.part, c.group) == (clip.part, clip.group)]
        result["layouts"][f"{clip.part}/{clip.group}"] = add_up(same).as_dict()
        result["parts"][part] = add_up(same_part).as_dict()
    result["total"] = add_up(v for _, v, _ in judged).as_dict()
    return result


def targets_met(result: dict[str, Any]) -> dict[str, bool]:
    """Return for each target that the clips can show whether it is met."""
    met = {
        "false_changes_per_min": result["total"]["false_changes_per_min"] <= TARGETS["false_changes_per_min"]
    }
    for part, row in result["parts"].items():
        if part == Part.TRAPS:
            met["false_changes_on_traps"] = row["false_changes"] == 0
        elif row["recall_3s"] is not None:
            least = TARGETS["recall_football" if part.endswith("football") else "recall_other"]
            met[f"recall_{part}"] = row["recall_3s"] >= least
    return met


def costs(judged: Judged, make_watchers: MakeWatchers, folder: Path) -> dict[str, Any]:
    """Return what reading costs: a picture that stands still, and the clip that cost the most, read once more."""
    most = max(judged, key=lambda row: row[2].processor_share)[0]
    path = str(most.path(folder))
    result: dict[str, Any] = {}
    for name, frames in (("still", still_frames(path)), ("most_expensive", sampled(path))):
        reading = read(frames, make_watchers(most))
        looks = len(frames) or 1
        result[name] = {
            "clip": most.name,
            "processor_s": round(reading.processor_s, 3),
            "video_s": round(reading.duration_s, 2),
            "core_share": round(reading.processor_share, 4),
            "wall_ms_per_frame": round(1000 * reading.wall_s / looks, 2),
        }
    return result


def print_table(result: dict[str, Any]) -> None:
    """Print the measures of each layout, of the parts and in total."""
    table = Table(box=None, pad_edge=False)
    table.add_column("layout")
    for heading in ("clips", "changes", "recall 3 s", "late", "false", "false/min", "delay, s"):
        table.add_column(heading, justify="right")
    for name, row in (*result["layouts"].items(), *result["parts"].items(), ("total", result["total"])):
        recall = "" if row["recall_3s"] is None else f"{row['recall_3s']:.0%}"
        delay = "" if row["delay_median_s"] is None else f"{row['delay_median_s']:.2f}"
        counts = (str(row[key]) for key in ("late", "false_changes"))
        per_min = f"{row['false_changes_per_min']:.2f}"
        table.add_row(name, str(row["clips"]), str(row["changes"]), recall, *counts, per_min, delay)
    Console(width=110).print(table)


def notes(judged: Judged, folder: Path) -> list[str]:
    """Return a line for each change that was missed and for each false one."""
    lines: list[str] = []
    for clip, verdict, _ in judged:
        where = f"{clip.part}/{clip.name}"
        for change in verdict.missed:
            lines.append(
                f"{where}: missed {'-'.join(change.accepts[0])} at {change.t_s:.2f} s, {clip.path(folder)}"
            )
        for event in verdict.false:
            facts = f"{event.facts.get('from')} → {event.facts.get('score')}"
            lines.append(
                f"{where}: false {facts} at {event.at_s:.2f} s, reported at {event.detected_s:.2f} s"
            )
    return lines


app = new_app()


@app.command(help=help_text(__doc__))
def main(
    part: Annotated[Part, typer.Option(help="Which clips.")] = Part.DEVELOPMENT,
    layout: Annotated[str, typer.Option(help="One layout or trap only.", show_default=False)] = "",
    clips_per_layout: Annotated[int, typer.Option(help="Clips of each layout and trap.")] = 2,
    seed: Annotated[int, typer.Option(help="Seed of all draws, 0 or above.")] = 0,
    watcher: Annotated[
        str, typer.Option(help="graphics; or, to check the benchmark itself, truth or nothing.")
    ] = "graphics",
    out: Annotated[
        Path, typer.Option(help="Folder of the clips (default data/made).", show_default=False)
    ] = CLIPS_FOLDER,
    sheet: Annotated[
        Path | None, typer.Option(help="Write one frame of each clip to this picture; read nothing.")
    ] = None,
) -> None:
    if watcher not in WATCHERS:
        raise UserError(f"unknown watcher {watcher!r}; known are {', '.join(WATCHERS)}")
    clips = chosen_clips(part, layout, clips_per_layout, seed)
    if sheet is not None:
        save_sheet(clips, sheet)
        print(json.dumps({"sheet": str(sheet), "clips": len(clips)}))
        return
    judged = read_clips(clips, WATCHERS[watcher], out)
    result = {"part": part.value, "seed": seed, "watcher": watcher, **measures(judged)}
    result["cost"] = costs(judged, WATCHERS[watcher], out)
    result["targets"], result["met"] = TARGETS, targets_met(result)
    # 1) what was missed, and what was made up
    lines = notes(judged, out)
    for line in lines[:_MOST_NOTES]:
        print(line)
    if len(lines) > _MOST_NOTES:
        print(f"… and {len(lines) - _MOST_NOTES} more")
    # 2) the figures
    print_table(result)
    machine = hardware()
    for name, cost in result["cost"].items():
        print(f"cost, {name.replace('_', ' ')}: {cost['core_share']:.1%} of a core ({cost['clip']})")
    print(f"on {machine['processor']}, {machine['cores']} cores, load {os.getloadavg()[0]:.1f}")
    print(json.dumps(result))


if __name__ == "__main__":
    run_app(app, "bench_watch")
