"""How much of a checkpoint has been read while a library loads it, which tells nobody.

Weights in safetensors are mapped into memory and read page by page, whatever library and device they are for. So the
system knows what was read: the part of each file's mapping that is in memory. Files of other kinds, and systems that
do not tell it, give the size alone.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Generator, Iterable, Sequence
from pathlib import Path

import psutil

from commentator_lib.commentators.weights import bytes_text

_LOOK_EVERY_S = 0.5


class BytesRead:
    """The bytes of each file that have been read. `files`: the weight files, in any order."""

    def __init__(self, files: Iterable[Path]) -> None:
        self._size = {str(path.resolve()): path.stat().st_size for path in files}
        self._read = dict.fromkeys(self._size, 0)
        self._mapped: set[str] = set()

    @property
    def total(self) -> int:
        """The bytes of all files."""
        return sum(self._size.values())

    @property
    def known(self) -> bool:
        """Whether it can be known how much of them was read."""
        maps = hasattr(psutil.Process, "memory_maps")
        return maps and bool(self._size) and all(name.endswith(".safetensors") for name in self._size)

    def take(self, resident: dict[str, int]) -> int:
        """Return the bytes read so far; `resident`: the bytes in memory of each file that is mapped now.

        A file that is not mapped any more was read to its end.
        """
        for name, size in self._size.items():
            if name in resident:
                self._mapped.add(name)
                self._read[name] = max(self._read[name], min(resident[name], size))
            elif name in self._mapped:
                self._read[name] = size
        return sum(self._read.values())


def _resident() -> dict[str, int]:
    """Return the bytes in memory of each file that this process has mapped."""
    return {entry.path: entry.rss for entry in psutil.Process().memory_maps(grouped=True)}


@contextlib.contextmanager
def telling_bytes_read(
    files: Sequence[Path], say: Callable[[str, float | None], None], upto: float
) -> Generator[None]:
    """While the block runs, say "reading 3.1 of 8.5 GB" and the share of all loading, 0 to `upto`, as it gets on.

    `say(words, share)` is called on a thread of its own, except for the first time. Without files nothing is said of
    bytes.
    """
    if not files:
        say("reading the model", None)
        yield
        return
    progress = BytesRead(files)
    if not progress.known:
        say(f"reading {bytes_text(progress.total)}", None)
        yield
        return
    say(_words(0, progress.total), 0.0)
    over = threading.Event()

    def look() -> None:
        while not over.wait(_LOOK_EVERY_S):
            try:
                done = progress.take(_resident())
            except (OSError, psutil.Error):  # a system that does not tell it after all: no more is said
                return
            say(_words(done, progress.total), upto * done / max(1, progress.total))

    thread = threading.Thread(target=look, name="loading", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _words(done_bytes: int, total_bytes: int) -> str:
    """Return how much was read, for people.

    >>> _words(3_100_000_000, 8_500_000_000)
    'reading 3.1 of 8.5 GB'
    """
    amount, unit = bytes_text(total_bytes).split()
    return f"reading {done_bytes / (1e9 if unit == 'GB' else 1e6):.1f} of {amount} {unit}"
