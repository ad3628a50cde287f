"""A run measured against somebody else's truth: worked by hand, and through the command line."""

from __future__ import annotations

import json
import math
import subprocess
import sys

import numpy as np
import pytest

from commentator_lib.commentators.scripted import CostModel, ScriptedCommentator
from commentator_lib.runs.reader import load_run
from commentator_lib.session import LiveSession
from commentator_lib.settings import Settings
from commentator_lib.truth import against
from commentator_lib.truth.base import TimedEvent, TimedText, Timeline, TruthError
from tests.truth import examples


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Return a run of twenty seconds of synthetic pictures in virtual time, which names a goal and a throw-in."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    LiveSession(
        ["synthetic:20"],
        Settings(change_threshold=0.0, commentator="scripted", pause_s=1.0),
        commentator=ScriptedCommentator(
            ["They pass it about.", "Goal for the reds!", "Two throw-ins already."],
            CostModel(0.5, 0, 1.5, 0, 0.2),
            "tone",
        ),
        mode="what-if",
        run_dir=folder,
    ).run()
    return load_run(folder)


def starts(run):
    heard = run.cycles[run.cycles.heard_from_s.notna()].sort_values("heard_from_s")
    return list(zip(heard.on_screen_captured_s - run.header["source_from_s"], heard.heard_text, strict=True))


def test_events_are_found_by_their_words_and_in_time(run):
    said = starts(run)
    goal_s = next(t for t, text in said if "Goal" in text)
    throw_s = next(t for t, text in said if "throw-ins" in text)
    truth = Timeline(
        events=[
            TimedEvent("Goal", goal_s - 1.5),
            TimedEvent("Throw-in", throw_s - 0.5),
            TimedEvent("Foul", 9.0),
        ]
    )
    row = against.measure_run(run, truth)
    assert (row["recall_1s"], row["recall_2s"]) == (pytest.approx(1 / 3), pytest.approx(2 / 3))
    assert row["response_error_median_s"] == pytest.approx(1.0)
    assert row["response_error_p95_s"] == pytest.approx(1.45)
    assert 0 < row["soccernet_map_tight"] < row["soccernet_map_loose"] <= 2 / 17 + 1e-9
    assert "proactive_time_accuracy" not in row and "speak_f1" not in row
    assert row["played_s"] == pytest.approx(20.0, abs=0.05)


def test_captions_are_segments_and_speech(run):
    said = starts(run)
    ends = run.cycles.heard_to_s - run.cycles.heard_from_s
    spoken = [
        TimedText(t, t + s, text) for (t, text), s in zip(said, ends.dropna(), strict=True) if t + s < 20
    ]
    row = against.measure_run(run, Timeline(spoken))
    assert row["dead_air_share"] == pytest.approx(0.0, abs=1e-6) and row["speak_f1"] > 0.9
    assert row["soccernet_caption_recall"] == 1.0 and row["livestar_coverage"] > 0.5
    points = against.measure_run(run, Timeline([TimedText(5.0, 5.0, "a point")]))
    assert "speak_f1" not in points and points["livestar_time_diff_s"] == 0.0


def test_what_was_asked_for(run):
    goal_s = next(t for t, text in starts(run) if "Goal" in text)
    at_s = goal_s + 1.0
    events = [
        TimedEvent("x", at_s, text="Goal", asked_s=0.0),
        TimedEvent("x", at_s, text="Corner", asked_s=goal_s - 0.5),
    ]
    row = against.measure_run(run, Timeline(events=events))
    assert row["proactive_answer_accuracy"] == 0.5 and row["proactive_time_accuracy"] >= 0.5
    assert row["recall_1s"] == 0.5


def test_a_commentator_that_looks_only_when_it_is_silent_sees_little_of_what_it_speaks_over(run, tmp_path):
    row = against.measure_run(run, Timeline([TimedText(1.0, 2.0, "x")]))
    assert 0.5 < row["synchrony"] <= 1.0  # its windows of seconds reach back over its speech
    LiveSession(
        ["synthetic:20"],
        # Two frames, 0.2 s apart, a second after the end of what was said.
        Settings(
            change_threshold=0.0,
            commentator="scripted",
            policy="serial",
            pause_s=1.0,
            capture_fps=5,
            frames_per_inference=2,
            frame_stride=1,
        ),
        commentator=ScriptedCommentator(["They pass it about."], CostModel(0.5, 0, 1.5, 0, 0.2), "tone"),
        mode="what-if",
        run_dir=tmp_path / "serial",
    ).run()
    serial = against.measure_run(load_run(tmp_path / "serial"), Timeline([TimedText(1.0, 2.0, "x")]))
    assert serial["synchrony"] < 0.1


