"""The contract of the five hooks, sentence by sentence: what is promised of them on the page of the hooks."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
import sys
import types
from collections.abc import AsyncIterator, Callable, Iterator
from importlib.metadata import Distribution, EntryPoint
from pathlib import Path
from typing import Any

import l0
import pytest
from l0_core.plugins import GROUPS, Registry
from l0_testing import ContinuingProvider, FakeProvider, Mishap
from l0_testing.virtual import run

from l0_core import (
    Continued,
    Envelope,
    Event,
    EventType,
    Failure,
    FallBack,
    Halt,
    RetryAfter,
    Sink,
    Violation,
    hookimpl,
)

TOKENS = ("The quick ", "brown ", "fox ", "jumps")
FAST = l0.Retry(base_delay=0)


class Acme(Distribution):
    def read_text(self, filename: str) -> str:
        return "Name: acme\nVersion: 1.2.3\n"

    def locate_file(self, path: Any) -> Any: ...


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Install plugins: a kind, and classes by name."""

    def installed(kind: str, **plugins: type) -> None:
        module = types.ModuleType("l0_test_acme")
        module.__dict__.update(plugins)
        monkeypatch.setitem(sys.modules, module.__name__, module)
        points = [EntryPoint(name, f"{module.__name__}:{name}", GROUPS[kind])._for(Acme()) for name in plugins]  # type: ignore[attr-defined]
        monkeypatch.setattr("l0_core.plugins._registry", Registry(points))

    monkeypatch.setattr("l0_core.observers._reported", set())
    return installed


async def read(provider: FakeProvider, **options: Any) -> l0.Stream:
    stream = await l0.run(provider, **{"adapter": provider, "retry": FAST, **options})
    await stream.read()
    return stream


def watching(seen: list[Any], label: str = "") -> type:
    """A plugin that notes the tokens that it is told of."""

    class Watching:
        @hookimpl
        def on_token(self) -> Callable[[str], None]:
            return lambda text: seen.append((label, text) if label else text)

    return Watching


def judging(judge: Callable[[str, bool], Any]) -> type:
    class Judging:
        @hookimpl
        def check(self) -> Any:
            return judge

    return Judging


def deciding(answer: Any, asked: list[Failure]) -> type:
    class Deciding:
        @hookimpl
        def decide_retry(self, failure: Failure) -> Any:
            asked.append(failure)
            if isinstance(answer, Exception):
                raise answer
            return answer

    return Deciding


def storing(write: Callable[[Any], Any], tokens: bool = False) -> type:
    class Storing:
        @hookimpl
        def store_event(self) -> Sink:
            return Sink(write, tokens)

    return Storing


def names(batch: list[Envelope]) -> list[str]:
    return [envelope.event.type.value for envelope in batch]


# All.


