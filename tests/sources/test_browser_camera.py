"""The browser's camera without a browser: the messages of a page become frames; all ways in which it ends."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from commentator_lib.jpeg import encode_jpeg
from commentator_lib.session import LiveSession
from commentator_lib.settings import Settings
from commentator_lib.sources.base import Source, SourceInfo
from tests.conftest import Says, ToneVoice

pytestmark = pytest.mark.realtime

camera_module = pytest.importorskip(
    "commentator_lib.sources.browser_camera", reason="needs the extra notebooks"
)

JPEG = encode_jpeg(np.full((36, 64, 3), (200, 40, 90), np.uint8))


class Camera:
    """A BrowserCamera whose messages are kept, and a page."""

    def __init__(self):
        import ipywebrtc

        self.widget = camera_module.BrowserCamera(ipywebrtc.CameraStream())
        self.sent = []
        self.widget.send = lambda content, buffers=None: self.sent.append(content)

    def says(self, kind, page="a", buffers=(), **more):
        self.widget._from_page(self.widget, {"kind": kind, "page": page, **more}, list(buffers))

    def frame(self, seq=1, page="a", jpeg=JPEG):
        self.says("frame", page, [memoryview(jpeg)], seq=seq, taken=time.time())


def source(**more):
    info = SourceInfo("browser camera", 64, 36, 25.0, None, live=True)
    return camera_module.BrowserCameraSource(info, **more)


def test_frames_come_out_as_they_went_in():
    s = source()
    for _ in range(3):
        s.offer(JPEG, time.time())
    frames = [s.read() for _ in range(3)]
    assert [f.index for f in frames] == [0, 1, 2] and frames[0].image.shape == (36, 64, 3)
    assert np.abs(frames[0].image[0, 0].astype(int) - (200, 40, 90)).max() < 8
    assert [f.pts_s for f in frames] == sorted(f.pts_s for f in frames)
    assert s.info.live and isinstance(s.info.fps, float) and hasattr(Source, "read")


def test_what_is_not_fetched_in_time_gives_way_to_newer_frames():
    s = source()
    for _ in range(10):
        s.offer(JPEG, 0.0)
    assert s.skipped == 6
    s.offer(b"no picture", 0.0)
    for _ in range(3):
        assert s.read() is not None
    s.offer(JPEG, 0.0)
    assert s.read() is not None and s.skipped == 8  # the damaged one is left out and counted


def test_no_frame_ends_it_with_a_reason_and_does_not_hang():
    s = source(first_frame_s=0.05)
    assert s.read() is None and s.problem == "no picture came from the browser for 0.05 s"
    s = source(next_frame_s=0.05)
    s.offer(JPEG, 0.0)
    assert s.read() is not None and s.read() is None and "0.05 s" in s.problem


def test_stop_interrupts_a_read_that_waits():
    s, ended = source(), []
    reader = threading.Thread(target=lambda: ended.append(s.read()))
    reader.start()
    s.interrupt()
    reader.join(5)
    assert ended == [None] and s.problem == ""


def test_page_is_told_to_start_and_each_frame_is_acknowledged():
    camera = Camera()
    s = camera.widget.source()
    camera.says("hello")
    camera.frame(1)
    camera.frame(2)
    assert camera.sent == [
        {"kind": "start"},
        {"kind": "start"},
        {"kind": "got", "page": "a", "seq": 1},
        {"kind": "got", "page": "a", "seq": 2},
    ]
    assert s.read() is not None and len(s.arrivals) == 2
    s.close()
    assert camera.sent[-1] == {"kind": "stop"}
    camera.frame(3)  # a page that has not heard of it yet
    assert camera.sent[-1] == {"kind": "stop"}


def test_first_page_counts_and_another_may_take_over_when_it_goes():
    camera = Camera()
    s = camera.widget.source()
    camera.frame(1, "a")
    camera.frame(1, "b")
    assert len(s.arrivals) == 1
    camera.says("problem", "b", name="NotReadableError", message="in use")
    assert s.problem == ""
    camera.says("bye", "a")
    camera.frame(2, "b")
    assert len(s.arrivals) == 2


# --- the microphone


def pcm(seconds=0.1, value=500):
    return np.full((round(48_000 * seconds), 2), value, np.int16).tobytes()


def test_without_being_asked_there_is_no_sound():
    camera = Camera()
    assert camera.widget.source().info.has_sound is False
    assert source().read_sound() == []


def test_sound_has_the_media_time_of_the_frames_that_were_taken_then():
    camera = Camera()
    camera.widget.microphone = True
    s = camera.widget.source()
    assert s.info.has_sound
    camera.says("sound", buffers=[pcm()], seq=1, taken=999.0)  # before any frame: whose page is not known yet
    camera.says("frame", buffers=[JPEG], seq=1, taken=1000.0)
    camera.says("sound", buffers=[pcm()], seq=2, taken=999.95)
    assert s.read_sound() == []
    assert s.read().pts_s == 0.0
    for k in range(2):
        camera.says("sound", buffers=[pcm()], seq=3 + k, taken=1000.05 + 0.1 * k)
    camera.says("frame", buffers=[JPEG], seq=2, taken=1000.25)
    assert s.read().pts_s == pytest.approx(0.25)
    chunks = s.read_sound()
    assert [c.from_s for c in chunks] == pytest.approx([0.0, 0.05, 0.15], abs=1e-6)
    assert [c.samples.shape for c in chunks] == [(2400, 2), (4800, 2), (4800, 2)]
    assert chunks[0].samples.dtype == np.int16 and chunks[0].sample_rate_hz == 48_000
    assert s.read_sound() == []
    assert [c["seq"] for c in camera.sent if c["kind"] == "got sound"] == [1, 2, 3, 4]


def test_sound_that_is_not_read_is_bounded_and_that_of_another_page_is_left_out():
    camera = Camera()
    camera.widget.microphone = True
    s = camera.widget.source()
    camera.says("frame", buffers=[JPEG], seq=1, taken=0.0)
    s.read()
    for k in range(100):
        camera.says("sound", buffers=[pcm()], seq=k, taken=0.1 * k)
        camera.says("sound", "b", buffers=[pcm()], seq=k, taken=500.0)
    chunks = s.read_sound()
    assert len(chunks) == 20 and chunks[-1].from_s == pytest.approx(9.9)


def test_media_time_goes_on_where_another_page_with_another_clock_takes_over():
    camera = Camera()
    camera.widget.microphone = True
    s = camera.widget.source()
    camera.says("frame", buffers=[JPEG], seq=1, taken=time.time())
    first = s.read()
    camera.says("bye")
    camera.says("frame", "b", buffers=[JPEG], seq=1, taken=77.0)
    second = s.read()
    camera.says("sound", "b", buffers=[pcm()], seq=1, taken=77.0)
    assert first.pts_s < second.pts_s < first.pts_s + 2
    assert s.read_sound()[0].from_s == pytest.approx(second.pts_s, abs=0.002)


def test_media_time_of_frames_grows_whatever_the_page_says():
    s = source()
    for taken in (5.0, 5.04, 5.04, 5.01):
        s.offer(JPEG, taken)
    times = [s.read().pts_s for _ in range(4)]
    assert times[0] == 0.0 and times[1] == pytest.approx(0.04) and np.all(np.diff(times) > 0)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("NotAllowedError", "the browser refused the camera: allow it for this page, and start again"),
        ("NotFoundError", "the browser found no camera"),
        ("NotReadableError", "the camera is in use by another program"),
        ("TypeError", "open it over https or on localhost"),
        ("OddError", "the camera: OddError: odd"),
    ],
)
def test_refusal_is_one_line(name, said):
    camera = Camera()
    s = camera.widget.source()
    camera.says("problem", name=name, message="odd")
    assert s.read() is None and said in s.problem and "\n" not in s.problem


def test_unplugged_camera_ends_the_source():
    camera = Camera()
    s = camera.widget.source()
    camera.frame(1)
    camera.says("ended")
    assert s.read() is None and s.problem == "the camera was unplugged or switched off"


def test_session_runs_on_it_records_it_and_names_how_it_ended(tmp_path):
    s = source()
    over = threading.Event()

    def page():
        while not over.wait(0.04):
            s.offer(JPEG, time.time())

    feeder = threading.Thread(target=page)
    feeder.start()
    settings = Settings(change_threshold=0, delay_init_s=0.3, pause_s=0.1)
    session = LiveSession(
        s,
        settings,
        commentator=Says("All is well here.", cost_s=0.05),
        voice=ToneVoice(),
        run_dir=tmp_path / "run",
    )
    try:
        session.start()
        give_up = time.monotonic() + 20
        while session.status.frames_shown < 30 and time.monotonic() < give_up:
            time.sleep(0.05)
        s.end("the camera was unplugged or switched off")
        assert session.wait(20)
    finally:
        over.set()
        feeder.join(5)
    assert session.log.header["source_problem"] == "the camera was unplugged or switched off"
    assert session.log.header["frames_shown"] >= 30 and session.log.header["outcomes"]["spoken"] >= 1
    assert (tmp_path / "run" / "source.mkv").stat().st_size > 0


def test_stop_of_a_session_does_not_wait_for_a_camera_that_sends_nothing():
    session = LiveSession(source(), Settings(), commentator=Says("x"), voice=ToneVoice()).start()
    time.sleep(0.3)
    session.stop(3.0)
    assert not session.running
    assert not [n for n in session.log.header["notes"] if "did not return" in n]
