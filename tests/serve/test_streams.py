"""The streams over HTTP, read as the page of the nerdpudding project and its users' scripts read them."""

import contextlib
import json
import re
import socket
import threading
import time

import httpx
import numpy as np
import pytest

from commentator_lib.jpeg import decode_jpeg
from commentator_lib.serve.access import Access
from commentator_lib.serve.app import make_app
from commentator_lib.serve.feed import Cycle, Words
from commentator_lib.serve.running import listen
from commentator_lib.serve.streams import GrowingText, cycle_end
from tests.serve.conftest import LIMIT_S, ask, broadcasting, serving, until

pytestmark = pytest.mark.realtime


@pytest.fixture(scope="module")
def running(tmp_path_factory, clip):
    """Return a broadcast with a run going on, and the address of its server."""
    with broadcasting(tmp_path_factory.mktemp("streams"), clip) as broadcast:
        with serving(make_app(broadcast, Access())) as host:
            address = f"http://{host}"
            broadcast.panel.start()
            until(lambda: broadcast.feed.latest() is not None, "a picture")
            yield broadcast, address


@contextlib.contextmanager
def reading(address, path):
    with httpx.Client(timeout=LIMIT_S) as client, client.stream("GET", address + path) as answer:
        assert answer.status_code == 200
        yield answer


def events_of(answer):
    """Yield (event, data) of a stream of server-sent events, by the rules of the HTML standard."""
    name, data = "message", []
    for line in answer.iter_lines():
        if line == "":
            if data:
                yield name, "\n".join(data)
            name, data = "message", []
        elif not line.startswith(":"):
            field, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if field == "event":
                name = value
            elif field == "data":
                data.append(value)


def test_text_arrives_as_it_is_heard_and_a_cycle_ends(running):
    _, address = running
    blocks, text = [], ""
    with reading(address, "/api/stream") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        for name, data in events_of(answer):
            if name == "message":
                text += data
                continue
            assert name == "cycle_end"
            blocks.append((text, json.loads(data)))
            text = ""
            if len(blocks) == 4:
                break
    # The first may have begun before the stream was read.
    for text, about in blocks[1:]:
        assert about["type"] == "cycle_end"
        assert text == about["text"]
        assert about["frame_ids"][0] <= about["frame_ids"][-1]
        assert about["oldest_frame_at"] <= about["newest_frame_at"] <= about["inference_end"]
        assert about["inference_sec"] >= 0 and about["latency_sec"] >= about["inference_sec"]
        assert about["target_delay"] > 0 and about["skipped"] is False
        assert abs(about["newest_frame_at"] - time.time()) < LIMIT_S
    assert re.fullmatch(r"This is sentence number \d+\.", blocks[1][0])


def test_mjpeg_is_a_moving_picture_in_parts(running):
    _, address = running
    with reading(address, "/api/mjpeg") as answer:
        kind = answer.headers["content-type"]
        assert kind == "multipart/x-mixed-replace; boundary=frame"
        data, pictures = b"", []
        for piece in answer.iter_bytes():
            data += piece
            while (head := re.match(rb"--frame\r\n(.*?)\r\n\r\n", data, re.S)) is not None:
                fields = dict(line.split(b": ") for line in head[1].split(b"\r\n"))
                assert fields[b"Content-Type"] == b"image/jpeg"
                end = head.end() + int(fields[b"Content-Length"])
                if len(data) < end + 2:
                    break
                assert data[end : end + 2] == b"\r\n"
                pictures.append(decode_jpeg(data[head.end() : end]))
                data = data[end + 2 :]
            if len(pictures) >= 10:
                break
    assert all(picture.shape == (90, 160, 3) for picture in pictures)
    assert len({picture.tobytes() for picture in pictures}) >= 5


def test_one_picture(running):
    _, address = running
    answer = httpx.get(address + "/api/frame", timeout=LIMIT_S)
    assert answer.headers["content-type"] == "image/jpeg"
    assert decode_jpeg(answer.content).shape == (90, 160, 3)


