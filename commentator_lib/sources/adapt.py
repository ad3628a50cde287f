"""Make a Source from what a program hands over: a Source, an object with its members, or frames."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from commentator_lib.media import AudioChunk, Frame
from commentator_lib.sources.base import Source, SourceError, SourceInfo
from commentator_lib.sources.frames import FramesSource


def adapt_source(given: object, duration_s: float | None = None) -> Source:
    """Return `given` as a Source; `duration_s` cuts a sequence of frames short. Raise SourceError for anything else."""
    if isinstance(given, Source):
        return given
    if all(hasattr(given, member) for member in ("info", "read")):
        return AdaptedSource(given)
    if isinstance(given, Iterable) and not isinstance(given, (bytes, bytearray, Mapping)):
        return FramesSource(given, duration_s=duration_s)
    hint = ": call it, and give what it returns" if callable(given) else ""
    raise SourceError(
        f"a {type(given).__name__} is no source: give a name, a Source, or frames (a list, an array or a generator)"
        + hint
    )


class AdaptedSource(Source):
    """Wraps an object that is no Source but has `info` and `read`, and perhaps other members of a Source."""

    def __init__(self, inner: Any) -> None:
        if not isinstance(inner.info, SourceInfo):
            raise SourceError(
                f"{type(inner).__name__}.info is a {type(inner.info).__name__}; wanted is a SourceInfo"
            )
        self._inner = inner
        self.info = inner.info
        self.codec, self.transport = getattr(inner, "codec", ""), getattr(inner, "transport", "")

    @property
    def problem(self) -> str:
        return getattr(self._inner, "problem", "")

    @property
    def skipped(self) -> int:
        return getattr(self._inner, "skipped", 0)

    def read(self, not_before_s: float = 0.0) -> Frame | None:
        return self._inner.read(not_before_s)

    def read_sound(self) -> list[AudioChunk]:
        return self._inner.read_sound() if hasattr(self._inner, "read_sound") else []

    def interrupt(self) -> None:
        if hasattr(self._inner, "interrupt"):
            self._inner.interrupt()

    def close(self) -> None:
        if hasattr(self._inner, "close"):
            self._inner.close()
