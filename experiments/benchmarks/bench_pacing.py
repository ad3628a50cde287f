"""How much silence there is between comments, and how far apart voice and picture are, by pacing policy.

Why these quantities: a live commentary is judged by its dead air (is it silent while things happen?) and by
whether the words fit the picture. A pacing policy can improve one at the cost of the other: a long picture delay
hides every latency, no pause at all hides every silence. So both are measured together, with the same commentator,
and with them what the viewer sees of the correction: how much the picture was slowed down or sped up, and whether
it jumped.

  silence_beyond_pause_s  gap between the end of one comment's sound and the start of the next, less the
                          pause that was set, and never below 0
  sync_error_s            |heard_from − time at which the comment's newest frame was on screen|
  slew_max                largest |Δ shown / Δ captured − 1| between neighbouring frames
  frames_jumped           frames left out, shown twice or out of order
  out_of_step_share       share of comments whose sync error is above 0.02 s
  delay_end_s             the picture delay at the last comment
  silence_limit_s         the silence beyond the pause that the same comments must leave, whatever the schedule: of a
                          commentator that is never idle, however long the picture lags
  silence_at_delay_s      the same where the picture lags as in this run, and each comment is prepared as early as the
                          picture that it speaks of is there

How: virtual time, what-if mode: a scripted commentator whose costs are sampled around the given means (first
sound: normal, standard deviation 15 %; speech: normal, standard deviation 1.5 s). No model runs and none is timed.
The whole loop runs as it does live; the picture is a synthetic source at 25 frames a second.

    python -m experiments.bench_pacing --first-sound 1.3 --realtime-factor 0.75 --speech 6 --pause 1 --comments 200

The last line on stdout is one JSON object.
"""

from __future__ import annotations

import json
import math
import sys
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import typer
from tqdm import tqdm

from commentator_lib.commentators.scripted import CostModel, ScriptedCommentator
from commentator_lib.session import LiveSession
from commentator_lib.settings import Settings
from commentator_lib.sources.synthetic import SyntheticSource
from experiments.errors import UserError
from experiments.tools.command_line import help_text, new_app, run_app

FPS = 25.0
Policy = Literal["playout", "serial"]
POLICIES: tuple[Policy, ...] = ("playout", "serial")


@dataclass(frozen=True)
class Costs:
    """What the scripted commentator costs, and how many of its comments are measured."""

    first_sound_s: float
    realtime_factor: float
    speech_s: float
    pause_s: float
    comments: int
    seed: int


def run_policy(policy: Policy, args: Costs) -> dict:
    """Return the measures of the module docstring over `args.comments` comments of one run under one policy."""
    cycle_s = args.speech_s + args.pause_s + args.first_sound_s + 1.0
    duration_s = cycle_s * (args.comments + 5) + 30
    cost = CostModel(args.first_sound_s, 0.15 * args.first_sound_s, args.speech_s, 1.5, args.realtime_factor)
    shown: list[tuple[int, float, float]] = []
    session = LiveSession(
        SyntheticSource(duration_s, FPS, args.seed),
        Settings(policy=policy, pause_s=args.pause_s, change_threshold=0.0, commentator="scripted"),
        commentator=ScriptedCommentator(cost=cost, seed=args.seed),
        mode="what-if",
        on_drawn=lambda frame, due_s, drawn_s: shown.append((frame.index, frame.captured_at_s, drawn_s)),
    )
    session.run()
    spoken = session.log.cycles
    spoken = spoken[spoken.outcome == "spoken"].head(args.comments)
    if len(spoken) < args.comments:
        sys.exit(
            f"only {len(spoken)} of {args.comments} comments were spoken: {session.log.cycles.outcome.value_counts()}"
        )
    index, captured_s, drawn_s = (np.asarray(column) for column in zip(*shown, strict=True))
    upto = captured_s <= spoken.frame_newest_captured_s.iloc[-1]
    index, captured_s, drawn_s = index[upto], captured_s[upto], drawn_s[upto]
    slew = np.diff(drawn_s) / np.diff(captured_s) - 1.0
    beyond = spoken.shortfall_s.dropna().to_numpy()
    costs = (
        (spoken.first_sound_s - spoken.infer_s).to_numpy(float),
        (spoken.generated_s - spoken.infer_s).to_numpy(float),
        spoken.speech_s.to_numpy(float),
        args.pause_s,
    )
    delay_s = float(spoken.delay_applied_s.iloc[-1])
    return {
        "silence_beyond_pause_s": _median_p95(beyond),
        "silence_limit_s": _median_p95(least_silence_s(*costs)),
        "silence_at_delay_s": _median_p95(least_silence_s(*costs, delay_s)),
        "sync_error_s": _median_p95(np.abs(spoken.sync_error_s.to_numpy())),
        "slew_max": round(float(np.abs(slew).max()), 4),
        "frames_jumped": int((np.diff(index) != 1).sum()),
        "delay_end_s": round(delay_s, 3),
        "out_of_step_share": round(float((spoken.sync_error_s.abs() > 0.02).mean()), 3),
        "comments": len(spoken),
    }


