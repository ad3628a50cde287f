"""Events are compared rightly with the truth; a clip that was written and read again changes at the true frame."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from commentator_lib.events import Event
from experiments.boards.clip import Clip, render
from experiments.boards.judge import add_up, judge, score_of
from experiments.boards.layouts_development import LAYOUTS
from experiments.boards.plan import plan_part
from experiments.boards.reading import SilentWatcher, TruthWatcher, read, sampled, still_frames
from experiments.boards.script import FPS, Change, Course, Step, running_clock
from experiments.boards.teams import choose_teams
from experiments.errors import UserError

GOAL = Change(10 * FPS, (("1", "0"),))
BACK = Change(20 * FPS, (("0", "0"),), correction=True)


def event(score, at_s, detected_s=None, **facts):
    return Event(
        "score", at_s, at_s + 0.6 if detected_s is None else detected_s, facts={"score": score, **facts}
    )


@pytest.mark.parametrize(
    ("events", "found", "late", "false"),
    [
        ([event([1, 0], 10.0)], 1, 0, 0),
        ([], 0, 0, 0),
        ([event([0, 1], 10.0)], 0, 0, 1),  # the wrong side
        ([event([1, 0], 5.0)], 0, 0, 1),  # before it happened
        ([event([1, 0], 10.0, 12.9)], 1, 0, 0),
        ([event([1, 0], 10.0, 13.5)], 0, 1, 0),  # right, but late
        ([event([1, 0], 14.0, 14.5)], 0, 0, 1),  # names another time
        ([event([1, 0], 10.0), event([1, 0], 11.0)], 1, 0, 1),  # said twice
        ([event([0, 0], 1.0), event([1, 0], 10.0)], 1, 0, 1),  # the first reading
        ([event([1, 0], 10.0, correction=True)], 0, 0, 1),  # a goal is no correction
        ([event([1, 0], 10.0), event([0, 0], 20.0, correction=True)], 2, 0, 0),
        ([event([1, 0], 10.0), event([0, 0], 20.0)], 1, 0, 1),  # a fall must be marked
        ([Event("cut", 10.0, 10.0)], 0, 0, 0),
        ([Event("score", 10.0, 10.0)], 0, 0, 1),  # a score event without a score
    ],
)
def test_counts(events, found, late, false):
    verdict = judge(events, (GOAL, BACK), 30.0)
    assert (len(verdict.delays_s), verdict.late, len(verdict.false)) == (found, late, false)
    assert verdict.recall == found / 2 and verdict.false_per_min == 2 * false
    assert len(verdict.missed) == 2 - found


def test_each_pair_that_counts_may_be_said_once():
    game = Change(10 * FPS, (("3", "2"), ("0", "0")))
    both = [event([3, 2], 10.0), event([0, 0], 10.0)]
    assert judge(both, (game,), 30.0).false == () and judge(both, (game,), 30.0).recall == 1.0
    assert len(judge([*both, event(["0", "0"], 11.0)], (game,), 30.0).false) == 1


def test_sums():
    one = judge([event([1, 0], 10.0)], (GOAL,), 30.0)
    other = judge([event([2, 0], 10.0)], (), 30.0)
    total = add_up([one, other]).as_dict()
    assert total["recall_3s"] == 1.0 and total["false_changes_per_min"] == 1.0
    assert total["delay_median_s"] == pytest.approx(0.6) and total["clips"] == 2
    assert add_up([other]).as_dict()["recall_3s"] is None


def test_scores_are_texts():
    assert score_of(event(["40", "AD"], 1.0)) == ("40", "AD") and score_of(event([12, 3], 1.0)) == ("12", "3")
    assert score_of(Event("score", 0.0, 0.0, facts={"score": "10"})) is None


class Plain:
    """A picture of one colour."""

    def draw(self, frame: int) -> np.ndarray:
        return np.full((180, 320, 3), 90, np.uint8)


@pytest.fixture(scope="module")
def tiny() -> Clip:
    frames, at = 3 * FPS, 42
    steps = Step(0, ("0", "0")), Step(at, ("0", "1"))
    teams = choose_teams(np.random.default_rng(0), "latin")
    clock = np.floor(running_clock(frames, 600.0) / 60) * 60  # stands still
    course = Course("football", teams, steps, (Change(at, (("0", "1"),)),), clock, np.ones(frames))
    return Clip("development", "tiny", 0, 0, 320, 180, 25, 16.0, course, Plain, LAYOUTS[0])


def test_the_file_changes_at_the_true_frame(tiny, tmp_path):
    import av

    path = render(tiny, tmp_path)
    with av.open(str(path)) as file:
        pictures = [frame.to_ndarray(format="rgb24").astype(int) for frame in file.decode(video=0)]
    steps = [np.abs(b - a).max() for a, b in zip(pictures[:-1], pictures[1:], strict=True)]
    assert len(pictures) == tiny.course.frames
    assert int(np.argmax(steps)) + 1 == tiny.changes[0].at_frame and max(steps) > 100
    assert tiny.changes[0].t_s == pytest.approx(42 / 25)


def test_who_knows_the_truth_finds_all_and_who_is_silent_nothing(tiny, tmp_path):
    path = str(render(tiny, tmp_path))
    for watcher, recall in ((TruthWatcher(tiny.changes), 1.0), (SilentWatcher(), 0.0)):
        reading = read(path, [watcher])
        verdict = judge(reading.events, tiny.changes, tiny.duration_s)
        assert verdict.recall == recall and not verdict.false
        assert reading.duration_s == pytest.approx(3.0) and reading.processor_share < 0.5


def test_watchers_see_five_frames_a_second(tiny, tmp_path):
    path = str(render(tiny, tmp_path))
    times = [frame.pts_s for frame in sampled(path)]
    assert np.allclose(times, np.arange(15) / 5)
    still = still_frames(path, 2.0)
    assert len(still) == 10 and all(frame.image is still[0].image for frame in still)


def test_an_unknown_layout_is_an_error_of_one_line():
    with pytest.raises(UserError, match="no layout 'nosuch' in traps; known are shirt_numbers"):
        plan_part("traps", 0, 1, "nosuch")
    command = [sys.executable, "-m", "experiments.bench_watch", "--layout", "nosuch"]
    done = subprocess.run(command, cwd=Path(__file__).parents[3], capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "nosuch" in done.stderr
