"""A realtime server of the tests' own, on loopback: the public protocol in duplex over a WebSocket, faults on demand.

It decides as a model in duplex does: after each unit it is given (`input_audio_buffer.append`) it listens or speaks, by
the next of its `turns`. While it speaks, each unit brings the next second of speech.
"""

from __future__ import annotations

import base64
import contextlib
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http import HTTPStatus

import numpy as np
import websockets
from websockets.http11 import Response
from websockets.sync.server import serve

# Seconds that anything here waits at most: a test that fails must not leave a thread behind.
_LONGEST_S = 20.0
LISTEN = None
WORDS = ["A dog runs ", "across the ", "green meadow."]


@dataclass
class Server:
    """What the server says, and what it was sent. Each unit uses up one of the turns; then it listens for ever.

    A turn is LISTEN, a list of words (a response, one second of sound with each), or a fault: "closes", "error",
    "silent", "no event", "cancelled", "expires", in mid-answer after "… words". `beta` uses the older names.
    """

    url: str = ""
    turns: list[object] = field(default_factory=lambda: [LISTEN, list(WORDS)])
    key: str = ""  # asked for when not empty
    models: list[str] = field(default_factory=lambda: ["omni"])
    rate_hz: int = 24_000
    states_rate: bool = True
    beta: bool = False
    duplex: bool = True
    opens: bool = True  # answers session.update
    sound_s: float = 0.25  # of each piece
    ids: bool = True  # names its responses
    refuses_ack: bool = False
    at_once: bool = True  # all of a response after one unit, else a piece a unit
    cuts_odd: bool = False  # pieces of sound end in mid-sample
    speaks_sound: bool = True
    received: list[dict] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)
    sessions: int = 0
    open_sessions: int = 0

    def of(self, kind: str) -> list[dict]:
        """Return the events of this type that came."""
        return [event for event in list(self.received) if event["type"] == kind]

    def wait_for(self, kind: str, count: int = 1, timeout_s: float = 10.0) -> list[dict]:
        """Wait until `count` events of this type came; return them."""
        end_s = time.monotonic() + timeout_s
        while len(found := self.of(kind)) < count and time.monotonic() < end_s:
            time.sleep(0.01)
        assert len(found) >= count, f"{len(found)} events {kind} came, not {count}"
        return found


def tone(seconds: float, rate_hz: int) -> bytes:
    """Return a tone as 16-bit PCM."""
    at_s = np.arange(round(seconds * rate_hz)) / rate_hz
    return (8000 * np.sin(2 * np.pi * 440 * at_s)).astype("<i2").tobytes()


