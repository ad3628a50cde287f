"""A speech server of the tests' own on loopback: it answers `POST /v1/audio/speech` in one of several ways."""

from __future__ import annotations

import contextlib
import http.server
import io
import json
import threading
import wave
from collections.abc import Callable, Iterator

import numpy as np

SECRET = "sk-a-very-secret-key-42"


def tone(seconds=0.6, rate_hz=24_000, lead_s=0.1):
    """Return int16 (N,): silence, a tone, silence."""
    t = np.arange(round(seconds * rate_hz)) / rate_hz
    quiet = np.zeros(round(lead_s * rate_hz))
    return (np.concatenate([quiet, 0.3 * np.sin(2 * np.pi * 440 * t), quiet]) * 32767).astype("<i2")


def wav(samples, rate_hz, channels=1):
    """Return a WAV file of int16 samples (N,), the same in every channel."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(channels)
        out.setsampwidth(2)
        out.setframerate(rate_hz)
        out.writeframes(np.repeat(samples, channels).tobytes())
    return file.getvalue()


class Answer:
    """What the server sends: a status, headers and parts of a body, with a call before each part."""

    def __init__(self, parts, kind="audio/pcm", status=200, before=lambda _k: None, closes=True, **headers):
        self.parts, self.kind, self.status = list(parts), kind, status
        self.before, self.closes, self.headers = before, closes, headers


@contextlib.contextmanager
def speech_server(answer: Answer | Callable[[dict], Answer]) -> Iterator[tuple[str, list]]:
    """Yield (base URL, the requests so far as (body, headers)); the server ends with the block."""
    requests: list = []
    ended = threading.Event()

    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            requests.append((body, dict(self.headers), self.path))
            told = answer(body) if callable(answer) else answer
            self.send_response(told.status)
            self.send_header("Content-Type", told.kind)
            for name, value in told.headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            with contextlib.suppress(OSError):
                for k, part in enumerate(told.parts):
                    told.before(k)
                    self.wfile.write(part)
                    self.wfile.flush()
                if not told.closes:
                    ended.wait(10)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1", requests
    finally:
        ended.set()
        server.shutdown()
        server.server_close()
        thread.join(5)


def cut(data: bytes, sizes) -> list[bytes]:
    """Return bytes cut into parts of these sizes, over and over."""
    parts, at, k = [], 0, 0
    while at < len(data):
        parts.append(data[at : at + sizes[k % len(sizes)]])
        at += sizes[k % len(sizes)]
        k += 1
    return parts
