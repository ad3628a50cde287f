"""Capture: read the source on a thread of its own and hand each frame to every part that needs it.

Every frame goes to the display buffer (for the viewers); at the capture rate one goes to the window (for the
model) and to the scene tracker. The source's sound goes to the programme's delay and to the watchers.
"""

from __future__ import annotations

import asyncio
import logging
import math
import threading
from collections import deque
from collections.abc import Callable

from commentator_lib.buffers import DisplayBuffer, SlidingWindow
from commentator_lib.clock import Worker, sleep_until
from commentator_lib.commentary.loop import CommentaryLoop
from commentator_lib.errors import named_first_line
from commentator_lib.media import AudioChunk, Frame
from commentator_lib.pacing.delay import PictureDelay
from commentator_lib.scene import SceneTracker
from commentator_lib.sources.base import ImageError, Source
from commentator_lib.sources.recording import SourceRecorder
from commentator_lib.sources.switching import SwitchingSource
from commentator_lib.stages.programme import Programme, SoundClock
from commentator_lib.stages.watching import Watching

logger = logging.getLogger(__name__)

# A reader that is late by this many seconds has fallen behind real time, and skips to the present.
_BEHIND_S = 0.1


class Capture:
    """Source → display buffer, window, scene and recording. `frames` counts them, `problem` says why it ended early."""

    def __init__(
        self,
        source: SwitchingSource,
        worker: Worker,
        display: DisplayBuffer,
        window: SlidingWindow,
        scene: SceneTracker,
        delay: PictureDelay,
        commentary: CommentaryLoop,
        watching: Watching,
        programme: Programme | None,
        recorder: SourceRecorder | None,
        duration_s: float | None,
        stop: threading.Event,
        next_recorder: Callable[[], SourceRecorder | None],
    ) -> None:
        self.frames = 0
        self.problem = ""
        self.from_s = (
            asyncio.get_running_loop().time()
        )  # clock time at which a file's first frame counts as captured
        self._source = source
        self._worker = worker
        self._display = display
        self._window = window
        self._scene = scene
        self._delay = delay
        self._commentary = commentary
        self._watching = watching
        self._programme = programme
        self._sound_clock = SoundClock()
        self._unheard: deque[tuple[AudioChunk, float]] = deque()  # read ahead of the picture
        self._recorder = recorder
        self._duration_s = duration_s
        self._stop = stop
        self._first_pts_s: float | None = None
        self._outages = len(source.outages)
        # Another source in mid-run: its media times are shifted, so that they go on with the clock.
        self._next_recorder = next_recorder
        self._part = source.part
        self._anchor_s = self.from_s
        self._shift_s = self._offset_s = 0.0

    async def run(self) -> None:
        """Read until the source ends, `duration_s` of a live source have passed, or `stop` is set.

        Raise ImageError where the first frame is no picture: nothing that follows would be one.
        """
        loop = asyncio.get_running_loop()
        self.from_s = self._anchor_s = loop.time()
        not_before_s = 0.0
        try:
            while not self._stop.is_set():
                # 1) Take the next frame as soon as it is there; leave out one that is far too late.
                frame, sound = await self._worker.call(_read, self._source, not_before_s)
                if frame is None:
                    if self.frames:
                        self._hand_over_sound(sound)
                    break
                self._note_switch(frame)
                # 2) Set its time of capture: a live source's own, or now; for a file when a camera would have given it.
                captured_s = loop.time()
                if self._source.info.live:
                    if self._duration_s is not None and captured_s - self.from_s >= self._duration_s:
                        break
                    if math.isfinite(frame.captured_at_s):
                        captured_s = frame.captured_at_s
                    self._note_return()
                else:
                    captured_s = self._due_s(frame)
                    behind_s = loop.time() - captured_s
                    not_before_s = frame.pts_s + behind_s if behind_s > _BEHIND_S else 0.0
                    if behind_s < 0:
                        await sleep_until(captured_s)
                # 3) Hand it to every part that needs it, and the sound that came with it.
                frame = Frame(frame.index, frame.pts_s + self._shift_s, captured_s, frame.image)
                self._offset_s = captured_s - frame.pts_s
                self._sound_clock.frame(frame)
                self._hand_over_sound(sound)
                await self._hand_over(frame)
        except ImageError as error:
            if self.frames == 0:
                raise
            self.problem = str(error)
        except Exception as error:  # a source may fail in any way; the frames before are still commented
            self.problem = named_first_line(error)
        finally:
            reason = self.problem or self._source.problem or ("stopped" if self._stop.is_set() else "its end")
            logger.info("source ended after %d frames: %s", self.frames, reason)
            if self._source.info.live:
                self._source.interrupt()  # what still comes while the run ends is not one of its frames
            self._display.close()
            self._watching.source_ended()
            if self._programme is not None:
                self._programme.source_ended()
            self._commentary.source_ended()

    def _due_s(self, frame: Frame) -> float:
        """Return the clock time at which a frame of a file would have come from a camera, to the microsecond.

        It does not depend on when this code runs, so that the picture does not jitter.
        """
        self._first_pts_s = frame.pts_s if self._first_pts_s is None else self._first_pts_s
        return self._anchor_s + frame.pts_s - self._first_pts_s

    def _note_switch(self, frame: Frame) -> None:
        """Let everything begin anew where this is the first frame of another source."""
        if self._source.part == self._part:
            return
        self._part, self._first_pts_s = self._source.part, None
        stamped = self._source.info.live and math.isfinite(frame.captured_at_s)
        self._anchor_s = frame.captured_at_s if stamped else asyncio.get_running_loop().time()
        self._shift_s = self._anchor_s - frame.pts_s - self._offset_s
        self._sound_clock = SoundClock()
        self._recorder = self._next_recorder()
        self._watching.source_changed()
        self._commentary.source_returned()
        logger.info("source switched to %s", self._source.info.spec)

    def _note_return(self) -> None:
        """Let the commentary begin anew where the source was away before this frame."""
        if (outages := len(self._source.outages)) > self._outages:
            self._outages = outages
            self._commentary.source_returned()

    def _hand_over_sound(self, sound: list[AudioChunk]) -> None:
        """Pass sound on with the clock time at which it was captured."""
        for chunk in sound:
            chunk = AudioChunk(chunk.samples, chunk.sample_rate_hz, (chunk.from_s or 0.0) + self._shift_s)
            from_s = self._sound_clock.captured_s(chunk.from_s or 0.0)
            if self._programme is not None:
                self._programme.captured(chunk.samples, from_s)
            if self._recorder is not None:
                self._recorder.push_sound(chunk.samples, from_s)
            self._unheard.append((chunk, from_s))
        # A file is read a little ahead; watchers hear nothing before its time.
        now_s = asyncio.get_running_loop().time()
        while self._unheard and self._unheard[0][1] + self._unheard[0][0].duration_s <= now_s + 1e-3:
            self._watching.offer_sound(*self._unheard.popleft())

    async def _hand_over(self, frame: Frame) -> None:
        if self.frames == 0:
            self._delay.first_frame(frame.captured_at_s)
        self.frames += 1
        if self._recorder is not None:
            self._recorder.push(frame)
        self._display.push(frame)
        self._watching.offer(frame)
        kept = self._window.offer(frame)
        self._commentary.frame_arrived()
        if kept:
            self._commentary.scene_changed(await self._worker.call(self._scene.push, frame))


def _read(source: Source, not_before_s: float) -> tuple[Frame | None, list[AudioChunk]]:
    """Return the next frame, and the sound that has come with it."""
    frame = source.read(not_before_s)
    return frame, source.read_sound() if source.info.has_sound else []
