"""A video that another program writes into a pipe: `ffmpeg … -f mpegts - | commentator run -`."""

from __future__ import annotations

import contextlib
import itertools
import os
import selectors
import sys
import threading
import time
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING

import numpy as np

from commentator_lib.media import AudioChunk
from commentator_lib.sources.base import SourceError
from commentator_lib.sources.decoding import OpenVideo, Pictures, seconds
from commentator_lib.sources.live import LiveSource
from commentator_lib.sources.plain_reasons import plain_reason

if TYPE_CHECKING:
    import av

# The first bytes must come within this time.
_FIRST_BYTES_S = 30.0
# Looked at for so long, a pipe that gets this far ahead of the time holds what was stored before.
_LOOKED_AT_S, _AHEAD_S = 0.5, 0.5
_STEP_S = 0.2
_BLOCK_BYTES = 1 << 16


class PipeReader:
    """Hands a pipe on to FFmpeg through one of its own, `address`, so that a read that waits ends with `stop`."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self._pipe = pipe
        self._stopped = threading.Event()
        self._closed = False
        self._can_wait = _can_wait_for(pipe)
        self._out, self._in = os.pipe()
        self.address = f"pipe:{self._out}"
        self._thread = threading.Thread(target=self._hand_on, name="pipe", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def _hand_on(self) -> None:
        with open(self._in, "wb", buffering=0) as into, contextlib.suppress(BrokenPipeError):
            while not self._stopped.is_set():
                if not self._can_wait or _is_readable(self._pipe, _STEP_S):
                    data = os.read(self._pipe.fileno(), _BLOCK_BYTES)
                    if not data:
                        return
                    while data:
                        data = data[into.write(data) or 0 :]

    def wait(self, most_s: float) -> bool:
        """Return whether something is there to be read within a time, its end included."""
        return not self._can_wait or _is_readable(self._pipe, most_s)

    def stop(self) -> None:
        """Let FFmpeg find the end."""
        self._stopped.set()

    def close(self) -> None:
        """Give back what was opened, once FFmpeg does not read any more; the pipe itself stays open."""
        if self._closed:
            return
        self._closed = True
        self.stop()
        os.close(self._out)
        if self._thread.ident is None:
            os.close(self._in)
        else:
            self._thread.join(2 * _STEP_S)


def _can_wait_for(pipe: IO[bytes]) -> bool:
    """Return whether one can wait for a pipe to have something: not for files, and not on every system."""
    with selectors.DefaultSelector() as selector:
        try:
            selector.register(pipe, selectors.EVENT_READ)
        except (OSError, ValueError):
            return False
    return True


def _is_readable(pipe: IO[bytes], most_s: float) -> bool:
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        return bool(selector.select(most_s))


class PipedPictures(Pictures):
    """The pictures of a pipe. It cannot be opened again, but it can be read on: each `again` ends the one before."""

    has_end = True

    def __init__(self, reader: PipeReader, max_px: int, sound_track: int) -> None:
        self._begun_s = time.monotonic()
        self._reader = reader
        self._video = OpenVideo("-", max_px, "cannot be read", reader.address, sound_track)
        self.shown, self.fps = "-", self._video.fps
        self.has_sound, self.codec = self._video.has_sound, self._video.codec
        self._reading = threading.Lock()
        self._turn = 0
        self._ended = False
        self._pictures = self._look()

    def again(self, _patience_s: float = 0.0) -> PipedPictures:
        """Return itself, for another thread that reads on."""
        self._turn += 1
        return self

    def _look(self) -> Iterator[av.VideoFrame]:
        """Find out whether pictures come faster than they were made, and return them all."""
        from av.error import FFmpegError

        pictures = self._video.pictures()
        looked_at: list[av.VideoFrame] = []
        until_s = 0.0
        try:
            for picture in pictures:
                looked_at.append(picture)
                spent_s = time.monotonic() - self._begun_s
                self.is_stored = comes_faster(_span_s(looked_at), spent_s)
                until_s = until_s or spent_s + _LOOKED_AT_S
                if self.is_stored or spent_s > until_s:
                    break
        except (FFmpegError, ValueError) as error:
            self._video.close()
            raise SourceError(f"- breaks off ({plain_reason(error)})") from None
        return itertools.chain(looked_at, pictures)

    def pictures(self) -> Iterator[av.VideoFrame]:
        """Yield the pictures that nobody has taken yet, until somebody else reads on."""
        turn = self._turn
        while turn == self._turn:
            if not self._reading.acquire(timeout=_STEP_S):
                continue
            try:
                picture = next(self._pictures, None)
            finally:
                self._reading.release()
            if picture is None:
                return
            yield picture

    def image(self, picture: av.VideoFrame) -> tuple[np.ndarray, av.VideoFrame | None]:
        self._video.wants_images = self.wants_images
        return self._video.image(picture)

    def take_sound(self, zero_s: float) -> list[AudioChunk]:
        return self._video.take_sound(zero_s)

    def decode_less(self, level: int) -> None:
        self._video.decode_less(level)

    def close(self) -> None:
        """Do nothing while another thread may read on; `end` closes it."""

    def end(self) -> None:
        """Stop reading, and give back what FFmpeg holds, if no thread reads any more."""
        if self._ended:
            return
        self._ended = True
        self._turn += 1
        self._reader.stop()
        if self._reading.acquire(timeout=1.0):
            self._video.close()
            self._reader.close()


class PipeSource(LiveSource):
    """A live source out of a pipe."""

    def __init__(self, pictures: PipedPictures, reconnect_for_s: float = 300.0) -> None:
        self._piped = pictures
        super().__init__(pictures, pictures.again, reconnect_for_s)

    def interrupt(self) -> None:
        super().interrupt()
        self._piped.end()


def comes_faster(span_s: float, spent_s: float) -> bool:
    """Return whether pictures that span so much time have come in so little that they were stored before."""
    return span_s - spent_s > _AHEAD_S


def _span_s(pictures: list[av.VideoFrame]) -> float:
    first_s, last_s = (seconds(picture.pts, picture.time_base) for picture in (pictures[0], pictures[-1]))
    return 0.0 if first_s is None or last_s is None else last_s - first_s


def open_pipe(
    max_px: int = 1280,
    sound_track: int = -1,
    reconnect_for_s: float = 300.0,
    pipe: IO[bytes] | None = None,
    first_bytes_s: float = _FIRST_BYTES_S,
) -> PipeSource:
    """Return the source of what another program writes into `pipe`, standard input by default.

    Raise SourceError where nothing is written, or what is written is no video.
    """
    if pipe is None and sys.stdin is not None:
        pipe = sys.stdin.buffer
    if pipe is None or pipe.isatty():
        raise SourceError("- reads a video from a pipe: ffmpeg … -f mpegts - | commentator run -")
    reader = PipeReader(pipe)
    if not reader.wait(first_bytes_s):
        reader.close()
        raise SourceError(f"- gives no picture: nothing came for {first_bytes_s:g} s")
    reader.start()
    try:
        return PipeSource(PipedPictures(reader, max_px, sound_track), reconnect_for_s)
    except SourceError:
        reader.close()
        raise
