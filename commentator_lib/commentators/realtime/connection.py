"""One session with a realtime server: a WebSocket, and a thread that sends a unit a second and takes what comes back.

The session lives beside the comments: the model looks on while one is heard, or while nobody asks. A thread of its own
keeps its second, since the inference thread waits for other things.
"""

from __future__ import annotations

import contextlib
import json
import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from commentator_lib.commentators.openai.messages import jpeg_of
from commentator_lib.commentators.realtime.deciding import Session
from commentator_lib.commentators.realtime.protocol import (
    RealtimeError,
    acknowledge,
    append,
    cancel,
    close_session,
    read_event,
)
from commentator_lib.commentators.realtime.responses import Response
from commentator_lib.commentators.realtime.units import UNIT_S

logger = logging.getLogger(__name__)

_LOOK_AGAIN_S = 0.1  # for the first picture after such a time
_CLOSE_S = 2.0
_LONGEST_MESSAGE_BYTES = 32_000_000  # two minutes of sound in one message, and more


class Connection(Session):
    """An open session on a server.

    `socket` is an open WebSocket connection of the websockets package; `session` the event that opens the session. It
    is closed by `close`, by the server, or by an error.
    """

    def __init__(self, socket: Any, session: dict[str, Any], shown: Callable[[str], str]) -> None:
        super().__init__()
        self.opened = threading.Event()
        self.duplex = False  # the server has said that its model decides when to speak
        self._socket = socket
        self._shown = shown
        self._stop = threading.Event()
        self._send(session)
        self._thread = threading.Thread(target=self._run, name="realtime", daemon=True)
        self._thread.start()

    # --- from any thread

    def cancel(self) -> None:
        """End the current response, if it has not ended; what still comes of it is passed over."""
        with self.changed:
            response_id = self.responses.drop_current()
        if response_id is not None:
            self._send(cancel(response_id))

    def acknowledge(self, response: Response, heard_s: float) -> None:
        """Tell the server how much of a response was heard, once no more of it will be."""
        if response.id and self.responses.acknowledges:
            self._send(acknowledge(response.id, heard_s, cut=heard_s < response.sound_s - 0.05))

    def close(self) -> None:
        """End the session and its thread; may be called twice."""
        if not self._stop.is_set():
            self._stop.set()
            self._send(close_session())
            self._socket.close()
        if threading.current_thread() is not self._thread:
            self._thread.join(_CLOSE_S)

    def _send(self, event: dict[str, Any]) -> None:
        """Send an event; a session that is over is noted in `responses`."""
        import websockets

        try:
            self._socket.send(json.dumps(event))
        except (websockets.WebSocketException, OSError) as error:
            self._over(error)

    def _over(self, error: Exception) -> None:
        with self.changed:
            self.responses.closed = self.responses.closed or self._shown(why_closed(error))
            self.changed.notify_all()

    # --- its own thread

    def _run(self) -> None:
        """Send a unit a second and take in what comes, until the session is over."""
        try:
            self._go_on()
        except (
            Exception
        ) as error:  # a fault of the program, or a frame that is no picture: the comments say so
            self._over(error)
        self._socket.close()

    def _go_on(self) -> None:
        import websockets

        due_s = time.monotonic()
        while not self._stop.is_set() and not self.responses.closed:
            now_s = time.monotonic()
            if now_s >= due_s:
                # A unit that is late by more than its length is not made good.
                sent = self._send_units(now_s)
                due_s = max(due_s, now_s - UNIT_S) + UNIT_S if sent else now_s + _LOOK_AGAIN_S
            try:
                self._take(self._socket.recv(timeout=max(0.0, due_s - time.monotonic())))
            except TimeoutError:
                continue
            except (websockets.WebSocketException, OSError) as error:
                self._over(error)

    def _take(self, message: str | bytes) -> None:
        try:
            event = read_event(message)
        except RealtimeError as error:
            logger.info("passed over: %s", self._shown(str(error)))
            return
        with self.changed:
            self.responses.take(event, time.monotonic())
            if event.kind == "created":
                self.duplex = event.duplex
            if event.kind in ("created", "updated"):
                self.opened.set()
            self.changed.notify_all()

    def _send_units(self, now_s: float) -> bool:
        """Send the unit that is due, and more where sound waits for longer; False where there is nothing to be seen."""
        if not self.opened.is_set():
            return False
        while True:
            with self.changed:
                if self.is_idle(now_s):
                    return False
                samples, frames = self._units.make()
                number, more = self._units.made, self._units.waiting_s >= UNIT_S
            self._send(append(number, samples, [jpeg_of(frame) for frame in frames]))
            if not more or self.responses.closed:
                return True


def connect(url: str, headers: dict[str, str], loopback: bool, timeout_s: float) -> Any:
    """Return an open WebSocket connection. Raise RealtimeError, whose words may hold secrets, where there is none."""
    import websockets
    from websockets.sync.client import connect as open_socket

    try:
        opening = open_socket(
            url,
            additional_headers=headers,
            proxy=None if loopback else True,  # a proxy cannot reach what listens on this machine
            open_timeout=timeout_s,
            close_timeout=_CLOSE_S,
            max_size=_LONGEST_MESSAGE_BYTES,
            compression=None,  # base64 of JPEGs and sound: it would only cost time
        )
        # websockets 17 wants its connections entered; this one is closed by its Connection.
        return contextlib.ExitStack().enter_context(opening)
    except (websockets.WebSocketException, OSError, ImportError, ValueError) as error:
        raise RealtimeError(why_closed(error)) from None


def why_closed(error: Exception) -> str:
    """Return why a connection could not be opened or is over, in words."""
    import websockets

    if isinstance(error, websockets.InvalidStatus):
        body = (error.response.body or b"")[:300].decode("utf-8", "replace").strip()
        return f"the server answered {error.response.status_code}{': ' + body if body else ''}"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, websockets.ConnectionClosed):
        received = error.rcvd
        reason = f": {received.reason or received.code}" if received is not None else ""
        return f"the server closed the connection{reason}"
    return f"{type(error).__name__}: {error}"
