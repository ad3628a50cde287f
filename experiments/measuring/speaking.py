"""When to speak: run each policy of `speak_when` on scripted matches, and measure whether it speaks when it should.

No model is run. `Describer` is a scripted commentator that knows the truth. Asked where nothing is new it says the
same sentence again, as models do, so that a policy that asks too often repeats itself. What it makes of a picture as a
judge is drawn at random: under each rule of the model, what is new and what is not are `separation` standard
deviations apart. So the figure compares the rules and their thresholds, given equally good models, and says nothing
about any model. Under the policy events a watcher
reports the truth's events late, and not all of them.

All runs are in virtual time (what-if), on the tiny pictures of whatif.py, in which `change` sees the real change.
"""

from __future__ import annotations

import bisect
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from commentator_lib.commentators.base import NOTHING_TO_SAY, CommentRequest
from commentator_lib.commentators.scripted import CostModel, ScriptedCommentator
from commentator_lib.events import Event as Noticed
from commentator_lib.session import LiveSession
from commentator_lib.settings import Settings
from experiments.match_clip.events import Truth
from experiments.match_clip.match import write_script
from experiments.measuring.metrics import measure
from experiments.measuring.numbers import per_minute
from experiments.sweeping.noticed import RecordedWatcher
from experiments.sweeping.whatif import PICTURES_FPS, TinyMatch, tiny_pictures

# The settings of each policy, by its name in figures. On these small pictures of a moving camera the change since the
# last comment is nearly always above the default threshold, so that a higher one is shown beside it.
POLICIES: dict[str, dict[str, Any]] = {
    "change of 5 (default)": {"speak_when": "change"},
    "change of 50": {"speak_when": "change", "change_threshold": 50.0},
    "interval": {"speak_when": "interval"},
    "events": {"speak_when": "events"},
    "first-token": {"speak_when": "first-token"},
    "perplexity": {"speak_when": "perplexity"},
    "yes-no": {"speak_when": "yes-no"},
}
MEASURES = [
    "speak_f1",
    "repetition",
    "redundancy",
    "recall_3s",
    "dead_air_share",
    "comments_per_min",
    "false_triggers_per_min",
]
COLUMNS = [*MEASURES, "passes_per_min", "pass_share", "busy_share"]
# What is said of the play until something happens. Two situations share no four words in a row but 30 apart.
_WHO = ("the keeper", "a defender", "their captain", "the winger", "a midfielder")
_DOES = (
    "passes it on",
    "looks for somebody",
    "keeps the ball",
    "takes his time",
    "turns and waits",
    "walks it up",
)
_WHERE = (
    "near the line",
    "in the middle",
    "on the left",
    "on the right",
    "far from everyone",
    "by the bench",
    "among three others",
)
_NAMES = {
    "kick-off": "The kick-off by {team}",
    "shot": "A shot by {team}",
    "goal": "Goal for {team}",
    "card": "A card for {team}",
    "substitution": "A substitution for {team}",
    "corner": "Corner for {team}",
}


@dataclass(frozen=True, slots=True)
class Assumptions:
    """What the scripted runs assume; chosen, not measured. Times in seconds."""

    separation: float = 3.0  # of new and not new in a judge's number, in standard deviations (d′)
    perplexity_spread: float = 0.03  # standard deviation of the logarithm of now ÷ then
    pass_s: float = 0.1  # of a judge's forward pass
    quiet: float = 0.8  # probability of "..." where nothing goes on and nothing is new
    reported: float = 0.9  # share of the events that the watcher reports
    report_s: float = 1.0  # its delay, mean
    report_spread_s: float = 0.3
    cost: CostModel = CostModel(1.3, 0.2, 3.0, 0.8, 0.5)


@dataclass(frozen=True, slots=True)
class Situation:
    """What goes on from one moment of the truth to the next, and the sentence that tells it."""

    number: int
    from_s: float
    in_action: bool
    is_event: bool
    sentence: str

    @property
    def worth(self) -> bool:
        """Whether it is worth a comment: there is action, or something has just happened."""
        return self.in_action or self.is_event


def situations(truth: Truth) -> list[Situation]:
    """Return the truth's situations in order of time: one begins with each stretch and with each event of the match."""
    happened = [event for event in truth.events if event.kind in _NAMES]
    starts = sorted({x.from_s for x in truth.stretches} | {event.t_s for event in happened})
    found: list[Situation] = []
    for number, from_s in enumerate(starts):
        in_action = any(x.kind == "action" and x.from_s <= from_s < x.to_s for x in truth.stretches)
        event = next((event for event in happened if event.t_s == from_s), None)
        play = f"{_WHO[number % 5]} {_DOES[number % 6]} {_WHERE[number % 7]}."
        sentence = play.capitalize()
        if event is not None:
            sentence = f"{_NAMES[event.kind].format(team=event.team)}, and {play}"
        found.append(Situation(number, from_s, in_action, event is not None, sentence))
    return found


