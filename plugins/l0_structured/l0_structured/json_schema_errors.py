"""What is said about a value that does not match a JSON Schema, and about a schema that nothing can be checked against.

A message names the place, the keyword, and what the schema expects. Of the value it tells the type, a length and the
names of properties, never the content: messages go back to the model, and into logs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

__all__ = [
    "MAX_ERRORS",
    "JSONSchemaError",
    "JSONSchemaValidationError",
    "JSONSchemaValidationFailure",
    "JSONSchemaValidationResult",
    "JSONSchemaValidationSuccess",
    "UnusableJSONSchema",
    "error_at",
    "format_errors",
    "json_path",
    "kind",
    "schema_place",
    "unexpected",
]

T = TypeVar("T")

MAX_ERRORS = 100
"""No more errors of one value are looked for."""
SHOWN_ERRORS = 20
SHOWN_SCHEMA = 200
SHOWN_NAME = 60
SHOWN_NAMES = 10

_PLAIN_NAME = re.compile(rf"[A-Za-z_][A-Za-z0-9_]{{0,{SHOWN_NAME - 1}}}")


@dataclass
class JSONSchemaValidationError:
    """One error. `path` is like `$.items[0].age`; `keyword` is the keyword of the schema that is not met, and `params`
    what the schema says there, like `{"minimum": 0}`. Both are None where no keyword is concerned.
    """

    path: str
    message: str
    keyword: str | None = None
    params: dict[str, Any] | None = None


@dataclass
class JSONSchemaValidationSuccess(Generic[T]):
    """The value matches. `data` is the value."""

    valid: bool = True
    data: T | None = None


@dataclass
class JSONSchemaValidationFailure:
    """The value does not match. `errors` are at most `MAX_ERRORS`."""

    valid: bool = False
    errors: list[JSONSchemaValidationError] | None = None


JSONSchemaValidationResult: TypeAlias = JSONSchemaValidationSuccess[T] | JSONSchemaValidationFailure


class JSONSchemaError(ValueError):
    """A value does not match its JSON Schema. Its text is one line for each error, and can be shown to a model."""

    def __init__(self, errors: Sequence[JSONSchemaValidationError], text: str | None = None) -> None:
        super().__init__(format_errors(errors) if text is None else text)
        self.errors = list(errors)


class UnusableJSONSchema(ValueError):
    """A JSON Schema that no value can be checked against: it is malformed, or has a keyword that nothing here knows.

    `place` is where in the schema, as a JSON pointer like `#/properties/age`; `keyword` is the keyword, if it is one.
    """

    def __init__(self, place: str, keyword: str | None, problem: str) -> None:
        named = f" {_quoted(keyword)}" if keyword is not None else ""
        super().__init__(f"JSON Schema at {place}:{named} {problem}")
        self.place = place
        self.keyword = keyword


def format_errors(errors: Sequence[JSONSchemaValidationError]) -> str:
    """The errors as text: one line each, like `$.age: expected integer, got string (type)`, 20 of them at most."""
    lines = [f"{error.path}: {error.message}" + (f" ({error.keyword})" if error.keyword else "") for error in errors]
    if len(lines) > SHOWN_ERRORS:
        lines[SHOWN_ERRORS:] = [f"and {len(lines) - SHOWN_ERRORS} more"]
    return "\n".join(lines) or "The value does not match the JSON Schema"


def json_path(parts: Iterable[str | int]) -> str:
    """Where a value is in the whole: `$.items[0].age`, `$["my key"]`. Long names are cut."""
    path = "$"
    for part in parts:
        if isinstance(part, int):
            path += f"[{part}]"
        else:
            path += f".{part}" if _PLAIN_NAME.fullmatch(part) else f"[{_quoted(part)}]"
    return path


def schema_place(parts: Iterable[str | int]) -> str:
    """Where a subschema is in the whole schema, as a JSON pointer."""
    return "/".join(["#", *(str(part).replace("~", "~0").replace("/", "~1") for part in parts)])


def error_at(parts: Iterable[str | int], keyword: str, expected: Any, value: Any) -> JSONSchemaValidationError:
    """The error of a value that does not meet a keyword. `expected` is what the schema says there."""
    say = _MESSAGES.get(keyword)
    message = say(expected, value) if say else "does not match the schema"
    return JSONSchemaValidationError(json_path(parts), message, keyword, {keyword: expected})


def unexpected(parts: Iterable[str | int], found: Sequence[str]) -> JSONSchemaValidationError:
    """The error of an object that has properties which it must not have."""
    keyword = "additionalProperties"
    return JSONSchemaValidationError(json_path(parts), f"unexpected {_names(found)}", keyword, {keyword: False})


def kind(value: Any) -> str:
    """The JSON type of a value, "integer" for whole numbers; for what is not JSON, the name of its Python type."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, float):
        return "integer" if value.is_integer() else "number"
    for type_, name in ((int, "integer"), (str, "string"), (list, "array"), (dict, "object")):
        if isinstance(value, type_):
            return name
    return type(value).__name__


