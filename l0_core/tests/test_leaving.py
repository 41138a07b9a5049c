"""A stream is left by many doors: end, error, break, aclose, abort, cancellation, a deadline. Whichever it is, at
whatever moment, the outcome is the right one, the source is closed once before the next opens, and nothing is left.

The moments are enumerated: the same scenario is run again and again, with the interference one turn of the event loop
later each time, until the scenario ends before the interference comes.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from typing import Any

import l0
import pytest
from l0_testing import FakeProvider, Mishap, text_of
from l0_testing.virtual import VirtualLoop, run

TOKENS = ("The ", "quick ", "brown ", "fox")
NO_DELAY = l0.Retry(base_delay=0.5, strategy="fixed")


class Turns(VirtualLoop):
    """Calls `act` at the beginning of turn `at` of the loop."""

    def __init__(self) -> None:
        super().__init__()
        self.turn = 0
        self.at = -1
        self.act: Callable[[], None] | None = None

    def _run_once(self) -> None:
        if self.act is not None:
            if self.turn == self.at:
                self.act()
            self.turn += 1
        super()._run_once()  # type: ignore[misc]


def outcome_of(task: asyncio.Task[Any]) -> str:
    if task.cancelled():
        return "cancelled"
    return "raised" if task.exception() is not None else "returned"


def scenario(
    provider: FakeProvider, at: int, door: Callable[[asyncio.Task[Any], l0.Stream], Any], **options: Any
) -> Any:
    """Consume a stream in a task, and go through `door` at turn `at`. Returns also whether it came to that."""
    loop = Turns()
    seen: list[l0.Event] = []
    happened = False

    async def consume(stream: l0.Stream) -> None:
        async for event in stream:
            seen.append(event)

    async def main() -> tuple[l0.Stream, asyncio.Task[Any]]:
        stream = await l0.run(provider, adapter=provider, retry=NO_DELAY, **options)
        task = asyncio.ensure_future(consume(stream))

        def act() -> None:
            nonlocal happened
            happened = not task.done()
            door(task, stream)

        loop.at, loop.act = at, act
        await asyncio.wait([task])
        loop.act = None
        # What was started by leaving may take its few turns.
        for _ in range(10):
            await asyncio.sleep(0)
        left = [other for other in asyncio.all_tasks() if other is not asyncio.current_task()]
        assert left == []
        assert [timer for timer in loop._scheduled if not timer.cancelled()] == []
        return stream, task

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        stream, task = runner.run(main())
    return stream, task, seen, happened


PROVIDERS: dict[str, Callable[[], FakeProvider]] = {
    "ready": lambda: FakeProvider(TOKENS),
    "paced": lambda: FakeProvider(TOKENS, pace=0.1),
    "slow to open and close": lambda: FakeProvider(TOKENS, steps=3, pace=0.001),
    "failing twice": lambda: FakeProvider(TOKENS, [Mishap("refuse"), Mishap("raise", 2)], steps=2, pace=0.01),
    "stalling once": lambda: FakeProvider(TOKENS, [Mishap("stall", 2)], steps=2, pace=0.01),
    "not answering once": lambda: FakeProvider(TOKENS, [Mishap("no_answer")], steps=1),
}

DOORS: dict[str, tuple[Callable[[asyncio.Task[Any], l0.Stream], Any], str]] = {
    "cancel": (lambda task, stream: task.cancel(), "cancelled"),
    "abort": (lambda task, stream: stream.abort(), "returned"),
    "aclose": (lambda task, stream: _spawn(task, stream), "returned"),
    "abort, then cancel": (lambda task, stream: (stream.abort(), task.cancel()), "cancelled"),
    "cancel, then abort": (lambda task, stream: (task.cancel(), stream.abort()), "cancelled"),
    "abort twice": (lambda task, stream: (stream.abort(), stream.abort()), "returned"),
}


def _spawn(task: asyncio.Task[Any], stream: l0.Stream) -> None:
    closing = task.get_loop().create_task(stream.aclose())
    closing.add_done_callback(lambda done: done.result())


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("kind", PROVIDERS)
def test_every_door_at_every_turn(kind: str, door: str) -> None:
    act, expected = DOORS[door]
    timeout = l0.Timeout(initial_token=2000, inter_token=1000, total=60_000)
    for at in range(400):
        provider = PROVIDERS[kind]()
        stream, task, seen, happened = scenario(provider, at, act, timeout=timeout)
        where = f"{kind}, {door} at turn {at}"
        assert provider.open == 0, where
        assert provider.most_open <= 1, where
        assert text_of(seen) == stream.state.content, where
        assert provider.text.startswith(stream.state.content), where
        if not happened:
            assert outcome_of(task) == "returned", where
            assert stream.state.outcome == "complete", where
            assert stream.state.content == provider.text, where
            return
        if stream.state.outcome == "complete":
            # The door came when all was done but handing over the end.
            assert stream.state.content == provider.text, where
        elif stream.state.outcome is None:
            # Cancelled before it had begun: nobody has asked for anything.
            assert (provider.opened, outcome_of(task)) == (0, "cancelled"), where
        else:
            assert stream.state.outcome == "aborted", where
            assert outcome_of(task) == expected, where
            assert not any(event.is_complete for event in seen), where
    pytest.fail("the scenario never came to its end")


@pytest.mark.parametrize("order", ["deadline first", "cancel first"])
def test_a_cancellation_in_the_tick_of_a_deadline_wins(order: str) -> None:
    """Both come before the task runs again, in either order."""

    async def main() -> None:
        provider = FakeProvider(TOKENS, [Mishap("stall", 1)])
        stream = await l0.run(
            provider, adapter=provider, timeout=l0.Timeout(inter_token=1000), retry=l0.Retry(max_retries=0)
        )

        async def consume() -> None:
            async for _ in stream:
                pass

        task = asyncio.ensure_future(consume())
        await asyncio.sleep(0.5)
        watch = stream._session.watch
        if order == "cancel first":
            task.cancel()
            watch._timer.cancel()  # type: ignore[union-attr]
            watch._timer = None
            watch.interrupt(l0.TimeoutError("late", "inter_token", 1.0))
        else:
            watch.interrupt(l0.TimeoutError("late", "inter_token", 1.0))
            task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        assert stream.state.outcome == "aborted"
        assert provider.open == 0

    run(main())


def test_a_source_that_turns_cancellation_into_something_else_does_not_hide_it() -> None:
    async def source() -> Any:
        yield l0.Event(l0.EventType.TOKEN, "a")
        try:
            await asyncio.sleep(100)
        except asyncio.CancelledError:
            raise ConnectionResetError("the transport was closed") from None

    async def main() -> None:
        stream = await l0.run(source)

        async def consume() -> None:
            async for _ in stream:
                pass

        task = asyncio.ensure_future(consume())
        await asyncio.sleep(1)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()

    run(main())


def test_a_source_that_swallows_our_interruption_is_closed_all_the_same() -> None:
    closed = False

    async def source() -> Any:
        nonlocal closed
        try:
            yield l0.Event(l0.EventType.TOKEN, "a")
            try:
                await asyncio.sleep(100)
            except asyncio.CancelledError:
                pass
            yield l0.Event(l0.EventType.TOKEN, "late")
            await asyncio.sleep(100)
        finally:
            closed = True

    async def main() -> None:
        stream = await l0.run(source, timeout=l0.Timeout(inter_token=1000), retry=l0.Retry(max_retries=0))
        with pytest.raises(l0.TimeoutError):
            await stream.read()
        assert closed
        assert stream.state.content == "a"
        assert asyncio.current_task().cancelling() == 0  # type: ignore[union-attr]

    run(main())


def test_two_tasks_that_take_turns_within_one_turn_of_the_loop() -> None:
    """The deadline interrupts the one that waits, and not the one that was noted."""

    async def main() -> None:
        provider = FakeProvider(TOKENS, [Mishap("stall", 2)])
        stream = await l0.run(
            provider, adapter=provider, timeout=l0.Timeout(inter_token=1000), retry=l0.Retry(max_retries=0)
        )
        events = aiter(stream)
        started = asyncio.Event()

        async def first() -> str:
            await started.wait()
            await anext(events)
            await asyncio.sleep(10)
            return "innocent"

        async def second() -> None:
            await started.wait()
            await anext(events)
            await anext(events)

        tasks = [asyncio.ensure_future(first()), asyncio.ensure_future(second())]
        await asyncio.sleep(0.1)
        started.set()
        await asyncio.wait(tasks)
        assert tasks[0].result() == "innocent"
        assert isinstance(tasks[1].exception(), l0.TimeoutError)

    run(main())


def test_breaking_out_closes_when_the_stream_is_dropped() -> None:
    async def main() -> None:
        provider = FakeProvider(TOKENS, pace=0.1)

        async def consume() -> None:
            stream = await l0.run(provider, adapter=provider)
            async for event in stream:
                if event.text == "quick ":
                    break

        gc.disable()
        try:
            await consume()
            await asyncio.sleep(0.01)
            assert provider.open == 0
        finally:
            gc.enable()

    run(main())


def test_async_with_closes_at_once() -> None:
    async def main() -> None:
        provider = FakeProvider(TOKENS, pace=0.1)
        async with await l0.run(provider, adapter=provider) as stream:
            async for _ in stream:
                break
        assert provider.open == 0
        assert stream.state.outcome == "aborted"
        with pytest.raises(ZeroDivisionError):
            async with await l0.run(provider, adapter=provider) as stream:
                async for _ in stream:
                    raise ZeroDivisionError
        assert provider.open == 0
        async with await l0.run(provider, adapter=provider) as stream:
            await stream.read()
        assert stream.state.outcome == "complete"

    run(main())


def test_abort_from_the_loop_body_and_from_a_handler() -> None:
    async def main() -> None:
        provider = FakeProvider(TOKENS)
        stream = await l0.run(provider, adapter=provider)
        texts = []
        async for event in stream:
            texts.append(event.text)
            stream.abort()
        assert texts == ["The "]
        assert (stream.state.outcome, provider.open) == ("aborted", 0)

        async def until(word: str) -> l0.Stream:
            holder: list[l0.Stream] = []
            provider = FakeProvider(TOKENS)
            stream = await l0.run(
                provider, adapter=provider, on_token=lambda text: holder[0].abort() if text == word else None
            )
            holder.append(stream)
            await stream.read()
            holder.clear()
            assert provider.open == 0
            return stream

        assert (await until("quick ")).state.content == "The quick "

    run(main())


def test_abort_of_an_idle_stream_closes_the_source_without_its_consumer() -> None:
    async def main() -> None:
        provider = FakeProvider(TOKENS, pace=0.1, steps=2)
        stream = await l0.run(provider, adapter=provider)
        await anext(stream)
        assert provider.open == 1
        stream.abort()
        await asyncio.sleep(0.01)
        assert provider.open == 0
        assert [event async for event in stream] == []
        assert stream.state.outcome == "aborted"

    run(main())


def test_a_stream_that_is_never_iterated_asks_nobody() -> None:
    async def main() -> None:
        provider = FakeProvider(TOKENS)
        stream = await l0.run(provider, adapter=provider)
        assert stream.state.outcome is None
        await stream.aclose()
        assert stream.state.outcome == "aborted"
        assert [event async for event in stream] == []
        assert provider.opened == 0
        other = await l0.run(provider, adapter=provider)
        other.abort()
        assert [event async for event in other] == []
        assert provider.opened == 0

    run(main())


def test_aclose_waits_until_the_source_is_closed() -> None:
    async def main() -> None:
        provider = FakeProvider(TOKENS, [Mishap("stall", 1)], steps=3)
        stream = await l0.run(provider, adapter=provider)

        async def consume() -> None:
            async for _ in stream:
                pass

        task = asyncio.ensure_future(consume())
        await asyncio.sleep(0.1)
        await stream.aclose()
        assert provider.open == 0
        await task

    run(main())


def test_a_close_that_hangs_is_given_up() -> None:
    class Hanging:
        def __aiter__(self) -> Any:
            return self

        async def __anext__(self) -> l0.Event:
            return l0.Event(l0.EventType.TOKEN, "a")

        async def aclose(self) -> None:
            while True:
                try:
                    await asyncio.sleep(1000)
                except asyncio.CancelledError:
                    continue

    async def main() -> None:
        before = asyncio.get_running_loop().time()
        stream = await l0.run(Hanging)
        await anext(stream)
        await stream.aclose()
        assert asyncio.get_running_loop().time() - before < 3

    run(main())


def test_a_cancellation_while_closing_is_held_until_the_source_is_closed() -> None:
    async def main() -> None:
        provider = FakeProvider(TOKENS, steps=20)
        stream = await l0.run(provider, adapter=provider)
        task = asyncio.ensure_future(stream.read())
        for _ in range(30):
            await asyncio.sleep(0)
        assert (stream.state.content, provider.open) == (provider.text, 1)  # It is closing.
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        assert provider.open == 0

    run(main())


def test_nothing_is_left_for_the_garbage_collector() -> None:
    async def once(mishaps: list[Mishap | None]) -> None:
        provider = FakeProvider(TOKENS, mishaps)
        stream = await l0.run(
            provider,
            adapter=provider,
            retry=l0.Retry(max_retries=1, base_delay=0),
            timeout=l0.Timeout(inter_token=1000),
            on_interrupt="fail" if len(mishaps) > 2 else "verify",
        )
        try:
            await stream.read()
        except Exception:
            return

    async def main() -> None:
        cases: list[list[Mishap | None]] = [
            [],
            [Mishap("raise", 2)],
            [Mishap("raise", 2)] * 2,
            [Mishap("stall", 1)] * 2,
            [Mishap("refuse")] * 2,
            [Mishap("raise", 2)] * 3,
        ]
        for mishaps in cases:
            await once(mishaps)
            gc.collect()
            gc.disable()
            try:
                for _ in range(10):
                    await once(mishaps)
                await asyncio.sleep(0)
                assert gc.collect() <= 10, mishaps
            finally:
                gc.enable()

    run(main())


def test_two_readers_at_once_get_a_clear_error() -> None:
    async def main() -> None:
        provider = FakeProvider(TOKENS, pace=0.1)
        stream = await l0.run(provider, adapter=provider)
        first, second = asyncio.ensure_future(stream.read()), asyncio.ensure_future(stream.read())
        await asyncio.wait([first, second])
        assert first.result() == provider.text
        assert isinstance(second.exception(), RuntimeError)

    run(main())


@pytest.mark.parametrize("door", ["abort", "aclose", "cancel", "raise"])
def test_how_long_a_stream_spoke_is_known_however_it_is_left(door: str) -> None:
    async def main() -> None:
        provider = FakeProvider(TOKENS, pace=2.0)
        stream = await l0.run(provider, adapter=provider)

        async def consume() -> None:
            async with stream:
                async for event in stream:
                    if event.text == TOKENS[1]:
                        if door == "raise":
                            raise ZeroDivisionError
                        if door == "aclose":
                            return
                        if door == "abort":
                            stream.abort()

        reading = asyncio.ensure_future(consume())
        if door == "cancel":
            await asyncio.sleep(5)
            reading.cancel()
        await asyncio.wait([reading])
        assert stream.state.outcome == "aborted"
        assert stream.state.duration == pytest.approx(2, abs=0.01)

    run(main())
    gc.collect()


def test_abort_holds_wherever_it_comes_from() -> None:
    """From outside of the loop too, while it does not run: a signal handler, a debugger, another framework's loop."""
    loop = asyncio.new_event_loop()
    provider = FakeProvider(TOKENS, [Mishap("stall", 1)])

    async def read() -> l0.Stream:
        stream = await l0.run(provider, adapter=provider)
        streams.append(stream)
        await stream.read()
        return stream

    streams: list[l0.Stream] = []
    try:
        task = loop.create_task(read())
        while not (streams and streams[0].state.content):
            loop.run_until_complete(asyncio.sleep(0))
        streams[0].abort()
        assert loop.run_until_complete(asyncio.wait_for(task, 5)).state.outcome == "aborted"
        assert provider.open == 0
    finally:
        loop.close()


