"""The pump of a what-if run whose frames are all known ahead: nothing is done for a picture that nobody looks at.

Read one by one, the frames of a programme would take most of the time of a what-if run, and nobody sees them. So here
the window, the scene and the picture's delay are brought up to date when somebody asks for them, for all frames that
have come since; the clock runs from one moment at which something happens to the next. What they then say is what they
would say had each frame been read, pushed and shown at its time: the same code decides it. Of a frame that comes at the
very moment of something else, down to the last bit of both times, that other thing does not know yet.

    what is asked                          what is made up for
    window, scene change                   the frames of the window since, by SlidingWindow.offer, SceneTracker.push
    delay, when a frame is due, counts     the frames sent to the players since, by PictureDelay.due_all

Frames that somebody waits for do come at their time: the next one for a cycle that needs it, those of the watchers, and
those of the window where a large change may cut a comment.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from bisect import bisect_left, bisect_right
from collections.abc import Iterator

from commentator_lib.buffers import SlidingWindow
from commentator_lib.clock import sleep_until
from commentator_lib.commentary.loop import CommentaryLoop
from commentator_lib.media import Frame
from commentator_lib.pacing.delay import PictureDelay
from commentator_lib.players.base import PlayerGroup
from commentator_lib.players.headless import HeadlessPlayer
from commentator_lib.scene import ClipLooks, SceneChange, SceneTracker
from commentator_lib.sources.base import Foreseen
from commentator_lib.stages.display import ShownLog, until_started
from commentator_lib.stages.sampling import Counts, Sampler
from commentator_lib.stages.watching import Watching

logger = logging.getLogger(__name__)

# Where nobody asks, the samples and frames of so many seconds are made up for at once.
_LOOK_EVERY_S = 10.0
# A frame that is sent within this time counts as sent now: its time is a sum, with rounding errors.
_MOMENT_S = 1e-9


class FramesAhead:
    """All frames of a run, and how many of them have come by its clock. `captured_s` are clock times, rising."""

    def __init__(self, foreseen: Foreseen) -> None:
        self.clock = asyncio.get_running_loop()
        self.from_s = self.clock.time()
        self.foreseen = foreseen
        self.pts_s: list[float] = foreseen.pts_s.tolist()
        self.captured_s: list[float] = (self.from_s + foreseen.pts_s - foreseen.pts_s[0]).tolist()
        self._announced = 1
        self._made: Frame | None = None  # the one that was asked for last, and often is again
        self._thread = threading.get_ident()

    def __len__(self) -> int:
        return len(self.captured_s)

    def come(self) -> int:
        """Return how many frames have come."""
        return max(self._announced, self.come_by(self.clock.time()))

    def come_by(self, at_s: float) -> int:
        """Return how many frames have come before what else happens at clock time `at_s`."""
        return bisect_left(self.captured_s, at_s)

    def announce(self, index: int) -> None:
        """Note that a frame has come. Its timer may fire a rounding error before its time."""
        self._announced = max(self._announced, index + 1)

    def frame(self, index: int) -> Frame:
        """Return a frame by its number."""
        if self._made is None or self._made.index != index:
            foreseen = self.foreseen
            image = foreseen.clip.pictures[foreseen.numbers[index]]
            self._made = Frame(index, self.pts_s[index], self.captured_s[index], image)
        return self._made

    def newest_first(self) -> Iterator[Frame]:
        """Return the frames that have come, the newest first."""
        return map(self.frame, reversed(range(self.come())))

    @property
    def here(self) -> bool:
        """Whether the caller is the run's thread; any other only reads what is there."""
        return threading.get_ident() == self._thread


class ForeseenScene(SceneTracker):
    """The scene of frames that are known ahead; `last` is the frame that was pushed last, and its change."""

    def __init__(self, frames: FramesAhead) -> None:
        super().__init__(ClipLooks(frames.foreseen.clip, frames.foreseen.numbers))
        self.last = (-1, 0.0)
        self.catch_up = lambda: None

    def push(self, frame: Frame) -> float:
        change = super().push(frame)
        self.last = frame.index, change
        return change

    def mark_inference(self) -> None:
        self.catch_up()
        super().mark_inference()

    def forget(self) -> None:
        self.catch_up()
        super().forget()

    def measure(self) -> SceneChange:
        self.catch_up()
        return super().measure()


