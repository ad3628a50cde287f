"""`python -m experiments.convert` and `experiments.measure`: what they write, what they refuse, and how."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from commentator_lib.commentators.scripted import CostModel, ScriptedCommentator
from commentator_lib.session import LiveSession
from commentator_lib.settings import Settings
from commentator_lib.truth.base import TruthError
from commentator_lib.truth.files import FORMATS, read_truth
from experiments.convert.convert import convert
from experiments.convert.from_run import read_run
from experiments.match_clip.events import Event, Stretch, Truth, save_events
from tests.conftest import make_clip
from tests.truth import examples

ROOT = Path(__file__).resolve().parents[3]


def command(name, *arguments):
    line = [sys.executable, "-m", f"experiments.{name}", *map(str, arguments)]
    return subprocess.run(line, capture_output=True, text=True, timeout=120, cwd=ROOT)


def refused(*arguments):
    """Return the one line with which `convert` ends, with exit code 2."""
    ended = command("convert", *arguments)
    assert ended.returncode == 2 and ended.stdout == "", ended.stderr
    (line,) = ended.stderr.strip().splitlines()
    assert line.startswith("convert: ")
    return line


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Return the folder of a run of ten seconds in virtual time; its source is the second half of a match."""
    folder = tmp_path_factory.mktemp("run")
    clip = folder / "2_720p.mp4"
    make_clip(clip, frames=250)
    LiveSession(
        [str(clip)],
        Settings(change_threshold=0.0, commentator="scripted"),
        commentator=ScriptedCommentator(["They pass it about."], CostModel(0.5, 0, 1.5, 0, 0.2), "tone"),
        mode="what-if",
        run_dir=folder / "run",
    ).run()
    return folder / "run"


def test_convert_writes_and_says_what(tmp_path):
    source, out = tmp_path / "in.vtt", tmp_path / "out.srt"
    source.write_text(examples.WEBVTT)
    ended = command("convert", "--to", "srt", source, out)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == f"{out}: srt from webvtt, 3 texts and 0 events\n"
    assert len(read_truth(out)[0].texts) == 3
    listed = command("convert", "--formats").stdout.splitlines()
    assert [line.split()[0] for line in listed] == list(FORMATS)


def test_bad_input_is_one_line_with_code_2_and_changes_nothing(tmp_path):
    good, half, out = tmp_path / "good.json", tmp_path / "half.json", tmp_path / "out.vtt"
    good.write_text(examples.ECHOES)
    half.write_text(examples.ECHOES[:-20])
    assert "damaged or cut off" in refused("--to", "webvtt", half, out)
    assert "unknown format 'tapes'" in refused("--to", "tapes", good, out)
    assert not out.exists()
    out.write_text("mine")
    assert f"{out} exists already; --force replaces it" in refused("--to", "webvtt", good, out)
    assert out.read_text() == "mine"
    assert command("convert", "--to", "webvtt", "--force", good, out).returncode == 0
    assert out.read_text().startswith("WEBVTT\n\n00:00:00.000 --> 00:00:03.000\nUnd los")


def test_one_video_of_several(tmp_path):
    source, out = tmp_path / "in.csv", tmp_path / "out.vtt"
    source.write_text(examples.LIVESPORTS_CSV)
    with pytest.raises(TruthError, match="speaks of 2 videos"):
        convert(source, out, "webvtt")
    with pytest.raises(
        TruthError, match="does not speak of the video 'match_c'; it has 'match_a', 'match_b'"
    ):
        convert(source, out, "webvtt", video="match_c")
    assert not out.exists()
    convert(source, out, "webvtt", video="match_b")
    assert [(t.start_s, t.end_s, t.text) for t in read_truth(out)[0].texts] == [(3.5, 9.0, "They walk in.")]


def test_times_beyond_a_clip_are_refused(tmp_path):
    source, clip = tmp_path / "in.srt", tmp_path / "clip.mp4"
    source.write_text(examples.SRT)
    make_clip(clip, frames=125)
    with pytest.raises(TruthError, match="text 2 .* is at 3600 s, beyond the clip's 5 s"):
        convert(source, tmp_path / "out.vtt", "webvtt", clip=clip)
    assert not (tmp_path / "out.vtt").exists()


def test_a_run_becomes_what_others_judge(run, tmp_path):
    said = read_run(run).texts
    assert said and {t.video for t in said} == {"2"} and {t.text for t in said} == {"They pass it about."}
    convert(run, tmp_path / "results.json", "soccernet-caption")
    rows = json.loads((tmp_path / "results.json").read_text())["predictions"]
    assert [row["position"] for row in rows] == [str(round(1000 * t.start_s)) for t in said]
    assert rows[0]["half"] == "2" and rows[0]["comment"] == "They pass it about."
    convert(run, tmp_path / "cc.jsonl", "livesports")
    convert(run, tmp_path / "duplex.json", "omni-duplex")
    for path in (tmp_path / "cc.jsonl", tmp_path / "duplex.json"):
        assert [(t.start_s, t.end_s) for t in read_truth(path)[0].texts] == [
            (t.start_s, t.end_s) for t in said
        ]


def test_the_truth_of_a_match_becomes_the_data_of_others(tmp_path):
    clip, events = tmp_path / "match.mp4", tmp_path / "match.events.json"
    clip.write_bytes(b"a clip")
    truth = Truth(
        30.0,
        (
            Event("shot", 4.0, team="RED", player="9"),
            Event("goal", 5.0),
            Event("scoreboard", 6.5, score=(1, 0)),
        ),
        (Stretch("action", 0.0, 12.0), Stretch("nothing", 12.0, 20.0), Stretch("action", 20.0, 30.0)),
    )
    save_events(truth, events, clip)
    convert(events, tmp_path / "cc.jsonl", "livesports")
    rows = [json.loads(line) for line in (tmp_path / "cc.jsonl").read_text().splitlines()]
    assert [(row["video_id"], row["begin"], row["end"]) for row in rows] == [
        ("match", 0.0, 12.0),
        ("match", 20.0, 30.0),
    ]
    assert [row["pred"] for row in rows] == ["shot by RED 9, goal, 1–0", "play"]
    convert(events, tmp_path / "spotting.json", "soccernet-spotting")
    spotted = read_truth(tmp_path / "spotting.json")[0].events
    assert [(e.kind, e.t_s) for e in spotted] == [
        ("Shots on target", 4.0),
        ("Goal", 5.0),
        ("scoreboard", 6.5),
    ]


def test_a_run_is_measured_later_too(run, tmp_path):
    truth = tmp_path / "truth.vtt"
    convert(run, truth, "webvtt")
    ended = command("measure", run, "--truth", truth)
    assert ended.returncode == 0, ended.stderr
    assert "soccernet_caption_recall" in ended.stdout
    assert json.loads((run / "truth.json").read_text())["measures"]["soccernet_caption_recall"] == 1.0
    bad = command("measure", run, "--truth", tmp_path / "none.vtt")
    assert (bad.returncode, bad.stderr) == (
        2,
        f"measure: {tmp_path / 'none.vtt'} cannot be used: no such file\n",
    )
