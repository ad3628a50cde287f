"""The course of the scripted match follows the rules of time, and people move as fast as people can."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest

from experiments.match_clip import match, teams, world
from experiments.match_clip.events import validate
from tests.experiments.match_clip.conftest import FPS, frame_of, write_script


def test_two_scripts_of_a_seed_are_equal_and_another_seed_differs():
    one, again, other = match.write_script(20, 3), match.write_script(20, 3), match.write_script(20, 4)
    assert one.truth == again.truth and one.shots == again.shots and one.captions == again.captions
    for name in ("ball", "people_xy", "camera", "pose", "stride", "heading", "wipe", "score"):
        assert np.array_equal(getattr(one, name), getattr(again, name)), name
    assert one.truth != other.truth and not np.array_equal(one.ball, other.ball)


@pytest.mark.slow
@pytest.mark.parametrize("duration_s", [20, 31.7, 60, 120, 600])
def test_truth_is_sound_at_every_length(duration_s):
    for seed in range(4):
        script = write_script(duration_s, seed)
        truth = script.truth
        validate(truth)
        assert script.frames == round(duration_s * FPS) == round(truth.duration_s * FPS)
        assert truth.seed == seed and len(set(truth.teams)) == 2
        assert truth.of_kind("goal")
        assert min(stretch.to_s - stretch.from_s for stretch in truth.stretches) >= 3 - 1e-6
        kinds = [stretch.kind for stretch in truth.stretches]
        assert kinds == ["nothing", "action"] * (len(kinds) // 2) + ["nothing"]
        for event in truth.events:
            assert event.t_s * FPS == pytest.approx(frame_of(event), abs=1e-6), "events begin with a frame"
            assert event.t_s + event.visible_s <= truth.duration_s + 1e-6
            if event.kind != "cut":
                assert event.team in truth.teams


@pytest.mark.slow
def test_rates_of_events_in_two_minutes():
    counts, action = [], []
    for seed in range(60):
        truth = write_script(120, seed).truth
        counts.append(Counter(event.kind for event in truth.events))
        action.append(sum(s.to_s - s.from_s for s in truth.stretches if s.kind == "action") / 120)
    for kind, low, high in (
        ("goal", 2, 4),
        ("shot", 4, 8),
        ("card", 1, 2),
        ("substitution", 1, 1),
        ("corner", 1, 3),
        ("cut", 8, 16),
    ):
        each = [count[kind] for count in counts]
        assert low <= min(each) and max(each) <= high, (kind, Counter(each))
    assert 2.6 < np.mean([count["goal"] for count in counts]) < 3.4
    assert np.mean([count["shot"] >= 5 for count in counts]) > 0.95
    assert min(action) > 0.44 and max(action) < 0.66 and 0.5 < np.mean(action) < 0.62


@pytest.mark.slow
def test_a_long_match_keeps_the_rates():
    counts = Counter(event.kind for event in write_script(1200, 0).truth.events)
    assert 26 <= counts["goal"] <= 34 and 50 <= counts["shot"] <= 80 and 8 <= counts["substitution"] <= 12
    assert 10 <= counts["card"] <= 20 and 10 <= counts["corner"] <= 30 and 80 <= counts["cut"] <= 160


def test_what_belongs_to_a_goal_comes_in_its_time():
    for seed in range(12):
        script = write_script(120, seed)
        score = (0, 0)
        for goal in script.truth.of_kind("goal"):
            assert sum(goal.score) == sum(score) + 1
            score = goal.score
            shots = [e for e in script.truth.of_kind("shot") if 0.4 <= goal.t_s - e.t_s <= 1.0]
            assert [(e.team, e.player) for e in shots] == [(goal.team, goal.player)]
            board = [e for e in script.truth.of_kind("scoreboard") if abs(e.t_s - goal.t_s - 2) < 0.3]
            assert [(e.score, e.team) for e in board] == [(goal.score, goal.team)]
            banner = [
                c for c in script.captions if c.heading == "GOAL" and 0 < c.from_frame - frame_of(goal) < 50
            ]
            assert len(banner) == 1 and goal.player in banner[0].line
            assert banner[0].from_frame - frame_of(goal) == pytest.approx(0.6 * FPS, abs=1)
            assert 4 <= (banner[0].to_frame - banner[0].from_frame) / FPS <= 5
            replays = [
                s for s in script.shots if s.kind == "replay" and 0 < s.from_frame - frame_of(goal) < 250
            ]
            assert 5 <= (replays[0].from_frame - frame_of(goal)) / FPS <= 9
            # The replay shows the ball cross the line, at half speed.
            seen = script.world[replays[0].from_frame : replays[0].to_frame]
            assert seen[0] < frame_of(goal) - 5 and seen[-1] > frame_of(goal) + 5
            assert np.allclose(np.diff(seen), 0.5)


def test_cards_and_substitutions_have_their_captions():
    for seed in range(12):
        script = write_script(120, seed)
        for kind, headings in (("card", ("YELLOW CARD", "RED CARD")), ("substitution", ("SUBSTITUTION",))):
            for event in script.truth.of_kind(kind):
                captions = [c for c in script.captions if 0 < c.from_frame - frame_of(event) < 25]
                assert len(captions) == 1 and captions[0].heading in headings
                assert captions[0].from_frame - frame_of(event) == pytest.approx(0.5 * FPS, abs=1)
                assert event.player in captions[0].line


def test_everything_but_kick_offs_happens_in_action():
    for seed in range(12):
        truth = write_script(120, seed).truth
        action = [(s.from_s, s.to_s) for s in truth.stretches if s.kind == "action"]
        for event in truth.events:
            if event.kind not in ("cut", "kick-off"):
                assert any(start <= event.t_s <= end for start, end in action), event


def test_the_ball_is_in_the_goal_from_the_goal_on_and_not_before():
    for seed in range(20):
        script = write_script(120, seed)
        for goal in script.truth.of_kind("goal"):
            way = 1 if goal.team == script.truth.teams[0] else -1
            ball = script.ball[frame_of(goal) - 20 : frame_of(goal) + 10] * (way, 1, 1)
            assert (ball[:20, 0] < world.HALF_LENGTH_M).all()
            assert (ball[20:, 0] > world.HALF_LENGTH_M).all()
            assert (np.abs(ball[20:, 1]) < world.GOAL_HALF_WIDTH_M).all()
            assert (ball[20:, 2] < world.GOAL_HEIGHT_M).all()


def test_no_other_shot_goes_in():
    for seed in range(20):
        script = write_script(120, seed)
        goals = [frame_of(goal) for goal in script.truth.of_kind("goal")]
        x, y, z = np.abs(script.ball).T
        inside = (x > world.HALF_LENGTH_M) & (x < world.HALF_LENGTH_M + 2)
        inside &= (y < world.GOAL_HALF_WIDTH_M) & (z < world.GOAL_HEIGHT_M)
        for frame in np.flatnonzero(inside):
            assert any(0 <= frame - goal < 10 * FPS for goal in goals), (seed, frame / FPS)


def test_somebody_is_at_the_ball_when_it_is_shot():
    for seed in range(20):
        script = write_script(120, seed)
        for shot in script.truth.of_kind("shot"):
            team = script.truth.teams.index(shot.team)
            people = script.people_xy[frame_of(shot), 11 * team : 11 * team + 11]
            assert np.linalg.norm(people - script.ball[frame_of(shot), :2], axis=1).min() < 1.3


def test_nobody_runs_faster_than_people_do():
    for seed in range(10):
        people = write_script(120, seed).people_xy[:, :23]
        assert np.linalg.norm(np.diff(people, axis=0), axis=2).max() * FPS < 9.5


def test_the_camera_is_smooth_between_cuts():
    for seed in range(10):
        script = write_script(120, seed)
        for shot in script.shots:
            camera = script.camera[shot.from_frame : shot.to_frame]
            turned = np.degrees(np.abs(np.diff(np.unwrap(camera[:, 3:5], axis=0), axis=0)))
            assert turned.max(initial=0) < (1.0 if shot.kind == "main" else 3.0), shot
            zoomed = np.abs(np.diff(np.log(np.maximum(camera[:, 5], 1e-3))))
            assert zoomed.max(initial=0) < 0.03, shot


def test_every_change_of_camera_is_a_cut():
    for seed in range(6):
        script = write_script(120, seed)
        starts = [shot.from_frame for shot in script.shots[1:]]
        assert starts == [frame_of(cut) for cut in script.truth.of_kind("cut")]
        kinds = Counter(shot.kind for shot in script.shots)
        assert kinds["replay"] == len(script.truth.of_kind("goal")) and kinds["close-up"] and kinds["main"]
    everything = {shot.kind for seed in range(20) for shot in write_script(120, seed).shots}
    assert everything == {"main", "close-up", "crowd", "goal-line", "replay"}


@pytest.mark.parametrize(
    "duration_s, seed, word",
    [(19.9, 0, "19.9"), (0, 0, "20"), (math.nan, 0, "nan"), (1e9, 0, "1e"), (30, -1, "-1")],
)
def test_a_match_that_cannot_be_made(duration_s, seed, word):
    with pytest.raises(match.MatchError, match=word) as caught:
        match.write_script(duration_s, seed)
    assert "\n" not in str(caught.value)


def test_people_and_names_are_made_up_and_apart():
    for seed in range(10):
        script = write_script(20, seed)
        assert math.dist(*script.team_colours) > 170
        numbers = [[p.number for p in script.people[k : k + 11]] for k in (0, 11)]
        assert all(len(set(row)) == 11 for row in numbers)
        assert all(p.name in teams.NAMES for p in script.people[:22])
