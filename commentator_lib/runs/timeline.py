"""When a run's sound was heard, and when the run began and ended: what exports are made from."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from commentator_lib.media import PLAYBACK_RATE_HZ
from commentator_lib.runs.reader import SavedRun

# No run is exported that is longer: a week.
_LONGEST_S = 7 * 24 * 3600.0


class ExportError(Exception):
    """A run cannot be exported; one line that says why."""


def timeline(run: SavedRun, shown: np.ndarray) -> tuple[float, float]:
    """Return the (first, last) moment of what was seen and heard, in seconds since the session's start.

    `shown` is what `read_shown` returns, (N, 4). Raise ExportError where nothing was seen or heard, or
    for longer than can be.
    """
    starts, ends = [], []
    if len(shown):
        starts.append(float(shown[0, 3]))
        ends.append(float(shown[-1, 3]) + 0.04)
    for piece in _pieces(run):
        starts.append(piece.at_s)
        ends.append(piece.at_s + piece.count / PLAYBACK_RATE_HZ)
    if not starts:
        raise ExportError(
            f"{run.folder}: nothing was shown or heard in this run, so there is nothing to export"
        )
    if max(ends) - min(starts) > _LONGEST_S:
        raise ExportError(
            f"{run.folder} would be {(max(ends) - min(starts)) / 3600:.0f} hours long: it is damaged"
        )
    return min(starts), max(ends)


@dataclass(frozen=True, slots=True)
class _Piece:
    """A piece of the voice's sound that was played."""

    at_s: float  # since the session's start
    count: int  # samples at 48 kHz
    stored_at: int | None  # number of its first sample in voice.pcm; None for silence
    cycle: int


def _pieces(run: SavedRun) -> Iterator[_Piece]:
    for event in run.events:
        if event["kind"] == "sound":
            yield _Piece(event["at_s"], event["samples"], event["at_sample"], event["cycle"])


def voice_intervals(run: SavedRun) -> list[tuple[float, float]]:
    """Return when each comment was heard, (from, to) in seconds since the session's start, by time."""
    found: dict[int, tuple[float, float]] = {}
    for piece in _pieces(run):
        if piece.stored_at is not None:
            end_s = piece.at_s + piece.count / PLAYBACK_RATE_HZ
            from_s, to_s = found.get(piece.cycle, (piece.at_s, end_s))
            found[piece.cycle] = min(from_s, piece.at_s), max(to_s, end_s)
    return sorted(found.values())


class VoiceTrack:
    """The run's voice on one time line at 48 kHz, whose sample 0 is at `zero_s`; read from the disk part by part."""

    def __init__(self, run: SavedRun, zero_s: float) -> None:
        path = run.folder / "voice.pcm"
        stored = path.exists() and path.stat().st_size >= 2
        self._pcm = np.memmap(path, "<i2", "r") if stored else np.zeros(0, np.int16)
        placed = ((round((piece.at_s - zero_s) * PLAYBACK_RATE_HZ), piece) for piece in _pieces(run))
        self._pieces = sorted(placed, key=lambda pair: pair[0])
        self._longest = max((piece.count for _, piece in self._pieces), default=0)

    def read(self, first: int, count: int) -> np.ndarray:
        """Return samples from number `first` on, int16 (count,): silence where nothing was heard."""
        out = np.zeros(count, np.int16)
        k = bisect_left(self._pieces, first - self._longest, key=lambda pair: pair[0])
        while k < len(self._pieces) and self._pieces[k][0] < first + count:
            start, piece = self._pieces[k]
            low, high = max(first, start), min(first + count, start + piece.count)
            if low < high and piece.stored_at is not None:
                part = self._pcm[piece.stored_at + low - start : piece.stored_at + high - start]
                out[low - first : low - first + len(part)] = part
            k += 1
        return out


def voice_track(run: SavedRun, from_s: float, to_s: float) -> np.ndarray:
    """Return the run's sound as one track, int16 (N,) at 48 kHz, each piece where it was heard."""
    return VoiceTrack(run, from_s).read(0, max(0, round((to_s - from_s) * PLAYBACK_RATE_HZ)))
