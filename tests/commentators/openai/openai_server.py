"""An OpenAI-compatible server of the tests' own, on loopback: real HTTP, prepared answers, faults on demand.

It is not a mock of httpx, since the faults of such servers occur in sockets, packets and status lines.
"""

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

# Seconds that anything here waits at most: a test that fails must not leave a thread behind.
_LONGEST_S = 20.0
# What `warm_up` asks for.
TRIAL = "Say hello."


@dataclass
class Server:
    """What the server answers, and what it was asked. Each request uses up one of the faults; "" is none.

    Faults: a status (429, 500, …); "cut before" and "cut", before and after the first words; "slow" and
    "stall", silence before and after them; "bad json", "error event" and "endless" after the first words;
    bytes or a list of bytes: this body, each of them in a packet of its own; what has `packets`: what that gives, when
    it does; what has `status` and `content`: a refusal.
    """

    url: str = ""
    words: list[str] = field(default_factory=lambda: ["A dog ", "runs ", "across ", "the green meadow."])
    numbered: bool = False  # the words end in the request's number, so that no comment is like the one before
    models: list[str] | None = field(default_factory=lambda: ["seer"])
    models_status: int = 200
    key: str = ""  # asked for when not empty
    forbids: int = 401  # how another key is answered
    faults: list[object] = field(default_factory=list)
    refusal: str = "the fault that was asked for"
    echoes_key: bool = False  # refusals repeat the request's Authorization, as careless servers do
    retry_after: str = ""
    takes_stream_options: bool = True
    sound_refusal: tuple[int, str] | None = None  # status and words for a request with sound
    usage: dict | None = field(default_factory=lambda: {"prompt_tokens": 321, "completion_tokens": 17})
    content_type: str = "text/event-stream"
    trial: list[bytes] | int = field(
        default_factory=list
    )  # packets or status for the request of `warm_up`; []: words
    trials: list[dict] = field(default_factory=list)
    requests: list[dict] = field(default_factory=list)  # without those of `warm_up`
    headers: list[dict] = field(default_factory=list)
    pictures: list[list[tuple[int, int]]] = field(default_factory=list)  # (width, height) of each frame
    hung_up: threading.Event = field(default_factory=threading.Event)
    release: threading.Event = field(default_factory=threading.Event)


