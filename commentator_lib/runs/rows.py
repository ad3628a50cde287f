"""The rows of one journal: the last ones in memory, all of them in its file. A run of hours keeps its memory."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, overload

from commentator_lib.runs.reader import read_journal

# Rows that stay in memory where there is a file.
_KEPT = 500

Row = dict[str, Any]


class Rows(Sequence[Row]):
    """Rows in order; `path` is the journal that holds them all, None where they stay in memory."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._last: deque[Row] = deque(maxlen=None if path is None else _KEPT)
        self._count = 0

    def append(self, row: Row) -> None:
        """Add a row, which is in the journal or will be."""
        self._last.append(row)
        self._count += 1

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Row]:
        last = list(self._last)
        before = self._count - len(last)
        if before and self._path is not None:
            yield from itertools.islice(read_journal(self._path), before)
        yield from last

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> list[Row]: ...
    def __getitem__(self, index: int | slice) -> Row | list[Row]:
        return list(self)[index]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, list | Rows) and list(self) == list(other)

    __hash__ = None  # pyright: ignore[reportAssignmentType]
