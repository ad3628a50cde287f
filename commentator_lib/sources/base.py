"""What a source of pictures is: its interface, its description, its error."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from commentator_lib.media import Frame


class SourceError(Exception):
    """A source that cannot be opened; one line that says what is wrong and how to mend it."""


@dataclass(frozen=True, slots=True)
class SourceInfo:
    spec: str
    width: int
    height: int
    fps: float
    duration_s: float | None  # None: unknown or endless
    live: bool  # frames come when they come; they cannot be read again


class Source(ABC):
    """Somewhere that pictures come from. Give `info`, and write `read`; the rest has working defaults.

    All calls are blocking, and come from one thread at a time, but for `interrupt`. A source knows no clock:
    the session paces it.

    `problem` says why a source ended before its time; empty: it did not. `skipped` counts the frames that were
    left out because they came too late to be shown.
    """

    info: SourceInfo
    problem: str = ""
    skipped: int = 0

    @abstractmethod
    def read(self, not_before_s: float = 0.0) -> Frame | None:
        """The next frame at or after media time `not_before_s` (earlier ones are skipped and counted in
        `skipped`), or None at the end. `captured_at_s` is NaN: the reader knows no clock."""

    def interrupt(self) -> None:
        """Let a `read` that waits for a frame return soon. Called from another thread when a session stops."""

    def close(self) -> None:
        """Give back files, sockets and devices. Called once, after the last `read`."""
