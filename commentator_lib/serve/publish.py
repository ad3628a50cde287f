"""On air: the delayed picture with the mix and the captions, sent in real time to servers and files.

The stream is encoded once for all targets, with the captions drawn into the picture: RTMP has no place for them, and
many receivers of the others show none. Each target has a thread and a process of its own (`carry.py`), which is started
again when it has ended. A target that takes nothing loses what is old, and neither the session nor the other targets
wait for it.

RTMP, RTSP and files are muxed by PyAV. The FFmpeg that comes with PyAV has no SRT: for that the program `ffmpeg` of the
system carries the stream.
"""

from __future__ import annotations

import json
import logging
import os
import random
import re
import select
import shutil
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from commentator_lib.errors import named_first_line
from commentator_lib.redact import HIDDEN, redact_text, redact_url
from commentator_lib.serve.feed import HOLD_S, Feed
from commentator_lib.serve.live_video import LiveVideo, subscribe_to_all
from commentator_lib.settings import SettingsError

logger = logging.getLogger(__name__)

_MUXERS = {"rtmp": "flv", "rtmps": "flv", "rtsp": "rtsp", "rtsps": "rtsp", "srt": "mpegts"}
KINDS = "rtmp://, rtmps://, rtsp://, rtsps://, srt:// or a file NAME.ts"
# Between two tries: at first, and at most. A server that is back is found within that time.
_BACK_OFF_S = (0.25, 2.0)
# A connection that lasted so long was a good one: the next try comes soon.
_GOOD_S = 10.0
# A target that does not get up, or takes nothing, for so long is lost.
_STALLED_S = 5.0
# What waits for one target: some ten seconds at 3 Mbit/s.
_WAITING_BYTES = 4_000_000
_LOOK_EVERY_S = 0.05
# At the end a target gets so long to take what waits.
_END_WITHIN_S = 1.5
# What a process says once its target takes data: `carry.py`, and the program ffmpeg with its progress.
_UP = re.compile(r"(?m)^(?:up|progress=continue)$")
_SAID_CHARACTERS = 4096
# How each cluster of a Matroska file begins (EBML's id of it).
_CLUSTER = b"\x1f\x43\xb6\x75"


class PublishError(SettingsError):
    """A target that cannot be published to; one line that says why."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a stream goes: `address` for FFmpeg and its muxer; `shown` is the address without its secrets."""

    address: str
    muxer: str
    shown: str
    is_file: bool = False
    program: str = ""  # what carries it, where PyAV cannot

    def numbered(self, connection: int) -> str:
        """Return the address of a connection, counted from 0: a file that was given up is never written over."""
        path = Path(self.address)
        return (
            str(path.with_stem(f"{path.stem}-{connection + 1}"))
            if self.is_file and connection
            else self.address
        )


def parse_target(text: str) -> Target:
    """Return the target that a text names. Raise PublishError.

    >>> parse_target("rtmp://live.example.org/app/key-of-mine").shown
    'rtmp://live.example.org/app/***'
    """
    scheme, is_url, _ = text.partition("://")
    if not is_url:
        return _file_target(text)
    shown = redact_url(text)
    muxer = _MUXERS.get(scheme.lower())
    if muxer == "rtsp":  # who publishes may have a key in the path, as with RTMP
        shown = re.sub(r"^(\w+://[^/]+)/.+", rf"\1/{HIDDEN}", shown)
    try:
        host, _ = urlsplit(text).hostname, urlsplit(text).port
    except ValueError:
        raise PublishError(f"{shown} is no address: its host or its port is wrong") from None
    if muxer is None:
        raise PublishError(f"cannot publish to {shown}: give {KINDS}")
    if not host:
        raise PublishError(f"{shown} names no server")
    program = ""
    if scheme.lower() == "srt":
        program = shutil.which("ffmpeg") or ""
        if not program:
            raise PublishError("SRT needs the program ffmpeg: on Debian, apt-get install ffmpeg")
    return Target(text, muxer, shown, program=program)


def _file_target(text: str) -> Target:
    path = Path(text)
    if path.suffix.lower() != ".ts":
        raise PublishError(f"cannot publish to {text!r}: give {KINDS}")
    if path.exists():
        raise PublishError(f"{text} exists already: choose another name")
    if not path.absolute().parent.is_dir():
        raise PublishError(f"{text}: there is no folder {path.absolute().parent}")
    if not os.access(path.absolute().parent, os.W_OK):
        raise PublishError(f"{text}: its folder cannot be written to")
    return Target(text, "mpegts", text, is_file=True)


