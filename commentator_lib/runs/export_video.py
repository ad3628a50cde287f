"""Export a run to watch or hear: MP4 with the commentary's sound and captions, and WAV.

They are made from the run's folder alone, after the run: during it, encoding would compete with the commentator for
the processor, and so a run that was killed can be exported too. The picture is decoded again, and each frame is put at
the time at which the viewer saw it (`shown.csv`), the sound where it was heard. Pictures go from the decoder to the
encoder without a way through RGB, which would cost more than both.
"""

from __future__ import annotations

import itertools
import logging
import os
import wave
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from commentator_lib.files import file_sha256
from commentator_lib.media import PLAYBACK_RATE_HZ, Frame, to_int16
from commentator_lib.runs.caption_painter import CaptionPainter
from commentator_lib.runs.captions import cues
from commentator_lib.runs.export_sound import ExportSound
from commentator_lib.runs.fonts import font_advice, missing_characters
from commentator_lib.runs.planes import PictureFitter
from commentator_lib.runs.reader import SavedRun, read_shown
from commentator_lib.runs.timeline import ExportError, VoiceTrack, timeline
from commentator_lib.sources.base import Source, SourceError
from commentator_lib.sources.open import demo_playlist, open_source
from commentator_lib.sources.recorded import JoinedSource, RecordedSource, is_recorded, recorded_parts
from commentator_lib.sources.recording import is_clip, is_synthetic
from commentator_lib.video_writer import H264Writer

if TYPE_CHECKING:
    import av

# Where nothing moves (before the first picture, after the last) the picture is repeated at this rate.
_STILL_FPS = 5.0
_VIDEO_CLOCK_HZ = 90_000
# Half the processor time of "veryfast" at 23, and no worse by SSIM; the file is larger by about a half.
_ENCODER = {"preset": "superfast", "crf": "24", "x264-params": "bframes=0:weightp=0"}
_WAV_BLOCK = PLAYBACK_RATE_HZ  # samples
# Computed pictures are made for so many seconds after the last one that was shown.
_BEYOND_S = 10.0

logger = logging.getLogger(__name__)

Progress = Callable[[float, float], None]


def write_wav(run: SavedRun, path: Path, track: str = "voice", clips: Sequence[str] = ()) -> float:
    """Write one sound track of the run alone, 48 kHz; return its length in seconds.

    `track` is "voice", mono, or "programme" or "mix", stereo. Raise ExportError where the source has no sound, cannot
    be read again or has changed; the voice needs no source. `clips` are what `write_mp4` takes.
    """
    shown = read_shown(run.folder)
    zero_s, end_s = timeline(run, shown)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1 if track == "voice" else 2)
        file.setsampwidth(2)
        file.setframerate(PLAYBACK_RATE_HZ)
        for samples in _sound_of(run, shown, track, zero_s, end_s, clips):
            file.writeframes(to_int16(samples).astype("<i2").tobytes())
        return file.getnframes() / PLAYBACK_RATE_HZ


def _sound_of(
    run: SavedRun, shown: np.ndarray, track: str, zero_s: float, end_s: float, clips: Sequence[str]
) -> Iterator[np.ndarray]:
    """Yield a sound track block by block, (N,) or (N, 2), int16 or float32."""
    if track == "voice":
        voice, count = VoiceTrack(run, zero_s), round((end_s - zero_s) * PLAYBACK_RATE_HZ)
        for first in range(0, count, _WAV_BLOCK):
            yield voice.read(first, min(_WAV_BLOCK, count - first))
        return
    source = _reopen(run, shown, clips)
    try:
        sound = ExportSound(run, shown, source, zero_s, end_s)
        titles = [one.title for one in sound.tracks]
        if track not in titles:
            raise ExportError(f"{run.folder}: this run has no {track} to export, its source has no sound")
        pieces = (
            piece
            for at_s, _ in _shown_pictures(source, shown, zero_s, end_s, sound)
            for piece in sound.until(at_s)
        )
        for number, _, samples in itertools.chain(pieces, sound.finish()):
            if titles[number] == track:
                yield samples
    finally:
        source.close()


