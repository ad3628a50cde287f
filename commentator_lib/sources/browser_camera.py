"""A camera in the viewer's browser as a source.

ipywebrtc holds the stream: its CameraStream is the camera of the page, and the streams of its rooms are the
cameras of other machines. ipywebrtc's own ImageRecorder makes a new video element for each shot and gives about one
frame a second, so this widget takes the frames out of the same MediaStream itself. At most two frames are under way:
without a limit, the frames would reach a slow kernel later and later. The stream's sound comes beside them where the
microphone is asked for.

The page says when it took each frame and each piece of sound, both by its own clock; media time counts from the first
frame on that clock, so that what happened at once has one media time whatever the way to the kernel took.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from pathlib import Path
from typing import Any

import anywidget
import ipywidgets
import numpy as np
import traitlets

from commentator_lib.jpeg import decode_jpeg
from commentator_lib.media import PLAYBACK_RATE_HZ, AudioChunk, Frame
from commentator_lib.sources.base import Source, SourceInfo
from commentator_lib.widget_messages import deliver_while_busy

_FOLDER = Path(__file__).parent
# The browser asks its user before it opens a camera, and users take their time.
_FIRST_FRAME_S = 60.0
# A page in the background may send less than one frame a second; a closed page sends none.
_NEXT_FRAME_S = 10.0
_WAITING_FRAMES = 4
# Sound that was not read; about 0.1 s in each piece.
_WAITING_SOUND = 20
# The page's clock and the kernel's differ by the way of a frame, which may take this long. More: it is another page's.
_SAME_CLOCK_S = 3.0
# Media time of frames grows by at least this.
_STEP_S = 0.001
_ARRIVALS_KEPT = 2000
_REFUSED = {
    "NotAllowedError": "the browser refused the camera: allow it for this page, and start again",
    "NotFoundError": "the browser found no camera",
    "NotReadableError": "the camera is in use by another program",
    "SecurityError": "the browser gives no camera to this page: open it over https or on localhost",
    "TypeError": "the browser gives no camera to this page: open it over https or on localhost",
}


class BrowserCamera(anywidget.AnyWidget):
    """Takes frames of at most `width` × `height` pixels out of `stream`, an ipywebrtc MediaStream.

        camera = BrowserCamera(ipywebrtc.CameraStream(constraints={"video": True, "audio": False}))
        session = LiveSession(camera.source()).start()

    `microphone`: take the stream's sound too; the stream has to be opened with `"audio": True` then.

    The notebook's page has to be open; the widget need not be shown. Where several pages are open, the frames of
    the page that sends first are taken.
    """

    _esm = _FOLDER / "browser_camera.js"
    stream = traitlets.Instance(ipywidgets.DOMWidget).tag(sync=True, **ipywidgets.widget_serialization)
    width = traitlets.Int(640, min=16, max=3840).tag(sync=True)
    height = traitlets.Int(360, min=16, max=2160).tag(sync=True)
    fps = traitlets.Float(30.0, min=1.0, max=60.0).tag(sync=True)
    microphone = traitlets.Bool(False).tag(sync=True)

    def __init__(self, stream: ipywidgets.DOMWidget, **traits: Any) -> None:
        super().__init__(stream=stream, **traits)
        self._source: BrowserCameraSource | None = None
        self._page: str | None = None
        self.on_msg(self._from_page)
        deliver_while_busy(self)

    def source(self) -> BrowserCameraSource:
        """Return a source for one session. The source that was returned before ends."""
        if self._source is not None:
            self._source.close()
        name = "browser camera with microphone" if self.microphone else "browser camera"
        info = SourceInfo(name, self.width, self.height, self.fps, None, live=True, has_sound=self.microphone)
        self._page = None
        self._source = BrowserCameraSource(info, self._end)
        self.send({"kind": "start"})
        return self._source

    def _end(self) -> None:
        self._source = None
        self.send({"kind": "stop"})

    def _from_page(self, _widget: Any, content: dict[str, Any], buffers: list) -> None:
        source, page, kind = self._source, str(content["page"]), content["kind"]
        if source is None:
            self.send({"kind": "stop"})
        elif kind == "hello":  # a page that was opened or reloaded meanwhile
            self.send({"kind": "start"})
        elif kind == "frame":
            self._page = self._page or page
            if page == self._page:
                source.offer(bytes(buffers[0]), float(content["taken"]))
                self.send({"kind": "got", "page": page, "seq": content["seq"]})
        elif kind == "sound":
            if page == self._page:
                source.offer_sound(bytes(buffers[0]), float(content["taken"]))
            self.send({"kind": "got sound", "page": page, "seq": content["seq"]})
        elif kind == "bye" and page == self._page:
            self._page = None  # another page, or this one once it has been reloaded, may take over
        elif kind == "problem" and self._page in (None, page):
            name = str(content["name"])
            known = _REFUSED.get(name)
            source.end(f"{known} ({name})" if known else f"the camera: {name}: {content['message']}")
        elif kind == "ended" and page == self._page:
            source.end("the camera was unplugged or switched off")


class BrowserCameraSource(Source):
    """The frames that a BrowserCamera sends, as a Source. Newer frames replace those that were not read in time."""

    def __init__(
        self,
        info: SourceInfo,
        on_close=lambda: None,
        first_frame_s=_FIRST_FRAME_S,
        next_frame_s=_NEXT_FRAME_S,
    ) -> None:
        self.info = info
        self.problem = ""
        self.skipped = 0
        # (taken, arrived) of the last frames, in Unix seconds: comparable where page and kernel are on one
        # machine.
        self.arrivals: deque[tuple[float, float]] = deque(maxlen=_ARRIVALS_KEPT)
        self._on_close = on_close
        self._first_frame_s, self._next_frame_s = first_frame_s, next_frame_s
        self._arrived = threading.Condition()
        self._frames: deque[tuple[bytes, float]] = deque()  # JPEG, taken
        self._sound: deque[tuple[bytes, float]] = deque(maxlen=_WAITING_SOUND)  # int16 samples, taken
        self._index = 0
        self._started_s: float | None = None
        self._taken_at_zero_s = 0.0  # Unix time on the page's clock at which media time is 0
        self._last_pts_s = 0.0
        self._over = False

    def offer(self, jpeg: bytes, taken_unix_s: float) -> None:
        """Take a frame that has arrived. May be called from any thread."""
        with self._arrived:
            self.arrivals.append((taken_unix_s, time.time()))
            self._frames.append((jpeg, taken_unix_s))
            if len(self._frames) > _WAITING_FRAMES:
                self._frames.popleft()
                self.skipped += 1
            self._arrived.notify()

    def offer_sound(self, samples: bytes, taken_unix_s: float) -> None:
        """Take sound that has arrived: int16, left and right in turn, 48 kHz. May be called from any thread.

        `taken_unix_s` is when its first sample was taken, by the clock of the frames' `taken`.
        """
        with self._arrived:
            self._sound.append((samples, taken_unix_s))

    def end(self, problem: str = "") -> None:
        """End the source: a read under way returns None. May be called from any thread."""
        with self._arrived:
            self.problem = self.problem or problem
            self._over = True
            self._arrived.notify()

    interrupt = end

    def read(self, not_before_s: float = 0.0) -> Frame | None:
        while True:
            with self._arrived:
                limit_s = self._next_frame_s if self._index else self._first_frame_s
                self._arrived.wait_for(lambda: self._frames or self._over, limit_s)
                if self._over:
                    return None
                if not self._frames:
                    self.problem = f"no picture came from the browser for {limit_s:g} s"
                    return None
                jpeg, taken_s = self._frames.popleft()
            if (image := decode_jpeg(jpeg)) is None:
                self.skipped += 1
                continue
            frame = Frame(self._index, self._pts_s(taken_s), float("nan"), image)
            self._index += 1
            return frame

    def _pts_s(self, taken_s: float) -> float:
        """Return the media time of the next frame, which the page took at `taken_s`."""
        # 1) Another page has another clock: media time goes on there by the time that has passed here.
        now = time.monotonic()
        if self._started_s is None:
            self._started_s, self._taken_at_zero_s = now, taken_s
        here_s = now - self._started_s
        with self._arrived:
            if abs(taken_s - self._taken_at_zero_s - here_s) > _SAME_CLOCK_S:
                self._taken_at_zero_s = taken_s - here_s
                self._sound.clear()
        # 2) It only grows.
        first = self._index == 0
        pts_s = 0.0 if first else max(taken_s - self._taken_at_zero_s, self._last_pts_s + _STEP_S)
        self._last_pts_s = pts_s
        return pts_s

    def read_sound(self) -> list[AudioChunk]:
        if self._index == 0:  # what is heard before the first picture belongs to none
            return []
        with self._arrived:
            arrived = list(self._sound)
            self._sound.clear()
        chunks = []
        for samples, taken_s in arrived:
            pcm = np.frombuffer(samples, np.int16).reshape(-1, 2)
            from_s = taken_s - self._taken_at_zero_s
            early = max(0, round(-from_s * PLAYBACK_RATE_HZ))
            if early < len(pcm):
                chunks.append(AudioChunk(pcm[early:], PLAYBACK_RATE_HZ, from_s + early / PLAYBACK_RATE_HZ))
        return chunks

    def close(self) -> None:
        if not self._over:
            self.end()
        self._on_close()
