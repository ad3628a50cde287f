"""Cases of `bench_words`: OpenAI-compatible servers with one odd habit each, and what becomes of their words."""

from __future__ import annotations

import contextlib
import http.server
import json
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

DONE = b"data: [DONE]\n\n"
# Seconds that a connection waits for its next request at most: a case that fails must not leave a thread behind.
_LONGEST_S = 20.0


@dataclass(frozen=True, slots=True)
class Reply:
    """How a request is answered: a stream of packets, each sent at once."""

    packets: Iterable[bytes] = ()
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


def event(delta: Mapping[str, Any], **choice: Any) -> bytes:
    """Return a piece of a streamed chat as it is sent."""
    body = {"choices": [{"index": 0, "delta": dict(delta), **choice}]}
    return f"data: {json.dumps(body, ensure_ascii=False)}\n\n".encode()


def said(*texts: str) -> list[bytes]:
    """Return texts as pieces of a streamed chat, with its end."""
    return [*(event({"content": text}) for text in texts), event({}, finish_reason="stop"), DONE]


def refused(status: int, body: Any) -> Reply:
    """Return a refusal with a JSON body."""
    return Reply([json.dumps(body).encode()], status, {"Content-Type": "application/json"})


@contextlib.contextmanager
def chat_server(reply: Callable[[dict[str, Any]], Reply]) -> Iterator[str]:
    """Serve one model, "m", on loopback; yield the base URL. `reply` answers each request for a chat by its body."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = _LONGEST_S

        def log_message(self, *_: Any) -> None:
            pass

        def do_GET(self) -> None:
            self.send(Reply([b'{"data": [{"id": "m"}]}'], headers={"Content-Type": "application/json"}))

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self.send(reply(asked))

        def send(self, answer: Reply) -> None:
            self.send_response(answer.status)
            for name, value in {"Content-Type": "text/event-stream", **answer.headers}.items():
                self.send_header(name, value)
            self.send_header("Connection", "close")
            self.end_headers()
            self.close_connection = True
            for packet in answer.packets:
                self.wfile.write(packet)
                self.wfile.flush()

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


CASES: dict[str, Callable[[Path], str]] = {}
