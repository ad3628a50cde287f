"""What a session is sent: one unit a second, of a second of sound and the newest picture.

A model in duplex lives by such units: it decides at the end of each whether it listens or speaks, and while it speaks
each brings the next second of its speech. So they go on whether there is something new or not. A picture is sent once:
without a new one a unit has none, since a picture that stands still would be told as a fact. Sound that was not given
in time is silence.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from commentator_lib.commentators.realtime.protocol import INPUT_RATE_HZ
from commentator_lib.media import AudioChunk, Frame, to_mono

UNIT_S = 1.0
# vLLM-Omni's first unit of MiniCPM-o closes after 1.03 s of sound, and a picture must come before its unit's end.
_FIRST_UNIT_S = 1.03
# Sound that waits longer than this is too old to be told of.
_LONGEST_WAIT_S = 5.0


class Units:
    """Collects frames and sound, and makes units of them. Not safe to use from two threads at once."""

    def __init__(self) -> None:
        self.made = 0
        self._frame: Frame | None = None  # the newest that was not sent
        self._newest: Frame | None = None  # the newest of all
        self._sound = np.zeros(0, np.float32)
        self._heard_to_s: float | None = None  # clock time of the newest frame whose sound was taken

    def see(self, frame: Frame) -> None:
        """Take a frame, if it is newer than those before."""
        if self._newest is None or frame.captured_at_s > self._newest.captured_at_s:
            self._frame = self._newest = frame

    def hear(self, frames: Sequence[Frame], sound: AudioChunk) -> None:
        """Take the sound (N,) at 16 kHz from the oldest frame to the newest; what was taken before is left out."""
        newest_s = frames[-1].captured_at_s
        new = unheard(to_mono(sound.samples), newest_s, self._heard_to_s)
        self._heard_to_s = newest_s
        self._sound = np.concatenate([self._sound, new])[-round(_LONGEST_WAIT_S * INPUT_RATE_HZ) :]

    @property
    def waiting_s(self) -> float:
        """The seconds of sound that wait to be sent."""
        return len(self._sound) / INPUT_RATE_HZ

    def make(self) -> tuple[np.ndarray, list[Frame]]:
        """Return the next unit: its sound, float32 (N,) at 16 kHz, and its picture, if there is a new one."""
        length = round((UNIT_S if self.made else _FIRST_UNIT_S) * INPUT_RATE_HZ)
        samples, self._sound = self._sound[:length], self._sound[length:]
        frames = [self._frame] if self._frame is not None else []
        self._frame = None
        self.made += 1
        return np.pad(samples, (0, length - len(samples))), frames


def unheard(samples: np.ndarray, newest_s: float, heard_to_s: float | None) -> np.ndarray:
    """Return what is later than `heard_to_s` of `samples` (N,) at 16 kHz, which end at `newest_s`; clock times."""
    if heard_to_s is None:
        return samples
    count = round(max(0.0, newest_s - heard_to_s) * INPUT_RATE_HZ)
    return samples[max(0, len(samples) - count) :]
