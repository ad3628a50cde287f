"""Measure and judge figures with the code of this checkout or of a commit; find the commit that made one worse."""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from experiments.guarding.checkouts import ROOT, FailedHere, code_of, is_changed_since, measure
from experiments.guarding.compare import SPEED, Baseline, Verdict, check_names, judge
from experiments.guarding.history import UNCOMMITTED, first_bad, steps_since, words_of
from experiments.guarding.speed import median_interval, times_as_long

BASELINE = ROOT / "docs" / "baseline.json"
LONGEST_S = 300.0  # of one measurement
# Judges the figures of one measurement with the code of a step, by name, in at most so many seconds.
JudgeAt = Callable[[str, float], Mapping[str, Verdict]]


def _code_at(step: str) -> contextlib.AbstractContextManager[Path]:
    return contextlib.nullcontext(ROOT) if step == UNCOMMITTED else code_of(step)


def judge_group(
    group: str, baseline: Mapping[str, Baseline], step: str, longest_s: float
) -> dict[str, Verdict]:
    """Return the verdicts on a group's figures, measured with the code of a step.

    Raise FailedHere where they cannot be measured, UserError where the baseline has other figures than these.
    """
    with _code_at(step) as checkout:
        found = measure(checkout, group, longest_s)
    measured = {f"{group}/{name}": value for name, value in found.items()}
    check_names(BASELINE, baseline, measured)
    return {name: judge(name, value, baseline[name]) for name, value in measured.items()}


def judge_speed(
    name: str, baseline: Mapping[str, Baseline], step: str, longest_s: float
) -> dict[str, Verdict]:
    """Return the verdict on a speed: the code of a step against that of the baseline's commit. Raise FailedHere."""
    with _code_at(step) as now, code_of(baseline[name].commit) as then:
        ratios = times_as_long(now, then, name.split("/")[1], longest_s)
    median, low, high = median_interval(ratios)
    return {name: judge(name, median, baseline[name], (high - low) / 2)}


def can_be_timed(baseline: Baseline) -> bool:
    """Return whether there is something to compare a speed with: this code differs from its baseline's commit."""
    return is_changed_since(baseline.commit)


def remembered(judge_at: JudgeAt) -> JudgeAt:
    """Return the same function, which measures once with the code of each step: figures of a group share that."""
    found: dict[str, Mapping[str, Verdict]] = {}

    def judge_once_at(step: str, longest_s: float) -> Mapping[str, Verdict]:
        if step not in found:
            found[step] = judge_at(step, longest_s)
        return found[step]

    return judge_once_at


def who_changed(verdict: Verdict, judge_at: JudgeAt, until_s: float) -> str:
    """Return in words which commit made a figure fail; `until_s` is when to stop looking, by the monotonic clock."""
    steps = steps_since(verdict.baseline.commit)
    if len(steps) < 2:
        return "no commit since its baseline changed the code: this machine or its packages differ"

    @functools.cache
    def is_bad(step: str) -> bool | None:
        left_s = until_s - time.monotonic()
        try:
            return judge_at(step, left_s)[verdict.name].fails if left_s > 0 else None
        except FailedHere:
            return None

    if verdict.group != SPEED and is_bad(steps[0]):
        return f"it is as bad with its baseline's code ({words_of(steps[0])}): this machine or its packages differ"
    good, bad = first_bad(steps, is_bad)
    if bad == good + 1:
        return f"changed by {words_of(steps[bad])}"
    return f"changed by one of {bad - good}: after {words_of(steps[good])}, up to {words_of(steps[bad])}"
