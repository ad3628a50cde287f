"""Two buffers of frames: a few frames for the model, all frames for the viewer.

The window keeps `capture_fps` frames a second of the last seconds; the display buffer keeps every frame for as
long as the picture lags. Both are bounded and lose their oldest frames, never the newest.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Iterator

from commentator_lib.media import Frame


class SlidingWindow:
    """The last frames for the model: a ring at `capture_fps`, and the newest frame of all.

    When frames are taken, the newest frame of all replaces the ring's newest one, so that a comment never starts
    from a picture that is half a capture interval old. Safe to use from two threads.
    """

    def __init__(self, capture_fps: float, max_frames: int) -> None:
        self._lock = threading.Lock()
        self._ring: deque[Frame] = deque(maxlen=max_frames)
        self._interval_s = 1.0 / capture_fps
        self._next_due_s = float("-inf")
        self._newest: Frame | None = None

    def configure(self, capture_fps: float, max_frames: int) -> None:
        """Change rate and length while frames are coming; frames that still fit are kept."""
        with self._lock:
            self._interval_s = 1.0 / capture_fps
            if max_frames != self._ring.maxlen:
                self._ring = deque(self._ring, maxlen=max_frames)

    def offer(self, frame: Frame) -> bool:
        """Take a frame at the source's own rate; return True when it was kept as one of `capture_fps`."""
        with self._lock:
            self._newest = frame
            if frame.captured_at_s < self._next_due_s - 1e-6:
                return False
            # The next frame is due one interval after this one was due, so that the mean rate holds; after a long
            # gap, one interval after this one came.
            late_s = frame.captured_at_s - self._next_due_s
            base_s = self._next_due_s if late_s < self._interval_s else frame.captured_at_s
            self._next_due_s = base_s + self._interval_s
            self._ring.append(frame)
            return True

    def clear(self) -> None:
        """Forget all frames: those that come next have nothing to do with them."""
        with self._lock:
            self._ring.clear()
            self._newest = None
            self._next_due_s = float("-inf")

    def ask_for_next(self) -> None:
        """Note that somebody waits for the next frame. Where frames are offered one by one, nothing need be done."""

    @property
    def newest(self) -> Frame | None:
        """The newest frame that was offered, kept in the ring or not."""
        return self._newest

    def take(self, count: int, stride: int, newest: Frame | None = None) -> list[Frame]:
        """Return at most `count` frames, oldest first: every `stride`-th of the ring, counted from the newest.

        With `newest`, an earlier frame, those that came after it are left out.
        """
        with self._lock:
            kept = [f for f in self._ring if newest is None or f.captured_at_s <= newest.captured_at_s]
            newest = newest or self._newest
        picked = kept[::-1][::stride][:count][::-1]
        if picked and newest is not None:
            picked[-1] = newest
        return picked

    def __len__(self) -> int:
        return len(self._ring)


class DisplayBuffer:
    """Every frame, in order, from capture until the picture reaches it. Bounded by bytes.

    Lives on the loop's thread: `push` and `pop` are plain calls there, `wait` a coroutine.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.dropped = 0
        self._frames: deque[Frame] = deque()
        self._bytes = 0
        self._arrived = asyncio.Event()
        self._closed = False

    def push(self, frame: Frame) -> None:
        """Add a frame. While the bytes exceed the limit, drop the oldest frame and count it in `dropped`."""
        self._frames.append(frame)
        self._bytes += frame.image.nbytes
        while self._bytes > self.max_bytes and len(self._frames) > 1:
            self._bytes -= self._frames.popleft().image.nbytes
            self.dropped += 1
        self._arrived.set()

    def pop(self) -> Frame:
        """Remove and return the oldest frame. Raise IndexError when there is none."""
        frame = self._frames.popleft()
        self._bytes -= frame.image.nbytes
        return frame

    @property
    def oldest(self) -> Frame | None:
        """The oldest frame, which stays in the buffer; None when there is none."""
        return self._frames[0] if self._frames else None

    def newest_first(self) -> Iterator[Frame]:
        """Return the frames that wait, the newest first. Do not push or pop meanwhile."""
        return reversed(self._frames)

    def close(self) -> None:
        """Note that no more frames will come."""
        self._closed = True
        self._arrived.set()

    async def wait(self) -> Frame | None:
        """Wait for a frame and return the oldest, which stays in the buffer; None when closed and empty."""
        while not self._frames:
            if self._closed:
                return None
            self._arrived.clear()
            await self._arrived.wait()
        return self._frames[0]

    def __len__(self) -> int:
        return len(self._frames)