def free_port() -> int:
    """Return a port on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def said(text: str, **more: object) -> dict:
    """Return the event of a stream that says this text."""
    return {"choices": [{"delta": {"content": text}, **more}]}


def line(event: dict) -> bytes:
    """Return an event as it is sent, with letters of several bytes unescaped."""
    return f"data: {json.dumps(event, ensure_ascii=False)}\n\n".encode()


@contextlib.contextmanager
def openai_server(**options) -> Iterator[Server]:
    state = Server(**options)

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = _LONGEST_S  # of a connection that is kept alive by nobody

        def log_message(self, *args):
            pass

        def do_GET(self):
            if self.refused():
                return
            if self.path != "/v1/models" or state.models is None:
                return self.answer(404, {"error": {"message": "no such page"}})
            names = [{"id": name} for name in state.models]
            self.answer(state.models_status, {"object": "list", "data": names})

        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if body["messages"][-1]["content"][-1]["text"] == TRIAL and "stream" in body:
                state.trials.append(body)
                return self.try_out(body)
            state.requests.append(body)
            state.headers.append(dict(self.headers))
            if self.refused():
                return
            if self.path != "/v1/chat/completions":
                return self.answer(404, {"error": {"message": "no such page"}})
            if "stream_options" in body and not state.takes_stream_options:
                return self.answer(400, {"error": {"message": "stream_options is not known here"}})
            if state.sound_refusal and any(
                p["type"] == "input_audio" for p in body["messages"][-1]["content"]
            ):
                status, words = state.sound_refusal
                return self.answer(status, {"error": {"message": words}})
            try:
                state.pictures.append(decoded(body))
            except ValueError as error:
                return self.answer(400, {"error": {"message": str(error)}})
            fault = state.faults.pop(0) if state.faults else ""
            if isinstance(fault, int):
                return self.answer(fault, {"error": {"message": state.refusal}})
            if hasattr(fault, "status"):
                return self.answer(fault.status, fault.content)
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self.stream(body, fault)
                return
            state.hung_up.set()

        def try_out(self, body):
            if self.refused():
                return
            if "stream_options" in body and not state.takes_stream_options:
                return self.answer(400, {"error": {"message": "stream_options is not known here"}})
            if isinstance(state.trial, int):
                return self.answer(state.trial, {"error": {"message": state.refusal}})
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self.stream({}, state.trial or [line(said("Hello.")), b"data: [DONE]\n\n"])

        def refused(self):
            if state.key and self.headers.get("Authorization") != f"Bearer {state.key}":
                self.answer(state.forbids, {"error": {"message": "invalid key"}})
                return True
            return False

        def answer(self, status, body):
            if state.echoes_key and status >= 400 and isinstance(body, dict):
                body["error"]["message"] += f" with {self.headers.get('Authorization')}"
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            if state.retry_after and status in (429, 503):
                self.send_header("Retry-After", state.retry_after)
            if 300 <= status < 400:
                self.send_header("Location", f"https://elsewhere.example{self.path}")
            self.end_headers()
            self.wfile.write(data)

        def stream(self, body, fault):
            self.send_response(200)
            self.send_header("Content-Type", state.content_type)
            self.send_header("Connection", "close")
            self.end_headers()
            self.close_connection = True
            if isinstance(fault, bytes | list):
                for packet in [fault] if isinstance(fault, bytes) else fault:
                    self.packet(packet)
                return
            if hasattr(fault, "packets"):
                for packet in fault.packets():
                    self.packet(packet)
                return
            if fault == "cut before":
                return self.connection.shutdown(socket.SHUT_RDWR)
            if fault == "slow":
                state.release.wait(_LONGEST_S)
                return
            self.wfile.write(b": a comment that clients skip\n\n")
            last = f"{state.words[-1].rstrip('.')} {len(state.requests)} times."
            words = [*state.words[:-1], last] if state.numbered else state.words
            for number, word in enumerate(words):
                if fault and number == 2:
                    return self.fail(fault)
                self.event(said(word))
            if state.usage and "stream_options" in body:
                self.event({"choices": [], "usage": state.usage})
            self.wfile.write(b"data: [DONE]\n\n")

        def fail(self, fault):
            if fault == "cut":
                self.connection.shutdown(socket.SHUT_RDWR)
            elif fault == "stall":
                state.release.wait(_LONGEST_S)
            elif fault == "bad json":
                self.packet(b"data: {not json}\n\n")
            elif fault == "error event":
                self.packet(line({"error": {"message": "the engine died"}}))
            elif fault == "endless":
                end_s = time.monotonic() + _LONGEST_S
                while time.monotonic() < end_s:
                    self.event(said("and on "))
                    time.sleep(0.01)
            else:
                raise ValueError(f"no such fault: {fault}")

        def event(self, event):
            data = line(event)
            half = len(data) // 2 + 1  # in two packets, maybe in the middle of a letter
            self.packet(data[:half])
            self.packet(data[half:])

        def packet(self, data):
            self.wfile.write(data)
            self.wfile.flush()

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    state.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield state
    finally:
        state.release.set()
        server.shutdown()
        server.server_close()
        thread.join(10)


def decoded(body: dict) -> list[tuple[int, int]]:
    """Return the sizes (width, height) of the request's pictures. Raise ValueError for one that is no JPEG."""
    sizes = []
    for part in body["messages"][-1]["content"]:
        if part["type"] != "image_url":
            continue
        kind, _, data = part["image_url"]["url"].partition(",")
        if kind != "data:image/jpeg;base64":
            raise ValueError(f"a picture is given as {kind[:40]}")
        raw = base64.b64decode(data, validate=True)
        image = (
            cv2.imdecode(np.frombuffer(raw, np.uint8), cv2.IMREAD_COLOR) if raw[:2] == b"\xff\xd8" else None
        )
        if image is None:
            raise ValueError("a picture is no JPEG")
        sizes.append((image.shape[1], image.shape[0]))
    return sizes
