"""A live stream with sound: what is seen and heard at one time stays together, in the session and in its film."""

from __future__ import annotations

import threading
import time
from fractions import Fraction

import av
import numpy as np
import pytest

from commentator_lib.commentators.scripted import CostModel, ScriptedCommentator
from commentator_lib.runs.export_video import write_mp4
from commentator_lib.runs.reader import load_run
from commentator_lib.session import LiveSession
from commentator_lib.settings import Settings
from experiments.benchmarks.source_servers import free_port

pytestmark = pytest.mark.realtime
RATE_HZ, FPS, BLOCK = 48_000, 25, 1024


def send(address, seconds, sound_late_s, ended):
    """Send flashes and beeps, one a second, as MPEG-TS in real time; the sound's packets come `sound_late_s` late."""
    with av.open(address, "w", format="mpegts") as out:
        video = out.add_stream(
            "libx264", rate=FPS, options={"preset": "ultrafast", "tune": "zerolatency", "g": "25"}
        )
        video.width, video.height, video.pix_fmt = 320, 180, "yuv420p"
        sound = out.add_stream("aac", rate=RATE_HZ, layout="mono")
        began_s, sent = time.monotonic(), 0
        for k in range(round(seconds * FPS)):
            time.sleep(max(0.0, began_s + k / FPS - time.monotonic()))
            if ended.is_set():
                return
            image = np.full((180, 320, 3), 240 if k % FPS < 5 else 16, np.uint8)
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = k, Fraction(1, FPS)
            out.mux(video.encode(frame))
            while (sent + BLOCK) / RATE_HZ <= (k + 1) / FPS - sound_late_s:
                t = (sent + np.arange(BLOCK)) / RATE_HZ
                wave = (0.3 * np.sin(2 * np.pi * 1000 * t) * (t % 1.0 < 0.05)).astype(np.float32)
                part = av.AudioFrame.from_ndarray(wave[None], format="fltp", layout="mono")
                part.sample_rate, part.pts, part.time_base = RATE_HZ, sent, Fraction(1, RATE_HZ)
                out.mux(sound.encode(part))
                sent += BLOCK


@pytest.mark.parametrize("sound_late_s", [0.0, 0.6])
def test_beeps_of_a_stream_are_heard_with_their_flashes(tmp_path, sound_late_s):
    address, ended = f"udp://127.0.0.1:{free_port()}", threading.Event()
    sender = threading.Thread(target=send, args=(address, 60.0, sound_late_s, ended), daemon=True)
    sender.start()
    try:
        session = LiveSession(
            address,
            Settings(speech=False, delay_init_s=0.5, commentator="scripted"),
            commentator=ScriptedCommentator(cost=CostModel(0.1, 0.0, 0.3, 0.0, 0.1)),
            watchers=[],
            run_dir=tmp_path / "run",
            duration_s=9.0,
        ).run()
    finally:
        ended.set()
        sender.join(5)
    header = session.log.header
    assert header["has_sound"] and header["notes"] == [] and header["programme_jumps"] <= 1
    write_mp4(load_run(tmp_path / "run"), tmp_path / "out.mp4")
    flashes, beeps = seen_and_heard(tmp_path / "out.mp4")
    off_s = np.asarray([min(beeps - flash, key=abs) for flash in flashes[1:-1]])
    print("beep - flash, ms:", np.round(1000 * off_s, 1))
    assert len(off_s) >= 5 and np.median(np.abs(off_s)) < 0.015 and np.abs(off_s).max() < 0.04


def seen_and_heard(path):
    """Return when the film flashes, and when its programme beeps, in seconds."""
    flashes, beeps, lit, loud_s = [], [], True, -1.0
    with av.open(str(path)) as film:
        for frame in film.decode(video=0):
            bright = frame.to_ndarray(format="gray")[:90].mean() > 120
            if bright and not lit:
                flashes.append(float(frame.pts * frame.time_base))
            lit = bright
    with av.open(str(path)) as film:
        (track,) = [
            s
            for s in film.streams.audio
            if s.metadata.get("title", s.metadata.get("handler_name")) == "programme"
        ]
        for frame in film.decode(track):
            samples = (
                frame.to_ndarray().reshape(-1)[:: frame.layout.nb_channels]
                if frame.format.is_packed
                else frame.to_ndarray()[0]
            )
            for n in np.flatnonzero(np.abs(samples) > 0.12):
                at_s = float(frame.pts * frame.time_base) + n / RATE_HZ
                if at_s - loud_s > 0.3:
                    beeps.append(at_s)
                loud_s = at_s
    return np.asarray(flashes), np.asarray(beeps)
