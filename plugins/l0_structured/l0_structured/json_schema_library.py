"""All of JSON Schema, checked by the library jsonschema. It is imported when the first schema is read.

Nothing is ever fetched: what a schema refers to has to be in it. Where the library could take for ever on a model's
text, or is wrong about numbers, its keywords are replaced by those of `json_schema_keywords`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from functools import lru_cache
from importlib import import_module
from itertools import islice
from typing import Any

from l0_structured.json_schema_errors import (
    JSONSchemaValidationError,
    JSONSchemaValidationResult,
    UnusableJSONSchema,
    error_at,
    json_path,
    schema_place,
    unexpected,
)
from l0_structured.json_schema_keywords import DIALECTS, INSTALL, read_pattern
from l0_structured.json_schema_patterns import pattern
from l0_structured.json_schema_values import Check, Path, all_differ, checked, is_multiple, is_number

__all__ = ["check_of", "is_installed"]

FORMATS = frozenset(
    "date-time date time duration email idn-email hostname idn-hostname ipv4 ipv6 uri uri-reference iri iri-reference"
    " uuid uri-template json-pointer relative-json-pointer regex".split()
)
"""The formats that JSON Schema defines. Others are remarks that no value fails."""

DRAFT_4 = "http://json-schema.org/draft-04/schema"

SHOWN_ALTERNATIVES = 5

_IN_VALUE = (
    "additionalItems additionalProperties contains contentSchema else if items not propertyNames then unevaluatedItems"
    " unevaluatedProperties".split()
)
_IN_LIST = ("allOf", "anyOf", "items", "oneOf", "prefixItems")
_IN_OBJECT = ("$defs", "definitions", "dependencies", "dependentSchemas", "patternProperties", "properties")


def is_installed() -> bool:
    """Whether the library is there, in a version that can be told not to fetch anything."""
    try:
        import_module("jsonschema")
        import_module("referencing.jsonschema")
    except ImportError:
        return False
    return True


@lru_cache(256)
def check_of(text: str) -> Check:
    """What checks values against a schema, given as text. Raises UnusableJSONSchema."""
    schema = json.loads(text)
    made = _dialect(schema)
    _require_valid(made, schema)
    specifications = import_module("jsonschema_specifications").REGISTRY
    reader = _Reader(made, schema)
    reader.read()
    validator = made(schema, format_checker=made.FORMAT_CHECKER, registry=specifications)

    def check(value: Any) -> JSONSchemaValidationResult[Any]:
        before = _followed.set(None if reader.dynamic else {})
        try:
            return checked(value, lambda json_value: _errors(validator.iter_errors(json_value)))
        finally:
            _followed.reset(before)

    return check


_followed: ContextVar[dict[tuple[int, int], list[Any] | None] | None] = ContextVar("_followed", default=None)
"""The errors of what a reference refers to, by reference and value, in this check; None while it is being followed.

