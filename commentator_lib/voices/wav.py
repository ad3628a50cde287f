"""Sound from bytes that come in pieces, cut anywhere: raw PCM, or a WAV file whose stated length may be wrong."""

from __future__ import annotations

import struct

import numpy as np

from commentator_lib.media import AudioChunk, to_mono

_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_LONGEST_HEADER_BYTES = 65_536


class NoWav(ValueError):
    """A WAV file that cannot be read; the message says why."""


class SoundReader:
    """Turns bytes into float32 mono: a WAV file by its header, anything else as 16-bit PCM of `sample_rate_hz`.

    `sample_rate_hz` is the file's own once its header was read. Bytes of an incomplete sample wait for the next call; a
    last odd byte is left out. Of a WAV file, what follows its sound is left out too; streams state a length of 0 or of
    nearly 2 or 4 GB, and are then read to their end.
    """

    def __init__(self, sample_rate_hz: int) -> None:
        self.sample_rate_hz = sample_rate_hz
        self._held = b""
        self._in_sound = False
        self._channels = 1
        self._kind, self._bits = _PCM, 16
        self._left: int | None = None  # bytes of sound that a WAV file has still; None: until the end

    def push(self, data: bytes) -> AudioChunk | None:
        """Return the sound of these bytes, float32 (N,); None where no sample is complete yet.

        Raise NoWav for a WAV file of a kind that is not read.
        """
        self._held += data
        if not self._in_sound and not self._find_sound():
            return None
        step = self._channels * self._bits // 8
        usable = len(self._held) if self._left is None else min(len(self._held), self._left)
        usable -= usable % step
        if not usable:
            return None
        raw, self._held = self._held[:usable], self._held[usable:]
        if self._left is not None:
            self._left -= usable
        samples = _samples(raw, self._kind, self._bits)
        return AudioChunk(to_mono(samples.reshape(-1, self._channels)), self.sample_rate_hz)

    def _find_sound(self) -> bool:
        """Read a WAV file's header, and return whether the sound begins."""
        held = self._held
        if not b"RIFF".startswith(held[:4]) and held[:4] != b"RIFF":
            self._in_sound = True  # raw PCM
            return True
        if len(held) < 12:
            return False
        if held[8:12] != b"WAVE":
            self._in_sound = True
            return True
        at, known = 12, False
        while len(held) >= at + 8:
            name, size = held[at : at + 4], struct.unpack_from("<I", held, at + 4)[0]
            if name == b"data":
                if not known:
                    raise NoWav("the WAV file does not say what its sound is")
                self._left = None if size == 0 or size >= 0x7FFF0000 else size
                self._held, self._in_sound = held[at + 8 :], True
                return True
            if len(held) < at + 8 + size:
                break
            if name == b"fmt ":
                self._read_format(held[at + 8 : at + 8 + size])
                known = True
            at += 8 + size + size % 2
        if len(held) > _LONGEST_HEADER_BYTES:
            raise NoWav("the WAV file has no sound in its first 64 KiB")
        return False

    def _read_format(self, fmt: bytes) -> None:
        if len(fmt) < 16:
            raise NoWav("the WAV file's header is too short")
        kind, channels, rate_hz, _bytes_per_s, _align, bits = struct.unpack_from("<HHIIHH", fmt)
        if kind == _EXTENSIBLE and len(fmt) >= 26:
            kind = struct.unpack_from("<H", fmt, 24)[0]
        if (kind, bits) not in ((_PCM, 8), (_PCM, 16), (_PCM, 24), (_PCM, 32), (_FLOAT, 32), (_FLOAT, 64)):
            raise NoWav(f"the WAV file's sound is of kind {kind} with {bits} bits: 16-bit PCM is read")
        if not 1 <= channels <= 8 or not 8_000 <= rate_hz <= 192_000:
            raise NoWav(f"the WAV file states {channels} channels and {rate_hz} Hz")
        self._kind, self._channels, self._bits, self.sample_rate_hz = kind, channels, bits, rate_hz


def _samples(raw: bytes, kind: int, bits: int) -> np.ndarray:
    """Return samples as float32 (N,) in [-1, 1]."""
    if kind == _FLOAT:
        return np.frombuffer(raw, "<f4" if bits == 32 else "<f8").astype(np.float32)
    if bits == 8:
        return (np.frombuffer(raw, np.uint8).astype(np.float32) - 128) / 128
    if bits == 24:
        parts = np.frombuffer(raw, np.uint8).reshape(-1, 3).astype(np.int32)  # (N, 3), low byte first
        whole = (parts[:, 0] << 8) | (parts[:, 1] << 16) | (parts[:, 2] << 24)
        return (whole / 2**31).astype(np.float32)
    return (np.frombuffer(raw, "<i2" if bits == 16 else "<i4") / 2 ** (bits - 1)).astype(np.float32)