def _quoted(name: str) -> str:
    if len(name) > SHOWN_NAME:
        name = name[:SHOWN_NAME] + "…"
    return json.dumps(name, ensure_ascii=not name.isprintable())


def _shown(expected: Any) -> str:
    text = json.dumps(expected, ensure_ascii=False)
    return text if len(text) <= SHOWN_SCHEMA else text[:SHOWN_SCHEMA] + "…"


def _names(found: Sequence[str]) -> str:
    """Names of properties, the first few of them."""
    more = len(found) - SHOWN_NAMES
    return ", ".join(map(_quoted, found[:SHOWN_NAMES])) + (f" and {more} more" if more > 0 else "")


def _types(expected: Any) -> str:
    return " or ".join([expected] if isinstance(expected, str) else map(str, expected))


def _count(number: float, one: str, many: str) -> str:
    return f"{int(number)} {one if number == 1 else many}"


def _at_least(one: str, many: str) -> Callable[[Any, Any], str]:
    return lambda expected, value: f"expected at least {_count(expected, one, many)}, got {len(value)}"


def _at_most(one: str, many: str) -> Callable[[Any, Any], str]:
    return lambda expected, value: f"expected at most {_count(expected, one, many)}, got {len(value)}"


def _missing(expected: Any, value: Any) -> str:
    return f"missing {_names([name for name in expected if name not in value])}"


def _dependent(expected: Any, value: Any) -> str:
    missing = [
        f"{_quoted(name)} requires {_names(absent)}"
        for name, needed in expected.items()
        if name in value and isinstance(needed, list) and (absent := [one for one in needed if one not in value])
    ]
    return "; ".join(missing)


_MESSAGES: Mapping[str, Callable[[Any, Any], str]] = {
    "type": lambda expected, value: f"expected {_types(expected)}, got {kind(value)}",
    "enum": lambda expected, value: f"expected one of {_shown(expected)}",
    "const": lambda expected, value: f"expected {_shown(expected)}",
    "required": _missing,
    "dependentRequired": _dependent,
    "dependencies": _dependent,
    "minLength": _at_least("character", "characters"),
    "maxLength": _at_most("character", "characters"),
    "minItems": _at_least("item", "items"),
    "maxItems": _at_most("item", "items"),
    "minProperties": _at_least("property", "properties"),
    "maxProperties": _at_most("property", "properties"),
    "uniqueItems": lambda expected, value: "expected items that all differ",
    "minimum": lambda expected, value: f"expected at least {expected}",
    "maximum": lambda expected, value: f"expected at most {expected}",
    "exclusiveMinimum": lambda expected, value: f"expected more than {expected}",
    "exclusiveMaximum": lambda expected, value: f"expected less than {expected}",
    "multipleOf": lambda expected, value: f"expected a multiple of {expected}",
    "pattern": lambda expected, value: f"expected a match of the pattern {_shown(expected)}",
    "format": lambda expected, value: f"expected the format {_shown(expected)}",
    "not": lambda expected, value: "must not be there" if expected == {} else "matches a schema that it must not match",
    "contains": lambda expected, value: "expected an item that matches the schema",
    "minContains": lambda expected, value: f"expected at least {_count(expected, 'item', 'items')} of a kind",
    "maxContains": lambda expected, value: f"expected at most {_count(expected, 'item', 'items')} of a kind",
    "items": lambda expected, value: f"expected fewer items, got {len(value)}",
    "additionalItems": lambda expected, value: f"expected fewer items, got {len(value)}",
    "unevaluatedItems": lambda expected, value: "has items that the schema does not describe",
    "unevaluatedProperties": lambda expected, value: "has properties that the schema does not describe",
}
