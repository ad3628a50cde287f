"""Compare this project's figures with docs/baseline.json; fail where one is worse by more than a tenth.

Why: a figure that nobody measures again may become worse unnoticed. So the benchmarks run in a short form, and the
commit that made a figure worse is named, which takes up to two minutes more.

    pacing       bench_pacing: silence, picture/sound error, delay
    match        what-if runs of scripted matches: events named, F1, redundancy, dead air, first sound, …
    told         events that a watcher reports: noticed, told, how soon
    replay       the shipped clips in replay, at fixed costs
    programme    ten minutes twice: the same log
    scoreboard   bench_watch on one drawn clip: recall, false changes, delay
    scene        the shipped clips: changes decided rightly, cuts found
    speed/…      processor time: loop, watchers, scene (the measures of change), start

All but the speed are in virtual time, and the same on every run. A speed is a ratio within one run: processor time of
a piece of work, divided by that of the same work with the code of the baseline's commit, which takes turns with it. It
may be worse by a tenth and by the spread of this run (half the 95 % interval of the median).

    python -m experiments.guard
    python -m experiments.guard --only pacing,speed/loop
    python -m experiments.guard --write             after a commit that changes figures on purpose

One line for each figure that fails, and exit status 1; 2 where the baseline cannot be used. The last line on stdout is
one JSON object.
"""

from __future__ import annotations

import functools
import json
import time
from dataclasses import replace
from typing import Annotated

import typer
from tqdm import tqdm

from experiments.errors import UserError
from experiments.guarding.checkouts import ROOT, FailedHere, git, is_changed_since, measure
from experiments.guarding.compare import SPEED, Baseline, Verdict, check_names, load_baseline, save_baseline
from experiments.guarding.figures import GROUPS
from experiments.guarding.history import UNCOMMITTED, known_commit
from experiments.guarding.judging import (
    BASELINE,
    LONGEST_S,
    JudgeAt,
    can_be_timed,
    judge_group,
    judge_speed,
    remembered,
    who_changed,
)
from experiments.guarding.work import WORK
from experiments.tools.command_line import chosen_parts, help_text, new_app, run_app

SPEEDS = tuple(f"{SPEED}/{piece}" for piece in WORK)
PARTS = (*GROUPS, *SPEEDS)  # what is measured in one go


def read_baseline(chosen: list[str]) -> dict[str, dict[str, Baseline]]:
    """Return the baseline of each part, with commits that git knows.

    Raise UserError where it cannot be used, lacks a chosen part, or has one that is not known.
    """
    found = load_baseline(BASELINE)
    commits = {
        commit: known_commit(commit, BASELINE) for commit in {entry.commit for entry in found.values()}
    }
    parts: dict[str, dict[str, Baseline]] = {}
    for name, entry in found.items():
        entry = replace(entry, commit=commits[entry.commit] or entry.commit)
        parts.setdefault(part_of(name), {})[name] = entry
    check_names(BASELINE, parts, [part for part in PARTS if part in parts or part in chosen])
    return parts


def part_of(name: str) -> str:
    """Return the part that a figure is of: a group, or one speed."""
    return name if name in SPEEDS else name.split("/")[0]


def write_baseline(parts: list[str]) -> int:
    """Measure parts and write them into the baseline, beside what it has of others; return how many figures.

    Raise UserError where the code is not that of a commit, or cannot be measured.
    """
    commit = git("rev-parse", "HEAD")
    if commit is None:
        raise UserError(f"{ROOT} is no git checkout: a baseline names the commit that it was measured with")
    if is_changed_since(commit):
        raise UserError("commit the code first: a baseline names the commit that it was measured with")
    kept = load_baseline(BASELINE) if BASELINE.exists() else {}
    new: dict[str, Baseline] = {}
    for part in tqdm(parts, desc="figures", disable=None):
        if part in SPEEDS:
            new[part] = Baseline(1.0, commit)  # as long as with its own commit, by definition
            continue
        try:
            found = measure(ROOT, part, LONGEST_S)
        except FailedHere as failure:
            raise UserError(str(failure)) from None
        new |= {f"{part}/{name}": Baseline(value, commit) for name, value in found.items()}
    kept = {name: entry for name, entry in kept.items() if part_of(name) not in parts}
    save_baseline(BASELINE, {**kept, **new})
    return len(new)


app = new_app()


@app.command(help=help_text(__doc__))
def main(
    only: Annotated[
        str, typer.Option(help=f"Some parts alone, of {', '.join(PARTS)}.", show_default=False)
    ] = ",".join(PARTS),
    write: Annotated[
        bool, typer.Option("--write", help="Make what is measured now the baseline of these parts.")
    ] = False,
    search_s: Annotated[
        float, typer.Option(min=0, help="How long to look for commits that made a figure worse, s.")
    ] = 120.0,
) -> None:
    began_s = time.monotonic()
    parts = chosen_parts(only, PARTS)
    if write:
        count = write_baseline(parts)
        print(f"{count} figures written to {BASELINE}")
        print(json.dumps({"written": count, "seconds": round(time.monotonic() - began_s, 1)}))
        return
    # 1) measure and judge
    baseline = read_baseline(parts)
    verdicts: list[tuple[Verdict, JudgeAt]] = []
    failed: list[str] = []
    for part in tqdm(parts, desc="figures", disable=None):
        own = baseline[part]
        if part in SPEEDS and not can_be_timed(own[part]):
            print(f"{part}: nothing to compare, the code is that of its baseline's commit")
            continue
        judge = functools.partial(judge_speed if part in SPEEDS else judge_group, part, own)
        judge_at = remembered(judge)
        try:
            verdicts += [(verdict, judge_at) for verdict in judge_at(UNCOMMITTED, LONGEST_S).values()]
        except FailedHere as failure:
            failed.append(part)
            print(f"FAILED {part} cannot be measured: {failure}", flush=True)
    # 2) of each figure that fails, look for the commit
    until_s = time.monotonic() + search_s
    for verdict, judge_at in verdicts:
        if verdict.fails:
            failed.append(verdict.name)
            commit = who_changed(verdict, judge_at, until_s)
            print(f"FAILED {verdict.words()}; {commit}", flush=True)
        elif verdict.group == SPEED or abs(verdict.worse) > 0:
            print(verdict.words())
    # 3) report
    seconds = round(time.monotonic() - began_s, 1)
    print(f"{len(verdicts)} figures in {seconds:.0f} s, {len(failed)} failed")
    print(json.dumps({"figures": len(verdicts), "failed": failed, "seconds": seconds}))
    if failed:
        raise typer.Exit(1)


if __name__ == "__main__":
    run_app(app, "guard")
