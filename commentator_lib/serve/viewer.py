"""One viewer: what it is still to be sent, and how much of that may wait.

Pictures wait in a lane of their own. One that is slow loses the oldest of them; words, sound and state are never
dropped. One that takes nothing for `STALLED_S` seconds, or lets more than `MOST_WAITING_BYTES` wait, is given up. So a
slow viewer costs a bounded amount of memory, and nobody else notices it.

All methods are called on the server's loop.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

# Pictures that wait here; the oldest is dropped for one more.
MOST_WAITING_FRAMES = 8
# Pictures that were sent and not acknowledged. More of them would wait in the network instead, and come too late.
MOST_FRAMES_UNDER_WAY = 30
MOST_WAITING_BYTES = 16_000_000
STALLED_S = 10.0


class ViewerGone(ConnectionError):
    """A viewer that was given up; the text says why."""


class Viewer:
    """The messages for one viewer. `pages` are the ids of its pages, each with the widget (its comm) that it shows."""

    def __init__(self) -> None:
        self.pages: set[tuple[str, str]] = set()  # comm, page
        self.dropped_frames = 0
        self.waiting_bytes = 0
        self._messages: deque[bytes] = deque()
        self._frames: deque[tuple[int, bytes]] = deque()
        self._wake = asyncio.Event()
        self._sent_seq = self._received_seq = -1

    def put(self, data: bytes) -> None:
        """Send a message after those that wait."""
        self._messages.append(data)
        self.waiting_bytes += len(data)
        self._wake.set()

    def put_frame(self, seq: int, data: bytes) -> None:
        """Send a picture, unless `MOST_WAITING_FRAMES` newer ones come first. `seq` grows by one for each."""
        self._frames.append((seq, data))
        if len(self._frames) > MOST_WAITING_FRAMES:
            self._frames.popleft()
            self.dropped_frames += 1
        self._wake.set()

    def acknowledge(self, seq: int) -> None:
        """Note the last picture that its page has received; -1: none yet."""
        self._received_seq = max(self._received_seq, seq)
        self._wake.set()

    async def send_all(self, send: Callable[[bytes], Awaitable[None]]) -> None:
        """Send what comes, a message and a picture in turn, until this is cancelled.

        Raise ViewerGone for a viewer that is too slow, and what `send` raises.
        """
        while True:
            await self._wake.wait()
            self._wake.clear()
            while True:
                message = self._messages.popleft() if self._messages else None
                frame = self._next_frame()
                if message is None and frame is None:
                    break
                if self.waiting_bytes > MOST_WAITING_BYTES:
                    raise ViewerGone(f"it is {self.waiting_bytes / 1e6:.0f} MB behind")
                if message is not None:
                    await self._send(send, message)
                    self.waiting_bytes -= len(message)
                if frame is not None:
                    await self._send(send, frame)

    def _next_frame(self) -> bytes | None:
        is_behind = 0 <= self._received_seq <= self._sent_seq - MOST_FRAMES_UNDER_WAY
        if not self._frames or is_behind:
            return None
        self._sent_seq, data = self._frames.popleft()
        return data

    @staticmethod
    async def _send(send: Callable[[bytes], Awaitable[None]], data: bytes) -> None:
        try:
            async with asyncio.timeout(STALLED_S):
                await send(data)
        except TimeoutError:
            raise ViewerGone(f"it has taken nothing for {STALLED_S:g} s") from None
