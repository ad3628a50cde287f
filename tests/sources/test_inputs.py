"""What users name: folders, patterns, globs, lists, starts and loops, pipes, file:// and the screen; and logins."""

from __future__ import annotations

import os
import sys
import threading
import time

import av
import numpy as np
import psutil
import pytest
from PIL import Image

from commentator_lib.sources.base import SourceError
from commentator_lib.sources.formats import has_format, has_protocol, known_protocols
from commentator_lib.sources.images import ImagesSource, expand_name, natural_key, read_image
from commentator_lib.sources.login import Login, address_with_login, find_login, split_login, with_login
from commentator_lib.sources.open import open_source, tidy_name
from commentator_lib.sources.piped import PipeSource, comes_faster, open_pipe
from commentator_lib.sources.playlist import listed_clips
from commentator_lib.sources.screen import is_screen, open_screen, screen_address, screen_device
from tests.conftest import make_clip


def read_all(source):
    frames = list(iter(source.read, None))
    source.close()
    return frames


def level(frame):
    return round(float(frame.image.mean()))


def image(path, brightness, size=(64, 36), **options):
    Image.new("RGB", size, (brightness,) * 3).save(path, **options)
    return str(path)


@pytest.fixture
def shots(tmp_path):
    """A folder of five pictures, ten brighter each, whose numbers are of different lengths; and what is none."""
    folder = tmp_path / "shots"
    folder.mkdir()
    for k, number in enumerate((1, 2, 9, 10, 100)):
        image(folder / f"img_{number}.png", 10 * (k + 1))
    (folder / "notes.txt").write_text("no picture")
    (folder / ".hidden.png").write_bytes(b"")
    return folder


def one_line(error):
    assert "\n" not in str(error.value)
    return str(error.value)


# --- pictures


@pytest.mark.parametrize("name", ["{}", "{}/*.png", "{}/img_%d.png", "{}/img_[0-9]*.png"])
def test_folder_glob_and_pattern_give_the_pictures_in_the_order_of_their_numbers(shots, name):
    source = open_source(name.format(shots), image_fps=5)
    assert source.info.fps == 5 and source.info.duration_s == 1.0 and not source.info.live
    assert (source.info.width, source.info.height) == (64, 36)
    frames = read_all(source)
    assert [level(f) for f in frames] == [10, 20, 30, 40, 50]
    assert [f.index for f in frames] == [0, 1, 2, 3, 4]
    assert np.allclose([f.pts_s for f in frames], [0, 0.2, 0.4, 0.6, 0.8])


def test_pictures_named_one_by_one_as_a_shell_does(shots):
    names = [str(shots / f"img_{k}.png") for k in (100, 2)]
    assert [level(f) for f in read_all(open_source(names))] == [50, 20]


def test_pattern_with_zeros_takes_what_printf_would_write(tmp_path):
    for name in ("a_0001.png", "a_0010.png", "a_10000.png", "a_2.png", "b_0003.png", "a_0003.jpg"):
        image(tmp_path / name, 9)
    found = expand_name(str(tmp_path / "a_%04d.png"))
    assert [os.path.basename(path) for path in found] == ["a_0001.png", "a_0010.png", "a_10000.png"]
    image(tmp_path / "50%_7.png", 9)
    assert expand_name(str(tmp_path / "50%%_%d.png")) == [str(tmp_path / "50%_7.png")]


def test_name_of_a_file_comes_before_what_it_may_mean(tmp_path):
    for name in ("img_%04d.mp4", "what[1].mp4"):
        path = make_clip(tmp_path / name, frames=3)
        assert expand_name(str(path)) is None and len(read_all(open_source(str(path)))) == 3


def test_glob_and_folder_of_clips_are_a_playlist(tmp_path):
    for k in (10, 9):
        make_clip(tmp_path / f"part {k}.mp4", frames=k)
    for name in (tmp_path, tmp_path / "*.mp4"):
        source = open_source(str(name))
        assert source.info.spec == "part 9.mp4 + part 10.mp4" and len(read_all(source)) == 19


