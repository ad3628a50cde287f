"""The thread that sends pictures, sound and words to the pages of a LivePlayer.

A burst of messages overruns the kernel's output queue, which then loses messages silently. So one thread sends one
message after another.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from commentator_lib.errors import named_first_line
from commentator_lib.jpeg import encode_jpeg
from commentator_lib.media import Frame

# The most pictures that wait to be sent; the oldest is dropped for one more.
WAITING_PICTURES = 4


class PageSender:
    """Sends messages in their order, and pictures between them. Newer pictures replace older ones; no message is lost.

    `send(content, buffers)` is the widget's own. `problem` is its error in one line, if it raised one; nothing is sent
    after that. All methods may be called from any thread.
    """

    def __init__(self, send: Callable[[dict[str, Any], list], None]) -> None:
        self._send = send
        self._wake = threading.Condition()
        self._messages: deque[tuple[dict[str, Any], list]] = deque()
        self._pictures: deque[tuple[dict[str, Any], Frame]] = deque()
        self._closed = False
        self.dropped_frames = 0
        self.problem = ""
        self._thread = threading.Thread(target=self._work, name="page sender", daemon=True)
        self._thread.start()

    def send_message(self, content: dict[str, Any], buffers: list | None = None) -> None:
        """Send `content` and `buffers` after the messages that wait. Return at once."""
        with self._wake:
            self._messages.append((content, buffers or []))
            self._wake.notify()

    def send_picture(self, content: dict[str, Any], frame: Frame) -> None:
        """Send `content` with the frame as JPEG, unless `WAITING_PICTURES` newer ones come first."""
        with self._wake:
            self._pictures.append((content, frame))
            if len(self._pictures) > WAITING_PICTURES:
                self._pictures.popleft()
                self.dropped_frames += 1
            self._wake.notify()

    def close(self) -> None:
        """Let the thread send the waiting messages and then end. Return at once."""
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
            self.problem = named_first_line(error)
