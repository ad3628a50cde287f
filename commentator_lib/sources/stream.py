"""Open network streams and cameras with FFmpeg: live ones are drained and reopened, others played like files."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from commentator_lib.plugins import entry_point_names
from commentator_lib.redact import split_options
from commentator_lib.sources.base import Source, SourceError
from commentator_lib.sources.decoding import OpenVideo, Pictures
from commentator_lib.sources.hls import is_playlist
from commentator_lib.sources.live import LiveSource
from commentator_lib.sources.mjpeg import open_mjpeg
from commentator_lib.sources.video import VideoSource
from commentator_lib.sources.web import is_web

STREAM_SCHEMES = ("http", "https", "rtsp", "rtsps", "rtmp", "rtmps", "srt", "udp", "rtp")
# Longest waits of FFmpeg: for the opening, and for the next piece. What silence is, the source's own rhythm decides.
_OPEN_TIMEOUT_S, _READ_TIMEOUT_S = 10.0, 30.0
# What only one connection can hold, a port or a device, must be free soon after it is lost, to be opened again.
_HELD_SCHEMES, _HELD_TIMEOUT_S = ("udp", "rtp"), 6.0
# FFmpeg's options by scheme: RTSP through one connection where the server can, and opened without a second of
# waiting for the rate, which is measured anyway.
_OPTIONS = {
    "rtsp": {"rtsp_flags": "prefer_tcp", "fpsprobesize": "0"},
    "rtsps": {"rtsp_flags": "prefer_tcp", "fpsprobesize": "0"},
    "rtmp": {"fpsprobesize": "0"},
    "srt": {"fpsprobesize": "0"},
    "udp": {"overrun_nonfatal": "1", "fpsprobesize": "0"},
}
# FFmpeg gives some endless streams a length of next to nothing.
_LEAST_LENGTH_S = 0.1


def open_stream(
    name: str,
    max_px: int = 1280,
    sound_track: int = -1,
    reconnect_for_s: float = 300.0,
    stream_options: str = "",
    container_format: str | None = None,
) -> Source:
    """Return the source of a URL, or of a device, with its FFmpeg `container_format` where that is not clear.

    A URL with a length is a file on a server, and is played at the pace of its times. Raise SourceError where nothing
    can be opened.
    """
    options = {**_OPTIONS.get(_scheme(name), {}), **_parsed(stream_options)}
    if container_format is None:
        container_format = _device_format(name)
    if is_playlist(name):
        # Two segments before the newest: one is being shown while the server still writes the next.
        options.setdefault("live_start_index", "-2")

    def connect(open_within_s: float) -> Pictures:
        is_held = container_format is not None or _scheme(name) in _HELD_SCHEMES
        timeout_s = (open_within_s, _HELD_TIMEOUT_S if is_held else _READ_TIMEOUT_S)
        if is_web(name) and not is_playlist(name):
            if (camera := open_mjpeg(name, max_px, options, timeout_s)) is not None:
                return camera
        video = OpenVideo(
            name,
            max_px,
            "cannot be opened",
            sound_track=sound_track,
            format=container_format,
            options=options,
            timeout=timeout_s,
        )
        # A stream with a size is a file on a server.
        is_hls = video.container.format.name == "hls"
        video.has_end = is_web(name) and video.container.size > 0 and not is_hls
        video.is_stored = video.has_end or is_hls
        return video

    return _source(connect, reconnect_for_s, container_format is not None)


def _source(connect: Callable[[float], Pictures], reconnect_for_s: float, device: bool) -> Source:
    video = connect(_OPEN_TIMEOUT_S)
    if (
        device
        or not isinstance(video, OpenVideo)
        or not video.duration_s
        or video.duration_s < _LEAST_LENGTH_S
    ):
        return LiveSource(video, connect, reconnect_for_s)
    return VideoSource(video)


def _device_format(name: str) -> str | None:
    """Return FFmpeg's format of a device; None for a URL. Raise SourceError for one that is not there."""
    if "://" in name:
        if _scheme(name) not in STREAM_SCHEMES:
            known = ", ".join((*STREAM_SCHEMES, *entry_point_names("sources")))
            raise SourceError(f"unknown scheme {_scheme(name)!r}; known are {known}")
        return None
    if sys.platform == "darwin" and name.isdigit():
        return "avfoundation"
    device = f"/dev/video{name}" if name.isdigit() else name
    if not Path(device).exists():
        raise SourceError(f"no such camera: {device}")
    return "v4l2"


def _scheme(name: str) -> str:
    return name.split("://", 1)[0].lower() if "://" in name else ""


def _parsed(stream_options: str) -> dict[str, str]:
    """Return FFmpeg's options of a text such as "rtsp_transport=udp headers='X-Key: 7'". Raise SourceError."""
    try:
        words = split_options(stream_options)
    except ValueError:
        raise SourceError("stream_options: a quote has no end") from None
    options: dict[str, str] = {}
    for number, word in enumerate(words, start=1):
        key, equals, value = word.partition("=")
        if not (key and equals):  # the word itself may be a secret
            raise SourceError(f"stream_options: word {number} is not NAME=VALUE")
        options[key] = value
    if "cookies" in options:  # FFmpeg sends none that does not say for which path
        lines = options["cookies"].splitlines()
        options["cookies"] = "\n".join(
            line if "path=" in line.lower() else f"{line.rstrip('; ')}; path=/" for line in lines
        )
    return options
