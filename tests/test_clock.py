"""Virtual time, and the workers that blocking calls run on."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from commentator_lib.clock import (
    END,
    InlineWorker,
    ThreadWorker,
    VirtualTimeLoop,
    make_worker,
    next_or_end,
    sleep_until,
)
from tests.conftest import virtually


def test_time_jumps_from_timer_to_timer():
    async def main():
        loop, seen = asyncio.get_running_loop(), []

        async def at(when):
            await sleep_until(when)
            seen.append((when, loop.time()))

        await asyncio.gather(at(3600.0), at(0.5), at(86_400.0))
        return seen

    seen = virtually(main)
    assert [w for w, _ in seen] == [0.5, 3600.0, 86_400.0]
    assert all(at == pytest.approx(w, abs=1e-6) for w, at in seen)


def test_two_runs_agree_to_the_last_bit():
    async def main():
        loop, seen = asyncio.get_running_loop(), []

        async def tick(name, step_s):
            for _ in range(200):
                await asyncio.sleep(step_s)
                seen.append((name, loop.time()))

        await asyncio.gather(tick("a", 0.1), tick("b", 1 / 3), tick("c", 0.1), tick("d", 1e-4))
        return seen

    first = virtually(main)
    assert first == virtually(main) and len(first) == 800
    assert [at for _, at in first] == sorted(at for _, at in first)


def test_sleeping_into_the_past_takes_no_time():
    async def main():
        await sleep_until(5.0)
        await sleep_until(1.0)
        return asyncio.get_running_loop().time()

    assert virtually(main) == pytest.approx(5.0)


def test_timers_of_one_moment_go_off_in_their_order_and_cancelled_ones_move_no_clock():
    async def main():
        loop, seen = asyncio.get_running_loop(), []
        for name in "abc":
            loop.call_at(2.0, seen.append, name)
        loop.call_at(1.0, seen.append, "cancelled").cancel()
        last = loop.call_at(90.0, seen.append, "too late")
        await asyncio.sleep(2.0)
        last.cancel()
        return seen, loop.time()

    assert virtually(main) == (["a", "b", "c"], 2.0)


def test_fault_of_a_callback_is_told_and_the_loop_goes_on():
    async def main():
        loop, told = asyncio.get_running_loop(), []
        loop.set_exception_handler(lambda _, context: told.append(context["exception"]))
        loop.call_soon(int, "x")
        await asyncio.sleep(1.0)
        return told

    assert [type(error) for error in virtually(main)] == [ValueError]


def test_standing_still_is_an_error_and_not_a_hang(monkeypatch):
    import selectors

    real = selectors.DefaultSelector.select
    monkeypatch.setattr(
        selectors.DefaultSelector, "select", lambda self, timeout=None: real(self, min(timeout or 0, 0.01))
    )

    async def main():
        await asyncio.Event().wait()

    loop = VirtualTimeLoop()
    with pytest.raises(RuntimeError, match="virtual time cannot go on"):
        loop.run_until_complete(main())


def test_another_thread_can_wake_it():
    async def main():
        loop, event = asyncio.get_running_loop(), asyncio.Event()
        threading.Thread(target=lambda: loop.call_soon_threadsafe(event.set)).start()
        await event.wait()

    virtually(main)


@pytest.mark.parametrize(("charge", "passed"), [(True, 0.05), (False, 0.0)])
def test_inline_worker_charges_what_a_call_took_or_nothing(charge, passed):
    async def main():
        worker = InlineWorker(charge)
        assert await worker.call(lambda: time.sleep(0.05) or 7) == 7
        with pytest.raises(ValueError):
            await worker.call(int, "x")
        return asyncio.get_running_loop().time()

    assert passed <= virtually(main) < passed + 1.0


def test_thread_worker_runs_calls_in_order_on_one_thread():
    async def main():
        worker = ThreadWorker("w")
        seen = []
        calls = [worker.call(lambda k=k: seen.append((k, threading.get_ident()))) for k in range(20)]
        await asyncio.gather(*calls)
        worker.close()
        assert worker.join(5)
        return seen

    seen = asyncio.run(main())
    assert [k for k, _ in seen] == list(range(20))
    assert {ident for _, ident in seen} - {threading.get_ident()} and len({i for _, i in seen}) == 1


def test_thread_worker_delivers_errors_and_goes_on():
    async def main():
        worker = ThreadWorker("w")
        for error in (ValueError("a"), SystemExit(1)):

            def fail(error=error):
                raise error

            with pytest.raises(type(error)):
                await worker.call(fail)
        with pytest.raises(RuntimeError, match="StopIteration"):
            await worker.call(next, iter(()))
        assert await worker.call(next_or_end, iter(())) is END
        worker.close()
        assert worker.join(5)

    asyncio.run(main())


def test_caller_that_gives_up_does_not_disturb_the_worker():
    async def main():
        worker, release = ThreadWorker("w"), threading.Event()
        stuck = asyncio.ensure_future(worker.call(release.wait, 20))
        await asyncio.sleep(0.01)
        stuck.cancel()
        worker.close()
        assert not worker.join(0.05)
        release.set()
        assert worker.join(5)

    asyncio.run(main())


def test_next_call_runs_after_one_that_was_given_up():
    async def main():
        worker, release = ThreadWorker("w"), threading.Event()
        stuck = asyncio.ensure_future(worker.call(release.wait, 20))
        after = asyncio.ensure_future(worker.call(lambda: 7))
        await asyncio.sleep(0.01)
        stuck.cancel()
        release.set()
        assert await after == 7
        worker.close()
        assert worker.join(5)

    asyncio.run(main())


def test_submitted_call_runs_after_what_is_queued_and_its_error_stays_with_it():
    async def main():
        worker, seen = ThreadWorker("w"), []
        worker.submit(seen.append, 1)
        worker.submit(int, "x")
        await worker.call(seen.append, 2)
        worker.close()
        assert worker.join(5) and seen == [1, 2]

    asyncio.run(main())


def test_loop_that_is_gone_does_not_disturb_the_worker():
    release, holder = threading.Event(), []

    async def main():
        holder.append(ThreadWorker("w"))
        asyncio.ensure_future(holder[0].call(release.wait, 20))  # noqa: RUF006 - nobody waits for it
        await asyncio.sleep(0.01)

    asyncio.run(main())
    release.set()
    holder[0].close()
    assert holder[0].join(5)


def test_mode_chooses_the_worker():
    live = make_worker("live", "w")
    assert isinstance(live, ThreadWorker)
    live.close()
    assert live.join(5)
    assert isinstance(make_worker("replay", "w"), InlineWorker) and isinstance(
        make_worker("what-if", "w"), InlineWorker
    )
