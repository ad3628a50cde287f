"""Run a 90-minute source in what-if mode, twice: how fast it is, and whether both logs are equal.

Why: sweeps consist of what-if runs, so their speed decides how large a grid a laptop can explore; and if two runs
with one seed differed, the plots of a sweep would show chance. So the wall time of each run is measured, and the
logs of the two runs are compared byte for byte (without the header, which holds the date).

How: virtual time, a scripted commentator with sampled costs, a synthetic source at 25 frames a second. The result
has both wall times, and the ratio of the source's length to the longer one; the processor is printed. `--length` runs
programmes of other lengths once each, and tells the processor's seconds for each minute of them, which should be the
same for all.

    python -m experiments.bench_programme --minutes 90
    python -m experiments.bench_programme --length 1 --length 10 --length 60 --length 480

The last line on stdout is one JSON object.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from tqdm import tqdm

from commentator_lib.commentators.scripted import CostModel, ScriptedCommentator
from commentator_lib.runs.meters import hardware
from commentator_lib.session import LiveSession
from commentator_lib.settings import Settings
from experiments.errors import UserError
from experiments.tools.command_line import help_text, new_app, run_app

_LOG_FILES = ("cycles.jsonl", "samples.jsonl", "events.jsonl", "shown.csv", "voice.pcm")


def run_once(folder: Path, minutes: float, seed: int) -> tuple[float, str, int]:
    """Do one run of `minutes`. Return (wall time in seconds, SHA-256 of the log, number of cycles)."""
    started = time.perf_counter()
    session = LiveSession(
        f"synthetic:{60.0 * minutes:g}",
        Settings(commentator="scripted", seed=seed),
        commentator=ScriptedCommentator(cost=CostModel(1.3, 0.2, 6.0, 1.5, 0.75), seed=seed),
        mode="what-if",
        run_dir=folder,
    )
    session.run()
    wall_s = time.perf_counter() - started
    digest = hashlib.sha256()
    for name in _LOG_FILES:
        digest.update((folder / name).read_bytes())
    return wall_s, digest.hexdigest(), len(session.log.cycle_rows)


def processor_s(minutes: float, seed: int) -> float:
    """Do one run of `minutes`; return the seconds of processor that it took, of all threads."""
    with tempfile.TemporaryDirectory() as temporary:
        before_s = time.process_time()
        run_once(Path(temporary) / "run", minutes, seed)
        return time.process_time() - before_s


app = new_app()


@app.command(help=help_text(__doc__))
def main(
    minutes: Annotated[float, typer.Option(help="Length of the playlist, min.")] = 90.0,
    seed: Annotated[int, typer.Option(help="Seed of all draws.")] = 0,
    length: Annotated[list[float] | None, typer.Option(help="Another length to run once, min.")] = None,
) -> None:
    if any(wanted <= 0 for wanted in (minutes, *(length or ()))):
        raise UserError("the source must be longer than 0 minutes")
    with tempfile.TemporaryDirectory() as temporary:
        runs = [
            run_once(Path(temporary) / str(k), minutes, seed)
            for k in tqdm(range(2), desc="runs", disable=None)
        ]
    wall_s = [wall for wall, _, _ in runs]
    result: dict[str, Any] = {
        "programme_min": minutes,
        "wall_s": [round(w, 2) for w in wall_s],
        "times_real_time": round(60 * minutes / max(wall_s), 1),
        "same_log": runs[0][1] == runs[1][1],
        "cycles": runs[0][2],
    }
    for other in length or []:
        used_s = processor_s(other, seed)
        result.setdefault("processor_s", {})[f"{other:g}"] = round(used_s, 3)
        print(f"{other:g} minutes: {used_s:.2f} s of processor, {1000 * used_s / other:.1f} ms a minute")
    logs = "equal" if result["same_log"] else "DIFFERENT"
    print(f"{minutes:g} minutes in {max(wall_s):.1f} s, {result['times_real_time']:.0f}× real time (virtual)")
    print(f"{runs[0][2]} cycles, the two logs are {logs}; {hardware()['processor']}")
    print(json.dumps(result))


if __name__ == "__main__":
    run_app(app, "bench_programme")
