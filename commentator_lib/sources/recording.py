"""Record picture and sound of a source that cannot be read again, so that its run can be exported like any other.

A clip on disk is decoded again for the export. A camera cannot be read again, nor can a program's pictures (a
generator, an array, a class of its own), so what they give is encoded during the run, on a thread of its own with a
short queue: a slow disk or a busy processor costs recorded frames, and never delays the commentary. Matroska is written
in pieces, and can be read after a kill.

    source.mkv    the picture, H.264, and the sound, FLAC
    source.csv    the index of each recorded frame, in order

Where another source followed in mid-run, its recording is source-2.mkv, with its index and media time in source-2.csv,
and so on.
"""

from __future__ import annotations

import logging
import os
import threading
from collections import deque
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from commentator_lib.errors import first_line, named_first_line
from commentator_lib.media import PLAYBACK_RATE_HZ, Frame
from commentator_lib.sources.open import GivenSource, is_named
from commentator_lib.sources.recorded import part_path
from commentator_lib.video_writer import H264Writer, SoundTrack

if TYPE_CHECKING:
    pass

logger = logging.getLogger(__name__)

# What waits to be encoded: at most so many seconds of pictures, and so many bytes.
_QUEUE_S, _QUEUE_BYTES = 2.0, 256_000_000
# A source with few pictures a second has at least so many of them waiting.
_LEAST_FRAMES = 2
# Sound that does not follow the sound before within this time leaves a gap, or is cut.
_SEAM_S = 0.05
# FFmpeg's names of the containers that name no other file.
_CLIP_FORMATS = ",".join(
    (
        *(
            "3gp",
            "aac",
            "apng",
            "asf",
            "av1",
            "avi",
            "dv",
            "flv",
            "gif",
            "gif_pipe",
            "h264",
            "hevc",
            "ivf",
            "m4v",
            "matroska",
        ),
        *(
            "mjpeg",
            "mov",
            "mp4",
            "mpeg",
            "mpegts",
            "mpegtsraw",
            "mpegvideo",
            "mxf",
            "nut",
            "obu",
            "ogg",
            "rm",
            "swf",
            "vc1",
        ),
        *("vob", "webm", "webp_pipe", "wtv", "yuv4mpegpipe"),
    )
)
_Sound = tuple[np.ndarray, float]  # (N, 2) int16 at 48 kHz, captured from … on, in seconds
_Item = Frame | _Sound