Without them, a schema that refers to itself in several alternatives takes time exponential in how deep a value is.
"""


def _dialect(schema: Any) -> Any:
    """The validator class for the draft that `$schema` names."""
    validators = import_module("jsonschema.validators")
    named = schema.get("$schema", DIALECTS[0]) if isinstance(schema, dict) else DIALECTS[0]
    if not isinstance(named, str) or named.removesuffix("#") not in (*DIALECTS, DRAFT_4):
        known = ", ".join((*DIALECTS, DRAFT_4))
        raise UnusableJSONSchema("#", "$schema", f"is not one of {known}")
    return _replaced(validators.validator_for({"$schema": named}))


@lru_cache
def _replaced(made: Any) -> Any:
    return import_module("jsonschema.validators").extend(
        made,
        {
            "$ref": _reference(made.VALIDATORS["$ref"]),
            "pattern": _pattern,
            "patternProperties": _pattern_properties,
            "additionalProperties": _additional_properties,
            "uniqueItems": _unique_items,
            "multipleOf": _multiple_of,
        },
    )


def _require_valid(made: Any, schema: Any, place: Path = ()) -> None:
    exceptions = import_module("jsonschema.exceptions")
    try:
        made.check_schema(schema)
    except exceptions.SchemaError as found:
        error = next(_errors(iter([found])))
        within = schema_place((*place, *found.absolute_path))
        raise UnusableJSONSchema(within, None, f"is malformed: {error.message}") from None
    except RecursionError:
        raise UnusableJSONSchema(schema_place(place), None, "is nested too deeply") from None


class _Reader:
    """Looks at every subschema once, for what would only show when a value comes that reaches it."""

    def __init__(self, made: Any, schema: Any) -> None:
        referencing = import_module("referencing.jsonschema")
        self.dialect: str = made.ID_OF(made.META_SCHEMA).removesuffix("#")
        self.made = made
        self.schema = schema
        self.specification = referencing.specification_with(self.dialect)
        self.unresolvable = import_module("referencing.exceptions").Unresolvable
        self.formats = made.FORMAT_CHECKER.checkers
        self.own = set(map(id, _objects(schema)))
        self.seen: set[int] = set()
        self.slow_names: UnusableJSONSchema | None = None
        self.unevaluated = False
        self.dynamic = False

    def read(self) -> None:
        registry = import_module("jsonschema_specifications").REGISTRY
        root = self.specification.create_resource(self.schema)
        try:
            self._read(registry.resolver_with_root(root))
        except UnusableJSONSchema:
            raise
        except ValueError as error:
            raise UnusableJSONSchema("#", None, f"has a name or a reference that is no URI: {error}") from None
        if self.unevaluated and self.slow_names:
            raise self.slow_names

    def _read(self, resolver: Any) -> None:
        pending: list[tuple[Any, Path, Any]] = [(self.schema, (), resolver)]
        references: list[tuple[str, str, Path, Any]] = []
        while pending or references:
            if pending:
                schema, place, resolver = pending.pop()
            else:
                # When all subschemas have been seen where they are, what is left is in places that no keyword knows.
                schema, place, resolver = self._target(*references.pop())
            if not isinstance(schema, dict) or id(schema) in self.seen:
                continue
            self.seen.add(id(schema))
            if place:
                resolver = resolver.in_subresource(self.specification.create_resource(schema))
            self._subschema(schema, place)
            pending += [(subschema, (*place, *path), resolver) for path, subschema in _subschemas(schema)]
            references += [
                (schema[keyword], keyword, place, resolver)
                for keyword in ("$ref", "$dynamicRef")
                if isinstance(schema.get(keyword), str)
            ]

    def _target(self, reference: str, keyword: str, place: Path, resolver: Any) -> tuple[Any, Path, Any]:
        try:
            found = resolver.lookup(reference)
        except (self.unresolvable, TypeError):  # A TypeError is a way through a number.
            problem = "refers to something that is not in the schema. Nothing is fetched"
            raise UnusableJSONSchema(schema_place(place), keyword, problem) from None
        if id(found.contents) not in self.seen and (
            id(found.contents) in self.own or not isinstance(found.contents, dict)
        ):
            _require_valid(self.made, found.contents, (*place, keyword))
        # What is not in this schema is in one that the library brings along.
        return found.contents if id(found.contents) in self.own else None, (*place, keyword), found.resolver

    def _subschema(self, schema: dict[str, Any], place: Path) -> None:
        self._dialect(schema, place)
        self._patterns(schema, place)
        self._format(schema, place)
        self._forbidden(schema)
        self.dynamic = self.dynamic or "$dynamicRef" in schema or "$recursiveRef" in schema

    def _dialect(self, schema: dict[str, Any], place: Path) -> None:
        # A subschema that names its dialect would get the library's own keywords, not those that replace them.
        named = schema.pop("$schema", self.dialect)
        if str(named).removesuffix("#") != self.dialect:
            raise UnusableJSONSchema(schema_place(place), "$schema", f"is not that of the whole schema, {self.dialect}")

    def _patterns(self, schema: dict[str, Any], place: Path) -> None:
        if isinstance(schema.get("pattern"), str):
            read_pattern(schema["pattern"], place, "pattern")
        for source in schema.get("patternProperties", {}):
            read_pattern(source, place, "patternProperties")
            if not _is_plain(source):
                self.slow_names = UnusableJSONSchema(
                    schema_place(place),
                    "patternProperties",
                    "has a pattern too complex to go with unevaluatedProperties",
                )
        self.unevaluated = self.unevaluated or "unevaluatedProperties" in schema

    def _format(self, schema: dict[str, Any], place: Path) -> None:
        name = schema.get("format")
        if isinstance(name, str) and name in FORMATS and name not in self.formats:
            problem = f"{name} is not checked by what is installed. Install what does: {INSTALL}"
            raise UnusableJSONSchema(schema_place(place), "format", problem)

    def _forbidden(self, schema: dict[str, Any]) -> None:
        # Of a property whose schema is false, the library does not tell the place.
        for keyword in ("properties", "patternProperties"):
            for name, subschema in schema.get(keyword, {}).items():
                if subschema is False:
                    schema[keyword][name] = {"not": {}}


def _subschemas(schema: dict[str, Any]) -> Iterator[tuple[Path, Any]]:
    for keyword in _IN_VALUE:
        if keyword in schema:
            yield (keyword,), schema[keyword]
    for keyword in _IN_LIST:
        if isinstance(schema.get(keyword), list):
            yield from (((keyword, index), one) for index, one in enumerate(schema[keyword]))
    for keyword in _IN_OBJECT:
        if isinstance(schema.get(keyword), dict):
            yield from (((keyword, name), one) for name, one in schema[keyword].items())


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    if isinstance(value, dict | list):
        for member in value.values() if isinstance(value, dict) else value:
            yield from _objects(member)


def _is_plain(source: str) -> bool:
    """Whether Python's `re`, which the library takes for unevaluatedProperties, cannot be slow on a pattern."""
    ways = sum(char in "*+?{|(" for char in source)
    return ways == 0 or (ways == 1 and source.startswith("^"))


# What replaces keywords of the library has the signature that the library calls.


