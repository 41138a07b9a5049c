"""What a JSON value is to a JSON Schema.

Integers are whole numbers, `1.0` too; true is not 1; `1` and `1.0` are equal. What is not JSON (tuples, NaN, objects of
Python), is nested deeper than 200 or is an integer of more than 4,300 digits matches no schema.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from itertools import islice
from typing import Any, TypeAlias

from l0_structured.json_schema_errors import (
    MAX_ERRORS,
    JSONSchemaValidationError,
    JSONSchemaValidationFailure,
    JSONSchemaValidationResult,
    JSONSchemaValidationSuccess,
    UnusableJSONSchema,
    json_path,
)
from l0_structured.json_text import MAX_DEPTH

__all__ = [
    "TYPES",
    "Check",
    "Path",
    "all_differ",
    "checked",
    "identity",
    "is_integer",
    "is_multiple",
    "is_number",
    "schema_text",
]

MAX_DIGITS = 4300
HUGE = 10**MAX_DIGITS

Path: TypeAlias = tuple[str | int, ...]
Check: TypeAlias = Callable[[Any], JSONSchemaValidationResult[Any]]
"""Checks a value against one schema."""
Finder: TypeAlias = Callable[[Any], Iterator[JSONSchemaValidationError]]


def schema_text(schema: Any) -> str:
    """A schema as JSON: what is made of it holds, whatever becomes of the dict. Raises UnusableJSONSchema."""
    if not isinstance(schema, dict | bool):
        raise UnusableJSONSchema("#", None, f"a schema is a dict, or a bool, not {type(schema).__name__}")
    try:
        text = json.dumps(schema, allow_nan=False)
        depth_fault = _fault(json.loads(text))
    except RecursionError:
        raise UnusableJSONSchema("#", None, f"is nested deeper than {MAX_DEPTH} objects and arrays") from None
    except (TypeError, ValueError) as error:
        raise UnusableJSONSchema("#", None, f"is not JSON: {error}") from None
    if depth_fault:
        raise UnusableJSONSchema("#", None, f"is {depth_fault.message}")
    return text


def checked(value: Any, errors: Finder) -> JSONSchemaValidationResult[Any]:
    """The result of a check, given what finds the errors of a value that is JSON."""
    fault = _fault(value)
    try:
        found = [fault] if fault else list(islice(errors(value), MAX_ERRORS))
    except RecursionError:
        problem = "nested too deeply to be checked, or the schema refers to itself without end"
        found = [JSONSchemaValidationError("$", problem)]
    return JSONSchemaValidationFailure(errors=found) if found else JSONSchemaValidationSuccess(data=value)


def _fault(value: Any) -> JSONSchemaValidationError | None:
    """Why a value is not JSON, if it is not."""
    pending: list[tuple[Any, Path]] = [(value, ())]
    while pending:
        one, path = pending.pop()
        if one is None or isinstance(one, str) or (isinstance(one, float) and math.isfinite(one)):
            continue
        if isinstance(one, int):
            if -HUGE < one < HUGE:
                continue
            return JSONSchemaValidationError(json_path(path), f"an integer of more than {MAX_DIGITS} digits")
        if not isinstance(one, dict | list):
            what = str(one) if isinstance(one, float) else type(one).__name__
            return JSONSchemaValidationError(json_path(path), f"not a JSON value: {what}")
        if len(path) >= MAX_DEPTH:
            return JSONSchemaValidationError("$", f"nested deeper than {MAX_DEPTH} objects and arrays")
        if isinstance(one, dict) and not all(isinstance(name, str) for name in one):
            return JSONSchemaValidationError(json_path(path), "not a JSON value: a property whose name is not a string")
        members = one.items() if isinstance(one, dict) else enumerate(one)
        pending.extend((member, (*path, key)) for key, member in members if not isinstance(member, str))
    return None


def identity(value: Any) -> Any:
    """A key that is the same for all values that JSON Schema takes for equal."""
    if isinstance(value, bool):
        return _BOOLEANS[value]
    if isinstance(value, dict):
        return frozenset((name, identity(member)) for name, member in value.items())
    if isinstance(value, list):
        return tuple(map(identity, value))
    return value


_BOOLEANS = {True: object(), False: object()}


def all_differ(items: list[Any]) -> bool:
    """Whether no two of the items are equal."""
    return len(set(map(identity, items))) == len(items)


def is_multiple(value: float, of: float) -> bool:
    """Whether `value` is a multiple of `of`, as they are written: 19.99 is one of 0.01."""
    return (_exactly(value) / _exactly(of)).denominator == 1


def _exactly(number: float) -> Fraction:
    return Fraction(number if isinstance(number, int) else repr(number))


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_integer(value: Any) -> bool:
    return is_number(value) and (isinstance(value, int) or value.is_integer())


TYPES: Mapping[str, Callable[[Any], bool]] = {
    "null": lambda value: value is None,
    "boolean": lambda value: isinstance(value, bool),
    "integer": is_integer,
    "number": is_number,
    "string": lambda value: isinstance(value, str),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
}
