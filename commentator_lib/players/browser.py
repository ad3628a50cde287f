"""LivePlayer: the picture, the voice and the captions in a notebook's page.

The page gets every frame and every piece of sound ahead of its time, together with the time at which it is due. It
keeps that time itself, on the clock of its sound card, so the kernel's jitter has no effect. (An Image widget whose
value changes shows only a few frames a second, and an Audio element starts when the browser is ready.) Several times a
second the page reports what was really heard, and the commentary's pace follows that.

One widget may be shown in several cells and several pages. Each page chooses its own id, and has a place in the
playback clock only while it sounds: pages that are closed, asleep or not yet allowed to sound delay nothing. While no
page is open, nothing is encoded.

Messages to the page (`kind`; times are the loop's clock in seconds):

    run, cycle, sample, end   rows of the run log, for the status line and the chart
    question                  a question of a viewer and what became of it, as the run log has it
    change                    at_s, words: a setting was changed
    event                     as in `EventMemory`; sent when it is known when the picture shows it, and when it was told
    frame                     seq, index, due, sent [JPEG]
    sound                     comment, offset, start, piece; offset in samples [int16, 48 kHz]
    programme                 seq, start [int16, 48 kHz, left and right in turn]
    caption, cut              as in `Player`
    pong                      answer to a page's ping, from which it learns how far its clock is off
    welcome, replay           to one page: all that it missed; the sound of a comment again
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
import time
from abc import ABCMeta
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import numpy as np
import traitlets

from commentator_lib.media import PLAYBACK_RATE_HZ, AudioChunk, Frame, to_int16
from commentator_lib.players.base import Player
from commentator_lib.players.page_memory import PageMemory, SentProgramme, shown_row, table_of_draws
from commentator_lib.players.page_sender import PageSender
from commentator_lib.players.page_sound import SoundTraits
from commentator_lib.players.playback_clock import ALIVE_S, PlaybackClock, Report
from commentator_lib.widget_messages import deliver_while_busy

if TYPE_CHECKING:
    import pandas as pd

_FOLDER = Path(__file__).parent
# The page needs this long to receive, decode and queue a frame (p99 of 150 ms at 1280×720).
_LEAD_S = 0.25
# Frames under way to the slowest page. A page that takes them slower than they come gets fewer; otherwise they would
# pile up in the server.
_FRAMES_UNDER_WAY = 30
_SOUND_PART_SAMPLES = PLAYBACK_RATE_HZ // 2
_DRAWS_KEPT = 20_000
# A frame, a click and an acknowledgement each pass through several threads, and at each of them a cell that computes
# keeps the interpreter for the switch interval, 5 ms by default: too long for 25 frames a second.
_SWITCH_INTERVAL_S = 0.001
# anywidget loads one module; its parts stand in files of their own, each of which uses those before it.
VIEW_SCRIPTS = tuple(
    _FOLDER / f"{name}.js"
    for name in (
        "elements",
        "events",
        "programme",
        "sound",
        "picture",
        "captions",
        "engine",
        "chart",
        "tiles",
        "browser",
    )
)
VIEW_STYLES = _FOLDER / "browser.css"


def join_scripts(*paths: Path) -> str:
    """Return the texts of scripts as one module, in this order."""
    return "\n".join(path.read_text("utf-8") for path in paths)


@dataclass(slots=True)
class Page:
    """One page as it last reported. Counts are since the page was opened."""

    seen_s: float
    sounding: bool = False
    received_seq: int = -1
    counts: dict[str, int] = field(default_factory=dict)  # of pictures and of sound, as the page names them


class _WidgetAndPlayer(type(anywidget.AnyWidget), ABCMeta):
    """Joins the metaclasses of AnyWidget and Player, as a subclass of both needs."""


class LivePlayer(SoundTraits, anywidget.AnyWidget, Player, metaclass=_WidgetAndPlayer):
    """A Player for JupyterLab and Voila. Show it in a cell and give it to a session:

        player = LivePlayer()
        session = LiveSession("clip.mp4", players=[player]).start()
        player

    `programme_volume`, `voice_volume` (0–1), `programme_muted` and `voice_muted` hold for all its pages.
    `message` is a line over the picture, until a run starts; `message_wrong`: it says what is wrong. It works in real
    time only: `attach` raises RuntimeError in virtual time, and while another session uses it.

    `pages` are the pages that are open, by their ids; `held_back_frames` counts frames that were not sent because a
    page was behind. `frames_under_way` is how far a page may be behind; None where what carries the messages sees to it
    for each page by itself.
    """

    _esm = join_scripts(*VIEW_SCRIPTS, _FOLDER / "player_widget.js")
    _css = VIEW_STYLES
    message = traitlets.Unicode("").tag(sync=True)
    message_wrong = traitlets.Bool(False).tag(sync=True)

    name = "page"
    lead_s = _LEAD_S
    frames_under_way: int | None = _FRAMES_UNDER_WAY

    def __init__(self, **traits: Any) -> None:
        super().__init__(**traits)
        self._lock = threading.RLock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._playback: PlaybackClock | None = None
        self._reports: dict[str, Report] = {}  # pages that have a place in the playback clock
        self._sender: PageSender | None = None
        self._run: dict[str, Any] | None = None
        self.pages: dict[str, Page] = {}
        self.held_back_frames = 0
        self.last_image: np.ndarray | None = None  # (H, W, 3) uint8, of the last frame that was sent
        self._switch_interval_s = sys.getswitchinterval()
        self._seq = 0
        self._sent: dict[int, tuple[int, float]] = {}  # seq → frame index, due
        self._draws: deque[tuple] = deque(maxlen=_DRAWS_KEPT)
        self._memory = PageMemory()
        self.on_msg(self._from_page)
        deliver_while_busy(self)

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
            self._memory = PageMemory()
            self._draws.clear()
            self._sender = PageSender(self.send)
            self._switch_interval_s = sys.getswitchinterval()
            sys.setswitchinterval(min(self._switch_interval_s, _SWITCH_INTERVAL_S))
        self.message, self.message_wrong = "", False

    def detach(self) -> None:
        with self._lock:
            self._post({"kind": "end"})
            self._run = None if self._run is None else {**self._run, "over": True}
            if self._sender is not None:
                self._sender.close()
                sys.setswitchinterval(self._switch_interval_s)
            self._loop = self._playback = self._sender = None

    def show(self, frame: Frame, due_at_s: float) -> None:
        self.last_image = frame.image
        with self._lock:
            times_s = (self._since_start(t) for t in (frame.captured_at_s, due_at_s))
            for event in self._memory.events.add_frame(*times_s):
                self._post(event)
            pages = self._living_pages()
            if not pages or self._sender is None:
                return
            if self._sender.problem:
                raise ConnectionError(f"the pages cannot be reached: {self._sender.problem}")
            slowest, most = min(p.received_seq for p in pages), self.frames_under_way
            if most is not None and slowest >= 0 and self._seq - slowest > most:
                self.held_back_frames += 1
                return
            self._sent[self._seq] = (frame.index, due_at_s)
            self._sent.pop(self._seq - 1000, None)
            content = {"kind": "frame", "seq": self._seq, "index": frame.index, "due": due_at_s}
            self._seq += 1
            self._sender.send_picture(content, frame)

    def play(self, pcm: AudioChunk, comment_id: int, start_at_s: float) -> None:
        samples = to_int16(pcm.samples)
        with self._lock:
            comment, offset = self._memory.add_sound(comment_id, start_at_s, samples)
            self._post_sound(comment_id, offset, comment.start_s, samples)

    def _post_sound(
        self, comment_id: int, offset: int, start_s: float, samples: np.ndarray, **more: Any
    ) -> None:
        """Send samples of a comment, (N,) int16, as messages of half a second, so that frames come between them."""
        for k in range(0, len(samples), _SOUND_PART_SAMPLES):
            part = samples[k : k + _SOUND_PART_SAMPLES]
            at = {"comment": comment_id, "offset": offset + k, "start": start_s}
            self._post({"kind": "sound", **at, "piece": k == 0, **more}, [part.tobytes()])

    def play_programme(self, pcm: AudioChunk, start_at_s: float) -> None:
        with self._lock:
            self._post_programme(self._memory.add_programme(start_at_s, to_int16(pcm.samples)))

    def _post_programme(self, piece: SentProgramme, **more: Any) -> None:
        if self.pages:  # the bytes are a copy that nobody else needs
            content = {"kind": "programme", "seq": piece.seq, "start": piece.start_s, **more}
            self._post(content, [piece.samples.tobytes()])

    def caption(self, comment_id: int, text: str, final: bool) -> None:
        with self._lock:
            line = self._memory.add_line(comment_id, text, final, self._since_start(time.monotonic()))
            self._post({"kind": "caption", **line})

    def cut(self, comment_id: int, at_heard_s: float) -> None:
        with self._lock:
            self._memory.cut_sound(comment_id, at_heard_s)
            self._post({"kind": "cut", "comment": comment_id, "at": at_heard_s})

    def log_row(self, kind: str, row: dict[str, Any]) -> None:
        with self._lock:
            if kind == "event":
                message = self._memory.events.add_row(row, self._since_start(time.monotonic()))
            elif kind == "question":
                message = self._memory.add_question(row)
            else:
                message = shown_row(kind, row)
                if kind == "run":
                    self._run = message
                elif kind in ("cycle", "sample"):
                    self._memory.rows.append(message)
            if message is not None:
                self._post(message)
            self._living_pages()

    def note_change(self, words: str) -> None:
        """Show in the chart that a setting was changed now; `words` say which, in short."""
        with self._lock:
            if self._run is None or self._run.get("over"):
                return
            change = {"kind": "change", "at_s": self._since_start(time.monotonic()), "words": words}
            self._memory.changes.append(change)
            self._post(change)

    def _since_start(self, clock_s: float) -> float:
        """Return a clock time in seconds since the session's start, as the rows of the run log have it."""
        return clock_s - (self._run or {}).get("epoch_s", 0.0)

    # --- pages

    def _post(self, content: dict[str, Any], buffers: list | None = None) -> None:
        """Send to all pages, if there are any; a page that is opened later gets it in its welcome."""
        if self.pages and self._sender is not None:
            self._sender.send_message(content, buffers)

    def _living_pages(self) -> list[Page]:
        """Return the pages that answer; the others lose their place in the playback clock."""
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
        """Handle a message of a page. Called on any thread of the kernel, also while a cell is running."""
        kind, page_id = content["kind"], str(content["page"])
        if kind == "ping":
            # Not through the sender: the time that a message waits there would count as transmission time.
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
                self._keep_counts(page_id, content)
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

    def _keep_counts(self, page_id: str, content: dict[str, Any]) -> None:
        page = self.pages.setdefault(page_id, Page(time.monotonic()))
        page.seen_s = time.monotonic()
        page.sounding = bool(content["sounding"])
        page.received_seq = int(content["seq"])
        page.counts = {str(k): int(v) for k, v in content["counts"].items()}
        for seq, *times in content["draws"]:  # sent, received, drawn
            if (known := self._sent.get(int(seq))) is not None:
                index, due_s = known
                self._draws.append((page_id, index, *(self._since_start(float(t)) for t in (due_s, *times))))

    def _acknowledged(self, page_id: str, content: dict[str, Any]) -> None:
        """Report to the playback clock what a page has really played. Runs on the loop's thread."""
        if self._playback is None:
            return
        if not content["sounding"]:
            self._leave(page_id)
            return
        if page_id not in self._reports:
            self._reports[page_id] = self._playback.join(self.name, page_id)
        now = time.monotonic()
        # A page whose clock is off must not report from the future, nor hold the pace back for long.
        at_s = min(now, max(now - ALIVE_S, float(content["at"])))
        for comment_id, heard_s in content["heard"]:
            comment = self._memory.comments.get(int(comment_id))
            if comment is not None:
                self._reports[page_id](int(comment_id), min(max(0.0, float(heard_s)), comment.seconds), at_s)

    def _welcome(self, page_id: str) -> None:
        """Send a page all that it missed. It starts in the middle of the sound that is still to be heard."""
        content = {"kind": "welcome", "page": page_id, "run": self._run, **self._memory.shown()}
        if self._sender is None:
            self.send(content)
            return
        self._sender.send_message(content)
        now = time.monotonic()
        for piece in self._memory.programme_after(now):
            self._post_programme(piece, page=page_id)
        for comment_id, comment in self._memory.comments.items():
            if comment.parts and comment.start_s + comment.seconds > now - 1.0:
                offset = 0
                for part in comment.parts:
                    self._post_sound(comment_id, offset, comment.start_s, part, page=page_id)
                    offset += len(part)

    def _replay(self, page_id: str, comment_id: int) -> None:
        with self._lock:
            comment = self._memory.comments.get(comment_id)
            data = comment.sound().tobytes() if comment is not None else b""
        self.send({"kind": "replay", "page": page_id, "comment": comment_id}, [data])

    # --- when the pages drew

    @property
    def draws(self) -> pd.DataFrame:
        """The last 20 000 frames that pages have drawn in this run, newest last.

        Columns: page, frame_index, and in seconds since the session's start due_s, sent_s, received_s and drawn_s.
        """
        with self._lock:
            return table_of_draws(list(self._draws))
