"""What guardrails cost over text that they have nothing to object to, as ratios to a bare stream of the same tokens."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator, Callable

import l0
from l0_core.events import Event, EventType

from benchmarks.in_process import TIMEOUT, Case, ratios

SIZES = (2_000, 20_000, 200_000)

_NOUNS = "river stone garden letter winter engine harbour window market teacher copper forest signal village".split()
_VERBS = "carries follows measures answers crosses gathers holds reaches leaves meets turns watches".split()
_REST = "slowly|near the old wall at dusk|without a word|before the rain comes|in the third year|as planned".split("|")


def prose(n: int) -> list[str]:
    """Tokens of sentences that do not repeat themselves, in paragraphs."""
    chance, tokens = random.Random(7), []
    while len(tokens) < n:
        subject, object_ = chance.sample(_NOUNS, 2)
        number = len(tokens)
        sentence = f"The {subject} {chance.choice(_VERBS)} {number} {object_}s {chance.choice(_REST)}."
        tokens += [f"{word} " for word in sentence.split()]
        if chance.random() < 0.2:
            tokens.append("\n\n")
    return tokens[:n]


def as_json(n: int) -> list[str]:
    """About `n` tokens of about four characters of one JSON array of records."""
    chance = random.Random(7)
    records = [
        {"id": i, "name": f"item {i}", "tags": ["a", "b"], "price": chance.randint(1, 999) / 10, "at": {"x": i}}
        for i in range(n // 22)
    ]
    text = json.dumps(records)
    return [text[at : at + 4] for at in range(0, len(text), 4)]


TEXTS: dict[str, Callable[[int], list[str]]] = {"prose": prose, "JSON": as_json}
EVERY = ["json", "markdown", "latex", "pattern", "zero_output", "stall", "repetition", "drift"]
CASES: dict[str, tuple[str, dict[str, object]]] = {
    "core": ("prose", {}),
    "core, JSON": ("JSON", {}),
    "json": ("JSON", {"guardrails": ["json"]}),
    "json, over prose": ("prose", {"guardrails": ["json"]}),
    "pattern, zero_output": ("prose", {"guardrails": ["pattern", "zero_output"]}),
    "recommended": ("prose", {"guardrails": ["json", "markdown", "pattern", "zero_output"]}),
    "recommended, JSON": ("JSON", {"guardrails": ["json", "markdown", "pattern", "zero_output"]}),
    "all seven, drift, continuation": ("prose", {"guardrails": EVERY, "continue_from_last_good_token": True}),
}


def _cases(tokens: list[str], text: str) -> tuple[Case, dict[str, Case]]:
    async def source() -> AsyncIterator[Event]:
        token = EventType.TOKEN
        for word in tokens:
            yield Event(token, word)

    async def raw(n: int) -> None:
        async for _ in source():
            pass

    def streaming(options: dict[str, object]) -> Case:
        async def case(n: int) -> None:
            stream = await l0.run(source, timeout=TIMEOUT, **options)
            async for _ in stream:
                pass
            assert not [found for found in stream.state.violations if found.severity != "warning"]

        return case

    return raw, {name: streaming(options) for name, (of, options) in CASES.items() if of == text}


def huge(size: int = 8_000_000) -> tuple[float, float]:
    """Seconds that one delta of prose takes with the recommended guardrails, and the longest turn of the loop."""
    text = "".join(prose(size // 5))[:size]

    async def source() -> AsyncIterator[str]:
        yield text

    async def main() -> tuple[float, float]:
        longest, last = 0.0, time.perf_counter()

        async def watching() -> None:
            nonlocal longest, last
            while True:
                await asyncio.sleep(0)
                now = time.thread_time()
                longest, last = max(longest, now - last), now

        last = time.thread_time()
        watcher = asyncio.create_task(watching())
        start = time.perf_counter()
        stream = await l0.run(source, guardrails=["json", "markdown", "pattern", "zero_output"])
        await stream.read()
        took = time.perf_counter() - start
        watcher.cancel()
        return took, longest

    return asyncio.run(main())


def main(quick: bool) -> None:
    sizes = SIZES[:2] if quick else SIZES
    found: dict[str, list[float]] = {name: [] for name in CASES}
    for n in sizes:
        for text, tokens in TEXTS.items():
            raw, cases = _cases(tokens(n), text)
            rounds, times = (5 if quick else 9), max(1, 40_000 // n)
            for name, ratio in asyncio.run(ratios(cases, n, times, rounds, raw)).items():
                found[name].append(ratio)
    print(f"\n{'guardrails, ratio to raw':<32}" + "".join(f"{n:>10,}" for n in sizes))
    for name, values in found.items():
        print(f"{name:<32}" + "".join(f"{value:>10.2f}" for value in values))
    took, longest = huge()
    print(
        f"\none delta of 8 MB, recommended guardrails: {took:.2f} s, longest turn of the loop {longest * 1000:.0f} ms"
    )
