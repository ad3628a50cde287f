"""The scripted match: its truth keeps the rules of time, its pictures follow the truth, its files are whole."""

from __future__ import annotations

import functools
import math
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest

from commentator_lib.commentators.baseline.text import ocr_installed, readable_form
from commentator_lib.sources.video import FileSource
from experiments.match_clip import graphics, match, teams, world
from experiments.match_clip.events import EventsError, load_events, validate
from experiments.tools.command_line import run_app

FPS = match.FPS
WIDTH, HEIGHT = 256, 144
write_script = functools.lru_cache(match.write_script)


def frame_of(event) -> int:
    return round(event.t_s * FPS)


def draw(script, index, width=WIDTH, height=HEIGHT):
    return match.draw(script, index, width, height)


def score_region(script, index, width=WIDTH, height=HEIGHT):
    x0, y0, x1, y1 = graphics.scoreboard_box(height)
    return draw(script, index, width, height)[y0:y1, x0:x1]


def change(one, other) -> float:
    return float(np.abs(one.astype(int) - other).mean())


# --- the course of the match


def test_two_scripts_of_a_seed_are_equal_and_another_seed_differs():
    one, again, other = match.write_script(20, 3), match.write_script(20, 3), match.write_script(20, 4)
    assert one.truth == again.truth and one.shots == again.shots and one.captions == again.captions
    for name in ("ball", "people_xy", "camera", "pose", "stride", "heading", "wipe", "score"):
        assert np.array_equal(getattr(one, name), getattr(again, name)), name
    assert one.truth != other.truth and not np.array_equal(one.ball, other.ball)


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
    assert 0.44 < min(action) and max(action) < 0.66 and 0.5 < np.mean(action) < 0.62


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


# --- pictures


def test_frames_are_the_same_in_any_order_and_size_follows_the_arguments():
    script = write_script(20, 0)
    forwards = [draw(script, k) for k in range(0, 500, 41)]
    backwards = [draw(script, k) for k in reversed(range(0, 500, 41))][::-1]
    assert all(np.array_equal(one, other) for one, other in zip(forwards, backwards, strict=True))
    for width, height in ((128, 72), (64, 36), (640, 360), (320, 240)):
        image = draw(script, 100, width, height)
        assert image.shape == (height, width, 3) and image.dtype == np.uint8 and image.flags.c_contiguous


def test_every_frame_of_a_match_can_be_drawn():
    script = write_script(120, 2)
    for index in range(0, script.frames, 7):
        draw(script, index, 128, 72)


def test_the_picture_changes_hard_at_cuts_and_not_elsewhere():
    for seed in (0, 1):
        script = write_script(60, seed)
        cuts = {frame_of(cut) for cut in script.truth.of_kind("cut")}
        wiped = {k for k in range(script.frames) if script.wipe[max(0, k - 1) : k + 2].any()}
        crowd = {k for s in script.shots if s.kind == "crowd" for k in range(s.from_frame, s.to_frame)}
        hard = [change(draw(script, k), draw(script, k - 1)) for k in cuts - wiped]
        soft = []
        for k in range(1, script.frames, 5):
            if k not in cuts | wiped | crowd and not np.ptp(script.caption_of[k - 1 : k + 6]):
                soft.append(change(draw(script, k), draw(script, k - 1)))
        assert min(hard) > 30 > 20 > max(soft)


def test_a_wipe_covers_the_picture_at_its_cut():
    script = write_script(20, 0)
    shot = next(shot for shot in script.shots if shot.kind == "replay")
    for cut in (shot.from_frame, shot.to_frame):
        before, after = draw(script, cut - 1), draw(script, cut)
        assert before[40:, :].std(axis=(0, 1)).max() < 90 and change(before[60:], after[60:]) < 40
        assert script.wipe[cut - 1] < 0.5 < script.wipe[cut]
        assert not script.wipe[cut - 8] and not script.wipe[cut + 8]


