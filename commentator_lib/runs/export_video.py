"""Export a run to watch or hear: MP4 with the commentary's sound and captions, and WAV.

They are made from the run's folder alone, after the run: during it, encoding would compete with the commentator for
the processor, and so a run that was killed can be exported too. The picture is decoded again, and each frame is put at
the time at which the viewer saw it (`shown.csv`), the sound where it was heard.
"""

from __future__ import annotations

import logging
import os
import wave
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np

from commentator_lib.files import file_sha256
from commentator_lib.media import PLAYBACK_RATE_HZ
from commentator_lib.runs.caption_painter import CaptionPainter
from commentator_lib.runs.captions import cues
from commentator_lib.runs.reader import SavedRun, read_shown
from commentator_lib.runs.timeline import ExportError, timeline, voice_track
from commentator_lib.sources.base import Source, SourceError
from commentator_lib.sources.open import open_source
from commentator_lib.sources.recording import RecordedSource, is_recorded
from commentator_lib.video_writer import H264Writer

# Where nothing moves (before the first picture, after the last) the picture is repeated at this rate.
_STILL_FPS = 5.0
_VIDEO_CLOCK_HZ = 90_000

logger = logging.getLogger(__name__)

Progress = Callable[[float, float], None]


def write_wav(run: SavedRun, path: Path) -> float:
    """Write the commentary's sound alone, 48 kHz mono; return its length in seconds."""
    from_s, to_s = timeline(run, read_shown(run.folder))
    track = voice_track(run, from_s, to_s)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(PLAYBACK_RATE_HZ)
        file.writeframes(track.astype("<i2").tobytes())
    return len(track) / PLAYBACK_RATE_HZ


def write_mp4(run: SavedRun, path: Path, progress: Progress = lambda done_s, total_s: None) -> None:
    """Write an MP4 (H.264, AAC): the picture as the viewer saw it, the voice, and the captions in the picture.

    `progress(done_s, total_s)` is called as the work goes on. The file appears only when it is complete. Raise
    ExportError when the source cannot be read again or has changed, or the file cannot be written.
    """
    from av.error import FFmpegError

    shown = read_shown(run.folder)
    zero_s, end_s = timeline(run, shown)
    source = _reopen(run)
    part = path.with_suffix(".part")
    try:
        with H264Writer(
            part,
            source.info.width // 2 * 2 or 2,
            source.info.height // 2 * 2 or 2,
            max(1, round(source.info.fps)),  # for x264's motion search; the times are the frames' own
            encoder={"preset": "veryfast", "crf": "23"},
            muxer={"movflags": "+faststart"},
            container="mp4",
            time_base=Fraction(1, _VIDEO_CLOCK_HZ),
            sound_rate_hz=PLAYBACK_RATE_HZ,
        ) as video:
            _encode(run, shown, source, video, zero_s, end_s, progress)
        os.replace(part, path)
        logger.info("%s: %.1f s of video written", path, end_s - zero_s)
    except (OSError, FFmpegError) as error:
        raise ExportError(f"cannot write {path}: {getattr(error, 'strerror', None) or error}") from None
    finally:
        source.close()
        part.unlink(missing_ok=True)


def _reopen(run: SavedRun) -> Source:
    """Open the run's source again, from its start: its recording, or the clips themselves."""
    header = run.header
    if is_recorded(run.folder):
        try:
            return RecordedSource(run.folder)
        except SourceError as error:
            raise ExportError(str(error)) from None
    for name, digest in header.get("clip_sha256", {}).items():
        if not Path(name).is_file():
            raise ExportError(f"the clip {name} is gone: put it back where it was to export this run")
        if file_sha256(name) != digest:
            raise ExportError(f"the clip {name} is not the one that this run was made from")
    try:
        return open_source(header["source"], header.get("duration_s"), header["settings"]["picture_max_px"])
    except SourceError as error:
        raise ExportError(f"the picture of this run cannot be read again: {error}") from None


def _shown_pictures(
    source: Source, shown: np.ndarray, zero_s: float, end_s: float
) -> Iterator[tuple[float, np.ndarray | None]]:
    """Yield (time, image or None) in order: each shown frame when it was shown; a still one where nothing moves.

    `shown` is what `read_shown` returns, (N, 4). None stands for no picture yet. Times are seconds since
    `zero_s`.
    """
    step_s = 1.0 / _STILL_FPS
    at_s = 0.0
    image = None
    frame = source.read()
    for index, _, _, shown_s in shown:
        when_s = shown_s - zero_s
        while at_s + 1.5 * step_s < when_s:
            yield at_s, image
            at_s += step_s
        while frame is not None and frame.index < index:
            frame = source.read()
        if frame is None:
            break
        image = frame.image
        yield when_s, image
        at_s = when_s + step_s
    while at_s < end_s - zero_s:
        yield at_s, image
        at_s += step_s


def _encode(
    run: SavedRun,
    shown: np.ndarray,
    source: Source,
    video: H264Writer,
    zero_s: float,
    end_s: float,
    progress: Progress,
) -> None:
    """Write picture, captions and sound from `zero_s` to `end_s`, seconds since the session's start."""
    track = voice_track(run, zero_s, end_s)
    painter = CaptionPainter(video.width_px, video.height_px, run.header["commentator"])
    captions = cues(run)
    next_sample = next_cue = 0
    for at_s, image in _shown_pictures(source, shown, zero_s, end_s):
        # 1) write the sound up to here, so that neither stream runs far ahead of the other
        while next_sample < len(track) and next_sample / PLAYBACK_RATE_HZ <= at_s:
            video.write_sound(track[next_sample : next_sample + video.sound_block], next_sample)
            next_sample += video.sound_block
        # 2) find the caption of this time
        while next_cue < len(captions) and captions[next_cue].to_s - zero_s <= at_s:
            next_cue += 1
        visible = next_cue < len(captions) and captions[next_cue].from_s - zero_s <= at_s
        # 3) write the picture with its caption
        canvas = fit(image, video.width_px, video.height_px)
        painter.paint(canvas, captions[next_cue].text if visible else "")
        video.write(canvas, at_s)
        progress(at_s, end_s - zero_s)
    while next_sample < len(track):
        video.write_sound(track[next_sample : next_sample + video.sound_block], next_sample)
        next_sample += video.sound_block


def fit(image: np.ndarray | None, width: int, height: int) -> np.ndarray:
    """Return a writable (height, width, 3) copy of `image`, scaled to fit with black bars; black for None."""
    canvas = np.zeros((height, width, 3), np.uint8)
    if image is None:
        return canvas
    import cv2

    h, w = image.shape[:2]
    scale = min(width / w, height / h)
    size = max(1, min(width, round(w * scale))), max(1, min(height, round(h * scale)))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    scaled = image if size == (w, h) else cv2.resize(image, size, interpolation=how)
    top, left = (height - size[1]) // 2, (width - size[0]) // 2
    canvas[top : top + size[1], left : left + size[0]] = scaled
    return canvas