def test_only_what_was_played_counts():
    timeline = Timeline(
        [TimedText(4.0, 6.0, "before"), TimedText(9.0, 16.0, "in"), TimedText(15.0, 17.0, "after")],
        [TimedEvent("Goal", 12.0, (10.0, 14.0), asked_s=8.0), TimedEvent("Goal", 3.0)],
    )
    cut = against.cut_to(timeline, 5.0, 15.0)
    assert [(t.start_s, t.end_s) for t in cut.texts] == [(4.0, 10.0)]
    assert [(e.t_s, e.window_s, e.asked_s) for e in cut.events] == [(7.0, (5.0, 9.0), 3.0)]


def test_nothing_that_was_played_is_an_error(run):
    with pytest.raises(TruthError, match=r"nothing in the truth lies within the 20.0 s"):
        against.measure_run(run, Timeline([TimedText(100.0, 101.0, "later")]))


@pytest.mark.parametrize(
    ("sources", "video"),
    [
        (["clips/match_b.mp4"], "match_b"),
        (["https://example.org/match_b.m3u8"], "match_b"),
        (["other.mp4"], None),
        (["match_a.mp4", "match_b.mp4"], None),
        ([], None),
    ],
)
def test_the_video_that_is_played_is_picked_by_its_name(sources, video):
    timeline = Timeline([TimedText(0.0, 1.0, v, v) for v in ("match_a", "match_b")])
    if video is None:
        with pytest.raises(TruthError, match="speaks of 2 videos"):
            against.pick_video(timeline, sources)
    else:
        assert against.pick_video(timeline, sources).videos == [video]
    assert against.pick_video(timeline.of_video("match_a"), sources).videos == ["match_a"]


def test_a_half_of_a_match_is_its_video():
    timeline = Timeline([TimedText(0.0, 1.0, half, half) for half in ("1", "2")])
    assert against.pick_video(timeline, ["game/2_720p.mkv"]).videos == ["2"]


def test_the_measures_are_written_beside_the_run(run, tmp_path):
    truth = tmp_path / "Labels-v2.json"
    truth.write_text(
        examples.LABELS_V2.replace("727404", "7404")
        .replace('"2 - 01:00"', '"1 - 00:19"')
        .replace("60000", "19000")
    )
    rows = against.measure_folder(run.folder, truth)
    table = json.loads((run.folder / against.FILE_NAME).read_text())
    assert (table["truth"], table["format"]) == ("Labels-v2.json", "soccernet-spotting")
    assert list(table["measures"]) == [name for name, _ in rows]
    assert all(value is None or np.isfinite(value) for value in table["measures"].values())
    assert load_run(run.folder).header == run.header  # the folder is still a run's
    assert ("no case" in dict(against.rows_of({"x": math.nan}))["x"]) and against.rows_of({"x": 0.25}) == [
        ("x", "0.25")
    ]


# --- commentator run --truth


def commentator(*arguments, cwd):
    command = [sys.executable, "-m", "commentator_lib", "run", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=240, cwd=cwd)


def test_run_with_a_truth_prints_and_writes_its_measures(tmp_path):
    (tmp_path / "truth.srt").write_text("1\n00:00:01,000 --> 00:00:03,000\nSomething stirs.\n")
    ended = commentator(
        "synthetic:6",
        "--mode",
        "what-if",
        "--no-video",
        "--set",
        "commentator=scripted",
        "--truth",
        "truth.srt",
        cwd=tmp_path,
    )
    assert ended.returncode == 0, ended.stderr
    assert "measured against truth.srt" in ended.stdout and "livestar_coverage" in ended.stdout
    (folder,) = (tmp_path / "runs").iterdir()
    assert json.loads((folder / "truth.json").read_text())["format"] == "srt"


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ("nothing of this kind", (), "format is not recognised"),
        ("1\n00:00:01,000 --> 00:00:03,000\nA.\n", ("--loop",), "leave out --loop"),
        ("1\n00:00:01,000 --> 00:00:03,000\nA.\n", ("--truth-format", "tapes"), "unknown format 'tapes'"),
    ],
)
def test_a_bad_truth_is_refused_before_the_run_begins(content, options, message, tmp_path):
    (tmp_path / "truth.srt").write_text(content)
    ended = commentator("synthetic:6", "--mode", "what-if", "--truth", "truth.srt", *options, cwd=tmp_path)
    assert ended.returncode == 2 and ended.stdout == ""
    (line,) = ended.stderr.strip().splitlines()
    assert message in line and not (tmp_path / "runs").exists()


def test_times_beyond_the_clip_are_refused(tmp_path):
    from tests.conftest import make_clip

    clip = tmp_path / "clip.mp4"
    make_clip(clip)
    truth = tmp_path / "truth.vtt"
    truth.write_text("WEBVTT\n\n00:01.000 --> 10:00.000\nA long one.\n")
    with pytest.raises(TruthError, match=r"text 1 .* is at 600 s, beyond the clip's"):
        against.check_truth(truth, None, [str(clip)])
    against.check_truth(truth, None, ["https://example.org/live.m3u8"])  # of unknown length
