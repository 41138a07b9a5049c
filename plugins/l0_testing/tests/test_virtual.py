from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from typing import Any

import pytest
from l0_testing import VirtualDeadlock, VirtualLimit, VirtualLoop
from l0_testing.virtual import run


def now() -> float:
    return asyncio.get_running_loop().time()


def test_an_hour_takes_no_time() -> None:
    async def main() -> float:
        await asyncio.sleep(3600)
        return now()

    start = time.monotonic()

    assert run(main()) == pytest.approx(3600, abs=1e-3)
    assert time.monotonic() - start < 60


def test_timers_fire_in_order_and_at_their_time() -> None:
    seen: list[tuple[str, float]] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        for name, when in (("c", 86400 * 30), ("a", 0.5), ("b", 7)):
            loop.call_at(when, lambda name=name: seen.append((name, round(now(), 3))))
        await asyncio.sleep(86400 * 31)

    run(main())

    assert seen == [("a", 0.5), ("b", 7), ("c", 86400 * 30)]


def test_a_cancelled_timer_is_not_jumped_to() -> None:
    async def main() -> float:
        asyncio.get_running_loop().call_later(100, lambda: None).cancel()
        await asyncio.sleep(1)
        return now()

    assert run(main()) == pytest.approx(1, abs=1e-3)


def test_timeouts_are_virtual() -> None:
    async def main() -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(30):
                await asyncio.Event().wait()
        return now()

    assert run(main()) == pytest.approx(30, abs=1e-3)


def test_a_busy_loop_meets_its_deadline() -> None:
    async def main() -> int:
        turns = 0
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.1):
                while True:
                    await asyncio.sleep(0)
                    turns += 1
        return turns

    assert run(main(), quantum=1e-3) == pytest.approx(100, abs=3)


def test_the_same_run_takes_the_same_virtual_time() -> None:
    async def main() -> float:
        await asyncio.gather(*(asyncio.sleep(i / 7) for i in range(50)))
        return now()

    assert run(main()) == run(main())


def test_a_deadlock_is_an_error_that_names_who_waits() -> None:
    async def waits_for_ever() -> None:
        await asyncio.Event().wait()

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(waits_for_ever(), name="the culprit")

    with pytest.raises(
        VirtualDeadlock, match=r"(?s)no timer is set; waiting:.* - the culprit: .*waits_for_ever at .*py:"
    ):
        run(main())


def test_what_is_left_after_a_deadlock_is_cleaned_up() -> None:
    cleaned = []

    async def main() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(5)
            cleaned.append(now())

    with pytest.raises(VirtualDeadlock):
        run(main())
    assert cleaned == [pytest.approx(5, abs=1e-3)]


def test_a_limit_ends_the_run_and_not_the_cleaning_up() -> None:
    cleaned = []

    async def main() -> None:
        try:
            await asyncio.sleep(100)
        finally:
            await asyncio.sleep(60)
            cleaned.append(True)

    with pytest.raises(VirtualLimit, match=r"more than 10 virtual seconds; waiting:"):
        run(main(), limit=10)
    assert cleaned
    assert issubclass(VirtualLimit, TimeoutError)


def test_a_run_within_its_limit_is_not_disturbed() -> None:
    assert run(asyncio.sleep(9, "done"), limit=10) == "done"


def test_left_tasks_and_generators_are_shut_down() -> None:
    closed = []

    async def generator() -> Any:
        try:
            yield 1
        finally:
            closed.append("generator")

    async def other() -> None:
        try:
            await asyncio.sleep(1000)
        finally:
            closed.append("task")

    async def main() -> None:
        held.append(generator())
        await anext(held[0])
        held.append(asyncio.create_task(other()))
        await asyncio.sleep(1)

    held: list[Any] = []
    run(main())

    assert sorted(closed) == ["generator", "task"]


def test_the_clock_waits_for_an_executor() -> None:
    async def main() -> tuple[str, float]:
        async with asyncio.timeout(3600):
            answer = await asyncio.to_thread(lambda: (time.sleep(0.05), "done")[1])
        return answer, now()

    answer, took = run(main())

    assert answer == "done"
    assert took < 1


def test_a_timer_may_end_the_wait_for_an_executor() -> None:
    release = threading.Event()

    async def main() -> None:
        work = asyncio.get_running_loop().run_in_executor(None, release.wait)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await asyncio.shield(work)
        release.set()
        assert await work

    run(main())


def test_after_the_executor_the_clock_jumps_again() -> None:
    async def main() -> None:
        await asyncio.to_thread(int)
        await asyncio.sleep(3600)

    start = time.monotonic()
    run(main())

    assert time.monotonic() - start < 5


def test_another_thread_can_wake_the_loop() -> None:
    async def main() -> str:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[str] = loop.create_future()
        go = threading.Event()
        thread = threading.Thread(target=lambda: (go.wait(), loop.call_soon_threadsafe(answer.set_result, "woken")))
        thread.start()
        loop.call_soon(go.set)
        try:
            return await answer
        finally:
            thread.join()

    assert run(main()) == "woken"


def test_a_watched_descriptor_is_really_waited_for() -> None:
    async def main() -> bytes:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        async with server, asyncio.timeout(3600):
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            data = await reader.read()
            writer.close()
            await writer.wait_closed()
        return data

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hi")
        writer.close()
        await writer.wait_closed()

    assert run(main()) == b"hi"


def test_the_loop_is_an_event_loop_like_others() -> None:
    loop = VirtualLoop()
    try:
        assert loop.time() == 0
        assert loop.run_until_complete(asyncio.sleep(2, "done")) == "done"
        assert loop.time() == pytest.approx(2, abs=1e-3)
    finally:
        loop.close()