class _Session:
    def __init__(self, state: Server, socket) -> None:
        self.state, self.socket = state, socket
        self.speaking: list[str] = []
        self.response = ""
        self.left = b""  # half a sample of a piece that was cut
        self.cancelled = False

    def send(self, kind: str, **more: object) -> None:
        if not self.state.ids:
            more.pop("response_id", None)
        self.socket.send(json.dumps({"type": kind, **more}))

    def session(self) -> dict:
        audio = {"output": {"format": {"type": "audio/pcm", "rate": self.state.rate_hz}}}
        capabilities = {"implementation_level": "model_native_duplex", "chunk_period_ms": 1000}
        return {"id": "s1", "audio": audio, **({"capabilities": capabilities} if self.state.duplex else {})}

    def take(self, event: dict) -> bool:
        """Answer an event; False ends the connection."""
        state, kind = self.state, event["type"]
        state.received.append(event)
        if kind == "session.update" and state.opens:
            self.send("session.created", session=self.session())
            self.send("session.updated", session=self.session())
        elif kind == "input_audio_buffer.append":
            return self.decide()
        elif kind == "response.cancel":
            self.speaking, self.response = [], ""
            done = {"id": event.get("response_id"), "status": "cancelled"}
            self.send("response.done", response_id=event.get("response_id"), response=done)
        elif kind == "playback.ack" and state.refuses_ack:
            error = {"type": "invalid_request_error", "code": "unknown", "message": "no such event"}
            self.send("error", error={**error, "event_id": event["event_id"]})
        elif kind == "session.close":
            self.send("session.closed", reason="client_close")
            return False
        return True

    def decide(self) -> bool:
        state = self.state
        if not self.speaking:
            turn = state.turns.pop(0) if state.turns else LISTEN
            if turn is LISTEN:
                self.send("response.listen", session_id="s1", response={"status": "listening"})
                return True
            if isinstance(turn, str) and " " not in turn:
                return self.fail(turn)
            self.speaking = list(turn) if isinstance(turn, list) else ["A dog runs ", turn.split()[0]]
            self.response = f"r{len(state.received)}"
            self.send("response.created", response_id=self.response, response={"id": self.response})
            self.send("response.speak", response_id=self.response)
        while self.speaking:
            piece = self.speaking.pop(0)
            if piece in ("closes", "error", "silent", "cancelled", "expires"):
                return self.fail(piece)
            self.say(piece)
            if not self.speaking:
                done = {"id": self.response, "status": "completed"}
                self.send("response.done", response_id=self.response, response=done)
            elif not state.at_once:
                break
        return True

    def say(self, words: str) -> None:
        state = self.state
        of_sound = "response.audio" if state.beta else "response.output_audio"
        data = self.left + tone(state.sound_s, state.rate_hz)
        self.left = b""
        if state.cuts_odd and self.speaking:
            data, self.left = data[:-1], data[-1:]
        delta = base64.b64encode(data).decode()
        stated = {"sample_rate_hz": state.rate_hz, "format": "pcm16"} if state.states_rate else {}
        if state.speaks_sound:
            self.send(f"{of_sound}.delta", response_id=self.response, delta=delta, **stated)
        self.send(f"{of_sound}_transcript.delta", response_id=self.response, delta=words)

    def fail(self, fault: str) -> bool:
        if fault == "closes":
            self.socket.close(1011, "the engine died")
            return False
        if fault == "expires":
            self.send("session.expired", reason="idle_ttl_expired")
            return False
        if fault == "error":
            error = {"type": "server_error", "code": "runtime_append_failed", "message": "stale epoch"}
            self.send("error", error=error)
        elif fault == "cancelled":
            done = {"id": self.response, "status": "cancelled", "status_details": {"reason": "barge_in"}}
            self.send("response.done", response_id=self.response, response=done)
        elif fault == "noevent":
            self.socket.send("{not json")
            self.send("response.listen")
        self.speaking = [fault] if fault == "silent" else []
        return True


@contextlib.contextmanager
def realtime_server(**options) -> Iterator[Server]:
    """Run a server on a free port of this machine."""
    state = Server(**options)

    def process(_socket, request):
        state.logins.append(request.headers.get("Authorization", ""))
        if state.key and request.headers.get("Authorization") != f"Bearer {state.key}":
            shown = f"wrong key {request.headers.get('Authorization')}".encode()
            return Response(HTTPStatus.UNAUTHORIZED, "no", websockets.Headers({"Connection": "close"}), shown)
        if request.path.startswith("/v1/models"):
            body = json.dumps({"data": [{"id": name} for name in state.models]}).encode()
            headers = websockets.Headers({"Content-Length": str(len(body)), "Connection": "close"})
            return Response(HTTPStatus.OK, "OK", headers, body)
        if not request.path.startswith("/v1/realtime?duplex=1"):
            return Response(HTTPStatus.NOT_FOUND, "no", websockets.Headers({"Connection": "close"}), b"")
        return None

    def handle(socket):
        state.sessions += 1
        state.open_sessions += 1
        session = _Session(state, socket)
        try:
            while session.take(json.loads(socket.recv(timeout=_LONGEST_S))):
                pass
        except (websockets.ConnectionClosed, TimeoutError):
            pass
        finally:
            state.open_sessions -= 1

    with serve(handle, "127.0.0.1", 0, process_request=process, compression=None) as server:
        state.url = f"http://127.0.0.1:{server.socket.getsockname()[1]}/v1"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield state
        finally:
            server.shutdown()
            thread.join(10)