def _reference(follow: Callable[..., Iterable[Any]]) -> Callable[..., Iterator[Any]]:
    def reference(validator: Any, expected: str, value: Any, schema: Any) -> Iterator[Any]:
        followed = _followed.get()
        if followed is None:
            yield from follow(validator, expected, value, schema)
            return
        key = (id(schema), id(value))
        if key not in followed:
            followed[key] = None
            followed[key] = list(follow(validator, expected, value, schema))
        errors = followed[key]
        if errors is None:
            raise UnusableJSONSchema(expected, "$ref", "refers to itself without end")
        # What is handed out is changed on its way up.
        yield from map(import_module("jsonschema.exceptions").ValidationError.create_from, errors)

    return reference


def _pattern(validator: Any, expected: str, value: Any, schema: Any) -> Iterator[Any]:
    if isinstance(value, str) and not pattern(expected).search(value):
        yield _error()


def _pattern_properties(validator: Any, expected: dict[str, Any], value: Any, schema: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for source, subschema in expected.items():
            search = pattern(source).search
            for name, member in value.items():
                if search(name):
                    yield from validator.descend(member, subschema, path=name, schema_path=source)


def _additional_properties(validator: Any, expected: Any, value: Any, schema: Any) -> Iterator[Any]:
    if not isinstance(value, dict):
        return
    extra = _extra(value, schema)
    if expected is not False:
        for name in extra:
            yield from validator.descend(value[name], expected, path=name)
    elif extra:
        yield _error()


def _extra(value: dict[str, Any], schema: dict[str, Any]) -> list[str]:
    described = schema.get("properties", {})
    searches = [pattern(source).search for source in schema.get("patternProperties", {})]
    return [name for name in value if name not in described and not any(search(name) for search in searches)]


def _unique_items(validator: Any, expected: bool, value: Any, schema: Any) -> Iterator[Any]:
    if expected and isinstance(value, list) and not all_differ(value):
        yield _error()


def _multiple_of(validator: Any, expected: float, value: Any, schema: Any) -> Iterator[Any]:
    if is_number(value) and not is_multiple(value, expected):
        yield _error()


def _error() -> Any:
    return import_module("jsonschema.exceptions").ValidationError("")


# The messages of the library quote the value; none of them is used.


def _errors(found: Iterator[Any]) -> Iterator[JSONSchemaValidationError]:
    said: set[tuple[str, str | None, str]] = set()
    for error in found:
        for one in _told(error):
            # For each missing property the library has an error, and the first of them tells all.
            key = (one.path, one.keyword, one.message)
            if key not in said:
                said.add(key)
                yield one


def _told(error: Any) -> Iterator[JSONSchemaValidationError]:
    keyword, expected, path = error.validator, error.validator_value, error.absolute_path
    if keyword is None:
        yield error_at(path, "not", {}, error.instance)
    elif keyword in ("anyOf", "oneOf"):
        yield from _told_of_alternatives(error)
    elif keyword == "additionalProperties":
        yield unexpected(path, _extra(error.instance, error.schema))
    elif error.schema.get(_EXCLUSIVE.get(keyword)) is True:
        yield error_at(path, _EXCLUSIVE[keyword], expected, error.instance)
    else:
        yield error_at(path, keyword, expected, error.instance)


_EXCLUSIVE = {"minimum": "exclusiveMinimum", "maximum": "exclusiveMaximum"}
"""Keywords that draft 4 has as remarks about others."""


def _told_of_alternatives(error: Any) -> Iterator[JSONSchemaValidationError]:
    """If only one alternative is for values of this kind, what is wrong is what does not meet that one."""
    alternatives: dict[Any, list[Any]] = {}
    for one in error.context:
        alternatives.setdefault(one.schema_path[0] if one.schema_path else None, []).append(one)
    meant = [errors for errors in alternatives.values() if not any(map(_is_of_another_kind, errors))]
    if len(meant) == 1:
        for one in meant[0]:
            yield from _told(one)
        return
    types = [_unmet_type(errors) for errors in alternatives.values()]
    if not alternatives:
        message = "matches more than one of the alternatives"
    elif all(types):
        message = error_at((), "type", sorted({name for names in types for name in names}), error.instance).message
    else:
        message = "matches none of the alternatives: " + "; or ".join(_first_of_each(alternatives.values()))
    params = {error.validator: error.validator_value}
    yield JSONSchemaValidationError(json_path(error.absolute_path), message, error.validator, params)


def _first_of_each(alternatives: Iterable[list[Any]]) -> list[str]:
    told = (next(_told(errors[0])) for errors in islice(alternatives, SHOWN_ALTERNATIVES))
    return list(dict.fromkeys(f"{one.path}: {one.message}" for one in told))


def _is_of_another_kind(error: Any) -> bool:
    if error.validator in ("const", "enum"):
        return len(error.path) <= 1
    return error.validator in ("type", None) and not error.path


def _unmet_type(errors: list[Any]) -> list[str]:
    for error in errors:
        if error.validator == "type" and not error.path:
            return [error.validator_value] if isinstance(error.validator_value, str) else error.validator_value
    return []
