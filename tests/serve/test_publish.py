"""On air: what servers receive is in step, one that was killed has the stream again, a dead one holds up nobody."""

import contextlib
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

import av
import numpy as np
import pytest

from commentator_lib.media import Frame
from commentator_lib.serve import publish
from commentator_lib.serve.feed import Feed
from commentator_lib.serve.publish import Publisher, PublishError, parse_target
from experiments.benchmarks.source_servers import Server, free_port
from tests.serve.conftest import LIMIT_S, until
from tests.serve.stamped import pictures_of, sync_errors_s
from tests.serve.test_hls import Session

SECRET = "key-of-mine"


# --- targets


@pytest.mark.parametrize(
    ("text", "shown", "muxer"),
    [
        ("rtmp://live.example.org/app/key-of-mine", "rtmp://live.example.org/app/***", "flv"),
        ("RTMPS://live.example.org:443/app/key-of-mine", "RTMPS://live.example.org:443/app/***", "flv"),
        ("rtsp://me:key-of-mine@10.0.0.2:8554/cam", "rtsp://***@10.0.0.2:8554/***", "rtsp"),
    ],
)
def test_server_is_named_without_its_secrets(text, shown, muxer):
    target = parse_target(text)
    assert (target.address, target.shown, target.muxer) == (text, shown, muxer)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("http://me:key-of-mine@example.org/x", "cannot publish to http://***@example.org/x: give rtmp://"),
        ("rtmp:///app/key-of-mine", "names no server"),
        ("rtsp://h:port/x", "its host or its port is wrong"),
        ("clip.mp4", "cannot publish to 'clip.mp4': give rtmp://"),
        ("", "cannot publish to ''"),
        ("no/such/folder/a.ts", "there is no folder"),
    ],
)
def test_wrong_target_is_one_line_without_secrets(text, why):
    with pytest.raises(PublishError) as error:
        parse_target(text)
    assert why in str(error.value) and "\n" not in str(error.value) and SECRET not in str(error.value)


def test_file_that_exists_is_not_written_over(tmp_path):
    (tmp_path / "a.ts").write_text("precious")
    with pytest.raises(PublishError, match="exists already"):
        parse_target(str(tmp_path / "a.ts"))
    target = parse_target(str(tmp_path / "b.ts"))
    assert [target.numbered(k) for k in (0, 1)] == [str(tmp_path / "b.ts"), str(tmp_path / "b-2.ts")]


def test_srt_needs_the_program(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(PublishError, match="SRT needs the program ffmpeg"):
        parse_target("srt://10.0.0.2:9000")


def test_command_refuses_a_wrong_target(tmp_path):
    command = [
        sys.executable,
        "-m",
        "commentator_lib",
        "serve",
        "--port",
        "0",
        "--publish",
        f"ftp://me:{SECRET}@h/x",
    ]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=LIMIT_S)
    assert done.returncode == 2
    assert done.stderr.strip().count("\n") == 0 and "ftp://***@h/x" in done.stderr
    assert SECRET not in done.stderr + done.stdout


# --- what is received


class Receiver(Server):
    """A server on loopback that keeps what it is sent; each start writes a file of its own."""

    def __init__(self, kind, folder):
        self.kind, self.folder = kind, folder
        self.address = f"{kind}://127.0.0.1:{free_port()}/live/{SECRET}"
        self.files = []

    def start(self):
        self.files.append(self.folder / f"{self.kind}-{len(self.files)}.mkv")
        self._command = [sys.executable, "-m", "tests.serve.receiver", self.address, str(self.files[-1])]
        super().start()

    def wait_for_stream(self):
        """Return the seconds until a picture has come."""
        began_s = time.monotonic()
        line = self.process.stdout.readline().strip()  # the process ends by itself, and then there is none
        assert line == "receiving", line
        return time.monotonic() - began_s


@pytest.mark.realtime
@pytest.mark.parametrize("kind", ["rtmp", "rtsp"])
def test_server_receives_in_step_and_has_it_again_when_it_was_killed_twice(tmp_path, kind, caplog):
    caplog.set_level(logging.DEBUG, logger="commentator_lib")
    receiver = Receiver(kind, tmp_path)
    with Session(tmp_path) as session, receiver:
        publisher = Publisher(session.feed, [parse_target(receiver.address)])
        (connection,) = publisher.connections
        back_s = []
        try:
            receiver.wait_for_stream()
            until(lambda: connection.state == "on air", "on air")
            for k in range(2):
                time.sleep(5.0)  # what is received is measured below
                receiver.kill()
                until(lambda k=k: connection.lost_connections > k, "it is noticed")
                receiver.start()
                back_s.append(receiver.wait_for_stream())
                until(lambda: connection.state == "on air", "on air again")
            time.sleep(5.0)
        finally:
            publisher.close()
        receiver.process.wait(LIMIT_S)
    assert connection.state == "ended" and connection.lost_bytes == 0
    errors = [error for file in receiver.files for error in sync_errors_s(file)]
    print(
        f"{kind}: back within {', '.join(f'{s:.1f}' for s in back_s)} s; "
        f"picture/sound error of {len(errors)} beeps: {1000 * np.abs(errors).max():.1f} ms at most"
    )
    assert all(len(pictures_of(file)) >= 10 for file in receiver.files)
    assert len(errors) >= 6 and np.abs(errors).max() <= 0.04
    assert SECRET not in caplog.text
    assert "is lost" in caplog.text


