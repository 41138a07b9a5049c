"""Values as they are compared: texts by their words, numbers and dates by what they are, structures by their parts."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Generator, Mapping, Sequence, Set
from dataclasses import dataclass, fields, is_dataclass
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from numbers import Integral, Real
from typing import Any, TypeVar, Union, cast

from l0_consensus.texts import Reading, reading, text_similarity
from l0_consensus.tokens import moment, number

__all__ = [
    "MAX_DEPTH",
    "Form",
    "Key",
    "Parts",
    "at_once",
    "form",
    "in_turns",
    "nearness",
    "plain",
    "similarity",
    "text_of",
]

T = TypeVar("T")

MAX_DEPTH = 100
"""Levels of a structure that are compared."""

Key = tuple[Any, ...]
"""What is the same for values that are the same, and can be hashed."""


@dataclass(slots=True, eq=False)
class Whole:
    """A value that is the same as another or not: a number, a date, a bool, None, and whatever has no parts."""

    value: Any
    key: Key
    size: int = 1


@dataclass(slots=True, eq=False)
class Text:
    """A text."""

    value: str
    key: Key
    reading: Reading
    size: int


@dataclass(slots=True, eq=False)
class Parts:
    """An object or an array: its parts, by name or by place."""

    value: Any
    key: Key
    parts: dict[str, Form] | dict[int, Form]
    size: int


Form = Union[Whole, Text, Parts]


def form(value: Any, depth: int = 0) -> Generator[None, None, Form]:
    """Make of a value what is compared, some of it in each turn.

    Raises ValueError for a structure of more than `MAX_DEPTH` levels.
    """
    if depth > MAX_DEPTH:
        raise ValueError(f"a value is nested deeper than {MAX_DEPTH} levels, and cannot be compared")
    known = plain(value)
    if isinstance(known, str):
        read = yield from reading(known)
        if read.value is not None:
            return Whole(value, ("value", number(read.value) or read.value))
        return Text(value, ("text", read.key), read, len(read.words) + 1)
    if isinstance(known, Mapping):
        named: dict[str, Form] = {}
        for name, part in known.items():
            named[str(name)] = yield from form(part, depth + 1)
        key: Key = ("object", *sorted((name, part.key) for name, part in named.items()))
        return Parts(value, key, named, _size(named))
    if isinstance(known, list):
        placed: dict[int, Form] = {}
        for place, part in enumerate(known):
            placed[place] = yield from form(part, depth + 1)
        return Parts(value, ("array", *(part.key for part in placed.values())), placed, _size(placed))
    return Whole(value, _key(known))


def _size(parts: Mapping[Any, Form]) -> int:
    return 1 + sum(part.size for part in parts.values())


def plain(value: Any) -> Any:
    """A value as JSON would have it, on its first level: a model as a dict, an enum as its value, a set as a list."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, str | Mapping | list):
        return value
    if callable(dump := getattr(value, "model_dump", None)) and not isinstance(value, type):
        return dump()
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    if isinstance(value, Set):
        return sorted(value, key=repr)
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray | memoryview):
        return [*value]
    return value


def _key(value: Any) -> Key:
    if value is None or isinstance(value, bool):
        return ("literal", str(value))
    if isinstance(value, Integral):
        return ("value", number(str(int(value))))
    if isinstance(value, Real):
        # What is within the precision of a float is the same: 0.1 + 0.2 is 0.3.
        return ("value", number(f"{float(value):.15g}") or str(value))
    if isinstance(value, Decimal):
        return ("value", number(str(value)) or str(value))
    if isinstance(value, datetime | date):
        return ("value", moment(value.isoformat()) or value.isoformat())
    if isinstance(value, time):
        return ("time", value.isoformat())
    if isinstance(value, bytes | bytearray | memoryview):
        return ("bytes", bytes(value))
    return (type(value).__qualname__, repr(value))


def similarity(a: Form, b: Form) -> float:
    """From 0 to 1. Structures are as similar as those of their parts that are least so; what one lacks is a part."""
    if a.key == b.key:
        return 1.0
    if isinstance(a, Text) and isinstance(b, Text):
        return text_similarity(a.reading, b.reading)
    if not (isinstance(a, Parts) and isinstance(b, Parts)) or a.key[0] != b.key[0] or a.parts.keys() != b.parts.keys():
        return 0.0
    least = 1.0
    others = cast("Mapping[Any, Form]", b.parts)
    for name, part in a.parts.items():
        least = min(least, similarity(part, others[name]))
        if not least:
            break
    return least


def nearness(a: Any, b: Any, depth: int = 0) -> float:
    """How near two values are, from 0 to 1, which is not whether they agree: 42 and 43 are near.

    Numbers by their difference, texts by their words, arrays place by place, objects over the names of both, on
    average. Raises ValueError for a structure of more than `MAX_DEPTH` levels.
    """
    if depth > MAX_DEPTH:
        raise ValueError(f"a value is nested deeper than {MAX_DEPTH} levels, and cannot be compared")
    a, b = plain(a), plain(b)
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        names = a.keys() | b.keys()
        near = sum(nearness(a[name], b[name], depth + 1) for name in a.keys() & b.keys())
        return near / len(names) if names else 1.0
    if isinstance(a, list) and isinstance(b, list):
        longer = max(len(a), len(b))
        return (
            sum(nearness(one, other, depth + 1) for one, other in zip(a, b, strict=False)) / longer if longer else 1.0
        )
    one, other = at_once(form(a)), at_once(form(b))
    if one.key != other.key and _is_number(a) and _is_number(b):
        return _number_nearness(a, b)
    return similarity(one, other)


def _is_number(value: Any) -> bool:
    return isinstance(value, Real | Decimal) and not isinstance(value, bool)


def _number_nearness(a: Any, b: Any) -> float:
    try:
        one, other = Fraction(a), Fraction(b)
    except (ValueError, OverflowError):  # Of what is infinite, or not a number.
        return 0.0
    return max(0.0, float(1 - abs(one - other) / max(abs(one), abs(other))))


def text_of(value: Any) -> str:
    """The text of a value: a text as it is, anything else as JSON, or as it is written if JSON does not have it."""
    known = plain(value)
    if isinstance(known, str):
        return known
    try:
        return json.dumps(known, ensure_ascii=False, default=_jsonable)
    except (TypeError, ValueError, RecursionError):
        return repr(value)


def _jsonable(value: Any) -> Any:
    known = plain(value)
    return str(value) if known is value else known


def at_once(steps: Generator[None, None, T]) -> T:
    """Take all steps in this turn of the event loop."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            made: T = end.value
            return made


async def in_turns(steps: Generator[None, None, T]) -> T:
    """Take one step in each turn of the event loop, so that others have theirs."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            made: T = end.value
            return made
        await asyncio.sleep(0)