def test_a_source_that_stops_its_own_stream_and_ends_does_not_complete_it() -> None:
    async def source() -> Any:
        yield l0.Event(l0.EventType.TOKEN, "a")
        stream.abort()

    async def main() -> None:
        nonlocal stream
        stream = await l0.run(source)
        assert [event.type.value async for event in stream] == ["token"]
        assert (stream.state.outcome, stream.state.content) == ("aborted", "a")

    stream: Any = None
    run(main())


def test_a_stream_may_be_left_between_two_of_its_last_words() -> None:
    """What was held to the end is delivered event by event, and its consumer may go at any of them."""

    async def main() -> None:
        for last in range(1, len(TOKENS) + 1):
            provider = FakeProvider(TOKENS, steps=3)
            got = []
            async with await l0.run(provider, adapter=provider, release="complete") as stream:
                async for event in stream:
                    got.append(event.text)
                    if len(got) == last:
                        break
            assert got == list(TOKENS[:last])
            assert (stream.state.content, stream.state.outcome) == ("".join(got), "aborted")
            assert provider.open == 0

    run(main())


def test_abort_at_the_end_changes_nothing() -> None:
    async def main() -> None:
        provider = FakeProvider(TOKENS)
        stream = await l0.run(provider, adapter=provider)
        async for event in stream:
            if event.is_complete:
                stream.abort()
        assert (stream.state.outcome, stream.state.content) == ("complete", provider.text)

    run(main())


