"""Reading `meta`: the runtime's events have camelCase keys, events made by hand may have snake_case ones."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from functools import cache
from typing import Any

__all__ = ["camel", "counts_as_network", "first", "named", "number"]


@cache
def camel(name: str) -> str:
    """`token_count` as `tokenCount`."""
    head, *rest = name.split("_")
    return head + "".join(word.title() for word in rest)


def first(meta: Mapping[str, Any], *names: str) -> Any:
    """The first value that is given under one of the names, in either spelling; None if there is none."""
    for name in names:
        for key in (camel(name), name):
            if meta.get(key) is not None:
                return meta[key]
    return None


def number(meta: Mapping[str, Any], *names: str) -> int | None:
    """The same, if it is a whole number."""
    value = first(meta, *names)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def named(value: object) -> str | None:
    """A value as text: an enum by its value, an exception by its type, since its message may hold content."""
    if value is None or (isinstance(value, str) and not isinstance(value, Enum)):
        return value
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, BaseException):
        return type(value).__name__
    return str(value)


def counts_as_network(meta: Mapping[str, Any]) -> bool:
    """Whether the retry that a RETRY_ATTEMPT tells of is one that the model is not to blame for."""
    counts = first(meta, "counts_toward_limit")
    if isinstance(counts, bool):
        return not counts
    if first(meta, "is_network") is True:
        return True
    return named(first(meta, "category", "reason")) in ("network", "transient", "network_error")