class RecordingQueue:
    """What waits to be recorded, in its order: at most `longest_s` of pictures, and `most_bytes`.

    Where there is more, the oldest is left out, or `put` waits, as it is told. Any thread may call.
    """

    def __init__(self, longest_s: float = _QUEUE_S, most_bytes: int = _QUEUE_BYTES) -> None:
        self._longest_s, self._most_bytes = longest_s, most_bytes
        self._items: deque[_Item] = deque()
        self._bytes = self._frames = 0
        self._ended = False
        self._changed = threading.Condition()

    def put(self, item: _Item, wait: bool = False) -> list[_Item]:
        """Add an item; return what is left out for it, which is the item itself after the end."""
        with self._changed:
            if self._ended:
                return [item]
            self._items.append(item)
            self._count(item, 1)
            self._changed.notify_all()
            if wait:
                self._changed.wait_for(lambda: self._ended or not self._is_over())
                return []
            left_out = []
            while self._is_over():
                left_out.append(self._take())
            return left_out

    def get(self) -> _Item | None:
        """Return the oldest item; wait for one. None after the end, once nothing is left."""
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._ended)
            item = self._take() if self._items else None
            self._changed.notify_all()
            return item

    def end(self) -> None:
        """Let nothing more in."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _take(self) -> _Item:
        item = self._items.popleft()
        self._count(item, -1)
        return item

    def _count(self, item: _Item, sign: int) -> None:
        self._frames += sign * isinstance(item, Frame)
        self._bytes += sign * (item.image if isinstance(item, Frame) else item[0]).nbytes

    def _is_over(self) -> bool:
        if len(self._items) < 2:
            return False
        waiting_s = _captured_s(self._items[-1]) - _captured_s(self._items[0])
        too_long = waiting_s > self._longest_s and self._frames > _LEAST_FRAMES
        return too_long or self._bytes > self._most_bytes


def _captured_s(item: _Item) -> float:
    return item.captured_at_s if isinstance(item, Frame) else item[1]


class SourceRecorder:
    """Records what is given to `push` and `push_sound`; `close` ends the file.

    `problem` says why it ended before that. `dropped` counts frames that were not recorded, `dropped_sound_s` the
    seconds of sound. `fps` is about what the source gives. With `waits`, for virtual time, nothing is left out: `push`
    waits for a recorder that cannot keep up. `part` counts the sources of a run from 1 on.
    """

    def __init__(
        self, folder: Path, fps: float, has_sound: bool = False, waits: bool = False, part: int = 1
    ) -> None:
        self.dropped = 0
        self.dropped_sound_s = 0.0
        self.problem = ""
        self._paths = [part_path(folder, part, ending) for ending in ("mkv", "csv")]
        self._part = part
        self._fps = max(1, round(fps))
        self._has_sound = has_sound
        self._waits = waits
        self._sound_samples = 0  # recorded so far
        self._queue = RecordingQueue()
        self._thread = threading.Thread(target=self._work, name="recorder", daemon=True)
        self._thread.start()

    def push(self, frame: Frame) -> None:
        """Record a frame; where too much waits, the oldest that waits is not recorded, but counted."""
        self._leave_out(self._queue.put(frame, self._waits))

    def push_sound(self, samples: np.ndarray, captured_s: float) -> None:
        """Record sound, (N, 2) int16 at 48 kHz, captured from `captured_s` on; it is left out as frames are."""
        self._leave_out(self._queue.put((samples, captured_s), self._waits))

    def close(self, timeout_s: float = 20.0) -> None:
        """Write what is waiting and close the file."""
        self._queue.end()
        self._thread.join(timeout_s)
        if self._thread.is_alive() and not self.problem:
            self.problem = f"the recording of the source was not finished within {timeout_s:g} s"

    def notes(self) -> list[str]:
        """Return what is missing in the recording, in lines for the run's log."""
        lost = []
        if self.problem:
            lost.append(self.problem)
        if self.dropped:
            lost.append(f"{self.dropped} frames were not recorded")
        if self.dropped_sound_s >= _SEAM_S:
            lost.append(f"{self.dropped_sound_s:.1f} s of sound were not recorded")
        return lost

    def _leave_out(self, items: list[_Item]) -> None:
        for item in items:
            if isinstance(item, Frame):
                self.dropped += 1
            else:
                self.dropped_sound_s += len(item[0]) / PLAYBACK_RATE_HZ

    def _work(self) -> None:
        try:
            self._record()
        except Exception as error:  # a full disk or a failing encoder: the recording ends, the run goes on
            self.problem = f"the picture is not recorded any more: {named_first_line(error)}"
            logger.warning("%s", self.problem)
            self._queue.end()
            while (item := self._queue.get()) is not None:
                self._leave_out([item])

    def _record(self) -> None:
        # 1) Wait for the first picture: it is the file's beginning.
        before: list[_Sound] = []
        while not isinstance(first := self._queue.get(), Frame):
            if first is None:
                return
            before.append(first)
        # 2) Write what comes, in its order.
        height_px, width_px = (max(2, n // 2 * 2) for n in first.image.shape[:2])
        with (
            H264Writer(
                self._paths[0],
                width_px,
                height_px,
                self._fps,
                # No B-frames and one key frame a second: all that was written can be decoded after a kill.
                encoder={"preset": "ultrafast", "crf": "20", "tune": "zerolatency", "g": str(self._fps)},
                # Every packet goes to the disk at once: a kill must not take the last seconds.
                muxer={"flush_packets": "1", "cluster_time_limit": "1000"},
                container="matroska",
                time_base=Fraction(1, 1000),
                sound_tracks=(SoundTrack("programme", channels=2, codec="flac"),) if self._has_sound else (),
            ) as video,
            open(self._paths[1], "w", encoding="utf-8", buffering=1) as index,
        ):
            item: _Item | None = first
            while item is not None:
                if isinstance(item, Frame):
                    video.write(item.image, item.captured_at_s - first.captured_at_s)
                    index.write(f"{item.index}\n" if self._part == 1 else f"{item.index},{item.pts_s:.6f}\n")
                else:
                    before.append(item)
                for samples, captured_s in before:
                    self._write_sound(video, samples, captured_s - first.captured_at_s)
                before.clear()
                item = self._queue.get()

    def _write_sound(self, video: H264Writer, samples: np.ndarray, at_s: float) -> None:
        """Write sound at its time: silence for what is missing before it, less of it where there is too much."""
        off = round(at_s * PLAYBACK_RATE_HZ) - self._sound_samples
        # The first sound begins at its time to the sample; later, what is off by little is left as it is.
        left = 0 if self._sound_samples == 0 else _SEAM_S * PLAYBACK_RATE_HZ
        if off > left:
            samples = np.concatenate([np.zeros((off, 2), np.int16), samples])
        elif off < -left:
            samples = samples[-off:]
        if len(samples):
            video.write_sound(samples, self._sound_samples)
            self._sound_samples += len(samples)


def needs_recording(given: GivenSource) -> bool:
    """Return whether a source's pictures could not be read again for an export.

    They can be where it is named, and each name is a clip's, "demo" or "synthetic:…".
    """
    names = [given] if isinstance(given, str) else given
    if not is_named(names):
        return True
    return not all(name == "demo" or is_synthetic(name) or is_clip(name) for name in names)


def is_synthetic(name: str) -> bool:
    """Return whether a source's name is that of pictures that are computed."""
    return name.startswith(("synthetic:", "made:"))


def is_clip(name: str) -> bool:
    """Return whether a name is that of a video file that holds all that it plays, and not a list of others."""
    import av
    from av.error import FFmpegError

    if not os.path.isfile(name):
        return False
    try:
        with av.open(
            f"file:{name}", options={"protocol_whitelist": "file", "format_whitelist": _CLIP_FORMATS}
        ):
            return True
    except (FFmpegError, ValueError, OSError) as error:
        logger.debug("%s is no clip: %s", name, first_line(error))
        return False