class Describer:
    """The lines and the judgements of a `ScriptedCommentator` that knows the truth; see the module's docstring.

    Random numbers depend on the seed, the rule and the newest frame only.
    """

    def __init__(self, truth: Truth, assumed: Assumptions, seed: int) -> None:
        self._situations = situations(truth)
        self._starts = [s.from_s for s in self._situations]
        self._assumed = assumed
        self._seed = seed
        self._told = -1  # the number of the situation that was told last

    def commentator(self) -> ScriptedCommentator:
        """Return the commentator that says and judges what this one does."""
        assumed = self._assumed
        return ScriptedCommentator(
            self.line, assumed.cost, "silence", self._seed, self.judgement, assumed.pass_s
        )

    def line(self, request: CommentRequest) -> str:
        """Return the sentence of the situation in the newest frame; often "..." where nothing goes on."""
        now, is_new = self._now(request), self._is_new(request)
        if not is_new and not now.in_action and self._random("line", request).random() < self._assumed.quiet:
            return NOTHING_TO_SAY
        self._told = now.number
        return now.sentence

    def judgement(self, request: CommentRequest, rule: str, last_comment: str) -> float:
        """Return the rule's number: normal noise around one mean where something is new, another where it is not."""
        is_new, apart = self._is_new(request), self._assumed.separation
        noise = self._random(rule, request).gauss(0.0, 1.0)
        if rule == "perplexity":
            # Now ÷ then has this spread, so each of both has it ÷ √2.
            spread = self._assumed.perplexity_spread
            return 6.0 * math.exp(spread * (noise / math.sqrt(2) + apart * is_new))
        evidence = noise + (apart / 2 if is_new else -apart / 2)
        new = 1.0 / (1.0 + math.exp(-apart * evidence))  # by Bayes' rule, where both are as likely
        return new if rule == "yes-no" else 1.0 - new

    def _now(self, request: CommentRequest) -> Situation:
        place = bisect.bisect_right(self._starts, request.frames[-1].pts_s) - 1
        return self._situations[max(0, place)]

    def _is_new(self, request: CommentRequest) -> bool:
        now = self._now(request)
        return now.worth and now.number != self._told

    def _random(self, what: str, request: CommentRequest) -> random.Random:
        return random.Random(f"{self._seed}/{what}/{request.frames[-1].index}")


def reported_events(truth: Truth, assumed: Assumptions, seed: int) -> list[Noticed]:
    """Return the truth's events of the match as a watcher would report them: late, and not all of them."""
    rng = random.Random(f"{seed}/watcher")
    found: list[Noticed] = []
    for event in truth.events:
        late_s = max(0.2, rng.gauss(assumed.report_s, assumed.report_spread_s))
        if rng.random() < assumed.reported and event.kind in _NAMES:
            found.append(Noticed(event.kind, event.t_s, event.t_s + late_s, 2 if event.kind == "goal" else 1))
    return found


def run_policy(
    policy: str, pictures: np.ndarray, truth: Truth, seed: int, assumed: Assumptions = Assumptions()
) -> dict[str, Any]:
    """Run one of POLICIES on a match; return its measures, and the judge's passes: how many, and their share of time.

    `busy_share` counts the passes too. Only under events there is a watcher: elsewhere its events would be told too,
    and hide what the policy does.
    """
    session = LiveSession(
        TinyMatch(pictures, PICTURES_FPS, "match"),
        Settings(commentator="scripted", seed=seed, **POLICIES[policy]),
        commentator=Describer(truth, assumed, seed).commentator(),
        watchers=[RecordedWatcher(reported_events(truth, assumed, seed))] if policy == "events" else [],
        mode="what-if",
    ).run()
    cycles = session.log.cycles
    row = measure(cycles, truth, source_from_s=session.log.header["source_from_s"])
    passes_s = cycles.decide_pass_s.dropna()
    pass_share = float(passes_s.sum()) / truth.duration_s
    return {
        "when": policy,
        "seed": seed,
        **{name: row[name] for name in MEASURES},
        "passes_per_min": per_minute(len(passes_s), truth.duration_s),
        "pass_share": pass_share,
        "busy_share": row["busy_share"] + pass_share,
    }


def compare_policies(
    clips: Sequence[int] = (0, 1),
    seeds: Sequence[int] = (0, 1, 2),
    duration_s: float = 120.0,
    assumed: Assumptions = Assumptions(),
) -> pd.DataFrame:
    """Run every policy on the scripted matches `clips` with all `seeds`; return one row a run.

    The clips' pictures are drawn once, in about ten seconds each, and kept in data/made/.
    """
    rows: list[dict[str, Any]] = []
    for clip in clips:
        pictures, truth = tiny_pictures(duration_s, clip), write_script(duration_s, clip).truth
        for policy in POLICIES:
            rows += [{"clip": clip, **run_policy(policy, pictures, truth, seed, assumed)} for seed in seeds]
    return pd.DataFrame(rows)
