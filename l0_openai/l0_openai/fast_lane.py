"""A stream of chat completions, read at its bytes.

Of an ordinary event only what L0 needs is decoded: its text, its finish reason, its usage. Every other is read by the
SDK, so that nothing is understood in two ways. A stream that is not quite as the SDK made it is not read here at all.
"""

from __future__ import annotations

import asyncio
import sys
import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable
from contextlib import suppress
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import anyio
from orjson import loads

from l0_core import Event, EventType
from l0_openai.sdk_reader import SDKReader
from l0_openai.sse import END, Blocks

if TYPE_CHECKING:
    from l0_openai.streams import ChatCompletionStream

__all__ = ["FastLane", "is_untouched"]

DRAIN_SECONDS = 0.1
DRAIN_BYTES = 65_536
"""What is read after the end that the provider announced, so that the connection can serve another request."""

CROWD = 20
"""Streams at once from which on the connections of an httpx pool are not kept: with each request and each end of one,
httpx asks the system about every connection that is idle, which soon costs more than new ones. httpx2 does not."""

COUNTS = ("prompt_tokens", "completion_tokens")
TEXTS = ("content", "reasoning_content", "reasoning")
TOKEN = EventType.TOKEN


def is_untouched(stream: Any) -> bool:
    """Whether a stream of the SDK's is as it made it: not begun, not wrapped, and read in the one way that is known."""
    try:
        iterator, response, client, options = stream._iterator, stream.response, stream._client, stream._options
        cast_to, decoder = stream._cast_to, stream._decoder
        return bool(
            iterator.ag_code is type(stream).__stream__.__code__
            and not _is_begun(iterator)
            and _is_of_the_sdk(type(stream), "AsyncStream")
            and _is_of_the_sdk(cast_to, "ChatCompletionChunk")
            and _is_of_the_sdk(type(decoder), "SSEDecoder")
            and not client._strict_response_validation
            and not (options is not None and options.synthesize_event_and_data)
            and not (response.is_closed or response.is_stream_consumed or hasattr(response, "_content"))
        )
    except AttributeError:
        return False


def _is_begun(generator: Any) -> bool:
    if generator.ag_frame is None or generator.ag_running:
        return True
    if sys.version_info >= (3, 12):
        return bool(generator.ag_suspended)
    return bool(generator.ag_frame.f_lasti > 0)


def _is_of_the_sdk(kind: type, name: str) -> bool:
    return kind.__name__ == name and kind.__module__.partition(".")[0] == "openai"


_lanes: weakref.WeakSet[FastLane] = weakref.WeakSet()
"""Those that are not closed."""