def test_the_score_in_the_picture_changes_with_the_scoreboard_event_alone():
    script = write_script(60, 1)
    boards = [frame_of(event) for event in script.truth.of_kind("scoreboard")]
    assert boards
    region, changes = score_region(script, 0), []
    for index in range(1, script.frames):
        if index % 10 and not any(abs(index - board) < 3 for board in boards):
            continue
        now = score_region(script, index)
        if not np.array_equal(now, region):
            changes.append(index)
        region = now
    assert changes == boards


def test_the_clock_runs_a_second_a_second():
    script = write_script(20, 0)
    clock = [draw(script, k, 640, 360)[14:40, 18:80] for k in (50, 74, 75, 99, 100)]
    same = [np.array_equal(one, other) for one, other in zip(clock, clock[1:], strict=False)]
    assert same == [True, False, True, False]


def test_the_banner_is_there_for_its_time():
    script = write_script(20, 1)
    goal = frame_of(script.truth.of_kind("goal")[0])
    colour = script.captions[int(script.caption_of[goal + 30])].colour
    corner = [
        tuple(draw(script, k, 640, 360)[275, 46]) == colour for k in (goal, goal + 14, goal + 16, goal + 120)
    ]
    assert corner == [False, False, True, True]


@pytest.mark.skipif(not ocr_installed(), reason="needs the extra 'ocr'")
def test_a_reader_reads_banner_score_and_captions():
    from commentator_lib.commentators.baseline.text import rapidocr_reader

    read = rapidocr_reader()
    script = write_script(120, 2)

    def seen(index):
        return "".join(
            readable_form(text) for text, score in read(draw(script, index, 640, 360)) if score > 0.8
        )

    goal = next(
        g
        for g in script.truth.of_kind("goal")
        if script.shots[script.shot_of[frame_of(g) + 75]].kind != "crowd"
    )
    codes = script.truth.teams
    text = seen(frame_of(goal) + 75)
    assert "goal" in text and readable_form(goal.player) in text
    assert readable_form("{}{}{}{}".format(codes[0], *goal.score, codes[1])) in text
    assert "yellowcard" in (text := seen(frame_of(script.truth.of_kind("card")[0]) + 40)) or "redcard" in text
    assert "substitution" in seen(frame_of(script.truth.of_kind("substitution")[0]) + 40)
    replay = next(shot for shot in script.shots if shot.kind == "replay")
    assert "replay" in seen(replay.from_frame + 40)


# --- files


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    return folder, *match.match_clip(20, 5, 144, folder)


def test_the_clip_is_what_the_script_says(made):
    folder, clip, truth = made
    assert clip.parent == folder and clip.name == f"match-144p-20s-seed5-v{match.RENDER_VERSION}.mp4"
    assert truth == write_script(20, 5).truth == load_events(match.events_path(clip), clip)
    source = FileSource(clip)
    frames = []
    while (frame := source.read()) is not None:
        frames.append(frame)
    source.close()
    assert (source.info.width, source.info.height, source.info.fps) == (256, 144, 25.0)
    assert len(frames) == 500 and not source.problem
    assert [frame.pts_s for frame in frames[:3]] == pytest.approx([0, 0.04, 0.08])
    for index in (0, 123, 400):
        assert change(frames[index].image, draw(write_script(20, 5), index)) < 8
    assert sorted(path.suffix for path in folder.iterdir()) == [".json", ".mp4"]


def test_two_renders_are_the_same_file(made, tmp_path):
    _, clip, _ = made
    again = tmp_path / "again.mp4"
    match.render(match.write_script(20, 5), again, 144)
    assert again.read_bytes() == clip.read_bytes()


def test_a_clip_that_is_there_is_not_rendered_again(made, monkeypatch):
    folder, clip, truth = made
    monkeypatch.setattr(match, "render", lambda *_, **__: pytest.fail("rendered again"))
    assert match.match_clip(20, 5, 144, folder) == (clip, truth)


def small_match(monkeypatch):
    """A script whose drawing costs nothing, for what concerns files alone."""
    monkeypatch.setattr(
        match, "draw", lambda script, index, width, height: np.zeros((height, width, 3), np.uint8)
    )


