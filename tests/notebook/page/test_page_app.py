"""The page that is served by itself: who gets in, what can be reached, several viewers of one run, its end."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.parse
import uuid

import pytest
import websocket
from jupyter_client.session import Session

from commentator_lib.hosts import accepted_hosts, is_accepted_host
from experiments.tools.browser import ROOT
from tests.notebook.page.conftest import LIMIT_S, drawn, paged, transcript_lines, until

END_S = 5.0


class App:
    """A served page: its link, and requests of a client that keeps no cookies unless they are given."""

    def __init__(self, process, link):
        self.process, self.link = process, link
        parts = urllib.parse.urlsplit(link)
        self.port, self.token = parts.port, urllib.parse.parse_qs(parts.query)["token"][0]
        self.cookie = ""

    def ask(self, path, method="GET", **headers):
        """Return the status, the headers and the text of an answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=LIMIT_S)
        with contextlib.closing(connection):
            connection.request(method, path, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read().decode(errors="replace")

    def sign_in(self):
        """Exchange the token for the cookie, and keep the page and the kernel's name."""
        _, headers, _ = self.ask(f"/?token={self.token}")
        self.cookie = "; ".join(c.split(";")[0] for c in headers.get_all("Set-Cookie", []))
        self.page = self.ask("/", Cookie=self.cookie)[2]
        self.kernel_id = re.search(r'"kernelId": "([0-9a-f-]+)"', self.page).group(1)

    def connect(self, **headers):
        """Return a websocket to the panel's process; raise websocket.WebSocketBadStatusException if refused."""
        return websocket.create_connection(
            f"ws://127.0.0.1:{self.port}/api/kernels/{self.kernel_id}/channels?session_id={uuid.uuid4()}",
            timeout=LIMIT_S,
            suppress_origin="origin" not in headers,
            **headers,
        )

    def end(self):
        """Send Ctrl-C; return the seconds until the process has ended, and its exit code."""
        begun_s = time.monotonic()
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(LIMIT_S)
        return time.monotonic() - begun_s, code


@contextlib.contextmanager
def serving(folder, *arguments):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), os.environ.get("PYTHONPATH", "")))}
    command = [
        sys.executable,
        "-m",
        "commentator_lib.notebook.page",
        "--no-browser",
        "--port",
        "0",
        *arguments,
    ]
    with open(folder / "page.log", "wb") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=log, text=True
        )
    try:
        line = process.stdout.readline()
        assert "?token=" in line, (folder / "page.log").read_text()
        yield App(process, re.search(r"http\S+", line).group(0))
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(60)
            finally:
                process.kill()
        process.stdout.close()


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("app")) as found:
        found.sign_in()
        yield found


def test_the_link_opens_the_page_and_leaves_no_token_in_the_address(app):
    status, headers, _ = app.ask(f"/?token={app.token}")
    assert (status, headers["Location"]) == (303, "/")
    cookie = headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Lax" in cookie and app.token not in cookie
    status, headers, text = app.ask("/", Cookie=app.cookie)
    assert status == 200 and "<title>Live commentary</title>" in text and '<html lang="en">' in text
    assert 'name="viewport"' in text and app.token not in text and "voilà" not in text.lower()
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert "Access-Control-Allow-Origin" not in headers


PATHS = ("/", "/api/kernels/{id}", "/api/kernels/{id}/channels", "/files/static/voila.js", "/nowhere")


@pytest.mark.parametrize("path", PATHS)
def test_nothing_is_answered_without_the_token_or_with_a_wrong_one_or_under_a_foreign_name(app, path):
    path = path.format(id=app.kernel_id)
    token = f"?token={app.token}"
    assert app.ask(path)[0] == 403
    assert app.ask(f"{path}?token={'0' * len(app.token)}")[0] == 403
    assert app.ask(path, Cookie=app.cookie[:-6] + "AAAAAA")[0] == 403
    for host in ("evil.example", f"evil.example:{app.port}", "127.0.0.1.evil.example", "192.168.1.1"):
        status, headers, text = app.ask(path + token, Host=host, Cookie=app.cookie)
        assert status == 403, host
        assert "Set-Cookie" not in headers and app.kernel_id not in text
    assert app.ask(path, Cookie=app.cookie)[0] not in (401, 403)


def test_a_web_page_elsewhere_cannot_connect_to_the_panel(app):
    refused = websocket.WebSocketBadStatusException
    for wrong in (
        {"cookie": app.cookie, "origin": "http://evil.example"},
        {"cookie": app.cookie, "origin": f"http://localhost:{app.port + 1}"},
        {"cookie": app.cookie, "origin": "null"},
        {"cookie": app.cookie, "host": "evil.example", "origin": "http://evil.example"},
        {"origin": f"http://127.0.0.1:{app.port}"},
        {},
    ):
        with pytest.raises(refused) as error:
            app.connect(**wrong)
        assert error.value.status_code == 403, wrong
    app.connect(cookie=app.cookie, origin=f"http://127.0.0.1:{app.port}").close()


