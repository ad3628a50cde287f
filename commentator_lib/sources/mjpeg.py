"""Cameras that send JPEG pictures over HTTP: as parts of one endless answer, or one picture for each request.

FFmpeg's reader goes by boundaries and lengths, which many cameras get wrong. This one goes by the pictures: a JPEG
file says by itself where it begins and ends.
"""

from __future__ import annotations

import http.client
import logging
import selectors
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from commentator_lib.redact import redact_url
from commentator_lib.sources.base import SourceError
from commentator_lib.sources.decoding import NO_IMAGE, Pictures, turns_of, upright_rgb
from commentator_lib.sources.jpeg_cutter import NO_PICTURE_BYTES, PICTURE_MAX_BYTES, START, PictureCutter
from commentator_lib.sources.login import Login, split_login
from commentator_lib.sources.plain_reasons import plain_reason
from commentator_lib.sources.web import handlers_of, request_of

if TYPE_CHECKING:
    import av

logger = logging.getLogger(__name__)

_STREAM_TYPES = (
    "multipart/x-mixed-replace",
    "multipart/mixed",
    "video/x-motion-jpeg",
    "video/x-mjpeg",
    "video/mjpeg",
)
_SNAPSHOT_TYPES = ("image/jpeg", "image/jpg", "image/pjpeg")
# Statuses that FFmpeg would get, too; after any other it may try, with options of its own.
_FINAL_STATUS = (401, 404, 410)
_BLOCK_BYTES, _BLOCKS_AT_ONCE = 1 << 16, 64
# So many pictures that cannot be decoded, one after another, end the source.
_BAD_PICTURES = 25
# The rate is measured over the first pictures, for so long at most.
_MEASURED_S, _MEASURED_PICTURES = 0.6, 6
# A server of single pictures is asked again after so long: sooner while each picture differs from the one before.
_ASK_AFTER_S = 1.0
_ASK_AFTER_RANGE_S = (0.2, 5.0)


class MjpegPictures(Pictures):
    """The pictures of one endless answer. `left_out` counts those that had a newer one behind them when they came."""

    codec = "mjpeg"
    transport = "one endless answer of JPEG pictures"

    def __init__(self, name: str, response: Any, max_px: int) -> None:
        self.shown = redact_url(name)
        self.left_out = 0
        self._response, self._max_px = response, max_px
        self._socket = _socket_of(response)
        self._cutter = PictureCutter()
        self._decoder = _JpegDecoder()
        self._ready: list[bytes] = []
        self._measure()

    def _measure(self) -> None:
        """Set `fps` from the first pictures; of these only the newest is kept."""
        begun_s, arrived_s = time.monotonic(), []
        while len(arrived_s) < _MEASURED_PICTURES:
            left_s = begun_s + _MEASURED_S - time.monotonic()
            if left_s <= 0 or not self._has_more(left_s):
                break
            try:
                data = self._response.read1(_BLOCK_BYTES)
            except (OSError, http.client.HTTPException):
                break  # it comes again when the pictures are read
            if not data:
                break
            if pictures := self._cutter.cut(data):
                self._ready = pictures[-1:]
                arrived_s.append(time.monotonic())
        self.fps = measured_fps(arrived_s, self.fps)

    def pictures(self) -> Iterator[av.VideoFrame]:
        """Yield each picture as soon as its last byte is there, but only the newest of those that wait."""
        bytes_without = 0
        while True:
            # 1) What has come by now: decoding may take longer than a picture lasts.
            for _ in range(_BLOCKS_AT_ONCE):
                if self._ready and not self._has_more(0.0):
                    break
                data = _read(self._response)
                if not data:
                    yield from self._decode_newest()
                    return
                self._ready += self._cutter.cut(data)
                bytes_without = 0 if self._ready else bytes_without + len(data)
                if bytes_without > NO_PICTURE_BYTES:
                    raise ValueError("what comes holds no JPEG pictures")
            # 2) The newest picture of it.
            yield from self._decode_newest()

    def _decode_newest(self) -> Iterator[av.VideoFrame]:
        waiting, self._ready = self._ready, []
        self.left_out += max(0, len(waiting) - 1)
        for jpeg in waiting[-1:]:
            yield from self._decoder.decode(jpeg)

    def _has_more(self, wait_s: float) -> bool:
        """Return whether more has come, its end included, or comes within that time."""
        if self._socket is None:
            return False
        if self._socket.fileno() < 0:  # closed at the end
            return True
        with selectors.DefaultSelector() as selector:
            selector.register(self._socket, selectors.EVENT_READ)
            return bool(selector.select(wait_s))

    def image(self, picture: av.VideoFrame) -> tuple[np.ndarray, av.VideoFrame | None]:
        return rgb_image(picture, self._max_px, self.wants_images)

    def close(self) -> None:
        self._response.close()


