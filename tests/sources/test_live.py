"""A live source: drained, stamped, opened again. The connections here are made by the test, and fail as it wants."""

from __future__ import annotations

import threading
import time
from fractions import Fraction

import av
import numpy as np
import pytest

from commentator_lib.commentators.scripted import CostModel, ScriptedCommentator
from commentator_lib.session import LiveSession
from commentator_lib.settings import Settings
from commentator_lib.sources import live
from commentator_lib.sources.base import SourceError
from commentator_lib.sources.decoding import Pictures
from commentator_lib.sources.live import LiveSource

pytestmark = pytest.mark.realtime
QUICK = (0.05, 0.1)


class Camera(Pictures):
    """A camera of `fps` that fails as told: `ends` after so many pictures, `stands` still after so many."""

    shown = "camera"

    def __init__(self, fps=50.0, ends=None, stands=None, backlog=0, first=0, error=None, size=(32, 16)):
        self.fps = fps
        self._ends, self._stands, self._backlog, self._first = ends, stands, backlog, first
        self._error, self._size = error, size
        self.closed = threading.Event()

    def pictures(self):
        began_s = time.monotonic()
        for k in range(100_000):
            if k == self._ends:
                if self._error is not None:
                    raise self._error
                return
            if k == self._stands:
                self.closed.wait(30)
                return
            time.sleep(max(0.0, began_s + (k - self._backlog) / self.fps - time.monotonic()))
            picture = av.VideoFrame(*self._size, "yuv420p")
            picture.pts, picture.time_base = round(1000 * (self._first + k / self.fps)), Fraction(1, 1000)
            yield picture

    def image(self, picture):
        return np.zeros((picture.height, picture.width, 3), np.uint8), picture

    def close(self):
        self.closed.set()


def read_for(source, seconds):
    frames, until_s = [], time.monotonic() + seconds
    while time.monotonic() < until_s and (frame := source.read()) is not None:
        frames.append((frame, time.monotonic()))
    return frames


def never(_seconds):
    raise SourceError("nobody answers")


def test_what_came_during_the_warm_up_is_left_out_and_counted():
    source = LiveSource(Camera(), never)
    time.sleep(1.0)
    ((frame, read_s), *_) = read_for(source, 0.1)
    assert frame.index == 0 and frame.pts_s == 0.0
    assert read_s - frame.captured_at_s < 0.3
    assert 40 <= source.skipped <= 55
    source.close()


def test_a_backlog_at_the_opening_is_left_out():
    source = LiveSource(Camera(backlog=200), never)
    ((frame, read_s), *rest) = read_for(source, 0.5)
    assert read_s - frame.captured_at_s < 0.3 and source.skipped >= 195
    assert [f.index for f, _ in rest] == list(range(1, len(rest) + 1))
    source.close()


def test_a_backlog_is_left_out_also_where_the_first_picture_takes_long_to_convert():
    class Converts(Camera):
        times_s = iter((0.5,))

        def image(self, picture):
            time.sleep(next(self.times_s, 0.0))
            return super().image(picture)

    source = LiveSource(Converts(backlog=200), never)
    read_for(source, 0.01)
    assert source.skipped >= 195
    source.close()


def test_a_first_picture_without_a_time_stamp_is_not_taken_for_a_fresh_one():
    class Unstamped(Camera):
        def pictures(self):
            """Give the first picture without a time stamp, as RTSP cameras do, and a moment later the backlog."""
            for k, picture in enumerate(super().pictures()):
                picture.pts = None if k == 0 else picture.pts
                yield picture
                time.sleep(0.05 if k == 0 else 0.0)

    source = LiveSource(Unstamped(backlog=200), never)
    ((frame, read_s), *_) = read_for(source, 0.5)
    assert read_s - frame.captured_at_s < 0.3 and source.skipped >= 190
    source.close()


def test_a_slow_reader_gets_new_pictures_and_the_old_ones_are_counted():
    source = LiveSource(Camera(fps=100.0), never)
    read_for(source, 0.2)
    time.sleep(1.5)
    frame = source.read()
    assert time.monotonic() - frame.captured_at_s < live._QUEUE_S + 0.4
    assert source.live.dropped > 70
    source.close()