class Publisher:
    """Sends a feed to targets from its first picture on, until `close`.

    `connections` are those of the targets, with `state` and counts.
    """

    def __init__(self, feed: Feed, targets: Sequence[Target]) -> None:
        self.connections = [Connection(target, feed.clock, self._want_key) for target in targets]
        self._feed = feed
        self._closed = threading.Event()
        self._new = threading.Event()
        self._wants_key = threading.Event()
        self._header = b""
        self._has_begun = False  # the header is complete
        self._thread = threading.Thread(target=self._work, name="on air", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End all connections, and wait until they have ended."""
        self._closed.set()
        self._new.set()
        self._thread.join(2 * _END_WITHIN_S)

    def _want_key(self) -> None:
        self._wants_key.set()

    # --- the encoder's thread

    def _work(self) -> None:
        try:
            self._encode()
        except Exception:  # a fault of ours; nothing of this may end the session
            logger.exception("on air: the encoder has failed")
        finally:
            for connection in self.connections:
                connection.end()
            for connection in self.connections:
                connection.join()

    def _encode(self) -> None:
        with subscribe_to_all(self._feed, self._new.set) as subscription:
            # 1) Nothing is sent before there is a picture.
            while self._feed.latest() is None and not self._is_over(subscription.closed):
                self._new.wait(0.5)
                self._new.clear()
                subscription.take()
            muxer = {"live": "1", "cluster_time_limit": "100", "flush_packets": "1"}
            begins_s = self._feed.clock() - HOLD_S
            video = LiveVideo(
                self._feed, self, "matroska", muxer, begins_s, draws_captions=True, on_key=self._on_key
            )
            if (latest := self._feed.latest()) is not None:
                video.take([latest])
            # 2) Encode what comes.
            while not self._is_over(subscription.closed):
                self._new.wait(0.5)
                self._new.clear()
                if self._wants_key.is_set():
                    self._wants_key.clear()
                    video.want_key()
                video.take(subscription.take())
            video.close()

    def _is_over(self, feed_ended: bool) -> bool:
        return feed_ended or self._closed.is_set()

    def _on_key(self) -> None:
        for connection in self.connections:
            connection.key_comes()

    def write(self, data: bytes) -> int:
        """Take muxed bytes, and give them to the connections."""
        begins_cluster = data[:4] == _CLUSTER
        self._has_begun = self._has_begun or begins_cluster
        if not self._has_begun:
            self._header += data
            return len(data)
        for connection in self.connections:
            connection.put(bytes(data), begins_cluster, self._header)
        return len(data)


class Connection:
    """One target: a thread that keeps a process running, which carries the stream there.

    `state` is "waiting", "connecting", "on air", "lost" or "ended"; `problem` says why it was lost. `lost_bytes` were
    left out because the target took too little, `lost_connections` counts those that ended, and `up_at_s` is when
    data was first taken by the present one.
    """

    def __init__(self, target: Target, clock: Callable[[], float], want_key: Callable[[], None]) -> None:
        self.target = target
        self.state, self.problem = "waiting", ""
        self.lost_bytes = self.lost_connections = 0
        self.up_at_s: float | None = None
        self._clock, self._want_key = clock, want_key
        self._lock = threading.Condition()
        self._chunks: deque[bytes] = deque()
        self._waiting_bytes = 0
        # How it joins the stream: wants to, from the next key picture on, at the next cluster, has.
        self._joining, self._needs_header = "", False
        self._ending = threading.Event()
        self._has_data = threading.Event()
        self._thread = threading.Thread(target=self._work, name="on air: a target", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Let it end once what waits was taken, or after a moment."""
        self._ending.set()

    def join(self) -> None:
        """Wait until it has ended."""
        self._thread.join(2 * _END_WITHIN_S)

    # --- the encoder's thread

    def key_comes(self) -> None:
        """Note that a key picture follows."""
        self._has_data.set()
        with self._lock:
            if self._joining == "wants":
                self._joining = "key"

    def put(self, data: bytes, begins_cluster: bool, header: bytes) -> None:
        """Take a piece of the stream; where too much waits, all of it is lost, and it goes on at a key picture."""
        with self._lock:
            if self._joining == "key" and begins_cluster:
                self._joining = "has"
                if self._needs_header:
                    self._chunks.append(header)
                    self._waiting_bytes += len(header)
                    self._needs_header = False
            if self._joining != "has":
                return
            self._chunks.append(data)
            self._waiting_bytes += len(data)
            if self._waiting_bytes > _WAITING_BYTES:
                self.lost_bytes += self._waiting_bytes
                self._chunks.clear()
                self._waiting_bytes, self._joining = 0, "wants"
                self._want_key()

    # --- its own thread

    def _work(self) -> None:
        jitter = random.Random(0)
        wait_s = _BACK_OFF_S[0]
        while not self._has_data.wait(0.2):
            if self._ending.is_set():
                self.state = "ended"
                return
        while not self._ending.is_set():
            self.state, self.up_at_s = "connecting", None
            began_s = self._clock()
            try:
                why = self._carry()
            except OSError as error:  # no process can be started, for example
                why = named_first_line(error)
            if not why:
                break
            is_news = self.state == "on air" or why != self.problem
            self.state, self.problem = "lost", why
            self.lost_connections += 1
            logger.log(
                logging.WARNING if is_news else logging.DEBUG, "%s is lost: %s", self.target.shown, why
            )
            if self._clock() - began_s > _GOOD_S:
                wait_s = _BACK_OFF_S[0]
            self._ending.wait(wait_s * jitter.uniform(0.8, 1.2))
            wait_s = min(2 * wait_s, _BACK_OFF_S[1])
        self.state = "ended"

    def _carry(self) -> str:
        """Carry the stream until the process ends; return why it did, "" where it was to end."""
        process = self._start()
        assert process.stdin is not None and process.stdout is not None
        to, of = process.stdin.fileno(), process.stdout.fileno()
        os.set_blocking(to, False)
        told = {"address": self.target.numbered(self.lost_connections), "muxer": self.target.muxer}
        with self._lock:
            self._chunks.clear()
            self._waiting_bytes = 0
            if not self.target.program:
                self._chunks.append(json.dumps(told).encode() + b"\n")
            self._joining, self._needs_header = "wants", True
        self._want_key()
        try:
            return self._pass_on(to, of)
        finally:
            with self._lock:
                self._joining = ""
            process.kill()
            process.stdout.close()
            process.stdin.close()
            process.wait()

    def _start(self) -> subprocess.Popen[bytes]:
        target = self.target
        if target.program:
            quiet = [
                "-nostdin",
                "-loglevel",
                "error",
                "-fflags",
                "nobuffer",
                "-f",
                "matroska",
                "-i",
                "pipe:0",
            ]
            command = [target.program, *quiet, "-c", "copy", "-f", target.muxer, target.address]
            errors = subprocess.STDOUT
        else:
            command, errors = [sys.executable, "-m", "commentator_lib.serve.carry"], subprocess.DEVNULL
        # Not in the terminal's group: Ctrl-C is for the session, which ends the stream.
        return subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, start_new_session=True
        )

    def _pass_on(self, to: int, of: int) -> str:
        """Write what comes to the process, and read what it says; return as `_carry` does."""
        rest, said, is_up = b"", "", False
        taken_s = begun_s = self._clock()
        end_s: float | None = None
        while True:
            # 1) The next piece, and the end.
            with self._lock:
                if not rest and self._chunks:
                    rest = self._chunks.popleft()
                    self._waiting_bytes = max(0, self._waiting_bytes - len(rest))
            now_s = self._clock()
            if self._ending.is_set():
                end_s = now_s + _END_WITHIN_S if end_s is None else end_s
                if not rest or now_s > end_s:
                    self._end_input(to, of, end_s)
                    return ""
            # 2) Write and read as much as goes at once.
            readable, writable, _ = select.select([of], [to] if rest else [], [], _LOOK_EVERY_S)
            if writable:
                try:
                    rest = rest[os.write(to, rest) :]
                    taken_s = now_s
                except BrokenPipeError:
                    rest, readable = b"", [of]  # it has ended, and says why
            elif not rest:
                taken_s = now_s
            if readable:
                data = os.read(of, 4096)
                said = (said + data.decode("utf-8", "replace"))[-_SAID_CHARACTERS:]
                if not data:
                    return _reason(said)
            # 3) Is it on air, or stuck?
            if not is_up and _UP.search(said):
                is_up = True
                self.up_at_s, self.state, self.problem = now_s, "on air", ""
                logger.info("on air: %s", self.target.shown)
            if now_s - taken_s > _STALLED_S or (not is_up and now_s - begun_s > 2 * _STALLED_S):
                return f"nothing was taken for {_STALLED_S:.0f} s"

    def _end_input(self, to: int, of: int, end_s: float) -> None:
        """Tell the process that the stream is over, and give it time to complete what it writes."""
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, to)  # closes the pipe; the Popen object closes the number later
        os.close(null)
        while (left_s := end_s + _END_WITHIN_S - self._clock()) > 0:
            if select.select([of], [], [], left_s)[0] and not os.read(of, 4096):
                return


def _reason(said: str) -> str:
    """Return why a process has ended, from what it has said last, without the lines of its progress."""
    lines = [line.strip() for line in said.splitlines() if line.strip() not in ("", "up")]
    lines = [line for line in lines if not re.match(r"\w+=", line)]
    return redact_text(lines[-1]) if lines else "the connection has ended"