@pytest.mark.parametrize("name", ["img_%04d.png", "*.jpg", "nowhere/*.png", "nowhere/img_%d.png", "[x]*"])
def test_pattern_or_glob_without_a_match(shots, name):
    with pytest.raises(SourceError, match="no file is called like|cannot read the folder") as caught:
        open_source(str(shots / name))
    assert str(shots) in one_line(caught)


def test_folder_without_pictures_and_folder_that_cannot_be_read(tmp_path, monkeypatch):
    with pytest.raises(SourceError, match="is a folder without pictures") as caught:
        open_source(str(tmp_path))
    assert str(tmp_path) in one_line(caught)

    def refuse(_path):  # as root, who may read everything, would otherwise not meet it
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.iterdir", refuse)
    for name in (tmp_path, tmp_path / "img_%d.png"):
        with pytest.raises(
            SourceError, match=f"cannot read the folder {tmp_path}: Permission denied"
        ) as caught:
            open_source(str(name))
        one_line(caught)


def test_duration_start_and_loop_of_pictures(shots):
    assert [level(f) for f in read_all(open_source(str(shots), 1.4, image_fps=5))] == [
        10,
        20,
        30,
        40,
        50,
        10,
        20,
    ]
    source = open_source(str(shots), image_fps=5, start_s=0.6)
    assert source.info.duration_s == pytest.approx(0.4)
    frames = read_all(source)
    assert (
        [level(f) for f in frames] == [40, 50]
        and [f.index for f in frames] == [0, 1]
        and frames[0].pts_s == 0
    )
    source = open_source(str(shots), image_fps=5, loop=True, start_s=0.8)
    assert source.info.duration_s is None
    assert [level(source.read()) for _ in range(7)] == [50, 10, 20, 30, 40, 50, 10]
    with pytest.raises(SourceError, match="1.0 s long: it cannot be started at 1 s"):
        open_source(str(shots), image_fps=5, start_s=1.0)


def test_late_pictures_are_left_out_without_being_read(shots, monkeypatch):
    read = []
    monkeypatch.setattr(
        "commentator_lib.sources.images.read_image", lambda *a: read.append(a[0]) or read_image(*a)
    )
    source = ImagesSource(expand_name(str(shots)), fps=5)
    assert (source.read(0.0).index, source.read(0.55).index, source.skipped) == (0, 3, 2)
    assert len(read) == 2


def test_picture_that_cannot_be_read_is_left_out_and_counted(shots, caplog):
    (shots / "img_9.png").write_bytes(b"no picture")
    source = open_source(str(shots), 3.0, image_fps=5)
    frames = read_all(source)
    assert [level(f) for f in frames][:5] == [10, 20, 40, 50, 10] and source.skipped == 3
    assert "img_9.png cannot be read as a picture" in caplog.text
    for path in shots.glob("*.png"):
        path.write_bytes(b"no picture")
    with pytest.raises(SourceError, match="none of 5 pictures can be read"):
        open_source(str(shots), 3.0)


def test_pictures_are_upright_rgb_and_small(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned
    image(tmp_path / "t.jpg", 9, (400, 200), exif=exif)
    assert read_image(str(tmp_path / "t.jpg"), 100).shape == (100, 50, 3)
    Image.fromarray(np.full((20, 30), 65535, np.uint16)).save(tmp_path / "d.png")
    assert read_image(str(tmp_path / "d.png"), 100).min() == 255
    for mode, colour in (("L", 90), ("RGBA", (90, 90, 90, 10)), ("P", 0), ("1", 1), ("LA", (90, 255))):
        Image.new(mode, (30, 20), colour).save(tmp_path / "m.png")
        found = read_image(str(tmp_path / "m.png"), 100)
        assert found.shape == (20, 30, 3) and found.dtype == np.uint8


def test_natural_order():
    assert sorted(["b2", "b10", "a", "B1", "1", "10", "9"], key=natural_key) == [
        "1",
        "9",
        "10",
        "a",
        "B1",
        "b2",
        "b10",
    ]


# --- lists


@pytest.fixture
def two(tmp_path):
    make_clip(tmp_path / "a.mp4", frames=25)
    make_clip(tmp_path / "b ü.mp4", frames=10, fps=10)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("list.m3u", "#EXTM3U\n#EXTINF:1,first\na.mp4\n\nb ü.mp4\n".encode("latin-1")),
        ("list.M3U8", "\ufeff#EXTM3U\r\na.mp4\r\n./b ü.mp4\r\n".encode()),
        ("list.txt", b"{folder}/a.mp4\nfile://{folder}/b%20%C3%BC.mp4"),
        ("list.m3u", ".\\a.mp4\r\n.\\b ü.mp4\r\n".encode()),
    ],
)
def test_list_of_clips(two, name, text):
    path = two / name
    path.write_bytes(text.replace(b"{folder}", str(two).encode()))
    source = open_source(str(path))
    assert source.info.duration_s == pytest.approx(2.0) and len(read_all(source)) == 35