@pytest.mark.parametrize("error", [None, ValueError("broken"), RuntimeError("a bug")], ids=str)
def test_a_source_that_ends_or_fails_is_opened_again(error):
    cameras = [Camera(ends=25, error=error), Camera(ends=25, first=7000), Camera(size=(64, 48))]
    source = LiveSource(cameras[0], lambda _s: cameras[1 + len(source.outages)], back_off_s=QUICK)
    frames = read_for(source, 2.5)
    numbers = [frame.index for frame, _ in frames]
    assert numbers == sorted(set(numbers)) and len(frames) > 60
    assert np.diff([frame.pts_s for frame, _ in frames]).min() > 0
    late_s = [read_s - frame.captured_at_s for frame, read_s in frames]
    assert np.median(late_s) < 0.1 and max(late_s) < 1.0  # a busy machine may stop for a moment
    assert source.live.reconnects == len(source.outages) == 2 and source.away == ""
    assert frames[-1][0].image.shape == (48, 64, 3)
    assert all(camera.closed.is_set() for camera in cameras[:2])
    source.close()


def test_a_source_that_stands_still_is_lost_after_a_time_of_its_own_rhythm(monkeypatch):
    monkeypatch.setattr(live, "_LOST_S", 0.8)
    first = Camera(stands=30)
    source = LiveSource(first, lambda _s: Camera(), back_off_s=QUICK)
    read_for(source, 0.3)
    time.sleep(0.95)
    assert source.away.startswith("no picture for")
    frames = read_for(source, 1.2)
    assert frames and source.away == ""
    ((_, _, why),) = source.outages
    assert "nothing came for" in why
    source.close()
    first.close()


def test_a_slow_camera_is_not_lost_between_its_pictures(monkeypatch):
    monkeypatch.setattr(live, "_LOST_S", 0.5)
    source = LiveSource(Camera(fps=2.0), never, back_off_s=QUICK)
    assert len(read_for(source, 3.2)) >= 5
    assert source.outages == [] and source.problem == "" and source.live.fps == pytest.approx(2.0, rel=0.05)
    source.close()


def test_a_source_that_does_not_come_back_is_given_up_with_its_reason():
    source = LiveSource(Camera(ends=20), never, reconnect_for_s=0.6, back_off_s=QUICK)
    began_s = time.monotonic()
    read_for(source, 10.0)
    assert source.read() is None and 0.5 < time.monotonic() - began_s < 6.0
    assert "did not come back within" in source.problem and "nobody answers" in source.problem
    ((from_s, to_s, why),) = source.outages
    assert to_s - from_s == pytest.approx(0.6, abs=0.2) and why == "it has ended"
    source.close()


def test_it_is_given_up_in_time_also_between_two_tries():
    source = LiveSource(Camera(ends=20), never, reconnect_for_s=1.0, back_off_s=(0.7, 30.0))
    read_for(source, 10.0)
    assert "did not come back within 1 s" in source.problem
    source.close()


def test_a_source_that_gives_no_picture_is_refused_with_its_reason():
    with pytest.raises(SourceError, match="camera gives no picture: it has ended"):
        LiveSource(Camera(ends=0), never)


def test_a_read_that_waits_returns_when_it_is_interrupted_and_no_thread_is_left():
    before = set(threading.enumerate())
    source = LiveSource(Camera(ends=10), never, back_off_s=QUICK)
    source.read()
    threading.Timer(0.6, source.interrupt).start()
    began_s = time.monotonic()
    while source.read() is not None:
        pass
    assert time.monotonic() - began_s < 5.0
    source.close()
    for thread in set(threading.enumerate()) - before:
        thread.join(5.0)
    assert not [t for t in threading.enumerate() if t.name.startswith("source ") and t not in before]


