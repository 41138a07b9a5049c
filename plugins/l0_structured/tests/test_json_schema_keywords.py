"""The keywords that the simple adapter knows, and what is said about what does not meet them."""

from __future__ import annotations

from typing import Any

import pytest
from l0_structured.json_schema import (
    JSONSchemaValidationError,
    JSONSchemaValidationFailure,
    SimpleJSONSchemaAdapter,
    UnusableJSONSchema,
)

VALUES: list[Any] = [None, True, False, 0, 1, 1.0, 1.5, -2, "", "a", "abc", [], [1], [1, 1.0], {}, {"a": 1}]


def errors(schema: Any, value: Any) -> list[JSONSchemaValidationError]:
    result = SimpleJSONSchemaAdapter().validate(schema, value)
    if isinstance(result, JSONSchemaValidationFailure):
        return result.errors or []
    assert result.data is value
    return []


def told(schema: Any, value: Any) -> str:
    return "; ".join(f"{error.path}: {error.message}" for error in errors(schema, value))


def matching(schema: Any) -> list[str]:
    return [repr(value) for value in VALUES if not errors(schema, value)]


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "null"}, [None]),
        ({"type": "boolean"}, [True, False]),
        ({"type": "integer"}, [0, 1, 1.0, -2]),
        ({"type": "number"}, [0, 1, 1.0, 1.5, -2]),
        ({"type": "string"}, ["", "a", "abc"]),
        ({"type": "array"}, [[], [1], [1, 1.0]]),
        ({"type": "object"}, [{}, {"a": 1}]),
        ({"type": ["string", "null"]}, [None, "", "a", "abc"]),
        ({"enum": [1, "a", None]}, [None, 1, 1.0, "a"]),
        ({"enum": [True, 0, []]}, [True, 0, []]),
        ({"const": 1.0}, [1, 1.0]),
        ({"const": False}, [False]),
        ({"const": {"a": True}}, []),
        ({"const": {"a": 1.0}}, [{"a": 1}]),
        ({"const": [1]}, [[1]]),
    ],
)
def test_types_and_equality_are_those_of_json(schema: Any, expected: list[Any]) -> None:
    assert matching(schema) == [repr(value) for value in expected]


@pytest.mark.parametrize(
    ("schema", "refused"),
    [
        ({"minLength": 1}, [""]),
        ({"maxLength": 1}, ["abc"]),
        ({"pattern": "b"}, ["", "a"]),
        ({"minimum": 1}, [0, -2]),
        ({"maximum": 1}, [1.5]),
        ({"exclusiveMinimum": 1}, [0, 1, 1.0, -2]),
        ({"exclusiveMaximum": 0}, [0, 1, 1.0, 1.5]),
        ({"multipleOf": 2}, [1, 1.0, 1.5]),
        ({"minItems": 1}, [[]]),
        ({"maxItems": 1}, [[1, 1.0]]),
        ({"uniqueItems": True}, [[1, 1.0]]),
        ({"uniqueItems": False}, []),
        ({"items": {"type": "string"}}, [[1], [1, 1.0]]),
        ({"items": False}, [[1], [1, 1.0]]),
        ({"minProperties": 1}, [{}]),
        ({"maxProperties": 0}, [{"a": 1}]),
        ({"required": ["a"]}, [{}]),
        ({"properties": {"a": {"type": "string"}}}, [{"a": 1}]),
        ({"additionalProperties": False}, [{"a": 1}]),
        ({"additionalProperties": {"minimum": 2}}, [{"a": 1}]),
    ],
)
def test_a_keyword_concerns_only_values_of_its_type(schema: Any, refused: list[Any]) -> None:
    assert matching(schema) == [repr(value) for value in VALUES if repr(value) not in set(map(repr, refused))]


