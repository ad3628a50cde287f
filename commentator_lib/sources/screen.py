"""The screen of this machine, by FFmpeg's input device for it, where this FFmpeg has one."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Mapping

from commentator_lib.sources.base import Source, SourceError
from commentator_lib.sources.formats import has_format
from commentator_lib.sources.stream import open_stream

# The word for the screen, and after a colon which one: "screen", "screen::0.0", "screen:1".
_SCREEN = re.compile(r"screen(?::(.*))?")
_DEVICES = {"darwin": "avfoundation", "win32": "gdigrab"}


def is_screen(name: str) -> bool:
    """Return whether a name means the screen."""
    return _SCREEN.fullmatch(name) is not None


def screen_device(platform: str = sys.platform) -> str:
    """Return the name of FFmpeg's input device for the screen of an operating system."""
    return _DEVICES.get(platform, "x11grab")


def camera_device(platform: str = sys.platform) -> str:
    """Return the name of FFmpeg's input device for cameras of an operating system."""
    return {"darwin": "avfoundation", "win32": "dshow"}.get(platform, "v4l2")


def screen_address(
    name: str, platform: str = sys.platform, environment: Mapping[str, str] | None = None
) -> str:
    """Return what FFmpeg's device calls the screen. Raise SourceError where there is none.

    >>> screen_address("screen::0.0", "linux")
    ':0.0'
    """
    environment = os.environ if environment is None else environment
    match = _SCREEN.fullmatch(name)
    which = (match[1] or "") if match else ""
    if screen_device(platform) == "avfoundation":
        return f"Capture screen {which or 0}"
    if screen_device(platform) == "gdigrab":
        return f"title={which}" if which else "desktop"
    display = which or environment.get("DISPLAY", "")
    if not display:
        raise SourceError(
            f"{name}: there is no X display here (DISPLAY is not set): name one, as screen::0.0"
        )
    return display


def open_screen(
    name: str,
    max_px: int = 1280,
    reconnect_for_s: float = 300.0,
    stream_options: str = "",
    known: Callable[[str], bool] = has_format,
) -> Source:
    """Return the screen as a live source. Raise SourceError where this FFmpeg cannot grab it."""
    device = screen_device()
    if not known(device):
        raise SourceError(f"{name}: the screen cannot be opened: this FFmpeg has no input device {device}")
    address = screen_address(name)
    options = stream_options if "framerate=" in stream_options else f"framerate=25 {stream_options}"
    try:
        return open_stream(address, max_px, -1, reconnect_for_s, options, container_format=device)
    except SourceError as error:
        hint = ": is it a display's name, and may this user see it?" if device == "x11grab" else ""
        raise SourceError(f"{name}: the screen {error}{hint}") from None
