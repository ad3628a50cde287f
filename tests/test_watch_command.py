"""The command `commentator watch`: events as JSON lines or for people, bad input, and watchers that fail."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from commentator_lib.events import Event
from commentator_lib.media import Frame
from commentator_lib.terminal import event_line
from commentator_lib.video_writer import H264Writer
from commentator_lib.watching.base import Watcher
from commentator_lib.watching.watch import watch, watched_frames
from tests.conftest import Pictures
from tests.watching.conftest import background, board

COMMAND = [sys.executable, "-m", "commentator_lib", "watch"]


@pytest.fixture(scope="module")
def match(tmp_path_factory):
    """A clip of 8 s in which the score changes at 5 s."""
    path = tmp_path_factory.mktemp("clips") / "match.mp4"
    with H264Writer(
        path, 640, 360, 10, encoder={"crf": "23", "preset": "veryfast"}, container="mp4"
    ) as video:
        for k in range(80):
            image = background(k)
            board(image, (0, int(k >= 50)), 1500 + k // 10)
            video.write(image)
    return path


@pytest.mark.slow
def test_a_goal_is_one_line_of_json(match):
    done = subprocess.run([*COMMAND, str(match), "--json"], capture_output=True, text=True, check=True)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    (score,) = [row for row in rows if row["kind"] == "score"]
    assert score["score"] == [0, 1] and score["from"] == [0, 0] and score["teams"] == ["HAV", "NYM"]
    assert 4.9 <= score["at_s"] <= 5.3 and score["detected_s"] <= 6.0
    assert {"clock", "certainty", "importance", "correction"} <= set(score)


@pytest.mark.slow
def test_bad_input_is_one_line_and_exit_code_2(tmp_path):
    for more in (
        ["no-such-file.mp4"],
        ["synthetic:5", "-s", "watchers=graphix"],
        ["synthetic:5", "-s", "watch_fps=0"],
        ["rtsp://127.0.0.1:1/x", "-s", "stream_options=no_option"],
        ["rtsp://127.0.0.1:1/x", "-s", "stream_login_file=nowhere"],
    ):
        done = subprocess.run([*COMMAND, *more], capture_output=True, text=True, cwd=tmp_path)
        assert done.returncode == 2 and len(done.stderr.strip().splitlines()) == 1 and not done.stdout
        assert "rtsp" not in more[0] or more[-1].partition("=")[0].split("_")[1] in done.stderr


@pytest.mark.slow
def test_a_watcher_that_fails_is_named_in_one_line(tmp_path):
    (tmp_path / "odd.py").write_text(
        "from commentator_lib.watching.base import Watcher\n"
        "class Odd(Watcher):\n"
        "    name = 'odd'\n"
        "    def look(self, frame):\n"
        "        raise ValueError('a bad day')\n"
    )
    done = subprocess.run(
        [*COMMAND, "synthetic:3", "-s", "watchers=odd:Odd,shots"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path), "PATH": ""},
    )
    assert done.returncode == 0 and "watcher odd is switched off: ValueError: a bad day" in done.stderr


@pytest.mark.slow
def test_a_reader_that_has_seen_enough_ends_it(match):
    done = subprocess.run(
        f"{' '.join(COMMAND)} {match} --json | head -n 1; exit ${{PIPESTATUS[0]}}",
        shell=True,
        executable="/bin/bash",
        capture_output=True,
        text=True,
    )
    assert len(done.stdout.splitlines()) == 1 and "Traceback" not in done.stderr


def test_an_event_as_a_line():
    event = Event("score", 4.04, 4.61, 3, 0.953, {"score": [1, 0], "clock": "", "correction": False})
    assert json.loads(event_line(event, as_json=True)) == {
        "kind": "score",
        "at_s": 4.04,
        "detected_s": 4.61,
        "score": [1, 0],
        "clock": "",
        "correction": False,
        "importance": 3,
        "certainty": 0.953,
    }
    assert event_line(event, as_json=False).split() == ["4.04", "s", "score", "score", "[1,", "0]"]


def test_frames_are_watched_at_their_rate_and_again_from_the_start():
    source = Pictures(4.0, lambda s: np.zeros((36, 64, 3), np.uint8))
    times = [frame.pts_s for frame in watched_frames(source, 5.0)]
    assert len(times) == 20 and times == pytest.approx([k / 5 for k in range(20)], abs=0.021)


def test_errors_pass_through_unless_they_are_taken():
    class Fails(Watcher):
        name = "fails"

        def look(self, frame: Frame) -> list[Event]:
            raise OSError("gone")

    def pictures():
        return Pictures(2.0, lambda s: np.zeros((36, 64, 3), np.uint8))

    with pytest.raises(OSError, match="gone"):
        list(watch(pictures(), [Fails()]))
    failures = []
    assert list(watch(pictures(), [Fails()], on_failure=lambda w, e: failures.append(str(e)))) == []
    assert failures == ["gone"]