@pytest.mark.parametrize(
    ("schema", "value", "expected"),
    [
        ({"type": ["string", "null"]}, 1.5, "$: expected string or null, got number"),
        ({"enum": ["a", True]}, "secret", '$: expected one of ["a", true]'),
        ({"const": "a"}, "secret", '$: expected "a"'),
        ({"required": ["a", "b", "c"]}, {"b": 1}, '$: missing "a", "c"'),
        ({"minLength": 8}, "secret", "$: expected at least 8 characters, got 6"),
        ({"maxLength": 1}, "secret", "$: expected at most 1 character, got 6"),
        ({"pattern": "^a"}, "secret", '$: expected a match of the pattern "^a"'),
        ({"minimum": 0.5}, -123, "$: expected at least 0.5"),
        ({"maximum": 10}, 123, "$: expected at most 10"),
        ({"exclusiveMinimum": 0}, 0, "$: expected more than 0"),
        ({"exclusiveMaximum": 0}, 0, "$: expected less than 0"),
        ({"multipleOf": 5}, 123, "$: expected a multiple of 5"),
        ({"minItems": 1}, [], "$: expected at least 1 item, got 0"),
        ({"maxItems": 100_000}, [None] * 100_001, "$: expected at most 100000 items, got 100001"),
        ({"uniqueItems": True}, ["secret", "secret"], "$: expected items that all differ"),
        ({"minProperties": 1}, {}, "$: expected at least 1 property, got 0"),
        ({"maxProperties": 0}, {"a": 1}, "$: expected at most 0 properties, got 1"),
        ({"properties": {"a": {}}, "additionalProperties": False}, {"a": 1, "b": 2}, '$: unexpected "b"'),
        ({"properties": {"a": False}}, {"a": "secret"}, "$.a: must not be there"),
        ({"items": False}, ["secret"], "$: expected fewer items, got 1"),
    ],
)
def test_a_message_says_what_is_expected_and_nothing_of_the_content(schema: Any, value: Any, expected: str) -> None:
    assert told(schema, value) == expected
    (error,) = errors(schema, value)
    assert error.keyword is not None
    assert error.params is not None
    assert "secret" not in f"{error.message} {error.params}"


def test_a_path_names_the_place() -> None:
    schema = {"properties": {"items": {"items": {"properties": {"age": {"type": "integer"}}}}}}
    assert told(schema, {"items": [{"age": 1}, {"age": "x"}]}) == "$.items[1].age: expected integer, got string"
    odd = {"additionalProperties": {"additionalProperties": False}}
    assert told(odd, {'a "b"': {"\u001b[31m": 1}}) == '$["a \\"b\\""]: unexpected "\\u001b[31m"'
    assert told(odd, {"é": {"x" * 1000: 1}}) == f'$["é"]: unexpected "{"x" * 60}…"'


def test_long_lists_of_names_and_of_values_are_cut() -> None:
    assert told({"additionalProperties": False}, dict.fromkeys("abcdefghijkl")).endswith('"j" and 2 more')
    assert len(told({"enum": ["x" * 1000]}, 1)) < 250


def test_there_are_at_most_a_hundred_errors() -> None:
    assert len(errors({"items": {"type": "string"}}, [1] * 100_000)) == 100


@pytest.mark.parametrize(
    ("value", "of", "expected"),
    [
        (19.99, 0.01, True),
        (0.3, 0.1, True),
        (0.35, 0.1, False),
        (10**400, 0.5, True),
        (10**400 + 1, 2, False),
        (0, 7, True),
    ],
)
def test_multiples_are_those_of_the_numbers_as_they_are_written(value: float, of: float, expected: bool) -> None:
    assert (not errors({"multipleOf": of}, value)) is expected


def test_items_differ_as_json_values_do() -> None:
    unique = {"uniqueItems": True}
    assert not errors(unique, [True, 1, "1", None, False, 0, [], {}, "", [True], [1], ["boolean", True], {"a": 1}])
    assert errors(unique, [{"a": 1, "b": [2]}, {"b": [2.0], "a": 1}])
    assert not errors(unique, [{"n": number} for number in range(20_000)])


