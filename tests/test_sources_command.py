"""`commentator sources`, `sources --try`, and what `run` says of sources that cannot be opened."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from PIL import Image

from commentator_lib.runs.export_video import write_mp4
from commentator_lib.runs.reader import load_run
from commentator_lib.session import LiveSession
from commentator_lib.settings import Settings, SettingsError
from commentator_lib.sources.base import SourceError
from commentator_lib.sources.trying import Tried, transport_of, try_source
from commentator_lib.terminal import source_rows
from tests.conftest import make_clip
from tests.sources.test_mjpeg import camera
from tests.sources.test_plain_reasons import listening, rtsp_answer, ssh


def commentator(*arguments, **more):
    command = [sys.executable, "-m", "commentator_lib", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, **more)


def refused(*arguments, **more):
    """Return the one line with which a command ends, with exit code 2."""
    ended = commentator(*arguments, **more)
    assert ended.returncode == 2, ended.stderr
    (line,) = ended.stderr.strip().splitlines()
    assert line.startswith("commentator: ") and ended.stdout == ""
    return line


# --- the list


def names(**more):
    return dict(source_rows(**more))


def test_only_what_this_ffmpeg_has_is_listed():
    rows = names(platform="linux", has_format=lambda _: True, has_protocol=lambda scheme: scheme != "srt")
    assert "rtsp" in rows["URL"] and "srt" not in rows["URL"]
    assert "v4l2" in rows["DEVICE"] and "x11grab" in rows["screen"]
    rows = names(platform="linux", has_format=lambda name: name == "v4l2", has_protocol=lambda _: True)
    assert "srt" in rows["URL"] and "screen" not in rows and "DEVICE" in rows
    rows = names(platform="darwin", has_format=lambda name: name == "avfoundation")
    assert "avfoundation" in rows["DEVICE"] and "avfoundation" in rows["screen"]
    rows = names(platform="win32", has_format=lambda name: name in ("gdigrab", "dshow"))
    assert "dshow" in rows["DEVICE"] and "gdigrab" in rows["screen"]
    rows = names(has_format=lambda _: False, has_protocol=lambda _: True)
    assert "DEVICE" not in rows and "screen" not in rows


def test_command_lists_what_can_be_opened():
    listed = commentator("sources").stdout
    for name in ("FOLDER", "LIST.m3u", "URL", "synthetic:SECONDS", "big_buck_bunny.mp4"):
        assert name in listed


# --- one that is tried


def test_clip_that_is_tried(tmp_path):
    path = make_clip(tmp_path / "c.mp4", frames=50, sound_s=2.0)
    tried = try_source(str(path), Settings())
    assert (tried.width, tried.height, tried.declared_fps, tried.live) == (64, 36, 25.0, False)
    assert tried.codec.startswith("h264") and tried.transport == "file" and tried.has_sound
    lines = dict(tried.lines())
    assert lines["first picture"] == "not live" and lines["length"] == "2.0 s" and lines["sound"] == "yes"


@pytest.mark.realtime
def test_camera_that_is_tried():
    with listening(camera(every_s=0.1)) as port:
        ended = commentator("sources", "--try", f"HTTP://127.0.0.1:{port}/cam")
    assert ended.returncode == 0, ended.stderr
    lines = dict(re.split(r"\s{2,}", line, maxsplit=1) for line in ended.stdout.strip().splitlines())
    assert list(lines) == [
        *("opened in", "first picture", "size", "rate measured", "rate declared"),
        *("length", "codec", "transport", "sound"),
    ]
    assert float(lines["rate measured"].split()[0]) == pytest.approx(10, rel=0.15)
    assert lines["rate declared"] == "not known" and lines["codec"] == "mjpeg" and lines["length"] == "no end"
    assert lines["size"] == "64 × 48 pixels" and "JPEG" in lines["transport"]
    assert float(lines["first picture"].removesuffix(" ms old")) < 300


@pytest.mark.realtime
def test_slow_camera_that_is_tried_shows_a_rate_below_one():
    with listening(camera(every_s=1.25, count=20)) as port:
        tried = try_source(f"http://127.0.0.1:{port}/cam", Settings())
    assert dict(tried.lines())["rate measured"] in {f"0.{n} pictures/s" for n in range(76, 85)}


def test_codec_of_several_clips_is_that_of_the_first(tmp_path):
    make_clip(tmp_path / "a.mp4", codec="mpeg4")
    make_clip(tmp_path / "b.mp4")
    assert try_source(str(tmp_path), Settings()).codec.startswith("mpeg4")


def test_what_is_not_known_is_said():
    tried = Tried(0.5, None, 64, 36, None, None, None, "", "", False, True)
    values = dict(tried.lines())
    assert values["opened in"] == "500 ms" and values["first picture"] == "not known"
    assert {values[name] for name in ("codec", "transport", "rate measured", "rate declared")} == {
        "not known"
    }


def test_transports():
    assert transport_of("rtsp://h/x") == "rtsp, tcp where the server can, else udp"
    assert transport_of("rtsp://h/x", "rtsp_transport=udp") == "rtsp, udp"
    assert [transport_of(name) for name in ("-", "0", "/dev/video0", "screen", "a.mp4", "rtmp://h/x")] == [
        *("pipe", "device", "device", "device", "file", "rtmp")
    ]


def test_what_cannot_be_tried_is_one_line_and_exit_code_2(tmp_path):
    assert "no such file" in refused("sources", "--try", str(tmp_path / "x.mp4"))
    assert "refused: nothing listens" in refused("sources", "--try", "rtsp://me:secret@127.0.0.1:1/x")
    with pytest.raises(SourceError, match="no such file"):
        try_source(str(tmp_path / "x.mp4"), Settings())


# --- a run


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nowhere/*.jpg", "no file is called like nowhere/*.jpg"),
        ("img_%04d.png", "no file is called like img_%04d.png"),
        ("empty", "empty is a folder without pictures and clips"),
        ("empty.m3u", "empty.m3u lists no clips"),
        ("screen::77.0", "screen::77.0: the screen"),
        ("/dev/video99", "no such camera: /dev/video99"),
        ("file://server/a.mp4", "lies on another machine"),
        ("gopher://h/x", "unknown scheme"),
    ],
)
def test_run_of_what_is_not_there(tmp_path, name, words):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty.m3u").write_text("#EXTM3U\n")
    assert words in refused("run", name, "--text-only", "--set", "commentator=scripted", cwd=tmp_path)
    assert not (tmp_path / "runs").exists()


def test_run_of_servers_that_do_not_give_it(tmp_path):
    for answer, words in (
        (rtsp_answer(401), "wrong password"),
        (rtsp_answer(404), "not found"),
        (ssh, "another service"),
    ):
        with listening(answer) as port:
            line = refused("run", f"rtsp://me:secret@127.0.0.1:{port}/x", "--text-only", cwd=tmp_path)
            assert words in line and "secret" not in line


def test_run_of_a_pipe_that_holds_no_video(tmp_path):
    line = refused("run", "-", "--text-only", cwd=tmp_path, input="no video " * 99)
    assert "- cannot be read" in line


def test_login_of_the_environment_is_used_and_not_stored(tmp_path, monkeypatch):
    monkeypatch.setenv("STREAM_USER", "me")
    monkeypatch.setenv("STREAM_PASSWORD", "s3cret")
    with listening(rtsp_answer(401)) as port:
        with pytest.raises(SourceError, match="wrong password") as caught:
            LiveSession(
                f"rtsp://127.0.0.1:{port}/x", Settings(commentator="scripted"), run_dir=tmp_path / "r"
            )
    assert "s3cret" not in str(caught.value)
    assert not list(tmp_path.rglob("run.json"))


def test_run_with_a_start_is_exported_from_there(tmp_path):
    path = make_clip(tmp_path / "c.mp4", frames=100, codec_options={"g": "30"})
    session = LiveSession(
        str(path),
        Settings(commentator="scripted", change_threshold=0.0, speech=False, watchers=()),
        mode="replay",
        start_s=2.0,
        run_dir=tmp_path / "run",
    ).run()
    assert session.log.header["frames_captured"] == 50 and session.log.header["start_s"] == 2.0
    write_mp4(load_run(tmp_path / "run"), tmp_path / "out.mp4")
    assert (tmp_path / "out.mp4").stat().st_size > 0


def test_run_of_pictures_is_recorded_and_exported(tmp_path):
    for k in range(30):
        Image.new("RGB", (64, 36), (8 * k,) * 3).save(tmp_path / f"{k}.png")
    session = LiveSession(
        str(tmp_path / "%d.png"),
        Settings(commentator="scripted", change_threshold=0.0, speech=False, watchers=(), image_fps=10),
        mode="replay",
        run_dir=tmp_path / "run",
    ).run()
    assert session.log.header["frames_captured"] == 30
    write_mp4(load_run(tmp_path / "run"), tmp_path / "out.mp4")


def test_loop_without_an_end_runs_live_only():
    with pytest.raises(SettingsError, match="has no end"):
        LiveSession("demo", Settings(commentator="scripted"), mode="what-if", loop=True)