def test_list_of_pictures_folders_and_globs(two, shots):
    (two / "list.m3u").write_text("shots\nshots/*_1.png\nshots/img_%d.png\n")
    assert len(read_all(open_source(str(two / "list.m3u")))) == 11


def test_lists_that_are_wrong_are_one_line(two):
    path = two / "list.m3u"
    for text, words in (
        ("#EXTM3U\n\n", "lists no clips"),
        ("a.mp4\nnowhere.mp4\n", "no such file: .*nowhere.mp4"),
        ("a.mp4\nrtsp://me:secret@10.0.0.2/cam\n", r"rtsp://\*\*\*@10.0.0.2/cam is a stream: .* by itself"),
        ("other.m3u\na.mp4\n", "lists another list"),
    ):
        path.write_text(text)
        (two / "other.m3u").write_text("a.mp4\n")
        with pytest.raises(SourceError, match=words) as caught:
            open_source(str(path))
        assert "secret" not in one_line(caught)


def test_list_with_one_stream_is_that_stream(two):
    (two / "tv.m3u").write_text("#EXTM3U\n#EXTINF:-1,News\nhttp://127.0.0.1:1/x\n")
    with pytest.raises(SourceError, match=r"http://127.0.0.1:1/x cannot be opened \(refused"):
        open_source(str(two / "tv.m3u"))


def test_hls_playlist_on_disk_is_no_list(tmp_path):
    (tmp_path / "hls").mkdir()
    make_clip(
        tmp_path / "hls" / "v.m3u8",
        frames=100,
        container="hls",
        options={"hls_time": "1", "hls_playlist_type": "vod"},
        codec_options={"g": "25"},
    )
    assert listed_clips(tmp_path / "hls" / "v.m3u8") is None
    assert len(read_all(open_source(str(tmp_path / "hls" / "v.m3u8")))) == 100


@pytest.mark.parametrize("among", ["http://127.0.0.1:1/x", "/dev/video0", "-", "screen"])
def test_what_is_live_is_played_by_itself(two, among):
    with pytest.raises(SourceError, match="can only be played by itself") as caught:
        open_source([str(two / "a.mp4"), among])
    one_line(caught)


# --- start and loop


@pytest.mark.parametrize("start_s", [0.04, 1.0, 2.72, 3.96])
@pytest.mark.parametrize("container", ["mp4", "mkv", "ts"])
def test_clip_begins_where_it_is_told_to(tmp_path, start_s, container):
    path = make_clip(
        tmp_path / f"c.{container}", frames=100, width=160, codec_options={"g": "30", "bf": "2"}, sound_s=4.0
    )
    whole = read_all(open_source(str(path)))
    source = open_source(str(path), start_s=start_s)
    frames = read_all(source)
    first = round(start_s * 25)
    assert len(frames) == 100 - first and source.problem == "" and source.skipped == 0
    assert [f.index for f in frames] == list(range(100 - first)) and frames[0].pts_s == pytest.approx(
        0, abs=1e-3
    )
    assert frames[-1].pts_s == pytest.approx((99 - first) / 25, abs=2e-3)
    assert np.array_equal(frames[0].image, whole[first].image)
    assert np.array_equal(frames[-1].image, whole[-1].image)
    assert source.info.duration_s == pytest.approx(whole[-1].pts_s + 0.04 - start_s, abs=0.1)