@pytest.mark.parametrize("value", [(), float("nan"), float("inf"), object(), b"a", {1: 2}, {"a": [1, {2}]}])
def test_what_is_not_json_matches_nothing(value: Any) -> None:
    assert "not a JSON value" in told({}, value)
    assert "not a JSON value" in told({"type": "object"}, value)


def test_an_integer_that_python_does_not_write_matches_nothing() -> None:
    assert told({"minimum": 0}, 10**4300 - 1) == ""
    assert told({"items": {"minimum": 0}}, [10**4300]) == "$[0]: an integer of more than 4300 digits"


def test_a_value_that_is_nested_too_deeply_matches_nothing() -> None:
    value: Any = []
    for _ in range(150):
        value = [value]
    assert not errors({"const": value}, value)
    for _ in range(49):
        value = [value]
    assert not errors({}, value)
    assert errors({}, [value])
    for _ in range(100_000):
        value = [value]
    assert told({}, value) == "$: nested deeper than 200 objects and arrays"


@pytest.mark.parametrize(
    ("keyword", "expected"),
    [
        ("type", "strin"),
        ("type", []),
        ("type", ["string", 5]),
        ("enum", "a"),
        ("required", "name"),
        ("required", ["a", "a"]),
        ("properties", []),
        ("properties", {"a": 5}),
        ("additionalProperties", 5),
        ("items", "string"),
        ("minLength", "3"),
        ("maxLength", -1),
        ("minItems", 1.5),
        ("minimum", "0"),
        ("maximum", True),
        ("multipleOf", 0),
        ("uniqueItems", 1),
        ("pattern", "["),
        ("pattern", 5),
    ],
)
def test_a_malformed_schema_is_refused_before_any_value_comes(keyword: str, expected: Any) -> None:
    with pytest.raises(UnusableJSONSchema) as caught:
        SimpleJSONSchemaAdapter().compile({"items": {"properties": {"b/c": {keyword: expected}}}})
    assert caught.value.place.startswith("#/items/properties/b~1c")


@pytest.mark.parametrize(
    "keyword",
    [
        "$ref",
        "$defs",
        "oneOf",
        "anyOf",
        "allOf",
        "not",
        "if",
        "format",
        "patternProperties",
        "prefixItems",
        "x-mine",
        "nullable",
    ],
)
def test_an_unknown_keyword_is_refused_wherever_it_is(keyword: str) -> None:
    for schema in (
        {keyword: {}},
        {"properties": {"a": {keyword: {}}}},
        {"items": {keyword: {}}},
        {"additionalProperties": {keyword: {}}},
    ):
        with pytest.raises(UnusableJSONSchema, match="l0-structured") as caught:
            SimpleJSONSchemaAdapter().compile(schema)
        assert caught.value.keyword == keyword


def test_a_property_may_have_the_name_of_a_keyword() -> None:
    schema = {"properties": {"$ref": {"type": "string"}, "oneOf": {"enum": [1]}}, "required": ["format"]}
    assert told(schema, {"$ref": 1, "oneOf": 2, "format": 3}) == (
        '$["$ref"]: expected string, got integer; $.oneOf: expected one of [1]'
    )


def test_remarks_fail_no_value() -> None:
    remarks = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:a",
        "title": "A",
        "description": "b",
        "default": 1,
        "examples": [1],
        "$comment": "c",
        "deprecated": True,
        "readOnly": True,
        "writeOnly": True,
    }
    assert not errors(remarks, "x")


@pytest.mark.parametrize("dialect", ["http://json-schema.org/draft-04/schema#", "urn:mine", 5])
def test_a_dialect_in_which_the_keywords_mean_something_else_is_refused(dialect: Any) -> None:
    with pytest.raises(UnusableJSONSchema) as caught:
        SimpleJSONSchemaAdapter().compile({"$schema": dialect, "type": "integer"})
    assert caught.value.keyword == "$schema"
