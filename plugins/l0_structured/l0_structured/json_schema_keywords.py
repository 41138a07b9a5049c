"""The JSON Schema keywords that need no library."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

from l0_structured.json_schema_errors import (
    JSONSchemaValidationError,
    UnusableJSONSchema,
    error_at,
    schema_place,
    unexpected,
)
from l0_structured.json_schema_patterns import PatternRefused, pattern
from l0_structured.json_schema_values import (
    TYPES,
    Check,
    Path,
    all_differ,
    checked,
    identity,
    is_integer,
    is_multiple,
    is_number,
)

__all__ = ["DIALECTS", "INSTALL", "check_of", "is_schema", "read_pattern"]

Errors: TypeAlias = Callable[[Any, Path], Iterator[JSONSchemaValidationError]]

DIALECTS = (
    "https://json-schema.org/draft/2020-12/schema",
    "https://json-schema.org/draft/2019-09/schema",
    "http://json-schema.org/draft-07/schema",
    "http://json-schema.org/draft-06/schema",
)
"""The values of `$schema` for which these keywords mean the same."""

ANNOTATIONS = frozenset(
    "$id title description default examples $comment deprecated readOnly writeOnly".split(),
)
"""Keywords that no value fails."""

INSTALL = "pip install 'l0-structured[jsonschema]'"


def read_pattern(source: str, place: Path, keyword: str) -> Callable[[str], bool]:
    """What searches a text for a pattern. Raises UnusableJSONSchema."""
    try:
        return pattern(source).search
    except PatternRefused as error:
        raise UnusableJSONSchema(schema_place(place), keyword, str(error)) from None


def _has_type(expected: str | list[str]) -> Callable[[Any], bool]:
    tests = [TYPES[name] for name in ([expected] if isinstance(expected, str) else expected)]
    return lambda value: any(test(value) for test in tests)


def _is_type(expected: Any) -> bool:
    if isinstance(expected, list):
        return bool(expected) and all(isinstance(name, str) and name in TYPES for name in expected)
    return isinstance(expected, str) and expected in TYPES


def _is_names(expected: Any) -> bool:
    return isinstance(expected, list) and all(isinstance(name, str) for name in expected) and all_differ(expected)


def _is_count(expected: Any) -> bool:
    return is_integer(expected) and expected >= 0


def _is_one_of(expected: list[Any]) -> Callable[[Any], bool]:
    allowed = set(map(identity, expected))
    return lambda value: identity(value) in allowed


def _applies_to(name: str, meets: Callable[[Any, Any], bool]) -> Callable[[Any], Callable[[Any], bool]]:
    """What makes a test of what a keyword expects. Values of other types pass it."""
    concerned = TYPES[name]
    return lambda expected: lambda value: not concerned(value) or meets(value, expected)


@dataclass(frozen=True, slots=True)
class _Keyword:
    """A keyword that looks at one value as a whole: `form` says whether the schema has what it `wants` there."""

    wants: str
    form: Callable[[Any], bool]
    test: Callable[[Any], Callable[[Any], bool]]


def _limit(name: str, meets: Callable[[Any, Any], bool]) -> _Keyword:
    return _Keyword("a number", is_number, _applies_to(name, meets))


def _size(name: str, meets: Callable[[Any, Any], bool]) -> _Keyword:
    return _Keyword("a whole number, 0 or more", _is_count, _applies_to(name, meets))


_KEYWORDS: Mapping[str, _Keyword] = {
    "type": _Keyword("the name of a type, or a list of such names", _is_type, _has_type),
    "enum": _Keyword("a list", lambda expected: isinstance(expected, list), _is_one_of),
    "const": _Keyword("a value", lambda expected: True, lambda expected: _is_one_of([expected])),
    "required": _Keyword(
        "a list of names that all differ",
        _is_names,
        _applies_to("object", lambda value, names: all(name in value for name in names)),
    ),
    "minLength": _size("string", lambda value, least: len(value) >= least),
    "maxLength": _size("string", lambda value, most: len(value) <= most),
    "minItems": _size("array", lambda value, least: len(value) >= least),
    "maxItems": _size("array", lambda value, most: len(value) <= most),
    "minProperties": _size("object", lambda value, least: len(value) >= least),
    "maxProperties": _size("object", lambda value, most: len(value) <= most),
    "minimum": _limit("number", lambda value, least: value >= least),
    "maximum": _limit("number", lambda value, most: value <= most),
    "exclusiveMinimum": _limit("number", lambda value, bound: value > bound),
    "exclusiveMaximum": _limit("number", lambda value, bound: value < bound),
    "multipleOf": _Keyword(
        "a number above 0",
        lambda expected: is_number(expected) and expected > 0,
        _applies_to("number", is_multiple),
    ),
    "uniqueItems": _Keyword(
        "true or false",
        lambda expected: isinstance(expected, bool),
        _applies_to("array", lambda value, wanted: not wanted or all_differ(value)),
    ),
}


def _is_subschema(value: Any) -> bool:
    return isinstance(value, dict | bool)


def _is_subschemas(value: Any) -> bool:
    members = value.values() if isinstance(value, dict) else value if isinstance(value, list) else [None]
    return all(map(_is_subschema, members))


_LOOKS: Mapping[str, Callable[[Any], bool]] = {
    **{name: keyword.form for name, keyword in _KEYWORDS.items() if name != "const"},
    "type": lambda value: isinstance(value, str) or _is_names(value),
    "const": lambda value: value is None or isinstance(value, str | int | float | list | dict),
    **dict.fromkeys(("$schema", "$ref", "pattern", "format"), lambda value: isinstance(value, str)),
    **dict.fromkeys(("additionalProperties", "not"), _is_subschema),
    **dict.fromkeys(("properties", "patternProperties", "$defs", "definitions"), _is_subschemas),
    **dict.fromkeys(("anyOf", "oneOf", "allOf"), _is_subschemas),
    "items": lambda value: _is_subschema(value) or _is_subschemas(value),
}


def is_schema(value: Any) -> bool:
    """Whether a value is a mapping with a keyword of JSON Schema, whose value is of the kind it should be."""
    return isinstance(value, Mapping) and any(name in value and looks(value[name]) for name, looks in _LOOKS.items())


@lru_cache(256)
def check_of(text: str) -> Check:
    """What checks values against a schema, given as text. Raises UnusableJSONSchema."""
    errors = _schema(json.loads(text), ())
    return lambda value: checked(value, lambda json_value: errors(json_value, ()))


def _schema(schema: Any, place: Path) -> Errors:
    if schema is True:
        return lambda value, path: iter(())
    if schema is False:
        return lambda value, path: iter([error_at(path, "not", {}, value)])
    if not isinstance(schema, dict):
        raise UnusableJSONSchema(schema_place(place), None, "a schema is an object, true or false")
    checked_ones = [name for name, expected in schema.items() if _is_checked(name, expected, place)]
    found = [_keyword(name, schema[name], schema, place) for name in checked_ones]

    def errors(value: Any, path: Path) -> Iterator[JSONSchemaValidationError]:
        for one in found:
            yield from one(value, path)

    return errors


def _is_checked(name: str, expected: Any, place: Path) -> bool:
    if name == "$schema":
        if not isinstance(expected, str) or expected.removesuffix("#") not in DIALECTS:
            raise _unknown(name, place, "is a dialect of which this adapter knows nothing")
        return False
    return name not in ANNOTATIONS


def _unknown(name: str, place: Path, problem: str) -> UnusableJSONSchema:
    return UnusableJSONSchema(
        schema_place(place),
        name,
        f"{problem}, so nothing is checked rather than half of it. Install what does: {INSTALL}",
    )


def _keyword(name: str, expected: Any, schema: dict[str, Any], place: Path) -> Errors:
    if name in _MEMBERS:
        return _MEMBERS[name](expected, schema, (*place, name))
    if name == "pattern":
        return _pattern(expected, place)
    keyword = _KEYWORDS.get(name)
    if keyword is None:
        raise _unknown(name, place, "is a keyword that this adapter does not know")
    if not keyword.form(expected):
        raise UnusableJSONSchema(schema_place(place), name, f"has to be {keyword.wants}")
    return _leaf(name, expected, keyword.test(expected))


def _leaf(name: str, expected: Any, test: Callable[[Any], bool]) -> Errors:
    def errors(value: Any, path: Path) -> Iterator[JSONSchemaValidationError]:
        if not test(value):
            yield error_at(path, name, expected, value)

    return errors


def _pattern(expected: Any, place: Path) -> Errors:
    if not isinstance(expected, str):
        raise UnusableJSONSchema(schema_place(place), "pattern", "has to be a string")
    search = read_pattern(expected, place, "pattern")
    return _leaf("pattern", expected, lambda value: not isinstance(value, str) or search(value))


def _properties(expected: Any, schema: dict[str, Any], place: Path) -> Errors:
    if not isinstance(expected, dict):
        raise UnusableJSONSchema(schema_place(place[:-1]), "properties", "has to be an object")
    checks = {name: _schema(subschema, (*place, name)) for name, subschema in expected.items()}

    def errors(value: Any, path: Path) -> Iterator[JSONSchemaValidationError]:
        if isinstance(value, dict):
            for name, check in checks.items():
                if name in value:
                    yield from check(value[name], (*path, name))

    return errors


def _additional_properties(expected: Any, schema: dict[str, Any], place: Path) -> Errors:
    described = schema.get("properties", {})
    check = _schema(expected, place)

    def errors(value: Any, path: Path) -> Iterator[JSONSchemaValidationError]:
        extra = [name for name in value if name not in described] if isinstance(value, dict) else []
        if expected is not False:
            for name in extra:
                yield from check(value[name], (*path, name))
        elif extra:
            yield unexpected(path, extra)

    return errors


def _items(expected: Any, schema: dict[str, Any], place: Path) -> Errors:
    if isinstance(expected, list):
        raise _unknown("items", place[:-1], "is a list of schemas, which this adapter does not know")
    check = _schema(expected, place)

    def errors(value: Any, path: Path) -> Iterator[JSONSchemaValidationError]:
        items = value if isinstance(value, list) else []
        if expected is not False:
            for index, item in enumerate(items):
                yield from check(item, (*path, index))
        elif items:
            yield error_at(path, "items", expected, value)

    return errors


_MEMBERS: Mapping[str, Callable[[Any, dict[str, Any], Path], Errors]] = {
    "properties": _properties,
    "additionalProperties": _additional_properties,
    "items": _items,
}
