"""A stream for each chunk: in order, bounded, dependable, with failures as results and nothing left open."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from l0_testing import FakeProvider, LeakCheck, Mishap
from l0_testing.virtual import run
from l0_window import (
    ChunkProcessConfig,
    ChunkResult,
    DocumentChunk,
    ProcessingStats,
    Window,
    WindowConfig,
    get_processing_stats,
    merge_results,
    process_with_window,
)

from l0_core import Event, EventType, GuardrailRule, GuardrailViolation, Retry, Stream, Timeout

NO_RETRY = Retry(attempts=0, max_retries=0)
CHARS = WindowConfig(2, 0, "char")
BREAK = Mishap("raise", at=1, error=ConnectionResetError("gone"))


def stream_of(provider: FakeProvider) -> Callable[[], AsyncIterator[Event]]:
    """The streams of a fake provider, as plain events."""

    async def events() -> AsyncIterator[Event]:
        stream: Any = await provider()
        try:
            async for chunk in stream:
                if isinstance(chunk, str):
                    yield Event(EventType.TOKEN, chunk)
        finally:
            await stream.aclose()

    return events


@dataclass
class Providers:
    """A provider for each chunk, which says its content in capitals."""

    mishaps: dict[str, list[Mishap | None]] = field(default_factory=dict)
    pace: float = 0.0
    options: dict[str, Any] = field(default_factory=lambda: {"retry": NO_RETRY})
    made: list[FakeProvider] = field(default_factory=list)

    def __call__(self, chunk: DocumentChunk) -> ChunkProcessConfig:
        provider = FakeProvider(chunk.content.upper(), self.mishaps.get(chunk.content, ()), pace=self.pace)
        self.made.append(provider)
        return ChunkProcessConfig(stream_of(provider), **self.options)

    @property
    def open(self) -> int:
        return sum(provider.open for provider in self.made)


def test_results_have_the_order_of_the_chunks_and_their_streams():
    async def main() -> None:
        async with LeakCheck():
            results = await Window.create("abcdef", CHARS).process_all(Providers())
        assert [(result.chunk.index, result.status, result.content) for result in results] == [
            (0, "success", "AB"),
            (1, "success", "CD"),
            (2, "success", "EF"),
        ]
        assert all(isinstance(result.result, Stream) and result.result.state.completed for result in results)
        assert [result.error for result in results] == [None] * 3
        assert merge_results(results) == "AB\n\nCD\n\nEF"

    run(main())


def test_a_failure_is_a_result_and_the_others_go_on():
    async def main() -> None:
        providers = Providers({"cd": [BREAK]})
        results = await Window.create("abcdef", CHARS).process_all(providers)
        assert [result.status for result in results] == ["success", "error", "success"]
        failed = results[1]
        assert (failed.error, failed.content, failed.result) == ("ConnectionResetError: gone", "", None)
        assert Window.merge_results(results, " ") == "AB EF"
        assert providers.open == 0

    run(main())


def test_each_stream_has_the_retries_timeouts_fallbacks_and_guardrails_of_its_config():
    stall = Mishap("stall", at=1)

    async def main() -> None:
        options = {"retry": Retry(attempts=2, base_delay=0.01), "timeout": Timeout(inter_token=100)}
        providers = Providers({"ab": [BREAK, None], "cd": [stall, None]}, options=options)
        results = await Window.create("abcdef", CHARS).process_all(providers)
        assert [result.content for result in results] == ["AB", "CD", "EF"]
        assert [provider.opened for provider in providers.made] == [2, 2, 1]

        spare = FakeProvider("spare")
        providers = Providers({"ab": [BREAK]}, options={"retry": NO_RETRY, "fallbacks": [stream_of(spare)]})
        [result] = await Window.create("ab", CHARS).process_all(providers)
        assert (result.content, spare.opened) == ("spare", 1)

        def object_to(state: Any) -> list[Any]:
            return [GuardrailViolation("loud", "it shouts")] if state.content.isupper() else []

        providers = Providers(options={"retry": NO_RETRY, "guardrails": [GuardrailRule("loud", object_to)]})
        [result] = await Window.create("ab", CHARS).process_all(providers)
        assert result.error == "GuardrailViolationError: Guardrail violation: it shouts"

    run(main())


@pytest.mark.parametrize(("concurrency", "expected"), [(1, 1), (3, 3), (None, 5), (50, 9)])
def test_no_more_streams_are_open_at_a_time_than_asked_for(concurrency, expected):
    async def main() -> None:
        provider = FakeProvider("x", pace=1)
        window = Window.create("a" * 18, CHARS)
        asked = {} if concurrency is None else {"concurrency": concurrency}
        results = await window.process_all(lambda chunk: ChunkProcessConfig(stream_of(provider)), **asked)
        assert {result.content for result in results} == {"x"}
        assert provider.most_open == expected

    run(main())


def test_sequential_is_one_after_the_other():
    async def main() -> None:
        provider = FakeProvider("x", pace=1)
        window = Window.create("a" * 6, CHARS)
        results = await window.process_sequential(lambda chunk: ChunkProcessConfig(stream_of(provider)))
        assert [result.chunk.index for result in results] == [0, 1, 2]
        assert (provider.most_open, provider.opened) == (1, 3)

    run(main())


def test_a_processor_is_called_when_its_chunk_has_its_turn():
    async def main() -> None:
        providers = Providers(pace=1)
        called: list[tuple[int, float]] = []
        clock = asyncio.get_running_loop().time
        began = clock()

        def processor(chunk: DocumentChunk) -> ChunkProcessConfig:
            called.append((chunk.index, round(clock() - began)))
            return providers(chunk)

        await Window.create("abcdef", CHARS).process_all(processor, concurrency=2)
        assert called == [(0, 0), (1, 0), (2, 3)]

    run(main())


def test_a_processor_that_fails_is_a_result():
    def broken(chunk: DocumentChunk) -> ChunkProcessConfig:
        raise KeyError(chunk.index)

    async def main() -> None:
        window = Window.create("abcd", CHARS)
        assert [result.error for result in await window.process_all(broken)] == ["KeyError: 0", "KeyError: 1"]
        results = await window.process_all(lambda chunk: chunk.content)  # type: ignore[arg-type,return-value]
        assert results[0].error == "TypeError: a processor returns a ChunkProcessConfig, not a str"

        async def alone() -> AsyncIterator[Event]:
            raise asyncio.CancelledError
            yield

        [result] = await Window.create("ab", CHARS).process_all(lambda chunk: ChunkProcessConfig(alone))
        assert result.status == "error"
        assert "CancelledError" in str(result.error)

    run(main())


def test_durations_are_in_milliseconds():
    async def main() -> None:
        providers = Providers({"cd": [BREAK]}, pace=0.5)
        results = await Window.create("abcd", CHARS).process_all(providers)
        assert [round(result.duration, -2) for result in results] == [1500, 500]

    run(main())


@pytest.mark.parametrize("ticks", range(0, 60, 3))
def test_cancellation_passes_and_leaves_nothing_open(ticks):
    async def main() -> None:
        providers = Providers(pace=0.01)
        async with LeakCheck():
            window = Window.create("abcdefghij", CHARS)
            working = asyncio.ensure_future(window.process_all(providers, concurrency=3))
            await asyncio.sleep(ticks / 1000)
            working.cancel()
            with pytest.raises(asyncio.CancelledError):
                await working
            assert providers.open == 0

    run(main())


def test_a_concurrency_below_one_is_refused():
    async def main() -> None:
        with pytest.raises(ValueError, match="concurrency is 0; it must be 1 or more"):
            await Window.create("ab", CHARS).process_all(Providers(), concurrency=0)

    run(main())


def test_documents_are_cut_and_processed_at_once():
    async def main() -> None:
        for process in (process_with_window, Window.process):
            results = await process("abcd", Providers(), size=2, overlap=0, strategy="char")
            assert [result.content for result in results] == ["AB", "CD"]
            results = await process("abcd", Providers(), CHARS, size=99)
            assert [result.content for result in results] == ["AB", "CD"]
            assert await process("", Providers()) == []

    run(main())


@pytest.mark.parametrize(("process", "expected"), [(process_with_window, 5), (Window.process, 3)])
def test_default_concurrency(process, expected):
    async def main() -> None:
        provider = FakeProvider("x", pace=1)
        await process("a" * 40, lambda chunk: ChunkProcessConfig(stream_of(provider)), CHARS)
        assert provider.most_open == expected

    run(main())


class Elsewhere:
    """An executor that takes tasks and results there and back as bytes."""

    def __init__(self) -> None:
        self.tasks = 0

    async def run(self, task: Any) -> Any:
        self.tasks += 1
        return pickle.loads(pickle.dumps(await pickle.loads(pickle.dumps(task))()))


async def shout() -> AsyncIterator[Event]:
    yield Event(EventType.TOKEN, "AH")


def shouting(chunk: DocumentChunk) -> ChunkProcessConfig:
    if chunk.content == "cd":
        raise ConnectionResetError("gone")
    return ChunkProcessConfig(shout)


def test_an_executor_runs_streams_elsewhere_and_returns_plain_results():
    async def main() -> None:
        executor = Elsewhere()
        window = Window.create("abcdef", CHARS)
        for results in (
            await window.process_all(shouting, executor=executor),
            await Window.process("abcdef", shouting, CHARS, executor=executor),
            await process_with_window("abcdef", shouting, CHARS, executor=executor),
        ):
            assert [result.content for result in results] == ["AH", "", "AH"]
            assert [result.error for result in results] == [None, "ConnectionResetError: gone", None]
            assert [result.result for result in results] == [None] * 3
            assert [result.chunk for result in results] == window.get_all_chunks()
        assert executor.tasks == 9

        class Broken:
            async def run(self, task: Any) -> Any:
                raise RuntimeError("the worker died")

        [result] = await Window.process("ab", shouting, CHARS, executor=Broken())
        assert result.error == "RuntimeError: the worker died"
        with pytest.raises(ValueError, match="no executor named 'nowhere'"):
            await window.process_all(shouting, executor="nowhere")

    run(main())


def test_statistics():
    chunk = Window.create("ab", CHARS)[0]
    results: list[ChunkResult[Any]] = [
        ChunkResult(chunk, "success", content="a", duration=10),
        ChunkResult(chunk, "success", content="", duration=20),
        ChunkResult(chunk, "error", error="no", duration=30),
    ]
    stats = Window.get_stats(results)
    assert stats == ProcessingStats(3, 2, 1, pytest.approx(66.67, abs=0.01), 20, 60)
    assert get_processing_stats([]) == ProcessingStats(0, 0, 0, 0, 0, 0)
    assert merge_results(results) == "a"
