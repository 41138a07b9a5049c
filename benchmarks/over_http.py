"""A wrapped client beside the bare one of the same SDK, over loopback: `python -m benchmarks.over_http`.

The provider is a process of its own. Cases take turns, the order reversed each round; what is reported is the median
of the rounds' ratios to bare `AsyncOpenAI`, of time and of processor time.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import sys
import time
import tracemalloc
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import l0
import openai
from openai import AsyncOpenAI

from benchmarks.provider import provider

MESSAGES: Any = [{"role": "user", "content": "hi"}]
TIMEOUT = l0.Timeout(initial_token=5_000, inter_token=10_000, total=600_000)
RECOMMENDED = ["json", "markdown", "pattern", "zero_output"]
PACED, STREAMS = 80, 200

Read = Callable[[str], Awaitable[int]]


async def bare(sdk: Any, model: str) -> int:
    """Read a stream with the SDK; returns how many tokens it had."""
    stream = await sdk.chat.completions.create(model=model, messages=MESSAGES, stream=True)
    return sum([1 async for chunk in stream if chunk.choices and chunk.choices[0].delta.content])


async def ours(client: Any, model: str) -> int:
    stream = await client.chat.completions.create(model=model, messages=MESSAGES, stream=True)
    return sum([1 async for event in stream if event.is_token])


def cases(sdk: AsyncOpenAI) -> dict[str, Read]:
    full = l0.wrap(sdk, timeout=TIMEOUT, guardrails=RECOMMENDED)
    plain, raw = l0.wrap(sdk), l0.wrap(sdk, keep_raw=True)
    return {
        "bare": lambda model: bare(sdk, model),
        "wrapped": lambda model: ours(plain, model),
        "deadlines and recommended guardrails": lambda model: ours(full, model),
        "chunks kept": lambda model: ours(raw, model),
    }


async def timed(read: Callable[[], Awaitable[Any]]) -> tuple[float, float]:
    gc.collect()
    began, used = time.perf_counter(), time.process_time()
    await read()
    return time.perf_counter() - began, time.process_time() - used


async def compare(reads: dict[str, Callable[[], Awaitable[Any]]], rounds: int) -> dict[str, tuple[float, float]]:
    """The median ratios to the case `bare`, of time and of processor time."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in reads}
    names = list(reads)
    for turn in range(rounds):
        for name in names if turn % 2 == 0 else reversed(names):
            found[name].append(await timed(reads[name]))

    def ratio(name: str, which: int) -> float:
        pairs = zip(found[name], found["bare"], strict=True)
        return statistics.median(ours[which] / theirs[which] for ours, theirs in pairs)

    return {name: (ratio(name, 0), ratio(name, 1)) for name in reads}


def show(title: str, ratios: dict[str, tuple[float, float]]) -> None:
    print(f"\n{title}: time and processor time, of bare AsyncOpenAI")
    for name, (wall, processor) in ratios.items():
        print(f"  {name:40} {wall:6.3f} {processor:6.3f}")


async def bursts(sdk: AsyncOpenAI, tokens: int, rounds: int) -> None:
    for mode, title in (("burst", "one HTTP chunk for each event"), ("whole", "one HTTP chunk for all")):
        model = f"{mode}-{tokens}"
        reads: dict[str, Callable[[], Awaitable[Any]]] = {
            name: partial(read, model) for name, read in cases(sdk).items()
        }
        for read in reads.values():
            await read()
        show(f"{tokens:,} tokens at once, {title}", await compare(reads, rounds))


async def paced(sdk: AsyncOpenAI, streams: int, rounds: int) -> None:
    model = f"paced-{PACED}"

    def many(read: Read) -> Callable[[], Awaitable[Any]]:
        return lambda: asyncio.gather(*(read(model) for _ in range(streams)))

    reads = {name: many(read) for name, read in cases(sdk).items() if name != "chunks kept"}
    show(f"{streams} streams side by side, {PACED} tokens each, 25 a second", await compare(reads, rounds))


async def retained(client: Any, tokens: int) -> float:
    """Bytes per token that a stream keeps when it has been read, and is still held."""
    await ours(client, f"burst-{tokens}")
    gc.collect()
    tracemalloc.start()
    stream = await client.chat.completions.create(model=f"burst-{tokens}", messages=MESSAGES, stream=True)
    async for _ in stream:
        pass
    gc.collect()
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert stream.state.token_count == tokens
    return held / tokens


async def memory(sdk: AsyncOpenAI) -> None:
    few, many = await retained(l0.wrap(sdk), 2_000), await retained(l0.wrap(sdk), 20_000)
    print(f"\nkept of a stream: {few:.0f} bytes a token of 2,000, {many:.0f} of 20,000")


async def main_with(url: str, quick: bool) -> None:
    async with AsyncOpenAI(base_url=url, api_key="none", max_retries=0) as sdk:
        await bursts(sdk, 2_000, 5 if quick else 15)
        await memory(sdk)
        await paced(sdk, 20 if quick else STREAMS, 2 if quick else 4)


def main(quick: bool) -> None:
    print(f"over HTTP, openai {openai.__version__}")
    with provider() as url:
        asyncio.run(main_with(url, quick))


if __name__ == "__main__":
    main("--quick" in sys.argv)
