"""The feed: what is due goes out together and in order, old items are lost where somebody is slow, nothing is left."""

import asyncio
import threading
import time

import numpy as np
import pytest

from commentator_lib.clock import VirtualTimeLoop
from commentator_lib.conformance import PlayerConformance
from commentator_lib.media import PLAYBACK_RATE_HZ, AudioChunk, Frame
from commentator_lib.players.playback_clock import PlaybackClock
from commentator_lib.serve import feed as feed_module
from commentator_lib.serve.feed import HOLD_S, Cycle, Feed, Picture, Sound, Words

LIMIT_S = 60.0


@pytest.mark.realtime
class TestConformance(PlayerConformance):
    real_time = True

    def make(self):
        return Feed()


class Clock:
    """A clock that moves when it is told to."""

    def __init__(self):
        self.now_s = 100.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def feed(clock):
    """Return a feed whose thread never works by itself: the tests move its clock, and let it step."""
    made = Feed(clock)
    yield made
    made.close()


def frame(k, level=0):
    return Frame(k, k / 25, 0.0, np.full((36, 64, 3), level, np.uint8))


def step(feed, clock, to_s):
    clock.now_s = to_s
    with feed._lock:
        feed._step(to_s - HOLD_S)


class Quiet:
    """A subscriber in a test: it counts how often it is woken."""

    def __init__(self, feed, monkeypatch, **kinds):
        monkeypatch.setattr(feed_module, "_TICK_S", 3600.0)
        self.woken = 0
        self.subscription = feed.subscribe(self.wake, **kinds)

    def wake(self):
        self.woken += 1

    def take(self):
        return self.subscription.take()


def test_picture_sound_and_words_go_out_together_when_they_are_due(feed, clock, monkeypatch):
    all_of_it = Quiet(feed, monkeypatch, pictures=5, sound=True, words=True)
    step(feed, clock, 100.0)
    feed.show(frame(0, 80), 100.5)
    feed.play(AudioChunk(np.full(4800, 9000, np.int16), PLAYBACK_RATE_HZ), 1, 100.5)
    clock.now_s = 100.5
    feed.caption(1, "Two red", False)
    step(feed, clock, 100.5 + HOLD_S - 0.01)
    assert {type(item) for item in all_of_it.take()} <= {Sound}
    step(feed, clock, 100.5 + HOLD_S + 0.1)
    items = all_of_it.take()
    assert [item.at_s for item in items] == sorted(item.at_s for item in items)
    picture, words = (next(i for i in items if isinstance(i, kind)) for kind in (Picture, Words))
    assert (picture.at_s, words.at_s, words.text) == (100.5, 100.5, "Two red")
    assert words.voice_end_s == pytest.approx(100.6)
    sounds = [i for i in items if isinstance(i, Sound)]
    loud = [
        (s.at_s + k / PLAYBACK_RATE_HZ)
        for s in sounds
        for k in np.flatnonzero(np.abs(s.samples[:, 0]) > 4000)
    ]
    assert min(loud) == pytest.approx(100.5, abs=0.001)


def test_sound_is_gapless_and_silent_where_there_is_none(feed, clock, monkeypatch):
    listener = Quiet(feed, monkeypatch, sound=True)
    for k in range(100):
        step(feed, clock, 100.0 + k * 0.05)
    sounds = listener.take()
    for before, after in zip(sounds, sounds[1:], strict=False):
        assert after.at_s == pytest.approx(before.at_s + len(before.samples) / PLAYBACK_RATE_HZ)
    seconds = sum(len(s.samples) for s in sounds) / PLAYBACK_RATE_HZ
    assert seconds == pytest.approx(4.95, abs=0.1) and not any(s.samples.any() for s in sounds)


def test_slow_subscriber_loses_the_oldest_and_no_other_waits(feed, clock, monkeypatch):
    slow = Quiet(feed, monkeypatch, pictures=3, sound=True, words=True)
    quick = Quiet(feed, monkeypatch, pictures=3)
    taken = []
    for k in range(50):
        feed.show(frame(k), 100.0 + k * 0.04)
        step(feed, clock, 100.0 + k * 0.04 + HOLD_S)
        taken += quick.take()
    assert len(taken) == 50 and quick.subscription.lost_pictures == 0
    assert slow.subscription.lost_pictures == 47
    assert [i.at_s for i in slow.take() if isinstance(i, Picture)] == pytest.approx([101.88, 101.92, 101.96])


def test_sound_that_nobody_takes_is_bounded_and_counted(feed, clock, monkeypatch):
    slow = Quiet(feed, monkeypatch, sound=True)
    for k in range(700):
        step(feed, clock, 100.0 + k * 0.05)
    assert len(slow.take()) == 500 and slow.subscription.lost_sounds > 100


