"""Viewers of a served commentary that speak the page's protocol without a browser.

They join over the page's WebSocket and acknowledge pictures four times a second, as the page does. They draw nothing
and do not sound, so the pace does not wait for them. A picture is in time where it has come, whole, before it is due;
server and viewers read the same monotonic clock, as they run on one machine.

    python -m experiments.benchmarks.serve_viewers 127.0.0.1:8765 4

It prints "ready" when all have joined, ends when its standard input does, and then prints a JSON list: for each viewer
the counts `in_time` and `late`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import sys
import time

from websockets.asyncio.client import ClientConnection, connect

from commentator_lib.serve.wire import pack, unpack

_ACK_EVERY_S = 0.25


class ProtocolViewer:
    """One viewer; `in_time` and `late` count the pictures that it got."""

    def __init__(self) -> None:
        self.in_time = self.late = 0
        self.joined = asyncio.Event()
        self._page = secrets.token_hex(8)
        self._comm = ""
        self._seq = -1

    async def watch(self, address: str) -> None:
        """Watch until cancelled. Raise what the connection raises."""
        async with connect(f"ws://{address}/ws", max_size=None, compression=None) as socket:
            acknowledging = asyncio.create_task(self._acknowledge(socket))
            try:
                async for data in socket:
                    if isinstance(data, bytes):
                        self._take(data)
            finally:
                acknowledging.cancel()

    def _take(self, data: bytes) -> None:
        message, _ = unpack(data)
        content = message.get("content", {})
        if message["msg"] == "root":
            self._comm = message["comm"]
            self.joined.set()
        elif message["msg"] == "custom" and content.get("kind") == "frame":
            self._seq = content["seq"]
            if time.monotonic() <= content["due"]:
                self.in_time += 1
            else:
                self.late += 1

    async def _acknowledge(self, socket: ClientConnection) -> None:
        await self.joined.wait()
        await self._say(socket, {"kind": "hello"})
        while True:
            counts = {"drawn": self.in_time, "late": self.late}
            seen = {"seq": self._seq, "draws": [], "counts": counts}
            await self._say(
                socket, {"kind": "ack", "at": time.monotonic(), "sounding": False, "heard": [], **seen}
            )
            await asyncio.sleep(_ACK_EVERY_S)

    async def _say(self, socket: ClientConnection, content: dict) -> None:
        message = {"comm": self._comm, "msg": "custom", "content": {**content, "page": self._page}}
        await socket.send(pack(message))


async def main(address: str, count: int) -> None:
    viewers = [ProtocolViewer() for _ in range(count)]
    watching = [asyncio.create_task(viewer.watch(address)) for viewer in viewers]
    ending = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
    joining = asyncio.gather(*(viewer.joined.wait() for viewer in viewers))
    await asyncio.wait({joining, *watching}, return_when=asyncio.FIRST_COMPLETED)
    if joining.done():
        print("ready", flush=True)
        await asyncio.wait({ending, *watching}, return_when=asyncio.FIRST_COMPLETED)
    for task in watching:
        if task.done():
            task.result()  # a viewer that was lost is a fault
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    print(json.dumps([{"in_time": viewer.in_time, "late": viewer.late} for viewer in viewers]), flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
