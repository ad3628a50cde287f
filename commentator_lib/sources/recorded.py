"""Read what was recorded of a run's sources again, as they were in the run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from commentator_lib.errors import first_line
from commentator_lib.media import AudioChunk, Frame
from commentator_lib.sources.base import Source, SourceError
from commentator_lib.sources.video import VideoSource, open_file

if TYPE_CHECKING:
    import av


class RecordedSource(VideoSource):
    """A recorded source, read again with the frames' own numbers. Raise SourceError where there is none, or no other.

    Only Matroska is read, whatever the file holds, and nothing beside it is opened.
    """

    repeats_stills = False

    def __init__(self, folder: Path, max_px: int = 1280, part: int = 1) -> None:
        path = part_path(folder, part, "mkv")
        self._indices, begins_s = _recorded_indices(part_path(folder, part, "csv"))
        self.first_index = self._indices[0] if self._indices else 0
        self._begins_s = begins_s  # media time of its first frame in the run
        super().__init__(
            open_file(
                path,
                max_px,
                "is no recording that can be read",
                options={"protocol_whitelist": "file", "format_whitelist": "matroska"},
            )
        )

    def read(self, not_before_s: float = 0.0) -> Frame | None:
        frame = super().read(not_before_s)
        if frame is None or frame.index >= len(self._indices):
            return None
        pts_s = frame.pts_s + self._begins_s
        return Frame(self._indices[frame.index], pts_s, frame.captured_at_s, frame.image)

    def read_sound(self) -> list[AudioChunk]:
        begins_s = self._begins_s
        return [
            AudioChunk(chunk.samples, chunk.sample_rate_hz, (chunk.from_s or 0.0) + begins_s)
            for chunk in super().read_sound()
        ]


class JoinedSource(Source):
    """The source of a run and the recordings of those that followed it, one after another, as they were in the run."""

    def __init__(self, first: Source, rest: Sequence[RecordedSource]) -> None:
        self.info = first.info
        self._parts = [first, *rest]
        self._firsts = [part.first_index for part in rest]  # the first frame's number of each that follows

    @property
    def decoded(self) -> av.VideoFrame | None:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self._parts[0].decoded

    def read(self, not_before_s: float = 0.0) -> Frame | None:
        while True:
            self._parts[0].wants_images = self.wants_images
            frame = self._parts[0].read(not_before_s)
            if not self._firsts or (frame is not None and frame.index < self._firsts[0]):
                return frame
            self._parts.pop(0).close()
            self._firsts.pop(0)

    def read_sound(self) -> list[AudioChunk]:
        return self._parts[0].read_sound()

    def close(self) -> None:
        for part in self._parts:
            part.close()


def recorded_parts(folder: Path) -> list[RecordedSource]:
    """Open the recordings of the sources that followed the first one, in order. Raise SourceError for a broken one."""
    parts: list[RecordedSource] = []
    while part_path(folder, number := len(parts) + 2, "mkv").exists():
        parts.append(RecordedSource(folder, part=number))
    return parts


def part_path(folder: Path, part: int, ending: str) -> Path:
    """Return the file of a recording; `part` counts the sources of a run from 1 on."""
    return folder / (f"source.{ending}" if part == 1 else f"source-{part}.{ending}")


def _recorded_indices(path: Path) -> tuple[list[int], float]:
    """Return the numbers of the recorded frames, and the first one's media time, 0 where it is not written.

    A cut-off last line is left out. Raise SourceError.
    """
    try:
        rows = [line.split(",") for line in path.read_text(encoding="utf-8").split("\n")[:-1]]
        begins_s = float(rows[0][1]) if rows and len(rows[0]) > 1 else 0.0
        return [int(row[0]) for row in rows], begins_s
    except (OSError, ValueError) as error:
        raise SourceError(f"{path} cannot be read: {first_line(error)}") from None


def is_recorded(folder: Path) -> bool:
    """Return whether a run's folder holds the picture of its source."""
    return (folder / "source.mkv").exists()
