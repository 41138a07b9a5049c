"""Options, which are given as an object or as a mapping."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    D = TypeVar("D", bound=DataclassInstance)
else:
    D = TypeVar("D")

__all__ = ["one_of", "read"]


def read(kind: type[D], given: D | Mapping[str, Any] | None) -> D:
    """What was given, as an object of that kind. Raises TypeError for what it has no name for."""
    if isinstance(given, kind):
        return given
    if given is None:
        return kind()
    if not isinstance(given, Mapping):
        raise TypeError(f"{kind.__name__}: expected a {kind.__name__} or a mapping, not {type(given).__name__}")
    names = [field.name for field in fields(kind)]
    unknown = [repr(name) for name in given if name not in names]
    if unknown:
        raise TypeError(f"{kind.__name__} has no {', '.join(unknown)}; it has {', '.join(names)}")
    return kind(**given)


def one_of(what: str, given: object, known: tuple[str, ...]) -> None:
    """Raises ValueError if what was given is none of those that there are."""
    if given not in known:
        raise ValueError(f"{what} is {given!r}; it must be one of {', '.join(known)}")
