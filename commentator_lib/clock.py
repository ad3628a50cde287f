"""The one clock: the event loop's time, real or virtual, and the workers that blocking calls run on.

All waiting is on `loop.time()`. In live mode that is the monotonic clock. In virtual time the loop jumps to the
next timer instead of sleeping, so that a 90-minute video takes seconds and two runs give the same bytes.

A blocking call goes to a worker. In live mode that is a thread. In virtual time the call runs at once on the loop's
thread; then the clock moves on by the time that it really took (replay), or by what its cost model says (what-if).
"""

from __future__ import annotations

import asyncio
import contextvars
import heapq
import itertools
import queue
import selectors
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, Protocol, TypeVar

Mode = Literal["live", "replay", "what-if"]
MODES: tuple[Mode, ...] = ("live", "replay", "what-if")

T = TypeVar("T")


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock starts at 0 and jumps from timer to timer.

    Raise RuntimeError from `run_*` when every task waits for something that no timer will bring.

    A turn is asyncio's, without what only real time needs: asking the operating system for ready sockets each time,
    handles that know where they were made, timers compared by Python. Nothing else happens in most turns of a run whose
    commentator is a cost model. Two timers of the same moment go off in the order in which they were set.
    """

    # asyncio's own: the queue of what is ready, which its other methods fill too, whether to stop, and the sockets
    _ready: deque[asyncio.Handle]
    _stopping: bool
    _selector: selectors.BaseSelector
    _process_events: Callable[[list[tuple[selectors.SelectorKey, int]]], None]

    def __init__(self) -> None:
        self._now_s = 0.0
        self._timers: list[
            tuple[float, int, _Handle]
        ] = []  # a heap; the number decides between two of one moment
        self._numbers = itertools.count()
        super().__init__()

    def time(self) -> float:
        return self._now_s

    def call_soon(
        self, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        handle = _Handle(0.0, callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_at(
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        return self._set_timer(when, callback, args, context)

    def call_later(
        self,
        delay: float,
        callback: Callable[..., object],
        *args: Any,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        return self._set_timer(self._now_s + delay, callback, args, context)

    def _set_timer(
        self,
        when_s: float,
        callback: Callable[..., object],
        args: tuple[Any, ...],
        context: contextvars.Context | None,
    ) -> _Handle:
        timer = _Handle(when_s, callback, args, self, context)
        heapq.heappush(self._timers, (when_s, next(self._numbers), timer))
        return timer

    def _run_once(self) -> None:
        """Take turns, until the loop is told to stop or it is time to look at the sockets."""
        for _ in range(_LOOK_EVERY):
            self._turn()
            if self._stopping:
                return
        self._look_at_sockets(0.0)

    def _turn(self) -> None:
        """One turn: jump to the next timer where nothing is ready, then make all calls that are ready."""
        ready, timers = self._ready, self._timers
        # 1) The timers that are due; where nothing is ready, those of the next moment.
        while timers and timers[0][2]._cancelled:
            heapq.heappop(timers)
        if not ready:
            if timers:
                self._now_s += max(0.0, timers[0][0] - self._now_s)
            elif not self._look_at_sockets(_WAIT_FOR_THREADS_S) and not ready:
                raise RuntimeError("virtual time cannot go on: every task waits and no timer is set")
        until_s = self._now_s + _MOMENT_S
        while timers and timers[0][0] < until_s:
            ready.append(heapq.heappop(timers)[2])
        # 2) What becomes ready meanwhile waits for the next turn.
        for _ in range(len(ready)):
            handle = ready.popleft()
            if handle._cancelled:
                continue
            try:
                handle._context.run(handle._callback, *handle._args)
            except (SystemExit, KeyboardInterrupt):
                raise
            except (
                BaseException
            ) as error:  # as asyncio does: a callback's fault is told, and the loop goes on
                self.call_exception_handler(
                    {"message": f"Exception in callback {handle!r}", "exception": error, "handle": handle}
                )

    def _look_at_sockets(self, timeout_s: float) -> bool:
        """Make ready what sockets bring within `timeout_s` of real time; return whether they brought anything.

        They only carry calls from other threads, such as a stop or a question.
        """
        events = self._selector.select(timeout_s)
        self._process_events(events)
        return bool(events)


# Turns after which the sockets are looked at, while there is work. A call of another thread is ready at once; its
# socket only wakes a loop that waits.
_LOOK_EVERY = 64
# Where only another thread can wake the loop, it waits so long (s) of real time; then it would hang for ever.
_WAIT_FOR_THREADS_S = 10.0
# Timers within this time (s) go off together.
_MOMENT_S = 1e-9


def _nothing() -> None:
    """Do nothing."""


class _Handle(asyncio.TimerHandle):
    """A handle of asyncio without what only its debug mode needs."""

    __slots__ = ()

    def __init__(
        self,
        when: float,
        callback: Callable[..., object],
        args: Sequence[Any],
        loop: asyncio.AbstractEventLoop,
        context: contextvars.Context | None,
    ) -> None:
        self._when, self._callback, self._args, self._loop = when, callback, args, loop
        self._context = contextvars.copy_context() if context is None else context
        self._cancelled = self._scheduled = False
        self._repr = self._source_traceback = None

    def cancel(self) -> None:
        self._cancelled = True
        self._callback, self._args = _nothing, ()  # what it would have called may go


async def sleep_until(when_s: float) -> None:
    """Sleep until `when_s` on the running loop's clock; at least one turn of the loop."""
    await asyncio.sleep(max(0.0, when_s - asyncio.get_running_loop().time()))


class Worker(Protocol):
    """Runs blocking calls one after another, off the loop, and charges their time to the loop's clock."""

    takes_time: bool  # whether the loop's clock goes on during a call; else none can be late

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

    takes_time = True

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
        self.takes_time = charge_time

    async def call(self, function: Callable[..., T], *args: Any) -> T:
        if not self.takes_time:
            return function(*args)
        started_s = time.perf_counter()
        try:
            return function(*args)
        finally:
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
