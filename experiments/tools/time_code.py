"""A moving picture with the time in it: how old it is can be read wherever it arrives.

32 squares in the top row hold the milliseconds of the Unix time. Writing needs nothing but Python's own library, so
that a server that runs outside this environment can draw it too.
"""

from __future__ import annotations

import random
import time
from typing import Any

_SQUARE, _BITS = 16, 32
_WIDTH = 640  # the squares' places are those of a picture of this width
_LIT, _DARK, _HALF = 235, 16, 128


class ClockPicture:
    """Pictures of a texture that pans, with the time of their drawing. `width` is 640 or more, both sizes are even."""

    def __init__(self, width: int = 640, height: int = 360) -> None:
        self.width, self.height = width, height
        rng = random.Random(0)
        line = b"".join(bytes([rng.randrange(40, 200)]) * 20 for _ in range((width + 1200) // 20))
        self._rows = [line[20 * (row // 20 % 30) :] for row in range(height)]
        self._count = 0

    def i420(self, at_s: float | None = None) -> bytes:
        """Return the next picture as planar YUV 4:2:0; `at_s` is the time in it, now if None."""
        left = 3 * self._count % 500
        self._count += 1
        luma = bytearray(b"".join(row[left : left + self.width] for row in self._rows))
        milliseconds = int(1000 * (time.time() if at_s is None else at_s))
        code = b"".join(bytes([_LIT if milliseconds >> bit & 1 else _DARK]) * _SQUARE for bit in range(_BITS))
        for row in range(_SQUARE):
            luma[row * self.width : row * self.width + len(code)] = code
        return bytes(luma) + bytes([128]) * (self.width * self.height // 2)


def age_s(image: Any, shown_width: int | None = None, now_s: float | None = None) -> float:
    """Return the age of a picture, (H, W, 3) uint8, in seconds; `shown_width` is the width it was drawn with."""
    scale = image.shape[1] / (shown_width or _WIDTH)
    milliseconds = 0
    for bit in range(_BITS):
        left, right = int((bit * _SQUARE + 4) * scale), int((bit * _SQUARE + 12) * scale)
        if image[int(4 * scale) : int(12 * scale), left:right, 1].mean() > _HALF:
            milliseconds |= 1 << bit
    late = (int(1000 * (time.time() if now_s is None else now_s)) - milliseconds) & 0xFFFFFFFF
    return (late - (1 << 32) if late > 1 << 31 else late) / 1000