@pytest.mark.parametrize(
    "path",
    [
        "/api/contents",
        "/api/kernels",
        "/api/sessions",
        "/api/terminals",
        "/api/kernelspecs",
        "/api/config/x",
        "/api/shutdown",
        "/api/kernels/{id}/restart",
        "/voila/api/shutdown/{id}",
        "/voila/files/page.log",
        "/files/static/../../../../../../../../etc/passwd",
        "/files/extensions/%2e%2e/%2e%2e/jupyter_server_config.json",
        "/nbconvert/html/x.ipynb",
        "/terminals/1",
        "/login",
    ],
)
def test_no_other_part_of_jupyter_can_be_reached(app, path):
    path = path.format(id=app.kernel_id)
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        status, _, text = app.ask(path, method, Cookie=app.cookie)
        assert status in (403, 404, 405), (method, status)
        assert "root:" not in text
    assert app.ask(f"/api/kernels/{app.kernel_id}", "DELETE", Cookie=app.cookie)[0] in (403, 405)
    assert app.ask(f"/api/kernels/{app.kernel_id}", Cookie=app.cookie)[0] == 200


def test_a_page_cannot_send_code(app, tmp_path):
    """Code, and requests to end the panel's process, are dropped; a request that pages need is answered."""
    written, session = tmp_path / "written", Session()
    with contextlib.closing(app.connect(cookie=app.cookie)) as connection:

        def send(channel, kind, content):
            message = session.msg(kind, content)
            connection.send(json.dumps({**message, "channel": channel, "buffers": []}, default=str))
            return message["header"]["msg_id"]

        code = f"open({str(written)!r}, 'w').close()"
        for channel in ("shell", "control"):
            send(channel, "execute_request", {"code": code, "silent": False, "user_expressions": {}})
            send(channel, "debug_request", {"type": "request", "command": "evaluate"})
        send("control", "shutdown_request", {"restart": False})
        send("control", "interrupt_request", {})
        asked = send("shell", "comm_info_request", {})
        while True:
            answer = json.loads(connection.recv())
            if answer["parent_header"].get("msg_id") == asked and answer["msg_type"] == "comm_info_reply":
                break
    assert answer["content"]["comms"] and not written.exists()
    assert app.ask(f"/api/kernels/{app.kernel_id}", Cookie=app.cookie)[0] == 200


def test_two_viewers_watch_one_run_and_its_end_is_written(browser, tmp_path):
    """One closes, the other reloads; the run goes on in both cases, and Ctrl-C ends it with everything written."""
    quick = ("--set", "change_threshold=0", "--set", "pause_s=0.3")
    with (
        serving(tmp_path, "--start", "--out", str(tmp_path / "runs"), *quick) as app,
        paged(browser) as first,
    ):
        first.goto(app.link)
        until(lambda: drawn(first) > 30, "the first viewer's picture")
        assert first.title() == "Live commentary" and first.url == f"http://127.0.0.1:{app.port}/"
        assert first.locator("h1").inner_text() == "Live commentary"
        with paged(browser) as second:
            second.goto(app.link)
            until(lambda: drawn(second) > 30, "the second viewer's picture")
            # the third line begins when the first two are complete
            until(lambda: transcript_lines(first) >= 3 and transcript_lines(second) >= 3, "words")
            texts = [lines(page)[:2] for page in (first, second)]
            assert texts[0] == texts[1]
            assert second.errors == []
        seen = drawn(first)
        until(lambda: drawn(first) > seen + 30, "the picture after the other viewer left")
        first.reload()
        until(lambda: drawn(first) > 30, "the picture after a reload")
        until(lambda: lines(first)[:2] == texts[0], "the same run's words")
        assert first.errors == []

        seconds, code = app.end()
        assert code == 0, (tmp_path / "page.log").read_text()
        assert seconds < END_S
    (run,) = (tmp_path / "runs").glob("*")
    header = json.loads((run / "run.json").read_text())
    assert header["stopped_early"] and header["error"] is None
    assert sum(header["outcomes"].values()) == len((run / "cycles.jsonl").read_text().splitlines()) >= 2
    assert (run / "cycles.parquet").exists()


def lines(page):
    return page.locator(".live-player .lines li").all_inner_texts()


def test_a_port_in_use_and_bad_settings_are_one_line(app, tmp_path):
    command = [sys.executable, "-m", "commentator_lib.notebook.page", "--no-browser"]
    for arguments, code, words in (
        (["--port", str(app.port)], 1, "in use"),
        (["--set", "pause_s=-1"], 2, "pause_s"),
        (["--preset", "nothing"], 2, "unknown preset"),
    ):
        done = subprocess.run(
            [*command, *arguments], capture_output=True, text=True, cwd=tmp_path, timeout=LIMIT_S
        )
        assert done.returncode == code and words in done.stderr, done.stderr
        assert len(done.stderr.splitlines()) == 1 and done.stdout == ""


def test_hosts_that_are_this_machine():
    for host in ("localhost", "LOCALHOST:8866", "127.0.0.1:1", "127.1.2.3", "[::1]:8866", "lab.example:80"):
        assert is_accepted_host(host, {"lab.example"}), host
    for host in (
        "",
        "evil.example",
        "localhost.evil.example",
        "10.0.0.1:80",
        "[fe80::1]",
        "lab.example.evil",
    ):
        assert not is_accepted_host(host, {"lab.example"}), host
    assert accepted_hosts("192.168.1.5", ("Lab.example",)) == {"192.168.1.5", "lab.example"}
