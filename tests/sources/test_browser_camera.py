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