class SnapshotPictures(Pictures):
    """The pictures of a server that sends one for each request: it is asked again and again.

    `ask` returns an open answer; `first` is one that is there.
    """

    codec = "mjpeg"
    transport = "one JPEG picture for each request"
    fps = 1.0 / _ASK_AFTER_RANGE_S[0]

    def __init__(self, name: str, first: Any, ask: Callable[[], Any], max_px: int) -> None:
        self.shown = redact_url(name)
        self._response, self._ask, self._max_px = first, ask, max_px
        self._decoder = _JpegDecoder()
        self._closed = False

    def pictures(self) -> Iterator[av.VideoFrame]:
        """Yield each picture that is sent, also one that has not changed: the camera is there."""
        wait_s, last = _ASK_AFTER_S, b""
        while not self._closed:
            asked_s = time.monotonic()
            jpeg = self._fetch()
            yield from self._decoder.decode(jpeg)
            wait_s = next_wait_s(wait_s, jpeg != last)
            last = jpeg
            time.sleep(max(0.0, asked_s + wait_s - time.monotonic()))

    def _fetch(self) -> bytes:
        response, self._response = self._response, None
        try:
            response = self._ask() if response is None else response
            with response:
                return response.read(PICTURE_MAX_BYTES)
        except (OSError, http.client.HTTPException) as error:
            raise ValueError(plain_reason(error)) from error

    def image(self, picture: av.VideoFrame) -> tuple[np.ndarray, av.VideoFrame | None]:
        return rgb_image(picture, self._max_px, self.wants_images)

    def close(self) -> None:
        self._closed = True
        if self._response is not None:
            self._response.close()


class _JpegDecoder:
    """Decodes single pictures. Raise ValueError where none of many can be decoded."""

    def __init__(self) -> None:
        from av import CodecContext

        self._codec: Any = CodecContext.create("mjpeg", "r")
        self._codec.thread_count = 1  # several threads would hold pictures back
        self._bad = 0

    def decode(self, jpeg: bytes) -> Iterator[av.VideoFrame]:
        """Yield the picture, without a time stamp; nothing where it is damaged."""
        from av import Packet
        from av.error import FFmpegError

        frames = []
        try:
            if jpeg.startswith(START):  # an empty packet would end the decoder
                frames = self._codec.decode(Packet(jpeg))
        except FFmpegError as error:
            logger.debug("a picture of %d bytes: %s", len(jpeg), error)
        self._bad = 0 if frames else self._bad + 1
        if self._bad:
            logger.info(
                "%d pictures in turn could not be decoded, the last of %d bytes", self._bad, len(jpeg)
            )
        if self._bad >= _BAD_PICTURES:
            raise ValueError(f"the last {self._bad} pictures cannot be decoded")
        for frame in frames:
            frame.pts = None
            yield frame