def test_events_of_another_clip_are_not_believed(made, monkeypatch, tmp_path):
    small_match(monkeypatch)
    _, clip, _ = made
    other, _ = match.match_clip(20, 6, 144, tmp_path)
    with pytest.raises(EventsError, match="SHA-256"):
        load_events(match.events_path(clip), other)
    # One that lies there under the right name makes both anew.
    match.events_path(other).write_bytes(match.events_path(clip).read_bytes())
    again, truth = match.match_clip(20, 6, 144, tmp_path)
    assert truth.seed == load_events(match.events_path(again), again).seed == 6


@pytest.mark.parametrize("stopped_by", [KeyboardInterrupt, RuntimeError])
def test_an_interrupted_render_leaves_nothing_that_looks_whole(tmp_path, monkeypatch, stopped_by):
    def stops(script, index, width, height):
        if index == 100:
            raise stopped_by
        return np.zeros((height, width, 3), np.uint8)

    monkeypatch.setattr(match, "draw", stops)
    with pytest.raises(stopped_by):
        match.match_clip(20, 0, 144, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_render_killed_before_its_events_is_made_again(tmp_path, monkeypatch):
    small_match(monkeypatch)
    clip, truth = match.match_clip(20, 0, 144, tmp_path)
    match.events_path(clip).unlink()
    assert match.match_clip(20, 0, 144, tmp_path) == (clip, truth)
    assert match.events_path(clip).exists()


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(match.MatchError, match="cannot write"):
        match.match_clip(20, 0, 144, tmp_path / "file")


@pytest.mark.parametrize("height", [143, 145, 142, 1082, 0])
def test_a_height_that_cannot_be_made(tmp_path, height):
    with pytest.raises(match.MatchError, match=f"{height} px"):
        match.match_clip(20, 0, height, tmp_path)


# --- command line


def run_command(monkeypatch, *arguments) -> int:
    """The exit code of `python -m experiments.match` with these arguments, run in this process."""
    monkeypatch.setattr(sys, "argv", ["match", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        run_app(match.app, "match")
    return int(ended.value.code)


def test_the_command_prints_paths_and_events(made, capsys, monkeypatch):
    folder, clip, truth = made
    arguments = ["--seconds", "20", "--seed", "5", "--height", "144", "--out", str(folder)]
    assert run_command(monkeypatch, *arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == [str(clip), str(match.events_path(clip))]
    assert len(lines) == 3 + len(truth.events) and "goal" in "".join(lines)
    drawn = []
    monkeypatch.setattr(match, "render", lambda script, clip, height, progress: drawn.append(clip))
    assert run_command(monkeypatch, *arguments, "--force") == 0
    assert drawn == [clip]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--seconds", "19"],
        ["--seconds", "nan"],
        ["--height", "145"],
        ["--height", "2000"],
        ["--seed", "-1"],
        ["--seconds", "long"],
        ["--colour"],
    ],
)
def test_bad_values_are_one_line_and_exit_code_2(arguments, capsys, monkeypatch, tmp_path):
    code = run_command(monkeypatch, "--out", tmp_path, *arguments)
    out, err = capsys.readouterr()
    assert code == 2 and not out
    assert err.startswith("match: ") and err.count("\n") == 1 and arguments[-1] in err


def test_help_names_units_and_defaults():
    done = subprocess.run(
        [sys.executable, "-m", "experiments.match", "--help"], capture_output=True, text=True, check=True
    )
    for words in ("--seconds", "default: 120", "px", "default: 360", "default: 0", "data/made"):
        assert words in done.stdout


def test_people_and_names_are_made_up_and_apart():
    for seed in range(10):
        script = write_script(20, seed)
        assert math.dist(*script.team_colours) > 170
        numbers = [[p.number for p in script.people[k : k + 11]] for k in (0, 11)]
        assert all(len(set(row)) == 11 for row in numbers)
        assert all(p.name in teams.NAMES for p in script.people[:22])
