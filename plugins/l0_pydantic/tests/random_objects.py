"""Objects of L0's types with anything in their fields."""

from __future__ import annotations

import asyncio
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

from hypothesis import strategies as st
from l0_pydantic.deriving import hints_of

from l0_core import Stream

__all__ = ["is_running", "objects"]

RUNNING = (Callable, Stream, asyncio.Future)
"""What cannot be written down."""

TEXT = st.text(max_size=8)
FINITE = st.floats(-1e12, 1e12)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | FINITE | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=4,
)
EXACT: dict[Any, st.SearchStrategy[Any]] = {
    types.NoneType: st.none(), bool: st.booleans(), int: st.integers(), float: FINITE, str: TEXT, bytes: st.binary(),
    Any: JSON, object: JSON,
}  # fmt: skip
LARGE = EXACT | {int: st.integers(100, 10**6), float: st.floats(100, 1e6)}
"""For types that refuse small numbers."""


def is_running(hint: Any) -> bool:
    """Whether nothing that an annotation allows can be written down, but None."""
    origin, args = get_origin(hint), get_args(hint)
    if (origin or hint) in RUNNING:
        return True
    if origin in (Union, types.UnionType):
        return all(is_running(arg) for arg in args if arg is not types.NoneType)
    return any(is_running(arg) for arg in args)


def objects(type_: Any) -> st.SearchStrategy[Any]:
    """Objects of a dataclass."""
    exact = LARGE if hasattr(type_, "__post_init__") else EXACT
    hints = hints_of(type_)
    public = {field.name: values(hints[field.name], exact) for field in fields(type_) if not field.name.startswith("_")}
    return st.fixed_dictionaries(public).map(lambda given: type_(**given))


def values(hint: Any, exact: Mapping[Any, st.SearchStrategy[Any]] = EXACT) -> st.SearchStrategy[Any]:
    """What an annotation allows. What cannot be written down is None where it can be, and a callable elsewhere."""
    origin, args = get_origin(hint), get_args(hint)
    if hint in exact:
        return exact[hint]
    if isinstance(hint, TypeVar):
        return JSON
    if origin in (Union, types.UnionType):
        return st.one_of(values(arg, exact) for arg in args if not is_running(arg))
    if origin is Literal:
        return st.sampled_from(args)
    if is_running(hint):
        return st.just(lambda *args: None)
    if origin in (list, Sequence):
        return st.lists(values(args[0], exact), max_size=3)
    if origin is tuple:
        return st.lists(values(args[0], exact), max_size=3).map(tuple)
    if origin in (dict, Mapping):
        return st.dictionaries(values(args[0], exact), values(args[1], exact), max_size=3)
    if is_dataclass(origin or hint):
        return st.deferred(lambda: objects(origin or hint))
    if issubclass(hint, Enum):
        return st.sampled_from(list(hint))
    assert issubclass(hint, BaseException), hint
    return TEXT.map(ValueError)