def test_nothing_is_mixed_and_no_thread_runs_while_nobody_subscribes(feed, clock):
    for k in range(500):
        clock.now_s = 100.0 + k * 0.1
        feed.show(frame(k), clock.now_s)
        feed.play_programme(AudioChunk(np.zeros((4800, 2), np.int16), PLAYBACK_RATE_HZ), clock.now_s)
        feed.caption(1, f"word {k}", False)
    assert feed._thread is None and feed._mix._mixer is None
    assert len(feed._pictures) < 10 and len(feed._words) < 10
    assert feed.latest() is not None and feed.latest()._jpeg == b""


def test_jpeg_is_made_once_for_all(feed, clock, monkeypatch):
    made = []
    monkeypatch.setattr(feed_module, "encode_jpeg", lambda image: made.append(1) or b"jpeg")
    viewers = [Quiet(feed, monkeypatch, pictures=3) for _ in range(4)]
    feed.show(frame(0), 100.0)
    step(feed, clock, 101.0)
    assert [viewer.take()[0].jpeg() for viewer in viewers] == [b"jpeg"] * 4
    assert len(made) == 1


def test_newcomer_gets_the_picture_on_screen_at_once(feed, clock, monkeypatch):
    feed.show(frame(0, 50), 100.0)
    clock.now_s = 130.0
    viewer = Quiet(feed, monkeypatch, pictures=3)
    assert viewer.woken == 1 and viewer.take()[0].at_s == 100.0


def test_run_tells_how_far_to_duck_and_a_cycle_is_passed_on_with_its_time(feed, clock, monkeypatch):
    reader = Quiet(feed, monkeypatch, words=True)
    feed.log_row("run", {"epoch_s": 90.0, "duck_db": 3.0, "fps": 50.0, "commentator": "says"})
    assert (feed._mix.duck_db, feed.fps, feed.commentator) == (3.0, 50.0, "says")
    before = time.time()
    feed.log_row("cycle", {"cycle": 1})
    step(feed, clock, 100.0 + HOLD_S)
    (cycle,) = reader.take()
    assert isinstance(cycle, Cycle) and cycle.row == {"cycle": 1}
    assert cycle.unix_zero_s == pytest.approx(before - 10.0, abs=1.0)


def test_after_a_standstill_the_sound_goes_on_at_the_present(feed, clock, monkeypatch):
    listener = Quiet(feed, monkeypatch, sound=True)
    step(feed, clock, 100.0)
    step(feed, clock, 100.1)
    listener.take()
    step(feed, clock, 160.0)
    step(feed, clock, 160.1)
    assert feed.jumps == 1
    assert listener.take()[0].at_s == pytest.approx(160.0 - HOLD_S)


def test_subscriber_that_fails_is_let_go_and_the_others_get_theirs(feed, clock, monkeypatch):
    def fails():
        raise RuntimeError("this loop is closed")

    monkeypatch.setattr(feed_module, "_TICK_S", 3600.0)
    gone = feed.subscribe(fails, pictures=1)
    other = Quiet(feed, monkeypatch, pictures=1)
    feed.show(frame(0), 100.0)
    step(feed, clock, 101.0)
    assert gone.closed and feed.subscribers == 1 and len(other.take()) == 1


def test_virtual_time_and_two_sessions_at_a_time_are_refused():
    async def attach(feed):
        feed.attach(PlaybackClock())

    feed = Feed()
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        with pytest.raises(RuntimeError, match="virtual time"):
            runner.run(attach(feed))
    asyncio.run(attach(feed))
    with pytest.raises(RuntimeError, match="another session"):
        asyncio.run(attach(feed))
    feed.detach()
    asyncio.run(attach(feed))


def until(condition):
    give_up = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < give_up, "not in time"
        time.sleep(0.01)


def test_its_thread_ends_with_the_last_subscriber_and_begins_again():
    feed = Feed()
    for _ in range(2):
        new = threading.Event()
        with feed.subscribe(new.set, sound=True) as subscription:
            assert new.wait(LIMIT_S)
            assert subscription.take()
        until(lambda: feed._thread is None)
    until(lambda: not [t for t in threading.enumerate() if t.name == "feed"])


def test_close_ends_all_streams():
    feed = Feed()
    woken = threading.Event()
    subscription = feed.subscribe(woken.set, words=True)
    feed.close()
    assert woken.is_set() and subscription.closed
    assert feed.subscribe(woken.set, words=True).closed
    until(lambda: not [t for t in threading.enumerate() if t.name == "feed"])
