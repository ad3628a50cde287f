"""Courses of games are legal, their clocks go right, and a change falls only while the board is there."""

from __future__ import annotations

import numpy as np
import pytest

from experiments.boards.games import write_course
from experiments.boards.script import FPS, SLIDE_FRAMES, change_frames, shown_but

SPORTS = ("football", "basketball", "cricket", "tennis", "esports")
SEEDS = range(25)


def course_of(sport: str, seed: int, **more: bool):
    return write_course(np.random.default_rng(seed), sport, "latin", 36.0, **more)


def numbers(score):
    return tuple(int(text) for text in score)


@pytest.mark.parametrize("sport", SPORTS)
@pytest.mark.parametrize("seed", SEEDS)
def test_changes_are_the_first_frames_with_the_new_score(sport, seed):
    course = course_of(sport, seed)
    assert 1 <= len(course.changes) <= 3
    for change in course.changes:
        before, after = course.face(change.at_frame - 1), course.face(change.at_frame)
        games = after.text("games0"), after.text("games1")
        assert after.score in change.accepts
        assert change.accepts[0] in (after.score, games)
        assert (before.score, before.texts) != (after.score, after.texts)


@pytest.mark.parametrize("sport", SPORTS)
@pytest.mark.parametrize("seed", SEEDS)
def test_the_board_is_there_from_before_a_change_until_3_s_after(sport, seed):
    course = course_of(sport, seed)
    for change in course.changes:
        assert course.shown[change.at_frame - FPS : change.at_frame + 3 * FPS].min() == 1.0


@pytest.mark.parametrize(
    ("sport", "steps"),
    [
        ("football", {(1, 0), (0, 1)}),
        ("esports", {(1, 0), (0, 1)}),
        ("basketball", {(n, 0) for n in (1, 2, 3)} | {(0, n) for n in (1, 2, 3)}),
        ("cricket", {(1, 0), (2, 0), (4, 0), (6, 0), (0, 1)}),
    ],
)
@pytest.mark.parametrize("seed", SEEDS)
def test_only_legal_steps(sport, steps, seed):
    scores = [numbers(step.score) for step in course_of(sport, seed).steps]
    for old, new in zip(scores[:-1], scores[1:], strict=True):
        assert (new[0] - old[0], new[1] - old[1]) in steps


@pytest.mark.parametrize("seed", SEEDS)
def test_tennis_counts_as_tennis_does(seed):
    steps = course_of("tennis", seed).steps
    order = ["0", "15", "30", "40", "AD"]
    for old, new in zip(steps[:-1], steps[1:], strict=True):
        games = [int(new.texts[f"games{k}"]) - int(old.texts[f"games{k}"]) for k in (0, 1)]
        moves = [order.index(new.score[k]) - order.index(old.score[k]) for k in (0, 1)]
        if new.score == ("0", "0"):
            winner = games.index(1)
            assert sorted(games) == [0, 1] and old.score[winner] in ("40", "AD")
            assert old.score[1 - winner] != "AD"
        else:
            assert games == [0, 0] and sorted(moves) in ([0, 1], [-1, 0])
            assert new.score not in (("AD", "AD"), ("AD", "30"))


def test_clocks_go_one_second_a_second():
    up, down = course_of("football", 1), course_of("basketball", 1)
    assert np.allclose(np.diff(up.clock_s), 1 / FPS)
    assert np.allclose(np.diff(down.clock_s), -1 / FPS)
    assert course_of("football", 1, late=True).face(0).clock == "91:14"
    assert course_of("football", 1, clock=False).face(0).clock == ""


def test_hidden_stretches_have_soft_edges():
    shown = shown_but(100, ((40, 60),))
    assert shown[40:60].max() == 0.0 and shown[40 - SLIDE_FRAMES] == 1.0
    assert shown[60] > 0 and shown[59 + SLIDE_FRAMES] == 1.0 and shown[58 + SLIDE_FRAMES] < 1.0


def test_changes_are_far_apart():
    frames = change_frames(np.random.default_rng(3), 36 * FPS, 3)
    assert np.diff(frames).min() >= 7 * FPS and frames[0] >= 8 * FPS and frames[-1] <= 31 * FPS
