"""Decode one sound track of a video: any format becomes stereo at 48 kHz, on the picture's clock.

Time stamps of sound are rounded by many containers, and its clock may run a little faster or slower than the picture's.
So samples follow each other without a seam, and the time that they are labelled with moves slowly towards the stamps.
A stamp that is far off is a gap, or a jump, and is taken as it is.
"""

from __future__ import annotations

import logging
from collections import deque
from typing import TYPE_CHECKING, Any

import numpy as np

from commentator_lib.media import PLAYBACK_RATE_HZ, AudioChunk

if TYPE_CHECKING:
    import av

logger = logging.getLogger(__name__)

# A stamp that is off by less is rounding or drift; the label takes this share of it for each chunk.
_DRIFT_S, _FOLLOWED = 0.06, 0.05
# A stamp that leaps further, back or ahead, is a fault of the file or a new part of it: the sound goes on without a
# gap, as the picture does.
_LEAP_BACK_S, _LONGEST_GAP_S = 0.5, 10.0
# Sound that waits to be taken; beyond this the oldest is dropped.
WAITING_S = 60.0


class SoundDecoder:
    """Decodes the packets of `stream`; `take` gives what has been decoded.

    `broken_packets` counts those that could not be decoded. A change of rate, format or channels in mid-stream is taken
    in stride. Until `waiting_s` seconds wait to be taken, none is dropped. Up to the stamp `trusted_until_s` no gap is
    taken for a fault.
    """

    def __init__(
        self,
        stream: av.AudioStream,
        waiting_s: float = WAITING_S,
        trusted_until_s: float = float("-inf"),
    ) -> None:
        self.stream = stream
        self._waiting_s, self._trusted_until_s = waiting_s, trusted_until_s
        self.broken_packets = 0
        self.end_s: float | None = None  # time after the last sample that was decoded
        self._shift_s = 0.0  # added to stamps, after leaps
        self._resampler: Any = None
        self._format: tuple[Any, ...] = ()
        self._chunks: deque[AudioChunk] = deque()
        self._waiting_samples = 0

    def decode(self, packet: av.Packet) -> None:
        """Decode a packet of the stream; one that is broken is counted and left out."""
        from av.error import FFmpegError

        try:
            frames = packet.decode()
        except (FFmpegError, ValueError) as error:
            self.broken_packets += 1
            if self.broken_packets == 1:
                logger.warning("a piece of sound cannot be decoded and is left out: %s", error)
            return
        for frame in frames:
            self._add(frame)

    def _add(self, frame: Any) -> None:
        from av import AudioResampler

        # 1) A frame of another format needs a resampler of its own.
        form = (frame.format.name, frame.layout.name, frame.sample_rate)
        if form != self._format:
            self._format = form
            # With 16 bits FFmpeg mixes 5.1 down so that nothing clips.
            self._resampler = AudioResampler("s16", "stereo", PLAYBACK_RATE_HZ)
        stamp_s = None if frame.pts is None else float(frame.pts * frame.time_base)
        frame.pts = None  # the resampler would fill gaps by itself
        # 2) The label of its first sample: after the one before, a little nearer to its stamp; or at its stamp.
        parts = [part.to_ndarray().reshape(-1, 2) for part in self._resampler.resample(frame)]
        samples = np.concatenate(parts) if parts else np.zeros((0, 2), np.int16)
        if len(samples) == 0:
            return
        from_s = stamp_s if self.end_s is None else self.end_s
        from_s = 0.0 if from_s is None else from_s
        if stamp_s is not None and self.end_s is not None:
            off_s = stamp_s + self._shift_s - self.end_s
            longest_s = max(_LONGEST_GAP_S, self._trusted_until_s - self.end_s)
            if not -_LEAP_BACK_S <= off_s <= longest_s:
                self._shift_s -= off_s
                off_s = 0.0
            from_s = self.end_s + (off_s if abs(off_s) > _DRIFT_S else _FOLLOWED * off_s)
        self.end_s = from_s + len(samples) / PLAYBACK_RATE_HZ
        # 3) Keep it until it is taken.
        self._chunks.append(AudioChunk(samples, PLAYBACK_RATE_HZ, from_s))
        self._waiting_samples += len(samples)
        while self._waiting_samples > self._waiting_s * PLAYBACK_RATE_HZ:
            self._waiting_samples -= len(self._chunks.popleft().samples)

    @property
    def heard_until_s(self) -> float | None:
        """Return the stamp up to which sound has been decoded; None before the first, and where its clock leapt."""
        return None if self._shift_s else self.end_s

    def take(self, zero_s: float) -> list[AudioChunk]:
        """Return what has been decoded since the last call, (N, 2) int16 at 48 kHz; `zero_s`: stamp of time 0."""
        taken = [
            AudioChunk(chunk.samples, chunk.sample_rate_hz, (chunk.from_s or 0.0) - zero_s)
            for chunk in self._chunks
        ]
        self._chunks.clear()
        self._waiting_samples = 0
        return taken
