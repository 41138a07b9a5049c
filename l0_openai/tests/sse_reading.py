"""Streams of bodies that are given, and what they are read as: by the SDK, and at their bytes."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from typing import Any

import openai
from l0_openai.fast_lane import FastLane
from openai.types.chat import ChatCompletionChunk

from l0_openai import ChatCompletionStream

HTTP: Any = sys.modules[openai.DefaultAsyncHttpxClient.__mro__[1].__module__.partition(".")[0]]
"""The HTTP library of this SDK."""

Told = tuple[list[tuple[Any, ...]], str]


class Pieces(HTTP.AsyncByteStream):  # type: ignore[misc]
    """A body in pieces, and the error that ends it, if one does."""

    def __init__(self, pieces: Sequence[bytes], error: Exception | None = None) -> None:
        self.pieces, self.error = pieces, error
        self.closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self.pieces:
            yield piece
        if self.error is not None:
            raise self.error

    async def aclose(self) -> None:
        self.closed = True


CLIENT = openai.AsyncOpenAI(api_key="sk-test", base_url="http://127.0.0.1:1/v1")


def stream_of(
    body: Pieces, client: openai.AsyncOpenAI = CLIENT, **headers: str
) -> openai.AsyncStream[ChatCompletionChunk]:
    request = HTTP.Request("POST", "http://127.0.0.1:1/v1/chat/completions")
    response = HTTP.Response(200, headers=headers, stream=body, request=request)
    return openai.AsyncStream(cast_to=ChatCompletionChunk, response=response, client=client)


def cut(body: bytes, size: int) -> list[bytes]:
    return [body[at : at + size] for at in range(0, len(body), size)]


def shown(event: Any) -> tuple[Any, ...]:
    return event.type, event.text, event.choice, event.data, event.usage


def described(error: BaseException | None) -> str:
    """An exception with its cause, all that a caller can see of it."""
    if error is None:
        return ""
    body = getattr(error, "body", None)
    return f"{type(error).__module__}.{type(error).__name__}: {error} {body} <- {described(error.__cause__)}"


async def read(reader: ChatCompletionStream, source: Any, decode: Any) -> Told:
    events: list[tuple[Any, ...]] = []
    iterator = source.__aiter__()
    try:
        async for chunk in iterator:
            decoded = decode(chunk)
            for event in decoded if isinstance(decoded, list) else [decoded] if decoded is not None else []:
                events.append(shown(event))
    except Exception as error:
        return events, described(error)
    finally:
        await iterator.aclose()
    return events, ""


async def by_the_sdk(body: Pieces) -> Told:
    reader = ChatCompletionStream()
    return await read(reader, stream_of(body), reader.decode_chunk)


async def by_the_bytes(body: Pieces) -> Told:
    reader, stream = ChatCompletionStream(), stream_of(body)
    lane = reader.iterate(stream)
    assert isinstance(lane, FastLane)
    try:
        return await read(reader, lane, reader.decode)
    finally:
        await stream.close()


async def chunks_of_the_sdk(body: Pieces) -> list[Any]:
    chunks = []
    with suppress(Exception):
        async for chunk in stream_of(body):
            chunks.append(chunk)
    return chunks


async def chunks_kept(body: Pieces) -> list[Any]:
    reader, stream = ChatCompletionStream(), stream_of(body)
    lane = reader.iterate(stream)
    kept = []
    with suppress(Exception):
        async for data in lane:
            kept.append(data)
    await lane.aclose()
    await stream.close()
    return [chunk for data in kept for chunk in reader.raw(data)]
