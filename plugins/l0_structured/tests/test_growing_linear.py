"""What a delta costs does not depend on what came before: four times the text takes at most five times as long."""

from __future__ import annotations

from typing import Any

import pytest
from l0_structured.growing import Growing
from l0_testing import growth
from pydantic import BaseModel


class Item(BaseModel):
    name: str
    price: float | None = None


class Order(BaseModel):
    text: str = ""
    items: list[Item] = []


SHAPES: dict[str, tuple[Any, str, str]] = {
    "a long string": (Order, '{"text": "', "word "),
    "a long string of every width": (Order, '{"text": "', "a é 語 😀 "),
    "escapes": (Order, '{"text": "', "\\n\\u00e9"),
    "pairs": (Order, '{"text": "', "\\ud83d\\ude00"),
    "half pairs": (Order, '{"text": "', "\\ud83d"),
    "models": (Order, '{"items": [', '{"name": "x", "price": 1.5},'),
    "items": (None, "[", '1, "two", [3], '),
    "a long key": (None, '{"', "word "),
    "a long number": (None, "[", "12345"),
    "a long string that is dropped": (Order, '{"other": "', "word "),
    "a long string in an array": (None, '[1, ["', "word "),
    "blanks": (None, "[", "   \n"),
    "prose before": (None, "", "word "),
    "text after": (None, "[]", "word "),
    "text after a fault": (None, "[}", "word "),
}


def feed(schema: Any, start: str, pieces: list[str]) -> None:
    growing = Growing(schema)
    growing.feed(start)
    for piece in pieces:
        growing.feed(piece)


@pytest.mark.parametrize("name", SHAPES)
def test_four_times_the_text_takes_at_most_five_times_as_long(name: str) -> None:
    schema, start, unit = SHAPES[name]
    short, long = tokens(unit, 20_000), tokens(unit, 80_000)

    assert growth(lambda pieces: feed(schema, start, pieces), short, long, 5) <= 5


def tokens(unit: str, size: int) -> list[str]:
    """`size` deltas of four characters, which break the units anywhere."""
    text = unit * (4 * size // len(unit) + 1)
    return [text[at : at + 4] for at in range(0, 4 * size, 4)]


def test_a_long_string_is_extended_in_place_and_not_copied() -> None:
    deltas = ["word"] * 60_000
    short, long = '{"text": "', '{"text": "' + "x" * 2_000_000

    # Copying two megabytes for each delta would make it hundreds.
    assert growth(lambda start: feed(Order, start, deltas), short, long, 3) <= 3
