"""Patterns are searched for as Python's `re` does, but for `$`, and no text is slow."""

from __future__ import annotations

import random
import re

import pytest
from l0_structured.json_schema_patterns import PatternRefused, pattern
from l0_testing import growth

ATOMS = [
    "a",
    "b",
    r"\n",
    " ",
    ".",
    "[ab]",
    "[^a]",
    "[a-c_]",
    r"\w",
    r"\W",
    r"\d",
    r"\D",
    r"\s",
    r"\S",
    r"[\w-]",
    "é",
    r"\.",
]
ANCHORS = ["^", "$", r"\b", r"\B", r"\A", r"\Z"]
REPEATS = ["*", "+", "?", "{2}", "{1,2}", "{0,3}", "{2,}", "*?", "+?", "??", "{0}"]
LETTERS = "aAbB1 _\né.-"


def made(rng: random.Random, depth: int) -> str:
    kind = rng.random()
    if depth == 0 or kind < 0.3:
        return rng.choice(ATOMS)
    if kind < 0.4:
        return rng.choice(ANCHORS)
    if kind < 0.6:
        return "".join(made(rng, depth - 1) for _ in range(rng.randint(0, 3)))
    inner = made(rng, depth - 1)
    if kind < 0.75:
        return f"(?:{inner}|{made(rng, depth - 1)})"
    if kind < 0.8:
        return f"(?i:{inner})"
    return f"({inner}){rng.choice(REPEATS)}"


def expected(source: str, text: str) -> bool:
    multiline = source.startswith("(?m)")
    return re.search(source if multiline else source.replace("$", r"\Z"), text) is not None


def test_any_pattern_finds_what_re_finds() -> None:
    rng = random.Random(7)
    found = 0
    for _ in range(3000):
        source = rng.choice(["", "", "", "(?i)", "(?m)", "(?s)"]) + made(rng, 4)
        for _ in range(6):
            text = "".join(rng.choice(LETTERS) for _ in range(rng.randint(1, 7)))
            found += expected(source, text)
            assert pattern(source).search(text) is expected(source, text), (source, text)
    assert 3000 < found < 17_000


def test_lookahead_at_the_beginning_finds_what_re_finds() -> None:
    rng = random.Random(8)
    for _ in range(1000):
        ahead = "".join(f"(?{rng.choice('=!')}{made(rng, 2)})" for _ in range(rng.randint(1, 3)))
        source = f"^{ahead}{made(rng, 3)}"
        for _ in range(6):
            text = "".join(rng.choice(LETTERS) for _ in range(rng.randint(1, 7)))
            assert pattern(source).search(text) is expected(source, text), (source, text)


@pytest.mark.parametrize(
    ("source", "yes", "no"),
    [
        ("b", "abc", "ac"),
        ("", "", None),
        ("^$", "", "\n"),
        ("^[a-z]+$", "abc", "abc\n"),
        ("^[a-z0-9]+(-[a-z0-9]+)*$", "a-slug-1", "a--slug"),
        (r"^[^@\s]+@[^@\s]+\.[^@\s]+$", "a@b.c", "a@b"),
        (r"^\d{4}-\d{2}-\d{2}$", "2026-01-31", "2026-1-31"),
        ("^(?=.*[A-Z])(?=.*[0-9]).{8,}$", "Password1", "password1"),
        (r"^(?!\s*$).+", " a", "  "),
        (r"(?P<word>\w+) \w+", "é b", "a-b"),
        (r"^\w{1,4000}$", "a" * 4000, "a" * 4001),
        (r"[\ud83d\ude00]", "\ude00", "a"),
    ],
)
def test_patterns_that_people_write(source: str, yes: str, no: str | None) -> None:
    assert pattern(source).search(yes)
    assert no is None or not pattern(source).search(no)


@pytest.mark.parametrize(
    "source",
    [
        r"(a)\1",
        "(?<=a)b",
        "(?<!a)b",
        "a(?=b)",
        "^((?!a).)*$",
        "(?>a+)b",
        "a++b",
        "(a)?(?(1)b|c)",
        "(?a)\\w",
        "(?a:\\w)",
    ],
)
def test_what_takes_more_than_linear_time_is_refused(source: str) -> None:
    with pytest.raises(PatternRefused):
        pattern(source)


@pytest.mark.parametrize(
    "source",
    [
        "[",
        "(",
        "a{99999}",
        "(a{500}){500}",
        "((){1000000}){1000000}(a{1000}){1000}",
        "(" * 5000 + ")" * 5000,
        "*",
        r"\p{L}",
    ],
)
def test_what_is_no_pattern_or_too_large_is_refused(source: str) -> None:
    with pytest.raises(PatternRefused):
        pattern(source)


@pytest.mark.parametrize(
    ("source", "letter"),
    [
        (r"^(\w+\s?)*$", "a"),
        ("(a+)+$", "a"),
        ("(a|aa)+$", "a"),
        ("(a|a?)+b", "a"),
        ("(a*)*b", "a"),
        (r"\s+$", " "),
        (".*.*.*=.*", "x"),
        ("(a?){30}a{30}b", "a"),
    ],
)
def test_no_text_is_slow(source: str, letter: str) -> None:
    search = pattern(source).search

    short, long = letter * 20_000 + "!", letter * 80_000 + "!"

    assert not search(long)
    assert growth(search, short, long, 8) <= 8


def test_what_is_remembered_is_bounded() -> None:
    rng = random.Random(9)
    one = pattern("(a|b)*a(a|b){40}c")
    text = "".join(rng.choice("ab") for _ in range(20_000))
    assert not one.search(text)
    assert one.search(text + "a" + "b" * 40 + "c")
    assert sum(1 + len(position.places) for position in one.machine.positions.values()) < 400_000
    assert not any(pattern("x").search(chr(code)) for code in range(200, 5000))
