"""The promises of every adapter, held by this one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from l0_testing import AdapterSuite
from openai import AsyncStream
from openai.types.chat import ChatCompletionChunk

from l0_openai import OpenAIPlugin


def chunk(content: str | None = None, finish_reason: str | None = None) -> ChatCompletionChunk:
    choice = {"index": 0, "delta": {"content": content}, "finish_reason": finish_reason}
    base = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return ChatCompletionChunk.model_validate({**base, "choices": [choice]})


class Answer(AsyncStream[ChatCompletionChunk]):
    """A stream of the SDK, of chunks that are here already."""

    def __init__(self, *chunks: ChatCompletionChunk) -> None:
        self._iterator = self._send(chunks)
        self.closed = False

    async def _send(self, chunks: tuple[ChatCompletionChunk, ...]) -> AsyncIterator[ChatCompletionChunk]:
        for each in chunks:
            yield each

    async def close(self) -> None:
        self.closed = True
        await self._iterator.aclose()  # type: ignore[attr-defined]

    aclose = close


class TestOpenAI(AdapterSuite):
    name = "openai"
    plugin = OpenAIPlugin
    text = "It is noon, and all is well."

    def make_source(self) -> Answer:
        return Answer(chunk(""), chunk("It is noon"), chunk(", and "), chunk("all is well."), chunk(None, "stop"))

    def make_truncated(self) -> Answer:
        return Answer(chunk(""), chunk("It is noon"), chunk(", and "))

    def is_closed(self, source: Any) -> bool:
        return bool(source.closed)
