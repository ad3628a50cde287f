"""Pictures and sound as the whole library passes them on, and how sound is converted.

A frame carries two times: its position in the medium (`pts_s`) and when it was captured on the session's clock
(`captured_at_s`). Only the second says how old a comment's frames are: the first does not, where a file is played
twice or a camera drops frames.

A comment's sound is float32 mono at its own rate until it goes to a player, which takes 48 kHz int16. The resampler
keeps its filter's state from chunk to chunk: resampling each chunk alone leaves a click at every border. The
programme's own sound is stereo at 48 kHz from the source on.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

PLAYBACK_RATE_HZ = 48_000


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture."""

    index: int  # 0, 1, 2, … in the source
    pts_s: float  # media time
    captured_at_s: float  # session clock at capture
    image: np.ndarray  # (H, W, 3) uint8 RGB


@dataclass(frozen=True, slots=True)
class AudioChunk:
    """A piece of sound: `samples` (N,) for mono or (N, 2) for stereo, float32 in [-1, 1] or int16.

    `from_s`: the source time of the first sample, in seconds; None where it follows the piece before.
    """

    samples: np.ndarray
    sample_rate_hz: int
    from_s: float | None = None

    @property
    def duration_s(self) -> float:
        """Its length in seconds."""
        return len(self.samples) / self.sample_rate_hz


def is_silent(samples: np.ndarray) -> bool:
    """Return whether all samples are 0; at once where they share one sample, as those of `silence` do."""
    if not len(samples):
        return True
    shared = samples.ndim == 1 and samples.strides[0] == 0
    return bool(samples[0] == 0) if shared else not samples.any()


def to_int16(samples: np.ndarray) -> np.ndarray:
    """Convert float32, (N,) or (N, channels), in [-1, 1] to int16, clipped; NaN is silence. Return int16 unchanged."""
    if samples.dtype == np.int16:
        return samples
    if is_silent(samples):
        shared = samples.ndim == 1 and samples.strides[0] == 0
        return _zeros(len(samples), np.int16) if shared else np.zeros(samples.shape, np.int16)
    finite = np.nan_to_num(np.asarray(samples, dtype=np.float32), posinf=1.0, neginf=-1.0)
    return np.rint(np.clip(finite, -1.0, 1.0) * 32767.0).astype(np.int16)


def to_float32(samples: np.ndarray) -> np.ndarray:
    """Convert int16 (N,) to float32 (N,) in [-1, 1]. Return float32 unchanged."""
    if samples.dtype == np.int16:
        return samples.astype(np.float32) / 32768.0
    return np.asarray(samples, dtype=np.float32)


def to_mono(samples: np.ndarray) -> np.ndarray:
    """Return sound, (N,) or (N, channels), int16 or float32, as float32 (N,): the mean of its channels."""
    as_float = to_float32(samples)
    return as_float.mean(axis=1) if as_float.ndim == 2 else as_float


class PlaybackResampler:
    """Converts one comment's sound, chunk by chunk, to 48 kHz int16 without a seam between chunks.

    All results of `push` and of `flush`, joined, equal the whole comment resampled at once.
    """

    def __init__(self) -> None:
        self._rate_hz: int | None = None
        self._stream = None

    def push(self, chunk: AudioChunk) -> np.ndarray:
        """Return the int16 samples (N,) that are final so far; may be empty.

        Raise ValueError where the sample rate changes in mid-comment.
        """
        if self._rate_hz is None:
            self._rate_hz = chunk.sample_rate_hz
            if chunk.sample_rate_hz != PLAYBACK_RATE_HZ:
                import soxr

                self._stream = soxr.ResampleStream(chunk.sample_rate_hz, PLAYBACK_RATE_HZ, 1, dtype="float32")
        elif chunk.sample_rate_hz != self._rate_hz:
            raise ValueError(
                f"sample rate changed in mid-comment: {self._rate_hz} → {chunk.sample_rate_hz} Hz"
            )
        if self._stream is None:
            return to_int16(chunk.samples)
        samples = np.nan_to_num(to_float32(chunk.samples), posinf=1.0, neginf=-1.0)
        return to_int16(self._stream.resample_chunk(samples))

    def flush(self) -> np.ndarray:
        """Return what the filter still holds, int16 (N,)."""
        if self._stream is None:
            return np.zeros(0, np.int16)
        return to_int16(self._stream.resample_chunk(np.zeros(0, np.float32), last=True))


def trim_silence(
    chunk: AudioChunk, threshold_dbfs: float = -45.0, keep_s: float = 0.03, window_s: float = 0.01
) -> AudioChunk:
    """Cut leading and trailing silence down to `keep_s` seconds, with short fades where it cuts.

    Voices pad each utterance (the embedded one by 0.3 s before and 0.4 s after), and pacing would count the
    padding as speech. A window counts as sound when its level is above `threshold_dbfs`. Return no samples for
    sound that is silent throughout.
    """
    # 1) The level of each window of `window_s`.
    x = to_float32(chunk.samples)
    hop = max(1, int(window_s * chunk.sample_rate_hz))
    count = len(x) // hop
    if count == 0:
        return AudioChunk(x, chunk.sample_rate_hz)
    power = np.mean(  # (windows,)
        np.square(x[: count * hop].reshape(count, hop), dtype=np.float64), axis=1
    )
    loud = np.flatnonzero(power > 10 ** (threshold_dbfs / 10))
    if len(loud) == 0:
        return AudioChunk(x[:0], chunk.sample_rate_hz)
    # 2) Keep what lies between the first and the last loud window, and a little more.
    keep = int(keep_s * chunk.sample_rate_hz)
    start = max(0, int(loud[0]) * hop - keep)
    stop = min(len(x), (int(loud[-1]) + 1) * hop + keep)
    cut = x[start:stop].copy()
    # 3) Fade both ends over 5 ms.
    fade = min(len(cut) // 2, int(0.005 * chunk.sample_rate_hz))
    if fade:
        ramp = np.linspace(0.0, 1.0, fade, dtype=np.float32)
        cut[:fade] *= ramp
        cut[-fade:] *= ramp[::-1]
    return AudioChunk(cut, chunk.sample_rate_hz)


def silence(duration_s: float, sample_rate_hz: int) -> AudioChunk:
    """Return `duration_s` seconds of silence; the samples share one zero and take no memory."""
    return AudioChunk(_zeros(max(0, round(duration_s * sample_rate_hz)), np.float32), sample_rate_hz)


def _zeros(count: int, kind: type[np.generic]) -> np.ndarray:
    """Return (count,) zeros that share one, which cannot be written to."""
    return _many_zeros(kind)[:count] if count <= _MANY else np.broadcast_to(kind(0), (count,))


_MANY = 1 << 24


@functools.cache  # making a view of such an array takes ten times as long as taking a part of it
def _many_zeros(kind: type[np.generic]) -> np.ndarray:
    return np.broadcast_to(kind(0), (_MANY,))