def write_mp4(
    run: SavedRun,
    path: Path,
    progress: Progress = lambda done_s, total_s: None,
    clips: Sequence[str] = (),
    *,
    from_s: float = float("-inf"),
    to_s: float = float("inf"),
) -> None:
    """Write an MP4 (H.264, AAC): the picture as the viewer saw it, with captions in it, and what was heard.

    The captions are also a subtitle track. One with letters that no installed font has stands there only, and a line in
    the library's log says which font is missing.

    Where the source has sound there are three sound tracks: the mix, which players start with, the programme and the
    voice; else the voice alone. `progress(done_s, total_s)` is called as the work goes on. The file appears only when
    it is complete. `clips` name what the run was made from where that is not opened by itself (see `clips_of`). Only
    what was seen from `from_s` to `to_s` is written, in seconds since the session's start. Raise ExportError when the
    source cannot be read again or has changed, the file cannot be written, or nothing was seen then.
    """
    from av.error import FFmpegError

    shown = read_shown(run.folder)
    zero_s, end_s = timeline(run, shown)
    zero_s, end_s = max(zero_s, from_s), min(end_s, to_s)
    if end_s <= zero_s:
        raise ExportError(f"{run.folder}: nothing was shown from {from_s:.1f} s to {to_s:.1f} s")
    source = _reopen(run, shown, clips)
    part = path.with_suffix(".part")
    try:
        sound = ExportSound(run, shown, source, zero_s, end_s)
        with H264Writer(
            part,
            source.info.width // 2 * 2 or 2,
            source.info.height // 2 * 2 or 2,
            max(1, round(source.info.fps)),  # for x264's motion search; the times are the frames' own
            encoder=_ENCODER,
            muxer={"movflags": "+faststart"},
            container="mp4",
            time_base=Fraction(1, _VIDEO_CLOCK_HZ),
            sound_tracks=sound.tracks,
            colours_of=source.decoded,
            subtitles="captions",
        ) as video:
            pictures = _shown_pictures(source, _seen(shown, zero_s, end_s), zero_s, end_s, sound)
            fitter = PictureFitter(video.width_px, video.height_px, source.decoded)
            _encode(run, pictures, fitter, sound, video, zero_s, end_s, progress)
        os.replace(part, path)
        logger.info("%s: %.1f s of video written", path, end_s - zero_s)
    except (OSError, FFmpegError) as error:
        raise ExportError(f"cannot write {path}: {getattr(error, 'strerror', None) or error}") from None
    finally:
        source.close()
        part.unlink(missing_ok=True)


def _seen(shown: np.ndarray, zero_s: float, end_s: float) -> np.ndarray:
    """Return the rows of frames that were seen between two times, with the one that stood there at the first."""
    first = max(0, int(np.searchsorted(shown[:, 3], zero_s, side="right")) - 1)
    seen = shown[first : int(np.searchsorted(shown[:, 3], end_s))].copy()  # (M, 4)
    seen[:, 3] = np.maximum(seen[:, 3], zero_s)
    return seen


def _reopen(run: SavedRun, shown: np.ndarray, clips: Sequence[str]) -> Source:
    """Open the run's source again, from its start, and the recordings of those that followed it in mid-run."""
    first = _reopen_first(run, shown, clips)
    try:
        rest = recorded_parts(run.folder)
    except SourceError as error:
        first.close()
        raise ExportError(f"the picture of this run cannot be read again: {error}") from None
    return JoinedSource(first, rest) if rest else first


def _reopen_first(run: SavedRun, shown: np.ndarray, clips: Sequence[str]) -> Source:
    """Open the run's first source again: its recording, or the clips themselves."""
    header = run.header
    try:
        if is_recorded(run.folder) and not clips:
            return RecordedSource(run.folder)
        names, settings = clips_of(run, clips), header["settings"]
        duration_s = header.get("duration_s")
        if is_synthetic(names[0]):
            duration_s = float(shown[:, 1].max(initial=0.0)) + _BEYOND_S  # its name may claim years
        track = settings.get("sound_track", -1)
        start_s, loop = float(header.get("start_s", 0.0)), bool(header.get("loop", False))
        return open_source(names, duration_s, settings["picture_max_px"], track, start_s=start_s, loop=loop)
    except SourceError as error:
        raise ExportError(f"the picture of this run cannot be read again: {error}") from None


