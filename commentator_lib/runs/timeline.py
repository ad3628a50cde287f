"""When a run's sound was heard, and when the run began and ended: what exports are made from."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from commentator_lib.media import PLAYBACK_RATE_HZ
from commentator_lib.runs.reader import SavedRun


class ExportError(Exception):
    """A run cannot be exported; one line that says why."""


def timeline(run: SavedRun, shown: np.ndarray) -> tuple[float, float]:
    """Return the (first, last) moment of what was seen and heard, in seconds since the session's start.

    `shown` is what `read_shown` returns, (N, 4). Raise ExportError where nothing was seen or heard.
    """
    starts, ends = [], []
    if len(shown):
        starts.append(float(shown[0, 3]))
        ends.append(float(shown[-1, 3]) + 0.04)
    for at_s, samples in sounds(run):
        starts.append(at_s)
        ends.append(at_s + len(samples) / PLAYBACK_RATE_HZ)
    if not starts:
        raise ExportError(
            f"{run.folder}: nothing was shown or heard in this run, so there is nothing to export"
        )
    return min(starts), max(ends)


def sounds(run: SavedRun) -> Iterator[tuple[float, np.ndarray]]:
    """Yield (heard from, (N,) int16 at 48 kHz) of each piece of sound that was played."""
    path = run.folder / "voice.pcm"
    pcm = np.fromfile(path, dtype="<i2") if path.exists() else np.zeros(0, np.int16)
    for event in run.events:
        if event["kind"] != "sound":
            continue
        start, count = event["at_sample"], event["samples"]
        yield event["at_s"], np.zeros(count, np.int16) if start is None else pcm[start : start + count]


def voice_track(run: SavedRun, from_s: float, to_s: float) -> np.ndarray:
    """Return the run's sound as one track, int16 (N,) at 48 kHz, each piece where it was heard."""
    track = np.zeros(max(0, round((to_s - from_s) * PLAYBACK_RATE_HZ)), np.int16)
    for at_s, samples in sounds(run):
        start = round((at_s - from_s) * PLAYBACK_RATE_HZ)
        skip = max(0, -start)
        part = samples[skip : skip + max(0, len(track) - max(0, start))]
        track[start + skip : start + skip + len(part)] = part
    return track
