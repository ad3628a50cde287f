"""Capture: read the source on a thread of its own and hand each frame to every part that needs it.

Every frame goes to the display buffer (for the viewers); at the capture rate one goes to the window (for the
model) and to the scene tracker.
"""

from __future__ import annotations

import asyncio
import logging
import threading

from commentator_lib.buffers import DisplayBuffer, SlidingWindow
from commentator_lib.clock import Worker, sleep_until
from commentator_lib.commentary.loop import CommentaryLoop
from commentator_lib.errors import named_first_line
from commentator_lib.media import Frame
from commentator_lib.pacing.delay import PictureDelay
from commentator_lib.scene import SceneTracker
from commentator_lib.sources.base import ImageError, Source, check_frame
from commentator_lib.sources.recording import SourceRecorder
from commentator_lib.stages.watching import Watching

logger = logging.getLogger(__name__)

# A reader that is late by this many seconds has fallen behind real time, and skips to the present.
_BEHIND_S = 0.1


class Capture:
    """Source → display buffer, window, scene and recording. `frames` counts them, `problem` says why it ended early."""

    def __init__(
        self,
        source: Source,
        worker: Worker,
        display: DisplayBuffer,
        window: SlidingWindow,
        scene: SceneTracker,
        delay: PictureDelay,
        commentary: CommentaryLoop,
        watching: Watching,
        recorder: SourceRecorder | None,
        duration_s: float | None,
        stop: threading.Event,
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
        self._recorder = recorder
        self._duration_s = duration_s
        self._stop = stop
        self._first_pts_s: float | None = None

    async def run(self) -> None:
        """Read until the source ends, `duration_s` of a live source have passed, or `stop` is set.

        Raise ImageError where the first frame is no picture: nothing that follows would be one.
        """
        loop = asyncio.get_running_loop()
        self.from_s = loop.time()
        not_before_s = 0.0
        try:
            while not self._stop.is_set():
                # 1) Take the next frame as soon as it is there; leave out one that is far too late.
                frame = await self._worker.call(self._source.read, not_before_s)
                if frame is None:
                    break
                check_frame(frame)
                # 2) Set its time of capture: now for a live source, for a file when a camera would have given it.
                captured_s = loop.time()
                if self._source.info.live:
                    if self._duration_s is not None and captured_s - self.from_s >= self._duration_s:
                        break
                else:
                    captured_s = self._due_s(frame)
                    behind_s = loop.time() - captured_s
                    not_before_s = frame.pts_s + behind_s if behind_s > _BEHIND_S else 0.0
                    if behind_s < 0:
                        await sleep_until(captured_s)
                # 3) Hand it to every part that needs it.
                await self._hand_over(Frame(frame.index, frame.pts_s, captured_s, frame.image))
        except ImageError as error:
            if self.frames == 0:
                raise
            self.problem = str(error)
        except Exception as error:  # a source may fail in any way; the frames before are still commented
            self.problem = named_first_line(error)
        finally:
            reason = self.problem or self._source.problem or ("stopped" if self._stop.is_set() else "its end")
            logger.info("source ended after %d frames: %s", self.frames, reason)
            self._display.close()
            self._watching.source_ended()
            self._commentary.source_ended()

    def _due_s(self, frame: Frame) -> float:
        """Return the clock time at which a frame of a file would have come from a camera, to the microsecond.

        It does not depend on when this code runs, so that the picture does not jitter.
        """
        self._first_pts_s = frame.pts_s if self._first_pts_s is None else self._first_pts_s
        return self.from_s + frame.pts_s - self._first_pts_s

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
