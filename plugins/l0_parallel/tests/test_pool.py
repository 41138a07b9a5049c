"""A pool of workers: none of them dies of what an operation does."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import l0
import pytest
from l0_parallel import PoolOptions
from l0_testing import FakeProvider, Mishap
from l0_testing.virtual import run

ONCE = l0.Retry(attempts=0, max_retries=0)


class Reading(FakeProvider):
    """A factory whose streams say by themselves how they are read."""

    async def __call__(self) -> Any:
        source, reader = await super().__call__(), self.stream_adapter()

        async def events() -> Any:
            try:
                async for chunk in source:
                    yield reader.decode(chunk)
            finally:
                await source.aclose()

        return events()


def test_operations_run_as_many_at_a_time_as_there_are_workers() -> None:
    async def main() -> None:
        provider = Reading(("a", "b"), pace=1)
        async with l0.OperationPool(3) as pool:
            futures = [pool.execute(provider) for _ in range(8)]
            await asyncio.sleep(1.5)
            assert (pool.get_active_workers(), pool.get_queue_length(), provider.open) == (3, 5, 3)
            states = await asyncio.gather(*futures)
        assert [state.content for state in states] == ["ab"] * 8
        assert provider.most_open == 3
        assert pool.worker_count == 3
        stats = pool.get_stats()
        assert (stats.total_executed, stats.total_succeeded, stats.total_failed) == (8, 8, 0)
        assert len(asyncio.all_tasks()) == 1

    run(main())


def test_an_operation_that_fails_is_its_futures_exception_and_no_more() -> None:
    async def main() -> None:
        broken, whole = Reading(("a",), [Mishap("refuse")] * 99), Reading(("b",))
        async with l0.create_pool(1, shared_retry=ONCE) as pool:
            first, second = pool.execute(broken), pool.execute(whole)
            with pytest.raises(ConnectionResetError):
                await first
            assert (await second).content == "b"
        stats = pool.get_stats()
        assert (stats.total_executed, stats.total_succeeded, stats.total_failed) == (2, 1, 1)

    run(main())


def test_cancelling_an_operation_closes_its_stream_and_leaves_the_worker() -> None:
    async def main() -> None:
        slow, next_one = Reading(("a",), [Mishap("stall")]), Reading(("b",))
        async with l0.OperationPool(1) as pool:
            first, second, third = pool.execute(slow), pool.execute(next_one), pool.execute(next_one)
            await asyncio.sleep(1)
            second.cancel()
            first.cancel()
            assert (await third).content == "b"
            assert (slow.open, slow.opened, next_one.opened) == (0, 1, 1)
        stats = pool.get_stats()
        assert (stats.total_executed, stats.total_succeeded, stats.total_failed) == (2, 1, 0)

    run(main())


def test_what_operations_share_is_theirs_unless_they_say_otherwise() -> None:
    async def main() -> None:
        events: list[l0.ObservabilityEvent] = []
        broken = Reading(("a",), [Mishap("raise")] * 99)
        options = PoolOptions(shared_retry=ONCE, on_event=events.append, context={"tenant": "x"})
        async with l0.OperationPool(2, options) as pool:
            for retry, calls in ((None, 1), (l0.Retry(attempts=0, max_retries=2, base_delay=0), 3)):
                broken.opened = 0
                with pytest.raises(ConnectionResetError):
                    await pool.execute(broken, retry=retry)
                assert broken.opened == calls
            whole = Reading(("c",))
            assert (await pool.execute(broken, fallbacks=[whole])).content == "c"
        assert {event.context["tenant"] for event in events} == {"x"}

    run(main())


def test_while_it_drains_it_takes_nothing_and_then_it_does() -> None:
    async def main() -> None:
        provider = Reading(("a",), pace=1)
        pool = l0.OperationPool(1)
        futures = [pool.execute(provider) for _ in range(3)]
        draining = asyncio.ensure_future(pool.drain())
        await asyncio.sleep(0.5)
        with pytest.raises(RuntimeError, match="Cannot execute operations while pool is draining"):
            pool.execute(provider)
        await draining
        assert all(future.done() for future in futures)
        await pool.shutdown()
        assert len(asyncio.all_tasks()) == 1
        assert (await pool.execute(provider)).content == "a"
        await pool.shutdown()

    run(main())


def test_a_pool_that_is_left_with_an_error_stops_what_it_does() -> None:
    async def main() -> None:
        provider = Reading(("a",), pace=60)
        with pytest.raises(KeyError):
            async with l0.OperationPool(2) as pool:
                futures = [pool.execute(provider) for _ in range(5)]
                await asyncio.sleep(1)
                raise KeyError
        assert provider.open == 0
        assert all(future.cancelled() for future in futures)
        assert len(asyncio.all_tasks()) == 1

    run(main())


@pytest.mark.parametrize("seed", range(40))
def test_cancelled_at_any_moment_all_is_over(seed: int) -> None:
    drawn = random.Random(seed)

    async def main() -> None:
        provider = Reading(("a",) * 4, [Mishap("raise", 1), None, Mishap("stall", 2)], pace=drawn.random())

        async def work() -> None:
            async with l0.OperationPool(drawn.randrange(1, 4), PoolOptions(shared_retry=ONCE)) as pool:
                futures = [pool.execute(provider) for _ in range(6)]
                for future in drawn.sample(futures, 2):
                    await asyncio.sleep(drawn.random())
                    future.cancel()

        running = asyncio.ensure_future(work())
        await asyncio.sleep(drawn.random() * 6)
        running.cancel()
        await asyncio.wait((running,))
        assert provider.open == 0
        assert len(asyncio.all_tasks()) == 1

    run(main())


def test_a_pool_without_workers_is_refused() -> None:
    with pytest.raises(ValueError, match="worker_count is 0"):
        l0.OperationPool(0)
