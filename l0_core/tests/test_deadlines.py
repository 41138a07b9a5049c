"""Deadlines, on the virtual clock: each fires when it is due, for what it is for, and at nobody else's expense."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from typing import Any

import l0
import pytest
from l0_core.deadline import Aborted, Watch
from l0_testing import FakeProvider, Mishap
from l0_testing.virtual import run

from l0_core import Event, EventType, hookimpl

TOKENS = ("a ", "b ", "c ", "d")
ONCE = l0.Retry(max_retries=0)
TOLERANCE = 0.001  # The virtual clock moves a microsecond per turn of the loop.


def now() -> float:
    return asyncio.get_running_loop().time()


async def failing(
    provider: FakeProvider, timeout: l0.Timeout, **options: Any
) -> tuple[BaseException, float, l0.Stream]:
    start = now()
    stream = await l0.run(provider, adapter=provider, timeout=timeout, **{"retry": ONCE, **options})
    with pytest.raises(Exception) as caught:
        async for _ in stream:
            pass
    return caught.value, now() - start, stream


@pytest.mark.parametrize(
    "mishap", [Mishap("no_answer"), Mishap("stall", 0), Mishap("ping", 0)], ids=["connecting", "headers", "pings"]
)
def test_the_first_token_deadline_covers_everything_before_the_first_token(mishap: Mishap) -> None:
    async def main() -> None:
        provider = FakeProvider(TOKENS, [mishap])
        error, took, stream = await failing(provider, l0.Timeout(initial_token=3000, inter_token=1000))
        assert isinstance(error, l0.TimeoutError)
        assert (error.timeout_type, error.timeout_seconds) == ("initial_token", 3.0)
        assert took == pytest.approx(3.0, abs=TOLERANCE)
        assert (stream.state.outcome, provider.open) == ("error", 0)

    run(main())


@pytest.mark.parametrize("kind", ["stall", "ping"])
@pytest.mark.parametrize("at", range(1, len(TOKENS) + 1))
def test_the_inter_token_deadline_at_every_token(kind: Any, at: int) -> None:
    async def main() -> None:
        provider = FakeProvider(TOKENS, [Mishap(kind, at)], pace=0.5)
        error, took, stream = await failing(provider, l0.Timeout(inter_token=1000))
        assert isinstance(error, l0.TimeoutError)
        assert (error.timeout_type, error.timeout_seconds) == ("inter_token", 1.0)
        assert took == pytest.approx(at * 0.5 + 1.0, abs=TOLERANCE)
        assert stream.state.content == "".join(TOKENS[:at])
        assert error.partial == stream.state.content  # type: ignore[attr-defined]
        assert (error.offset, error.attempts) == (len(stream.state.content), 1)  # type: ignore[attr-defined]

    run(main())


def test_empty_deltas_are_not_output() -> None:
    async def source() -> AsyncIterator[l0.Event]:
        yield l0.Event(l0.EventType.TOKEN, "a")
        while True:
            await asyncio.sleep(0.1)
            yield l0.Event(l0.EventType.TOKEN, "")

    async def main() -> None:
        start = now()
        stream = await l0.run(source, timeout=l0.Timeout(inter_token=1000), retry=ONCE)
        with pytest.raises(l0.TimeoutError):
            await stream.read()
        assert now() - start == pytest.approx(1.0, abs=TOLERANCE)

    run(main())


@pytest.mark.parametrize("kind", [l0.EventType.REASONING, l0.EventType.REFUSAL])
def test_reasoning_and_refusal_are_output(kind: l0.EventType) -> None:
    async def source() -> AsyncIterator[l0.Event]:
        for _ in range(10):
            await asyncio.sleep(0.9)
            yield l0.Event(kind, "hm ")
        yield l0.Event(l0.EventType.TOKEN, "a")

    async def main() -> None:
        stream = await l0.run(source, timeout=l0.Timeout(initial_token=1000, inter_token=1000), retry=ONCE)
        assert await stream.read() == "a"

    run(main())


def test_fragments_of_a_tool_call_are_output() -> None:
    async def source() -> AsyncIterator[l0.Event]:
        for piece in '{"a": 1}':
            await asyncio.sleep(0.9)
            fragment = {"index": 0, "id": "c", "name": "f", "arguments": piece}
            yield l0.Event(l0.EventType.PROGRESS, data={"tool_call": fragment})

    async def main() -> None:
        stream = await l0.run(source, timeout=l0.Timeout(initial_token=1000, inter_token=1000), retry=ONCE)
        await stream.read()
        assert stream.state.tool_calls == [{"id": "c", "name": "f", "arguments": '{"a": 1}', "index": 0}]

    run(main())


@pytest.mark.parametrize("pace", [0.0, 0.001, 0.9])
def test_the_consumer_may_take_its_time(pace: float) -> None:
    async def main() -> None:
        provider = FakeProvider(TOKENS, pace=pace)
        stream = await l0.run(
            provider,
            adapter=provider,
            timeout=l0.Timeout(initial_token=1000, inter_token=1000, total=10_000),
            retry=ONCE,
        )
        async for _ in stream:
            await asyncio.sleep(30)
        assert stream.state.content == provider.text

    run(main())


def test_total_counts_all_waiting_and_nothing_else() -> None:
    async def main() -> None:
        provider = FakeProvider("abcdefghij", pace=1.0)
        start = now()
        stream = await l0.run(
            provider, adapter=provider, timeout=l0.Timeout(initial_token=None, inter_token=None, total=5500), retry=ONCE
        )
        texts = []
        with pytest.raises(l0.TimeoutError) as caught:
            async for event in stream:
                texts.append(event.text)
                await asyncio.sleep(7)
        assert caught.value.timeout_type == "total"
        assert "".join(map(str, texts)) == "abcde"
        assert now() - start == pytest.approx(5.5 + 5 * 7, abs=TOLERANCE)

    run(main())


def test_total_spans_attempts_and_the_pauses_between_them() -> None:
    async def main() -> None:
        provider = FakeProvider(TOKENS, [Mishap("refuse")] * 50)
        error, took, stream = await failing(
            provider, l0.Timeout(total=5000), retry=l0.Retry(max_retries=100, base_delay=2, strategy="fixed")
        )
        # A third pause would end after the deadline: the error is raised at once instead.
        assert isinstance(error, ConnectionResetError)
        assert took == pytest.approx(4.0, abs=TOLERANCE)
        assert stream.state.network_retry_count == 2

        stalling = FakeProvider(TOKENS, [Mishap("stall", 1)] * 50)
        error, took, _ = await failing(
            stalling, l0.Timeout(inter_token=1000, total=3500), retry=l0.Retry(max_retries=100, base_delay=0)
        )
        assert isinstance(error, l0.TimeoutError)
        assert error.timeout_type == "total"
        assert took == pytest.approx(3.5, abs=TOLERANCE)

    run(main())


def test_max_duration_holds_whoever_takes_the_time() -> None:
    async def main() -> None:
        provider = FakeProvider(TOKENS, [Mishap("stall", 2)])
        stream = await l0.run(provider, adapter=provider, limits=l0.Limits(max_duration=5.0))
        start = now()
        with pytest.raises(l0.OutputLimitExceeded, match="max_duration"):
            async for _ in stream:
                await asyncio.sleep(2)
        assert now() - start == pytest.approx(5.0, abs=TOLERANCE)
        assert provider.opened == 1

    run(main())


@pytest.mark.parametrize("at", range(len(TOKENS) + 1))
@pytest.mark.parametrize("kind", ["stall", "ping", "no_answer", "truncate", "raise", "refuse"])
def test_a_deadline_or_a_fault_is_survived_at_every_token(kind: Any, at: int) -> None:
    async def main() -> None:
        provider = FakeProvider(TOKENS, [Mishap(kind, at), None, Mishap(kind, at)], pace=0.1)
        stream = await l0.run(
            provider,
            adapter=provider,
            timeout=l0.Timeout(initial_token=2000, inter_token=1000),
            retry=l0.Retry(base_delay=0),
        )
        texts = [event.text async for event in stream if event.is_token]
        assert "".join(map(str, texts)) == provider.text
        assert (provider.opened, provider.open, provider.most_open) == (2, 0, 1)
        assert stream.state.network_retry_count == 1
        assert stream.state.outcome == "complete"

    run(main())


def test_after_the_proof_a_stream_has_little_time_left_and_ends_well() -> None:
    class Reader:
        name = "lingering"
        linger = 0.25

        def decode(self, chunk: Any) -> l0.Event:
            return chunk  # type: ignore[no-any-return]

    async def source() -> AsyncIterator[l0.Event]:
        yield l0.Event(l0.EventType.TOKEN, "a")
        yield l0.Event(l0.EventType.COMPLETE, data={"finish_reason": "stop"})
        await asyncio.sleep(0.1)
        yield l0.Event(l0.EventType.COMPLETE, usage={"output_tokens": 1})
        await asyncio.sleep(1000)

    async def main() -> None:
        start = now()
        stream = await l0.run(source, adapter=Reader())
        events = [event async for event in stream]
        assert now() - start == pytest.approx(0.25, abs=0.1 + TOLERANCE)
        assert events[-1].usage == {"output_tokens": 1}
        assert events[-1].data == {"finish_reason": "stop"}
        assert sum(event.is_complete for event in events) == 1

    run(main())


def test_one_timer_and_it_is_not_set_for_every_token() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        provider = FakeProvider(["x"] * 1000)
        armed = []
        call_at = loop.call_at
        loop.call_at = lambda when, *args, **more: armed.append(when) or call_at(when, *args, **more)  # type: ignore
        try:
            stream = await l0.run(provider, adapter=provider, timeout=l0.Timeout(total=60_000))
            await stream.read()
        finally:
            loop.call_at = call_at  # type: ignore[method-assign]
        assert len(armed) <= 3

    run(main())


def test_a_timeout_meant_in_seconds_draws_one_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    from l0_core import options

    monkeypatch.setattr(options, "_warned_of_seconds", False)
    with pytest.warns(UserWarning, match="milliseconds; for 5 seconds write 5000"):
        l0.Timeout(initial_token=5.0)
    l0.Timeout(initial_token=5.0)
    with pytest.raises(ValueError, match="inter_token"):
        l0.Timeout(inter_token=0)


def test_an_attempt_knows_its_longest_silence() -> None:
    """Between two outputs, without the consumer's time, pings or the wait for a first token; per attempt."""
    seen: list[float] = []

    class Watching:
        @hookimpl
        def check(self, ctx: l0.AttemptContext) -> Any:
            def judge(delta: str, final: bool) -> None:
                if final:
                    seen.append(round(ctx.silence, 3))

            return judge

    async def tokens(waits: tuple[float, ...], ends: bool) -> Any:
        for wait in waits:
            await asyncio.sleep(wait)
            yield Event(EventType.TOKEN, "token ")
        await asyncio.sleep(0.25)
        if not ends:
            raise ConnectionResetError
        yield Event(EventType.TOKEN, "end")

    async def main() -> None:
        turns = iter((((9.0, 0.5, 3.0), False), ((9.0, 0.5, 2.0, 1.0), True)))
        stream = await l0.run(lambda: tokens(*next(turns)), guardrails=[Watching()], retry=l0.Retry(base_delay=0))
        async for _ in stream:
            await asyncio.sleep(7)

    run(main())
    assert seen == [2.0]