class FastLane:
    """Iterated over, the bytes of a stream as they come in; `decode` makes events of them."""

    def __init__(self, stream: Any, reader: ChatCompletionStream) -> None:
        self._stream = stream
        self._reader = reader
        response = stream.response
        encoded = response.headers.get("content-encoding", "identity") != "identity"
        self._source: AsyncGenerator[bytes, None] = response.aiter_bytes() if encoded else response.aiter_raw()
        self._pieces = self._read()
        self._blocks = Blocks()
        self._sdk: SDKReader | None = None
        self._raw: SDKReader | None = None
        self._error: Exception | None = None
        self._done = False
        _lanes.add(self)

    def __aiter__(self) -> FastLane:
        return self

    def __anext__(self) -> Awaitable[bytes]:
        return self._pieces.__anext__()

    async def _read(self) -> AsyncGenerator[bytes, None]:
        try:
            async for data in self._source:
                yield data
                if self._error is not None:
                    raise self._error
                if self._done:
                    return
            self._end()
        except Exception as error:
            raised = error if error is self._error else self._by_sdk().raised(error)
            raise raised from raised.__cause__

    async def aclose(self) -> None:
        """Close the body. One that is over is read to its end, so that its connection can serve another request."""
        _lanes.discard(self)
        await self._pieces.aclose()
        if self._sdk is not None:
            self._sdk.close()
        if self._done and _is_kept(self._stream.response):
            # In a task of its own, where nothing is cancelled but by anyio, from which the HTTP library is shielded
            # while it closes other connections of its pool.
            await asyncio.ensure_future(_drain(self._source))
        await self._source.aclose()

    def decode(self, data: bytes) -> Event | list[Event] | None:
        """The events in some bytes. What is wrong with one is raised by the iterator, once those before are taken."""
        if self._done:
            return None
        blocks = self._blocks.feed(data)
        if len(blocks) == 1:
            return self._decoded(blocks[0])
        events: list[Event] = []
        for block in blocks:
            decoded = self._decoded(block)
            if decoded is None:
                continue
            if isinstance(decoded, Event):
                events.append(decoded)
                continue
            events += decoded
            if self._done or self._error is not None:
                break
        return events

    def raw(self, data: bytes) -> list[Any]:
        """The SDK's chunks in some bytes, which are handed to it one after the other, as they came in."""
        if self._raw is None:
            self._raw = SDKReader(self._stream)
        chunks: list[Any] = []
        with suppress(Exception):  # It was raised where the stream was read; before it are chunks all the same.
            for chunk in self._raw.read(data):
                chunks.append(chunk)  # One by one: what follows may raise.
        return chunks

    def _decoded(self, block: bytes) -> Event | list[Event] | None:
        if not block.startswith(b"data: {") or b"\n" in block:
            return self._other(block)
        try:
            payload = loads(block[6:])
        except ValueError:
            return self._odd(block)
        # The common case first: a piece of the answer's text, and nothing else.
        try:
            (choice,) = payload["choices"]
            delta = choice["delta"]
            index = choice["index"]
            if (
                (text := delta["content"]).__class__ is str
                and text
                and (len(delta) == 1 or _has_only_content(delta))
                and choice["finish_reason"] is None
                and index.__class__ is int
                and self._reader.is_open(index)
                and payload.get("usage") is None
                and not payload.get("error")
            ):
                return Event(TOKEN, text)
        except (KeyError, TypeError, ValueError):
            return self._rare(block, payload)
        return self._rare(block, payload)

    def _rare(self, block: bytes, payload: Any) -> list[Event] | None:
        """What an answer begins and ends with, and what is thought before it."""
        view = _view(payload)
        return self._odd(block) if view is None else self._reader.decode_rest(view)

    def _other(self, block: bytes) -> list[Event] | None:
        """A block that is not one line of JSON after one space."""
        if not block:
            return self._odd(block) if self._sdk is not None else None
        if block.startswith((b"data: [DONE]", b"data:[DONE]")):
            self._done = True
            return []
        return self._odd(block)

    def _odd(self, block: bytes) -> list[Event]:
        """The events of a block as the SDK reads it."""
        events: list[Event] = []
        try:
            for chunk in self._by_sdk().read(block + END):
                events += self._reader.decode_rest(chunk)
        except Exception as error:
            self._error = error
        self._done = self._by_sdk().is_done
        return events

    def _end(self) -> None:
        """The bytes have ended. Raises what the SDK raises if they are not what they should be."""
        rest = self._blocks.end()
        if rest:
            for _ in self._by_sdk().read(rest):
                pass
            self._by_sdk().end()

    def _by_sdk(self) -> SDKReader:
        if self._sdk is None:
            self._sdk = SDKReader(self._stream)
        return self._sdk


def _is_kept(response: Any) -> bool:
    """Whether the connection of a response is worth keeping. One of HTTP/2 outlives its streams by itself."""
    if response.http_version != "HTTP/1.1":
        return False
    return len(_lanes) < CROWD or type(response).__module__.partition(".")[0] != "httpx"


def _has_only_content(delta: dict[str, Any]) -> bool:
    return not any(value for name, value in delta.items() if name not in ("content", "role"))


def _view(payload: Any) -> SimpleNamespace | None:
    """What the SDK's object of a payload would have of what matters; None if there is anything odd about it."""
    choices, usage = payload.get("choices"), payload.get("usage")
    if payload.get("error") or choices.__class__ is not list or len(choices) > 1:
        return None
    if usage is not None and not (usage.__class__ is dict and all(usage.get(name).__class__ is int for name in COUNTS)):
        return None
    seen = []
    for choice in choices:
        if choice.__class__ is not dict:
            return None
        index, delta, reason = choice.get("index"), choice.get("delta"), choice.get("finish_reason")
        if not (index.__class__ is int and delta.__class__ is dict and (reason is None or reason.__class__ is str)):
            return None
        for name, value in delta.items():
            if value and name != "role" and not (name in TEXTS and value.__class__ is str):
                return None
        texts = SimpleNamespace(**{name: delta.get(name) for name in TEXTS})
        seen.append(SimpleNamespace(index=index, delta=texts, finish_reason=reason))
    return SimpleNamespace(choices=seen, usage=None if usage is None else SimpleNamespace(**usage))


async def _drain(source: AsyncIterator[bytes]) -> None:
    """Read the rest of a body: a little, and not for long."""
    left = DRAIN_BYTES
    try:
        with anyio.move_on_after(DRAIN_SECONDS):
            async for data in source:
                left -= len(data)
                if left < 0:
                    return
    except Exception:
        return  # The answer is whole, whatever becomes of the connection.
