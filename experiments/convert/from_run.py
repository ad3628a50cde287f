"""A run's folder as timed text and events, so that what was said here can be judged by the scripts of others.

A comment stands at the media time of the picture that was on screen when it was heard, an event of the watchers at its
first evidence.
"""

from __future__ import annotations

from pathlib import Path, PurePath

from commentator_lib.runs.reader import load_run
from commentator_lib.truth.base import TimedEvent, TimedText, Timeline, TruthError
from commentator_lib.truth.comments import heard_comments


def read_run(folder: Path) -> Timeline:
    """Return the comments that were heard in a run and the events that its watchers noticed.

    Raise TruthError where there are neither, RunLogError where the folder is no run's.
    """
    run = load_run(folder)
    sources = run.header.get("source") or []
    video = PurePath(sources[0]).stem if len(sources) == 1 else ""
    video = video[0] if video[:2] in ("1_", "2_") else video  # SoccerNet's halves: 1_720p.mkv
    begin_s = float(run.header.get("start_s") or 0.0)
    comments = heard_comments(run.cycles, float(run.header.get("source_from_s") or 0.0))
    texts = [
        TimedText(_rounded(begin_s + c.from_s), _rounded(begin_s + c.to_s), c.text, video) for c in comments
    ]
    noticed = run.noticed.sort_values("at_s")
    events = [
        TimedEvent(str(kind), _rounded(begin_s + float(at_s)), video=video, confidence=float(certainty))
        for kind, at_s, certainty in zip(noticed.kind, noticed.at_s, noticed.certainty, strict=True)
    ]
    if not texts and not events:
        raise TruthError(f"{folder}: nothing was heard or noticed in this run")
    return Timeline(texts, events)


def _rounded(time_s: float) -> float:
    """Return a time in whole milliseconds, 0 at least: the first picture may be shown a little before its time."""
    return max(0.0, round(time_s, 3))
