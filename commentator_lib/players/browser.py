"""LivePlayer: the picture, the voice and the captions in a notebook's page.

The obvious widgets, an Image whose value changes and an Audio element per comment, show a few frames a second
and begin each sound when the browser feels like it. Here the page gets every frame and every piece of sound
ahead of its time, with the time at which it is due, and keeps that time itself on the clock of its sound
card; the kernel's jitter is gone by then. What was really heard comes back several times a second, and the
commentary's pace follows it.

One widget may be shown in several cells and several pages. A page is known by an id of its own choosing, and
has a place in the playback clock only while it sounds: pages that are closed, asleep or not yet allowed to
sound hold nobody up. With no page nothing is encoded.

Messages to the page (`kind`; times are the loop's clock in seconds):

    run, cycle, sample, end   what goes on, for the status line and the chart
    frame                     seq, index, due, sent [JPEG]
    sound                     comment, offset, start, piece; offset in samples [int16, 48 kHz]
    caption, cut              as in `Player`
    pong                      to a page's ping: how far its clock is off
    welcome, replay           to one page: all that it has missed; a comment once more
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from abc import ABCMeta
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anywidget
import numpy as np
import traitlets

from commentator_lib.media import PLAYBACK_RATE_HZ, AudioChunk, Frame, to_int16
from commentator_lib.players.base import Player
from commentator_lib.players.playback_clock import ALIVE_S, PlaybackClock, Report

_HERE = Path(__file__).parent
_JPEG_QUALITY = 80
# The page needs this long to receive, decode and queue a frame (p99 of 150 ms at 1280×720).
_LEAD_S = 0.25
# Pictures that wait for the sender; beyond them the oldest gives way.
_WAITING_PICTURES = 4
# Frames on their way to the slowest page. A page that takes them slower than they come gets fewer, or they
# would pile up in the server.
_FRAMES_UNDER_WAY = 30
_SOUND_PART = PLAYBACK_RATE_HZ // 2
# Sound kept for replays, in samples: twelve minutes, 70 MB.
_SOUND_KEPT = 12 * 60 * PLAYBACK_RATE_HZ
_TRANSCRIPT_KEPT, _ROWS_KEPT, _DRAWS_KEPT = 500, 300, 20_000
_CYCLE_KEYS = (
    "cycle",
    "outcome",
    "heard_from_s",
    "first_sound_s",
    "first_sound_latency_s",
    "sync_error_s",
    "text",
    "reason",
)
_SAMPLE_KEYS = ("at_s", "delay_applied_s", "frames_dropped", "rss_bytes", "vram_used_bytes")


@dataclass(slots=True)
class Page:
    """One page as it last reported. Counts are since the page was opened."""

    seen_s: float
    sounding: bool = False
    received_seq: int = -1
    counts: dict[str, int] = field(default_factory=dict)  # drawn, late, hidden, lost, underruns


@dataclass(slots=True)
class _Said:
    """One comment as it was sent: for pages that come later, and for replays."""

    start_s: float
    parts: list[np.ndarray] = field(default_factory=list)
    samples: int = 0


class _Outbox:
    """The one thread that sends. Sound and words wait their turn, pictures give way to newer ones.

    A burst of messages overruns the kernel's output queue, which loses them silently; one thread that sends
    one thing at a time does not.
    """

    def __init__(self, send) -> None:
        self._send = send
        self._wake = threading.Condition()
        self._messages: deque[tuple[dict, list]] = deque()
        self._pictures: deque[tuple[dict, Frame]] = deque()
        self._closed = False
        self.dropped_frames = 0
        self.problem = ""
        self._thread = threading.Thread(target=self._work, name="page sender", daemon=True)
        self._thread.start()

    def message(self, content: dict, buffers: list | None = None) -> None:
        with self._wake:
            self._messages.append((content, buffers or []))
            self._wake.notify()

    def picture(self, content: dict, frame: Frame) -> None:
        with self._wake:
            self._pictures.append((content, frame))
            if len(self._pictures) > _WAITING_PICTURES:
                self._pictures.popleft()
                self.dropped_frames += 1
            self._wake.notify()

    def close(self) -> None:
        """Send what is waiting, then end; nothing is waited for."""
        with self._wake:
            self._closed = True
            self._wake.notify()

    def _work(self) -> None:
        try:
            while True:
                with self._wake:
                    self._wake.wait_for(lambda: self._messages or self._pictures or self._closed)
                    message = self._messages.popleft() if self._messages else None
                    picture = self._pictures.popleft() if self._pictures else None
                if message is None and picture is None:
                    return
                if message is not None:
                    self._send(*message)
                if picture is not None:
                    content, frame = picture
                    jpeg = encode_jpeg(frame.image)
                    self._send({**content, "sent": time.monotonic()}, [jpeg])
        except Exception as error:  # a kernel that is going away; the session must not hang on it
            self.problem = f"{type(error).__name__}: {error}"


def encode_jpeg(image: np.ndarray, quality: int = _JPEG_QUALITY) -> bytes:
    """(H, W, 3) uint8 RGB → JPEG."""
    import cv2

    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])  # raises where it cannot
    return data.tobytes()


class _WidgetAndPlayer(type(anywidget.AnyWidget), ABCMeta):
    """A class that is both needs a metaclass that is both."""


class LivePlayer(anywidget.AnyWidget, Player, metaclass=_WidgetAndPlayer):
    """A Player for JupyterLab and Voila. Show it in a cell and give it to a session:

        player = LivePlayer()
        session = LiveSession("clip.mp4", players=[player]).start()
        player

    `volume` (0–1) and `muted` hold for all its pages. `message` is a line over the picture, until a run
    starts. Real time only:
    `attach` raises RuntimeError in virtual time, and while another session is using it.
    """

    _esm = _HERE / "browser.js"
    _css = _HERE / "browser.css"
    volume = traitlets.Float(1.0, min=0.0, max=1.0).tag(sync=True)
    muted = traitlets.Bool(False).tag(sync=True)
    message = traitlets.Unicode("").tag(sync=True)

    name = "page"
    lead_s = _LEAD_S

    def __init__(self, **traits: Any) -> None:
        super().__init__(**traits)
        self._lock = threading.RLock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._playback: PlaybackClock | None = None
        self._reports: dict[str, Report] = {}  # pages that have a place in the playback clock
        self._outbox: _Outbox | None = None
        self._run: dict[str, Any] | None = None
        self.pages: dict[str, Page] = {}
        self.held_back_frames = 0  # not sent, because a page was behind
        self._seq = 0
        self._sent: dict[int, tuple[int, float]] = {}  # seq → frame index, due
        self._draws: deque[tuple] = deque(maxlen=_DRAWS_KEPT)
        self._forget()
        self.on_msg(self._from_page)

    def _forget(self) -> None:
        self._said: dict[int, _Said] = {}
        self._transcript: dict[int, dict[str, Any]] = {}
        self._rows: deque[dict[str, Any]] = deque(maxlen=_ROWS_KEPT)
        self._draws.clear()

    # --- Player, on the loop's thread

    def attach(self, playback: PlaybackClock) -> None:
        loop = asyncio.get_running_loop()
        if abs(loop.time() - time.monotonic()) > 1.0:
            raise RuntimeError("a page shows real time: it cannot follow a run in virtual time")
        with self._lock:
            if self._loop is not None:
                raise RuntimeError("this player is showing another session: stop it first")
            self._loop, self._playback = loop, playback
            self._reports = {}
            self._run = {"kind": "run"}
            self._forget()
            self._outbox = _Outbox(self.send)
        self.message = ""

    def detach(self) -> None:
        with self._lock:
            self._post({"kind": "end"})
            self._run = None if self._run is None else {**self._run, "over": True}
            self._outbox.close()
            self._loop = self._playback = self._outbox = None

    def show(self, frame: Frame, due_at_s: float) -> None:
        with self._lock:
            pages = self._living_pages()
            if not pages:
                return
            self._raise_if_broken()
            slowest = min(p.received_seq for p in pages)
            if slowest >= 0 and self._seq - slowest > _FRAMES_UNDER_WAY:
                self.held_back_frames += 1
                return
            self._sent[self._seq] = (frame.index, due_at_s)
            self._sent.pop(self._seq - 1000, None)
            content = {"kind": "frame", "seq": self._seq, "index": frame.index, "due": due_at_s}
            self._seq += 1
            self._outbox.picture(content, frame)

    def play(self, pcm: AudioChunk, comment_id: int, start_at_s: float) -> None:
        samples = to_int16(pcm.samples)
        with self._lock:
            said = self._said.setdefault(comment_id, _Said(start_at_s))
            offset = said.samples
            said.parts.append(samples)
            said.samples += len(samples)
            while len(self._said) > 1 and sum(s.samples for s in self._said.values()) > _SOUND_KEPT:
                del self._said[min(self._said)]
            self._post_sound(comment_id, offset, said.start_s, samples)

    def _post_sound(
        self, comment_id: int, offset: int, start_s: float, samples: np.ndarray, **more: Any
    ) -> None:
        """One piece of a comment's sound as messages of half a second, so that frames come between them."""
        for k in range(0, len(samples), _SOUND_PART):
            part = samples[k : k + _SOUND_PART]
            at = {"comment": comment_id, "offset": offset + k, "start": start_s}
            self._post({"kind": "sound", **at, "piece": k == 0, **more}, [part.tobytes()])

    def caption(self, comment_id: int, text: str, final: bool) -> None:
        with self._lock:
            at_s = self._transcript.get(comment_id, {}).get("at_s")
            if at_s is None:
                at_s = self._loop.time() - (self._run or {}).get("epoch_s", 0.0)
            line = {"comment": comment_id, "text": text, "final": final, "at_s": at_s}
            self._transcript[comment_id] = line
            if len(self._transcript) > _TRANSCRIPT_KEPT:
                del self._transcript[min(self._transcript)]
            self._post({"kind": "caption", **line})

    def cut(self, comment_id: int, at_heard_s: float) -> None:
        with self._lock:
            if comment_id in self._said:
                said = self._said[comment_id]
                said.parts = [np.concatenate(said.parts)[: round(at_heard_s * PLAYBACK_RATE_HZ)]]
                said.samples = len(said.parts[0])
            self._post({"kind": "cut", "comment": comment_id, "at": at_heard_s})

    def log_row(self, kind: str, row: dict[str, Any]) -> None:
        with self._lock:
            keys = {"cycle": _CYCLE_KEYS, "sample": _SAMPLE_KEYS}.get(kind)
            message = {"kind": kind, **{k: v for k, v in row.items() if keys is None or k in keys}}
            if kind == "run":
                self._run = message
            else:
                self._rows.append(message)
            self._post(message)
            self._living_pages()

    # --- pages

    def _post(self, content: dict[str, Any], buffers: list | None = None) -> None:
        """To all pages, if there are any; those that come later are told in their welcome."""
        if self.pages and self._outbox is not None:
            self._outbox.message(content, buffers)

    def _raise_if_broken(self) -> None:
        if self._outbox.problem:
            raise ConnectionError(f"the pages cannot be reached: {self._outbox.problem}")

    def _living_pages(self) -> list[Page]:
        """Those that answer; the others lose their place in the playback clock."""
        now = time.monotonic()
        gone = [page_id for page_id, page in self.pages.items() if now - page.seen_s > ALIVE_S]
        for page_id in gone:
            self._leave(page_id)
            del self.pages[page_id]
        return list(self.pages.values())

    def _leave(self, page_id: str) -> None:
        if self._reports.pop(page_id, None) is not None and self._playback is not None:
            self._playback.leave(self.name, page_id)

    def _from_page(self, _widget: Any, content: dict[str, Any], _buffers: list) -> None:
        """A message of a page, on whatever thread the kernel has for it, also while a cell is running."""
        kind, page_id = content["kind"], str(content["page"])
        if kind == "ping":
            # Not through the outbox: what waits there would count as distance.
            now = {"t1": time.monotonic(), "unix": time.time()}
            self.send({"kind": "pong", "page": page_id, "t0": content["t0"], **now})
        elif kind == "hello":
            with self._lock:
                self.pages.setdefault(page_id, Page(time.monotonic()))
                self._welcome(page_id)
        elif kind == "replay":
            self._replay(page_id, int(content["comment"]))
        elif kind == "ack":
            with self._lock:
                self._count(page_id, content)
                loop = self._loop
            if loop is not None:
                with contextlib.suppress(RuntimeError):  # the run has ended meanwhile
                    loop.call_soon_threadsafe(self._acknowledged, page_id, content)
        elif kind == "bye":
            with self._lock:
                self.pages.pop(page_id, None)
                loop = self._loop
            if loop is not None:
                with contextlib.suppress(RuntimeError):
                    loop.call_soon_threadsafe(self._leave, page_id)

    def _count(self, page_id: str, content: dict[str, Any]) -> None:
        page = self.pages.setdefault(page_id, Page(time.monotonic()))
        page.seen_s = time.monotonic()
        page.sounding = bool(content["sounding"])
        page.received_seq = int(content["seq"])
        page.counts = {str(k): int(v) for k, v in content["counts"].items()}
        epoch_s = (self._run or {}).get("epoch_s", 0.0)
        for seq, *times in content["draws"]:  # sent, received, drawn
            if (known := self._sent.get(int(seq))) is not None:
                index, due_s = known
                self._draws.append((page_id, index, *(float(t) - epoch_s for t in (due_s, *times))))

    def _acknowledged(self, page_id: str, content: dict[str, Any]) -> None:
        """On the loop's thread: what a page has really sounded."""
        if self._playback is None:
            return
        if not content["sounding"]:
            self._leave(page_id)
            return
        if page_id not in self._reports:
            self._reports[page_id] = self._playback.join(self.name, page_id)
        now = self._loop.time()
        # A page whose clock is off must not report from the future, nor hold the pace back for long.
        at_s = min(now, max(now - ALIVE_S, float(content["at"])))
        for comment_id, heard_s in content["heard"]:
            said = self._said.get(int(comment_id))
            if said is not None:
                sent_s = said.samples / PLAYBACK_RATE_HZ
                self._reports[page_id](int(comment_id), min(max(0.0, float(heard_s)), sent_s), at_s)

    def _welcome(self, page_id: str) -> None:
        """All that a page has missed; what is still to be heard it joins in the middle."""
        rows = list(self._rows)
        content = {
            "kind": "welcome",
            "page": page_id,
            "run": self._run,
            "rows": rows,
            "transcript": list(self._transcript.values()),
        }
        if self._outbox is None:
            self.send(content)
            return
        self._outbox.message(content)
        now = time.monotonic()
        for comment_id, said in self._said.items():
            if said.parts and said.start_s + said.samples / PLAYBACK_RATE_HZ > now - 1.0:
                offset = 0
                for part in said.parts:
                    self._post_sound(comment_id, offset, said.start_s, part, page=page_id)
                    offset += len(part)

    def _replay(self, page_id: str, comment_id: int) -> None:
        with self._lock:
            said = self._said.get(comment_id)
            sound = np.concatenate(said.parts) if said and said.parts else np.zeros(0, np.int16)
        self.send({"kind": "replay", "page": page_id, "comment": comment_id}, [sound.tobytes()])

    # --- what the pages made of it

    @property
    def draws(self):
        """Frames that pages have drawn in this run, newest last, a DataFrame: page, frame_index, and in seconds
        since the session's start due_s, sent_s, received_s, drawn_s. 20 000 are kept."""
        import pandas as pd

        with self._lock:
            rows = list(self._draws)
        times = ["due_s", "sent_s", "received_s", "drawn_s"]
        frame = pd.DataFrame(rows, columns=["page", "frame_index", *times])
        return frame.astype(dict.fromkeys(times, "float64"))