def test_start_leaves_most_of_a_long_clip_unread(tmp_path):
    path = make_clip(tmp_path / "c.mp4", frames=3000, width=320, height=180, codec_options={"g": "50"})
    begun_s = time.process_time()
    open_source(str(path), start_s=118.0).read()
    late_s = time.process_time() - begun_s
    begun_s = time.process_time()
    source = open_source(str(path))
    source.read(118.0)
    assert late_s < 0.5 * (time.process_time() - begun_s)


def test_sound_begins_with_the_picture(tmp_path):
    path = make_clip(tmp_path / "c.mp4", frames=100, codec_options={"g": "30"}, sound_s=4.0)
    source = open_source(str(path), start_s=2.0)
    chunks = []
    while source.read() is not None:
        chunks += source.read_sound()
    chunks += source.read_sound()
    assert chunks[0].from_s == pytest.approx(0.0, abs=0.03)
    assert sum(len(chunk.samples) for chunk in chunks) / 48_000 == pytest.approx(2.0, abs=0.1)


def test_start_in_a_later_clip_and_loop(two):
    names = [str(two / "a.mp4"), str(two / "b ü.mp4")]
    frames = read_all(open_source(names, start_s=1.5))
    assert len(frames) == 5 and frames[-1].pts_s == pytest.approx(0.4)
    source = open_source(names, start_s=1.5, loop=True)
    assert source.info.duration_s is None
    frames = [source.read() for _ in range(5 + 35 + 35 + 1)]
    assert [f.index for f in frames] == list(range(76)) and frames[-1].pts_s == pytest.approx(0.5 + 4.0)
    source.close()
    assert len(read_all(open_source(names, 3.0, start_s=1.5, loop=True))) == 5 + 35 + 13
    with pytest.raises(SourceError, match="is 2.0 s long: it cannot be started at 2.5 s"):
        open_source(names, start_s=2.5)


@pytest.mark.parametrize("name", ["http://127.0.0.1:1/x", "synthetic:9", "/dev/video0", "-", "screen"])
def test_start_and_loop_of_what_has_none(name):
    with pytest.raises(SourceError, match="cannot be started at 3 s: only clips"):
        open_source(name, start_s=3.0)
    with pytest.raises(SourceError, match="cannot be repeated: only clips"):
        open_source(name, loop=True)


@pytest.mark.parametrize("start_s", [-1.0, float("nan"), float("inf")])
def test_start_must_be_something(start_s):
    with pytest.raises(SourceError, match="is no start"):
        open_source("demo", start_s=start_s)


def test_bad_clip_is_told_whether_it_has_a_start_or_not(tmp_path):
    (tmp_path / "t.mp4").write_text("no film\n" * 99)
    with pytest.raises(SourceError, match="not a video"):
        open_source(str(tmp_path / "t.mp4"), start_s=1.0)


# --- spellings


def test_file_urls_and_large_letters(two):
    for name in (f"file://{two}/a.mp4", f"FILE://localhost{two}/b%20%C3%BC.mp4", f"file://{two}/a.mp4"):
        assert len(read_all(open_source(name))) in (25, 10)
    assert tidy_name("RTSP://Cam/Path?A=B") == "rtsp://Cam/Path?A=B"
    assert tidy_name("12:30.mp4") == "12:30.mp4" and tidy_name("x/y://z") == "x/y://z"
    with pytest.raises(SourceError, match="another machine"):
        open_source("file://server/share/a.mp4")
    with pytest.raises(SourceError, match="refused"):
        open_source("HTTP://127.0.0.1:1/x")


# --- a pipe


def piped(path, chunk=4096, every_s=0.0):
    """Return the reading end of a pipe into which a thread writes a file, and the thread."""
    out, into = os.pipe()

    def write():
        with open(into, "wb", buffering=0) as pipe, open(path, "rb") as file:
            try:
                while data := file.read(chunk):
                    pipe.write(data)
                    time.sleep(every_s)
            except BrokenPipeError:
                return

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    return open(out, "rb", buffering=0), thread


