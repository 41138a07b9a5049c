"""A provider's chunks as events: order, ends, errors, and that the provider's stream is closed."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from l0_multimodal import Multimodal, to_events, to_events_with_messages, to_multimodal_events

from l0_core import ContentType, DataPayload, Event, EventType, Progress

IMAGE = DataPayload(ContentType.IMAGE, "image/png", url="u")
WHOLE: dict[str, Any] = {
    "text": "a",
    "data": IMAGE,
    "progress": Progress(50.0),
    "message": "m",
}
EXTRACTORS: dict[str, Any] = {
    f"extract_{name}": (lambda chunk, name=name: chunk.get(name)) for name in (*WHOLE, "error")
}
ORDER = [EventType.TOKEN, EventType.DATA, EventType.PROGRESS, EventType.MESSAGE]


class Chunks:
    """A provider's stream that fails where it is told to, and counts how often it was closed."""

    def __init__(self, *chunks: Any) -> None:
        self._chunks: Iterator[Any] = iter(chunks)
        self.closed = 0

    def __aiter__(self) -> Chunks:
        return self

    async def __anext__(self) -> Any:
        for chunk in self._chunks:
            if isinstance(chunk, BaseException):
                raise chunk
            return chunk
        raise StopAsyncIteration

    async def aclose(self) -> None:
        self.closed += 1


class ClosesPlainly(Chunks):
    """Its `close` is a plain function, and there is no `aclose`."""

    aclose = None  # type: ignore[assignment]

    def close(self) -> None:
        self.closed += 1


class ClosesLate(Chunks):
    """Its `close` is asynchronous, as that of an SDK's stream, and its iterator is another object."""

    aclose = None  # type: ignore[assignment]

    def __init__(self, *chunks: Any) -> None:
        super().__init__(*chunks)
        self.left = False
        self.closing = asyncio.Event()

    async def _iterate(self) -> AsyncIterator[Any]:
        try:
            while True:
                try:
                    yield await self.__anext__()
                except StopAsyncIteration:
                    return
        finally:
            self.left = True

    def __aiter__(self) -> Any:
        return self._iterate()

    async def close(self) -> None:
        self.closed += 1
        self.closing.set()


def everything(events: AsyncIterator[Event]) -> list[Event]:
    async def main() -> list[Event]:
        return [event async for event in events]

    return asyncio.run(main())


def error_of(events: list[Event]) -> BaseException:
    """The error of the only ERROR event, which is the last."""
    assert [event.type for event in events].index(EventType.ERROR) == len(events) - 1
    error = events[-1].error
    assert error is not None
    return error


def test_each_function_is_asked_about_each_chunk_in_the_documented_order() -> None:
    source = Chunks(WHOLE, {}, WHOLE)
    events = everything(to_multimodal_events(source, **EXTRACTORS))
    assert [event.type for event in events] == [*ORDER, *ORDER, EventType.COMPLETE]
    token, data, progress, message, *_ = events
    assert (token.text, data.payload, progress.progress, message.text) == tuple(WHOLE.values())
    assert source.closed == 1


CHUNK = st.fixed_dictionaries(
    {},
    optional={
        "text": st.text(max_size=3),
        "data": st.builds(DataPayload, st.just(ContentType.IMAGE), url=st.sampled_from("uvw")),
        "progress": st.builds(Progress, st.floats(0, 100)),
        "message": st.text(max_size=3),
    },
)


@settings(deadline=None)
@given(st.lists(CHUNK))
def test_what_is_in_the_chunks_is_in_the_events_once_and_in_order(chunks: list[dict[str, Any]]) -> None:
    expected = [chunk[name] for chunk in chunks for name in WHOLE if chunk.get(name)]
    *events, last = everything(Multimodal.to_events(Chunks(*chunks), **EXTRACTORS))
    assert [event.text or event.payload or event.progress for event in events] == expected
    assert last == Event(EventType.COMPLETE)


def test_text_alone_and_text_with_messages() -> None:
    texts = everything(to_events(Chunks(WHOLE, {"text": ""}, {"text": False}), EXTRACTORS["extract_text"]))
    assert texts == [Event(EventType.TOKEN, "a"), Event(EventType.COMPLETE)]
    both = {name: EXTRACTORS[name] for name in ("extract_text", "extract_message")}
    told = everything(to_events_with_messages(Chunks({"text": "a", "message": {"value": "m", "role": "user"}}), **both))
    message = Event(EventType.MESSAGE, "m", {"role": "user"})
    assert told == [Event(EventType.TOKEN, "a"), message, Event(EventType.COMPLETE)]


def test_a_function_may_return_an_event_of_its_kind() -> None:
    image = Multimodal.image(url="u", width=3)
    events = everything(to_multimodal_events(Chunks(1), extract_data=lambda _: image))
    assert events[0] is image
    wrong = error_of(everything(to_multimodal_events(Chunks(1), extract_text=lambda _: image)))  # type: ignore[arg-type]
    assert str(wrong) == ("extract_text returned Event; it may return str, an event of the type token, or None")


@pytest.mark.parametrize("name", WHOLE)
def test_what_a_function_may_not_return_is_an_error_that_names_it_and_quotes_nothing(name: str) -> None:
    error = error_of(everything(to_multimodal_events(Chunks({name: ("secret",)}, WHOLE), **EXTRACTORS)))
    assert isinstance(error, TypeError)
    assert str(error).startswith(f"extract_{name} returned tuple; it may return ")


def test_what_a_provider_said_of_its_failure_is_not_lost() -> None:
    said = error_of(everything(to_multimodal_events(Chunks({"error": "overloaded"}), **EXTRACTORS)))
    assert isinstance(said, TypeError)
    assert "extract_error returned str: 'overloaded'" in str(said)


