"""The interface of every watcher: it looks at frames, listens to sound, and reports events.

A watcher is fast and knows little; a commentator is slow and finds the words. All watchers of a run look at the same
frames, `watch_fps` of them a second, on a thread of their own.
"""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping
from typing import Any, Self

from commentator_lib.events import Event as Event
from commentator_lib.media import AudioChunk, Frame
from commentator_lib.settings import Settings


class Watcher(ABC):  # noqa: B024 - a watcher looks or listens: neither must be written
    """Reports events. Set `name`, and write `look`, `listen` or both; the other members have defaults.

    All calls come from one thread, one after another. A call should take a few milliseconds; while it runs, frames
    are left out. A watcher that raises an error, or does not return for seconds, is switched off, and the run goes on.
    """

    name: str = "unnamed"

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Return the watcher that these settings ask for. Override it if your watcher uses settings."""
        return cls()

    def look(self, frame: Frame) -> list[Event]:
        """Look at a frame; return the events that are certain now. Frames come in order, some may be missing."""
        return []

    def listen(self, sound: AudioChunk) -> list[Event]:
        """Listen to a piece of the programme's sound; return the events that are certain now. Pieces come in order."""
        return []

    def on_screen(self) -> Mapping[str, Any]:
        """Return what stands on the screen now, for `Facts.on_screen`."""
        return {}

    def reset(self) -> None:
        """Forget everything: the source has jumped back, or another one follows."""

    def close(self) -> None:
        """Free what was loaded. Called once, after the last `look`."""