@pytest.mark.realtime
def test_stored_video_out_of_a_pipe_plays_at_its_own_pace(tmp_path):
    path = make_clip(tmp_path / "c.ts", frames=75, container="mpegts", width=160, height=90, noise=True)
    pipe, _ = piped(path, 65536)
    with pipe:
        source = open_pipe(pipe=pipe)
        assert isinstance(source, PipeSource) and source.info.live and source.info.spec == "-"
        begun_s = time.monotonic()
        frames = list(iter(source.read, None))
        source.close()
    assert len(frames) >= 70 and source.problem == ""
    assert 2.0 < time.monotonic() - begun_s < 5.0
    assert frames[-1].pts_s == pytest.approx(74 / 25, abs=0.2)


@pytest.mark.realtime
def test_live_video_out_of_a_pipe_is_drained_and_leaves_nothing_behind(tmp_path):
    path = make_clip(tmp_path / "c.ts", frames=150, container="mpegts", width=160, height=90, noise=True)
    fds, threads = psutil.Process().num_fds(), threading.active_count()
    pipe, _ = piped(path, 1 << 14, 6.0 * (1 << 14) / path.stat().st_size)  # as fast as it was made
    with pipe:
        source = open_pipe(pipe=pipe)
        time.sleep(1.5)  # a warm-up
        first = source.read()
        read_s = time.monotonic()
        assert read_s - first.captured_at_s < 0.5
        assert source.skipped > 20  # what came during the warm-up was left out, and counted
        source.interrupt()
        assert source.read() is None
        source.close()
    end_s = time.monotonic() + 5
    while threading.active_count() > threads or psutil.Process().num_fds() > fds:
        assert time.monotonic() < end_s
        time.sleep(0.05)