def test_a_record_says_who_raised_and_where_and_not_what(
    install: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    calls: list[str] = []

    class Count:
        @hookimpl
        def on_token(self) -> Any:
            def count(text: str) -> None:
                calls.append(text)
                raise ValueError(text)

            return count

    install("monitor", count=Count)
    provider = FakeProvider(TOKENS)
    run(read(provider, plugins=["count"]))
    (record,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
    place = f"{Path(__file__).name}:{Count.on_token.__code__.co_firstlineno + 4}"
    assert record.getMessage() == f"count (acme 1.2.3) raised ValueError at {place}; the stream goes on"
    assert tuple(calls) == TOKENS


# adapt.


class Chunk:
    def __init__(self, text: str) -> None:
        self.text = text


class Reader:
    """Reads chunks, in a way of its own."""

    name, end_is_proof = "reader", True

    def __init__(self, show: Callable[[str], str] = str) -> None:
        self.show = show

    def decode(self, chunk: Chunk) -> Event:
        return Event(EventType.TOKEN, self.show(chunk.text))


async def chunks() -> AsyncIterator[Chunk]:
    for token in TOKENS:
        yield Chunk(token)


def adapting(answer: Any, asked: list[Any] | None = None) -> type:
    class Adapting:
        @hookimpl
        def adapt(self, ctx: Any, source: object) -> Any:
            if asked is not None:
                asked.append((ctx, source))
            return answer() if callable(answer) else answer

    return Adapting


def test_adapt_is_asked_for_each_attempt_with_what_the_factory_returned() -> None:
    async def main() -> None:
        asked: list[Any] = []
        made: list[Any] = []

        async def factory() -> AsyncIterator[Chunk]:
            if not made:
                made.append(broken())
            else:
                made.append(chunks())
            return made[-1]  # type: ignore[no-any-return]

        async def broken() -> AsyncIterator[Chunk]:
            yield Chunk(TOKENS[0])
            raise ConnectionResetError

        stream = await l0.run(factory, plugins=[adapting(Reader, asked)], retry=FAST)
        assert await stream.read() == "".join(TOKENS)
        assert [source for _, source in asked] == made
        assert [ctx.number for ctx, _ in asked] == [1, 2]

    run(main())


def test_adapt_is_asked_once_for_a_client_and_has_no_context_then(install: Callable[..., None]) -> None:
    class Client:
        async def create(self, **given: Any) -> AsyncIterator[Chunk]:
            return chunks()

    class ForClients:
        name, paths, strategies = "acme", frozenset({"create"}), ("prompt",)

        def streams(self, path: str, kwargs: Any) -> bool:
            return True

        def for_streams(self, client: Any) -> Any:
            return client

        def continuing(self, *given: Any) -> None: ...

        def prompted(self, *given: Any) -> None: ...

    asked: list[Any] = []

    class Both:
        @hookimpl
        def adapt(self, ctx: Any, source: object) -> Any:
            asked.append((ctx, source))
            return ForClients() if isinstance(source, Client) else Reader()

    install("adapter", acme=Both)
    plain = Client()

    async def main() -> None:
        client = l0.wrap(plain)
        for _ in range(2):
            assert await (await client.create()).read() == "".join(TOKENS)

    run(main())
    assert [source for ctx, source in asked if ctx is None] == [plain]
    assert len(asked) == 3


def test_adapt_the_first_answer_counts() -> None:
    async def main() -> None:
        plugins = [adapting(None), adapting(lambda: Reader(str.upper)), adapting(lambda: Reader(str.title))]
        assert await (await l0.run(chunks, plugins=plugins)).read() == "".join(TOKENS).upper()
        stream = await l0.run(chunks, plugins=plugins, adapter=Reader(str.lower))
        assert await stream.read() == "".join(TOKENS).lower()

    run(main())


def test_adapt_what_decode_raises_is_a_failure_of_the_attempt() -> None:
    async def main() -> None:
        opened: list[Reader] = []

        def new() -> Reader:
            def show(text: str) -> str:
                if opened.index(reader) == 0 and text == TOKENS[2]:
                    raise ConnectionResetError("scripted")
                return text

            reader = Reader(show)
            opened.append(reader)
            return reader

        stream = await l0.run(chunks, plugins=[adapting(new)], retry=FAST)
        assert await stream.read() == "".join(TOKENS)
        assert [type(error) for error in stream.errors] == [ConnectionResetError]
        assert len(opened) == 2

    run(main())


# on_token.


def test_on_token_is_told_before_the_consumer() -> None:
    async def main() -> None:
        seen: list[str] = []
        opened: list[str] = []

        class Watching:
            @hookimpl
            def on_token(self, ctx: Any) -> Any:
                opened.append(ctx.stream_id)
                return seen.append

        provider = FakeProvider(TOKENS)
        stream = await l0.run(provider, adapter=provider, plugins=[Watching])
        assert (len(opened), provider.opened) == (1, 0)
        got: list[str] = []
        async for event in stream:
            if event.is_token and event.text:
                got.append(event.text)
                assert seen == got
        assert tuple(got) == TOKENS

    run(main())


@pytest.mark.parametrize("options", [{}, {"release": "complete"}, {"continue_from_last_good_token": True}])
def test_on_token_is_told_of_nothing_twice(options: dict[str, Any]) -> None:
    seen: list[str] = []
    tokens = (*TOKENS, " over ", "the ", "lazy ", "dog")
    provider = ContinuingProvider(tokens, [Mishap("raise", 5), Mishap("truncate", 7)], overlap=15)
    stream = run(read(provider, plugins=[watching(seen)], **options))
    assert "".join(seen) == stream.state.content == provider.text
    assert provider.opened == 3


def test_on_token_all_run_in_order_after_the_callers_own() -> None:
    seen: list[Any] = []

    def own(text: str) -> None:
        seen.append(("own", text))

    run(read(FakeProvider(TOKENS), plugins=[watching(seen, "b"), watching(seen, "a")], on_token=own))
    assert seen == [(label, text) for text in TOKENS for label in ("own", "b", "a")]


def test_on_token_a_coroutine_function_runs_in_its_turn() -> None:
    seen: list[str] = []

    class Later:
        @hookimpl
        def on_token(self) -> Any:
            async def later(text: str) -> None:
                await asyncio.sleep(0.1)
                seen.append(text)

            return later

    run(read(FakeProvider(TOKENS), plugins=[Later]))
    assert tuple(seen) == TOKENS


def test_on_token_one_object_serves_two_streams_at_once() -> None:
    async def main() -> None:
        totals: dict[str, int] = {}

        class Counter:
            @hookimpl
            def on_token(self, ctx: Any) -> Any:
                total = 0

                def count(text: str) -> None:
                    nonlocal total
                    total += len(text)
                    totals[ctx.stream_id] = total

                return count

        counter = Counter()
        providers = [FakeProvider(TOKENS, pace=0.1), FakeProvider(TOKENS[:2], pace=0.15)]
        await asyncio.gather(*(read(provider, plugins=[counter]) for provider in providers))
        assert sorted(totals.values()) == sorted(len(provider.text) for provider in providers)

    run(main())


# check.


def test_check_is_fed_first_what_the_attempt_continues() -> None:
    fed: list[list[Any]] = []

    class Recording:
        @hookimpl
        def check(self, ctx: Any) -> Any:
            attempt: list[Any] = [ctx.kept]
            fed.append(attempt)
            return lambda delta, final: attempt.append((delta, final))

    provider = ContinuingProvider(TOKENS, [Mishap("raise", 3)])
    run(read(provider, guardrails=[Recording], continue_from_last_good_token=True))
    kept = "".join(TOKENS[:3])
    first, second = fed
    assert provider.kept == ["", kept]
    # The context is the attempt's, and the hook is called when it is known what the attempt continues.
    assert (first[0], second[:2]) == ("", [kept, (kept, False)])
    assert "".join(delta for delta, _ in second[1:]) == provider.text
    assert second[-1] == ("", True)


def test_check_all_run_in_order_and_the_strictest_violation_decides() -> None:
    asked: list[str] = []

    def judge(severity: Any) -> type:
        def judged(delta: str, final: bool) -> Violation | None:
            if not final:
                return None
            asked.append(severity)
            return Violation(severity, "no", severity=severity)

        return judging(judged)

    provider = FakeProvider(TOKENS)
    with pytest.raises(l0.GuardrailViolationError) as raised:
        run(read(provider, guardrails=[judge(severity) for severity in ("error", "fatal", "warning")]))
    assert raised.value.violation.severity == "fatal"
    assert (asked, provider.opened) == (["error", "fatal", "warning"], 1)


def test_check_one_that_cannot_be_opened_ends_the_stream() -> None:
    class Broken:
        @hookimpl
        def check(self) -> Any:
            raise ValueError("no")

    provider = FakeProvider(TOKENS)
    with pytest.raises(l0.PluginError, match=r"guardrail 'Broken'.* cannot be opened: ValueError"):
        run(read(provider, fallbacks=[provider], guardrails=[Broken]))
    assert provider.opened == 0


# decide_retry.


def test_decide_retry_the_first_answer_counts_and_the_veto_comes_last() -> None:
    asked: list[list[Failure]] = [[], [], []]
    plugins = [deciding(answer, each) for answer, each in zip((None, RetryAfter(5), Halt()), asked, strict=True)]

    async def main() -> None:
        loop = asyncio.get_running_loop()
        await read(FakeProvider(TOKENS, [Mishap("refuse")]), plugins=plugins)
        assert [len(each) for each in asked] == [1, 1, 0]
        assert loop.time() == pytest.approx(5, abs=0.01)
        vetoing = l0.Retry(base_delay=0, should_retry=lambda *given: False)
        provider, other = FakeProvider(TOKENS, [Mishap("refuse")]), FakeProvider(TOKENS)
        await read(provider, fallbacks=[other], plugins=plugins, retry=vetoing)
        assert (provider.opened, other.opened) == (1, 1)

    run(main())


@pytest.mark.parametrize("cause", ["a fatal violation", "the total deadline", "a limit", "a delivered tool call"])
def test_decide_retry_is_not_asked_where_nothing_can_follow(cause: str) -> None:
    async def calls_a_tool() -> AsyncIterator[Event]:
        yield Event(EventType.TOOL_CALL, data={"id": "a", "name": "pay", "arguments": "{}"})
        raise ConnectionResetError

    asked: list[Failure] = []
    fatal = judging(lambda delta, final: Violation("no", "no", severity="fatal"))
    stalls = FakeProvider(TOKENS, [Mishap("stall", 1)])
    source, options = {
        "a fatal violation": (FakeProvider(TOKENS), {"guardrails": [fatal]}),
        "the total deadline": (stalls, {"timeout": l0.Timeout(total=1000)}),
        "a limit": (FakeProvider(TOKENS), {"limits": l0.Limits(max_output_chars=12)}),
        "a delivered tool call": (calls_a_tool, {"adapter": None}),
    }[cause]
    with pytest.raises((l0.Error, l0.TimeoutError, ConnectionResetError)):
        run(read(source, fallbacks=[FakeProvider(TOKENS)], plugins=[deciding(RetryAfter(0), asked)], **options))  # type: ignore[arg-type]
    assert asked == []


def test_decide_retry_where_one_raises_the_next_decides(caplog: pytest.LogCaptureFixture) -> None:
    asked: list[Failure] = []
    provider, other = FakeProvider(TOKENS, [Mishap("refuse")]), FakeProvider(TOKENS)
    plugins = [deciding(ZeroDivisionError("secret"), asked), deciding(FallBack(), asked)]
    run(read(provider, fallbacks=[other], plugins=plugins))
    assert (provider.opened, other.opened, len(asked)) == (1, 1, 2)
    assert asked[0].default == RetryAfter(0)
    assert "raised ZeroDivisionError at test_hooks.py" in caplog.text
    assert "the next decides" in caplog.text
    assert "secret" not in caplog.text


def test_decide_retry_takes_its_time_within_the_deadline() -> None:
    class Slow:
        @hookimpl
        async def decide_retry(self) -> Any:
            await asyncio.sleep(3)
            return RetryAfter(0)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        await read(FakeProvider(TOKENS, [Mishap("refuse")]), plugins=[Slow], timeout=l0.Timeout(total=4000))
        assert loop.time() == pytest.approx(3, abs=0.01)
        with pytest.raises(l0.TimeoutError, match="in all"):
            await read(FakeProvider(TOKENS, [Mishap("refuse")]), plugins=[Slow], timeout=l0.Timeout(total=1000))
        assert loop.time() == pytest.approx(4, abs=0.01)

    run(main())


# store_event.


def test_store_event_a_sink_gets_every_event_numbered_and_all_the_text() -> None:
    got: list[Envelope] = []
    sizes: list[int] = []

    class Store:
        @hookimpl
        def store_event(self) -> Sink:
            async def write(batch: Any) -> None:
                await asyncio.sleep(0)
                sizes.append(len(batch))
                got.extend(batch)

            return Sink(write, tokens=True)

    async def main() -> None:
        tokens = [f"{i} " for i in range(500)]
        provider = FakeProvider(tokens, texts=[tokens[:100], tokens])
        provider.mishaps = (Mishap("raise", 100),)
        stream = await l0.run(provider, adapter=provider, retry=FAST, plugins=[Store])
        await stream.read()
        assert [envelope.seq for envelope in got] == list(range(len(got)))
        assert {envelope.stream_id for envelope in got} == {stream._session.stream_id}
        text, place = "", 0
        for envelope in got:
            if envelope.event.type == "TOKEN":
                assert envelope.event.meta["index"] == place
                places = [at for at, _ in envelope.event.meta["arrivals"]]
                assert places == sorted(set(places))
                assert places[0] == 0
                place += len(envelope.event.meta["tokens"])
                text += "".join(envelope.event.meta["tokens"])
        assert text == stream.state.content == "".join(tokens)
        assert got[-1].event.type == "SESSION_END"

    run(main())


def test_store_event_a_sink_without_tokens_gets_no_text() -> None:
    got: list[Envelope] = []

    class Store:
        @hookimpl
        def store_event(self) -> Sink:
            return Sink(got.extend)

    async def main() -> None:
        provider = FakeProvider(TOKENS)
        await (await l0.run(provider, adapter=provider, plugins=[Store])).read()
        assert "TOKEN" not in [envelope.event.type.value for envelope in got]
        assert not any(token in repr(got) for token in TOKENS)

    run(main())


def test_store_event_batches_come_before_a_reset_and_at_the_end() -> None:
    batches: list[list[str]] = []
    provider = FakeProvider(TOKENS, [Mishap("raise", 3)], texts=[("The slow ", "green ", "ox ", "sits")])
    run(read(provider, plugins=[storing(lambda batch: batches.append(names(batch)), tokens=True)]))
    before, last = batches
    assert before[0] == "SESSION_START"
    assert "TOKEN" in before
    assert last[0] == "RESET"
    assert last[-1] == "SESSION_END"


def test_store_event_tokens_are_handed_over_when_the_stream_waits() -> None:
    """When 60 have gathered, or when the first is a fifth of a second old, whatever the source does then."""

    def batches(*args: Any, **provider: Any) -> list[tuple[float, int]]:
        found: list[tuple[float, int]] = []

        def write(batch: Any) -> None:
            tokens = [len(each.event.meta["tokens"]) for each in batch if each.event.type == "TOKEN"]
            found.append((round(asyncio.get_running_loop().time(), 2), sum(tokens)))

        tokens = [f"{number} " for number in range(150)]
        run(read(FakeProvider(tokens, *args, **provider), plugins=[storing(write, tokens=True)]))
        return found

    assert batches() == [(0.0, 150)]
    assert [size for _, size in batches(pace=0.001)] == [60, 60, 30]
    assert {size for _, size in batches(pace=0.05)[:-1]} <= {3, 4}
    stalled = batches([Mishap("late", at=5, seconds=10)])
    assert stalled == [(0.2, 5), (10.0, 145)]


def test_store_event_all_receive_and_one_that_raises_loses_alone(
    install: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    first: list[Envelope] = []
    third: list[Envelope] = []

    class Broken:
        @hookimpl
        def store_event(self) -> Sink:
            def write(batch: Any) -> None:
                raise OSError("the disk is full")

            return Sink(write, tokens=True)

    install("store", broken=Broken)
    provider = FakeProvider(TOKENS, [Mishap("raise", 2)], texts=[("The slow ", "green ")])
    stream = run(read(provider, plugins=[storing(first.extend), "broken", storing(third.extend)]))
    assert stream.state.outcome == "complete"
    assert names(first) == names(third)
    assert names(first)[-1] == "SESSION_END"
    assert caplog.text.count("broken (acme 1.2.3) raised OSError") == 1


def test_store_event_async_writes_run_in_order_and_the_end_waits() -> None:
    got: list[int] = []
    pauses = iter((0.2, 0.1, 0.0))

    async def write(batch: Any) -> None:
        await asyncio.sleep(next(pauses))
        got.extend(envelope.seq for envelope in batch)

    async def main() -> None:
        provider = FakeProvider([f"{number} " for number in range(150)], pace=0.0001)
        await read(provider, plugins=[storing(write, tokens=True)])
        assert got == list(range(len(got)))
        assert next(pauses, None) is None
        assert asyncio.get_running_loop().time() == pytest.approx(0.3, abs=0.02)

    run(main())


def test_store_event_a_stream_that_is_closed_unread_is_told_as_aborted() -> None:
    async def main() -> None:
        batches: list[Any] = []
        provider = FakeProvider(TOKENS)
        stream = await l0.run(provider, adapter=provider, plugins=[storing(batches.append)])
        await stream.aclose()
        await stream.aclose()
        assert [envelope.event.type.value for batch in batches for envelope in batch] == [
            "SESSION_START",
            "ABORT_REQUESTED",
            "ABORT_COMPLETED",
            "SESSION_SUMMARY",
            "SESSION_END",
        ]
        assert provider.opened == 0

    run(main())


def test_store_event_a_source_is_opened_within_what_a_sink_puts_around_it() -> None:
    """A trace goes on into the requests of the factory, and into nothing else."""
    current: contextvars.ContextVar[str] = contextvars.ContextVar("current", default="")
    seen: list[str] = []
    steps: list[str] = []

    class Tracing:
        @hookimpl
        def store_event(self, ctx: Any) -> Sink:
            @contextlib.contextmanager
            def around(attempt: Any) -> Iterator[None]:
                token = current.set(f"attempt {attempt.number}")
                try:
                    yield
                finally:
                    current.reset(token)
                    steps.append(f"left {attempt.number}")

            return Sink(lambda batch: None, around=around)

    class Broken:
        @hookimpl
        def store_event(self, ctx: Any) -> Sink:
            def around(attempt: Any) -> Any:
                raise RuntimeError("no")

            return Sink(lambda batch: None, around=around)

    provider = FakeProvider(("one ", "two"), [Mishap("refuse"), Mishap("raise", 1)])

    async def factory() -> Any:
        seen.append(current.get())
        await asyncio.sleep(0)
        seen.append(current.get())
        return await provider()

    async def main() -> None:
        stream = await l0.run(factory, adapter=provider, plugins=[Broken, Tracing], retry=l0.Retry(base_delay=0))
        async for _ in stream:
            assert current.get() == ""
        assert stream.state.completed

    run(main())
    assert seen == [f"attempt {number}" for number in (1, 1, 2, 2, 3, 3)]
    assert steps == ["left 1", "left 2", "left 3"]


# What the hooks are given, and what they may not do.


class TestAtTheEdges:
    """What a hook may do of which no page has to tell."""

    def test_what_is_wrong_with_an_answer_is_logged_and_the_stream_goes_on(
        self, install: Callable[..., None], caplog: pytest.LogCaptureFixture
    ) -> None:
        class Wrong:
            @hookimpl
            def on_token(self) -> Any:
                return "print"

            @hookimpl
            def store_event(self) -> Any:
                return print

            @hookimpl
            def decide_retry(self) -> Any:
                return True

        install("monitor", wrong=Wrong)
        with caplog.at_level("DEBUG", "l0"):
            stream = run(read(FakeProvider(TOKENS, [Mishap("refuse")]), plugins=["wrong"]))
        assert stream.state.outcome == "complete"
        told = [str(record.exc_info[1]) for record in caplog.records if record.exc_info]
        assert told == [
            "on_token must return a function of one string or None, not str",
            "store_event must return a Sink(write) or None, not builtin_function_or_method",
            "decide_retry must return a decision or None, not bool",
        ]

    @pytest.mark.parametrize("is_async", [False, True])
    def test_a_policy_that_raises_a_cancellation_of_its_own_loses_alone(
        self, is_async: bool, caplog: pytest.LogCaptureFixture
    ) -> None:
        class Cancels:
            @hookimpl
            def decide_retry(self) -> Any:
                if is_async:
                    return self.later()
                raise asyncio.CancelledError

            async def later(self) -> Any:
                raise asyncio.CancelledError

        provider = FakeProvider(TOKENS, [Mishap("refuse")])
        stream = run(read(provider, plugins=[Cancels]))
        assert (stream.state.outcome, provider.opened) == ("complete", 2)
        assert "raised RuntimeError" in caplog.text

    def test_a_context_is_shown_and_cannot_be_changed(self) -> None:
        tried: list[str] = []

        class Meddling:
            @hookimpl
            def check(self, ctx: Any) -> Any:
                for target, name in ((ctx, "kept"), (ctx.state, "content"), (ctx.state, "completed")):
                    with pytest.raises(AttributeError, match=f"{name} is read-only"):
                        setattr(target, name, "mine")
                    tried.append(name)
                ctx.state.violations.append("mine")
                tried.append(repr(ctx.state))
                assert "Attempt" in repr(ctx)

        async def main() -> None:
            stream = await read(FakeProvider(TOKENS), guardrails=[Meddling()])
            assert stream.state.content == "".join(TOKENS)
            assert stream.state.violations == []

        run(main())
        assert tried[:3] == ["kept", "content", "completed"]
        assert tried[3].startswith("<State")

    def test_the_clock_of_a_stream_is_that_of_its_loop_before_it_begins_and_after(self) -> None:
        times: list[float] = []

        class Clocking:
            @hookimpl
            def store_event(self, ctx: Any) -> Sink:
                times.append(ctx.clock())
                return Sink(lambda batch: times.append(ctx.clock()))

        async def main() -> None:
            await asyncio.sleep(3)
            await read(FakeProvider(TOKENS, pace=1), plugins=[Clocking])
            assert times[-1] == pytest.approx(asyncio.get_running_loop().time(), abs=0.01)

        run(main())
        assert times[0] == pytest.approx(3, abs=0.01)
        assert times[-1] > 6

    def test_an_observer_that_ends_its_task_ends_nothing(self) -> None:
        """All that observers do later runs in one task of the stream's."""
        told: list[str] = []

        async def on_start(*args: Any) -> None:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()

        async def on_complete(state: l0.State) -> None:
            await asyncio.sleep(0)
            told.append(state.content)

        async def main() -> None:
            stream = await read(FakeProvider(TOKENS, pace=0.01), on_start=on_start, on_complete=on_complete)
            assert stream.state.outcome == "complete"

        run(main())
        assert told == ["".join(TOKENS)]

    def test_the_machine_of_a_stream_is_one_whoever_asks_for_it(self) -> None:
        async def main() -> None:
            provider = FakeProvider(TOKENS)
            stream = await l0.run(provider, adapter=provider, on_event=lambda event: None)
            machine = stream.state_machine
            await stream.read()
            assert stream.state_machine is machine
            assert machine.is_terminal()

        run(main())

    def test_check_an_asynchronous_judge_is_awaited_on_what_the_attempt_continues(self) -> None:
        fed: list[str] = []

        class Slow:
            @hookimpl
            def check(self, ctx: Any) -> Any:
                async def judge(delta: str, final: bool) -> None:
                    await asyncio.sleep(0.01)
                    fed.append(delta)

                fed.append(f"[{ctx.kept}]")
                return judge

        provider = ContinuingProvider(TOKENS, [Mishap("raise", 2)])
        stream = run(read(provider, guardrails=[Slow()], continue_from_last_good_token=True))
        assert stream.state.resumed
        again = fed.index("[The quick brown ]")
        assert fed[again + 1] == "The quick brown "
        assert "".join(fed[again + 1 :]) == "".join(TOKENS)

    def test_adapt_a_client_that_is_wrapped_shows_what_it_is_made_of(self, install: Callable[..., None]) -> None:
        class Chat:
            models = ("fox-1",)

            def __repr__(self) -> str:
                return "<Chat>"

            async def create(self, **given: Any) -> Any:
                return chunks() if given.get("stream") else "all at once"

        class Client:
            chat = Chat()

            def __repr__(self) -> str:
                return "<Client>"

        class ForClients:
            name, paths, strategies = "acme", frozenset({"chat.create"}), ("prompt",)

            def streams(self, path: str, kwargs: Any) -> bool:
                return bool(kwargs.get("stream"))

            def for_streams(self, client: Any) -> Any:
                return client

        class Both:
            @hookimpl
            def adapt(self, ctx: Any, source: object) -> Any:
                if isinstance(source, Client):
                    return ForClients()
                return Reader() if getattr(source, "__name__", "") == "chunks" else None

        install("adapter", acme=Both)

        async def main() -> None:
            client: Any = l0.client.wrap_client(Client())
            assert repr(client) == "<l0.WrappedClient of <Client>>"
            assert repr(client.chat) == "<Chat>"
            assert client.chat.models == ("fox-1",)
            assert isinstance(client.unwrapped, Client)
            assert await client.chat.create() == "all at once"
            assert await (await client.chat.create(stream=True)).read() == "".join(TOKENS)
            with pytest.raises(ValueError, match="unknown strategy 'prefill'; acme knows 'prompt'"):
                l0.wrap(Client(), continue_from_last_good_token=l0.ContinuationConfig(strategy="prefill"))

        run(main())

    def test_decide_retry_may_leave_the_stream(self) -> None:
        """It runs within the stream, and does not wait for itself."""
        streams: list[l0.Stream] = []

        class Leaving:
            @hookimpl
            async def decide_retry(self) -> Any:
                await streams[0].aclose()

        async def main() -> None:
            provider = FakeProvider(TOKENS, [Mishap("raise", 1)])
            streams.append(await l0.run(provider, adapter=provider, retry=FAST, plugins=[Leaving]))
            assert await asyncio.wait_for(streams[0].read(), 5) == TOKENS[0]
            assert streams[0].state.outcome == "aborted"
            assert (provider.opened, provider.open) == (1, 0)

        run(main())

    def test_store_event_what_hangs_at_the_end_is_left_whatever_waits_behind_it(
        self,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        async def hang() -> None:
            await asyncio.Event().wait()

        async def main() -> None:
            loop = asyncio.get_running_loop()
            plugins = [storing(lambda batch: hang()), storing(lambda batch: loop.create_future())]
            plugins.append(storing(lambda batch: hang()))
            before = loop.time()
            stream = await read(FakeProvider(TOKENS), plugins=plugins)
            assert stream.state.outcome == "complete"
            assert loop.time() - before < 3

        run(main())
        assert "did not finish within 1 s of the end, and is left" in caplog.text

    def test_a_guardrail_says_by_the_state_that_an_answer_drifts(self) -> None:
        class Noticing:
            @hookimpl
            def check(self, ctx: Any) -> Any:
                ctx.state.drift_detected = True

        stream = run(read(FakeProvider(TOKENS), guardrails=[Noticing()]))
        assert stream.state.drift_detected

    def test_store_event_what_a_sink_puts_around_a_source_may_fail(self, caplog: pytest.LogCaptureFixture) -> None:
        class Tracing:
            @hookimpl
            def store_event(self, ctx: Any) -> Sink:
                @contextlib.contextmanager
                def around(attempt: Any) -> Iterator[None]:
                    yield
                    raise RuntimeError("secret")

                return Sink(lambda batch: None, around=around)

        stream = run(read(FakeProvider(TOKENS), plugins=[storing(lambda batch: None), Tracing]))
        assert stream.state.outcome == "complete"
        assert "Tracing" in caplog.text
        assert "raised RuntimeError at test_hooks.py" in caplog.text
        assert "secret" not in caplog.text


class TestAWrappedClient:
    """What the kernel makes of a client and of what an adapter says of it."""

    @pytest.fixture(autouse=True)
    def _installed(self, install: Callable[..., None]) -> None:
        class ForClients:
            name, paths, strategies = "acme", frozenset({"create"}), ("prefill", "prompt")

            def streams(self, path: str, kwargs: Any) -> bool:
                return True

            def for_streams(self, client: Any) -> Any:
                return client

            def continuing(self, path: str, kwargs: Any, kept: str, strategy: str) -> Continued:
                return Continued({**kwargs, "after": kept, "how": strategy}, exact=True)

            def prompted(self, path: str, kwargs: Any, prompt: str) -> Continued:
                return Continued({**kwargs, "after": "", "how": prompt}, exact=True)

        class Both:
            @hookimpl
            def adapt(self, ctx: Any, source: object) -> Any:
                return ForClients() if isinstance(source, Client) else Whole()

        install("adapter", acme=Both)

    @pytest.mark.parametrize(
        ("options", "asked"),
        [
            ({"continue_from_last_good_token": True}, [None, "prefill"]),
            (
                {"continue_from_last_good_token": l0.ContinuationConfig(strategy="prompt")},
                [None, "prompt", "prefill"],
            ),
            (
                {"continue_from_last_good_token": True, "build_continuation_prompt": lambda kept: f"after {kept}"},
                [None, "after The quick brown "],
            ),
        ],
    )
    def test_asks_for_a_continuation_in_the_way_that_is_chosen_and_then_otherwise(
        self, options: dict[str, Any], asked: list[str | None]
    ) -> None:
        async def main() -> None:
            plain = Client()
            stream = await l0.wrap(plain, retry=FAST, **options).create(model="fox-1")
            assert await stream.read() == "".join(TOKENS)
            assert [given.get("how") for given in plain.asked] == asked
            assert {given["model"] for given in plain.asked} == {"fox-1"}

        run(main())

    def test_takes_options_of_ours_and_hands_on_those_of_its_sdk(self) -> None:
        async def other() -> AsyncIterator[Event]:
            for text in TOKENS:
                yield Event(EventType.TOKEN, text)
            yield Event(EventType.COMPLETE)

        async def main() -> None:
            plain = Client()
            plain.refuses = 401
            client = l0.wrap(plain, retry=FAST).with_options(api_key="k", timeout=3.0, fallbacks=[other])
            assert client.unwrapped is not plain
            assert client.unwrapped.options == {"api_key": "k", "timeout": 3.0}
            assert await (await client.create(model="fox-1")).read() == "".join(TOKENS)
            assert client.with_options(retry=l0.Retry(max_retries=0)).unwrapped is client.unwrapped

        run(main())

    def test_is_left_as_its_client_is(self) -> None:
        async def main() -> None:
            plain = Client()
            async with l0.wrap(plain) as client:
                assert client.unwrapped is plain
            assert plain.left

        run(main())


class Whole:
    """Reads events as they are; only COMPLETE proves the end."""

    name = "whole"

    def decode(self, chunk: Any) -> Any:
        return chunk


class Client:
    """The client of an SDK whose first answer breaks off, and which goes on only from what it is given."""

    base_url = "https://fox.invalid"

    def __init__(self, **options: Any) -> None:
        self.options, self.left, self.refuses = options, False, 0
        self.asked: list[dict[str, Any]] = []

    def with_options(self, **options: Any) -> Client:
        made = Client(**self.options, **options)
        made.refuses = self.refuses
        return made

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(self, *left: Any) -> None:
        self.left = True

    async def create(self, **given: Any) -> AsyncIterator[Event]:
        self.asked.append(given)
        if self.refuses or given.get("how") == "prompt":
            error = RuntimeError("no")
            error.status_code = self.refuses or 400  # type: ignore[attr-defined]
            raise error
        return self.answer(len(self.asked) > 1)

    async def answer(self, goes_on: bool) -> AsyncIterator[Event]:
        for text in TOKENS[2:] if goes_on else TOKENS[:2]:
            yield Event(EventType.TOKEN, text)
        if not goes_on:
            raise ConnectionResetError("gone")
        yield Event(EventType.COMPLETE, data={"finish_reason": "stop"})
