"""What is four times as long takes four times as long, whatever it is; and the event loop turns meanwhile."""

from __future__ import annotations

import asyncio
from itertools import cycle, islice
from typing import Any

import pytest
from l0_consensus import calculate_output_similarity, consensus
from l0_testing import growth
from l0_testing.virtual import run

SIZE = 40_000
MOST = 8.0
"""Between linear, which is 4, and quadratic, which is 16."""

PATTERNS = {
    "prose": "The quick brown fox jumped over 13 lazy dogs; it isn't Tuesday. ",
    "words": "word ",
    "one word": "w",
    "numbers": "1 ",
    "digits": "1",
    "groups": "1,111,",
    "groups that end ill": ",111" * 200 + "1 ",
    "points": "1.",
    "exponents": "1e",
    "dates": "2024-01-05 ",
    "half dates": "2024-01-",
    "spaces": " ",
    "indented": "\t" * 999 + "\n",
    "line breaks": "\n",
    "quotations": "> ",
    "quotation marks": ">",
    "underlines": "=",
    "underlines that end ill": "=" * 999 + "x\n",
    "signs": "%$",
    "comparisons": "!=",
    "hyphens": "-",
    "minus": " -1",
    "stars": " * a",
    "apostrophes": "a'",
    "contractions": "isn't ",
    "capitals": "Ada ",
    "letters": "A B ",
    "marks": "\u0316\u0301",
    "marks of one word": "a" + "\u0316\u0301" * 300 + " ",
    "ideographs": "答え",
    "ideographs and letters": "答a",
    "emoji": "👩‍👩‍👧",
    "invisible": "\u200b",
    "fractions": "½ ",
    "negations": "not ",
    "arrows": "->",
    "nulls": "\x00",
}


@pytest.mark.parametrize("name", PATTERNS)
def test_comparing_texts_takes_time_by_their_length(name: str) -> None:
    short, long = ("".join(islice(cycle(PATTERNS[name]), size)) for size in (SIZE // 4, SIZE))
    assert growth(lambda text: calculate_output_similarity(text, f"{text} more"), short, long, MOST) <= MOST


def test_structures_take_time_by_their_size() -> None:
    def made(size: int) -> dict[str, Any]:
        return {f"k{number}": {"n": number, "t": ["x", number]} for number in range(size)}

    def compare(a: dict[str, Any]) -> float:
        return calculate_output_similarity(a, {**a, "k1": {"n": 1, "t": ["X", 1.0]}})

    assert growth(compare, made(1000), made(4000), MOST) <= MOST


def test_the_event_loop_turns_while_long_outputs_are_compared() -> None:
    texts = [" ".join(f"w{number % (900 + index)}" for number in range(20_000)) for index in range(4)]
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def main() -> Any:
        counting = asyncio.ensure_future(count())
        try:
            return await consensus([lambda text=text: text for text in texts], strategy="weighted")
        finally:
            counting.cancel()

    result = run(main())
    assert result.analysis.successful_outputs == 4
    assert turns > 20