class ForeseenWindow(SlidingWindow):
    """The window of frames that are known ahead: it takes those that have come when it is asked. It feeds `scene`.

    `frame_arrived` is called when a frame has come for which somebody waits; `on_change` after a change of settings.
    """

    def __init__(
        self, capture_fps: float, max_frames: int, frames: FramesAhead, scene: ForeseenScene
    ) -> None:
        super().__init__(capture_fps, max_frames)
        self.frame_arrived = lambda: None
        self.on_change = lambda: None
        self._frames, self._scene = frames, scene
        self._offered = 0
        self._newest_number = -1
        scene.catch_up = self.catch_up

    def catch_up(self) -> None:
        """Take all frames that have come."""
        frames, come = self._frames, self._frames.come()
        if come == self._offered or not frames.here:
            return
        while (k := self.next_kept()) < come:
            self._offered = k + 1
            frame = frames.frame(k)
            if self.offer(frame):
                self._scene.push(frame)
        self._offered, self._newest_number = come, come - 1

    def next_kept(self) -> int:
        """Return the number of the next frame that the window will keep, or how many there are."""
        return bisect_left(self._frames.captured_s, self._next_due_s - 1e-6, self._offered)

    def ask_for_next(self) -> None:
        come, times_s = self._frames.come(), self._frames.captured_s
        if come < len(times_s):
            self._frames.clock.call_at(times_s[come], self._announce, come)

    def _announce(self, index: int) -> None:
        self._frames.announce(index)
        self.frame_arrived()

    def configure(self, capture_fps: float, max_frames: int) -> None:
        self.catch_up()
        super().configure(capture_fps, max_frames)
        self.on_change()

    def clear(self) -> None:
        self.catch_up()
        super().clear()
        self._newest_number = -1

    @property
    def newest(self) -> Frame | None:
        come = self._frames.come()
        number = self._newest_number if come == self._offered else come - 1
        return self._frames.frame(number) if number >= 0 else None

    def take(self, count: int, stride: int, newest: Frame | None = None) -> list[Frame]:
        self.catch_up()
        self._newest = self.newest
        return super().take(count, stride, newest)


class ForeseenCapture:
    """Stands for `Capture` where the frames are known ahead: it hands over those that somebody looks at."""

    problem = ""

    def __init__(
        self,
        frames: FramesAhead,
        window: ForeseenWindow,
        scene: ForeseenScene,
        commentary: CommentaryLoop,
        watching: Watching,
    ) -> None:
        self.from_s = frames.from_s
        self._frames, self._window, self._scene = frames, window, scene
        self._commentary, self._watching = commentary, watching
        self._wake = asyncio.Event()
        window.frame_arrived, window.on_change = commentary.frame_arrived, self._wake.set

    @property
    def frames(self) -> int:
        """How many frames have come."""
        return self._frames.come()

    async def run(self) -> None:
        """Hand over the frames that somebody looks at, until the last one has come."""
        try:
            last = len(self._frames) - 1
            done = -1
            while done < last:
                done = await self._until(min(self._next_looked_at(done + 1), last))
        finally:
            logger.info("source ended after %d frames", self.frames)
            self._watching.source_ended()
            self._commentary.source_ended()

    def _next_looked_at(self, first: int) -> int:
        """Return the number of the next frame, not before `first`, at which something may happen."""
        times_s = self._frames.captured_s
        found = bisect_left(times_s, self._watching.next_s - 1e-6, first)
        if self._commentary.settings.interrupt_threshold > 0:
            self._window.catch_up()
            found = min(found, max(first, self._window.next_kept()))
        return found

    def _has_come(self, index: int) -> None:
        self._frames.announce(index)
        self._wake.set()

    async def _until(self, index: int) -> int:
        """Wait for a frame and hand it over; return its number, or that of the last one where settings have changed."""
        self._wake.clear()
        timer = self._frames.clock.call_at(self._frames.captured_s[index], self._has_come, index)
        try:
            await self._wake.wait()
        finally:
            timer.cancel()
        if self._frames.come() <= index:
            return self._frames.come() - 1
        self._watching.offer(self._frames.frame(index))
        if self._commentary.settings.interrupt_threshold > 0:
            self._window.catch_up()
            pushed, change = self._scene.last
            if pushed == index:
                self._commentary.scene_changed(change)
        return index


