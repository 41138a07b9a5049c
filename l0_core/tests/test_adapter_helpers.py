"""Helpers for writing adapters: what they find in chunks, what becomes of exceptions, and that sources are closed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import l0
import pytest
from l0.adapters import Adapters, create_error_event, to_l0_events, to_l0_events_with_messages, to_multimodal_l0_events
from l0.types import ContentType, DataPayload, Event, EventType, Progress
from l0_testing.virtual import run


class Chunks:
    """A provider's stream that fails where it is told to, and knows whether it was closed."""

    def __init__(self, *chunks: Any) -> None:
        self._chunks: Iterator[Any] = iter(chunks)
        self.closed = False

    def __aiter__(self) -> Chunks:
        return self

    async def __anext__(self) -> Any:
        for chunk in self._chunks:
            if isinstance(chunk, Exception):
                raise chunk
            return chunk
        raise StopAsyncIteration

    async def close(self) -> None:
        self.closed = True


async def everything(events: AsyncIterator[Event]) -> list[Event]:
    return [event async for event in events]


def test_each_function_is_asked_about_each_chunk() -> None:
    both = {
        "text": "a",
        "data": DataPayload(ContentType.IMAGE, url="u"),
        "progress": Progress(50.0),
        "message": {"n": 1},
    }
    stream = Chunks(both, {"text": ""}, {})
    fields = {f"extract_{name}": (lambda chunk, name=name: chunk.get(name)) for name in both}
    events = run(everything(to_multimodal_l0_events(stream, **fields)))
    assert [event.type for event in events] == [
        EventType.TOKEN, EventType.DATA, EventType.PROGRESS, EventType.MESSAGE, EventType.COMPLETE,
    ]  # fmt: skip
    token, data, progress, message, _ = events
    assert (token.text, data.payload, progress.progress, message.data) == tuple(both.values())
    assert stream.closed
    told = run(everything(to_l0_events_with_messages(Chunks(both), lambda chunk: chunk["text"])))
    assert [event.type for event in told] == [EventType.TOKEN, EventType.COMPLETE]


@pytest.mark.parametrize("helper", [to_l0_events, to_l0_events_with_messages, to_multimodal_l0_events])
def test_a_source_that_raises_is_retried(helper: Any) -> None:
    """Defect 16 of the reference: the error passed through as an event, and the stream was complete."""
    opened: list[Chunks] = []

    def source() -> AsyncIterator[Event]:
        opened.append(Chunks("Hel", ConnectionResetError("gone")) if not opened else Chunks("Hel", "lo"))
        return helper(opened[-1], lambda chunk: chunk)  # type: ignore[no-any-return]

    async def main() -> l0.Stream:
        stream = await l0.run(source, retry=l0.Retry(base_delay=0))
        assert await stream.read() == "Hello"
        return stream

    stream = run(main())
    assert [type(error) for error in stream.errors] == [ConnectionResetError]
    assert stream.state.network_retry_count == 1
    assert [chunks.closed for chunks in opened] == [True, True]


def test_a_stream_that_is_left_closes_the_source_of_a_helper() -> None:
    source = Chunks("a", "b", "c")

    async def main() -> None:
        async with await l0.run(lambda: to_l0_events(source, str)) as stream:
            async for _ in stream:
                break

    run(main())
    assert source.closed


def test_events_by_hand() -> None:
    image = Adapters.image_event(url="u", width=3, height=4, seed=None, model="m").payload
    assert image == DataPayload(
        ContentType.IMAGE, "image/png", url="u", metadata={"model": "m", "width": 3, "height": 4}
    )
    audio = Adapters.audio_event(base64="x").payload
    assert audio == DataPayload(ContentType.AUDIO, "audio/mp3", base64="x")
    error = ConnectionResetError("gone")
    assert create_error_event(error).error is error


@pytest.mark.parametrize("closes", [False, True])
def test_a_source_need_not_be_closable(closes: bool) -> None:
    """Not every SDK's stream can be closed, and not every `close` is to be awaited."""
    closed: list[bool] = []

    class Plain:
        def __init__(self) -> None:
            self._chunks = iter(["a", "b"])
            if closes:
                self.close = lambda: closed.append(True)

        def __aiter__(self) -> Plain:
            return self

        async def __anext__(self) -> str:
            for chunk in self._chunks:
                return chunk
            raise StopAsyncIteration

    events = run(everything(to_l0_events(Plain(), lambda chunk: chunk)))
    assert [(event.type, event.text) for event in events] == [
        (EventType.TOKEN, "a"), (EventType.TOKEN, "b"), (EventType.COMPLETE, None),
    ]  # fmt: skip
    assert closed == [True] * closes


def test_a_complete_event_by_hand_says_what_was_used() -> None:
    assert Adapters.complete_event({"output_tokens": 2}) == Event(EventType.COMPLETE, usage={"output_tokens": 2})