def test_a_cancellation_while_a_stream_is_left_is_held_until_the_source_is_closed() -> None:
    async def main() -> None:
        provider = FakeProvider(TOKENS, pace=0.1, steps=20)

        async def leave() -> None:
            async for _ in stream:
                leaving.set()
                await stream.aclose()

        leaving = asyncio.Event()
        stream = await l0.run(provider, adapter=provider)
        task = asyncio.ensure_future(leave())
        await leaving.wait()
        for _ in range(5):
            await asyncio.sleep(0)
        assert provider.open == 1  # It is closing.
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        assert provider.open == 0

    run(main())


def test_a_cancellation_while_observers_have_their_time_is_the_readers() -> None:
    told: list[str] = []

    async def on_complete(state: l0.State) -> None:
        await asyncio.sleep(0.5)
        told.append(state.content)

    async def main() -> None:
        provider = FakeProvider(TOKENS)
        stream = await l0.run(provider, adapter=provider, on_complete=on_complete)
        task = asyncio.ensure_future(stream.read())
        await asyncio.sleep(0.1)
        assert (stream.state.outcome, task.done()) == ("complete", False)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        assert told == [provider.text]

    run(main())


def test_two_may_close_a_stream_that_a_third_reads() -> None:
    async def main() -> None:
        provider = FakeProvider(TOKENS, [Mishap("stall", 1)], steps=5)
        stream = await l0.run(provider, adapter=provider)
        reading = asyncio.ensure_future(stream.read())
        await asyncio.sleep(0.1)
        await asyncio.gather(stream.aclose(), stream.aclose())
        assert provider.open == 0
        assert await reading == TOKENS[0]

    run(main())


