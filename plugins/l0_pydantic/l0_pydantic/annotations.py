"""What an annotation of a type becomes in its model."""

from __future__ import annotations

import base64
import types
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import is_dataclass
from enum import Enum
from functools import cache
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BeforeValidator, PlainSerializer, TypeAdapter
from pydantic.errors import PydanticSchemaGenerationError
from pydantic_core import to_jsonable_python

from l0_core import Stream

__all__ = ["Anything", "Bytes", "ErrorText", "NotData", "annotation"]


class NotData(Exception):
    """What cannot be written down: a callable, a stream, a future."""


def _said(value: Any) -> Any:
    """The message of an exception, or its name if it has none; anything else as it is."""
    return (str(value) or type(value).__name__) if isinstance(value, BaseException) else value


def _value(given: Any) -> Any:
    """The value of a member of an enum, whichever it is of."""
    return given.value if isinstance(given, Enum) else given


def _decoded(value: Any) -> Any:
    return base64.b64decode(value, validate=True) if isinstance(value, str) else value


def _encoded(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _plain(value: Any) -> Any:
    return to_jsonable_python(value, bytes_mode="base64", fallback=_text)


def _text(value: Any) -> str | None:
    """What JSON does not have, as text. A stream is nothing, as it is where a field says that it holds one."""
    return None if isinstance(value, Stream) else str(_said(value))


ErrorText = Annotated[str, BeforeValidator(_said)]
"""An exception, as text."""

Bytes = Annotated[bytes, BeforeValidator(_decoded), PlainSerializer(_encoded, return_type=str, when_used="json")]
"""Bytes, which are base64 in JSON."""

Anything = Annotated[Any, BeforeValidator(_said), PlainSerializer(_plain, when_used="json")]
"""Anything, as it is, but for exceptions. In JSON, a stream is null, and what else JSON does not have is text."""

_HELD_AS: dict[Any, Any] = {Mapping: dict, MutableMapping: dict, Sequence: list}
"""What a model holds where its type allows more."""


def annotation(hint: Any, model: Callable[[type], Any]) -> Any:
    """The annotation of a model's field. `model` makes that of a dataclass or an enum in it.

    Raises NotData if nothing that the hint allows can be written down.
    """
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return Annotated[(annotation(args[0], model), *hint.__metadata__)]
    if origin in (Union, types.UnionType):
        return _union(args, model)
    if origin is Literal:
        return hint
    if isinstance(hint, TypeVar) or hint in (Any, object):
        return Anything
    if origin is None or is_dataclass(origin):
        return _single(origin or hint, model)
    container = _HELD_AS.get(origin, origin)
    if not _is_data(container):
        raise NotData(hint)
    return container[tuple(arg if arg is ... else annotation(arg, model) for arg in args)]


def _union(args: tuple[Any, ...], model: Callable[[type], Any]) -> Any:
    """Those of several types that can be written down."""
    kept = []
    for arg in args:
        try:
            kept.append(annotation(arg, model))
        except NotData:
            continue
    if all(arg is types.NoneType for arg in kept):
        raise NotData(args)
    return Union[tuple(kept)]


def _single(type_: Any, model: Callable[[type], Any]) -> Any:
    if not _is_data(type_):
        raise NotData(type_)
    if not isinstance(type_, type):
        return type_
    if is_dataclass(type_):
        return model(type_)
    if issubclass(type_, Enum):
        return Annotated[model(type_), BeforeValidator(_value)]
    if issubclass(type_, BaseException):
        return ErrorText
    return Bytes if type_ is bytes else type_


@cache
def _is_data(type_: Any) -> bool:
    """Whether it can be written down."""
    if type_ in (Callable, type):
        return False
    if is_dataclass(type_) or (isinstance(type_, type) and issubclass(type_, BaseException)):
        return True
    try:
        TypeAdapter(type_)
    except PydanticSchemaGenerationError:
        return False
    return True