# A cancellation of another's, under way when the stream is to be stopped.


async def cancelled_meanwhile(taken_back: bool, stopped: str) -> tuple[BaseException | None, l0.Stream, float]:
    """A source whose task is cancelled by somebody, who may take it back, as anyio's cancel scopes do.

    The loop is held up then, so that what stops the stream comes before the cancellation has arrived.
    """

    async def factory() -> Any:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None
        loop.call_later(0.5, loop._advance, now() + 2)  # type: ignore[attr-defined]
        loop.call_later(0.6, task.cancel)
        if stopped == "abort":
            loop.call_later(0.7, stream.abort)
        try:
            await asyncio.sleep(100)
        except asyncio.CancelledError:
            if not taken_back:
                raise
            task.uncancel()
        await asyncio.Event().wait()

    timeout = l0.Timeout(total=1000) if stopped == "deadline" else None
    stream = await l0.run(factory, timeout=timeout, retry=ONCE)
    reading = asyncio.ensure_future(stream.read())
    await asyncio.wait([reading])
    return (asyncio.CancelledError() if reading.cancelled() else reading.exception()), stream, now()


@pytest.mark.parametrize("stopped", ["deadline", "abort"])
def test_a_stream_is_stopped_when_a_cancellation_is_taken_back(stopped: str) -> None:
    raised, stream, ended = run(cancelled_meanwhile(True, stopped))
    assert isinstance(raised, l0.TimeoutError) if stopped == "deadline" else raised is None
    assert stream.state.outcome == ("error" if stopped == "deadline" else "aborted")
    assert ended < 3


