"""Network streams and cameras. A test pattern in real time replaces a camera, a server on loopback the network.

Every server here serves a bounded number of bytes and ends with its test.
"""

from __future__ import annotations

import threading
import time

import av
import numpy as np
import psutil
import pytest

from commentator_lib.commentators.scripted import CostModel, ScriptedCommentator
from commentator_lib.players.base import Player
from commentator_lib.redact import redact_url
from commentator_lib.runs.export_video import write_mp4
from commentator_lib.runs.reader import load_run, read_shown
from commentator_lib.session import LiveSession
from commentator_lib.settings import Settings, SettingsError
from commentator_lib.sources.base import SourceError
from commentator_lib.sources.open import is_stream, open_source
from commentator_lib.sources.recorded import is_recorded
from commentator_lib.sources.stream import open_stream
from tests.conftest import ToneVoice, make_clip, serve

pytestmark = pytest.mark.realtime

CAMERA = "testsrc2=size=320x180:rate=25,realtime"


def camera():
    return open_stream(CAMERA, 320, container_format="lavfi")


def send_file(path, share=1.0):
    data = path.read_bytes()

    def respond(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data[: int(len(data) * share)])

    return respond


def session(source, duration_s=None, **more):
    return LiveSession(
        source,
        Settings(change_threshold=0.0, commentator="scripted", pause_s=0.2, **more.pop("settings", {})),
        commentator=ScriptedCommentator(cost=CostModel(0.1, 0.0, 0.6, 0.0, 0.1), sound="tone"),
        voice=ToneVoice(),
        duration_s=duration_s,
        **more,
    )


def test_what_is_a_stream():
    for name in ("rtsp://10.0.0.2/cam", "http://a/b.mp4", "/dev/video0", "0"):
        assert is_stream(name)
    for name in ("clip.mp4", "folder/1", "synthetic:3"):
        assert not is_stream(name)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("http://127.0.0.1:1/x.mp4", "cannot be opened"),
        ("rtsp://127.0.0.1:1/x", "cannot be opened"),
        ("ftp://127.0.0.1/x", "unknown scheme"),
        ("/dev/video99", "no such camera"),
        ("99", "no such camera"),
    ],
)
def test_streams_that_are_not_there(name, words):
    with pytest.raises(SourceError, match=words) as caught:
        open_source(name)
    assert "\n" not in str(caught.value)


def test_stream_among_clips_is_refused():
    with pytest.raises(SourceError, match="by itself"):
        open_source(["clip.mp4", "http://127.0.0.1:1/x"])


def test_password_is_never_shown():
    with pytest.raises(SourceError) as caught:
        open_source("rtsp://me:secret@127.0.0.1:1/x")
    assert "secret" not in str(caught.value) and "***@127.0.0.1" in str(caught.value)
    assert redact_url("http://a/b@c") == "http://a/b@c"
    assert redact_url("rtsp://me:sec@ret@10.0.0.2/cam@4") == "rtsp://***@10.0.0.2/cam@4"


class SeesFrames(Player):
    """A player that keeps the frames that it is shown."""

    name = "sees"

    def __init__(self):
        self.frames = []

    def show(self, frame, due_at_s):
        self.frames.append(frame)


def test_camera_is_live_and_each_frame_is_stamped_when_it_comes(monkeypatch):
    opened_s, read_s, sees = time.monotonic(), {}, SeesFrames()
    source = camera()
    read = source.read

    def timed_read(*args):
        frame = read(*args)
        if frame is not None:
            read_s[frame.index] = time.monotonic()
        return frame

    monkeypatch.setattr(source, "read", timed_read)
    s = session(source, duration_s=2.0, players=[sees]).run()
    assert s.source.info.live and s.source.info.duration_s is None
    # As many as the camera has made by then: a busy machine may run on for longer than asked,
    # and may miss some of them.
    made = 25 * (max(read_s.values()) - opened_s) + 1
    assert made / 4 <= s.log.header["frames_captured"] <= made
    assert sees.frames
    for frame in sees.frames:
        assert opened_s <= frame.captured_at_s <= read_s[frame.index]
    age_s = [read_s[f.index] - f.captured_at_s for f in sees.frames]
    assert np.median(age_s) < 0.3
    assert (s.log.cycles.outcome == "spoken").sum() >= 1


def test_live_source_runs_live_only():
    with pytest.raises(SettingsError, match="only be run in mode live"):
        session(camera(), mode="replay")


def test_camera_run_is_recorded_and_exported(tmp_path):
    s = session(camera(), duration_s=2.5, run_dir=tmp_path / "run").run()
    run = load_run(tmp_path / "run")
    assert is_recorded(run.folder) and s.log.header["notes"] == []
    write_mp4(run, tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as file:
        pictures = [f.to_ndarray(format="rgb24") for f in file.decode(video=0)]
    assert len(pictures) >= len(read_shown(run.folder))
    assert pictures[10].std() > 30 and np.abs(pictures[10].astype(int) - pictures[40]).mean() > 0.5


def test_url_with_a_length_is_played_at_its_own_pace(tmp_path):
    path = make_clip(tmp_path / "c.mp4", frames=50, options={"movflags": "+faststart"})
    with serve(send_file(path)) as address:
        s = session(f"{address}/c.mp4", run_dir=tmp_path / "run").run()
    assert not s.source.info.live
    # A busy machine leaves frames out, and counts them.
    assert s.log.header["frames_captured"] + s.source.skipped == 50
    assert s.log.header["source"] == [f"{address}/c.mp4"]
    write_mp4(load_run(tmp_path / "run"), tmp_path / "out.mp4")


def test_stream_that_breaks_off_ends_the_run_with_its_reason(tmp_path):
    path = make_clip(tmp_path / "c.ts", frames=100, container="mpegts", noise=True, width=160, height=90)
    with serve(send_file(path, 0.5)) as address:
        s = session(f"{address}/c.ts", settings={"reconnect_for_s": 0}).run()
    assert 20 <= s.log.header["frames_captured"] < 100
    assert s.status.state == "ended"


def test_stream_that_falls_silent_is_lost(tmp_path, monkeypatch):
    monkeypatch.setattr("commentator_lib.sources.live._LOST_S", 1.0)
    path = make_clip(tmp_path / "c.ts", frames=400, container="mpegts", noise=True, width=320, height=180)
    data, gone = path.read_bytes(), threading.Event()

    def respond(handler):
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(data[: len(data) * 3 // 4])
        handler.wfile.flush()
        gone.wait(30)

    with serve(respond) as address:
        s = session(f"{address}/c.ts", settings={"reconnect_for_s": 0}).run()
        gone.set()
    assert s.log.header["frames_captured"] >= 1  # of a backlog only the newest picture is taken
    assert "nothing came for" in s.log.header["source_problem"]


def test_page_that_is_no_video():
    def respond(handler):
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(b"<html>no video here</html>" * 50)

    with serve(respond) as address, pytest.raises(SourceError, match="cannot be opened"):
        open_source(f"{address}/page")


def test_address_that_is_gone():
    with serve(lambda handler: handler.send_error(404)) as address:
        with pytest.raises(SourceError, match="cannot be opened .*404"):
            open_source(f"{address}/x.mp4")


def test_streams_are_closed():
    before = psutil.Process().num_fds()
    for _ in range(3):
        session(camera(), duration_s=0.3).run()
    assert psutil.Process().num_fds() <= before + 1
