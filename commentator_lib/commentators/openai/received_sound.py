"""Sound from a server as samples: base64 of WAV files or bare PCM, cut anywhere.

Servers agree on nothing but base64. Some send each piece as a small WAV file, some a WAV header once and bare samples
after it, some bare samples only; the sizes in a header may be those of the piece, or placeholders for a stream that
does not end. A piece may end within a header, within a sample, or within a group of four base64 characters. The wave
module of the standard library reads whole files only, and PyAV would wait for more than one piece before its first
sample.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass

import numpy as np

from commentator_lib.media import to_mono

DEFAULT_RATE_HZ = 24_000
_RATES_HZ = range(8_000, 192_001)
_MOST_CHANNELS = 8
_LONGEST_HEADER_BYTES = 65_536
# Sizes from here on are placeholders: no piece of a comment is that long.
_PLACEHOLDER_BYTES = 0x7FFF_0000
_PCM = ("", "wav", "wave", "x-wav", "pcm", "pcm16", "pcm_s16le", "s16le", "l16", "pcm_f32le", "f32le")
_FLOATS = ("pcm_f32le", "f32le")
# How compressed sound begins; taken for bare samples it would be noise.
_COMPRESSED = {
    b"OggS": "ogg",
    b"fLaC": "flac",
    b"ID3\x03": "mp3",
    b"ID3\x04": "mp3",
    b"\x1aE\xdf\xa3": "webm",
}
# What may follow the samples in a WAV file.
_AFTER_SAMPLES = (b"LIST", b"PEAK", b"fact", b"id3 ", b"ID3 ", b"bext", b"cue ", b"smpl")
_SAMPLES = {(1, 16): "<i2", (1, 32): "<i4", (3, 32): "<f4"}  # by WAV's format number and bits
_EXTENSIBLE = 0xFFFE
_BASE64 = re.compile(r"[A-Za-z0-9+/]*={0,2}")


class SoundError(Exception):
    """A server's sound cannot be read; one line that says why."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How samples lie in bytes: `kind` is a NumPy type, such as "<i2"."""

    rate_hz: int = DEFAULT_RATE_HZ
    channels: int = 1
    kind: str = "<i2"

    @property
    def frame_bytes(self) -> int:
        """The bytes of one sample of each channel."""
        return np.dtype(self.kind).itemsize * self.channels


class Base64Pieces:
    """Decodes base64 that comes in pieces; each may be a text of its own, or be cut anywhere from a longer one."""

    def __init__(self) -> None:
        self._held = ""

    def push(self, piece: str) -> bytes:
        """Return the bytes that are complete. Raise SoundError for what is no base64."""
        if piece.startswith("data:"):
            piece = piece.partition(",")[2]
        text = self._held + "".join(piece.split())
        if not _BASE64.fullmatch(text):
            self._held = ""
            raise SoundError("the server's sound is no base64")
        # A text of its own ends in "=" or with a whole group of four; else its last group is still to come.
        whole = len(text) - len(text) % 4
        text, self._held = text[:whole], text[whole:]
        try:
            return base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            self._held = ""
            raise SoundError("the server's sound is no base64") from None


