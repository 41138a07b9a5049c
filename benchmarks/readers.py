"""Reads streams as a user of one library does, and says what it took: the process that `over_http` asks.

`python readers.py LIBRARY URL` prints its cases and versions as a line of JSON, and answers each line of its input,
such as `{"do": "time", "case": "bare", "model": "burst-2000", "times": 1, "side_by_side": 1}`, with another. It needs
what its library needs, and nothing else.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
import time
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib.metadata import version
from typing import Any

os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # Its import asks the network otherwise.

MESSAGES: Any = [{"role": "user", "content": "hi"}]
DEADLINES = {"initial_token": 5_000, "inter_token": 10_000}

Open = Callable[[str], AbstractAsyncContextManager[AsyncIterator[Any]]]
HasText = Callable[[Any], object]
Case = tuple[Open, HasText]


def awaited(ask: Callable[[str], Awaitable[Any]]) -> Open:
    @asynccontextmanager
    async def opened(model: str) -> AsyncIterator[Any]:
        yield await ask(model)

    return opened


def asking(client: Any) -> Open:
    return awaited(lambda model: client.chat.completions.create(model=model, messages=MESSAGES, stream=True))


def of_chunk(chunk: Any) -> object:
    return chunk.choices and chunk.choices[0].delta.content


def of_event(event: Any) -> object:
    return event.is_token


def bare(url: str) -> Any:
    from openai import AsyncOpenAI

    return AsyncOpenAI(base_url=url, api_key="none", max_retries=0)


def read_l0(url: str) -> dict[str, Case]:
    import l0
    from l0_structured import structured_stream
    from pydantic import BaseModel

    client = bare(url)
    timeout = l0.Timeout(**DEADLINES, total=600_000)
    recommended = ["json", "markdown", "pattern", "zero_output"]

    class Answer(BaseModel):
        words: list[str]

    async def growing(model: str) -> Any:
        ask = client.chat.completions.create
        events, _ = await structured_stream(Answer, lambda: ask(model=model, messages=MESSAGES, stream=True))
        return events

    return {
        "bare": (asking(client), of_chunk),
        "wrapped": (asking(l0.wrap(client)), of_event),
        "deadlines and guardrails": (asking(l0.wrap(client, timeout=timeout, guardrails=recommended)), of_event),
        "chunks kept": (asking(l0.wrap(client, keep_raw=True)), of_event),
        "growing objects": (awaited(growing), lambda event: event.is_token and event.partial),
    }


def read_reference(url: str) -> dict[str, Case]:
    import l0

    client = bare(url)
    recommended = {"timeout": l0.Timeout(**DEADLINES), "guardrails": l0.Guardrails.recommended()}
    return {
        "bare": (asking(client), of_chunk),
        "wrapped": (asking(l0.wrap(client)), of_event),
        "deadlines and guardrails": (asking(l0.wrap(client, **recommended)), of_event),
    }


def read_litellm(url: str) -> dict[str, Case]:
    import l0
    import litellm

    def ask(model: str) -> Any:
        return litellm.acompletion(
            model=f"openai/{model}", api_base=url, api_key="none", messages=MESSAGES, stream=True, num_retries=0
        )

    timeout = l0.Timeout(**DEADLINES, total=600_000)
    guarded = ["json", "markdown", "pattern", "zero_output"]
    return {
        "bare": (asking(bare(url)), of_chunk),
        "acompletion": (awaited(ask), of_chunk),
        "acompletion in l0": (awaited(lambda m: l0.run(lambda: ask(m), timeout=timeout, guardrails=guarded)), of_event),
    }


def read_pydantic_ai(url: str) -> dict[str, Case]:
    from pydantic_ai import Agent
    from pydantic_ai.direct import model_request_stream
    from pydantic_ai.messages import ModelRequest, PartDeltaEvent, PartStartEvent
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    client = bare(url)
    provider = OpenAIProvider(openai_client=client)

    def request(model: str) -> Any:
        return model_request_stream(OpenAIChatModel(model, provider=provider), [ModelRequest.user_text_prompt("hi")])

    @asynccontextmanager
    async def agent(model: str) -> AsyncIterator[Any]:
        async with Agent(OpenAIChatModel(model, provider=provider)).run_stream("hi") as result:
            yield result.stream_text(delta=True, debounce_by=None)

    return {
        "bare": (asking(client), of_chunk),
        "model request": (request, lambda event: isinstance(event, PartDeltaEvent | PartStartEvent)),
        "agent": (agent, bool),
    }


def read_langchain(url: str) -> dict[str, Case]:
    from langchain_openai import ChatOpenAI

    def ask(model: str) -> Any:
        return ChatOpenAI(model=model, base_url=url, api_key="none", max_retries=0).astream("hi")

    @asynccontextmanager
    async def opened(model: str) -> AsyncIterator[Any]:
        yield ask(model)

    return {"bare": (asking(bare(url)), of_chunk), "astream": (opened, lambda chunk: chunk.content)}


def read_instructor(url: str) -> dict[str, Case]:
    import instructor
    from pydantic import BaseModel

    class Answer(BaseModel):
        words: list[str]

    client = bare(url)
    partial = instructor.from_openai(client, mode=instructor.Mode.JSON)

    @asynccontextmanager
    async def opened(model: str) -> AsyncIterator[Any]:
        yield partial.chat.completions.create_partial(
            model=model, messages=MESSAGES, response_model=Answer, max_retries=0
        )

    return {"bare": (asking(client), of_chunk), "growing objects": (opened, bool)}


async def read(case: Case, model: str) -> tuple[int, float, Any]:
    """Read a stream: how many pieces of text it had, when the first came, and what remains in the reader's hands."""
    opened, has_text = case
    count, first = 0, 0.0
    async with opened(model) as stream:
        async for piece in stream:
            if has_text(piece):
                if not count:
                    first = time.perf_counter()
                count += 1
    return count, first, stream


async def timed(case: Case, model: str, times: int, side_by_side: int) -> dict[str, float]:
    """What it takes, in seconds: in all, of the processor, and until the first piece of text of a stream."""
    gc.collect()
    await asyncio.sleep(0.02)  # What the case before has left to the event loop is not charged to this one.
    until_first, pieces = 0.0, 0
    began, used = time.perf_counter(), time.process_time()
    for _ in range(times):
        asked = time.perf_counter()
        for count, first, _ in await asyncio.gather(*(read(case, model) for _ in range(side_by_side))):
            until_first += first - asked
            pieces = count
    took, processor = time.perf_counter() - began, time.process_time() - used
    return {"wall": took, "processor": processor, "first": until_first / times / side_by_side, "pieces": pieces}


async def retained(case: Case, model: str) -> dict[str, float]:
    """Bytes that a stream keeps when it has been read, and is still held."""
    await read(case, model)
    gc.collect()
    tracemalloc.start()
    pieces, _, held = await read(case, model)
    gc.collect()
    size = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    del held
    return {"bytes": size, "pieces": pieces}


async def main(library: str, url: str) -> None:
    cases: dict[str, Case] = globals()[f"read_{library}"](url)
    print(json.dumps({"cases": list(cases), "openai": version("openai")}), flush=True)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        asked = json.loads(line)
        what = {"time": timed, "retain": retained}[asked.pop("do")]
        print(json.dumps(await what(cases[asked.pop("case")], **asked)), flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
