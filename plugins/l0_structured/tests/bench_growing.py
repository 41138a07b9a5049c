"""Print what a token costs while a value grows: in microseconds, after 1,000, 10,000 and 50,000 of them.

A token is four characters. It is a script, and no test:

    python tests/bench_growing.py

The first line of a shape is the mean cost of the last thousand tokens of an answer of that size; the second is what it
costs, at the end of such an answer, to parse all of it anew with jiter.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import jiter
from l0_structured.growing import Growing
from pydantic import BaseModel

SIZES = (1_000, 10_000, 50_000)


class Item(BaseModel):
    id: int
    name: str
    price: Decimal
    tags: list[str] = []


class Section(BaseModel):
    title: str
    body: str = ""
    sections: list[Section] = []
    figures: dict[str, list[float]] = {}


class Report(BaseModel):
    text: str = ""
    items: list[Item] = []
    section: Section | None = None


def section(depth: int) -> dict[str, Any]:
    return {
        "title": f"Level {depth}",
        "body": 'Some prose, with "quotes", line\nbreaks and 😀. ' * 4,
        "figures": {"a": [1.5, 2, 3e10], "b": []},
        "sections": [section(depth + 1) for _ in range(2)] if depth < 12 else [],
    }


def texts() -> dict[str, str]:
    size = 4 * SIZES[-1]
    item = {"id": 12345, "name": "A small thing", "price": 12.5, "tags": ["new", "red"]}
    return {
        "one long string": '{"text": "' + "Some prose of an answer. " * (size // 20),
        "many small objects": '{"items": ' + json.dumps([item] * (size // 60)),
        "a deep mix": '{"section": ' + json.dumps(section(0)),
    }


def last(text: str, size: int) -> float:
    """Microseconds a token, of the last thousand of `size` tokens."""
    tokens = [text[at : at + 4] for at in range(0, 4 * size, 4)]
    before, measured = tokens[:-1000], tokens[-1000:]
    growing = Growing(Report)
    for token in before:
        growing.feed(token)
    started = time.perf_counter()
    for token in measured:
        growing.feed(token)
    spent = time.perf_counter() - started
    assert growing.stopped is None
    return spent / len(measured) * 1e6


def anew(text: str, size: int) -> float:
    """Microseconds for parsing all that there is after `size` tokens."""
    data = text[: 4 * size].encode()
    started = time.perf_counter()
    jiter.from_json(data, partial_mode="trailing-strings")
    return (time.perf_counter() - started) * 1e6


def best(measure: Callable[[str, int], float], text: str) -> list[float]:
    """The least that was measured for each size. The sizes take turns: what else the machine does is shared."""
    rounds = [[measure(text, size) for size in SIZES] for _ in range(40)]
    return [min(costs) for costs in zip(*rounds, strict=True)]


def main() -> None:
    sys.stdout.write(f"{'microseconds a token':<24}" + "".join(f"{size:>12,}" for size in SIZES) + f"{'ratio':>8}\n")
    for name, text in texts().items():
        assert len(text) >= 4 * SIZES[-1]
        for what, measure in ((name, last), ("  jiter, all anew", anew)):
            costs = best(measure, text)
            figures = "".join(f"{cost:>12.2f}" for cost in costs)
            sys.stdout.write(f"{what:<24}{figures}{costs[-1] / costs[0]:>8.2f}\n")


if __name__ == "__main__":
    main()
