"""What waits for a viewer: old pictures are lost, words never; one that takes nothing is given up."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from commentator_lib.serve import viewer as viewer_module
from commentator_lib.serve.viewer import (
    MOST_FRAMES_UNDER_WAY,
    MOST_WAITING_BYTES,
    MOST_WAITING_FRAMES,
    STALLED_S,
    Viewer,
    ViewerGone,
)
from tests.conftest import virtually


@contextlib.asynccontextmanager
async def watching(send):
    """Yield a viewer that is sent to."""
    viewer = Viewer()
    task = asyncio.create_task(viewer.send_all(send))
    try:
        yield viewer, task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def test_a_slow_viewer_loses_its_oldest_pictures_and_no_words():
    async def main():
        got, may_go = [], asyncio.Event()

        async def send(data):
            await may_go.wait()
            got.append(data)

        async with watching(send) as (viewer, _):
            for k in range(100):
                viewer.put_frame(k, b"picture %d" % k)
                if k % 10 == 0:
                    viewer.put(b"words %d" % k)
            await asyncio.sleep(1.0)
            may_go.set()
            await asyncio.sleep(1.0)
            return got, viewer.dropped_frames, viewer.waiting_bytes

    got, dropped, waiting = virtually(main)
    assert [d for d in got if b"words" in d] == [b"words %d" % k for k in range(0, 100, 10)]
    assert [d for d in got if b"picture" in d] == [
        b"picture %d" % k for k in range(100 - MOST_WAITING_FRAMES, 100)
    ]
    assert dropped == 100 - MOST_WAITING_FRAMES and waiting == 0


def test_words_do_not_wait_for_pictures():
    async def main():
        got = []

        async def send(data):
            got.append(data)

        async with watching(send) as (viewer, _):
            for k in range(MOST_WAITING_FRAMES):
                viewer.put_frame(k, b"p")
            viewer.put(b"words")
            await asyncio.sleep(0.1)
        return got

    assert virtually(main)[0] == b"words"


def test_pictures_stop_while_too_many_are_not_acknowledged_and_go_on_with_the_newest():
    async def main():
        got = []

        async def send(data):
            got.append(int(data))

        async with watching(send) as (viewer, _):
            viewer.put_frame(0, b"0")
            await asyncio.sleep(0.01)
            viewer.acknowledge(0)
            for k in range(1, 200):
                viewer.put_frame(k, b"%d" % k)
                await asyncio.sleep(0.01)
            until_then = list(got)
            viewer.acknowledge(199 - MOST_FRAMES_UNDER_WAY)
            await asyncio.sleep(0.1)
            return until_then, got, viewer.dropped_frames

    before, got, dropped = virtually(main)
    assert before == list(range(MOST_FRAMES_UNDER_WAY + 1))
    assert got[len(before) :] == list(range(200 - MOST_WAITING_FRAMES, 200))
    assert len(got) + dropped == 200


def test_a_page_that_acknowledges_nothing_yet_gets_pictures():
    async def main():
        got = []

        async def send(data):
            got.append(data)

        async with watching(send) as (viewer, _):
            viewer.acknowledge(-1)
            for k in range(100):
                viewer.put_frame(k, b"p")
                await asyncio.sleep(0.01)
        return got

    assert len(virtually(main)) == 100


def test_one_that_takes_nothing_is_given_up_after_its_time():
    async def main():
        async def send(_data):
            await asyncio.Event().wait()

        async with watching(send) as (viewer, task):
            begun_s = asyncio.get_running_loop().time()
            viewer.put(b"words")
            with pytest.raises(ViewerGone, match="taken nothing"):
                await task
            return asyncio.get_running_loop().time() - begun_s

    assert virtually(main) == pytest.approx(STALLED_S)


def test_one_that_is_too_far_behind_is_given_up(monkeypatch):
    monkeypatch.setattr(viewer_module, "STALLED_S", 1e6)

    async def main():
        async def send(_data):
            await asyncio.sleep(1.0)

        async with watching(send) as (viewer, task):
            while not task.done() and viewer.waiting_bytes < 3 * MOST_WAITING_BYTES:
                viewer.put(bytes(1_000_000))
                await asyncio.sleep(0.1)
            with pytest.raises(ViewerGone, match="MB behind"):
                await task
            return viewer.waiting_bytes

    assert MOST_WAITING_BYTES < virtually(main) < 2 * MOST_WAITING_BYTES