@pytest.mark.parametrize("stopped", ["deadline", "abort"])
def test_a_cancellation_that_is_not_taken_back_wins(stopped: str) -> None:
    raised, stream, _ = run(cancelled_meanwhile(False, stopped))
    assert isinstance(raised, asyncio.CancelledError)
    assert stream.state.outcome == "aborted"


# Closing has a bound of its own.


class SlowToClose:
    """A source that is at its end, and takes its time to close."""

    def __init__(self, fails: bool = False) -> None:
        self.left = [Event(EventType.TOKEN, "a"), Event(EventType.COMPLETE)]
        self.fails = fails

    def __aiter__(self) -> SlowToClose:
        return self

    async def __anext__(self) -> Event:
        if not self.left:
            raise StopAsyncIteration
        if self.fails and len(self.left) == 1:
            raise ConnectionResetError
        return self.left.pop(0)

    async def aclose(self) -> None:
        await asyncio.sleep(1.5)


@pytest.mark.parametrize(
    "options",
    [{"timeout": l0.Timeout(1000, 1000)}, {"timeout": l0.Timeout(total=1000)}, {"limits": l0.Limits(max_duration=1)}],
    ids=["between tokens", "in all", "the whole"],
)
def test_a_source_that_is_slow_to_close_does_not_undo_its_answer(options: dict[str, Any]) -> None:
    async def main() -> None:
        stream = await l0.run(SlowToClose, **options)
        assert [event.type async for event in stream] == [EventType.TOKEN, EventType.COMPLETE]
        assert stream.state.outcome == "complete"

    run(main())


def test_a_failed_source_that_is_slow_to_close_is_followed_by_another_attempt() -> None:
    async def main() -> None:
        sources = [SlowToClose(fails=True), SlowToClose()]
        timeout = l0.Timeout(1000, 1000)
        stream = await l0.run(lambda: sources.pop(0), timeout=timeout, retry=l0.Retry(base_delay=0))
        assert await stream.read() == "a"
        assert stream.state.network_retry_count == 1

    run(main())


def test_an_infinite_limit_is_no_limit() -> None:
    async def main() -> None:
        provider = FakeProvider(TOKENS, pace=1e6)
        for_ever = l0.Timeout(initial_token=math.inf, inter_token=math.inf, total=math.inf)
        stream = await l0.run(provider, adapter=provider, timeout=for_ever, retry=ONCE)
        assert await stream.read() == provider.text

    run(main())


def test_the_first_reason_to_stop_counts_but_for_an_abort() -> None:
    watch = Watch()
    late, lost, left = l0.TimeoutError("late", "total", 1.0), l0.StoreError("lost"), Aborted()
    watch.interrupt(late)
    watch.interrupt(lost)
    assert watch.reason is late
    watch.interrupt(left)
    assert watch.reason is left
