"""A clip that says what time it is in picture and in sound, and how far both are apart in what was received of it.

Each picture has its own time drawn in (`time_code.py`), and at each full second a tone of 4 kHz begins. So the error is
known also where a busy machine has left out pictures.
"""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np

from commentator_lib.media import PLAYBACK_RATE_HZ
from commentator_lib.video_writer import H264Writer, SoundTrack
from experiments.tools.time_code import ClockPicture, age_s

FPS, WIDTH, HEIGHT = 25, 640, 360
_BEEP_HZ, _BEEP_S = 4000, 0.05
_WINDOW = 240  # samples in which the strength of the tone is measured: twenty of its periods
_HOP = 12


def make_stamped_clip(path: Path, seconds: int) -> Path:
    picture = ClockPicture(WIDTH, HEIGHT)
    tracks = (SoundTrack("programme", channels=2),)
    with H264Writer(
        path, WIDTH, HEIGHT, FPS, encoder={"preset": "ultrafast", "crf": "20"}, sound_tracks=tracks
    ) as video:
        for k in range(seconds * FPS):
            luma = np.frombuffer(picture.i420(k / FPS), np.uint8)[: WIDTH * HEIGHT].reshape(HEIGHT, WIDTH)
            video.write(np.repeat(luma[:, :, None], 3, axis=2))
        t = np.arange(PLAYBACK_RATE_HZ) / PLAYBACK_RATE_HZ
        second = (0.4 * np.sin(2 * np.pi * _BEEP_HZ * t) * (t < _BEEP_S)).astype(np.float32)
        for k in range(seconds):
            video.write_sound(second, k * PLAYBACK_RATE_HZ)
    return path


def pictures_of(path: Path) -> list[tuple[float, float]]:
    """Return (time in the file, time that is drawn in) of each picture, in seconds."""
    with av.open(str(path)) as file:
        return [
            (float(p.pts * p.time_base), -age_s(p.to_ndarray(format="rgb24"), now_s=0))
            for p in file.decode(video=0)
        ]


def beeps_of(path: Path) -> list[float]:
    """Return the times in the file at which the tone begins, in seconds; not of a tone in which the file begins."""
    parts = []
    with av.open(str(path)) as file:
        for frame in file.decode(audio=0):
            at_s = float(frame.pts * frame.time_base)
            parts.append((at_s, frame.to_ndarray().reshape(-1, frame.samples)[0]))
    end = round(parts[-1][0] * PLAYBACK_RATE_HZ) + len(parts[-1][1])
    first = round(parts[0][0] * PLAYBACK_RATE_HZ)
    sound = np.zeros(end - first, np.float32)
    for at_s, samples in parts:
        start = round(at_s * PLAYBACK_RATE_HZ) - first
        sound[start : start + len(samples)] = samples[: len(sound) - start]
    wave = np.exp(-2j * np.pi * _BEEP_HZ * np.arange(_WINDOW) / PLAYBACK_RATE_HZ) / _WINDOW
    strength = np.abs(np.lib.stride_tricks.sliding_window_view(sound, _WINDOW)[::_HOP] @ wave)
    loud = np.flatnonzero(strength > 0.02)
    starts = loud[np.diff(loud, prepend=-PLAYBACK_RATE_HZ) > PLAYBACK_RATE_HZ // 3 // _HOP]
    # The tone fills the window by then about in half.
    times = [(first + k * _HOP + _WINDOW / 2) / PLAYBACK_RATE_HZ for k in starts]
    return [at_s for at_s in times if at_s > first / PLAYBACK_RATE_HZ + 2 * _BEEP_S]


def sync_errors_s(path: Path) -> list[float]:
    """Return for each beep how much later it is heard than its picture is seen, in seconds.

    Each beep is compared with the nearest picture that was seen when it was drawn, not repeated. Where there is none
    within 0.1 s, as on a busy machine, nothing is told of it: the delay may change meanwhile.
    """
    pictures: list[tuple[float, float]] = []
    for at_s, drawn_s in pictures_of(path):
        if not pictures or drawn_s > pictures[-1][1]:
            pictures.append((at_s, drawn_s))
    errors = []
    for beep_s in beeps_of(path):
        at_s, drawn_s = min(pictures, key=lambda p: abs(p[0] - beep_s))
        heard_s = drawn_s + beep_s - at_s  # the clip's time that is seen when the beep is heard
        if abs(beep_s - at_s) < 0.1:
            errors.append(heard_s - round(heard_s))
    return errors
