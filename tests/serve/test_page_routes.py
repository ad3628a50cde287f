"""The page's WebSocket: places, what is no message, viewers that come and go, and one that never reads."""

from __future__ import annotations

import contextlib
import socket
import threading
import time

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from commentator_lib.serve import viewer as viewer_module
from commentator_lib.serve.wire import pack, unpack
from tests.serve.conftest import LIMIT_S, ask, serving, until

pytestmark = pytest.mark.realtime


@pytest.fixture(scope="module")
def address(app):
    with serving(app) as found:
        yield found


class Client:
    """A viewer that acknowledges as the page does, without showing anything."""

    def __init__(self, address, page):
        self.page, self.kinds, self.seqs, self.root = page, [], [], ""
        self._ending = contextlib.ExitStack()
        self._socket = self._ending.enter_context(connect(f"ws://{address}/ws", max_size=None))
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        until(lambda: self.root, "the page's widget")
        self.say(kind="hello")

    def say(self, **content):
        message = {"comm": self.root, "msg": "custom", "content": {"page": self.page, **content}}
        self._socket.send(pack(message))

    def _read(self):
        with contextlib.suppress(ConnectionClosed):
            for data in self._socket:
                message, _ = unpack(data)
                if message["msg"] == "root":
                    self.root = message["comm"]
                if message["msg"] != "custom":
                    continue
                content = message["content"]
                self.kinds.append(content["kind"])
                if content["kind"] == "frame":
                    self.seqs.append(content["seq"])
                    if content["seq"] % 5 == 0:
                        seen = {"seq": content["seq"], "draws": [], "counts": {}, "heard": []}
                        self.say(kind="ack", at=time.monotonic(), sounding=False, **seen)

    def close(self):
        self._ending.close()
        self._thread.join(LIMIT_S)

    def __enter__(self):
        return self

    def __exit__(self, *_exc):
        self.close()


def test_the_page_and_its_files(app):
    page = ask(app, "GET", "/")
    assert page.status_code == 200 and page.headers["content-type"] == "text/html; charset=utf-8"
    for name, kind in (("page.js", "text/javascript"), ("page.css", "text/css")):
        assert f'"{name}"' in page.text
        answer = ask(app, "GET", f"/{name}")
        assert answer.status_code == 200 and answer.headers["content-type"].startswith(kind)
    policy = page.headers["content-security-policy"]
    assert "unsafe-eval" not in policy and "script-src 'self' blob: 'sha256-" in policy
    assert "connect-src 'self' ws://127.0.0.1:8765" in policy


def test_viewers_get_pictures_words_and_sound_and_those_who_leave_delay_nothing(idle, address):
    idle.panel.start()
    with Client(address, "one") as one, Client(address, "two") as two:
        for client in (one, two):
            until(lambda c=client: {"welcome", "frame", "caption", "sound"} <= set(c.kinds))
        until(lambda: {"one", "two"} <= set(idle.panel.player.pages))
        two.close()
        until(lambda: set(idle.panel.player.pages) == {"one"}, "the page that has left is gone at once")
        seen = len(one.seqs)
        until(lambda: len(one.seqs) > seen + 25)
        assert one.seqs == sorted(set(one.seqs))
    until(lambda: not idle.hub.viewers and idle.places.taken == 0)


def test_one_that_never_reads_is_given_up_and_costs_the_others_nothing(idle, address, monkeypatch):
    monkeypatch.setattr(viewer_module, "STALLED_S", 2.0)
    idle.panel.start()
    host, _, port = address.partition(":")
    with Client(address, "reads") as reads, socket.socket() as deaf:
        until(lambda: reads.seqs)
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect((host, int(port)))
        handshake = (
            *("GET /ws HTTP/1.1", f"Host: {address}", "Upgrade: websocket", "Connection: Upgrade"),
            *("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13", "", ""),
        )
        deaf.sendall("\r\n".join(handshake).encode())
        until(lambda: len(idle.hub.viewers) == 2, "it is there")
        before, held_back = len(reads.seqs), idle.panel.player.held_back_frames
        # Something larger than what the sockets hold, which the other takes at once.
        for _ in range(30):
            idle.panel.player.send({"kind": "ballast"}, [bytes(400_000)])
            time.sleep(0.02)
        until(lambda: len(idle.hub.viewers) == 1, "it is given up")
        until(lambda: len(reads.seqs) > before + 25)
        assert idle.panel.player.held_back_frames == held_back
        assert reads.kinds.count("ballast") == 30
    until(lambda: idle.places.taken == 0)


def test_two_hundred_viewers_come_and_go_and_leave_nothing(idle, address):
    threads = threading.active_count()
    for k in range(200):
        with connect(f"ws://{address}/ws", max_size=None) as one:
            unpack(one.recv(LIMIT_S))
            if k % 3 == 0:
                one.socket.close()  # without a word
    until(lambda: not idle.hub.viewers and idle.places.taken == 0)
    until(lambda: threading.active_count() <= threads + 1)
    assert not idle.panel.player.pages


def test_what_is_no_message_ends_the_connection_and_no_other(idle, address):
    with Client(address, "good") as good:
        for wrong in ("text", b"", b"\xff" * 100, pack({})[:-1], b"\x02\x00\x00\x00[]"):
            with connect(f"ws://{address}/ws", max_size=None) as bad:
                bad.send(wrong)
                with pytest.raises(ConnectionClosed) as closed:
                    while True:
                        bad.recv(LIMIT_S)
                assert closed.value.rcvd.code == 1007, wrong
        good.kinds.clear()
        good.say(kind="ping", t0=1.0)
        until(lambda: "pong" in good.kinds)


def test_messages_that_are_too_long_are_not_taken(address):
    with connect(f"ws://{address}/ws", max_size=None) as big:
        with pytest.raises(ConnectionClosed) as closed:
            big.send(bytes(5_000_000))
            while True:
                big.recv(LIMIT_S)
        assert closed.value.rcvd is None or closed.value.rcvd.code == 1009


def test_more_viewers_than_places_are_turned_away(idle, address, monkeypatch):
    monkeypatch.setattr(idle.places, "most", 1)
    with connect(f"ws://{address}/ws", max_size=None) as one:
        assert one.recv(LIMIT_S)
        with pytest.raises(InvalidStatus) as refused, connect(f"ws://{address}/ws"):
            pass
        assert refused.value.response.status_code == 503
    until(lambda: idle.places.taken == 0)
    with connect(f"ws://{address}/ws", max_size=None) as one:
        assert one.recv(LIMIT_S)
