"""The sound tracks of an exported run, made while its source is read again."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from commentator_lib.media import PLAYBACK_RATE_HZ, Frame, to_float32
from commentator_lib.runs.programme_track import ProgrammeTrack, TimeLine
from commentator_lib.runs.reader import SavedRun
from commentator_lib.runs.timeline import VoiceTrack, voice_intervals
from commentator_lib.sound.mix import Mixer
from commentator_lib.sources.base import Source
from commentator_lib.video_writer import SoundTrack

_VOICE_ALONE = (SoundTrack("voice", PLAYBACK_RATE_HZ),)
_ALL_TRACKS = (
    SoundTrack("mix", PLAYBACK_RATE_HZ, channels=2),
    SoundTrack("programme", PLAYBACK_RATE_HZ, channels=2),
    SoundTrack("voice", PLAYBACK_RATE_HZ),
)
# The programme's sound that belongs to a picture may be read this long after it.
_BEHIND_S = 0.5
# The renderer holds back the end of what it has.
_HELD_S = 0.1
_BLOCK = PLAYBACK_RATE_HZ // 10  # samples

Piece = tuple[int, int, np.ndarray]  # number in `tracks`, number of its first sample, samples


class ExportSound:
    """The sound from `zero_s` to `end_s`, seconds since the session's start; `shown` is what `read_shown` returns.

    `tracks` are mix, programme and voice where the source has sound, else the voice alone. Call `take` after each
    `read` of the source, `until` as time goes on, and `finish` at the end.
    """

    def __init__(self, run: SavedRun, shown: np.ndarray, source: Source, zero_s: float, end_s: float) -> None:
        self.tracks = _ALL_TRACKS if source.info.has_sound else _VOICE_ALONE
        self._zero_s = zero_s
        self._end = round((end_s - zero_s) * PLAYBACK_RATE_HZ)
        self._at = self._mixed = 0  # samples given of voice and programme, and of the mix
        self._voice = VoiceTrack(run, zero_s)
        self._programme = ProgrammeTrack(shown) if source.info.has_sound else None
        self._heard = TimeLine(zero_s)
        intervals = [(from_s - zero_s, to_s - zero_s) for from_s, to_s in voice_intervals(run)]
        self._mixer = Mixer(run.header["settings"].get("duck_db", 12.0), intervals)

    def take(self, source: Source, frame: Frame | None) -> None:
        """Take the programme's sound that came with a frame, or with None after the last one."""
        if self._programme is not None:
            self._programme.take(source, frame)

    def until(self, at_s: float) -> Iterator[Piece]:
        """Yield the pieces of all tracks up to a little before `at_s`, in seconds since `zero_s`."""
        end = min(self._end, round((at_s - _BEHIND_S) * PLAYBACK_RATE_HZ))
        if self._programme is not None and end - self._at >= _BLOCK:
            until_s = self._zero_s + end / PLAYBACK_RATE_HZ + _HELD_S
            self._heard.add(self._programme.heard_until(until_s))
        while end - self._at >= _BLOCK:
            yield from self._next(_BLOCK)

    def finish(self) -> Iterator[Piece]:
        """Yield the rest of all tracks."""
        if self._programme is not None:
            self._heard.add(self._programme.finish())
        while self._at < self._end:
            yield from self._next(min(_BLOCK, self._end - self._at))
        if self._programme is not None:
            yield from self._mix(self._mixer.flush())

    def _next(self, count: int) -> Iterator[Piece]:
        first, self._at = self._at, self._at + count
        voice = self._voice.read(first, count)
        if self._programme is None:
            yield 0, first, voice
            return
        programme = self._heard.take(self._at / PLAYBACK_RATE_HZ)
        mixed = self._mixer.push(to_float32(programme), to_float32(voice), first / PLAYBACK_RATE_HZ)
        yield from self._mix(mixed)
        yield 1, first, programme
        yield 2, first, voice

    def _mix(self, samples: np.ndarray) -> Iterator[Piece]:
        if len(samples):
            yield 0, self._mixed, samples
            self._mixed += len(samples)
