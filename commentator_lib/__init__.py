"""Live AI video commentary: capture → sliding window → inference → speech → pacing.

Start with `LiveSession`. Names are loaded when they are first used, so importing the package is fast.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from commentator_lib import old_names

if TYPE_CHECKING:
    from commentator_lib.commentators.base import CommentatorError
    from commentator_lib.media import AudioChunk, Frame
    from commentator_lib.runs.reader import load_run
    from commentator_lib.runs.record import RunLogError
    from commentator_lib.session import LiveSession
    from commentator_lib.settings import Settings, SettingsError, load_settings, save_settings
    from commentator_lib.sources.base import SourceError
    from commentator_lib.sources.open import open_source

__version__ = "0.2.0"

old_names.install()
logging.getLogger(__name__).addHandler(logging.NullHandler())  # quiet, unless the program sets up logging

_HOME = {
    "LiveSession": "session",
    "Settings": "settings",
    "SettingsError": "settings",
    "load_settings": "settings",
    "save_settings": "settings",
    "CommentatorError": "commentators.base",
    "SourceError": "sources.base",
    "open_source": "sources.open",
    "RunLogError": "runs.record",
    "load_run": "runs.reader",
    "Frame": "media",
    "AudioChunk": "media",
}

__all__ = [
    "AudioChunk",
    "CommentatorError",
    "Frame",
    "LiveSession",
    "RunLogError",
    "Settings",
    "SettingsError",
    "SourceError",
    "__version__",
    "load_run",
    "load_settings",
    "open_source",
    "save_settings",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
