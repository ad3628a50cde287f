"""FFmpeg's and the system's errors in plain words: of errors made here, and of servers on loopback that misbehave."""

from __future__ import annotations

import contextlib
import errno
import http.client
import os
import socket
import ssl
import struct
import threading
import urllib.error

import pytest
from av.error import FFmpegError, err_check

from commentator_lib.sources.base import SourceError
from commentator_lib.sources.open import open_source
from commentator_lib.sources.plain_reasons import http_reason, plain_reason
from experiments.benchmarks.source_servers import free_port


def ffmpeg_error(number, address=""):
    """Return what PyAV raises for a number of FFmpeg's or of the system's."""
    with pytest.raises((FFmpegError, OSError)) as caught:
        err_check(-number, address)
    return caught.value


def tag(letters):
    return struct.unpack("<I", letters.encode("latin-1"))[0]


def never(_host):
    return False


def always(_host):
    return True


RTSP = "rtsp://10.0.0.2/cam"


@pytest.mark.parametrize(
    ("number", "address", "words"),
    [
        (errno.ECONNREFUSED, RTSP, "refused: nothing listens"),
        (errno.EHOSTUNREACH, RTSP, "nobody answers"),
        (errno.ETIMEDOUT, RTSP, "nobody answers"),
        (errno.ENETUNREACH, RTSP, "nobody answers"),
        (errno.ECONNRESET, RTSP, "another service"),
        (errno.EBUSY, "/dev/video0", "another program holds it"),
        (errno.EACCES, "/dev/video0", "no permission"),
        (errno.EADDRINUSE, "udp://0.0.0.0:5000", "another program receives"),
        (errno.ENOENT, "a.mp4", "not found"),
        (errno.ESPIPE, "http://a/b.mp4", "the server cannot seek"),
        (tag("EXIT"), RTSP, "nothing came for 7 s"),
        (tag("\xf8PRO"), "srt://10.0.0.2", "no such protocol in this FFmpeg"),
        (tag("\xf8401"), RTSP, "it asks for a user name and a password (401)"),
        (tag("\xf8401"), "rtsp://me:x@10.0.0.2/cam", "wrong password (401)"),
        (tag("\xf8404"), RTSP, "not found (404)"),
        (tag("\xf8403"), RTSP, "refuses it (403)"),
        (tag("\xf85XX"), RTSP, "fault of its own"),
        (tag("INDA"), "https://10.0.0.2/a", "another service answers there"),
        (tag("INDA"), RTSP, "nothing came for 7 s"),  # FFmpeg's RTSP reader has no other word for it
        (tag("INDA"), "a.mp4", "damaged"),
        (tag("EOF "), RTSP, "hung up"),
    ],
)
def test_errors_while_opening(number, address, words):
    found = plain_reason(ffmpeg_error(number, address), 7.0, always)
    assert words in found and "\n" not in found and "10.0.0.2" not in found


def test_no_such_host_is_told_from_other_faults_of_a_connection():
    error = ffmpeg_error(errno.EIO, "rtmp://camera.invalid/x")
    assert plain_reason(error, 0.1, never) == "no such host"
    assert "another service" in plain_reason(error, 0.1, always)
    assert plain_reason(socket.gaierror(-2, "Name or service not known")) == "no such host"


def test_errors_while_reading():
    assert plain_reason(ffmpeg_error(tag("EXIT"))) == "nothing came in time"
    assert plain_reason(ffmpeg_error(errno.ECONNRESET)) == "the connection was cut off"
    assert plain_reason(ffmpeg_error(tag("INDA"), RTSP)) == "what comes is damaged"
    assert plain_reason(ffmpeg_error(tag("EOF "), RTSP)) == "it has ended"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (TimeoutError("timed out"), "nothing came for 3 s"),
        (urllib.error.URLError(ConnectionRefusedError(111, "no")), "refused: nothing listens"),
        (urllib.error.URLError(socket.gaierror(-2, "no")), "no such host"),
        (urllib.error.HTTPError("http://h/x", 404, "no", http.client.HTTPMessage(), None), "not found (404)"),
        (http.client.BadStatusLine("SSH-2.0"), "another service"),
        (http.client.InvalidURL("nonnumeric port: 'secret'"), "another service"),
        (ssl.SSLCertVerificationError("self-signed"), "certificate"),
        (ssl.SSLError("wrong version number"), "another service"),
        (ValueError("odd"), "odd"),
        (RuntimeError(), "RuntimeError"),
    ],
)
def test_errors_of_pythons_own(error, words):
    found = plain_reason(error, 3.0)
    assert words in found and "secret" not in found


