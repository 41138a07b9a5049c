"""The documented functions for JSON Schemas: which adapter counts, what they return, what they raise."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from l0_structured.json_schema import (
    FullJSONSchemaAdapter,
    JSONSchema,
    JSONSchemaAdapter,
    JSONSchemaError,
    JSONSchemaValidationError,
    JSONSchemaValidationFailure,
    JSONSchemaValidationResult,
    JSONSchemaValidationSuccess,
    SimpleJSONSchemaAdapter,
    UnifiedSchema,
    UnusableJSONSchema,
    create_simple_json_schema_adapter,
    get_json_schema_adapter,
    has_json_schema_adapter,
    is_json_schema,
    register_json_schema_adapter,
    unregister_json_schema_adapter,
    validate_json_schema,
    wrap_json_schema,
)

USER = {
    "title": "User",
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 0}},
    "required": ["name"],
}


@pytest.fixture(autouse=True)
def _nothing_registered() -> Iterator[None]:
    unregister_json_schema_adapter()
    yield
    unregister_json_schema_adapter()


@pytest.fixture
def no_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("l0_structured.json_schema_library.is_installed", lambda: False)


class Upper:
    """An adapter of a stranger: every string matches, and comes out in capitals."""

    def validate(self, schema: Any, data: Any) -> JSONSchemaValidationResult[Any]:
        if isinstance(data, str):
            return JSONSchemaValidationSuccess(data=data.upper())
        return JSONSchemaValidationFailure(errors=[JSONSchemaValidationError("$", "not text")])

    def format_errors(self, errors: Sequence[JSONSchemaValidationError]) -> str:
        return f"{len(errors)} faults"


def test_the_import_does_not_import_the_library() -> None:
    code = "import sys, l0_structured, l0_structured.json_schema; sys.exit('jsonschema' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.usefixtures("no_library")
def test_without_a_registered_adapter_and_without_the_library_the_simple_one_counts() -> None:
    assert not has_json_schema_adapter()
    assert isinstance(get_json_schema_adapter(), SimpleJSONSchemaAdapter)


def test_without_a_registered_adapter_the_library_counts_if_it_is_installed() -> None:
    pytest.importorskip("jsonschema")
    assert isinstance(get_json_schema_adapter(), FullJSONSchemaAdapter)


def test_a_registered_adapter_counts_until_it_is_unregistered() -> None:
    adapter = Upper()
    register_json_schema_adapter(adapter)
    assert has_json_schema_adapter()
    assert get_json_schema_adapter() is adapter
    assert validate_json_schema({}, "a") == (True, "A", None)
    unregister_json_schema_adapter()
    assert not has_json_schema_adapter()
    assert validate_json_schema({}, "a") == (True, "a", None)


def test_errors_are_told_in_the_words_of_the_adapter() -> None:
    register_json_schema_adapter(Upper())
    with pytest.raises(JSONSchemaError, match=r"^1 faults$") as caught:
        wrap_json_schema({}).parse(1)
    assert caught.value.errors == [JSONSchemaValidationError("$", "not text")]


def test_what_is_no_adapter_is_not_registered() -> None:
    with pytest.raises(TypeError, match="validate and format_errors"):
        register_json_schema_adapter(object())  # type: ignore[arg-type]
    assert not has_json_schema_adapter()


def test_a_wrapped_schema_keeps_the_adapter_that_counted_then() -> None:
    wrapped = wrap_json_schema({"type": "string"})
    register_json_schema_adapter(Upper())
    assert wrapped.parse("a") == "a"


def test_a_wrapped_schema_is_the_schema_as_it_was_then() -> None:
    schema = {"type": "string"}
    wrapped = wrap_json_schema(schema)
    schema["type"] = "integer"
    assert wrapped.parse("a") == "a"
    assert not validate_json_schema(schema, "a")[0]


@pytest.mark.usefixtures("no_library")
def test_without_the_library_a_schema_is_not_checked_by_half() -> None:
    schema = {"type": "object", "properties": {"email": {"type": "string", "format": "email"}}}
    for check in (wrap_json_schema, lambda given: validate_json_schema(given, {})):
        with pytest.raises(UnusableJSONSchema) as caught:
            check(schema)
        assert caught.value.keyword == "format"
        assert caught.value.place == "#/properties/email"
        for part in ('"format"', "#/properties/email", "l0-structured[jsonschema]"):
            assert part in str(caught.value)


@pytest.mark.usefixtures("no_library")
def test_without_the_library_the_full_adapter_says_what_to_install() -> None:
    with pytest.raises(ImportError, match=r"l0-structured\[jsonschema\]"):
        FullJSONSchemaAdapter()


def test_validating_returns_whether_it_matches_the_value_and_the_error() -> None:
    data = {"name": "Ada", "age": 36}
    assert validate_json_schema(USER, data) == (True, data, None)
    valid, value, error = validate_json_schema(USER, {"age": -1})
    assert (valid, value) == (False, None)
    assert isinstance(error, JSONSchemaError)
    assert [(one.path, one.keyword) for one in error.errors] == [("$.age", "minimum"), ("$", "required")]


def test_a_wrapped_schema_parses_or_raises() -> None:
    wrapped = wrap_json_schema(USER)
    data = {"name": "Ada"}
    assert wrapped.tag == "jsonschema"
    assert wrapped.parse(data) is data
    assert wrapped.safe_parse(data) == (True, data, None)
    with pytest.raises(JSONSchemaError) as caught:
        wrapped.parse({"name": 5})
    assert isinstance(caught.value, ValueError)
    assert str(caught.value) == "$.name: expected string, got integer (type)"
    valid, value, error = wrapped.safe_parse({"name": 5})
    assert (valid, value, str(error)) == (False, None, str(caught.value))


def test_null_is_a_value() -> None:
    assert wrap_json_schema({"type": "null"}).safe_parse(None) == (True, None, None)
    assert wrap_json_schema({"type": "null"}).parse(None) is None


def test_a_wrapped_schema_has_the_name_of_its_title() -> None:
    assert wrap_json_schema(USER).name == "User"
    assert wrap_json_schema({"type": "object"}).name == "JSONSchema"
    assert wrap_json_schema(USER).array().name == "list[User]"
    assert wrap_json_schema(USER).schema is USER


def test_an_array_of_a_schema_tells_the_item() -> None:
    users = wrap_json_schema(USER).array()
    assert users.tag == "jsonschema"
    assert users.parse([{"name": "Ada"}, {"name": "Bob"}]) == [{"name": "Ada"}, {"name": "Bob"}]
    assert users.parse([]) == []
    with pytest.raises(JSONSchemaError) as caught:
        users.parse([{"name": "Ada"}, {"name": "Bob", "age": -1}, 5])
    assert str(caught.value) == ("$[1].age: expected at least 0 (minimum)\n$[2]: expected object, got integer (type)")
    assert str(users.safe_parse({"name": "Ada"})[2]) == "$: expected array, got object (type)"
    assert len(users.safe_parse([5] * 1000)[2].errors) == 100  # type: ignore[union-attr]


def test_a_unified_schema_is_made_of_two_functions() -> None:
    schema = UnifiedSchema("even", int, lambda data: (True, int(data), None))
    assert (schema.tag, schema.parse("2"), schema.safe_parse("4")) == ("even", 2, (True, 4, None))


@pytest.mark.parametrize(
    "value",
    [
        {"type": "object"},
        {"type": "objekt"},
        {"$ref": "#/$defs/a", "$defs": {"a": {}}},
        {"properties": {"type": {"type": "string"}}},
        {"enum": [1, 2]},
        {"const": None},
        {"anyOf": [{"type": "string"}, True]},
        {"items": {}},
        {"items": [{}, {}]},
        {"minimum": 0},
        {"not": {}},
    ],
)
def test_what_looks_like_a_json_schema(value: Any) -> None:
    assert is_json_schema(value)


@pytest.mark.parametrize(
    "value",
    [
        None,
        5,
        "object",
        [],
        {},
        {"name": str},
        {"type": str, "items": list},
        {"const": int},
        {"title": "A"},
        int,
        USER.keys(),
    ],
)
def test_what_does_not_look_like_a_json_schema(value: Any) -> None:
    assert not is_json_schema(value)


@pytest.mark.parametrize("schema", [None, 5, "{}", [], (), {1, 2}, {"enum": [{1}]}, {"minimum": float("nan")}])
def test_what_is_no_schema_is_refused(schema: Any) -> None:
    with pytest.raises(UnusableJSONSchema):
        wrap_json_schema(schema)


def test_true_and_false_are_schemas() -> None:
    assert validate_json_schema(True, 5) == (True, 5, None)
    assert str(validate_json_schema(False, 5)[2]) == "$: must not be there (not)"


def test_a_schema_nested_too_deeply_or_in_itself_is_refused() -> None:
    deep: dict[str, Any] = {}
    for _ in range(100_000):
        deep = {"items": deep}
    within: dict[str, Any] = {}
    within["items"] = within
    for schema in (deep, within):
        with pytest.raises(UnusableJSONSchema):
            wrap_json_schema(schema)


def test_the_short_names() -> None:
    assert JSONSchema.validate(USER, {"name": "Ada"})[0]
    assert JSONSchema.wrap(USER).parse({"name": "Ada"}) == {"name": "Ada"}
    assert JSONSchema.is_schema(USER)
    adapter = JSONSchema.create_simple_adapter()
    JSONSchema.register(adapter)
    assert JSONSchema.has_adapter()
    assert JSONSchema.get_adapter() is adapter
    JSONSchema.unregister()
    assert not JSONSchema.has_adapter()


def test_the_simple_adapter_is_an_adapter() -> None:
    adapter = create_simple_json_schema_adapter()
    assert isinstance(adapter, JSONSchemaAdapter)
    assert adapter.validate(USER, {"name": "Ada"}) == JSONSchemaValidationSuccess(data={"name": "Ada"})
    failure = adapter.validate(USER, {"name": "Ada", "age": "36"})
    assert isinstance(failure, JSONSchemaValidationFailure)
    assert failure.errors is not None
    assert not failure.valid
    assert failure.errors == [
        JSONSchemaValidationError("$.age", "expected integer, got string", "type", {"type": "integer"})
    ]
    assert adapter.format_errors(failure.errors) == "$.age: expected integer, got string (type)"
    assert adapter.format_errors(failure.errors * 30).endswith("\nand 10 more")
