"""The servers that bench_sources and the tests watch: each is a process on loopback that ends by itself."""

from __future__ import annotations

import contextlib
import http.server
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator
from functools import partial
from pathlib import Path

from experiments.errors import UserError

_TOOLS = Path(__file__).parents[1] / "tools"
# GStreamer's bindings are Debian's, and so is the Python that has them.
_SYSTEM_PYTHON = "/usr/bin/python3"
_STARTS_WITHIN_S = 20.0


def free_port() -> int:
    """Return a TCP and UDP port on loopback that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def has_gstreamer() -> bool:
    """Return whether Debian's Python has GStreamer's RTSP server."""
    test = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"
    if not Path(_SYSTEM_PYTHON).exists():
        return False
    return subprocess.run([_SYSTEM_PYTHON, "-c", test], capture_output=True, check=False).returncode == 0


class Server:
    """A process that prints "up" once it listens. `start` and `kill` can be repeated; a context manager."""

    def __init__(self, command: list[str]) -> None:
        self._command = command
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start it, and wait until it listens."""
        self.process = subprocess.Popen(
            self._command,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "PYTHONPATH": str(_TOOLS.parents[1])},
        )
        assert self.process.stdout is not None
        # It ends by itself if it cannot start, and then there is no line.
        if self.process.stdout.readline().strip() != "up":
            raise UserError(f"a server does not start: {' '.join(self._command)}")

    def kill(self) -> None:
        """End it at once."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


def rtsp_camera(port: int, *options: str) -> Server:
    """Return an RTSP camera by GStreamer; `options` are those of experiments/tools/rtsp_camera.py."""
    if not has_gstreamer():
        raise UserError(
            "GStreamer's RTSP server is needed; on Debian: apt-get install python3-gi "
            "gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-{base,good,bad,ugly}"
        )
    return Server([_SYSTEM_PYTHON, str(_TOOLS / "rtsp_camera.py"), str(port), *options])


def clock_stream(to: str, *options: str) -> Server:
    """Return what sends a picture with the time in it to an address or a playlist's file."""
    return Server([sys.executable, "-m", "experiments.tools.clock_stream", to, *options])


class _Quiet:
    """A handler of requests that logs nothing."""

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextlib.contextmanager
def _serving(handler: Callable[..., http.server.BaseHTTPRequestHandler]) -> Generator[str]:
    """Serve HTTP on loopback; yield the address."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()


@contextlib.contextmanager
def file_server(folder: Path) -> Generator[str]:
    """Serve a folder on loopback; yield its address."""

    class Handler(_Quiet, http.server.SimpleHTTPRequestHandler):
        pass

    with _serving(partial(Handler, directory=str(folder))) as address:
        yield address


@contextlib.contextmanager
def mjpeg_camera(fps: float = 10.0, seconds: float = 120.0) -> Generator[str]:
    """Serve a multipart MJPEG camera on loopback, for `seconds` a viewer; yield its address."""
    import cv2
    import numpy as np

    from experiments.tools.time_code import ClockPicture

    class Handler(_Quiet, http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
            self.end_headers()
            picture, began_s = ClockPicture(), time.monotonic()
            with contextlib.suppress(OSError):
                for k in range(round(seconds * fps)):
                    time.sleep(max(0.0, began_s + k / fps - time.monotonic()))
                    luma = np.frombuffer(picture.i420(), np.uint8)[: 640 * 360].reshape(360, 640)
                    jpeg = cv2.imencode(".jpg", luma)[1].tobytes()
                    head = b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(jpeg)
                    self.wfile.write(head + jpeg + b"\r\n")

    with _serving(Handler) as address:
        yield f"{address}/cam"


def wait_for_segments(playlist: Path, count: int) -> None:
    """Wait until a playlist lists so many segments."""
    until_s = time.monotonic() + _STARTS_WITHIN_S + 15 * count
    while not playlist.exists() or playlist.read_text().count("#EXTINF") < count:
        if time.monotonic() > until_s:
            raise UserError(f"{playlist.name} does not list {count} segments")
        time.sleep(0.1)


class LossyRelay:
    """A UDP relay on loopback that loses a share of the datagrams, and corrupts a share of the others' bytes."""

    def __init__(self, to_port: int, lost: float, corrupted: float = 0.0) -> None:
        self.port = free_port()
        self.lost, self.corrupted = lost, corrupted
        self._to = ("127.0.0.1", to_port)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", self.port))
        self._socket.settimeout(0.2)
        self._ends = False
        self._thread = threading.Thread(target=self._work, daemon=True)

    def _work(self) -> None:
        import random

        rng = random.Random(1)
        while not self._ends:
            try:
                data = self._socket.recv(65536)
            except TimeoutError:
                continue
            if rng.random() < self.lost:
                continue
            if rng.random() < self.corrupted:
                spoilt = bytearray(data)
                spoilt[rng.randrange(len(spoilt))] ^= 0xFF
                data = bytes(spoilt)
            self._socket.sendto(data, self._to)

    def __enter__(self) -> LossyRelay:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends = True
        self._thread.join(2)
        self._socket.close()