def clips_of(run: SavedRun, told: Sequence[str] = ()) -> list[str]:
    """Return what to open for the picture of a run that was not recorded. Raise ExportError where nothing may be.

    A run's folder may come from somebody else, and its header may name anything. Opened is only what comes with this
    package, what is computed, and a video file whose content is the one that the run was made from; or what the user
    has `told`, in the order of the run's clips, whose content is compared too where it is known.
    """
    names, digests = run.header.get("source") or [], run.header.get("clip_sha256") or {}
    if names == ["demo"] and not told:
        installed = {file_sha256(clip) for clip in demo_playlist()}
        if digests and installed != set(digests.values()):
            raise ExportError(
                "the demo's clips of this installation are not those that this run was made from"
            )
        return names
    if told and names != ["demo"] and len(told) != len(names):
        raise ExportError(f"this run was made from {len(names)} clips: name each with a --clip of its own")
    wanted = list(digests.values()) if names == ["demo"] else [digests.get(name) for name in names]
    if not told and len(names) == 1 and is_synthetic(names[0]):
        return names
    for name, digest in zip(told or names, wanted, strict=False):
        if not told:
            if digest is None or not is_local(name):
                raise ExportError(
                    f"this run was made from {name}, which is opened only if you name it: --clip {name}"
                )
            if not Path(name).is_file():
                raise ExportError(
                    f"the clip {name} is gone: put it back where it was, or name it with --clip"
                )
        if digest is not None and Path(name).is_file() and file_sha256(name) != digest:
            raise ExportError(f"the clip {name} is not the one that this run was made from")
        if not told and not is_clip(name):
            raise ExportError(
                f"{name} is no video file, or a list of others: it is opened only with --clip {name}"
            )
    if not names and not told:
        raise ExportError(f"{run.folder} does not say what it was made from: name it with --clip")
    return list(told or names)


def is_local(name: str) -> bool:
    """Return whether a name is a path on this machine, and no URL and no share of another machine."""
    return "://" not in name and not name.startswith(("//", "\\\\"))


def _shown_pictures(
    source: Source, shown: np.ndarray, zero_s: float, end_s: float, sound: ExportSound
) -> Iterator[tuple[float, av.VideoFrame | np.ndarray | None]]:
    """Yield (time, picture or None) in order: each shown frame when it was shown; a still one where nothing moves.

    `shown` is what `read_shown` returns, (N, 4). None stands for no picture yet. Times are seconds since `zero_s`.
    `sound` gets the programme's sound that the source gives meanwhile.
    """

    def read() -> Frame | None:
        frame = source.read()
        sound.take(source, frame)
        return frame

    source.wants_images = False
    step_s = 1.0 / _STILL_FPS
    at_s = 0.0
    picture = None
    frame = read()
    for index, _, _, shown_s in shown:
        # 1) Read on to this frame, with the sound up to it.
        when_s = shown_s - zero_s
        while frame is not None and frame.index < index:
            frame = read()
        # 2) Until it was shown, the one before stood still.
        while at_s + 1.5 * step_s < when_s:
            yield at_s, picture
            at_s += step_s
        if frame is None:
            break
        picture = frame.image if source.decoded is None else source.decoded
        yield when_s, picture
        at_s = when_s + step_s
    if frame is not None:
        read()  # the sound after the last picture
    while at_s < end_s - zero_s:
        yield at_s, picture
        at_s += step_s


def _encode(
    run: SavedRun,
    pictures: Iterator[tuple[float, av.VideoFrame | np.ndarray | None]],
    fitter: PictureFitter,
    sound: ExportSound,
    video: H264Writer,
    zero_s: float,
    end_s: float,
    progress: Progress,
) -> None:
    """Write picture, captions and sound from `zero_s` to `end_s`, seconds since the session's start."""
    painter = CaptionPainter(video.width_px, video.height_px, run.header["commentator"])
    captions = cues(run)
    next_cue = titled = 0
    if advice := font_advice(missing_characters(cue.text for cue in captions)):
        logger.warning("%s", advice)
    for at_s, picture in pictures:
        # 1) Write the sound up to here, so that no stream runs far ahead of the others.
        for track, first, samples in sound.until(at_s):
            video.write_sound(samples, first, track)
        # 2) Find the caption of this time.
        while next_cue < len(captions) and captions[next_cue].to_s - zero_s <= at_s:
            next_cue += 1
        visible = next_cue < len(captions) and captions[next_cue].from_s - zero_s <= at_s
        # 3) Write the picture with its caption, and the captions that begin with it as subtitles.
        while titled < len(captions) and captions[titled].from_s - zero_s <= at_s:
            cue, titled = captions[titled], titled + 1
            if cue.to_s > zero_s:
                from_s, to_s = max(0.0, cue.from_s - zero_s), min(cue.to_s, end_s) - zero_s
                video.write_subtitle("\n".join(cue.lines), from_s, to_s)
        text = captions[next_cue].text if visible else ""
        video.write(painter.painted(fitter.fitted(picture), text), at_s)
        progress(at_s, end_s - zero_s)
    for track, first, samples in sound.finish():
        video.write_sound(samples, first, track)
