"""What the baseline commentator says about the demo's clips, and what one comment costs.

Why these quantities: what the commentator says must be true, and only a person can judge that; so its sentences are
printed with the time of the newest frame, to be compared with the picture. Its cost decides whether a laptop can
run it while it plays the video: processor time per comment, without and with OCR.

  comment_ms       processor time of one `comment` (all threads), mean and largest
  core_share       that mean, divided by the time between two comments
  spoken_share     share of calls in which it said anything

How: the demo's playlist, one frame a second, up to 4 frames per call as in the live loop, one call every `--every`
seconds. Calls follow each other without waiting, so only the processor time can depend on the machine's load.

    python -m experiments.bench_baseline --seconds 46

The last line on stdout is one JSON object.
"""

from __future__ import annotations

import json
import time
from typing import Annotated

import numpy as np
import typer
from tqdm import tqdm

from commentator_lib.commentators.base import NOTHING_TO_SAY, CommentRequest
from commentator_lib.commentators.baseline.commentator import BaselineCommentator
from commentator_lib.commentators.baseline.text import ocr_installed
from commentator_lib.media import Frame
from commentator_lib.runs.meters import hardware
from commentator_lib.sources.open import open_source
from experiments.errors import UserError
from experiments.tools.command_line import help_text, new_app, run_app


def one_a_second(seconds: float, offset_s: float = 0.0) -> list[Frame]:
    """Return the demo's frames, one a second from `offset_s` on; captured_at_s is the media time."""
    source = open_source("demo", seconds)
    frames, due_s = [], offset_s
    for frame in iter(source.read, None):
        if frame.pts_s >= due_s - 1e-6:
            frames.append(Frame(frame.index, frame.pts_s, frame.pts_s, frame.image))
            due_s += 1.0
    source.close()
    return frames


def measure(frames: list[Frame], every: int, ocr: bool) -> tuple[dict, list[tuple[float, str]]]:
    """Call a new commentator at every `every`-th frame.

    Return (costs as in the module docstring, [(media time of the newest frame in seconds, what was said)]).
    """
    commentator = BaselineCommentator(ocr=ocr, seed=0)
    commentator.warm_up()
    cost_s, said = [], []
    for k in range(every - 1, len(frames), every):
        started = time.process_time()
        text = "".join(
            c.text for c in commentator.comment(CommentRequest(frames[max(0, k - 3) : k + 1], "", 150))
        )
        cost_s.append(time.process_time() - started)
        said.append((frames[k].pts_s, text))
    spoken = [text for _, text in said if text != NOTHING_TO_SAY]
    costs = {
        "comment_ms": {"mean": round(1000 * float(np.mean(cost_s)), 1), "max": round(1000 * max(cost_s), 1)},
        "core_share": round(float(np.mean(cost_s)) / every, 4),
        "spoken_share": round(len(spoken) / len(said), 3),
        "comments": len(said),
    }
    return costs, said


app = new_app()


@app.command(help=help_text(__doc__))
def main(
    seconds: Annotated[float, typer.Option(help="Length of the playlist, s.")] = 46.0,
    every: Annotated[list[int] | None, typer.Option(help="Seconds between comments (default 3 1).")] = None,
    more: Annotated[list[int] | None, typer.Argument(hidden=True)] = None,
) -> None:
    # 1) options: typer reads `--every 3 1` as one value of the option and one argument
    intervals_s = [*(every or ([] if more else [3, 1])), *(more or [])]
    if seconds < 4 or min(intervals_s) < 1:
        raise UserError("give 4 seconds or more, and a second or more between comments")
    # 2) run without OCR, and with OCR where it is installed
    frames = one_a_second(seconds)
    kinds = [False, True] if ocr_installed() else [False]
    result: dict = {}
    for interval_s, ocr in tqdm([(e, o) for e in intervals_s for o in kinds], desc="kinds", disable=None):
        costs, said = measure(frames, interval_s, ocr)
        result[f"every {interval_s} s, {'with' if ocr else 'without'} OCR"] = costs
        if interval_s == intervals_s[0] and ocr == kinds[-1]:
            for at_s, text in said:
                print(f"{at_s:6.1f} s  [baseline] {text}")
    # 3) print the costs
    for name, costs in result.items():
        ms = costs["comment_ms"]
        print(
            f"{name}: {ms['mean']:.0f} ms mean, {ms['max']:.0f} ms largest, {costs['core_share']:.1%} of one core"
        )
    if len(kinds) == 1:
        print("rapidocr is not installed: no figures with OCR")
    print(f"on {hardware()['processor']}")
    print(json.dumps(result))


if __name__ == "__main__":
    run_app(app, "bench_baseline")