@pytest.mark.parametrize("name", [*WHOLE, "error"])
def test_a_function_that_raises_ends_the_events_with_its_error(name: str) -> None:
    def broken(chunk: Any) -> Any:
        if chunk is not WHOLE:
            raise KeyError("no such field")
        return EXTRACTORS[f"extract_{name}"](chunk)

    source = Chunks(WHOLE, {"text": "b"}, WHOLE)
    events = everything(to_multimodal_events(source, **{**EXTRACTORS, f"extract_{name}": broken}))
    assert repr(error_of(events)) == "KeyError('no such field')"
    assert [event.type for event in events[:4]] == ORDER
    assert [event.text for event in events[4:-1]] == ([] if name == "text" else ["b"])
    assert source.closed == 1


def test_a_stream_that_raises_ends_the_events_with_its_error() -> None:
    gone = ConnectionResetError("gone")
    source = Chunks(WHOLE, gone, WHOLE)
    events = everything(to_multimodal_events(source, **EXTRACTORS))
    assert error_of(events) is gone
    assert len(events) == 5
    assert source.closed == 1


def test_an_error_in_a_chunk_is_the_end_and_there_is_no_complete() -> None:
    failed = RuntimeError("out of memory")
    source = Chunks({**WHOLE, "error": failed}, WHOLE)
    events = everything(to_multimodal_events(source, **EXTRACTORS))
    assert error_of(events) is failed
    assert [event.type for event in events[:-1]] == ORDER
    assert source.closed == 1


@pytest.mark.parametrize("stop", [asyncio.CancelledError, KeyboardInterrupt, SystemExit])
def test_what_is_no_error_of_the_stream_passes_through_and_the_stream_is_closed(stop: type[BaseException]) -> None:
    source = Chunks(WHOLE, stop())

    async def main() -> None:
        events = to_multimodal_events(source, **EXTRACTORS)
        with pytest.raises(stop):
            async for event in events:
                assert event.type is not EventType.ERROR

    asyncio.run(main())
    assert source.closed == 1


def test_a_stream_that_is_not_yet_awaited_is_awaited() -> None:
    async def create(*chunks: Any) -> Chunks:
        if not chunks:
            raise ConnectionRefusedError("nobody there")
        return Chunks(*chunks)

    assert len(everything(to_multimodal_events(create(WHOLE), **EXTRACTORS))) == 5
    refused = everything(to_multimodal_events(create(), **EXTRACTORS))
    assert isinstance(error_of(refused), ConnectionRefusedError)


async def _a_provider() -> AsyncIterator[Any]:
    yield WHOLE


@pytest.mark.parametrize(
    ("stream", "said"),
    [
        ([WHOLE], "The stream is a builtins.list, not an asynchronous iterator"),
        (_a_provider, "The stream is a builtins.function, not an asynchronous iterator; call it"),
        (None, "The stream is a builtins.NoneType, not an asynchronous iterator"),
    ],
)
def test_what_is_not_a_stream_is_an_error_that_says_what_it_is(stream: Any, said: str) -> None:
    error = error_of(everything(to_multimodal_events(stream, **EXTRACTORS)))
    assert isinstance(error, TypeError)
    assert str(error) == said


def test_mistakes_in_the_call_are_raised_by_the_call() -> None:
    with pytest.raises(TypeError, match="give at least one of extract_text, extract_data, extract_progress"):
        to_multimodal_events(Chunks())
    with pytest.raises(TypeError, match="give at least one of"):
        to_events_with_messages(Chunks())
    with pytest.raises(TypeError, match="extract_data takes a function of a chunk, not str"):
        Multimodal.from_stream(Chunks(), extract_data="image")  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", [Chunks, ClosesPlainly, ClosesLate])
@pytest.mark.parametrize("after", range(1, 7))
def test_events_that_are_closed_close_the_stream(kind: type[Chunks], after: int) -> None:
    source = kind(WHOLE, {})

    async def main() -> None:
        async with aclosing(to_multimodal_events(source, **EXTRACTORS)) as events:
            for _ in range(after):
                await anext(events, None)

    asyncio.run(main())
    assert source.closed == 1
    assert getattr(source, "left", True)


def test_events_that_are_dropped_close_the_stream() -> None:
    source = ClosesLate(WHOLE, WHOLE)

    async def main() -> None:
        async for _ in to_multimodal_events(source, **EXTRACTORS):
            break
        gc.collect()
        await source.closing.wait()

    asyncio.run(asyncio.wait_for(main(), 10))
    assert source.left
    assert source.closed == 1


def test_a_stream_is_closed_though_its_iterator_does_not_close() -> None:
    class Stuck(Chunks):
        async def aclose(self) -> None:
            raise OSError("stuck")

    class Source(ClosesPlainly):
        def __aiter__(self) -> Any:
            return Stuck(WHOLE)

    source = Source()
    with pytest.raises(OSError, match="stuck"):
        everything(to_multimodal_events(source, **EXTRACTORS))
    assert source.closed == 1


def test_a_cancelled_consumer_closes_the_stream() -> None:
    class Waits(Chunks):
        def __init__(self) -> None:
            super().__init__()
            self.started = asyncio.Event()

        async def __anext__(self) -> Any:
            self.started.set()
            await asyncio.Event().wait()

    source = Waits()

    async def read() -> None:
        async for _ in to_multimodal_events(source, **EXTRACTORS):
            pass

    async def main() -> None:
        task = asyncio.create_task(read())
        await source.started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert source.closed == 1
