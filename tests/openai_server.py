"""An OpenAI-compatible server of the tests' own, on loopback: real HTTP, made answers, faults on demand."""

from __future__ import annotations

import base64
import contextlib
import http.server
import json
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import cv2
import numpy as np

# Nothing here waits longer than this: a test that goes wrong must not leave a thread behind.
_LONGEST_S = 20.0


@dataclass
class Server:
    """What the server answers, and what it was asked. A fault is used up by one request, in order; "" is none.

    Faults: 429, 500 (and any other status), "cut before", "cut", "slow", "bad json", "error event".
    """

    url: str = ""
    words: list[str] = field(default_factory=lambda: ["A dog ", "runs ", "across ", "the green meadow."])
    models: list[str] | None = field(default_factory=lambda: ["seer"])
    key: str = ""  # asked for when not empty
    faults: list[object] = field(default_factory=list)
    retry_after: str = ""
    takes_stream_options: bool = True
    usage: bool = True
    requests: list[dict] = field(default_factory=list)
    headers: list[dict] = field(default_factory=list)
    pictures: list[list[tuple[int, int]]] = field(default_factory=list)  # (width, height) of each frame
    hung_up: threading.Event = field(default_factory=threading.Event)
    release: threading.Event = field(default_factory=threading.Event)


def free_port() -> int:
    """A port on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def openai_server(**options) -> Iterator[Server]:
    state = Server(**options)

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args):
            pass

        def do_GET(self):
            if self.refused():
                return
            if state.models is None:
                return self.answer(404, {"error": {"message": "no such page"}})
            self.answer(200, {"object": "list", "data": [{"id": name} for name in state.models]})

        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            state.requests.append(body)
            state.headers.append(dict(self.headers))
            if self.refused():
                return
            if "stream_options" in body and not state.takes_stream_options:
                return self.answer(400, {"error": {"message": "stream_options is not known here"}})
            state.pictures.append(decoded(body))
            fault = state.faults.pop(0) if state.faults else ""
            if isinstance(fault, int):
                return self.answer(fault, {"error": {"message": "the fault that was asked for"}})
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self.stream(body, fault)
                return
            state.hung_up.set()

        def refused(self):
            if state.key and self.headers.get("Authorization") != f"Bearer {state.key}":
                self.answer(401, {"error": {"message": "invalid key"}})
                return True
            return False

        def answer(self, status, body):
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            if state.retry_after and status == 429:
                self.send_header("Retry-After", state.retry_after)
            self.end_headers()
            self.wfile.write(data)

        def stream(self, body, fault):
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Connection", "close")
            self.end_headers()
            self.close_connection = True
            if fault == "cut before":
                return self.connection.shutdown(socket.SHUT_RDWR)
            if fault == "slow":
                state.release.wait(_LONGEST_S)
                return
            self.wfile.write(b": a comment that clients skip\n\n")
            for number, word in enumerate(state.words):
                if fault and number == 2:
                    if fault == "cut":
                        return self.connection.shutdown(socket.SHUT_RDWR)
                    if fault == "bad json":
                        self.wfile.write(b"data: {not json}\n\n")
                        return
                    if fault == "error event":
                        self.wfile.write(b'data: {"error": {"message": "the engine died"}}\n\n')
                        return
                    if fault == "endless":
                        deadline_s = time.monotonic() + _LONGEST_S
                        while time.monotonic() < deadline_s:
                            self.event({"choices": [{"delta": {"content": "and on "}}]})
                            time.sleep(0.01)
                self.event({"choices": [{"delta": {"content": word}}]})
            if state.usage and "stream_options" in body:
                self.event({"choices": [], "usage": {"prompt_tokens": 321, "completion_tokens": 17}})
            self.wfile.write(b"data: [DONE]\n\n")

        def event(self, body):
            data = f"data: {json.dumps(body, ensure_ascii=False)}\n\n".encode()
            half = len(data) // 2 + 1  # in two packets, maybe in the middle of a letter
            self.wfile.write(data[:half])
            self.wfile.flush()
            self.wfile.write(data[half:])
            self.wfile.flush()

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    state.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        state.release.set()
        server.shutdown()
        server.server_close()
        thread.join(10)


def decoded(body: dict) -> list[tuple[int, int]]:
    """Sizes of the request's pictures; fails where one is no JPEG in a data URL."""
    sizes = []
    for part in body["messages"][0]["content"]:
        if part["type"] != "image_url":
            continue
        kind, _, data = part["image_url"]["url"].partition(",")
        assert kind == "data:image/jpeg;base64"
        image = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)
        sizes.append((image.shape[1], image.shape[0]))
    return sizes
