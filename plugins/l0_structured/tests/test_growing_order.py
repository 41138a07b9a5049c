"""What it means that a value grows: an order of snapshots, and the paths of a value. Other tests import both."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict

Path = tuple[Any, ...]


def grows(before: Any, after: Any, is_done: Callable[..., bool] = lambda *path: False, path: Path = ()) -> bool:
    """Whether `after` may be what became of `before` while text came in.

    A string goes on; if `is_done` says so of the path where it is now, it may have become another leaf, which is what
    its type makes of it. An object or array has the items that it had, in their order, and then more; of the old ones
    at most one has changed, and that has grown. So it is with the fields of a model that have begun; the model is of
    the same class. Everything else is the same.
    """
    if type(before) is str:
        goes_on = type(after) is str and after.startswith(before)
        return goes_on or (is_done(*path) and not isinstance(after, list | dict))
    if type(before) is not type(after):
        return False
    if not isinstance(before, dict | list | BaseModel):
        return same(before, after)
    old, new = begun(before), begun(after)
    if not (list(new)[: len(old)] == list(old) or (isinstance(before, BaseModel) and old.keys() <= new.keys())):
        return False
    changed = [step for step in old if not same(old[step], new[step])]
    return not changed or (len(changed) == 1 and grows(old[changed[0]], new[changed[0]], is_done, (*path, changed[0])))


def same(one: Any, other: Any) -> bool:
    """Whether two snapshots are equal in values, types and order, and in what has begun."""
    return repr(one) == repr(other) and [path for path, _ in paths(one)] == [path for path, _ in paths(other)]


def begun(value: Any) -> dict[Any, Any]:
    """What is there one step further in a value: of a model, what has come."""
    if isinstance(value, BaseModel):
        values = {**value.__dict__, **(value.__pydantic_extra__ or {})}
        return {name: child for name, child in values.items() if name in value.model_fields_set}
    if isinstance(value, list):
        return dict(enumerate(value))
    return value if isinstance(value, dict) else {}


def paths(value: Any) -> Iterator[tuple[Path, Any]]:
    """Every path in a value to what has begun, and what is there."""
    yield (), value
    for step, child in begun(value).items():
        for path, leaf in paths(child):
            yield (step, *path), leaf


class Loose(BaseModel):
    model_config = ConfigDict(extra="allow")

    a: Any = None
    b: Any = 1


def loose(**values: Any) -> Loose:
    return Loose(**values)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "a"),
        ("ab", "ab"),
        ({}, {"a": 1}),
        ({"a": "x"}, {"a": "xy", "b": 1}),
        ([1, ["x"]], [1, ["x", {}], 2]),
        ({"a": None}, {"a": None, "b": None}),
        (loose(), loose(b=2)),
        (loose(b=[]), loose(a="x", b=[1])),
        (loose(b=[], c="x"), loose(b=[], c="xy")),
    ],
)
def test_growing_is_going_on(before: Any, after: Any) -> None:
    assert grows(before, after)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("ab", "a"),
        ("ab", "ax"),
        ("ab", []),
        ("2024-01-01", date(2024, 1, 1)),
        (1, 2),
        (1, 1.0),
        (None, 1),
        ({"a": 1}, {}),
        ({"a": 1}, {"b": 2, "a": 1}),
        ({"a": "x", "b": "x"}, {"a": "xy", "b": "xy"}),
        ([1], []),
        ([[1]], [[2]]),
        (["x"], {"0": "x"}),
        (loose(a=1), {"a": 1}),
        (loose(a=1), loose(b=1)),
        (loose(a=1), loose(a=2)),
        (loose(a="x", c="x"), loose(a="xy", c="xy")),
    ],
)
def test_growing_is_nothing_else(before: Any, after: Any) -> None:
    assert not grows(before, after)


def test_only_a_string_that_is_done_may_have_become_something_else() -> None:
    before, after = {"a": ["2024-01-01"]}, {"a": [date(2024, 1, 1)], "b": 1}

    assert grows(before, after, is_done=lambda *path: path == ("a", 0))
    assert not grows(before, after, is_done=lambda *path: path != ("a", 0))
    assert not grows(before, {"a": [[]]}, is_done=lambda *path: True)


def test_the_paths_of_a_value_are_all_that_has_begun_in_it() -> None:
    value = {"a": [loose(b=["x"], c=1)], "d": {}}

    assert [path for path, _ in paths(value)] == [
        (), ("a",), ("a", 0), ("a", 0, "b"), ("a", 0, "b", 0), ("a", 0, "c"), ("d",),
    ]  # fmt: skip
