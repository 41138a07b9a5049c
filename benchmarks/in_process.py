"""The runtime over a source in the same process.

Raw is `async for` over a generator that builds one `Event` per token. Every case is run in turn, the order reversed
each round, and what is reported is the median of the rounds' ratios to raw. Absolute times are of this machine alone.
"""

from __future__ import annotations

import asyncio
import gc
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable

from l0_core.client import run
from l0_core.events import Event, EventType
from l0_core.guardrails import GuardrailRule
from l0_core.hookspecs import Sink
from l0_core.options import Timeout

import l0_core

WORDS = tuple(f"word{i} " for i in range(97))
TIMEOUT = Timeout(initial_token=5000, inter_token=10000, total=600_000)

Case = Callable[[int], Awaitable[None]]


async def source(n: int) -> AsyncIterator[Event]:
    token, words, modulus = EventType.TOKEN, WORDS, len(WORDS)
    for i in range(n):
        yield Event(token, words[i % modulus])


async def raw(n: int) -> None:
    async for _ in source(n):
        pass


def streaming(**options: object) -> Case:
    async def case(n: int) -> None:
        async for _ in await run(lambda: source(n), **options):
            pass

    return case


class Handler:
    @l0_core.hookimpl
    def on_token(self) -> Callable[[str], None]:
        seen = 0

        def count(text: str) -> None:
            nonlocal seen
            seen += 1

        return count


class Store:
    @l0_core.hookimpl
    def store_event(self) -> Sink:
        return Sink(lambda batch: None, tokens=True)


def check(name: str) -> GuardrailRule:
    def open(ctx: l0_core.AttemptContext) -> l0_core.Judge:
        size = 0

        def judge(delta: str, final: bool) -> None:
            nonlocal size
            size += len(delta)

        return judge

    return GuardrailRule(name, lambda state: [], open=open)


CASES: dict[str, Case] = {
    "core, no deadline": streaming(),
    "core, three deadlines": streaming(timeout=TIMEOUT),
    "1 on_token handler": streaming(timeout=TIMEOUT, plugins=[Handler]),
    "5 on_token handlers": streaming(timeout=TIMEOUT, plugins=[Handler] * 5),
    "3 checks every 15 tokens": streaming(timeout=TIMEOUT, guardrails=[check("a"), check("b"), check("c")]),
    "a sink, runs of 60": streaming(timeout=TIMEOUT, plugins=[Store]),
    "1 handler, 3 checks, sink": streaming(
        timeout=TIMEOUT, plugins=[Handler, Store], guardrails=[check("a"), check("b"), check("c")]
    ),
}


async def timed(case: Case, n: int, times: int) -> float:
    start = time.perf_counter()
    for i in range(times):
        await case(n)
        if i % 50 == 0:
            await asyncio.sleep(0)  # As in life, the loop turns: what was left to its next turn is part of the cost.
    return (time.perf_counter() - start) / times


async def ratios(cases: dict[str, Case], n: int, times: int, rounds: int, bare: Case = raw) -> dict[str, float]:
    named = [("raw", bare), *cases.items()]
    found: dict[str, list[float]] = {name: [] for name in cases}
    for _, case in named:
        await case(min(n, 2000))
    for round_ in range(rounds):
        order = named if round_ % 2 == 0 else named[::-1]
        took = {}
        for name, case in order:
            gc.collect()
            took[name] = await timed(case, n, times)
        for name in cases:
            found[name].append(took[name] / took["raw"])
    return {name: statistics.median(values) for name, values in found.items()}


MEMORY = """
import asyncio, gc, sys
sys.path[:0] = [{root!r}]
from benchmarks.in_process import resident
from l0_core.client import run
from l0_core.events import Event, EventType
from l0_core.options import Timeout

async def source():
    yield Event(EventType.TOKEN, "first")
    await asyncio.Event().wait()

async def hold(kind):
    timeout = Timeout(total=600_000) if kind == "timed" else None
    stream = source() if kind == "raw" else await run(source, timeout=timeout)
    async for _ in stream:
        pass

async def main(kind, n):
    warm = [asyncio.ensure_future(hold(kind)) for _ in range(50)]
    await asyncio.sleep(0.05)
    gc.collect()
    before = resident()
    held = [asyncio.ensure_future(hold(kind)) for _ in range(n)]
    await asyncio.sleep(0.3)
    gc.collect()
    print((resident() - before) / n / 1024)
    for task in warm + held:
        task.cancel()
    await asyncio.gather(*warm, *held, return_exceptions=True)

asyncio.run(main({kind!r}, {n}))
"""


def resident() -> int:
    """Bytes of memory that this process holds."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * resource.getpagesize()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def idle_memory(n: int) -> dict[str, float]:
    """KiB that a stream holds while it waits for its second token, each kind in a process of its own."""
    import pathlib

    root = str(pathlib.Path(__file__).parents[1])
    return {
        kind: float(
            subprocess.check_output([sys.executable, "-c", MEMORY.format(root=root, kind=kind, n=n)], text=True)
        )
        for kind in ("raw", "plain", "timed")
    }


def main(quick: bool) -> None:
    sizes = ((2_000, 20, 7), (20_000, 2, 5)) if quick else ((2_000, 50, 11), (20_000, 5, 11), (200_000, 1, 7))
    columns = [asyncio.run(ratios(CASES, *size)) for size in sizes]
    print(f"{'ratio to raw':<28}" + "".join(f"{size[0]:>10,}" for size in sizes))
    for name in CASES:
        print(f"{name:<28}" + "".join(f"{column[name]:>10.2f}" for column in columns))
    times = 2_000 if quick else 5_000
    one = asyncio.run(ratios({name: CASES[name] for name in list(CASES)[:2]}, 1, times, 9))
    print("\na stream of one token, ratio to raw")
    for name, ratio in one.items():
        print(f"{name:<28}{ratio:>10.2f}")
    memory = idle_memory(1_000 if quick else 4_000)
    print("\nidle memory per open stream, KiB over raw")
    for kind in ("plain", "timed"):
        print(f"{'core, ' + kind:<28}{memory[kind] - memory['raw']:>10.2f}")
    print(f"(raw itself: {memory['raw']:.2f})")