class ForeseenDisplay:
    """Stands for `Display` where the frames are known ahead and nobody sees them: it only gives them their times."""

    dropped = 0  # in virtual time no frame is late, and a clip of tiny pictures fits into any buffer

    def __init__(
        self,
        frames: FramesAhead,
        delay: PictureDelay,
        players: PlayerGroup,
        headless: HeadlessPlayer,
        shown: ShownLog,
    ) -> None:
        self._frames, self._delay, self._players = frames, delay, players
        self._headless, self._shown_log = headless, shown
        self._open = self._busy = False
        self._sent = self._drawn = 0
        self._free_s = 0.0  # when the frame sent last is or was drawn, and the next one can be sent
        self._rows: list[tuple[int, float, float, float]] = []  # of frames that were not drawn yet
        self._sampler: Sampler | None = None
        delay.first_frame(frames.captured_s[0])
        delay.catch_up = self.catch_up

    @property
    def shown(self) -> int:
        """How many frames would have been drawn."""
        self.catch_up()
        return self._drawn

    @property
    def buffered(self) -> int:
        """How many frames would wait."""
        return self._frames.come() - self._sent

    async def run(self) -> None:
        """Wait until the last frame would have been drawn."""
        times_s = self._frames.captured_s
        await until_started(lambda: times_s[0], self._delay, self._players)
        self._free_s, self._open = self._frames.clock.time(), True
        await sleep_until(times_s[-1])
        self.catch_up()
        while self._sent < len(times_s):
            await sleep_until(max(self._free_s, times_s[self._sent]))
            self.catch_up()
        await sleep_until(self._free_s)
        self.catch_up()

    async def sample(self, sampler: Sampler) -> None:
        """Take the samples of the seconds that have passed, now and then, until cancelled."""
        self._sampler = sampler
        try:
            while True:
                await asyncio.sleep(_LOOK_EVERY_S)
                self.catch_up()
        finally:
            self.catch_up()

    def catch_up(self) -> None:
        """Take all samples that are due, and send all frames."""
        if self._busy or not self._frames.here:  # the delay asks while it moves on
            return
        self._busy = True
        now_s, sampler = self._frames.clock.time(), self._sampler
        if sampler is not None and sampler.next_s <= now_s:
            rows = []
            while (at_s := sampler.next_s) <= now_s:
                self._send(at_s)
                come = self._frames.come_by(at_s)
                rows.append(sampler.row(at_s, Counts(come, self._drawn, 0, come - self._sent)))
            sampler.write(rows)
        self._send(now_s)
        self._busy = False

    def _send(self, now_s: float) -> None:
        """Give all frames their times that have been sent by `now_s`."""
        times_s, delay = self._frames.captured_s, self._delay
        now_s += _MOMENT_S
        while self._open and (first := self._sent) < len(times_s):
            if (free_s := max(self._free_s, times_s[first])) > now_s:
                break
            # One after another while the delay moves; all whose turn has come while it rests.
            upto = first + 1
            if delay.rests:
                drawn_by_now = bisect_right(times_s, now_s - delay.applied_s, first) + 1
                upto = max(upto, min(drawn_by_now, bisect_right(times_s, now_s, first)))
            captured_s = times_s[first:upto]
            due_s = delay.due_all(captured_s)
            if self._shown_log.written:
                # A frame that is sent after its time is drawn at once. The last one is noted when it is drawn.
                drawn_s = due_s if due_s[0] >= free_s else [max(free_s, at_s) for at_s in due_s]
                self._rows += zip(range(first, upto), captured_s, due_s, drawn_s, strict=True)
            self._sent, self._free_s = upto, max(free_s, due_s[-1])
        self._note_drawn(now_s)

    def _note_drawn(self, now_s: float) -> None:
        """Note the frames that have been drawn by `now_s`: all that were sent but, it may be, the last."""
        drawn = self._sent - (self._free_s > now_s)
        if (more := drawn - self._drawn) <= 0:
            return
        self._drawn = self._headless.frames_drawn = drawn
        rows = self._rows[:more]
        del self._rows[:more]
        self._shown_log.drawn_all(rows, self._frames.pts_s[drawn - 1] - self._frames.pts_s[0])
