"""The guard: what it decides and refuses, and three planted faults that it finds with the commits that made them."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from experiments.errors import UserError
from experiments.guarding import history, judging
from experiments.guarding.checkouts import ROOT
from experiments.guarding.compare import Baseline, check_names, judge, load_baseline, save_baseline
from experiments.guarding.guard import PARTS, part_of
from experiments.guarding.speed import is_clear, median_interval

BASE = Baseline(2.0, "abc")


@pytest.mark.parametrize(
    ("name", "value", "fails"),
    [
        ("pacing/serial_silence_p95_s", 2.19, False),
        ("pacing/serial_silence_p95_s", 2.21, True),
        ("pacing/serial_silence_p95_s", 1.0, False),
        ("told/recall_3s", 1.81, False),
        ("told/recall_3s", 1.79, True),
        ("told/recall_3s", 3.0, False),
        ("told/recall_3s", math.nan, True),
    ],
)
def test_a_figure_may_be_worse_by_a_tenth_and_better_without_bound(name, value, fails):
    assert judge(name, value, BASE).fails == fails


def test_near_zero_the_least_difference_that_means_anything_counts():
    was = Baseline(0.003, "abc")
    assert not judge("replay/sync_error_p95_s", 0.0079, was).fails
    assert judge("replay/sync_error_p95_s", 0.0081, was).fails
    zero = Baseline(0.0, "abc")
    assert judge("scoreboard/false_changes", 1.0, zero).fails
    assert not judge("scoreboard/false_changes", 0.0, zero).fails
    one_look = Baseline(0.52, "abc")
    assert not judge("scoreboard/delay_median_s", 0.72, one_look).fails
    assert judge("scoreboard/delay_median_s", 0.92, one_look).fails


def test_a_speed_may_be_worse_by_the_spread_of_its_run_too():
    as_long = Baseline(1.0, "abc")
    assert judge("speed/loop", 1.12, as_long, spread=0.01).fails
    assert not judge("speed/loop", 1.12, as_long, spread=0.03).fails
    assert (
        "worse by 12.0% (limit 10% and a spread of 3.0%)" in judge("speed/loop", 1.12, as_long, 0.03).words()
    )


def test_the_interval_of_a_median_holds_it_and_widens_with_the_ratios():
    narrow, wide = [0.99, 1.0, 1.01] * 3, [0.7, 1.0, 1.3] * 3
    middle, low, high = median_interval(narrow)
    assert low <= middle <= high and middle == 1.0
    assert median_interval(wide)[2] - median_interval(wide)[1] > high - low


def test_five_pairs_are_enough_where_all_are_far_from_the_limit():
    assert not is_clear([1.0] * 4) and is_clear([1.0] * 5) and is_clear([1.3] * 5)
    assert not is_clear([1.0, 1.0, 1.0, 1.0, 1.3]) and not is_clear([1.12] * 5)


@pytest.mark.parametrize("bad_from", range(1, 8))
def test_bisection_finds_the_first_bad_step_and_asks_few(bad_from):
    asked = []

    def is_bad(step):
        asked.append(step)
        return int(step) >= bad_from

    assert history.first_bad([str(k) for k in range(8)], is_bad) == (bad_from - 1, bad_from)
    assert len(asked) <= 3


def test_steps_that_cannot_be_told_widen_the_answer():
    answers = {"1": False, "2": None, "3": None, "4": True}
    assert history.first_bad(["0", *answers, "5"], answers.get) == (1, 4)
    assert history.first_bad(["0", "1", "2"], lambda _: None) == (0, 2)


def test_a_figure_that_is_as_bad_with_its_baselines_code_blames_no_commit(monkeypatch):
    monkeypatch.setattr(judging, "steps_since", lambda _: ["aaa", "bbb", "ccc"])
    monkeypatch.setattr(judging, "words_of", lambda step: f"<{step}>")
    bad = judge("told/recall_3s", 1.0, BASE)
    said = judging.who_changed(bad, lambda step, _: {bad.name: bad}, math.inf)
    assert said == "it is as bad with its baseline's code (<aaa>): this machine or its packages differ"
    good = judge("told/recall_3s", 2.0, BASE)
    judge_at = {"aaa": good, "bbb": good}
    said = judging.who_changed(bad, lambda step, _: {bad.name: judge_at[step]}, math.inf)
    assert said == "changed by <ccc>"
    assert judging.who_changed(bad, lambda step, _: {bad.name: judge_at[step]}, -math.inf) == (
        "changed by one of 2: after <aaa>, up to <ccc>"  # no time left
    )


def test_a_baseline_is_read_as_it_was_written(tmp_path):
    path = tmp_path / "docs" / "baseline.json"
    figures = {"told/recall_3s": Baseline(0.549, "0a1"), "speed/loop": Baseline(1.0, "0a2")}
    save_baseline(path, figures)
    assert load_baseline(path) == figures
    assert len(path.read_text().splitlines()) == 4  # a line each, sorted


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is no JSON"),
        ("[1]", "must be an object"),
        ('{"told/recall_3s": 1}', "must have a value, a number, and a commit"),
        ('{"told/recall_3s": {"value": true, "commit": "abc"}}', "must have a value"),
        ('{"told/recall_3s": {"value": 1, "commit": "--all"}}', "has the commit '--all'"),
    ],
)
def test_a_bad_baseline_is_refused_in_one_line(tmp_path, text, says):
    path = tmp_path / "baseline.json"
    path.write_text(text)
    with pytest.raises(UserError, match=says):
        load_baseline(path)


def test_the_baseline_and_what_is_measured_are_the_same_figures():
    with pytest.raises(UserError, match="lacks b; --write"):
        check_names(Path("x"), ["a"], ["a", "b"])
    with pytest.raises(UserError, match="has c, which nothing measures"):
        check_names(Path("x"), ["a", "c"], ["a"])


def test_the_committed_baseline_has_every_part():
    assert {part_of(name) for name in load_baseline(ROOT / "docs" / "baseline.json")} == set(PARTS)


# --- planted faults, in a repository of their own with the code as it is here

LOOP = "commentator_lib/commentary/loop.py"
# Fault → (a figure that becomes worse, file, text of the file that is there once, text that is added after it).
FAULTS = {
    "a slower loop": (
        "speed/loop",
        LOOP,
        "    async def _cycle(self, slot: Slot) -> None:\n",
        "        sum(range(1_000_000))\n",
    ),
    "a later first sound": (
        "told/response_latency_s",
        "commentator_lib/commentary/generation.py",
        "            # 3) Write down what it took, and hand it on.\n",
        "            if comment.state is State.PREPARING:\n                await asyncio.sleep(0.5)\n",
    ),
    "a lost event": (
        "told/noticed_share",
        LOOP,
        "    def event_noticed(self, event: Event, captured_s: float) -> None:\n",
        '        if event.kind == "shot":\n            return\n',
    ),
}


def run_git(folder, *arguments):
    who = {f"GIT_{role}_{what}": "nobody" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    command = ["git", "-C", str(folder), "-c", "commit.gpgsign=false", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, **who})
    return done.stdout.strip()


def guard(folder, *arguments):
    """Run the guard in a checkout; return its exit status, its lines on stdout, and those on stderr."""
    command = [sys.executable, "-m", "experiments.guard", *arguments]
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, "PYTHONPATH": str(folder)}, capture_output=True, text=True
    )
    return done.returncode, done.stdout.splitlines(), done.stderr.splitlines()


def commit_change(folder, file, before, added, message):
    """Add text after a place that the file has once, and commit it."""
    path = folder / file
    text = path.read_text()
    assert text.count(before) == 1, f"{file} has changed: plant the fault elsewhere"
    path.write_text(text.replace(before, before + added))
    run_git(folder, "commit", "-q", "-a", "-m", message)


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """A repository with the code that is tested, the baseline of two parts, and a harmless commit after it."""
    folder = tmp_path_factory.mktemp("guarded")
    files = run_git(ROOT, "ls-files", "commentator_lib", "experiments").splitlines()
    for name in files:
        if (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)
    run_git(folder, "init", "-q")
    run_git(folder, "add", "commentator_lib", "experiments")
    run_git(folder, "commit", "-q", "-m", "Before")
    status, _, errors = guard(folder, "--write", "--only", "told,speed/loop")
    assert status == 0, errors
    run_git(folder, "add", "docs")
    run_git(folder, "commit", "-q", "-m", "The baseline")
    commit_change(folder, LOOP, "from __future__ import annotations\n", "\n# Harmless.\n", "Harmless")
    return folder


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_guard_passes_on_the_commit_before(repository):
    status, lines, _ = guard(repository, "--only", "told,speed/loop")
    assert status == 0, lines
    assert json.loads(lines[-1])["figures"] == 5


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("fault", FAULTS)
def test_the_guard_finds_a_planted_fault_and_its_commit(repository, tmp_path, fault):
    figure, file, place, added = FAULTS[fault]
    folder = tmp_path / "repository"
    run_git(tmp_path, "clone", "-q", str(repository), str(folder))
    commit_change(folder, file, place, added, f"Plant {fault}")
    commit_change(folder, LOOP, "# Harmless.\n", "# So is this.\n", "Harmless again")
    status, lines, _ = guard(folder, "--only", part_of(figure), "--search-s", "600")
    assert status == 1, lines
    told = [line for line in lines if line.startswith(f"FAILED {figure} ")]
    assert len(told) == 1 and told[0].endswith(f"Plant {fault}"), lines
    assert figure in json.loads(lines[-1])["failed"]


@pytest.mark.slow
def test_a_bad_baseline_and_code_that_is_not_committed_end_with_2(repository, tmp_path):
    folder = tmp_path / "repository"
    run_git(tmp_path, "clone", "-q", str(repository), str(folder))
    status, _, errors = guard(folder, "--only", "pacing")
    assert status == 2 and len(errors) == 1 and "lacks pacing" in errors[0]
    (folder / LOOP).write_text((folder / LOOP).read_text() + "\n# More.\n")
    status, _, errors = guard(folder, "--write")
    assert status == 2 and errors == [
        "guard: commit the code first: a baseline names the commit that it was measured with"
    ]
    (folder / "docs" / "baseline.json").write_text("{")
    status, _, errors = guard(folder)
    assert status == 2 and len(errors) == 1 and "is no JSON" in errors[0]
