"""RTSP cameras by GStreamer on loopback: after a warm-up, killed, stopped, and those that give no picture."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from commentator_lib.commentators.scripted import CostModel, ScriptedCommentator
from commentator_lib.session import LiveSession
from commentator_lib.settings import Settings
from commentator_lib.sources import live
from commentator_lib.sources.open import open_source
from experiments.benchmarks.source_servers import free_port, has_gstreamer, rtsp_camera
from experiments.tools.time_code import age_s

pytestmark = [
    pytest.mark.realtime,
    pytest.mark.skipif(
        not has_gstreamer() and not os.environ.get("CI"), reason="GStreamer's RTSP server is not installed"
    ),
]


@contextlib.contextmanager
def camera(*options):
    """Start a camera; yield it and its address."""
    port = free_port()
    with rtsp_camera(port, *options) as server:
        yield server, f"rtsp://127.0.0.1:{port}/cam"


class SlowToLoad(ScriptedCommentator):
    """A commentator whose model takes `warm_up_s` to load."""

    warm_up_s = 0.0

    def warm_up(self):
        time.sleep(self.warm_up_s)


def session(address, tmp_path, duration_s, warm_up_s=0.0, **settings):
    commentator = SlowToLoad(cost=CostModel(0.05, 0.0, 0.3, 0.0, 0.1))
    commentator.warm_up_s = warm_up_s
    chosen = Settings(change_threshold=0.0, commentator="scripted", speech=False, pause_s=0.0, watchers=())
    return LiveSession(
        address,
        chosen.changed(delay_init_s=0.3, **settings),
        commentator=commentator,
        duration_s=duration_s,
        run_dir=tmp_path / "run",
    )


@pytest.mark.parametrize("options", ["", "rtsp_transport=udp"])
def test_first_picture_after_a_warm_up_is_fresh_and_what_was_skipped_is_counted(options):
    with camera() as (_, address):
        source = open_source(address, stream_options=options)
        try:
            time.sleep(3.0)
            frame = source.read()
            assert frame.index == 0 and age_s(frame.image) < 0.3
            assert 60 <= source.skipped <= 110 and source.live.dropped == source.skipped
            assert source.codec.startswith("h264") and source.live.fps == pytest.approx(25, rel=0.2)
        finally:
            source.close()


def test_run_logs_the_age_of_what_it_sees_however_long_the_model_loads(tmp_path):
    with camera() as (_, address):
        run = session(address, tmp_path, 2.5, warm_up_s=3.0).run()
    assert run.log.header["frames_dropped"] >= 60
    assert run.log.cycles.frame_newest_age_s.max() < 0.5
    assert run.log.samples.source_age_s.dropna().max() < 0.5


def test_killed_and_started_again_it_is_back_and_the_outage_is_logged(tmp_path, monkeypatch):
    monkeypatch.setattr(live, "BACK_OFF_S", (0.1, 0.3))
    with camera() as (server, address):
        run = session(address, tmp_path, 9.0)
        killer = threading.Timer(2.0, lambda: (server.kill(), time.sleep(1.5), server.start()))
        killer.start()
        run.run()
        killer.join()
    (outage,) = run.log.header["source_outages"]
    assert 1.0 < outage["to_s"] - outage["from_s"] < 6.0 and outage["why"]
    cycles = run.log.cycles
    assert cycles.frame_newest_age_s.max() < 1.0  # no comment on a stale picture
    away = cycles[(cycles.decide_s > outage["from_s"] + 1.0) & (cycles.decide_s < outage["to_s"])]
    assert len(away) == 0 and len(cycles[cycles.trigger == "source"]) == 1
    assert run.log.header["source_problem"] == "" and run.log.samples.source_reconnects.max() == 1


def commentator(*arguments, cwd):
    return subprocess.Popen(
        [sys.executable, "-m", "commentator_lib", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=cwd,
    )


def test_given_up_is_exit_code_1_and_one_line_that_says_why(tmp_path):
    with camera() as (server, address):
        running = commentator(
            *("run", address, "--duration", "60", "--no-video", "--text-only", "--log-file", "log", "-v"),
            *("--set", "commentator=scripted", "--set", "reconnect_for_s=2"),
            cwd=tmp_path,
        )
        until_s = time.monotonic() + 30
        while not (tmp_path / "log").exists() or "opened" not in (tmp_path / "log").read_text():
            assert time.monotonic() < until_s and running.poll() is None
            time.sleep(0.1)
        time.sleep(2.0)
        server.kill()
        killed_s = time.monotonic()
        _, printed = running.communicate(timeout=40)
    lines = [line for line in printed.splitlines() if "the source was given up" in line]
    assert running.returncode == 1 and len(lines) == 1, printed
    assert "refused: nothing listens on that port" in lines[0]
    assert time.monotonic() - killed_s < 20


def test_stopped_for_some_seconds_it_is_away_and_goes_on(tmp_path):
    with camera() as (server, address):
        run = session(address, tmp_path, 10.0)
        threading.Timer(2.0, server.process.send_signal, [signal.SIGSTOP]).start()
        threading.Timer(5.5, server.process.send_signal, [signal.SIGCONT]).start()
        run.run()
    header, samples = run.log.header, run.log.samples
    (outage,) = header["source_outages"]
    assert 2.5 < outage["to_s"] - outage["from_s"] < 5.0 and header["source_problem"] == ""
    assert samples.source_away.dropna().str.startswith("no picture for").any()
    after = samples[samples.at_s > outage["to_s"] + 2.0]
    assert after.source_away.isna().all() and after.source_age_s.max() < 2.0


REFUSED = {
    "wrong password": (("--user", "me", "--password", "s3cr3t"), "me:wr0ng@", "/cam", "wrong password"),
    "no password": (("--user", "me", "--password", "s3cr3t"), "", "/cam", "asks for a user name"),
    "unknown path": ((), "", "/nowhere", "not found"),
    "sound only": (("--sound-only",), "", "/cam", "has no picture: what it holds is audio"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_gives_no_picture_is_one_line_and_exit_code_2(kind, tmp_path):
    options, login, path, words = REFUSED[kind]
    with camera(*options) as (_, address):
        address = address.replace("//", f"//{login}").replace("/cam", path)
        running = commentator("run", address, "--set", "commentator=scripted", cwd=tmp_path)
        printed, complained = running.communicate(timeout=60)
    (line,) = complained.strip().splitlines()
    assert running.returncode == 2 and words in line and printed == ""
    assert "wr0ng" not in line and not list(tmp_path.rglob("run.json"))


def test_right_password_opens_it(monkeypatch):
    monkeypatch.setenv("STREAM_USER", "me")
    monkeypatch.setenv("STREAM_PASSWORD", "pa/ss@1")
    with camera("--user", "me", "--password", "pa/ss@1") as (_, address):
        source = open_source(address)
        assert source.read() is not None and "ss" not in source.info.spec.removeprefix("rtsp")
        source.close()
