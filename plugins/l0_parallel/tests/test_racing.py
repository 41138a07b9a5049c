"""The first that says something wins; the others are closed before anybody hears of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import l0
import pytest
from l0_parallel import HedgeBudget, hedge
from l0_testing import FakeProvider, Mishap
from l0_testing.virtual import run

ONCE = l0.Retry(attempts=0, max_retries=0)


def stream_of(provider: FakeProvider) -> Callable[[], Awaitable[l0.Stream]]:
    return lambda: l0.run(provider, adapter=provider, retry=ONCE)


def value(value: Any, seconds: float) -> Callable[[], Awaitable[Any]]:
    async def task() -> Any:
        await asyncio.sleep(seconds)
        if isinstance(value, BaseException):
            raise value
        return value

    return task


def test_the_first_value_wins() -> None:
    async def main() -> None:
        errors: list[tuple[Exception, int]] = []
        boom = ValueError()
        result = await l0.race(
            [value("slow", 3), value(boom, 1), value("fast", 2)], on_error=lambda *error: errors.append(error)
        )
        assert (result.value, result.winner_index) == ("fast", 2)
        assert errors == [(boom, 1)]
        assert len(asyncio.all_tasks()) == 1

    run(main())


def test_if_all_fail_the_last_error_is_raised() -> None:
    with pytest.raises(KeyError):
        run(l0.race([value(ValueError(), 1), value(KeyError(), 2)]))
    with pytest.raises(RuntimeError, match="No tasks provided"):
        run(l0.race([]))


def test_a_stream_wins_with_the_first_thing_that_it_says_and_is_read_from_its_beginning() -> None:
    async def main() -> None:
        slow = FakeProvider(("late ", "a"), pace=3)
        blank = FakeProvider(("\n", "b"), pace=2)
        fast = FakeProvider(("fast ", "c", "d"), pace=2.5)
        dead = FakeProvider(("x",), [Mishap("raise")])
        result = await l0.race([stream_of(each) for each in (slow, blank, fast, dead)])
        assert result.winner_index == 2
        assert (slow.open, blank.open, fast.open, dead.open) == (0, 0, 1, 0)
        assert [event.text async for event in result.value if event.is_token] == ["fast ", "c", "d"]
        assert fast.open == 0
        assert await result.value.read() == "fast cd"

    run(main())


def test_two_that_come_at_once_have_one_winner_and_the_other_is_closed() -> None:
    async def main() -> None:
        providers = [FakeProvider(("a", "b"), pace=1) for _ in range(5)]
        result = await l0.Parallel.race([stream_of(each) for each in providers])
        assert sum(provider.open for provider in providers) == 1
        await result.value.aclose()
        assert sum(provider.open for provider in providers) == 0

    run(main())


def test_a_backup_begins_only_after_silence() -> None:
    async def main() -> None:
        quick, backup = FakeProvider(("a", "b"), pace=1), FakeProvider(("c",))
        result = await hedge(stream_of(quick), stream_of(backup), after=1.5)
        assert (await result.value.read(), result.winner_index, backup.opened) == ("ab", 0, 0)
        slow = FakeProvider(("a", "b"), pace=9)
        result = await hedge(stream_of(slow), stream_of(backup), after=1.5)
        assert (await result.value.read(), result.winner_index) == ("c", 1)
        assert (slow.opened, slow.open, backup.opened) == (1, 0, 1)

    run(main())


def test_who_is_hedged_may_still_win() -> None:
    async def main() -> None:
        primary, backup = FakeProvider(("a",), pace=2), FakeProvider(("b",), pace=2)
        result = await hedge(stream_of(primary), stream_of(backup), after=1)
        assert result.winner_index == 0
        assert backup.opened == 1
        assert backup.open == 0
        await result.value.aclose()

    run(main())


def test_one_that_fails_is_followed_at_once_and_that_costs_nothing() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        dead, backup = FakeProvider(("a",), [Mishap("refuse")] * 9), FakeProvider(("b",))
        budget = HedgeBudget(share=0.0, burst=1)
        budget.take()
        began = loop.time()
        result = await hedge(stream_of(dead), stream_of(backup), after=60, budget=budget)
        assert await result.value.read() == "b"
        assert loop.time() - began < 1
        with pytest.raises(ConnectionResetError):
            await hedge(stream_of(dead), stream_of(dead), after=60)

    run(main())


def test_further_backups_wait_as_long_again() -> None:
    async def main() -> None:
        started: list[float] = []
        loop = asyncio.get_running_loop()

        def silent(answer: str, seconds: float) -> Callable[[], Awaitable[str]]:
            async def task() -> str:
                started.append(loop.time())
                await asyncio.sleep(seconds)
                return answer

            return task

        result = await hedge(silent("a", 60), silent("b", 60), silent("c", 1), after=2)
        assert result.value == "c"
        assert [at - started[0] for at in started] == pytest.approx([0, 2, 4])

    run(main())


def test_hedges_are_paid_from_a_budget() -> None:
    """Of a hundred calls that are all slow, a tenth is doubled, and the burst at the beginning."""

    async def main() -> None:
        budget, backup = HedgeBudget(share=0.1, burst=5), FakeProvider(("b",))
        for _ in range(100):
            slow = FakeProvider(("a",), pace=2)
            result = await hedge(stream_of(slow), stream_of(backup), after=1, budget=budget)
            await result.value.aclose()
        assert backup.opened in range(13, 16)

    run(main())


def test_the_budget_of_an_event_loop_is_shared() -> None:
    async def main() -> int:
        backup = FakeProvider(("b",))
        for _ in range(20):
            slow = FakeProvider(("a",), pace=2)
            await (await hedge(stream_of(slow), stream_of(backup), after=1)).value.aclose()
        return backup.opened

    assert run(main()) == run(main()) == 11


@pytest.mark.parametrize("after", [0, -1, float("nan")])
def test_a_time_that_is_none_is_refused(after: float) -> None:
    with pytest.raises(ValueError, match="seconds of silence"):
        run(hedge(value(1, 1), value(2, 1), after=after))


def test_a_hedge_needs_a_backup() -> None:
    with pytest.raises(ValueError, match="at least one backup"):
        run(hedge(value(1, 1), after=1))
    with pytest.raises(ValueError, match="a share from 0 to 1"):
        HedgeBudget(share=2)