def test_no_cycle_comments_on_a_stale_frame_and_the_first_fresh_one_starts_one():
    cameras = [Camera(ends=60), Camera(first=500)]
    opens = iter(cameras[1:])

    def connect(_seconds):
        if time.monotonic() - began_s < 4.0:
            raise SourceError("nobody answers")
        return next(opens)

    began_s = time.monotonic()
    source = LiveSource(cameras[0], connect, back_off_s=QUICK)
    settings = Settings(
        change_threshold=0.0, commentator="scripted", pause_s=0.0, speech=False, inference_interval_s=0.5
    )
    commentator = ScriptedCommentator(cost=CostModel(0.05, 0.0, 0.2, 0.0, 0.1))
    session = LiveSession(
        source, settings.changed(watchers=(), delay_init_s=0.3), commentator=commentator, duration_s=7.0
    ).run()
    cycles, header = session.log.cycles, session.log.header
    (outage,) = header["source_outages"]
    assert 2.0 < outage["to_s"] - outage["from_s"] < 4.5
    assert cycles.frame_newest_age_s.max() < 1.0
    away = cycles[(cycles.decide_s > outage["from_s"] + 1.0) & (cycles.decide_s < outage["to_s"])]
    assert len(away) == 0
    (back,) = cycles[cycles.trigger == "source"].decide_s
    assert back - outage["to_s"] < 0.5
    assert session.log.samples.source_away.notna().any()
    assert header["source_problem"] == ""


def test_what_comes_while_a_run_ends_is_not_dropped():
    source = LiveSource(Camera(), never)
    settings = Settings(
        change_threshold=0.0, commentator="scripted", pause_s=0.0, speech=False, watchers=(), delay_init_s=1.5
    )
    commentator = ScriptedCommentator(cost=CostModel(0.05, 0.0, 0.2, 0.0, 0.1))
    session = LiveSession(source, settings, commentator=commentator, duration_s=2.0).run()
    header = session.log.header
    assert header["frames_captured"] >= 80 and source.away == ""
    assert header["frames_dropped"] < 50, "a second of warm-up at the most, and not the seconds of the end"


def test_time_until_the_first_picture_is_read_tells_nothing_of_the_rate():
    class Waits(Camera):
        def pictures(self):
            """Give the first picture late: it had come before."""
            for k, picture in enumerate(super().pictures()):
                time.sleep(0.35 if k == 0 else 0.0)
                yield picture

    source = LiveSource(Waits(fps=2.5), never)
    read_for(source, 1.7)
    assert source.live.fps == pytest.approx(2.5, rel=0.1)
    source.close()


class Finished(Camera):
    """A stream of stored pieces that is finished: it has a length, and says at its end whether anything follows."""

    is_stored = True

    def __init__(self, over=True, **more):
        super().__init__(**more)
        self.over = over

    def has_ended(self):
        return self.over


def test_a_stream_that_says_it_is_finished_has_ended_well():
    source = LiveSource(Finished(ends=30), never, back_off_s=QUICK)
    assert len(read_for(source, 3.0)) > 20 and source.read() is None
    assert source.problem == "" and source.outages == [] and source.live.reconnects == 0
    source.close()


def test_a_stream_that_was_finished_while_it_was_away_is_not_played_again():
    again = Finished()
    again.duration_s = 60.0
    source = LiveSource(Finished(over=False, ends=30), lambda _s: again, back_off_s=QUICK)
    assert 20 < len(read_for(source, 3.0)) <= 30 and source.read() is None
    assert source.problem == "" and again.closed.is_set()
    source.close()


class Stored(Camera):
    """What has been stored, and comes as fast as it is read."""

    is_stored = has_end = True

    def pictures(self):
        for k in range(100):
            picture = av.VideoFrame(32, 16, "yuv420p")
            picture.pts, picture.time_base = 20 * k, Fraction(1, 1000)
            yield picture


def test_nothing_of_what_was_stored_is_lost_while_the_session_begins():
    source = LiveSource(Stored(), never)
    time.sleep(1.0)
    began_s = time.monotonic()
    frames = read_for(source, 5.0)
    assert [f.index for f, _ in frames] == list(range(100)) and source.skipped == 0
    assert time.monotonic() - began_s == pytest.approx(2.0, abs=0.6)
    late_s = [read_s - frame.captured_at_s for frame, read_s in frames]
    assert np.median(late_s) < 0.1 and max(late_s) < 1.0 and source.problem == ""
    source.close()
