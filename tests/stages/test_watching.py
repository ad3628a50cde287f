"""The stage that shows frames to watchers: rate, faults, what waits, and the times of events."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from commentator_lib.events import Event
from commentator_lib.session import LiveSession
from commentator_lib.settings import Settings
from commentator_lib.sources.synthetic import SyntheticSource
from commentator_lib.stages import watching
from commentator_lib.watching.base import Watcher
from commentator_lib.watching.graphics import GraphicsWatcher
from tests.conftest import Pictures, what_if


class Counts(Watcher):
    name = "counts"

    def __init__(self):
        self.seen_s, self.resets, self.closed = [], 0, 0

    def look(self, frame):
        self.seen_s.append(frame.pts_s)
        return []

    def reset(self):
        self.resets += 1

    def close(self):
        self.closed += 1


class Raises(Counts):
    name = "raises"

    def look(self, frame):
        super().look(frame)
        if frame.pts_s >= 2.0:
            raise ValueError("this picture is odd")
        return []


def test_watchers_look_so_often_as_is_set():
    for fps in (1.0, 5.0, 12.5):
        watcher = Counts()
        what_if(10.0, watchers=[watcher], settings={"watch_fps": fps})
        assert len(watcher.seen_s) == pytest.approx(10 * fps, abs=1)
        assert (np.diff(watcher.seen_s) >= 1 / fps - 0.041).all()
        assert watcher.closed == 1


def test_a_watcher_that_raises_is_switched_off_with_one_line_and_the_run_goes_on():
    raises, counts = Raises(), Counts()
    session = what_if(20.0, watchers=[raises, counts])
    assert session.log.header["notes"] == ["watcher raises is switched off: ValueError: this picture is odd"]
    assert max(raises.seen_s) == pytest.approx(2.0, abs=0.21) and max(counts.seen_s) > 19
    alone = what_if(20.0)
    assert list(session.log.cycles.text) == list(alone.log.cycles.text)


@pytest.mark.slow
def test_a_watcher_that_hangs_is_switched_off_and_the_others_go_on(monkeypatch):
    monkeypatch.setattr(watching, "_HANGS_S", 0.3)
    release = threading.Event()

    class Hangs(Counts):
        name = "hangs"

        def look(self, frame):
            release.wait(20)
            return []

    counts = Counts()
    session = LiveSession(
        SyntheticSource(3.0),
        Settings(commentator="scripted", change_threshold=0.0, delay_init_s=0.5),
        watchers=[Hangs(), counts],
        mode="live",
    ).run()
    release.set()
    assert session.log.header["notes"] == ["watcher hangs is switched off: did not return within 0.3 s"]
    assert len(counts.seen_s) > 5 and "spoken" in set(session.log.cycles.outcome)


def test_missing_ocr_switches_off_graphics_only():
    class NoReader:
        def find_lines(self, image):
            raise ImportError("No module named 'rapidocr'")

    counts = Counts()
    picture = np.random.default_rng(0).integers(0, 256, (180, 320, 3), dtype=np.uint8)
    session = what_if(
        8.0, source=Pictures(8.0, lambda s: picture), watchers=[GraphicsWatcher(NoReader()), counts]
    )
    (note,) = session.log.header["notes"]
    assert note.startswith("watcher graphics is switched off") and "rapidocr" in note
    assert max(counts.seen_s) > 7


def test_an_event_has_the_clock_time_of_its_evidence():
    class Once(Watcher):
        name = "once"

        def look(self, frame):
            done = abs(frame.pts_s - 4.0) < 0.01
            return [Event("thing", 3.4, frame.pts_s, 1)] if done else []

    session = what_if(8.0, watchers=[Once()])
    (row,) = session.log.events.to_dict("records")
    from_s = session.log.header["source_from_s"]
    assert row["at_s"] == 3.4 and row["detected_s"] == pytest.approx(4.0, abs=0.05)
    assert row["captured_s"] == pytest.approx(from_s + 3.4, abs=0.01)


@pytest.mark.realtime
def test_a_slow_watcher_loses_frames_and_never_gets_old_ones():
    class Slow(Counts):
        def look(self, frame):
            super().look(frame)
            time.sleep(0.5)
            return []

    slow = Slow()
    LiveSession(
        SyntheticSource(4.0),
        Settings(commentator="scripted", delay_init_s=0.5),
        watchers=[slow],
        mode="live",
    ).run()
    assert 5 <= len(slow.seen_s) <= 10
    assert np.diff(slow.seen_s).min() > 0.3


def test_a_session_has_the_watchers_of_its_settings_and_none_in_what_if():
    assert [w.name for w in LiveSession(SyntheticSource(1.0), Settings())._watchers] == [
        "graphics",
        "shots",
        "sound",
        "motion",
    ]
    assert what_if(2.0)._watchers == []
