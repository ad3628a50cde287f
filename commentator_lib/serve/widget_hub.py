"""WidgetHub: the widgets of this process, shown by pages over WebSockets, without Jupyter.

A widget talks to its pages through a comm. The package `comm` lets a host put in one of its own, so the widgets, and
the JavaScript that they bring, are those of the notebook. The hub keeps each widget's state for pages that come later,
packs each message once for all viewers, and sends what is meant for one page to its viewer alone.

Messages to a viewer (`msg`), each with the `comm` of a widget, see `wire`:

    root      this widget is the page
    open      state: a widget is there
    update    state: the traits that have changed
    custom    content [buffers]: the widget's own message
    close     the widget is gone

Messages of a viewer: update and custom.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Collection, Generator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import comm
from comm.base_comm import BaseComm

from commentator_lib.serve.viewer import STALLED_S, Viewer
from commentator_lib.serve.wire import pack

# A page's messages that take no time; all others may wait for a lock or a disk.
_QUICK_KINDS = frozenset({"ping", "ack", "hello", "bye", "replay"})
_MOST_PAGES_A_VIEWER = 16
# A file that is sent in parts waits while so much is under way to its viewer.
_PARTS_UNDER_WAY_BYTES = 4_000_000


class _HubComm(BaseComm):
    """A comm whose other side is the pages of a hub."""

    def __init__(self, hub: WidgetHub, **more: Any) -> None:
        self._hub = hub
        super().__init__(**more)

    def publish_msg(
        self, msg_type: str, data: Any = None, metadata: Any = None, buffers: Any = None, **keys: Any
    ) -> None:
        if msg_type == "comm_open":
            self._hub._opened(self, data["state"])
        elif msg_type == "comm_close":
            self._hub._closed(self.comm_id)
        elif data["method"] in ("update", "echo_update"):
            self._hub._updated(self.comm_id, data["state"], data["method"] == "echo_update")
        elif data["method"] == "custom":
            self._hub._said(self.comm_id, data["content"], buffers or [])


class WidgetHub:
    """Shows the widgets that are made while it is `installed` to all viewers that join.

    `root` is the comm of the widget that is the page. Pages may set the traits that `writable` names, and no others:
    the rest of a widget's state is code and data of this side.

    A widget whose state `is_private` is shown to one viewer alone: to the last whose message `claims` it. If that one
    has left, the next that joins takes its place, as a page does that was reloaded.
    """

    def __init__(
        self,
        writable: Collection[str] = (),
        is_private: Callable[[dict[str, Any]], bool] = lambda state: False,
        claims: Callable[[dict[str, Any]], bool] = lambda content: False,
    ) -> None:
        self.root = ""
        self._is_private, self._claims = is_private, claims
        self._private: set[str] = set()
        self._owner: Viewer | None = None
        self.viewers: set[Viewer] = set()
        self.dropped_frames = 0  # of viewers that have left
        self._writable = frozenset(writable)
        self._lock = threading.RLock()
        self._comms: dict[str, _HubComm] = {}
        self._states: dict[str, dict[str, Any]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._worker = ThreadPoolExecutor(1, "widget messages")
        self._origin = threading.local()  # the viewer whose message is being handled on a thread

    @contextlib.contextmanager
    def installed(self) -> Generator[None]:
        """Be the other side of all widgets that are made meanwhile."""
        before = comm.create_comm
        comm.create_comm = lambda **more: _HubComm(self, **more)  # type: ignore[assignment]
        try:
            yield
        finally:
            comm.create_comm = before
            self._worker.shutdown(wait=False, cancel_futures=True)

    # --- the widgets' side, on any thread

    def _opened(self, opened: _HubComm, state: dict[str, Any]) -> None:
        with self._lock:
            self._comms[opened.comm_id] = opened
            self._states[opened.comm_id] = dict(state)
            if self._is_private(state):
                self._private.add(opened.comm_id)
            self._send_all({"comm": opened.comm_id, "msg": "open", "state": state})

    def _closed(self, comm_id: str) -> None:
        with self._lock:
            self._comms.pop(comm_id, None)
            self._states.pop(comm_id, None)
            self._send_all({"comm": comm_id, "msg": "close"})
            self._private.discard(comm_id)

    def _updated(self, comm_id: str, state: dict[str, Any], is_echo: bool) -> None:
        """Take changed traits. An echo is what a page has set itself: the others get it."""
        with self._lock:
            if comm_id in self._states:
                self._states[comm_id].update(state)
            setter = getattr(self._origin, "viewer", None) if is_echo else None
            self._send_all({"comm": comm_id, "msg": "update", "state": state}, but=setter)

    def _said(self, comm_id: str, content: dict[str, Any], buffers: list[Any]) -> None:
        """Take a widget's own message: for all pages, or for the one that it names."""
        page = content.get("page")
        is_part = content.get("kind") == "film"
        if is_part:
            self._wait_for_room(comm_id, str(page))
        message = {"comm": comm_id, "msg": "custom", "content": content}
        if page is not None:
            self._send_page((comm_id, str(page)), message, buffers, is_part)
        else:
            seq = int(content["seq"]) if content.get("kind") == "frame" else None
            self._send_all(message, buffers, seq)

    def _wait_for_room(self, comm_id: str, page: str) -> None:
        """Wait until a page has taken most of the parts before. Called on a thread of its own."""
        give_up = time.monotonic() + STALLED_S
        while time.monotonic() < give_up and any(
            (comm_id, page) in v.pages and v.waiting_bytes > _PARTS_UNDER_WAY_BYTES
            for v in tuple(self.viewers)
        ):
            time.sleep(0.02)

    def _send_page(
        self, page: tuple[str, str], message: dict[str, Any], buffers: list[Any], wait: bool
    ) -> None:
        """Send a message to one page; `wait` until it is counted with what waits for its viewer."""
        if not self.viewers:
            return
        data, is_put = pack(message, buffers), threading.Event()

        def deliver() -> None:
            for viewer in self.viewers:
                if page in viewer.pages:
                    viewer.put(data)
            is_put.set()

        if self._on_loop(deliver) and wait:
            is_put.wait(STALLED_S)

    def _send_all(
        self,
        message: dict[str, Any],
        buffers: list[Any] | None = None,
        frame_seq: int | None = None,
        but: Viewer | None = None,
    ) -> None:
        if not self.viewers:
            return
        data = pack(message, buffers or [])
        owner = self._owner if message["comm"] in self._private else None

        def deliver() -> None:
            for viewer in self.viewers if owner is None else self.viewers & {owner}:
                if frame_seq is not None:
                    viewer.put_frame(frame_seq, data)
                elif viewer is not but:
                    viewer.put(data)

        self._on_loop(deliver)

    def _on_loop(self, act: Callable[[], None]) -> bool:
        """Have the server's loop do something. Return False where there is none any more."""
        if self._loop is None:
            return False
        try:
            self._loop.call_soon_threadsafe(act)
        except RuntimeError:  # the server has ended meanwhile
            return False
        return True

    # --- the viewers' side, on the server's loop

    def join(self, viewer: Viewer) -> None:
        """Send a viewer all widgets, and from now on all that they say."""
        with self._lock:
            self._loop = asyncio.get_running_loop()
            if self._owner not in (None, *self.viewers):
                self._owner = viewer
            for comm_id, state in self._states.items():
                if comm_id not in self._private or self._owner in (None, viewer):
                    viewer.put(pack({"comm": comm_id, "msg": "open", "state": state}))
            viewer.put(pack({"comm": self.root, "msg": "root"}))
            self.viewers.add(viewer)

    def leave(self, viewer: Viewer) -> None:
        """Take a viewer out; its pages delay nothing from now on."""
        with self._lock:
            self.viewers.discard(viewer)
            self.dropped_frames += viewer.dropped_frames
        for comm_id, page in viewer.pages:
            self._handle(comm_id, {"method": "custom", "content": {"kind": "bye", "page": page}}, [], viewer)

    async def receive(self, viewer: Viewer, message: dict[str, Any], buffers: list[bytes]) -> None:
        """Give a viewer's message to its widget. What is not one, or for a widget that is gone, is dropped."""
        comm_id, kind = message.get("comm"), message.get("msg")
        if not isinstance(comm_id, str) or comm_id not in self._comms:
            return
        if kind == "update" and isinstance(state := message.get("state"), dict):
            state = {name: value for name, value in state.items() if name in self._writable}
            data: dict[str, Any] = {"method": "update", "state": state, "buffer_paths": []}
            is_quick = False
        elif kind == "custom" and isinstance(content := message.get("content"), dict):
            page, what = content.get("page"), content.get("kind")
            if not isinstance(page, str) or not isinstance(what, str):
                return
            if len(viewer.pages) < _MOST_PAGES_A_VIEWER:
                viewer.pages.add((comm_id, page))
            if self._claims(content):
                self._owner = viewer
            if what == "ack" and type(content.get("seq")) is int:
                viewer.acknowledge(content["seq"])
            data, is_quick = {"method": "custom", "content": content}, what in _QUICK_KINDS
        else:
            return
        if is_quick:
            self._handle(comm_id, data, buffers, viewer)
        else:
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(self._worker, self._handle, comm_id, data, buffers, viewer)

    def _handle(self, comm_id: str, data: dict[str, Any], buffers: list[bytes], viewer: Viewer) -> None:
        found = self._comms.get(comm_id)
        if found is None:
            return
        self._origin.viewer = viewer
        try:
            found.handle_msg({"content": {"data": data}, "buffers": buffers})
        finally:
            self._origin.viewer = None
