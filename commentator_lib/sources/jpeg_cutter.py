"""Cut JPEG pictures out of a stream of bytes: a JPEG file says by itself where it begins and ends."""

from __future__ import annotations

import re

# A picture is no larger, and a stream that holds none within so much is none of pictures.
PICTURE_MAX_BYTES = 64 << 20
NO_PICTURE_BYTES = 8 << 20
_HEAD_MAX_BYTES = 4096

START = b"\xff\xd8\xff"
# In a picture's coded data: a marker that ends it, which is neither an escaped byte, nor a restart, nor padding.
_MARKER = re.compile(rb"\xff[^\x00\x01\xd0-\xd7\xff]", re.DOTALL)
# The head of a part that is no picture.
_OTHER_PART = re.compile(
    rb"content-type:[ \t]*(?!image/|application/octet-stream)\w[^\r\n]*\r?\n(?:[^\r\n]+\r?\n)*?\r?\n",
    re.IGNORECASE,
)
_LENGTH = re.compile(rb"content-length:[ \t]*(\d{1,9})", re.IGNORECASE)


class PictureCutter:
    """Cuts JPEG pictures out of what comes; what stands between them is left out, whatever it is.

    A thumbnail inside a picture is part of it. A picture whose end is missing ends where the next one begins.
    """

    def __init__(self) -> None:
        self._data = bytearray()
        self._scanned = (
            0  # how far the picture at the beginning of `_data` is known to go on; 0: none begins there
        )
        self._coded_to = 0  # how far the coded data of its present scan goes on
        self._skip = 0  # bytes still to come of a part that is no picture

    def cut(self, data: bytes) -> list[bytes]:
        """Return the pictures that are complete with this piece."""
        if self._skip:
            skipped = min(self._skip, len(data))
            self._skip -= skipped
            data = data[skipped:]
        self._data += data
        found: list[bytes] = []
        while self._scanned or self._find_start():
            end = self._find_end()
            if end is None:
                if len(self._data) <= PICTURE_MAX_BYTES:
                    break
                end = 0
            if end:
                found.append(bytes(self._data[:end]))
            del self._data[: end or 2]  # no picture, though it begins like one
            self._scanned = self._coded_to = 0
        return found

    def _find_start(self) -> bool:
        """Drop what stands before the next picture; return whether there is one."""
        start = self._data.find(START)
        if (other := _OTHER_PART.search(self._data, 0, start if start >= 0 else len(self._data))) is not None:
            head = self._data[max(0, other.start() - 200) : other.end()]
            stated = [int(number) for number in _LENGTH.findall(head)]
            ends = other.end() + (stated[-1] if stated and stated[-1] <= NO_PICTURE_BYTES else 0)
            self._skip = max(0, ends - len(self._data))
            del self._data[:ends]
            return not self._skip and self._find_start()
        if start < 0:
            # The head of a part may still be incomplete.
            del self._data[: max(0, len(self._data) - _HEAD_MAX_BYTES)]
            return False
        del self._data[:start]
        self._scanned = 2
        return True

    def _find_end(self) -> int | None:
        """Return where the picture at the beginning ends; None while it is not all there, 0 where it is no picture."""
        data = self._data
        while True:
            # 1) A marker.
            at = self._scanned
            while data[at : at + 2] == b"\xff\xff":  # padding
                at += 1
            if len(data) < at + 2:
                return None
            if data[at] != 0xFF:
                return 0
            if data[at + 1] == 0xD9:
                return at + 2
            if data[at + 1] == 0xD8:
                return at if at > 2 else 0  # the next picture begins: this one's end is missing
            # 2) What belongs to it, by the length that it states.
            if len(data) < at + 4:
                return None
            after = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
            if after < at + 4:
                return 0
            if len(data) < after:
                return None
            # 3) After the head of a scan, its coded data up to the next marker.
            if data[at + 1] == 0xDA:
                marker = _MARKER.search(data, max(after, self._coded_to))
                if marker is None:
                    self._scanned, self._coded_to = at, len(data) - 1
                    return None
                after = marker.start()
            self._scanned, self._coded_to = after, 0
