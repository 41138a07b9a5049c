"""Many tasks: what came of each, in order, and nothing left of what was cut short."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any

import l0
import pytest
from l0_parallel import ParallelOptions, outcomes
from l0_testing import FakeProvider, Mishap
from l0_testing.virtual import run


def after(seconds: float, value: Any = None, log: list[Any] | None = None) -> Callable[[], Awaitable[Any]]:
    async def task() -> Any:
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            await asyncio.sleep(0.01)  # Cleaning up takes its time, and is waited for.
            if log is not None:
                log.append(value)
            raise
        if isinstance(value, BaseException):
            raise value
        return value

    return task


def stream_of(provider: FakeProvider) -> Callable[[], Awaitable[l0.Stream]]:
    return lambda: l0.run(provider, adapter=provider, retry=l0.Retry(attempts=0, max_retries=0))


def test_results_and_errors_have_the_order_of_the_tasks() -> None:
    async def main() -> None:
        boom = ValueError("boom")
        result = await l0.parallel([after(3, "a"), after(1, boom), after(2, "c")])
        assert result.results == ["a", None, "c"]
        assert result.errors == [None, boom, None]
        assert (result.success_count, result.failure_count, result.skipped_count) == (2, 1, 0)
        assert not result.all_succeeded
        assert result.successful_results() == ["a", "c"]
        assert (list(result), len(result), result[0], result[1:]) == (["a", None, "c"], 3, "a", [None, "c"])
        assert result.aggregated_telemetry is None

    run(main())


@pytest.mark.parametrize(("concurrency", "expected"), [(1, 1), (3, 3), (None, 5), (50, 9)])
def test_no_more_run_at_a_time_than_asked_for(concurrency: int | None, expected: int) -> None:
    running: list[int] = [0, 0]

    async def task() -> None:
        running[0] += 1
        running[1] = max(running)
        await asyncio.sleep(1)
        running[0] -= 1

    async def main() -> None:
        result = await l0.parallel([task] * 9, concurrency=concurrency)
        assert result.all_succeeded
        assert running == [0, expected]

    run(main())


def test_options_are_those_of_the_call() -> None:
    seen: list[Any] = []

    async def main() -> None:
        options = ParallelOptions(
            concurrency=2,
            on_progress=lambda done, total: seen.append((done, total)),
            on_complete=lambda value, index: seen.append((value, index)),
            on_error=lambda error, index: seen.append((type(error), index)),
        )
        await l0.Parallel.run([after(1, "a"), after(2, KeyError())], options)
        assert seen == [("a", 0), (1, 2), (KeyError, 1), (2, 2)]

    run(main())


@pytest.mark.parametrize("concurrency", [0, -1])
def test_a_concurrency_below_one_is_refused(concurrency: int) -> None:
    with pytest.raises(ValueError, match="concurrency is"):
        run(l0.parallel([after(1)], concurrency=concurrency))


def test_nothing_to_do_is_done() -> None:
    result = run(l0.parallel([]))
    assert result.all_succeeded
    assert list(result) == []
    assert run(l0.sequential([])) == []
    assert run(l0.batched([], after)) == []


def test_the_first_failure_cancels_what_runs_and_leaves_out_the_rest() -> None:
    async def main() -> None:
        cleaned: list[str] = []
        tasks = [after(1, "a"), after(9, "b", cleaned), after(2, ValueError()), after(9, "d", cleaned), after(9, "e")]
        result = await l0.parallel(tasks, concurrency=3, fail_fast=True)
        assert result.results == ["a", None, None, None, None]
        assert [type(error) for error in result.errors] == [type(None), type(None), ValueError, type(None), type(None)]
        assert (result.success_count, result.failure_count, result.skipped) == (1, 1, [1, 3, 4])
        assert result.successful_results() == ["a"]
        assert not result.all_succeeded
        assert sorted(cleaned) == ["b", "d"]

    run(main())


def test_a_callback_that_raises_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def broken(*args: Any) -> None:
        raise RuntimeError("secret")

    async def main() -> None:
        result = await l0.parallel(
            [after(1, "a"), after(1, ValueError())], on_complete=broken, on_error=broken, on_progress=broken
        )
        assert (result.success_count, result.failure_count) == (1, 1)
        assert "RuntimeError" in caplog.text
        assert "secret" not in caplog.text

    run(main())


def test_a_task_that_says_it_was_cancelled_has_failed() -> None:
    async def main() -> None:
        result = await l0.parallel([after(1, asyncio.CancelledError()), after(2, "b")])
        assert (result.success_count, result.failure_count) == (1, 1)
        assert isinstance(result.errors[0], RuntimeError)

    run(main())


def test_what_is_no_task_fails_and_says_so() -> None:
    async def main() -> None:
        result = await l0.parallel([after(1)(), lambda: 7])  # type: ignore[list-item]
        assert isinstance(result.errors[0], TypeError)
        assert result.results[1] == 7

    run(main())


def test_streams_are_read_to_their_ends_where_they_run() -> None:
    async def main() -> None:
        providers = [FakeProvider((f"{name} ", "x"), pace=0.5) for name in "abcd"]
        broken = FakeProvider(("y",), [Mishap("raise")])
        result = await l0.parallel([*map(stream_of, providers), stream_of(broken)], concurrency=2)
        assert [await stream.read() for stream in result.successful_results()] == ["a x", "b x", "c x", "d x"]
        assert max(provider.most_open for provider in providers) == 1
        assert [provider.open for provider in [*providers, broken]] == [0] * 5
        assert isinstance(result.errors[4], ConnectionResetError)
        telemetry = result.aggregated_telemetry
        assert telemetry is not None
        assert telemetry.total_tokens == 8
        assert telemetry.total_duration == pytest.approx(4.0, rel=0.01)
        assert telemetry.avg_tokens_per_second == pytest.approx(2.0, rel=0.01)

    run(main())


def test_telemetry_counts_retries_and_waits() -> None:
    async def main() -> None:
        provider = FakeProvider(("a", "b"), [Mishap("raise", 1)], pace=2)
        result = await l0.parallel([lambda: l0.run(provider, adapter=provider, retry=l0.Retry(base_delay=0))])
        telemetry = result.aggregated_telemetry
        assert telemetry is not None
        assert (telemetry.total_retries, telemetry.total_network_errors, telemetry.total_violations) == (1, 1, 0)

    run(main())


def test_one_after_the_other() -> None:
    async def main() -> None:
        order: list[str] = []

        def noting(name: str) -> Callable[[], Awaitable[str]]:
            async def task() -> str:
                order.append(name)
                await asyncio.sleep(1 / len(order))
                return name.upper()

            return task

        assert await l0.sequential([noting("a"), noting("b")]) == ["A", "B"]
        with pytest.raises(ValueError, match="no"):
            await l0.sequential([after(1, ValueError("no")), noting("c")])
        assert order == ["a", "b"]

    run(main())


def test_batches_keep_the_order_of_the_items() -> None:
    async def main() -> None:
        progress: list[tuple[int, int]] = []
        running: list[int] = [0, 0]

        async def handle(item: int) -> int:
            running[0] += 1
            running[1] = max(running)
            await asyncio.sleep(random.random())
            running[0] -= 1
            return item * item

        found = await l0.batched(list(range(25)), handle, 10, on_progress=lambda *at: progress.append(at))
        assert found == [item * item for item in range(25)]
        assert progress == [(10, 25), (20, 25), (25, 25)]
        assert running == [0, 10]
        with pytest.raises(ValueError, match="batch_size"):
            await l0.batched([1], handle, 0)

    run(main())


def test_a_batch_that_fails_is_over_when_it_raises() -> None:
    async def main() -> None:
        cleaned: list[int] = []
        started: list[int] = []

        async def handle(item: int) -> None:
            started.append(item)
            await after(item, ValueError("two") if item == 2 else item, cleaned)()

        with pytest.raises(ValueError, match="two"):
            await l0.batched([1, 2, 3, 4, 5], handle, 4)
        assert cleaned == [3, 4]
        assert started == [1, 2, 3, 4]

    run(main())


def test_who_leaves_early_leaves_nothing_behind() -> None:
    async def main() -> None:
        cleaned: list[str] = []
        async with outcomes([after(1, "a"), after(5, "b", cleaned), after(6, "c", cleaned)]) as results:
            async for place, value, error in results:
                assert (place, value, error) == (0, "a", None)
                break
        assert cleaned == ["b", "c"]
        assert len(asyncio.all_tasks()) == 1

    run(main())


def test_what_the_body_raises_is_raised_as_it_is() -> None:
    async def main() -> None:
        cause, mine = KeyError("why"), ValueError("mine")
        with pytest.raises(ValueError, match="mine") as raised:
            async with outcomes([after(5)]):
                raise mine from cause
        assert raised.value is mine
        assert mine.__cause__ is cause

    run(main())


@pytest.mark.parametrize("seed", range(60))
def test_cancelled_at_any_moment_all_is_over_at_once(seed: int) -> None:
    drawn = random.Random(seed)

    async def main() -> None:
        providers = [
            FakeProvider(("a",) * drawn.randrange(1, 9), [Mishap("raise", 1)] * drawn.randrange(2), pace=drawn.random())
            for _ in range(6)
        ]
        tasks = [stream_of(provider) for provider in providers]

        async def handle(task: Any) -> Any:
            return await (await task()).read()

        work = drawn.choice(
            [
                lambda: l0.parallel(tasks, concurrency=drawn.randrange(1, 7), fail_fast=drawn.random() < 0.5),
                lambda: l0.race(tasks),
                lambda: l0.batched(tasks, handle, 3),
                lambda: l0.sequential(tasks),
                lambda: l0.hedge(*tasks, after=drawn.random() + 0.01),
            ]
        )
        running = asyncio.ensure_future(work())
        await asyncio.sleep(drawn.random() * 4)
        running.cancel()
        try:
            result = await running
        except (asyncio.CancelledError, ConnectionResetError):
            result = None
        if isinstance(result, l0.RaceResult):
            await result.value.aclose()
        assert [provider.open for provider in providers] == [0] * 6
        assert len(asyncio.all_tasks()) == 1

    run(main())
