"""Calls of LiteLLM's to a fault server, each on an event loop that leaves none of LiteLLM's connections open."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import l0
import litellm
from l0_testing import FaultServer
from openai.types.chat import ChatCompletionChunk

T = TypeVar("T")

MESSAGES: list[Any] = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Tell me of the fox."}]
TEXT = "The quick brown fox jumps over the lazy dog, while the rest of the farm sleeps on and dreams of other things."
AT_ONCE = l0.Retry(base_delay=0)


def run(main: Coroutine[Any, Any, T]) -> T:
    async def whole() -> T:
        try:
            return await main
        finally:
            await litellm.close_litellm_async_clients()

    return asyncio.run(whole())


def completion(server: FaultServer, model: str = "m", **options: Any) -> Callable[[], Awaitable[Any]]:
    """What opens a stream, as the README says."""
    call = {"api_base": server.base_url, "api_key": "sk-test", "num_retries": 0, "max_retries": 0, **options}
    return lambda: litellm.acompletion(model=f"openai/{model}", messages=MESSAGES, stream=True, **call)


def deployment(url: str, group: str, model: str | None = None) -> dict[str, Any]:
    """One of the deployments of a router, as its configuration has it."""
    call = {"model": f"openai/{model or group}", "api_base": url, "api_key": "sk-test"}
    return {"model_name": group, "litellm_params": call}


def router(server: FaultServer, *groups: str, **options: Any) -> litellm.Router:
    """A router with one deployment for each group."""
    deployments = [deployment(server.base_url, group) for group in groups or ("m",)]
    return litellm.Router(model_list=deployments, **options)


async def stream_of(*said: dict[str, Any] | float) -> Any:
    """A stream of LiteLLM's, of these choices, one a chunk as a provider sends it. A number is a pause, in seconds."""

    async def chunks() -> AsyncIterator[ChatCompletionChunk]:
        for each in said:
            if isinstance(each, float):
                await asyncio.sleep(each)
                continue
            base = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
            choices = [{"index": 0, "finish_reason": None, "delta": {}, **each}]
            yield ChatCompletionChunk.model_validate({**base, "choices": choices})

    stream: Any = await litellm.acompletion(model="openai/m", messages=MESSAGES, stream=True, mock_response="?")
    stream.completion_stream = chunks()
    return stream


def text(content: str, index: int = 0, finish_reason: str | None = None) -> dict[str, Any]:
    return {"index": index, "delta": {"content": content}, "finish_reason": finish_reason}


def end(finish_reason: str = "stop", index: int = 0) -> dict[str, Any]:
    return {"index": index, "finish_reason": finish_reason}
