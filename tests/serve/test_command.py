"""`commentator serve` as a process: its link and its end; and all bad input, in one line, with exit code 2."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import ssl
import stat
import subprocess
import sys
import time
import urllib.parse

import pytest

from commentator_lib import cli
from commentator_lib.serve.certificate import write_certificate
from commentator_lib.serve.running import TOKEN_VARIABLE, find_token, listen
from commentator_lib.settings import SettingsError
from experiments.tools.browser import ROOT
from tests.serve.conftest import LIMIT_S, TOKEN, until

pytestmark = pytest.mark.realtime

STOPPED = 130


def environment(**more):
    path = os.pathsep.join((str(ROOT), os.environ.get("PYTHONPATH", "")))
    return {**os.environ, "PYTHONPATH": path, **more}


# The run may take as long to end as a busy machine needs.
PATIENT = (
    "from commentator_lib.__main__ import main; from commentator_lib.serve import running; "
    "running._WRITTEN_WITHIN_S = 60.0; main()"
)


def command(*arguments, patient=False):
    if patient:
        return [sys.executable, "-c", PATIENT, "serve", *map(str, arguments)]
    return [sys.executable, "-m", "commentator_lib", "serve", *map(str, arguments)]


class Served:
    """A served process: its link, and requests to it."""

    def __init__(self, process, link):
        self.process, self.link = process, link
        self.address = urllib.parse.urlsplit(link)

    def get(self, path, **headers):
        """Return status, headers and text of an answer."""
        if self.address.scheme == "https":
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            connection = http.client.HTTPSConnection(
                "127.0.0.1", self.address.port, timeout=LIMIT_S, context=context
            )
        else:
            connection = http.client.HTTPConnection("127.0.0.1", self.address.port, timeout=LIMIT_S)
        with contextlib.closing(connection):
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read().decode()

    def end(self, number):
        """Send a signal; return the seconds until the process has ended, and its exit code."""
        begun_s = time.monotonic()
        self.process.send_signal(number)
        code = self.process.wait(LIMIT_S)
        return time.monotonic() - begun_s, code


@contextlib.contextmanager
def served(folder, *arguments, patient=False, **more):
    with open(folder / "serve.log", "wb") as log:
        process = subprocess.Popen(
            command("--port", "0", *arguments, patient=patient),
            cwd=folder,
            env=environment(**more),
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    try:
        line = process.stdout.readline()
        assert "http" in line, (folder / "serve.log").read_text()
        yield Served(process, re.search(r"http\S+", line).group(0))
    finally:
        if process.poll() is None:
            process.kill()
            process.wait(LIMIT_S)
        process.stdout.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_run_with_everything_written(tmp_path, clip, number):
    given = ("--start", "--duration", "600", "-s", "change_threshold=0", "-s", "watchers=")
    with served(tmp_path, clip, *given, patient=True) as one:
        assert one.address.query == ""  # on this machine no token is needed
        until(lambda: json.loads(one.get("/api/status")[2])["cycle_count"] >= 1, "a comment")
        seconds, code = one.end(number)
        print(f"ended {seconds:.2f} s after the signal")
        assert code == STOPPED
    assert (tmp_path / "serve.log").read_text() == ""
    (run,) = (tmp_path / "runs").glob("*-*")
    header = json.loads((run / "run.json").read_text())
    assert header["stopped_early"] and header["error"] is None
    assert sum(header["outcomes"].values()) == len((run / "cycles.jsonl").read_text().splitlines()) >= 1
    assert (run / "cycles.parquet").exists()


def test_beyond_this_machine_a_token_is_made_and_printed_once(tmp_path, clip):
    log = tmp_path / "log.txt"
    with served(tmp_path, clip, "--host", "0.0.0.0", "-vv", "--log-file", log) as one:
        token = urllib.parse.parse_qs(one.address.query)["token"][0]
        assert len(token) >= 32
        assert one.get("/")[0] == 401
        status, headers, _ = one.get(f"/?token={token}")
        assert status == 200 and "HttpOnly" in headers["Set-Cookie"]
        assert one.get("/api/status", Cookie=headers["Set-Cookie"].split(";")[0])[0] == 200
        assert one.get("/api/status", Authorization=f"Bearer {token}")[0] == 200
        assert one.get(f"/api/status?token={token}")[0] == 401
        assert one.get("/", Host="evil.example", Authorization=f"Bearer {token}")[0] == 403
        one.end(signal.SIGTERM)
        rest = one.process.stdout.read()
    assert token not in rest + (tmp_path / "serve.log").read_text() + log.read_text()


def test_a_token_that_was_given_is_wanted_on_this_machine_too_and_never_printed(tmp_path, clip):
    with served(tmp_path, clip, "--allow-host", "stage.example", **{TOKEN_VARIABLE: TOKEN}) as one:
        assert TOKEN not in one.link
        assert one.get("/")[0] == 401
        headers = {"Authorization": f"Bearer {TOKEN}"}
        assert one.get("/", **headers)[0] == one.get("/", Host="stage.example", **headers)[0] == 200


def test_https_with_a_certificate_of_its_own_and_with_a_given_one(tmp_path, clip):
    with served(tmp_path, clip, "--https") as one:
        assert one.address.scheme == "https" and one.get("/api/status")[0] == 200
    pem, key = write_certificate(tmp_path, ["localhost", "127.0.0.1"])
    with served(tmp_path, clip, "--certificate", pem, "--key", key) as one:
        context = ssl.create_default_context(cafile=str(pem))
        connection = http.client.HTTPSConnection(
            "127.0.0.1", one.address.port, timeout=LIMIT_S, context=context
        )
        with contextlib.closing(connection):
            connection.request("GET", "/api/status")
            assert connection.getresponse().status == 200


def test_a_certificate_of_ones_own_names_all_names_and_its_key_is_private(tmp_path):
    from cryptography import x509

    pem, key = write_certificate(tmp_path, ["localhost", "::1", "127.0.0.1", "bühne.example"])
    made = x509.load_pem_x509_certificate(pem.read_bytes())
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert set(names.get_values_for_type(x509.DNSName)) == {"localhost", "xn--bhne-0ra.example"}
    assert {str(a) for a in names.get_values_for_type(x509.IPAddress)} == {"::1", "127.0.0.1"}
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


def run_here(monkeypatch, *arguments):
    """Run the command in this process; return its exit code."""
    monkeypatch.setattr("sys.argv", ["commentator", "serve", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        cli.main()
    return end.value.code


@pytest.mark.parametrize("given", [(), ("--log-json",)])
def test_that_a_run_did_not_end_in_time_is_said_in_the_logs_form(tmp_path, clip, given):
    late = (
        "from commentator_lib.__main__ import main; from commentator_lib.serve import running; "
        "running.serve = lambda *_, **__: False; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", late, "serve", str(clip), "--port", "0", *given],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
    )
    assert done.returncode == STOPPED
    (line,) = done.stderr.splitlines()
    said = json.loads(line)["message"] if given else line.removeprefix("commentator: ")
    assert said.startswith("the run did not end in time")


BAD_INPUT = [
    (["--port", "99999"], "port"),
    (["--host", "no.such.host.invalid"], "cannot listen on no.such.host.invalid"),
    (["-s", "pause_s=-1"], "pause_s"),
    (["--preset", "nothing"], "unknown preset"),
    (["--token-file", "missing"], "missing"),
    (["--token-file", "short"], "16 or more"),
    (["--certificate", "a.pem"], "--key"),
    (["--certificate", "short", "--key", "short"], "cannot use short"),
]


def test_bad_input_is_one_line_and_exit_code_2(tmp_path, clip, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)
    (tmp_path / "short").write_text("short")
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        for arguments, words in (
            *(([clip, "--port", "0", *given], words) for given, words in BAD_INPUT),
            ([clip, "--port", port], "in use"),
            (["no such file.mp4", "--port", "0"], "no such file"),
        ):
            code = run_here(monkeypatch, *arguments)
            out, err = capfd.readouterr()
            assert code == 2 and words in err, (arguments, err)
            assert len(err.splitlines()) == 1 and out == "", (arguments, err)


@pytest.mark.parametrize("token", ["", "short", "a b" * 10, "ä" * 20])
def test_a_token_that_is_too_easy_is_refused(token, tmp_path):
    file = tmp_path / "token"
    file.write_text(token)
    for given in ((file, {}), (None, {TOKEN_VARIABLE: token})):
        with pytest.raises(SettingsError, match="16 or more ASCII"):
            find_token(*given)


def test_a_file_with_a_token_goes_before_the_environment(tmp_path):
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    assert find_token(file, {TOKEN_VARIABLE: "x" * 20}) == TOKEN
    assert find_token(None, {TOKEN_VARIABLE: "x" * 20}) == "x" * 20
    assert find_token(None, {}) is None


def test_the_help_names_units_and_defaults():
    done = subprocess.run(
        command("--help"), capture_output=True, text=True, timeout=LIMIT_S, env=environment(COLUMNS="200")
    )
    for words in ("8765", "127.0.0.1", "COMMENTATOR_TOKEN", "--https", "--runs-dir", "a run lasts, s"):
        assert words in done.stdout
