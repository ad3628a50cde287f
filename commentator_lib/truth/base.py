"""The two types behind every format of other projects: timed text and timed events.

Times are seconds from the first frame of the video that a row speaks of. What a format has beside them is kept in
`extra`, so that it can be written again; nothing else reads it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

LONGEST_S = 1e6  # no video is longer
SAME_S = 1e-3  # times that differ by less are the same: what is written in milliseconds was rounded
NAN = float("nan")  # a measure without a case
_NOTHING: Mapping[str, Any] = MappingProxyType({})


def _nothing() -> Mapping[str, Any]:
    """Return the one empty mapping that all rows without an extra share."""
    return _NOTHING


class TruthError(Exception):
    """A file of timed text or events that cannot be used; the message is one line that says why."""


@dataclass(frozen=True, slots=True)
class TimedText:
    """Text that belongs to `start_s` … `end_s` of a video; a point in time where both are the same."""

    start_s: float
    end_s: float
    text: str
    video: str = ""  # which one, where a file speaks of several: an id, a name, the half of a match
    extra: Mapping[str, Any] = field(default_factory=_nothing)


@dataclass(frozen=True, slots=True)
class TimedEvent:
    """Something that happens at `t_s`. Any word may be its kind."""

    kind: str
    t_s: float
    window_s: tuple[float, float] | None = (
        None  # (from, to) in which an answer counts, where the format has one
    )
    video: str = ""
    text: str = ""  # what is to be said
    asked_s: float | None = None  # when it was asked for
    confidence: float = 1.0  # 0 to 1, of a detection
    extra: Mapping[str, Any] = field(default_factory=_nothing)


@dataclass(frozen=True, slots=True)
class Timeline:
    """What one file holds: texts and events in the order of the file, and what it says of itself."""

    texts: Sequence[TimedText] = ()
    events: Sequence[TimedEvent] = ()
    extra: Mapping[str, Any] = field(default_factory=_nothing)

    @property
    def videos(self) -> list[str]:
        """The videos that it speaks of, in order of their first row."""
        return list(dict.fromkeys([*(t.video for t in self.texts), *(e.video for e in self.events)]))

    def of_video(self, video: str) -> Timeline:
        """Return what belongs to one video."""
        texts = [text for text in self.texts if text.video == video]
        return Timeline(texts, [event for event in self.events if event.video == video], self.extra)


@dataclass(frozen=True, slots=True)
class Stretch:
    """A labelled part of a clip: `action`, in which a commentator should speak, or `nothing`."""

    kind: str
    from_s: float
    to_s: float


def check_times(timeline: Timeline, one_after_another: bool = True, clip_s: float | None = None) -> None:
    """Raise TruthError for the first time that cannot be.

    That is one that is no number, negative, after its own end, or beyond a clip of `clip_s` seconds; and, where a
    format's texts come one after another, one that runs backwards or overlaps the text before it in its video.
    """
    before: dict[str, TimedText] = {}
    for number, text in enumerate(timeline.texts, start=1):
        name = f"text {number} ({_short(text.text)})"
        for time_s in (text.start_s, text.end_s):
            _check_time(time_s, name, clip_s)
        if text.end_s < text.start_s:
            raise TruthError(f"{name} ends at {text.end_s:g} s, before its start at {text.start_s:g} s")
        last = before.get(text.video)
        if one_after_another and last is not None:
            if text.start_s < last.start_s - SAME_S:
                raise TruthError(
                    f"{name} runs backwards: it starts at {text.start_s:g} s, the text before it at {last.start_s:g} s"
                )
            if text.start_s < last.end_s - SAME_S:
                raise TruthError(
                    f"{name} overlaps: it starts at {text.start_s:g} s, the text before it ends at {last.end_s:g} s"
                )
        before[text.video] = text
    for number, event in enumerate(timeline.events, start=1):
        name = f"event {number} ({_short(event.kind)})"
        for time_s in (
            event.t_s,
            *(event.window_s or ()),
            *(() if event.asked_s is None else (event.asked_s,)),
        ):
            _check_time(time_s, name, clip_s if time_s == event.t_s else None)
        if event.window_s and event.window_s[1] < event.window_s[0]:
            raise TruthError(f"{name} has a window that ends before it begins")


def _check_time(time_s: float, name: str, clip_s: float | None) -> None:
    if not (math.isfinite(time_s) and 0 <= time_s < LONGEST_S):
        raise TruthError(f"{name} is at {time_s:g} s: that is no time in a video")
    if clip_s is not None and time_s > clip_s + 1.0:  # a container's length is not exact
        raise TruthError(f"{name} is at {time_s:g} s, beyond the clip's {clip_s:g} s")


def _short(text: str) -> str:
    line = " ".join(text.split())
    return repr(line if len(line) <= 30 else f"{line[:29]}…")


def as_texts(timeline: Timeline) -> list[TimedText]:
    """Return the texts; where there are none, the events as texts: what is to be said, or else their kind."""
    if timeline.texts:
        return list(timeline.texts)
    return [
        TimedText(e.t_s, max(e.t_s, e.window_s[1]) if e.window_s else e.t_s, e.text or e.kind, e.video)
        for e in sorted(timeline.events, key=lambda e: (e.video, e.t_s))
    ]
