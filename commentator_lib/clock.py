"""The one clock: the event loop's time, real or virtual, and the workers that blocking calls run on.

All waiting is on `loop.time()`. In live mode that is the monotonic clock. In virtual time the loop jumps to the
next timer instead of sleeping, so that a 90-minute video takes seconds and two runs give the same bytes.

A blocking call goes to a worker. In live mode that is a thread. In virtual time the call runs at once on the loop's
thread; then the clock moves on by the time that it really took (replay), or by what its cost model says (what-if).
"""

from __future__ import annotations

import asyncio
import queue
import selectors
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Literal, Protocol, TypeVar

Mode = Literal["live", "replay", "what-if"]
MODES: tuple[Mode, ...] = ("live", "replay", "what-if")

T = TypeVar("T")


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock starts at 0 and jumps from timer to timer.

    Raise RuntimeError from `run_*` when every task waits for something that no timer will bring.
    """

    def __init__(self) -> None:
        self._now_s = 0.0
        super().__init__(_JumpingSelector(self))
        self._clock_resolution = 1e-9

    def time(self) -> float:
        return self._now_s


class _JumpingSelector(selectors.DefaultSelector):
    """Polls, and moves the loop's clock on by the time it was asked to wait."""

    def __init__(self, loop: VirtualTimeLoop) -> None:
        super().__init__()
        self._loop = loop
        self._polls = 0

    def select(self, timeout: float | None = None):
        if timeout is not None and timeout <= 0:
            # Work is ready. Look at the sockets now and then: they only carry calls from other threads.
            self._polls += 1
            return super().select(0) if self._polls % 16 == 0 else []
        ready = super().select(0)
        if ready:
            return ready
        if timeout is None:
            # Only another thread can wake the loop now (a stop, a question). Give it a moment of real
            # time; then raise an error, since the loop would hang.
            ready = super().select(10.0)
            if not ready:
                raise RuntimeError("virtual time cannot go on: every task waits and no timer is set")
            return ready
        self._loop._now_s += timeout
        return []


async def sleep_until(when_s: float) -> None:
    """Sleep until `when_s` on the running loop's clock; at least one turn of the loop."""
    await asyncio.sleep(max(0.0, when_s - asyncio.get_running_loop().time()))


class Worker(Protocol):
    """Runs blocking calls one after another, off the loop, and charges their time to the loop's clock."""

    async def call(self, function: Callable[..., T], *args: Any) -> T:
        """Run the call and return what it returns; its error is raised here."""
        ...

    def submit(self, function: Callable[..., Any], *args: Any) -> None:
        """Run the call after those that are queued; its result is ignored."""

    def close(self) -> None:
        """Let the worker end once its present call returns. Return at once."""

    def join(self, timeout_s: float) -> bool:
        """Wait for the worker's end. Return False when a call is still running after `timeout_s`."""
        ...


class ThreadWorker:
    """One daemon thread. A call that never returns blocks this worker, never the program's exit."""

    def __init__(self, name: str) -> None:
        self._calls: queue.SimpleQueue = queue.SimpleQueue()
        self._thread = threading.Thread(target=_serve, args=(self._calls,), name=name, daemon=True)
        self._thread.start()

    async def call(self, function: Callable[..., T], *args: Any) -> T:
        loop = asyncio.get_running_loop()
        future: asyncio.Future = loop.create_future()
        self._calls.put((loop, future, function, args))
        return await future

    def submit(self, function: Callable[..., Any], *args: Any) -> None:
        self._calls.put((None, None, function, args))

    def close(self) -> None:
        self._calls.put(None)

    def join(self, timeout_s: float) -> bool:
        self._thread.join(timeout_s)
        return not self._thread.is_alive()


def _serve(calls: queue.SimpleQueue) -> None:
    while (item := calls.get()) is not None:
        loop, future, function, args = item
        try:
            result, error = function(*args), None
        except BaseException as problem:  # of any kind: it is raised in the caller
            result, error = None, problem
        if future is not None:
            try:
                loop.call_soon_threadsafe(_deliver, future, result, error)
            except RuntimeError:  # the loop was closed while the call ran: no caller is left
                pass
        del item, loop, future, function, args, result, error


def _deliver(future: asyncio.Future, result: Any, error: BaseException | None) -> None:
    if future.done():  # cancelled while the call ran
        return
    if error is None:
        future.set_result(result)
    elif isinstance(error, StopIteration):
        future.set_exception(RuntimeError("StopIteration raised by a blocking call"))
    else:
        future.set_exception(error)


class InlineWorker:
    """For virtual time: runs the call at once; `charge_time` moves the clock on by its real seconds."""

    def __init__(self, charge_time: bool) -> None:
        self._charge_time = charge_time

    async def call(self, function: Callable[..., T], *args: Any) -> T:
        started_s = time.perf_counter()
        try:
            return function(*args)
        finally:
            if self._charge_time:
                await asyncio.sleep(time.perf_counter() - started_s)

    def submit(self, function: Callable[..., Any], *args: Any) -> None:
        function(*args)

    def close(self) -> None:
        pass

    def join(self, timeout_s: float) -> bool:
        return True


def make_worker(mode: Mode, name: str) -> Worker:
    """Return the worker of that mode; `name` is its thread's."""
    return ThreadWorker(name) if mode == "live" else InlineWorker(charge_time=mode == "replay")


END = object()


def next_or_end(iterator: Iterator[T]) -> T | object:
    """Return the next item, or `END` when there is none: a future cannot carry StopIteration."""
    return next(iterator, END)
