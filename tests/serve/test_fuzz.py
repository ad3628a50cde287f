"""Malformed requests: schemathesis makes them from the description of the interface, and from what HTTP does not allow.

No answer may be a fault of the server (5xx), and nothing may be left behind. Endless streams are only asked for in raw
requests, which end after the first line. In the suite there are a few hundred requests; for ten thousand:

    FUZZ_REQUESTS=10000 python -m pytest tests/serve/test_fuzz.py -s
"""

from __future__ import annotations

import collections
import contextlib
import os
import re
import socket

import psutil
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.generation import GenerationMode

from experiments.benchmarks import bench_serve
from tests.serve.conftest import LIMIT_S, until

COUNT = int(os.environ.get("FUZZ_REQUESTS", "400"))
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300 + COUNT)]
# Of the requests so many per cent are raw ones.
RAW_SHARE = 0.4
# The second half of the requests may need so much more memory than the first: freed memory is not given back at once.
MOST_GROWTH_BYTES = 60_000_000
# Routes that may wait are answered on up to 40 threads, which are kept for a while.
MOST_THREADS = 40


def fuzz(count):
    """Return hypothesis' settings for `count` examples; the same ones each time unless a longer run is asked for."""
    return settings(
        max_examples=count,
        deadline=None,
        database=None,
        derandomize=COUNT <= 1000,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


class Server:
    """A server in a process of its own, and the statuses of its answers."""

    def __init__(self, address, process):
        self.address, self.process = address, process
        self.statuses = collections.Counter()
        self.session = requests.Session()

    def note(self, status, request):
        self.statuses[status] += 1
        assert 100 <= status < 500, (status, request)  # 100: a body is awaited

    def send_described(self, count):
        """Send `count` requests that break the description, or nearly."""
        schema = schemathesis.openapi.from_url(f"http://{self.address}/openapi.json")
        operations = [found.ok() for found in schema.get_all_operations()]
        with_input = [o for o in operations if o.body or len(o.query) or len(o.path_parameters)]
        assert len(with_input) >= 7
        for operation in with_input:
            # Any text is a name in a path, so none is malformed by the description.
            mode = GenerationMode.POSITIVE if len(operation.path_parameters) else GenerationMode.NEGATIVE

            @fuzz(count // len(with_input))
            @given(case=operation.as_strategy(generation_mode=mode))
            def send(case):
                with contextlib.suppress(
                    requests.exceptions.InvalidHeader
                ):  # requests itself refuses to send it
                    answer = case.call(session=self.session, timeout=LIMIT_S)
                    self.note(answer.status_code, case.as_curl_command())

            send()

    def send_raw(self, count):
        """Send `count` requests that may be no HTTP at all, to all paths that there are."""
        described = requests.get(f"http://{self.address}/openapi.json", timeout=LIMIT_S).json()["paths"]
        paths = st.sampled_from(["/", "/ws", "/page.js", "/openapi.json", *described])
        junk = st.text(st.characters(max_codepoint=255, exclude_characters="\r\n"), max_size=30)
        known = st.sampled_from(["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "TRACE", "get"])
        methods = st.one_of(known, known, known, junk)
        names = st.sampled_from(
            [
                "Content-Length",
                "Transfer-Encoding",
                "Content-Type",
                "Cookie",
                "Authorization",
                "Origin",
                "Range",
            ]
            + ["Upgrade", "Connection", "Sec-WebSocket-Key", "Sec-WebSocket-Version", "Expect", "Accept"]
        )
        values = st.sampled_from(
            [
                "-1",
                "0",
                "5",
                "99999999999",
                "chunked",
                "application/json",
                "websocket",
                "upgrade",
                "bytes=0-",
                "13",
            ]
            + ["100-continue", "Basic Og==", "Bearer", "http://evil.example", "AAAAAAAAAAAAAAAAAAAAAA=="]
        )
        headers = st.lists(st.tuples(st.one_of(names, names, names, junk), values | junk), max_size=4)
        printable = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=30)
        queries = st.just("") | printable.map(lambda text: "?" + text)
        bodies = st.binary(max_size=60) | st.sampled_from(
            [b"{", b"null", b"[]", b'{"source": {}}', b"\xff\xfe"]
        )

        @fuzz(count)
        @given(methods, paths, queries, headers, bodies)
        def send(method, path, query, headers, body):
            lines = [f"{method} {path}{query} HTTP/1.1", f"Host: {self.address}"]
            lines += [f"{name}: {value}" for name, value in headers]
            data = "\r\n".join([*lines, "", ""]).encode("latin-1") + body
            if (status := self.first_status(data)) is not None:
                self.note(status, data)

        send()

    def first_status(self, data):
        """Return the status that a raw request is answered with, None where the connection is closed instead."""
        host, _, port = self.address.partition(":")
        with socket.create_connection((host, int(port)), LIMIT_S) as line:
            with contextlib.suppress(ConnectionError):
                line.sendall(data)
                line.shutdown(socket.SHUT_WR)
            try:
                answer = line.recv(100)
            except ConnectionError:
                answer = b""
        if not answer:
            self.statuses["closed"] += 1
            return None
        found = re.match(rb"HTTP/1\.1 (\d{3})", answer)
        assert found, answer
        return int(found[1])

    def left(self):
        """Return the server's open files, threads and resident bytes, once no run and no viewer is there."""
        requests.post(f"http://{self.address}/api/stop", timeout=LIMIT_S).raise_for_status()
        self.session.close()
        until(lambda: self.get("/api/status")["viewers"] == 0, "viewers")
        return self.process.num_fds(), self.process.num_threads(), self.process.memory_info().rss

    def get(self, path):
        return requests.get(f"http://{self.address}{path}", timeout=LIMIT_S).json()


def test_malformed_requests_are_refused_and_leave_nothing_behind(monkeypatch):
    monkeypatch.setenv("COMMENTATOR", "scripted")  # a request may start a run: nothing is to be loaded for it
    described, raw = int(COUNT * (1 - RAW_SHARE)), int(COUNT * RAW_SHARE)
    with bench_serve.serving(600.0) as served:
        server = Server(served.address, psutil.Process(served.process.pid))
        # What is loaded at the first run does not count.
        requests.post(f"http://{server.address}/api/start", timeout=LIMIT_S).raise_for_status()
        until(lambda: server.get("/api/status")["cycle_count"] > 0, "a run")
        server.send_described(described // 2)
        server.send_raw(raw // 2)
        first = server.left()
        server.send_described(described // 2)
        server.send_raw(raw // 2)

        def is_as_before():
            server.now = server.left()
            return server.now[0] <= first[0] + 3 and server.now[1] <= first[1] + MOST_THREADS

        until(is_as_before, f"files and threads as before: {first}")
        print(
            f"{server.statuses.total()} requests: {dict(server.statuses)}; before {first}, after {server.now}"
        )
        assert server.now[2] - first[2] < MOST_GROWTH_BYTES
        assert server.statuses.total() > 0.6 * COUNT
        assert server.statuses[422] > 0.1 * COUNT  # most are really malformed
        # It is as well as before.
        assert server.get("/healthz") == {"status": "ok"}
        assert served.process.poll() is None