@pytest.mark.realtime
def test_pipe_that_pauses_is_read_on(tmp_path, monkeypatch):
    monkeypatch.setattr("commentator_lib.sources.live._LOST_S", 0.5)
    monkeypatch.setattr("commentator_lib.sources.live._LOST", 1.0)
    path = make_clip(tmp_path / "c.ts", frames=100, container="mpegts", width=160, height=90, noise=True)
    data = path.read_bytes()
    out, into = os.pipe()

    def write():
        with open(into, "wb", buffering=0) as pipe:
            for at in range(0, len(data), 1 << 14):
                pipe.write(data[at : at + (1 << 14)])
                time.sleep(3.0 if at <= len(data) // 2 < at + (1 << 14) else 4.0 * (1 << 14) / len(data))

    threading.Thread(target=write, daemon=True).start()
    with open(out, "rb", buffering=0) as pipe:
        source = open_pipe(pipe=pipe)
        frames = list(iter(source.read, None))
        source.close()
    assert frames[-1].pts_s > 5.0 and source.live.reconnects >= 1 and source.problem == ""


def test_pipes_that_give_nothing_are_one_line(tmp_path, monkeypatch):
    out, into = os.pipe()
    fds = psutil.Process().num_fds()
    with open(out, "rb", buffering=0) as pipe:
        with pytest.raises(SourceError, match="nothing came for 0.2 s"):
            open_pipe(pipe=pipe, first_bytes_s=0.2)
        os.write(into, b"no video " * 900)
        os.close(into)
        with pytest.raises(SourceError, match="- cannot be read") as caught:
            open_pipe(pipe=pipe)
        one_line(caught)
    assert psutil.Process().num_fds() <= fds

    class Terminal:
        buffer = type("Buffer", (), {"isatty": lambda self: True})()

    monkeypatch.setattr(sys, "stdin", Terminal())
    with pytest.raises(SourceError, match="reads a video from a pipe: ffmpeg"):
        open_source("-")


def test_what_comes_faster_than_it_was_made():
    assert comes_faster(3.0, 0.5) and not comes_faster(3.0, 2.8) and not comes_faster(0.0, 0.0)


# --- the screen, and what this FFmpeg has


def test_screen_names():
    assert is_screen("screen") and is_screen("screen::0.0") and not is_screen("screen.mp4")
    assert [screen_device(p) for p in ("linux", "darwin", "win32")] == ["x11grab", "avfoundation", "gdigrab"]
    assert screen_address("screen", "linux", {"DISPLAY": ":7"}) == ":7"
    assert screen_address("screen::0.0+10,20", "linux", {}) == ":0.0+10,20"
    assert screen_address("screen:1", "darwin") == "Capture screen 1"
    assert screen_address("screen", "win32") == "desktop"
    with pytest.raises(SourceError, match="no X display here"):
        screen_address("screen", "linux", {})


def test_screen_that_cannot_be_opened_is_one_line():
    with pytest.raises(SourceError, match="this FFmpeg has no input device") as caught:
        open_screen("screen", known=lambda _device: False)
    one_line(caught)
    if has_format(screen_device()) and sys.platform == "linux":
        with pytest.raises(SourceError, match="screen::77.0: the screen :77.0 cannot be opened") as caught:
            open_source("screen::77.0")
        one_line(caught)


def test_protocols_are_those_of_this_ffmpeg():
    known = known_protocols(("http", "rtsp", "udp", "nonsense"))
    assert known == ["http", "rtsp", "udp"] and has_format("mpegts") and not has_format("nonsense")
    with pytest.raises((av.FFmpegError, OSError)) as caught:
        av.open("srt://127.0.0.1:1", timeout=1.0)
    assert has_protocol("srt") == (type(caught.value).__name__ != "ProtocolNotFoundError")


# --- logins


@pytest.mark.parametrize(
    ("url", "bare", "login"),
    [
        ("rtsp://10.0.0.2/cam", "rtsp://10.0.0.2/cam", None),
        ("rtsp://me:x@10.0.0.2:554/cam@2", "rtsp://10.0.0.2:554/cam@2", ("me", "x")),
        ("rtsp://me:pa/ss@10.0.0.2/cam", "rtsp://10.0.0.2/cam", ("me", "pa/ss")),
        ("rtsp://me:p?a#s@10.0.0.2/cam", "rtsp://10.0.0.2/cam", ("me", "p?a#s")),
        ("http://me:p%40ss@h/x?a=b@c", "http://h/x?a=b@c", ("me", "p@ss")),
        ("http://me:p@ss@h/x", "http://h/x", ("me", "p@ss")),
        ("http://h:8080/a@b", "http://h:8080/a@b", None),
        ("http://[::1]:8080/a@b", "http://[::1]:8080/a@b", None),
        ("http://me@h/x", "http://h/x", ("me", "")),
    ],
)
def test_login_in_a_url(url, bare, login):
    assert split_login(url) == (bare, Login(*login) if login else None)


def test_login_is_escaped_and_not_printed():
    login = Login("me", "pa/ss@1:2")
    assert split_login(with_login("rtsp://h/x", login)) == ("rtsp://h/x", login)
    assert "/ss" not in with_login("rtsp://h/x", login) and "pa" not in repr(login)


def test_login_of_the_environment_and_of_a_file(tmp_path):
    environment = {"STREAM_USER": "me", "STREAM_PASSWORD": "env/1"}
    assert address_with_login("rtsp://h/x", environment=environment) == "rtsp://me:env%2F1@h/x"
    assert address_with_login("rtsp://you:own@h/x", environment=environment) == "rtsp://you:own@h/x"
    assert address_with_login("udp://h:1", environment=environment) == "udp://h:1"
    assert address_with_login("rtsp://h/x", environment={}) == "rtsp://h/x"
    with pytest.raises(SourceError, match="STREAM_USER is not"):
        find_login(environment={"STREAM_PASSWORD": "secret"})
    path = tmp_path / "login"
    for text in ("me:file:1\n", "me\nfile:1\n"):
        path.write_text(text)
        path.chmod(0o600)
        assert find_login(str(path), environment) == Login("me", "file:1")


@pytest.mark.skipif(os.name != "posix", reason="modes of files are POSIX's")
@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660])
def test_login_file_that_others_may_read_is_refused(tmp_path, mode):
    path = tmp_path / "login"
    path.write_text("me:secret")
    path.chmod(mode)
    with pytest.raises(SourceError, match=f"others may read the login file {path}: chmod 600") as caught:
        open_source("rtsp://127.0.0.1:1/x", login_file=str(path))
    assert "secret" not in one_line(caught)


@pytest.mark.parametrize("text", ["", "me", "a\nb\nc"])
def test_login_file_that_holds_something_else(tmp_path, text):
    path = tmp_path / "login"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(SourceError, match="must hold user:password"):
        find_login(str(path))
    with pytest.raises(SourceError, match="cannot read the login file"):
        find_login(str(tmp_path / "nowhere"))
