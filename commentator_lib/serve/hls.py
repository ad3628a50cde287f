"""HLS for phones and TVs: `/live.m3u8`, with picture, mix and captions (WebVTT) in segments of two seconds.

FFmpeg's own muxer writes the segments into a temporary folder and deletes the old ones. It starts with the first
request and ends `IDLE_S` after the last; while nobody watches, nothing is encoded.
"""

from __future__ import annotations

import asyncio
import logging
import re
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

from fastapi import APIRouter, HTTPException, Response

from commentator_lib.errors import named_first_line
from commentator_lib.serve.feed import HOLD_S, Feed, Subscription
from commentator_lib.serve.live_video import KEY_EVERY_S, LiveVideo, subscribe_to_all

logger = logging.getLogger(__name__)

IDLE_S = 30.0
_SEGMENTS = 6  # in the playlist; FFmpeg keeps as many and one more behind them
_READY_WITHIN_S = 25.0
_NAME = re.compile(r"[a-z]+_?[0-9]*(?:_vtt)?\.(?:m3u8|ts|vtt)")
_TYPES = {".m3u8": "application/vnd.apple.mpegurl", ".ts": "video/mp2t", ".vtt": "text/vtt"}
_MASTER = "master.m3u8"


class HlsOutput:
    """Segments of a feed in a temporary folder, while they are asked for; `close` ends it at once.

    `is_running` tells whether a run is going on, which may not have shown anything yet.
    """

    def __init__(
        self, feed: Feed, is_running: Callable[[], bool] = lambda: False, idle_s: float = IDLE_S
    ) -> None:
        self.folder: Path | None = None  # while it runs
        self._feed, self._is_running, self._idle_s = feed, is_running, idle_s
        self._lock = threading.Lock()
        self._asked_s = feed.clock()
        self._thread: threading.Thread | None = None
        self._closed = threading.Event()

    def ask(self) -> None:
        """Note that somebody watches, and start if nobody did."""
        with self._lock:
            self._asked_s = self._feed.clock()
            if self._thread is None and not self._closed.is_set():
                new = threading.Event()
                subscription = subscribe_to_all(self._feed, new.set)
                work = threading.Thread(target=self._work, args=(subscription, new), name="hls", daemon=True)
                self._thread = work
                work.start()

    @property
    def is_to_come(self) -> bool:
        """Whether there is a picture, or a run that will have one."""
        return self._is_running() or self._feed.latest() is not None

    def read(self, name: str) -> bytes | None:
        """Return a file of the folder, None where there is no such one (any more)."""
        folder = self.folder
        if folder is None or not _NAME.fullmatch(name):
            return None
        try:
            return (folder / name).read_bytes()
        except FileNotFoundError:
            return None

    def master(self) -> str | None:
        """Return the master playlist once there is a first segment, with paths below `/live`."""
        master, playlist = self.read(_MASTER), self.read("live_0.m3u8")
        if master is None or playlist is None or b"#EXTINF" not in playlist:
            return None
        text = re.sub(r'(?m)^(?=[a-z])|(?<=URI=")', "live/", master.decode())
        return text.replace("DEFAULT=YES", "DEFAULT=YES,AUTOSELECT=YES")

    def close(self) -> None:
        """End it, and remove the folder."""
        with self._lock:
            self._closed.set()
            thread = self._thread
        if thread is not None:
            thread.join(2.0)

    def _work(self, subscription: Subscription, new: threading.Event) -> None:
        try:
            with subscription, tempfile.TemporaryDirectory(prefix="commentator-hls-") as name:
                self.folder = Path(name)
                video = self._video(self.folder)
                while not self._is_over(subscription.closed):
                    new.wait(0.5)
                    new.clear()
                    video.take(subscription.take())
                self.folder = None
                video.close()
        except Exception as error:  # a full disk; the session goes on
            logger.error("HLS has ended: %s", named_first_line(error))
        finally:
            with self._lock:
                self.folder = self._thread = None

    def _is_over(self, feed_ended: bool) -> bool:
        return feed_ended or self._closed.is_set() or self._feed.clock() - self._asked_s > self._idle_s

    def _video(self, folder: Path) -> LiveVideo:
        muxer = {
            "hls_time": f"{KEY_EVERY_S:g}",
            "hls_list_size": str(_SEGMENTS),
            "hls_flags": "delete_segments+independent_segments+temp_file",
            "hls_segment_filename": str(folder / "part_%d.ts"),
            "var_stream_map": "v:0,a:0,s:0,sgroup:captions,sname:Commentary",
            "master_pl_name": _MASTER,
        }
        begins_s = self._feed.clock() - HOLD_S
        return LiveVideo(self._feed, folder / "live_%v.m3u8", "hls", muxer, begins_s, draws_captions=False)


def router(hls: HlsOutput) -> APIRouter:
    """Return the routes of `/live.m3u8` and of what it names."""
    routes = APIRouter(tags=["streams"])

    @routes.get(
        "/live.m3u8",
        response_class=Response,
        responses={
            200: {"content": {_TYPES[".m3u8"]: {}}, "description": "The master playlist."},
            503: {"description": "Nothing is shown yet."},
        },
    )
    async def live() -> Response:
        """Return the playlist of the live picture with the mix and captions; the first request starts it."""
        loop = asyncio.get_running_loop()
        until_s = loop.time() + _READY_WITHIN_S
        while hls.is_to_come:
            hls.ask()
            if (text := await asyncio.to_thread(hls.master)) is not None:
                return Response(text, media_type=_TYPES[".m3u8"], headers={"Cache-Control": "no-cache"})
            if loop.time() > until_s:
                break
            await asyncio.sleep(0.2)
        raise HTTPException(503, "nothing is shown yet", {"Retry-After": "5"})

    @routes.get(
        "/live/{name}",
        response_class=Response,
        responses={
            200: {
                "content": {kind: {} for kind in _TYPES.values()},
                "description": "A playlist or a segment.",
            },
            404: {"description": "There is no such file any more."},
        },
    )
    async def part(name: str) -> Response:
        """Return a playlist or a segment that `/live.m3u8` leads to."""
        data = await asyncio.to_thread(hls.read, name)
        if data is None:
            raise HTTPException(404, "no such segment: it was deleted, or nobody has asked for /live.m3u8")
        if name.endswith(".m3u8"):
            hls.ask()
        return Response(data, media_type=_TYPES[Path(name).suffix], headers={"Cache-Control": "no-cache"})

    return routes
