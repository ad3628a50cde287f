"""Many viewers: 200 that come and go, more than there are places, one that never reads. Others notice nothing."""

from __future__ import annotations

import asyncio
import gc
import socket
import threading

import psutil
import pytest
from websockets.exceptions import InvalidStatus

from commentator_lib.serve.viewer import MOST_WAITING_BYTES
from experiments.benchmarks.serve_viewers import ProtocolViewer
from tests.serve.conftest import LIMIT_S, serving, until

pytestmark = [pytest.mark.realtime, pytest.mark.slow]


@pytest.fixture(scope="module")
def address(app):
    with serving(app) as found:
        yield found


async def come_and_go(address, count):
    """Let viewers join at once; each leaves after it has got three pictures."""

    async def visit():
        viewer = ProtocolViewer()
        watching = asyncio.create_task(viewer.watch(address))
        async with asyncio.timeout(LIMIT_S):
            while viewer.in_time + viewer.late < 3:
                assert not watching.done(), watching.exception()
                await asyncio.sleep(0.02)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)

    await asyncio.gather(*(visit() for _ in range(count)))


def left():
    gc.collect()
    return psutil.Process().num_fds(), threading.active_count()


def test_200_viewers_come_and_go_and_leave_nothing_behind(idle, address):
    idle.panel.start()
    until(lambda: idle.session.status.frames_shown > 0)
    asyncio.run(come_and_go(address, 20))

    def nobody_is_there():
        return not idle.hub.viewers and idle.places.taken == 0 and not idle.panel.player.pages

    until(nobody_is_there)
    files, threads = left()
    comments = len(idle.session.log.cycle_rows)
    for _ in range(10):
        asyncio.run(come_and_go(address, 20))
    until(nobody_is_there)
    until(
        lambda: left() <= (files + 3, threads + 3) and left()[1] <= threads + 3,
        f"{left()}, was {files, threads}",
    )
    until(lambda: len(idle.session.log.cycle_rows) > comments, "the commentary goes on")
    assert idle.running


def test_who_finds_no_place_is_told_so_and_the_next_free_one_is_given(idle, address):
    async def fill():
        most, idle.places.most = idle.places.most, 2
        viewers = [ProtocolViewer() for _ in range(2)]
        watching = [asyncio.create_task(viewer.watch(address)) for viewer in viewers]
        try:
            async with asyncio.timeout(LIMIT_S):
                for viewer in viewers:
                    await viewer.joined.wait()
                with pytest.raises(InvalidStatus) as refused:
                    await ProtocolViewer().watch(address)
                watching.pop().cancel()
                while idle.places.taken > 1:
                    await asyncio.sleep(0.02)
                later = ProtocolViewer()
                watching.append(asyncio.create_task(later.watch(address)))
                await later.joined.wait()
        finally:
            idle.places.most = most
            for task in watching:
                task.cancel()
            await asyncio.gather(*watching, return_exceptions=True)
        return refused.value.response

    answer = asyncio.run(fill())
    assert answer.status_code == 503 and b"all 2 places" in answer.body


def test_a_viewer_that_never_reads_takes_nothing_from_another(idle, address):
    idle.panel.start()
    host, _, port = address.partition(":")

    async def watch_beside_it():
        viewer = ProtocolViewer()
        watching = asyncio.create_task(viewer.watch(address))
        async with asyncio.timeout(LIMIT_S):
            while viewer.in_time + viewer.late < 100:
                assert not watching.done(), watching.exception()
                assert all(v.waiting_bytes <= MOST_WAITING_BYTES for v in tuple(idle.hub.viewers))
                await asyncio.sleep(0.02)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)

    with socket.socket() as stuck:
        stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stuck.connect((host, int(port)))
        key = "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13"
        upgrade = f"Connection: Upgrade\r\nUpgrade: websocket\r\n{key}"
        stuck.sendall(f"GET /ws HTTP/1.1\r\nHost: {address}\r\n{upgrade}\r\n\r\n".encode())
        until(lambda: len(idle.hub.viewers) == 1)
        comments = len(idle.session.log.cycle_rows)
        asyncio.run(watch_beside_it())
        until(lambda: len(idle.session.log.cycle_rows) > comments, "the commentary goes on")
    until(lambda: not idle.hub.viewers, "it is gone")