class Failing:
    """A source that cannot be closed in peace."""

    def __init__(self, source: Any = None, plain: bool = False) -> None:
        self.source, self.plain, self.closed = source, plain, 0

    def __aiter__(self) -> Failing:
        return self

    async def __anext__(self) -> l0.Event:
        return l0.Event(l0.EventType.TOKEN, "a")

    def close(self) -> Any:
        self.closed += 1
        if self.plain:
            raise OSError("it was closed already")

        async def closing() -> None:
            raise OSError("it was closed already")

        return closing()


@pytest.mark.parametrize("plain", [True, False])
@pytest.mark.parametrize("door", ["abort", "aclose"])
def test_a_source_that_fails_to_close_is_left_and_logged(
    door: str, plain: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        source = Failing(plain=plain)
        stream = await l0.run(lambda: source)
        await anext(stream)
        if door == "abort":
            stream.abort()
            await asyncio.sleep(0.01)
        else:
            await stream.aclose()
        assert source.closed == 1
        assert stream.state.outcome == "aborted"

    with caplog.at_level("DEBUG", "l0"):
        run(main())
    assert "closing the source of a stream raised OSError at test_leaving.py" in caplog.text
    assert "it was closed already" not in caplog.text


def test_what_an_adapter_made_and_what_it_was_made_of_are_both_closed() -> None:
    """Even if the first of them cannot be, and whether closing is to be awaited or not."""
    closed: list[str] = []

    class Made:
        def close(self) -> None:
            closed.append("made")

    class Adapter:
        name = "wrapping"

        def wrap(self, stream: Any, options: Any = None) -> Failing:
            return Failing(stream)

    async def main() -> None:
        stream = await l0.run(Made, adapter=Adapter())
        await anext(stream)
        await stream.aclose()

    run(main())
    assert closed == ["made"]


def test_a_close_that_never_rests_is_given_up_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("l0_core.session.CLOSE_BOUND", 0.01)
    ended: list[bool] = []

    class Restless:
        def __aiter__(self) -> Any:
            return self

        async def __anext__(self) -> l0.Event:
            return l0.Event(l0.EventType.TOKEN, "a")

        async def aclose(self) -> None:
            try:
                while True:  # noqa: ASYNC110 - what it waits for never comes
                    await asyncio.sleep(0)
            finally:
                ended.append(True)

    async def main() -> None:
        stream = await l0.run(Restless)
        await anext(stream)
        await asyncio.wait_for(stream.aclose(), 10)
        assert stream.state.outcome == "aborted"

    run(main())
    assert ended == [True]


def test_abort_between_two_of_its_last_words_where_the_source_is_over() -> None:
    async def source() -> Any:
        for text in TOKENS:
            yield l0.Event(l0.EventType.TOKEN, text)

    async def main() -> None:
        stream = await l0.run(source, release="complete")
        await anext(stream)
        stream.abort()
        assert [event async for event in stream] == []
        assert (stream.state.content, stream.state.outcome) == (TOKENS[0], "aborted")

    run(main())


@pytest.mark.parametrize("plain", [False, True])
def test_a_source_that_raises_a_cancellation_of_its_own_when_it_is_closed_does_not_undo_its_answer(plain: bool) -> None:
    class Source:
        def __init__(self) -> None:
            self.texts = iter(TOKENS)

        def __aiter__(self) -> Any:
            return self

        async def __anext__(self) -> l0.Event:
            for text in self.texts:
                return l0.Event(l0.EventType.TOKEN, text)
            raise StopAsyncIteration

        def close(self) -> Any:
            if plain:
                raise asyncio.CancelledError("mine")

            async def closing() -> None:
                raise asyncio.CancelledError("mine")

            return closing()

    async def main() -> None:
        stream = await l0.run(Source)
        assert await stream.read() == "".join(TOKENS)
        assert stream.state.outcome == "complete"

    run(main())
