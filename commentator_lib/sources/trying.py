"""Open a source and find out what comes from it: how soon, how old, how large, how often, in what form."""

from __future__ import annotations

import time
from dataclasses import dataclass

from commentator_lib.redact import split_options
from commentator_lib.settings import Settings
from commentator_lib.sources.base import Source, SourceError
from commentator_lib.sources.open import open_source, tidy_name

# Its rate is measured over so long, and at least over so many pictures where they come in time.
_MEASURED_S, _MEASURED_PICTURES, _MEASURED_AT_MOST_S = 2.0, 3, 15.0


@dataclass(frozen=True, slots=True)
class Tried:
    """What came from a source. None and empty texts stand for what is not known."""

    opened_in_s: float
    first_age_s: float | None  # of the first picture, when it was read; None where it is not live
    width: int  # pixels
    height: int
    measured_fps: float | None  # None where it is read at its own pace, and not at the pace of its coming
    declared_fps: float | None
    duration_s: float | None
    codec: str
    transport: str
    has_sound: bool
    live: bool

    def lines(self) -> list[tuple[str, str]]:
        """Return (name, value) for each line that is shown."""
        age = "not live" if not self.live else _or_unknown(self.first_age_s, 1000, "ms")
        length = "no end" if self.duration_s is None else f"{self.duration_s:.1f} s"
        return [
            ("opened in", f"{self.opened_in_s * 1000:.0f} ms"),
            ("first picture", f"{age} old" if self.live and self.first_age_s is not None else age),
            ("size", f"{self.width} × {self.height} pixels"),
            ("rate measured", _rate(self.measured_fps)),
            ("rate declared", _rate(self.declared_fps)),
            ("length", length),
            ("codec", self.codec or "not known"),
            ("transport", self.transport or "not known"),
            ("sound", "yes" if self.has_sound else "no"),
        ]


def _or_unknown(value: float | None, factor: float, unit: str, digits: int = 0) -> str:
    return "not known" if value is None else f"{value * factor:.{digits}f} {unit}"


def _rate(fps: float | None) -> str:
    return _or_unknown(fps, 1, "pictures/s", 1 if fps is None or fps >= 1 else 2)


def try_source(name: str, settings: Settings) -> Tried:
    """Open a source by its name, read it for some seconds, and close it. Raise SourceError where nothing comes."""
    begun_s = time.monotonic()
    source = open_source(
        name,
        None,
        settings.picture_max_px,
        settings.sound_track,
        0.0,
        settings.stream_options,
        image_fps=settings.image_fps,
        login_file=settings.stream_login_file,
    )
    opened_in_s = time.monotonic() - begun_s
    try:
        frame = source.read()
        if frame is None:
            raise SourceError(
                f"{source.info.spec} gives no picture" + (source.problem and f": {source.problem}")
            )
        live, age_s = source.info.live, time.monotonic() - frame.captured_at_s
        info = source.info
        return Tried(
            opened_in_s=opened_in_s,
            first_age_s=age_s if live and age_s == age_s else None,
            width=info.width,
            height=info.height,
            measured_fps=_measured_fps(source) if live else None,
            declared_fps=None if source.transport else info.fps,  # JPEG pictures over HTTP declare none
            duration_s=info.duration_s,
            codec=source.codec,
            transport=transport_of(tidy_name(name), settings.stream_options, source.transport),
            has_sound=info.has_sound,
            live=live,
        )
    finally:
        source.interrupt()
        source.close()


def _measured_fps(source: Source) -> float | None:
    begun_s, arrived_s = time.monotonic(), []
    while (spent_s := time.monotonic() - begun_s) < _MEASURED_AT_MOST_S:
        if spent_s > _MEASURED_S and len(arrived_s) >= _MEASURED_PICTURES:
            break
        frame = source.read()
        if frame is None:
            break
        arrived_s.append(frame.captured_at_s)
    if source.live is not None and source.live.fps is not None:
        return source.live.fps
    span_s = arrived_s[-1] - arrived_s[0] if arrived_s else 0.0
    return (len(arrived_s) - 1) / span_s if span_s > 0 else None


def transport_of(name: str, stream_options: str = "", known: str = "") -> str:
    """Return how pictures come from a source, as far as its name and options tell; `known` is what it says itself.

    >>> transport_of("udp://0.0.0.0:5000")
    'udp'
    """
    scheme = name.partition("://")[0] if "://" in name else ""
    if known:
        return f"{scheme}, {known}" if scheme else known
    if scheme in ("rtsp", "rtsps"):
        words = [word.partition("=") for word in split_options(stream_options)]
        chosen = {key: value for key, _, value in words}.get("rtsp_transport")
        return f"{scheme}, {chosen or 'tcp where the server can, else udp'}"
    if scheme:
        return scheme
    if name == "-":
        return "pipe"
    if name.startswith(("/dev/", "screen")) or name.isdigit():
        return "device"
    return "file"