def test_status_of_a_server():
    assert http_reason(401, True) == "wrong password (401)" and "asks for" in http_reason(401, False)
    assert http_reason(503, True) == "the server has a fault of its own (503)"
    assert http_reason(418, True) == "the server refuses it (418)"


# --- the whole way, from a server on loopback to the line that a user reads


@contextlib.contextmanager
def listening(answer):
    """Listen on loopback, with `answer(connection)` for each caller; yield the port."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(20)

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    with connection, contextlib.suppress(OSError):
                        answer(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
    thread.join(10)


def rtsp_answer(code):
    def answer(connection):
        while request := connection.recv(4096):
            number = next(line for line in request.split(b"\r\n") if line.lower().startswith(b"cseq"))
            status = b"200 OK" if request.startswith(b"OPTIONS") else b"%d X" % code
            challenge = b'WWW-Authenticate: Basic realm="x"\r\n' if code == 401 else b""
            connection.sendall(b"RTSP/1.0 %s\r\n%s\r\n%s\r\n" % (status, number, challenge))

    return answer


def ssh(connection):
    connection.sendall(b"SSH-2.0-OpenSSH_9.6\r\n")
    connection.recv(4096)
    connection.sendall(b"Invalid SSH identification string.\r\n")


def line_of(name):
    with pytest.raises(SourceError) as caught:
        open_source(name, reconnect_for_s=0)
    line = str(caught.value)
    assert "\n" not in line and "secret" not in line
    return line


@pytest.mark.parametrize(
    ("code", "login", "words"),
    [
        (401, "", "asks for a user name"),
        (401, "me:secret@", "wrong password"),
        (404, "", "not found"),
        (503, "", "fault"),
    ],
)
def test_rtsp_server_that_refuses(code, login, words):
    with listening(rtsp_answer(code)) as port:
        assert words in line_of(f"rtsp://{login}127.0.0.1:{port}/cam")


@pytest.mark.parametrize("scheme", ["rtsp", "http", "https"])
def test_another_service(scheme):
    with listening(ssh) as port:
        assert "another service answers there" in line_of(f"{scheme}://127.0.0.1:{port}/x")


@pytest.mark.realtime
@pytest.mark.parametrize("scheme", ["rtsp", "http", "rtmp"])
def test_silent_port(scheme, monkeypatch):
    monkeypatch.setattr("commentator_lib.sources.stream._OPEN_TIMEOUT_S", 2.0)
    done = threading.Event()
    with listening(lambda connection: done.wait(10)) as port:
        assert "nothing came for 2 s" in line_of(f"{scheme}://127.0.0.1:{port}/x")
        done.set()


@pytest.mark.realtime
def test_udp_without_a_sender(monkeypatch):
    monkeypatch.setattr("commentator_lib.sources.stream._OPEN_TIMEOUT_S", 2.0)
    assert "nothing came for 2 s" in line_of(f"udp://127.0.0.1:{free_port()}")


def test_port_where_nothing_listens_and_host_that_is_not_there():
    assert "refused" in line_of("rtsp://127.0.0.1:1/x") and "refused" in line_of("http://127.0.0.1:1/x")
    assert "no such host" in line_of("rtsp://camera.invalid/x")


@pytest.mark.skipif(os.name != "posix", reason="devices are paths on POSIX only")
def test_device_that_is_none():
    assert "/dev/null cannot be opened" in line_of("/dev/null")
