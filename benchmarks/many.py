"""Many streams at once over loopback: 2,000 of a wrapped client beside as many of the bare SDK.

The server is a process of its own. Each round runs both, one after the other, and the ratio is of medians. After that a
tenth of the wrapped streams meets a fault, a twentieth is abandoned and a fiftieth cancelled: every finished text is
exact, and nothing stays open.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import httpx2 as httpx
import l0
from openai import AsyncOpenAI

STREAMS = 2_000
TEXT = " ".join(f"Line {number} of the answer." for number in range(5))


@contextlib.contextmanager
def served(scripts: dict[str, Any]) -> Iterator[str]:
    """The URL of a fault server in a process of its own."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(scripts, file)
        file.flush()
        command = [sys.executable, "-m", "l0_testing", "serve", "--script", file.name]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            yield json.loads(server.stdout.readline())["base_url"]
            assert server.stdin is not None
            server.stdin.close()


def client(url: str) -> AsyncOpenAI:
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    return AsyncOpenAI(
        base_url=url, api_key="none", max_retries=0, http_client=httpx.AsyncClient(limits=limits, timeout=60)
    )


async def bare(sdk: AsyncOpenAI, model: str) -> str:
    stream = await sdk.chat.completions.create(model=model, messages=[], stream=True)
    return "".join([chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices])


async def wrapped(sdk: Any, model: str) -> str:
    return str(await (await sdk.chat.completions.create(model=model, messages=[], stream=True)).read())


async def timed(read: Callable[[Any, str], Awaitable[str]], sdk: Any, streams: int) -> tuple[float, float]:
    """Seconds, and seconds of the processor, for so many streams at once."""
    began, used = time.perf_counter(), time.process_time()
    texts = await asyncio.gather(*(read(sdk, "healthy") for _ in range(streams)))
    took = time.perf_counter() - began, time.process_time() - used
    assert set(texts) == {TEXT}
    return took


async def compare(url: str, streams: int, rounds: int) -> None:
    found: dict[str, list[tuple[float, float]]] = {"bare": [], "wrapped": []}
    for _ in range(rounds):
        async with client(url) as sdk:
            found["bare"].append(await timed(bare, sdk, streams))
        async with client(url) as sdk:
            client_of_l0 = l0.wrap(sdk, timeout=l0.Timeout(60_000, 60_000))
            found["wrapped"].append(await timed(wrapped, client_of_l0, streams))
    medians = {
        name: [statistics.median(column) for column in zip(*times, strict=True)] for name, times in found.items()
    }
    of_time, of_processor = (ours / theirs for ours, theirs in zip(medians["wrapped"], medians["bare"], strict=True))
    print(
        f"{streams:,} streams at once: {of_time:.2f} of the bare SDK's time, {of_processor:.2f} of its processor time"
    )


async def misused(url: str, streams: int) -> None:
    drawn = random.Random(1)
    fates = ["left"] * (streams // 20) + ["cancelled"] * (streams // 50)
    fates += ["read"] * (streams - len(fates))
    drawn.shuffle(fates)
    async with client(url) as sdk:
        client_of_l0 = l0.wrap(sdk, retry=l0.Retry(base_delay=0))

        async def leave(model: str) -> str:
            async with await client_of_l0.chat.completions.create(model=model, messages=[], stream=True) as stream:
                async for event in stream:
                    if event.is_token:
                        return "left"
            raise AssertionError("a stream without a token")

        def begin(fate: str) -> asyncio.Task[str]:
            model = "breaks" if drawn.random() < 0.1 else "paced"
            return asyncio.ensure_future(leave(model) if fate == "left" else wrapped(client_of_l0, model))

        tasks = [begin(fate) for fate in fates]
        await asyncio.sleep(1)
        for fate, task in zip(fates, tasks, strict=True):
            if fate == "cancelled":
                task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        wanted = {"left": "left", "read": TEXT}
        exact = sum(wanted.get(fate) == result for fate, result in zip(fates, results, strict=True))
        refused = sum(isinstance(result, Exception) for result in results)
        cancelled = sum(isinstance(result, asyncio.CancelledError) for result in results)
        await asyncio.sleep(0.1)
        left = len(asyncio.all_tasks()) - 1
        pool: Any = sdk._client._transport._pool  # type: ignore[attr-defined]
        busy = sum(not connection.is_idle() for connection in pool.connections)
    finished = sum(fate != "cancelled" for fate in fates)
    print(
        f"misused: {exact} of {finished} exact, {refused} raised what the retry budget let pass, "
        f"{finished - exact - refused} wrong, {cancelled} cancelled, {busy} connections busy, {left} tasks left"
    )


def main(quick: bool) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 3 * STREAMS)), hard))
    streams = 200 if quick else STREAMS
    scripts = {
        "healthy": {"text": TEXT},
        "paced": {"text": TEXT, "pace": 0.05},
        "breaks": {"text": TEXT, "pace": 0.05, "faults": [{"kind": "rst_mid", "at": 5}, None] * streams},
    }
    with served(scripts) as url:
        asyncio.run(compare(url, streams, 3))
        asyncio.run(misused(url, streams))


if __name__ == "__main__":
    main("--quick" in sys.argv)
