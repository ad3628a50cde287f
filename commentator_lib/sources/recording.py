"""Record the picture of a source that cannot be read again, so that its run can be exported like any other.

A clip on disk is decoded again for the export. A camera's picture cannot be read again, so it is encoded during the
run, on a thread of its own with a short queue: a slow disk or a busy processor costs recorded frames, and never delays
the commentary. Matroska is written in pieces, and can be read after a kill.

    source.mkv    the picture, H.264
    source.csv    the index of each recorded frame, in order
"""

from __future__ import annotations

import logging
import queue
import threading
from fractions import Fraction
from pathlib import Path

from commentator_lib.errors import named_first_line
from commentator_lib.media import Frame
from commentator_lib.sources.video import FileSource
from commentator_lib.video_writer import H264Writer

logger = logging.getLogger(__name__)

_QUEUE_FRAMES = 50


class SourceRecorder:
    """Records the frames that are given to `push`; `close` ends the file. `problem` says why it ended before that."""

    def __init__(self, folder: Path, fps: float) -> None:
        self.dropped = 0
        self.problem = ""
        self._folder = folder
        self._fps = max(1, round(fps))
        self._frames: queue.Queue[Frame | None] = queue.Queue(_QUEUE_FRAMES)
        self._thread = threading.Thread(target=self._work, name="recorder", daemon=True)
        self._thread.start()

    def push(self, frame: Frame) -> None:
        """Record a frame without blocking: where the queue is full, the frame is not recorded but counted."""
        try:
            self._frames.put_nowait(frame)
        except queue.Full:
            self.dropped += 1

    def close(self, timeout_s: float = 20.0) -> None:
        """Write what is waiting and close the file."""
        self._frames.put(None)
        self._thread.join(timeout_s)

    def _work(self) -> None:
        try:
            self._record()
        except Exception as error:  # a full disk or a failing encoder: the recording ends, the run goes on
            self.problem = f"the picture is not recorded any more: {named_first_line(error)}"
            logger.warning("%s", self.problem)
            while self._frames.get() is not None:
                self.dropped += 1

    def _record(self) -> None:
        first = self._frames.get()
        if first is None:
            return
        height_px, width_px = (max(2, n // 2 * 2) for n in first.image.shape[:2])
        with (
            H264Writer(
                self._folder / "source.mkv",
                width_px,
                height_px,
                self._fps,
                # No B-frames and one key frame a second: all that was written can be decoded after a kill.
                encoder={"preset": "ultrafast", "crf": "20", "tune": "zerolatency", "g": str(self._fps)},
                # Every packet goes to the disk at once: a kill must not take the last seconds.
                muxer={"flush_packets": "1", "cluster_time_limit": "1000"},
                container="matroska",
                time_base=Fraction(1, 1000),
            ) as video,
            open(self._folder / "source.csv", "w", encoding="utf-8", buffering=1) as index,
        ):
            frame: Frame | None = first
            while frame is not None:
                video.write(frame.image, frame.captured_at_s - first.captured_at_s)
                index.write(f"{frame.index}\n")
                frame = self._frames.get()


class RecordedSource(FileSource):
    """A recorded source, read again with the frames' own numbers. Raise SourceError where there is none."""

    def __init__(self, folder: Path, max_px: int = 1280) -> None:
        super().__init__(folder / "source.mkv", max_px)
        lines = (folder / "source.csv").read_text(encoding="utf-8").split("\n")
        self._indices = [int(line) for line in lines[:-1]]

    def read(self, not_before_s: float = 0.0) -> Frame | None:
        frame = super().read(not_before_s)
        if frame is None or frame.index >= len(self._indices):
            return None
        return Frame(self._indices[frame.index], frame.pts_s, frame.captured_at_s, frame.image)


def is_recorded(folder: Path) -> bool:
    """Return whether a run's folder holds the picture of its source."""
    return (folder / "source.mkv").exists()
