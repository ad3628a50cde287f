"""The sources that the control panel offers as cards, and the check of one: its size, its rate, its sound, a still."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from commentator_lib.jpeg import encode_jpeg
from commentator_lib.redact import redact_url
from commentator_lib.settings import Settings
from commentator_lib.sources.base import Source, SourceError
from commentator_lib.sources.open import demo_playlist, open_source

BROWSER_CAMERA = "browser camera"
BROWSER_CAMERA_WITH_SOUND = "browser camera with microphone"
BROWSER_CAMERAS = (BROWSER_CAMERA, BROWSER_CAMERA_WITH_SOUND)
_STILL_MAX_PX = 240


@dataclass(frozen=True, slots=True)
class CheckedSource:
    """What a check has found: `words` for people, and `still`, a JPEG picture as a data URL; "" where there is none."""

    words: str
    still: str = ""


def source_cards() -> list[dict[str, Any]]:
    """Return the cards: kind, label, words, and `name`, what a click takes; None where the user names it."""
    return [
        {
            "kind": "demo",
            "label": "Demo",
            "name": "demo",
            "words": "A drawn match, a film and a street, 75 s",
        },
        {"kind": "match", "label": "Match", "name": "match", "words": "A drawn football match, one minute"},
        {
            "kind": "file",
            "label": "File",
            "name": None,
            "words": "A video of your own: choose one, or type its path",
        },
        {"kind": "url", "label": "URL", "name": None, "words": "A stream: rtsp, http, HLS, udp and others"},
        {
            "kind": "camera",
            "label": "Camera",
            "name": None,
            "words": "The camera of this page, or one of the machine",
        },
        {
            "kind": "screen",
            "label": "Screen",
            "name": "screen",
            "words": "The screen of the machine that runs this",
        },
    ]


def source_named(name: str) -> str:
    """Return what `open_source` takes for a card's name or what a user typed."""
    return demo_playlist()[0] if name == "match" else name.strip()


def check_source(name: str, settings: Settings, opened: Callable[..., Source] = open_source) -> CheckedSource:
    """Open a source, read its first picture, close it. Raise SourceError where it gives none; one line says why."""
    source = opened(
        source_named(name),
        max_px=settings.picture_max_px,
        sound_track=settings.sound_track,
        reconnect_for_s=0.0,
        stream_options=settings.stream_options,
        login_file=settings.stream_login_file,
        image_fps=settings.image_fps,
    )
    try:
        frame = source.read()
        if frame is None:
            why = source.problem or "it gives no picture"
            raise SourceError(f"{redact_url(source.info.spec)}: {why}")
        return CheckedSource(_in_words(source), still_url(frame.image))
    finally:
        source.close()


def _in_words(source: Source) -> str:
    info = source.info
    length = "live" if info.live else f"{info.duration_s:.0f} s" if info.duration_s else "of unknown length"
    sound = "with sound" if info.has_sound else "no sound"
    return f"{info.width} × {info.height} pixels, {info.fps:.4g} frames a second, {sound}, {length}"


def still_url(image: Any, max_px: int = _STILL_MAX_PX) -> str:
    """Return a picture (H, W, 3) uint8 as a small JPEG in a data URL."""
    import cv2

    height, width = image.shape[:2]
    scale = min(1.0, max_px / max(height, width))
    small = cv2.resize(
        image, (max(1, round(width * scale)), max(1, round(height * scale))), interpolation=cv2.INTER_AREA
    )
    return "data:image/jpeg;base64," + base64.b64encode(encode_jpeg(small, 70)).decode("ascii")


def upload_name(name: str) -> str:
    """Return a file name that a page sent, safe to write: no folder, no odd characters, at most 80 characters.

    >>> upload_name("../../my clip?.mp4")
    'my clip_.mp4'
    """
    tidy = re.sub(r"[^\w .()-]", "_", Path(name.replace("\\", "/")).name).strip(". ")
    return tidy[-80:] or "upload"
