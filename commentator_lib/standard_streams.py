"""stdout and stderr of the command line: a run does not depend on who reads them, or on what they can show.

- A reader that has gone (`| head -1`, a terminal that was closed) is no fault: what is printed from then on is dropped,
  and the command goes on. Another failure to write, such as a full disk, is kept in `problem`.
- A descriptor that is not open at all (`>&-`) is opened on the null device, as else the next file that is opened would
  take its number, and what is printed would be written into that file.
- A character that an encoding does not have is written as others that it has: "→" as "->", "é" as "e"; else "?".
"""

from __future__ import annotations

import codecs
import errno
import io
import os
import sys
import unicodedata

_ERRORS = "commentator-readable"
_GONE = {errno.EPIPE, errno.EIO, errno.EBADF, errno.ECONNRESET}
_LIKE = {
    "✓": "yes", "✗": "no", "→": "->", "←": "<-", "–": "-", "—": "-", "−": "-", "‑": "-", "…": "...", "×": "x",
    "·": "-", "•": "-", "“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "‘": "'", "’": "'", "‚": "'", "≥": ">=",
    "≤": "<=", "≈": "~", "€": "EUR", "ß": "ss", "æ": "ae", "ø": "o", "đ": "d", "ł": "l", "Æ": "AE", "Ø": "O",
    "Đ": "D", "Ł": "L", "ı": "i", "œ": "oe", "Œ": "OE", "。": ".", "，": ",", "！": "!", "？": "?", "：": ":",
}  # fmt: skip


class GuestStream(io.TextIOWrapper):
    """A text stream to whose end nothing is a fault of the writer: writing never raises an error.

    `reader_left`: nobody reads it any more. `problem`: why else it could not be written, "" for nothing.
    """

    reader_left = False
    problem = ""

    def write(self, text: str, /) -> int:
        try:
            return super().write(text)
        except (OSError, ValueError) as error:
            self._give_up(error)
            return len(text)

    def flush(self) -> None:
        try:
            super().flush()
        except (OSError, ValueError) as error:
            self._give_up(error)

    def _give_up(self, error: OSError | ValueError) -> None:
        """Send what is still to come to the null device."""
        if isinstance(error, OSError) and error.errno not in _GONE:
            self.problem = self.problem or error.strerror or str(error)
        else:
            self.reader_left = True
        if not self.closed:
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, self.fileno())
            os.close(null)


def prepare_standard_streams() -> None:
    """Make stdout and stderr GuestStreams. Called once, at the process's start."""
    _open_missing_descriptors()
    codecs.register_error(_ERRORS, _readable)
    for number, name in ((1, "stdout"), (2, "stderr")):
        stream = getattr(sys, name)
        if isinstance(stream, GuestStream) or not (stream is None or isinstance(stream, io.TextIOWrapper)):
            continue
        if stream is None:
            file = open(number, "wb", closefd=False)  # noqa: SIM115 - it lives as long as the process
            guest = GuestStream(file, encoding="utf-8", errors=_ERRORS)
            guest.reader_left = True
        else:
            buffered = stream.line_buffering
            encoding = stream.encoding
            guest = GuestStream(stream.detach(), encoding=encoding, errors=_ERRORS, line_buffering=buffered)
        setattr(sys, name, guest)
        setattr(sys, f"__{name}__", guest)


def _open_missing_descriptors() -> None:
    """Open those of the descriptors 0, 1 and 2 that are closed on the null device."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            null = os.open(os.devnull, os.O_RDWR)
            if null != number:
                os.dup2(null, number)
                os.close(null)


def reader_left() -> bool:
    """Return whether nobody reads stdout any more."""
    return sys.stdout is None or getattr(sys.stdout, "reader_left", False)


def output_problem() -> str:
    """Return why stdout could not be written, "" for nothing, or where its reader has just gone."""
    return getattr(sys.stdout, "problem", "")


def holds_unicode() -> bool:
    """Return whether stdout takes every character."""
    return (getattr(sys.stdout, "encoding", None) or "utf-8").lower().replace("-", "").startswith("utf")


def as_printed(text: str) -> str:
    """Return a text as stdout will have it, so that it can be measured."""
    encoding, errors = getattr(sys.stdout, "encoding", None), getattr(sys.stdout, "errors", None)
    if encoding is None or errors != _ERRORS:
        return text
    return text.encode(encoding, errors).decode(encoding)


def _readable(error: UnicodeError) -> tuple[str, int]:
    """Replace what an encoding does not have; a handler for `codecs.register_error`."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    found = (_likeness(c, error.encoding) for c in error.object[error.start : error.end])
    return "".join(found), error.end


def _likeness(character: str, encoding: str) -> str:
    """Return what stands for a character in an encoding that has it not."""

    def fits(text: str) -> bool:
        try:
            text.encode(encoding)
        except UnicodeEncodeError:
            return False
        return True

    parts = unicodedata.normalize("NFKD", _LIKE.get(character, character))
    kept = "".join(_LIKE.get(c, c) for c in parts if unicodedata.category(c)[0] not in "MC" or fits(c))
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return ""  # a mark on the letter before, or a control that is not seen
    return kept if kept and fits(kept) else "?"
