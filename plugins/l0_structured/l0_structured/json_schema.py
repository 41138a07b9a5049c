"""JSON Schema: checking what a model answered against a schema that is a dict.

An adapter does the checking. It is the one that was registered; without one, it is `FullJSONSchemaAdapter` where the
library jsonschema is installed, and `SimpleJSONSchemaAdapter` where it is not. A schema is never checked by half: a
keyword that the adapter does not know is an error of the schema.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Generic, Protocol, TypeAlias, TypeVar, cast, runtime_checkable

from l0_structured import json_schema_keywords, json_schema_library
from l0_structured.json_schema_errors import (
    MAX_ERRORS,
    JSONSchemaError,
    JSONSchemaValidationError,
    JSONSchemaValidationFailure,
    JSONSchemaValidationResult,
    JSONSchemaValidationSuccess,
    UnusableJSONSchema,
    error_at,
    format_errors,
)
from l0_structured.json_schema_keywords import INSTALL, is_schema
from l0_structured.json_schema_values import Check, schema_text

__all__ = [
    "MAX_ERRORS",
    "CompilingJSONSchemaAdapter",
    "FullJSONSchemaAdapter",
    "JSONSchema",
    "JSONSchemaAdapter",
    "JSONSchemaDefinition",
    "JSONSchemaError",
    "JSONSchemaValidationError",
    "JSONSchemaValidationFailure",
    "JSONSchemaValidationResult",
    "JSONSchemaValidationSuccess",
    "SimpleJSONSchemaAdapter",
    "UnifiedSchema",
    "UnusableJSONSchema",
    "create_simple_json_schema_adapter",
    "get_json_schema_adapter",
    "has_json_schema_adapter",
    "is_json_schema",
    "register_json_schema_adapter",
    "unregister_json_schema_adapter",
    "validate_json_schema",
    "wrap_json_schema",
]

T = TypeVar("T")

JSONSchemaDefinition: TypeAlias = dict[str, Any]
"""A JSON Schema, as `json.loads` makes it."""

Checked: TypeAlias = tuple[bool, T | None, Exception | None]
"""Whether the value matches; the value if it does; a JSONSchemaError if not."""


@runtime_checkable
class JSONSchemaAdapter(Protocol):
    """What checks values against schemas."""

    def validate(self, schema: Any, data: Any) -> JSONSchemaValidationResult[Any]:
        """Check a value. It raises for a schema that it cannot use, never for a value."""
        ...

    def format_errors(self, errors: Sequence[JSONSchemaValidationError]) -> str:
        """The errors as a text that a model can learn from."""
        ...


@runtime_checkable
class CompilingJSONSchemaAdapter(JSONSchemaAdapter, Protocol):
    """An adapter that reads a schema once, for many values. `wrap_json_schema` then raises for one that is unusable."""

    def compile(self, schema: Any) -> Check:
        """What checks values against this schema."""
        ...


class _Compiling:
    _check_of: Callable[[str], Check]

    def compile(self, schema: Any) -> Check:
        """What checks values against `schema`, as it is now. Raises UnusableJSONSchema."""
        return type(self)._check_of(schema_text(schema))

    def validate(self, schema: Any, data: Any) -> JSONSchemaValidationResult[Any]:
        """Check a value. A schema is read when it is seen for the first time. Raises UnusableJSONSchema."""
        return self.compile(schema)(data)

    def format_errors(self, errors: Sequence[JSONSchemaValidationError]) -> str:
        """One line for each error, with its place; 20 of them at most."""
        return format_errors(errors)


class SimpleJSONSchemaAdapter(_Compiling):
    """Knows, without any library, the keywords that most schemas of answers have, and refuses all others.

    `type`, `enum`, `const`; `required`, `properties`, `additionalProperties`, `minProperties`, `maxProperties`; `items`
    (one schema for all items), `minItems`, `maxItems`, `uniqueItems`; `minLength`, `maxLength`, `pattern`; `minimum`,
    `maximum`, `exclusiveMinimum`, `exclusiveMaximum`, `multipleOf`; and annotations such as `title`. As in JSON Schema
    since draft 6.
    """

    _check_of = staticmethod(json_schema_keywords.check_of)


class FullJSONSchemaAdapter(_Compiling):
    """All of JSON Schema from draft 4 to 2020-12, with formats, by the library jsonschema.

    References stay within the schema: nothing is ever fetched. Raises ImportError without the library.
    """

    _check_of = staticmethod(json_schema_library.check_of)

    def __init__(self) -> None:
        if not json_schema_library.is_installed():
            raise ImportError(f"FullJSONSchemaAdapter needs the library jsonschema: {INSTALL}")


_registered: JSONSchemaAdapter | None = None


def register_json_schema_adapter(adapter: JSONSchemaAdapter) -> None:
    """Let `adapter` do the checking from now on, in the place of any other. Raises TypeError if it is none."""
    global _registered
    if not isinstance(adapter, JSONSchemaAdapter):
        raise TypeError(f"a JSON Schema adapter has validate and format_errors: {type(adapter).__name__} has not")
    _registered = adapter


def unregister_json_schema_adapter() -> None:
    """Forget the adapter that was registered, if one was."""
    global _registered
    _registered = None


def has_json_schema_adapter() -> bool:
    """Whether an adapter was registered. Schemas are checked without one, too."""
    return _registered is not None


def get_json_schema_adapter() -> JSONSchemaAdapter:
    """The adapter that does the checking: the registered one, or else the best of what is installed."""
    if _registered is not None:
        return _registered
    return FullJSONSchemaAdapter() if json_schema_library.is_installed() else SimpleJSONSchemaAdapter()


def create_simple_json_schema_adapter() -> SimpleJSONSchemaAdapter:
    """A SimpleJSONSchemaAdapter."""
    return SimpleJSONSchemaAdapter()


def is_json_schema(value: Any) -> bool:
    """Whether a value looks like a JSON Schema: a dict with a keyword of it, whose value is of the kind it should be.

    `{"type": "object"}` does. `{"type": str}` does not, nor does `{}`, though JSON Schema has it match everything.
    """
    return is_schema(value)


class UnifiedSchema(Generic[T]):
    """A schema of any kind, with the two things that are done with it.

    `tag` is its kind, `name` is for people, `schema` is what it was made of, or None.
    """

    def __init__(
        self,
        tag: str,
        parse_fn: Callable[[Any], T],
        safe_parse_fn: Callable[[Any], Checked[T]],
        name: str = "JSONSchema",
        schema: Any = None,
    ) -> None:
        self._tag = tag
        self._parse = parse_fn
        self._safe_parse = safe_parse_fn
        self.name = name
        self.schema = schema

    @property
    def tag(self) -> str:
        """The kind of schema: "jsonschema"."""
        return self._tag

    def parse(self, data: Any) -> T:
        """The value, if it matches. Raises an exception if it does not, for a JSON Schema a JSONSchemaError."""
        return self._parse(data)

    def safe_parse(self, data: Any) -> Checked[T]:
        """`(True, value, None)` if the value matches, or else `(False, None, error)`."""
        return self._safe_parse(data)

    def array(self) -> UnifiedSchema[list[T]]:
        """The schema of an array whose items match this one. What this one refers to is still found in it."""

        def safe_parse(data: Any) -> Checked[list[T]]:
            values, errors = _items(self, data)
            return (False, None, JSONSchemaError(errors)) if errors else (True, values, None)

        return _unified(self._tag, safe_parse, f"list[{self.name}]")

    def __repr__(self) -> str:
        return f"UnifiedSchema({self._tag!r}, name={self.name!r})"


def validate_json_schema(schema: Any, data: Any) -> Checked[Any]:
    """Check a value: `(True, value, None)` if it matches, or else `(False, None, JSONSchemaError)`.

    Raises UnusableJSONSchema for a schema that cannot be checked.
    """
    return wrap_json_schema(schema).safe_parse(data)


def wrap_json_schema(schema: Any) -> UnifiedSchema[Any]:
    """A UnifiedSchema, named by the `title` of `schema`, that the adapter which counts now will go on to check.

    Raises UnusableJSONSchema for a schema that cannot be checked.
    """
    adapter = get_json_schema_adapter()
    if isinstance(adapter, CompilingJSONSchemaAdapter):
        check = adapter.compile(schema)
    else:
        check = lambda data: adapter.validate(schema, data)  # noqa: E731

    def safe_parse(data: Any) -> Checked[Any]:
        result = check(data)
        if isinstance(result, JSONSchemaValidationSuccess):
            return True, data if result.data is None else result.data, None
        errors = result.errors or []
        return False, None, JSONSchemaError(errors, adapter.format_errors(errors))

    title = schema.get("title") if isinstance(schema, dict) else None
    name = title if isinstance(title, str) and title else "JSONSchema"
    return _unified("jsonschema", safe_parse, name, schema)


def _unified(tag: str, safe_parse: Callable[[Any], Checked[T]], name: str, schema: Any = None) -> UnifiedSchema[T]:
    def parse(data: Any) -> T:
        _, value, error = safe_parse(data)
        if error is not None:
            raise error
        return cast("T", value)

    return UnifiedSchema(tag, parse, safe_parse, name, schema)


def _items(schema: UnifiedSchema[T], data: Any) -> tuple[list[T], list[JSONSchemaValidationError]]:
    """The items of an array that match, and the errors of those that do not."""
    if not isinstance(data, list):
        return [], [error_at((), "type", "array", data)]
    values: list[T] = []
    errors: list[JSONSchemaValidationError] = []
    for index, item in enumerate(data):
        try:
            values.append(schema.parse(item))
        except JSONSchemaError as error:
            errors += [replace(one, path=f"$[{index}]{one.path.removeprefix('$')}") for one in error.errors]
            if len(errors) >= MAX_ERRORS:
                break
    return values, errors[:MAX_ERRORS]


class JSONSchema:
    """The functions of this module by shorter names."""

    register = staticmethod(register_json_schema_adapter)
    unregister = staticmethod(unregister_json_schema_adapter)
    has_adapter = staticmethod(has_json_schema_adapter)
    get_adapter = staticmethod(get_json_schema_adapter)
    is_schema = staticmethod(is_json_schema)
    validate = staticmethod(validate_json_schema)
    wrap = staticmethod(wrap_json_schema)
    create_simple_adapter = staticmethod(create_simple_json_schema_adapter)
