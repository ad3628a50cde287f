"""The window for the model and the buffer for the viewer."""

from __future__ import annotations

import asyncio
import threading

import numpy as np
import pytest

from commentator_lib.buffers import DisplayBuffer, SlidingWindow
from commentator_lib.media import Frame

PICTURE = np.zeros((10, 10, 3), np.uint8)  # 300 bytes


def frame(k, fps=25.0):
    return Frame(k, k / fps, k / fps, PICTURE)


def filled(frames, fps=25.0, capture_fps=2.0, size=32):
    window = SlidingWindow(capture_fps, size)
    kept = sum(window.offer(frame(k, fps)) for k in range(frames))
    return window, kept


@pytest.mark.parametrize(("fps", "capture_fps"), [(25, 2), (30, 2), (29.97, 5), (10, 4), (60, 0.5), (1, 2)])
def test_keeps_the_capture_rate(fps, capture_fps):
    _, kept = filled(int(60 * fps), fps, capture_fps)
    assert kept == pytest.approx(60 * min(fps, capture_fps), abs=2)


def test_two_a_second_out_of_twenty_five_for_a_minute():
    assert filled(60 * 25)[1] == pytest.approx(120, abs=1)


def test_length_is_bounded():
    assert len(filled(5000)[0]) == 32


def test_every_second_frame_counted_from_the_newest():
    window, _ = filled(25 * 10 + 8)
    picked = [f.captured_at_s for f in window.take(4, 2)]
    assert picked[-1] == pytest.approx(257 / 25)  # the newest of all
    assert picked[:3] == pytest.approx([7.0, 8.0, 9.0], abs=0.05)


@pytest.mark.parametrize(("count", "stride"), [(1, 1), (10, 4), (4, 1), (100, 1)])
def test_takes_at_most_what_is_there(count, stride):
    window, kept = filled(60)
    picked = window.take(count, stride)
    assert len(picked) == min(count, -(-kept // stride))
    assert picked[-1].index == 59 and [f.index for f in picked] == sorted(f.index for f in picked)


def test_frames_up_to_an_earlier_one():
    window, _ = filled(25 * 10 + 8)
    picked = [f.captured_at_s for f in window.take(3, 1, newest=frame(220))]
    assert picked == pytest.approx([7.5, 8.0, 8.8], abs=0.05) and picked[-1] == 8.8


def test_empty_window_gives_nothing():
    window = SlidingWindow(2.0, 32)
    assert window.take(4, 2) == [] and window.newest is None


def test_gap_in_the_source_is_not_made_up_for():
    window, _ = filled(50)
    kept = [window.offer(Frame(k, 0, 100 + k / 25, PICTURE)) for k in range(25)]
    assert sum(kept) == 2


def test_rate_and_length_change_in_mid_stream():
    window, _ = filled(2000)
    window.configure(5.0, 8)
    assert len(window) == 8
    assert sum(window.offer(frame(2000 + k)) for k in range(100)) == pytest.approx(20, abs=1)
    assert len(window) == 8


def test_window_is_safe_from_two_threads():
    window = SlidingWindow(25.0, 16)
    stop = threading.Event()
    wrong = []

    def look():
        while not stop.is_set():
            indices = [f.index for f in window.take(8, 2)]
            if indices != sorted(indices):
                wrong.append(indices)

    thread = threading.Thread(target=look)
    thread.start()
    for k in range(3000):
        window.offer(frame(k))
    stop.set()
    thread.join(10)
    assert not thread.is_alive() and wrong == []


def test_display_buffer_loses_its_oldest_and_counts():
    async def main():
        buffer = DisplayBuffer(max_bytes=3000)
        for k in range(25):
            buffer.push(frame(k))
        assert len(buffer) == 10 and buffer.dropped == 15 and buffer.oldest.index == 15
        assert [buffer.pop().index for _ in range(10)] == list(range(15, 25))

    asyncio.run(main())


def test_display_buffer_shows_its_frames_newest_first():
    async def main():
        buffer = DisplayBuffer(max_bytes=3000)
        for k in range(5):
            buffer.push(frame(k))
        assert [f.index for f in buffer.newest_first()] == [4, 3, 2, 1, 0] and len(buffer) == 5

    asyncio.run(main())


def test_one_picture_larger_than_the_buffer_is_still_shown():
    async def main():
        buffer = DisplayBuffer(max_bytes=100)
        buffer.push(frame(0))
        buffer.push(frame(1))
        assert [f.index for f in (buffer.oldest,)] == [1] and buffer.dropped == 1

    asyncio.run(main())


def test_waiting_ends_with_a_frame_or_with_the_source():
    async def main():
        buffer = DisplayBuffer(max_bytes=3000)
        waiter = asyncio.ensure_future(buffer.wait())
        await asyncio.sleep(0)
        buffer.push(frame(0))
        assert (await waiter).index == 0 and len(buffer) == 1
        buffer.close()
        assert (await buffer.wait()).index == 0
        buffer.pop()
        assert await buffer.wait() is None

    asyncio.run(main())
