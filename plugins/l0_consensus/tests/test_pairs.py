"""Which values agree and which do not, however alike they are written."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from typing import Any

import pytest
from l0_consensus import (
    calculate_output_similarity,
    calculate_similarity_matrix,
    calculate_structural_similarity,
    quick_consensus,
)
from l0_consensus.values import MAX_DEPTH, text_of
from pydantic import BaseModel

LONG = (
    "After a thorough look at all of the evidence in the report and a long talk with the people who wrote it we have "
    "come to hold that the claim in question {} as it stands today"
)
"""A sentence of so many words that one of them is but a small share."""


class Color(Enum):
    RED = "red"


class Model(BaseModel):
    answer: int
    when: dt.date | None = None


@dataclass
class Plain:
    answer: int


class Odd:
    """A value that is the same as itself alone."""


ODD = Odd()

CASES: Any = {"ids": lambda value: repr(value)[:40]}

SAME: list[tuple[Any, Any]] = [
    ("42", "42.0"),
    ("42", "42."),
    ("42", 42),
    (42, 42.0),
    (42, Decimal("42.00")),
    (0.1 + 0.2, 0.3),
    (0.5, Fraction(1, 2)),
    (10**400, 10**400),
    ("1,000", "1000"),
    ("1,234,567.50", "1234567.5"),
    ("1e3", "1000"),
    ("-5", "\u22125"),
    ("+5", "5"),
    (".5", "0.5"),
    ("-0", 0),
    ("four", "4"),
    ("Twenty apples", "20 apples"),
    ("५", "5"),
    ("５％", "5%"),
    ("50 percent", "50%"),
    ("The answer is 42", "the answer is 42.0."),
    ("Paris", "paris."),
    ("**Paris**", "`Paris`"),
    ("# Paris\n", "Paris"),
    ("> Paris", "Paris"),
    ("- Paris\n- Rome", "* Paris\n* Rome"),
    ("\u201cParis\u201d", '"Paris"'),
    ("Straße", "STRASSE"),
    ("é", "e\u0301"),
    ("Par\u200bis", "Paris"),
    ("It isn't safe", "It is not safe."),
    ("It isn’t safe", "It is not safe."),
    ("I can't", "I cannot"),
    ("We won't go", "We will not go"),
    ("The capital: Paris", "Capital is Paris"),
    ("(A)", "a."),
    ("Answer: B", "answer b"),
    ("state-of-the-art", "state of the art"),
    ("x -> y", "x → y"),
    ("salt & pepper", "Salt and pepper"),
    ("2024-01-05T10:00:00Z", "2024-01-05T12:00:00+02:00"),
    ("2024-01-05", dt.date(2024, 1, 5)),
    ("Due by 2024-01-05T10:00Z.", "due by 2024-01-05T11:00+01:00"),
    (dt.datetime(2024, 1, 5, 10), "2024-01-05 10:00:00"),
    ("", "  "),
    (None, None),
    (True, True),
    (b"ab", bytearray(b"ab")),
    (float("nan"), float("nan")),
    ([1, 2.0], [1.0, 2]),
    ((1, 2), [1, 2]),
    ({1, 2}, {2, 1}),
    ({"a": 1, "b": "Yes."}, {"b": "yes", "a": 1.0}),
    (Color.RED, "red"),
    (Model(answer=1), {"answer": 1, "when": None}),
    (Plain(1), {"answer": 1}),
    (Model(answer=1, when=dt.date(2024, 1, 5)), {"answer": "1", "when": "2024-01-05"}),
    (ODD, ODD),
    ('{"a":1}', '{ "a": 1 }'),
]

ALIKE: list[tuple[Any, Any]] = [
    (LONG.format("is about 5 apples"), LONG.format("is about 5 big apples")),
    ("Capital of France: Paris", "Paris is the capital of France."),
    ("In 2020, sales were 5 million", "Sales were 5 million in 2020"),
    (LONG.format("holds"), LONG.format("holds") + " anyway"),
    (LONG.format("holds"), LONG.format("holds").replace("thorough", "careful")),
    (
        {"answer": 4, "why": LONG.format("holds")},
        {"answer": "4.0", "why": LONG.format("holds").replace("long talk", "long chat")},
    ),
]

CONTRADICTING: list[tuple[Any, Any]] = [
    ("The answer is 42", "The answer is 43"),
    ("The answer is 42", "The answer is 42.5"),
    ("The answer is 42", "The answer is -42"),
    ("The answer is 42", "The answer is"),
    (LONG.format("holds 3 times"), LONG.format("holds 4 times")),
    (LONG.format("holds three times"), LONG.format("holds four times")),
    (LONG.format("holds"), LONG.format("does not hold")),
    (LONG.format("is safe"), LONG.format("is not safe")),
    (LONG.format("is safe"), LONG.format("is unsafe")),
    (LONG.format("is possible"), LONG.format("is impossible")),
    (LONG.format("is true"), LONG.format("is false")),
    (LONG.format("is red, not blue"), LONG.format("is not red, blue")),
    (LONG.format("is from Paris"), LONG.format("is from Lyon")),
    (LONG.format("is of Ada against Bob"), LONG.format("is of Bob against Ada")),
    (LONG.format("has option A"), LONG.format("has option B")),
    (LONG.format("costs $5"), LONG.format("costs €5")),
    (LONG.format("costs -$5"), LONG.format("costs $5")),
    (LONG.format("is 5% of it"), LONG.format("is 5 of it")),
    (LONG.format("is 5 million of it"), LONG.format("is 5 of it")),
    (LONG.format("is 5 mg of it"), LONG.format("is 5 g of it")),
    (LONG.format("went from 3 to 5"), LONG.format("went from 5 to 3")),
    (LONG.format("is x < y"), LONG.format("is x > y")),
    (LONG.format("is the first"), LONG.format("is the second")),
    (LONG.format("was on 2024-01-05"), LONG.format("was on 2024-01-06")),
    (LONG.format("is in version 1.2.3"), LONG.format("is in version 1.2.4")),
    (LONG.format("is of gpt4"), LONG.format("is of gpt5")),
    ("The drug is safe", "The drug is not safe"),
    ("Das ist sicher", "Das ist nicht sicher"),
    ("C'est sûr", "Ce n'est pas sûr"),
    ("Es seguro", "No es seguro"),
    ("这是安全的", "这是不安全的"),
    ("答えは東京です", "答えは大阪です"),
    ("Yes", "No"),
    ("The capital of the state is paris", "The capital of the state is lyon"),
    ("x + 2", "x - 2"),
    ("2 * 3", "2 / 3"),
    ("a == b", "a != b"),
    ("C++", "C"),
    ("👍", "👎"),
    ("का", "की"),
    ("?", "!"),
    ("007", "7"),
    ("1.2.3", "1.2.30"),
    (1, True),
    (0, False),
    (0, None),
    (None, ""),
    (None, False),
    ("None", None),
    ("true", True),
    (42, 43),
    (10**400, 10**400 + 1),
    (float("inf"), float("-inf")),
    (dt.date(2024, 1, 5), dt.date(2024, 1, 6)),
    ("2024-01-05T10:00:00", "2024-01-05T10:00:00Z"),
    (b"ab", "ab"),
    (Odd(), Odd()),
    ([1, 2], [2, 1]),
    ([1, 2], [1, 2, 3]),
    ({"a": 1}, [1]),
    ({"a": 1}, {"a": 1, "b": None}),
    ({"a": 1, **{str(i): i for i in range(50)}}, {"a": True, **{str(i): i for i in range(50)}}),
    ({"label": "spam", "why": LONG.format("holds")}, {"label": "ham", "why": LONG.format("holds")}),
]

UNLIKE: list[tuple[Any, Any]] = [
    ("Paris", "Paris, though some would say otherwise"),
    ("dog bites man", "man bites dog"),
    ("I would rate the mood of this review as positive", "I would rate the mood of this review as negative"),
    ("The answer is 42", "42 it is, and I am sure of that"),
    ("Yes, it is safe to eat", "It may be safe to eat"),
    (
        LONG.format("holds"),
        LONG.format("holds").replace("people", "folks").replace("talk", "chat").replace("come", "got"),
    ),
]


def both_ways(a: Any, b: Any) -> float:
    forth, back = calculate_output_similarity(a, b), calculate_output_similarity(b, a)
    assert forth == back
    return forth


@pytest.mark.parametrize(("a", "b"), SAME, **CASES)
def test_what_is_the_same_is_so_however_it_is_written(a: Any, b: Any) -> None:
    assert both_ways(a, b) == 1.0
    assert quick_consensus([a, b], 1.0)


@pytest.mark.parametrize(("a", "b"), ALIKE, **CASES)
def test_the_same_in_other_words_agrees(a: Any, b: Any) -> None:
    assert 0.8 <= both_ways(a, b) < 1.0
    assert not quick_consensus([a, b])


@pytest.mark.parametrize(("a", "b"), CONTRADICTING, **CASES)
def test_what_contradicts_has_nothing_in_common(a: Any, b: Any) -> None:
    assert both_ways(a, b) == 0.0


@pytest.mark.parametrize(("a", "b"), UNLIKE, **CASES)
def test_what_says_something_else_does_not_agree(a: Any, b: Any) -> None:
    assert both_ways(a, b) < 0.8


@pytest.mark.parametrize("value", [value for pair in (*SAME, *ALIKE, *CONTRADICTING) for value in pair], **CASES)
def test_any_value_agrees_with_itself(value: Any) -> None:
    assert calculate_output_similarity(value, value) == 1.0
    assert isinstance(text_of(value), str)


def test_an_output_that_is_nested_too_deep_is_refused() -> None:
    value: list[Any] = []
    for _ in range(MAX_DEPTH):
        value = [value]
    assert calculate_output_similarity(value, value) == 1.0
    for compare in (calculate_output_similarity, calculate_structural_similarity):
        with pytest.raises(ValueError, match="nested deeper than 100 levels"):
            compare([value], [value])


# Nearness is another question than agreement.


@pytest.mark.parametrize(
    ("a", "b", "near"),
    [
        (42, 42.0, 1.0),
        (9, 10, 0.9),
        (-5, 5, 0.0),
        (0, 0, 1.0),
        (10**400, 10**400 // 2, 0.5),
        (1.5, Decimal("3"), 0.5),
        (float("inf"), 1, 0.0),
        (True, 1, 0.0),
        ("Paris", "paris", 1.0),
        ([1, 2], [1, 3, 4], (1 + 2 / 3) / 3),
        ([], [], 1.0),
        ({"a": 1, "b": 2}, {"b": 2, "c": 3}, 1 / 3),
        ({}, {}, 1.0),
        ({"a": {"b": [10]}}, {"a": {"b": [8]}}, 0.8),
        ({"a": 1}, [1], 0.0),
        (Plain(8), Plain(10), 0.8),
    ],
)
def test_nearness_is_measured_part_by_part(a: Any, b: Any, near: float) -> None:
    assert calculate_structural_similarity(a, b) == pytest.approx(near)
    assert calculate_structural_similarity(b, a) == pytest.approx(near)


def test_a_matrix_has_all_similarities() -> None:
    assert calculate_similarity_matrix(["a", "A", "b"]) == [[1, 1, 0], [1, 1, 0], [0, 0, 1]]
    assert calculate_similarity_matrix([]) == []