def open_mjpeg(
    name: str,
    max_px: int = 1280,
    options: Mapping[str, str] | None = None,
    timeout_s: tuple[float, float] = (10.0, 30.0),
) -> Pictures | None:
    """Return the pictures of a camera at an HTTP address; None where the server sends something else.

    `options` are FFmpeg's: of these, `tls_verify`, `http_proxy` and what goes into the request's head count here, too.
    `timeout_s` is for the opening and for each wait afterwards. Raise SourceError where nobody answers, or not without
    another password.
    """
    bare, login = split_login(name)
    options = options or {}
    opener = _opener(bare, login, options)
    request = request_of(bare, options)

    def ask() -> Any:
        response = opener.open(request, timeout=timeout_s[0])
        if (socket := _socket_of(response)) is not None:
            socket.settimeout(timeout_s[1])
        return response

    begun_s = time.monotonic()
    try:
        response = ask()
    except urllib.error.HTTPError as error:
        if error.fp is not None:
            error.close()
        if error.code not in _FINAL_STATUS:
            return None
        error.filename = name  # whether there was a password decides the words
        raise SourceError(_failure(name, error, begun_s)) from None
    except (ssl.SSLError, http.client.HTTPException, ValueError):
        return None  # no HTTP, or no address: FFmpeg may know better
    except OSError as error:
        inner = error.reason if isinstance(error, urllib.error.URLError) else error
        if isinstance(inner, (ssl.SSLError, http.client.HTTPException, str)):
            return None
        raise SourceError(_failure(name, inner, begun_s)) from None
    kind = response.headers.get_content_type()
    if kind in _STREAM_TYPES:
        return MjpegPictures(name, response, max_px)
    if kind in _SNAPSHOT_TYPES:
        return SnapshotPictures(name, response, ask, max_px)
    response.close()
    return None


def _failure(name: str, error: BaseException, begun_s: float) -> str:
    return f"{redact_url(name)} cannot be opened ({plain_reason(error, time.monotonic() - begun_s)})"


def _opener(bare: str, login: Login | None, options: Mapping[str, str]) -> urllib.request.OpenerDirector:
    """Return what opens an address and follows redirects, with the password for this address' server alone."""
    handlers = handlers_of(options)
    if login is not None:
        known = urllib.request.HTTPPasswordMgrWithDefaultRealm()
        known.add_password(None, "/".join(bare.split("/")[:3]) + "/", login.user, login.password)
        handlers += [urllib.request.HTTPDigestAuthHandler(known), urllib.request.HTTPBasicAuthHandler(known)]
    return urllib.request.build_opener(*handlers)


def _socket_of(response: Any) -> Any:
    """Return an answer's socket, for its time-out; None where it has none."""
    return getattr(getattr(getattr(response, "fp", None), "raw", None), "_sock", None)


def _read(response: Any) -> bytes:
    """Return what has come, at once; empty at the end. Raise ValueError with a plain reason."""
    try:
        return response.read1(_BLOCK_BYTES)
    except (OSError, http.client.HTTPException) as error:
        raise ValueError(plain_reason(error)) from error


def measured_fps(arrived_s: list[float], unknown_fps: float) -> float:
    """Return the rate of pictures by the median of their intervals; for fewer than three, what is known of it.

    >>> measured_fps([0.0, 0.1, 0.2, 0.3], 25.0)
    10.0
    """
    if len(arrived_s) < 3:
        return min(unknown_fps, max(1, len(arrived_s)) / _MEASURED_S)
    steps_s = sorted(b - a for a, b in zip(arrived_s, arrived_s[1:], strict=False))
    return min(1000.0, round(1.0 / max(1e-3, steps_s[len(steps_s) // 2]), 2))


def next_wait_s(wait_s: float, changed: bool) -> float:
    """Return when to ask for the next picture: sooner while pictures change, later while they do not."""
    least_s, most_s = _ASK_AFTER_RANGE_S
    return max(least_s, wait_s / 2) if changed else min(most_s, wait_s * 1.5)


def rgb_image(
    picture: av.VideoFrame, max_px: int, wants_image: bool
) -> tuple[np.ndarray, av.VideoFrame | None]:
    """Return a picture as (H, W, 3) uint8 RGB, upright, no side longer than `max_px`, and as decoded if it is so.

    The first is empty where no image is wanted and the decoded picture will do.
    """
    upright = None if turns_of(picture) else picture
    if upright is not None and not wants_image:
        return NO_IMAGE, upright
    return upright_rgb(picture, picture.width, picture.height, max_px), upright