def test_sound_is_pcm_in_real_time(running):
    _, address = running
    with reading(address, "/api/audio-stream") as answer:
        told = {name: answer.headers[f"x-audio-{name}"] for name in ("rate", "channels", "format")}
        assert told == {"rate": "48000", "channels": "1", "format": "s16le"}
        assert answer.headers["content-type"] == "application/octet-stream"
        data, began_s = b"", None
        for piece in answer.iter_bytes():
            began_s = began_s or time.monotonic()
            data += piece
            if len(data) >= 5 * 96_000:
                break
        took_s = time.monotonic() - began_s
    samples = np.frombuffer(data[: len(data) // 2 * 2], "<i2")
    assert samples.any()
    assert took_s > 4.0  # it does not run ahead: five seconds take nearly that, or longer on a busy machine


def test_places_are_taken_and_given_back(running):
    broadcast, address = running
    until(lambda: broadcast.places.taken == 0, "earlier viewers are gone")
    with reading(address, "/api/mjpeg"), reading(address, "/api/audio-stream"):
        assert broadcast.places.taken == 2
    until(lambda: broadcast.places.taken == 0 and broadcast.feed.subscribers == 0, "both are gone")
    until(lambda: not [t for t in threading.enumerate() if t.name == "feed"], "nothing works for nobody")


def test_no_more_streams_than_places(running, monkeypatch):
    broadcast, address = running
    monkeypatch.setattr(broadcast.places, "most", broadcast.places.taken)
    for path in ("/api/stream", "/api/mjpeg", "/api/audio-stream"):
        answer = httpx.get(address + path, timeout=LIMIT_S)
        assert answer.status_code == 503 and "places" in answer.json()["detail"]


def test_reader_that_never_reads_loses_pictures_and_delays_nobody(running, monkeypatch):
    broadcast, _ = running
    listener = listen("127.0.0.1", 0)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)  # connections have it from there
    monkeypatch.setattr("tests.serve.conftest.listen", lambda *_: listener)
    until(lambda: broadcast.feed.subscribers == 0, "earlier viewers are gone")
    with serving(make_app(broadcast, Access())) as host, socket.socket() as sleeper:
        sleeper.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sleeper.connect(("127.0.0.1", int(host.rpartition(":")[2])))
        sleeper.sendall(f"GET /api/mjpeg HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        until(lambda: broadcast.feed.subscribers == 1, "it is a viewer")
        (asleep,) = broadcast.feed._subscriptions
        until(lambda: asleep.lost_pictures > 20, "pictures are lost to it")
        with reading(f"http://{host}", "/api/mjpeg") as other:
            seen = 0
            for piece in other.iter_bytes():
                seen += piece.count(b"--frame")
                if seen >= 50:
                    break
    until(lambda: broadcast.feed.subscribers == 0, "both are gone")
    assert broadcast.running


def test_before_the_first_picture_there_is_no_frame(app):
    assert ask(app, "GET", "/api/frame").status_code == 404
    assert ask(app, "GET", "/live.m3u8").status_code == 503


def test_words_that_grow_give_what_was_added():
    growing = GrowingText()
    said = [("Two red", 1), ("Two red cars.", 1), ("Goal!", 2), ("Gone", 2)]
    assert [growing.added(Words(0.0, k, text, False, None)) for text, k in said] == [
        "Two red",
        " cars.",
        "Goal!",
        "Gone",
    ]


def test_cycle_that_asked_nobody_is_not_told():
    assert cycle_end(Cycle(0.0, {"cycle": 3, "outcome": "unchanged"}, 0.0)) is None


def test_silent_cycle_is_told_as_skipped():
    row = {
        "cycle": 3,
        "outcome": "silent",
        "frame_first_index": 10,
        "frame_last_index": 40,
        "infer_s": 5.0,
        "generated_s": 5.25,
        "frame_newest_captured_s": 4.9,
        "frame_oldest_age_s": 2.0,
        "delay_applied_s": 1.234,
    }
    about = cycle_end(Cycle(0.0, row, 1000.0))
    assert about["skipped"] is True and about["frame_ids"] == [10, 40]
    assert (about["oldest_frame_at"], about["newest_frame_at"]) == (1003.0, 1004.9)
    assert (about["inference_sec"], about["latency_sec"], about["target_delay"]) == (0.25, 2.25, 1.23)
