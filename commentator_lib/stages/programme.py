"""The programme's own sound: from capture, over the same delay as the picture's, to the players.

It also gives the commentator what was heard while its frames were captured.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np

from commentator_lib.clock import sleep_until
from commentator_lib.media import PLAYBACK_RATE_HZ, AudioChunk, Frame, to_mono
from commentator_lib.pacing.delay import PictureDelay
from commentator_lib.players.base import PlayerGroup
from commentator_lib.sound.captured import CapturedSound
from commentator_lib.sound.programme import HeardSound, ProgrammeRenderer

# Sound is sent so much further ahead than pictures: a page must have it without a gap.
_AHEAD_S = 0.3
_EVERY_S = 0.1
# Kept for a commentator beside what waits for its delay.
_REMEMBERED_S = 30.0
# A live source whose sound comes later than its picture: the delay is at least so much longer than that.
_LATE_MARGIN_S = 0.25
_HEARD_RATE_HZ = 16_000


class Programme:
    """Captured sound → players. `jumps` counts places where sound was missing, or came too late to be heard."""

    def __init__(self, delay: PictureDelay, delay_max_s: float, players: PlayerGroup, live: bool) -> None:
        self._delay = delay
        self._players = players
        self._live = live
        self._sound = CapturedSound(delay_max_s + _REMEMBERED_S)
        self._renderer: ProgrammeRenderer | None = None
        self._clock = asyncio.get_running_loop()
        self._ended = False

    @property
    def jumps(self) -> int:
        return 0 if self._renderer is None else self._renderer.jumps

    @property
    def stretched_s(self) -> float:
        """Seconds that were heard faster or slower, because the delay moved."""
        return 0.0 if self._renderer is None else self._renderer.stretched_s

    def captured(self, samples: np.ndarray, from_s: float) -> None:
        """Take sound, (N, 2) int16 at 48 kHz, of which the first sample was captured at clock time `from_s`."""
        self._sound.push(samples, from_s)
        if self._live and self._sound.end_s is not None:
            late_s = self._clock.time() - self._sound.end_s
            self._delay.keep_above(late_s + _LATE_MARGIN_S if late_s > _LATE_MARGIN_S else 0.0)

    def source_ended(self) -> None:
        """Note that no more sound will come."""
        self._ended = True

    def between(self, frames: Sequence[Frame]) -> AudioChunk | None:
        """Return what was heard from the first of these frames to the last, float32 (N,) at 16 kHz, if anything."""
        if not frames or self._sound.end_s is None:
            return None
        import soxr

        first, last = (self._sound.number_at(f.captured_at_s) for f in (frames[0], frames[-1]))
        if last <= first:
            return None
        mono = to_mono(self._sound.read(first, last - first))
        return AudioChunk(
            soxr.resample(mono, PLAYBACK_RATE_HZ, _HEARD_RATE_HZ), _HEARD_RATE_HZ, frames[0].pts_s
        )

    async def run(self) -> None:
        """Send sound ahead of its time until all of it has been sent."""
        due_s = self._clock.time()
        while True:
            due_s = max(due_s + _EVERY_S, self._clock.time())
            await sleep_until(due_s)
            if (begins_s := self._delay.began_s) is None:
                continue
            now_s = self._clock.time()
            too_late_s: float | None = now_s
            if self._renderer is None:
                # The first sound belongs to the first picture, which may have been shown a moment ago.
                self._renderer, too_late_s = ProgrammeRenderer(self._sound, begins_s), None
            until_s = now_s + self._players.lead_s + _AHEAD_S + _EVERY_S
            self._send(self._renderer.render(until_s, self._delay.smooth_due_of, too_late_s))
            if self._ended and self._over(until_s):
                self._send(self._renderer.finish())
                return

    def _over(self, until_s: float) -> bool:
        return self._sound.end_s is not None and self._delay.smooth_due_of(self._sound.end_s) < until_s

    def _send(self, pieces: list[HeardSound]) -> None:
        for piece in pieces:
            self._players.play_programme(AudioChunk(piece.samples, PLAYBACK_RATE_HZ), piece.at_s)


class SoundClock:
    """The clock times of a source's sound: where its pictures of the same media time were captured."""

    # Live pictures arrive with a jitter, which must not be heard: it is averaged out. A leap is followed at once.
    _FOLLOWED, _LEAP_S = 0.02, 0.5

    def __init__(self) -> None:
        self._offset_s: float | None = None

    def frame(self, frame: Frame) -> None:
        """Note when a picture was captured."""
        offset_s = frame.captured_at_s - frame.pts_s
        if self._offset_s is None or abs(offset_s - self._offset_s) > self._LEAP_S:
            self._offset_s = offset_s
        else:
            self._offset_s += self._FOLLOWED * (offset_s - self._offset_s)

    def captured_s(self, media_s: float) -> float:
        """Return the clock time of a media time; a picture must have come before."""
        assert self._offset_s is not None
        return media_s + self._offset_s
