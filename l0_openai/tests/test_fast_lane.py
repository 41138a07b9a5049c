"""Which streams are read at their bytes, what becomes of their connection, and of what breaks off."""

from __future__ import annotations

import asyncio
import gc
import gzip
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import l0
import openai
import pytest
from l0_openai.fast_lane import CROWD, FastLane, is_untouched
from l0_openai.sse import Blocks
from l0_testing import Fault, FaultServer, Script
from openai.types import Completion
from openai.types.chat import ChatCompletionChunk
from openai.types.responses import ResponseStreamEvent

from l0_openai import ChatCompletionStream

sys.path.insert(0, str(Path(__file__).parent))
from sse_bodies import BODIES, DONE, FIRST, ROLE, STOP, USAGE, WHOLE, line
from sse_reading import CLIENT, HTTP, Pieces, by_the_bytes, by_the_sdk, cut, read, stream_of

MESSAGES: Any = [{"role": "user", "content": "hi"}]
TEXT = "One, two, three, four, five."


# What breaks off.


@pytest.mark.parametrize(
    "error",
    [
        HTTP.ReadError("gone"),
        HTTP.ReadTimeout("late"),
        HTTP.RemoteProtocolError("odd"),
        OSError(104, "reset"),
        KeyError("x"),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("whole", [0, 1, 3, 5])
def test_an_error_on_the_way_is_the_one_that_the_sdk_raises(error: Exception, whole: int) -> None:
    async def main() -> None:
        expected = await by_the_sdk(Pieces(WHOLE[:whole], error))
        assert expected[1]
        assert await by_the_bytes(Pieces(WHOLE[:whole], error)) == expected
        assert await by_the_bytes(Pieces([b"".join(WHOLE[:whole])[:-9]], error)) == await by_the_sdk(
            Pieces([b"".join(WHOLE[:whole])[:-9]], error)
        )

    asyncio.run(main())


@pytest.mark.parametrize("corrupt", [False, True])
def test_a_compressed_body(corrupt: bool) -> None:
    packed = gzip.compress(BODIES["whole"])
    packed = packed[:40] + b"\xff\xff" + packed[42:] if corrupt else packed

    async def main() -> None:
        for size in (1, 7, len(packed)):
            reader = ChatCompletionStream()
            expected = await read(
                reader, stream_of(Pieces(cut(packed, size)), **{"content-encoding": "gzip"}), reader.decode_chunk
            )
            reader = ChatCompletionStream()
            lane = reader.iterate(stream_of(Pieces(cut(packed, size)), **{"content-encoding": "gzip"}))
            assert await read(reader, lane, reader.decode) == expected
            assert bool(expected[1]) is corrupt

    asyncio.run(main())


def test_what_came_before_an_error_in_the_same_bytes_is_delivered() -> None:
    error = line({"error": {"message": "overloaded", "type": "server_error"}})
    events, raised = asyncio.run(by_the_bytes(Pieces([ROLE + FIRST + error + FIRST])))
    assert [event[1] for event in events] == ["Grüße "]
    assert "APIError: overloaded" in raised


# Which streams.


def begun() -> Any:
    stream = stream_of(Pieces([b"".join(WHOLE)]))

    async def main() -> None:
        await stream.__anext__()

    asyncio.run(main())
    return stream


def wrapped() -> Any:
    stream = stream_of(Pieces([]))

    async def instrumented(iterator: Any) -> AsyncIterator[Any]:
        async for chunk in iterator:
            yield chunk

    stream._iterator = instrumented(stream._iterator)
    return stream


def consumed() -> Any:
    stream = stream_of(Pieces([b"".join(WHOLE)]))
    asyncio.run(stream.response.aread())
    return stream


class Subclass(openai.AsyncStream[ChatCompletionChunk]):
    async def __stream__(self) -> AsyncIterator[ChatCompletionChunk]:
        async for chunk in super().__stream__():
            yield chunk


def subclass() -> Any:
    stream = stream_of(Pieces([]))
    return Subclass(cast_to=ChatCompletionChunk, response=stream.response, client=CLIENT)


def strict() -> Any:
    return stream_of(Pieces([]), openai.AsyncOpenAI(api_key="x", _strict_response_validation=True))


def other_decoder() -> Any:
    stream: Any = stream_of(Pieces([]))
    stream._decoder = object()
    return stream


def completions() -> Any:
    stream: Any = stream_of(Pieces([]))
    return openai.AsyncStream(cast_to=Completion, response=stream.response, client=CLIENT)


def test_a_stream_of_another_api_is_refused_at_once() -> None:
    given: Any = stream_of(Pieces([]))
    events = openai.AsyncStream(cast_to=ResponseStreamEvent, response=given.response, client=CLIENT)

    async def main() -> None:
        with pytest.raises(l0.AdapterNotFound, match="not one of chat completions"):
            await (await l0.run(lambda: events)).read()
        await given.close()

    asyncio.run(main())


@pytest.mark.parametrize("make", [begun, wrapped, consumed, subclass, strict, other_decoder, completions])
def test_a_stream_that_is_not_as_the_sdk_made_it_is_read_as_ever(make: Any) -> None:
    stream = make()
    assert not is_untouched(stream)
    assert not isinstance(ChatCompletionStream().iterate(stream), FastLane)


@pytest.mark.parametrize("source", [object(), None, [], stream_of])
def test_what_is_no_stream_of_the_sdk_is_not_touched(source: Any) -> None:
    assert ChatCompletionStream().iterate(source) is source


def test_chunks_that_are_to_be_kept_are_the_objects_of_the_sdk(fault_server: FaultServer) -> None:
    fault_server.add("m", Script(TEXT, faults=[Fault("rst_mid", at=3)]))

    async def main() -> None:
        async with openai.AsyncOpenAI(api_key="x", base_url=fault_server.base_url) as client:
            stream = await l0.wrap(client, keep_raw=True, retry=l0.Retry(base_delay=0)).chat.completions.create(
                model="m", messages=MESSAGES, stream=True
            )
            first = await anext(stream)
            before = list(stream.raw())
            assert first.text == _content(before) == "".join(_texts(before)[:1])
            assert await stream.read() == TEXT
            chunks = stream.raw()
            assert chunks[: len(before)] == before
            assert all(isinstance(chunk, ChatCompletionChunk) for chunk in chunks)
            assert _content(chunks).endswith(TEXT)
            assert len(_content(chunks)) > len(TEXT)
            assert stream.raw() is chunks

    asyncio.run(main())


def _texts(chunks: list[ChatCompletionChunk]) -> list[str]:
    return [text for chunk in chunks for choice in chunk.choices if (text := choice.delta.content)]


def _content(chunks: list[ChatCompletionChunk]) -> str:
    return "".join(_texts(chunks))


# Their connections.


def test_of_many_streams_at_once_httpx_is_left_no_more_connections_than_it_bears(fault_server: FaultServer) -> None:
    fault_server.add("m", Script(TEXT, pace=0.01))
    many = CROWD + 20

    async def main() -> None:
        async with openai.AsyncOpenAI(api_key="x", base_url=fault_server.base_url) as client:
            wrapped = l0.wrap(client)

            async def read_one() -> str:
                stream = await wrapped.chat.completions.create(model="m", messages=MESSAGES, stream=True)
                return str(await stream.read())

            assert await asyncio.gather(*(read_one() for _ in range(many))) == [TEXT] * many
            kept = CROWD if HTTP.__name__ == "httpx" else many
            for _ in range(500):  # The server is another thread, and sees a connection end a little later.
                if fault_server.open_connections == kept:
                    break
                await asyncio.sleep(0.01)
            assert fault_server.open_connections == kept

    asyncio.run(main())


def test_a_connection_serves_one_stream_after_the_other(fault_server: FaultServer) -> None:
    fault_server.add("m", Script(TEXT))

    async def main() -> None:
        async with openai.AsyncOpenAI(api_key="x", base_url=fault_server.base_url) as client:
            for _ in range(5):
                stream = await l0.wrap(client).chat.completions.create(model="m", messages=MESSAGES, stream=True)
                assert await stream.read() == TEXT
            assert fault_server.open_connections == 1
            assert len({log.connection for log in fault_server.requests}) == 1

    asyncio.run(main())


def test_a_body_that_stays_open_after_its_end_is_left(fault_server: FaultServer) -> None:
    fault_server.add("m", Script(TEXT, faults=[Fault("stall_after_done")]))

    async def main() -> None:
        async with openai.AsyncOpenAI(api_key="x", base_url=fault_server.base_url) as client:
            stream = await l0.wrap(client).chat.completions.create(model="m", messages=MESSAGES, stream=True)
            assert await asyncio.wait_for(stream.read(), 5) == TEXT
            await fault_server.idle(connections=True)

    asyncio.run(main())


class Endless(Pieces):
    """A body that goes on after its end, without a pause."""

    taken = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self.pieces:
            yield piece
        while True:
            self.taken += 1000
            yield b"x" * 1000


def test_a_body_that_goes_on_after_its_end_is_left() -> None:
    body = Endless(WHOLE)
    events, error = asyncio.run(by_the_bytes(body))
    assert (len(events), error) == (4, "")
    assert body.closed
    assert body.taken < 100_000


def test_nothing_is_left_of_odd_events_wherever_a_stream_is_left() -> None:
    body = [ROLE, FIRST, b": ping\n\n", b"event: message\n" + FIRST, b"event: error\ndata: no\n\n", STOP, USAGE, DONE]

    async def main() -> None:
        for taken in range(len(body)):
            source = Pieces(body)
            reader, stream = ChatCompletionStream(), stream_of(source)
            iterator = aiter(reader.iterate(stream))
            for _ in range(taken):
                try:
                    reader.decode(await anext(iterator))
                except ValueError:
                    break
            await iterator.aclose()
            await stream.close()
            del iterator, reader, stream
            gc.collect()
            assert source.closed
            assert asyncio.all_tasks() == {asyncio.current_task()}

    unraisable: list[Any] = []
    before, sys.unraisablehook = sys.unraisablehook, unraisable.append
    try:
        asyncio.run(main())
    finally:
        sys.unraisablehook = before
    assert unraisable == []


# Events out of bytes.


def test_what_an_event_costs_does_not_depend_on_the_pieces_it_comes_in() -> None:
    blocks, whole = Blocks(), b"data: " + b"x" * 2_000_000
    for piece in cut(whole, 1000):
        assert blocks.feed(piece) == []
    assert blocks.feed(b"\n") == []
    assert blocks.feed(b"\ndata: y\n\nda") == [whole, b"data: y"]
    assert blocks.end() == b"da"
    assert blocks.end() == b""
