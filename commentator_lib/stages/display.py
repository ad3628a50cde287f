"""Display: from the display buffer to the players, and from the headless player to the run's log."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import numpy as np

from commentator_lib.buffers import DisplayBuffer
from commentator_lib.callbacks import Callback
from commentator_lib.clock import sleep_until
from commentator_lib.media import Frame
from commentator_lib.pacing.delay import PictureDelay
from commentator_lib.players.base import PlayerGroup
from commentator_lib.players.headless import HeadlessPlayer
from commentator_lib.runs.log import RunLog

# A frame that is late by this many seconds is left out if the next one is due too: about two frames of a screen.
_LATE_S = 0.04

OnCaption = Callable[[int, str, bool, float], None]
OnDrawn = Callable[[Frame, float, float], None]


async def until_started(oldest_s: Callable[[], float], delay: PictureDelay, players: PlayerGroup) -> None:
    """Wait until the first frame can be sent: the first latency is known, or `delay_init_s` have passed.

    `oldest_s` returns when the oldest frame that waits was captured.
    """
    loop = asyncio.get_running_loop()
    while not delay.started:
        left_s = oldest_s() + delay.applied_s - players.lead_s - loop.time()
        if left_s <= 0:
            break
        await asyncio.sleep(min(left_s, 0.02))


class Display:
    """Display buffer → players, each frame ahead of its time by their lead."""

    def __init__(
        self, buffer: DisplayBuffer, delay: PictureDelay, players: PlayerGroup, headless: HeadlessPlayer
    ) -> None:
        self._headless = headless
        self._late_dropped = 0
        self._buffer = buffer
        self._delay = delay
        self._players = players

    @property
    def shown(self) -> int:
        """How many frames were drawn."""
        return self._headless.frames_drawn

    @property
    def buffered(self) -> int:
        """How many frames wait."""
        return len(self._buffer)

    @property
    def dropped(self) -> int:
        """How many frames came too late, or did not fit into the buffer."""
        return self._late_dropped + self._buffer.dropped

    def _oldest_s(self) -> float:
        oldest = self._buffer.oldest
        return 0.0 if oldest is None else oldest.captured_at_s

    async def run(self) -> None:
        """Show every frame when it is due, until the buffer is closed and empty."""
        loop = asyncio.get_running_loop()
        while (frame := await self._buffer.wait()) is not None:
            # 1) Wait until the picture can start; there is none before.
            if not self._delay.started:
                await until_started(self._oldest_s, self._delay, self._players)
            # 2) Wait until it is time to send it.
            frame = self._buffer.pop()
            due_s = self._delay.due(frame.captured_at_s)
            await sleep_until(due_s - self._players.lead_s)
            # 3) Leave it out if it is late and the next one is due as well.
            behind, following = loop.time() - due_s > _LATE_S, self._buffer.oldest
            if behind and following and following.captured_at_s + self._delay.applied_s <= loop.time():
                self._late_dropped += 1
                continue
            self._players.show(frame, due_s)


class ShownLog:
    """Passes what the headless player drew and played on to the run's log and to the session's listeners.

    `shown_s` is how far the picture has come, in seconds of media time from its first frame. A listener that raises an
    error costs nothing but its own call; `on_fault` takes a line for the first of each.
    """

    def __init__(
        self,
        log: RunLog,
        epoch_s: float,
        on_caption: OnCaption | None,
        on_drawn: OnDrawn | None,
        on_fault: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.shown_s = 0.0
        self._log = log
        self._epoch_s = epoch_s
        self._on_caption = Callback("on_caption", on_caption, on_fault)
        self._on_drawn = Callback("on_drawn", on_drawn, on_fault)
        self._first_pts_s: float | None = None

    def drawn(self, frame: Frame, due_at_s: float, drawn_at_s: float) -> None:
        """Pass on a frame that was drawn at clock time `drawn_at_s`."""
        due_s, drawn_s = due_at_s - self._epoch_s, drawn_at_s - self._epoch_s
        self._first_pts_s = frame.pts_s if self._first_pts_s is None else self._first_pts_s
        self.shown_s = frame.pts_s - self._first_pts_s
        self._log.shown(frame.index, frame.captured_at_s - self._epoch_s, due_s, drawn_s)
        self._on_drawn(frame, due_s, drawn_s)

    @property
    def written(self) -> bool:
        """Whether the frames that are drawn are written down."""
        return self._log.folder is not None

    def drawn_all(self, rows: Sequence[tuple[int, float, float, float]], media_s: float) -> None:
        """Note that frames were drawn which no listener wants to see: index, and captured, due, drawn clock time (s).

        `media_s`: how far the picture has come with the last of them.
        """
        epoch_s = self._epoch_s
        self.shown_s = media_s
        self._log.shown_all([(k, c - epoch_s, due - epoch_s, at - epoch_s) for k, c, due, at in rows])

    def sounded(self, comment_id: int, samples: np.ndarray, from_s: float) -> None:
        """Pass on sound, int16 (N,) at 48 kHz, that was played from clock time `from_s` on."""
        self._log.sounded(comment_id, samples, from_s - self._epoch_s)

    def captioned(self, comment_id: int, text: str, final: bool, at_s: float) -> None:
        """Pass on a caption that was shown at clock time `at_s`."""
        self._log.captioned(comment_id, text, final, at_s - self._epoch_s)
        self._on_caption(comment_id, text, final, at_s - self._epoch_s)