class ReceivedSound:
    """Decodes one answer's sound as it comes; `layout` is that of the newest samples.

    Bare samples are 16 bits, mono, at 24 kHz, unless the server states something else; a WAV file's header goes before
    what is stated.
    """

    def __init__(self) -> None:
        self.layout = Layout()
        self._pieces = Base64Pieces()
        self._held = b""  # bytes that are not yet known to be header or samples, or half a sample
        self._in_header = False
        self._begun = False
        self._left: int | None = (
            None  # bytes of samples that a WAV file still has; None: it does not say, or no file
        )

    def push_base64(
        self, text: str, kind: str = "", rate_hz: int | None = None, channels: int | None = None
    ) -> np.ndarray:
        """Return what `push` returns for a piece in base64."""
        return self.push(self._pieces.push(text), kind, rate_hz, channels)

    def push(
        self, data: bytes, kind: str = "", rate_hz: int | None = None, channels: int | None = None
    ) -> np.ndarray:
        """Return the samples that are complete now, mono float32 (N,) in [-1, 1]; may be empty.

        `kind`, `rate_hz` and `channels` are what the server states of this piece, if it does. Raise SoundError for
        compressed sound, and for a layout that no sound has.
        """
        kind = kind.lower().removeprefix("audio/").partition(";")[0]
        if kind not in _PCM:
            raise SoundError(f"the server's sound is {kind[:20]}, and only WAV and PCM are read")
        if (_is_riff(data) and not self._in_header) or not self._begun:
            self._held, self._left = b"", None  # a file of its own: half a sample before it is lost
            self._in_header = True
            self._begun = self._begun or bool(data)
            self._state(kind, rate_hz, channels)
        elif self._left is None and not self._in_header and rate_hz not in (None, self.layout.rate_hz):
            self._state(kind, rate_hz, channels)
        self._held += data
        found: list[np.ndarray] = []
        while self._held:
            if self._in_header and not self._read_header():
                break
            if self._left == 0 and not self._after_file():
                break
            samples = self._read_samples()
            if not len(samples):
                break
            found.append(samples)
        return np.concatenate(found) if found else np.zeros(0, np.float32)

    def _state(self, kind: str, rate_hz: int | None, channels: int | None) -> None:
        """Take what the server states of bare samples."""
        samples = "<f4" if kind in _FLOATS else "<i2"
        self.layout = _checked(Layout(rate_hz or self.layout.rate_hz, channels or 1, samples))

    def _read_header(self) -> bool:
        """Read the header at the beginning of what is held; False where more of it must come first."""
        held = self._held
        # 1) Is it a file at all?
        if len(held) < 4 and b"RIFF".startswith(held):
            return False
        if compressed := _COMPRESSED.get(held[:4]):
            raise SoundError(f"the server's sound is {compressed}, and only WAV and PCM are read")
        if held[:4] != b"RIFF":
            self._in_header, self._left = False, None
            return True
        # 2) Its chunks, up to the samples.
        at, layout = 12, None
        while at + 8 <= len(held):
            name, size = held[at : at + 4], int.from_bytes(held[at + 4 : at + 8], "little")
            if name == b"data":
                if layout is None:
                    raise SoundError("the server's WAV file does not say how its samples lie")
                self.layout, self._held = layout, held[at + 8 :]
                self._in_header = False
                self._left = None if size == 0 or size >= _PLACEHOLDER_BYTES else size
                return True
            if name == b"fmt " and at + 8 + size <= len(held):
                layout = _layout(held[at + 8 : at + 8 + size])
            at += 8 + size + size % 2
        if len(held) > _LONGEST_HEADER_BYTES or at > _LONGEST_HEADER_BYTES:
            raise SoundError("the server's WAV file has no samples")
        return False

    def _after_file(self) -> bool:
        """Find out what follows a file's samples: a file, a chunk to skip, or bare samples; False: not known yet."""
        begin = self._held[:4]
        if len(begin) < 4 and any(name.startswith(begin) for name in (b"RIFF", *_AFTER_SAMPLES)):
            return False
        if begin == b"RIFF":
            self._in_header, self._left = True, None
            return self._read_header()
        if begin in _AFTER_SAMPLES:
            if len(self._held) < 8:
                return False
            size = int.from_bytes(self._held[4:8], "little")
            if len(self._held) < 8 + size:
                return False
            self._held = self._held[8 + size + size % 2 :]
            return bool(self._held) and self._after_file()
        self._left = None  # a header that spoke of the first piece alone
        return True

    def _read_samples(self) -> np.ndarray:
        """Return the whole samples at the beginning of what is held, mono."""
        size = self.layout.frame_bytes
        count = len(self._held) if self._left is None else min(len(self._held), self._left)
        if self._left is not None and self._left < size:
            self._held, self._left = self._held[self._left :], 0  # no whole sample: a file that was cut short
            return np.zeros(0, np.float32)
        count -= count % size
        raw, self._held = self._held[:count], self._held[count:]
        if self._left is not None:
            self._left -= count
        return _mono(raw, self.layout)


def _is_riff(data: bytes) -> bool:
    return data[:4] == b"RIFF" and data[8:12] == b"WAVE"


def _layout(fmt: bytes) -> Layout:
    """Return the layout that a WAV file's format chunk states. Raise SoundError for one that is not read."""
    if len(fmt) < 16:
        raise SoundError("the server's WAV file does not say how its samples lie")
    number, channels, rate_hz, _, _, bits = np.frombuffer(fmt[:16], "<u2,<u2,<u4,<u4,<u2,<u2")[0].item()
    if number == _EXTENSIBLE and len(fmt) >= 26:
        number = int.from_bytes(fmt[24:26], "little")
    kind = _SAMPLES.get((number, bits))
    if kind is None:
        raise SoundError(f"the server's WAV file has samples of {bits} bits in format {number}: not read")
    return _checked(Layout(rate_hz, channels, kind))


def _checked(layout: Layout) -> Layout:
    if layout.rate_hz not in _RATES_HZ or not 1 <= layout.channels <= _MOST_CHANNELS:
        raise SoundError(
            f"the server states sound at {layout.rate_hz} Hz on {layout.channels} channels: no sound is like that"
        )
    return layout


def _mono(raw: bytes, layout: Layout) -> np.ndarray:
    samples = np.frombuffer(raw, layout.kind).reshape(-1, layout.channels)
    if samples.dtype == np.int32:
        samples = (samples / 2**31).astype(np.float32)
    elif samples.dtype == np.float32:
        samples = np.clip(np.nan_to_num(samples, posinf=1.0, neginf=-1.0), -1.0, 1.0)
    return to_mono(samples)