@pytest.mark.realtime
def test_dead_targets_hold_up_neither_the_session_nor_the_others(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as silent:  # it takes connections and never answers
        nobody = f"rtmp://127.0.0.1:{free_port()}/live/{SECRET}"
        mute = f"rtmp://127.0.0.1:{silent.getsockname()[1]}/live/{SECRET}"
        path = tmp_path / "out.ts"
        with Session(tmp_path) as session:
            publisher = Publisher(session.feed, [parse_target(t) for t in (nobody, mute, str(path))])
            first, second, file = publisher.connections
            until(lambda: first.lost_connections >= 3 and second.lost_connections >= 1, "both are lost")
            assert first.problem == "refused: nothing listens on that port"
            assert file.state == "on air" and file.lost_connections == file.lost_bytes == 0
            shown_s = session.feed.latest().at_s
            until(lambda: session.feed.latest().at_s > shown_s + 1.0, "the picture goes on")
            began_s = time.monotonic()
            publisher.close()
            took_s = time.monotonic() - began_s
    assert {c.state for c in publisher.connections} == {"ended"}
    assert took_s < LIMIT_S
    errors = sync_errors_s(path)
    assert len(errors) >= 3 and np.abs(errors).max() <= 0.04
    assert not [t for t in threading.enumerate() if t.name.startswith("on air")]


@pytest.mark.realtime
def test_nothing_is_sent_before_the_first_picture_and_between_runs_it_goes_on(tmp_path):
    path = tmp_path / "out.ts"
    feed = Feed()
    publisher = Publisher(feed, [parse_target(str(path))])
    time.sleep(0.3)
    assert publisher.connections[0].state == "waiting" and not path.exists()
    feed.show(Frame(0, 0.0, 0.0, np.full((36, 64, 3), 128, np.uint8)), feed.clock())
    until(lambda: path.exists() and path.stat().st_size > 20_000, "it is written")
    publisher.close()
    feed.close()
    with av.open(str(path)) as file:
        times = [float(picture.pts * picture.time_base) for picture in file.decode(video=0)]
    assert len(times) >= 2 and max(np.diff(times)) < 0.5  # the picture stands, and is repeated


def test_target_that_takes_nothing_loses_what_is_old_and_goes_on_at_a_key_picture():
    wanted = []
    connection = publish.Connection(
        parse_target("rtmp://h/app/key"), time.monotonic, lambda: wanted.append(1)
    )
    connection.end()  # its thread would only get in the way
    connection.join()
    connection._joining, connection._needs_header = "wants", True
    connection.put(b"delta", True, b"header")
    assert not connection._chunks
    connection.key_comes()
    connection.put(b"rest of a cluster", False, b"header")
    assert not connection._chunks
    connection.put(b"key", True, b"header")
    assert list(connection._chunks) == [b"header", b"key"]
    connection.put(bytes(5_000_000), True, b"header")
    assert not connection._chunks and connection.lost_bytes > 5_000_000 and wanted == [1]
    connection.put(b"delta", True, b"header")
    connection.key_comes()
    connection.put(b"key", True, b"header")
    assert list(connection._chunks) == [b"key"]


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("up\nthe connection was cut off\n", "the connection was cut off"),
        (
            "frame=25\nprogress=continue\nsrt://h?passphrase=key-of-mine: Input/output error\n",
            "srt://h?passphrase=***: ",
        ),
        ("up\n", "the connection has ended"),
        ("", "the connection has ended"),
    ],
)
def test_reason_is_what_was_said_last_without_secrets(said, why):
    assert publish._reason(said).startswith(why)
    assert SECRET not in publish._reason(said)


@pytest.mark.realtime
@pytest.mark.skipif(
    shutil.which("ffmpeg") is None and not os.environ.get("CI"), reason="the program ffmpeg is not installed"
)
def test_srt_by_the_program(tmp_path):
    port, path = free_port(), tmp_path / "received.ts"
    command = [
        "ffmpeg",
        "-nostdin",
        "-v",
        "error",
        "-y",
        "-i",
        f"srt://127.0.0.1:{port}?mode=listener",
        "-c",
        "copy",
    ]
    receiver = subprocess.Popen([*command, "-t", "30", str(path)], stderr=subprocess.DEVNULL)
    try:
        with Session(tmp_path) as session:
            nobody = f"srt://127.0.0.1:{free_port()}"
            publisher = Publisher(
                session.feed, [parse_target(f"srt://127.0.0.1:{port}"), parse_target(nobody)]
            )
            until(lambda: publisher.connections[1].lost_connections >= 1, "nobody is lost")
            assert publisher.connections[1].up_at_s is None
            until(lambda: path.exists() and path.stat().st_size > 300_000, "it is received")
            publisher.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            receiver.wait(5)
    finally:
        receiver.send_signal(signal.SIGINT)
        receiver.wait(LIMIT_S)
    errors = sync_errors_s(path)
    print(f"srt: picture/sound error of {len(errors)} beeps: {1000 * np.abs(errors).max():.1f} ms at most")
    assert len(errors) >= 1 and np.abs(errors).max() <= 0.04