def least_silence_s(
    first_s: np.ndarray,
    generated_s: np.ndarray,
    speech_s: np.ndarray,
    pause_s: float,
    delay_s: float = math.inf,
) -> np.ndarray:
    """Return the silence beyond the pause before each comment but the first, (N − 1,), of the best schedule on paper.

    Of each comment, (N,): the seconds from the start of its generation to its first sound and to its end, and the
    length of its speech. One generation follows another; a comment begins when its first sound is there and the pause
    after the one before is over. Its generation can begin `delay_s` before that moment, when the picture that will be
    on screen then is captured; by default at any time, so that the commentator is never idle.
    """
    silences, free_s, slot_s = [], 0.0, -math.inf
    for first, generated, speech in zip(first_s, generated_s, speech_s, strict=True):
        start_s = max(free_s, slot_s - delay_s)
        heard_s = max(slot_s, start_s + first)
        silences.append(heard_s - slot_s)
        free_s, slot_s = start_s + generated, heard_s + speech + pause_s
    return np.asarray(silences[1:])


def _median_p95(values: np.ndarray) -> dict:
    return {"median": round(float(np.median(values)), 4), "p95": round(float(np.quantile(values, 0.95)), 4)}


app = new_app()


@app.command(help=help_text(__doc__))
def main(
    first_sound: Annotated[float, typer.Option(help="Mean time to first sound, s.")] = 1.3,
    realtime_factor: Annotated[float, typer.Option(help="Compute per second of sound.")] = 0.75,
    speech: Annotated[float, typer.Option(help="Mean length of a comment, s.")] = 6.0,
    pause: Annotated[float, typer.Option(help="Pause between comments, s.")] = 1.0,
    comments: Annotated[int, typer.Option(help="Comments measured.")] = 200,
    seed: Annotated[int, typer.Option(help="Seed of all draws.")] = 0,
) -> None:
    # 1) run both policies
    if min(first_sound, realtime_factor, pause) < 0 or speech <= 0 or comments < 2:
        raise UserError("costs and the pause must not be negative, speech above 0, comments 2 or more")
    args = Costs(first_sound, realtime_factor, speech, pause, comments, seed)
    result = {}
    for policy in tqdm(POLICIES, desc="policies", disable=None):
        result[policy] = run_policy(policy, args)
    # 2) print a table and the JSON line
    print(f"scripted commentator, virtual time, {args.comments} comments, seed {args.seed}")
    print(
        f"{'':10}{'silence beyond the pause, s':>34}{'picture/sound error, s':>30}{'slew':>8}{'jumps':>7}",
        end="",
    )
    print(f"{'out of step':>13}{'least silence on paper, p95: never idle, at this delay':>56}")
    for policy, row in result.items():
        silence, sync = row["silence_beyond_pause_s"], row["sync_error_s"]
        print(
            f"{policy:10}{silence['median']:>18.3f} median{silence['p95']:>6.3f} p95"
            f"{sync['median']:>14.3f} median{sync['p95']:>6.3f} p95{row['slew_max']:>8.3f}"
            f"{row['frames_jumped']:>7}{row['out_of_step_share']:>13.1%}"
            f"{row['silence_limit_s']['p95']:>42.3f},{row['silence_at_delay_s']['p95']:>13.3f}"
        )
    print(json.dumps(result))


if __name__ == "__main__":
    run_app(app, "bench_pacing")
