"""All of JSON Schema by the library jsonschema: what it agrees with, what it refuses, what it never does."""

from __future__ import annotations

import random
import socket
from typing import Any

import pytest
from l0_structured.json_schema import (
    FullJSONSchemaAdapter,
    JSONSchemaValidationFailure,
    SimpleJSONSchemaAdapter,
    UnusableJSONSchema,
)
from l0_testing import growth

jsonschema = pytest.importorskip("jsonschema")

DRAFT_7 = "http://json-schema.org/draft-07/schema#"
NODE = {
    "$defs": {
        "node": {
            "type": "object",
            "properties": {
                "value": {"type": "integer"},
                "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]},
            },
            "required": ["value"],
        }
    },
    "$ref": "#/$defs/node",
}


def told(schema: Any, value: Any) -> str:
    result = FullJSONSchemaAdapter().validate(schema, value)
    if isinstance(result, JSONSchemaValidationFailure):
        return "; ".join(f"{error.path}: {error.message}" for error in result.errors or [])
    assert result.data is value
    return ""


def refused(schema: Any) -> UnusableJSONSchema:
    with pytest.raises(UnusableJSONSchema) as caught:
        FullJSONSchemaAdapter().compile(schema)
    return caught.value


# Schemas of the keywords that need no library, and values that nearly match.

NAMES = ["a", "b", "c d"]
SCALARS: list[Any] = [None, True, False, 0, 1, 1.0, 2.5, -3, 10**20, "", "a", "ab", "xyz 1"]


def a_schema(rng: random.Random, depth: int) -> Any:
    if rng.random() < 0.05:
        return rng.choice([True, False])
    keywords = {
        "type": lambda: rng.choice(
            ["null", "boolean", "integer", "number", "string", "array", "object", ["string", "array"]]
        ),
        "enum": lambda: [a_value(rng, 1) for _ in range(rng.randint(0, 3))],
        "const": lambda: a_value(rng, 1),
        "required": lambda: rng.sample(NAMES, rng.randint(0, 2)),
        "minLength": lambda: rng.randint(0, 2),
        "maxLength": lambda: rng.choice([1, 2.0]),
        "pattern": lambda: rng.choice(["a", "^a*$", r"\d", "^[a-z]+( [0-9])?$", "b|^$"]),
        "minimum": lambda: rng.choice([0, 1.5]),
        "maximum": lambda: rng.choice([1, 2]),
        "exclusiveMinimum": lambda: rng.choice([0, 1]),
        "exclusiveMaximum": lambda: rng.choice([1.0, 3]),
        "multipleOf": lambda: rng.choice([1, 2, 0.5]),
        "minItems": lambda: 1,
        "maxItems": lambda: rng.randint(0, 2),
        "uniqueItems": lambda: rng.choice([True, False]),
        "minProperties": lambda: 1,
        "maxProperties": lambda: rng.randint(0, 2),
        "title": lambda: "A",
    }
    if depth:
        keywords["properties"] = lambda: {
            name: a_schema(rng, depth - 1) for name in rng.sample(NAMES, rng.randint(0, 3))
        }
        keywords["items"] = lambda: a_schema(rng, depth - 1)
        keywords["additionalProperties"] = lambda: a_schema(rng, depth - 1)
    chosen = rng.sample(sorted(keywords), rng.randint(0, 3)) + (["properties", "items"] if depth else [])
    return {name: keywords[name]() for name in dict.fromkeys(chosen)}


def a_value(rng: random.Random, depth: int) -> Any:
    kind = rng.random()
    if depth and kind < 0.4:
        return {name: a_value(rng, depth - 1) for name in rng.sample(NAMES, rng.randint(0, 3))}
    if depth and kind < 0.7:
        return [a_value(rng, depth - 1) for _ in range(rng.randint(0, 3))]
    return rng.choice(SCALARS)


def found(adapter: Any, schema: Any, value: Any) -> set[tuple[str, str | None, str]]:
    result = adapter.validate(schema, value)
    return {(one.path, one.keyword, one.message) for one in getattr(result, "errors", None) or []}


def test_the_simple_adapter_and_the_library_agree() -> None:
    rng = random.Random(5)
    simple, full = SimpleJSONSchemaAdapter(), FullJSONSchemaAdapter()
    matched = 0
    for _ in range(400):
        schema = a_schema(rng, 2)
        validator = jsonschema.Draft202012Validator(schema)
        for _ in range(10):
            value = a_value(rng, 3)
            errors = found(simple, schema, value)
            assert (not errors) is validator.is_valid(value), (schema, value)
            assert errors == found(full, schema, value), (schema, value)
            matched += not errors
    assert 800 < matched < 3200


def test_the_simple_adapter_and_the_library_refuse_the_same_malformed_schemas() -> None:
    rng = random.Random(6)
    odd: list[Any] = [
        None,
        True,
        -1,
        0,
        1,
        1.0,
        1.5,
        "a",
        "[",
        "string",
        [],
        [1],
        ["a"],
        ["a", "a"],
        {},
        {"a": 5},
        {"a": {}},
    ]
    keywords = [name for name in a_schema_keywords() if name != "title"]
    simple, full = SimpleJSONSchemaAdapter(), FullJSONSchemaAdapter()
    for _ in range(2000):
        keyword, expected = rng.choice(keywords), rng.choice(odd)
        if (keyword == "items" and isinstance(expected, list)) or (
            keyword in NESTED and isinstance(expected, dict) and expected
        ):
            continue  # Nothing is malformed there, but the simple adapter does not know it.
        schema = {"properties": {"p": {keyword: expected}}}
        answers = []
        for adapter in (simple, full):
            try:
                adapter.compile(schema)
                answers.append("taken")
            except UnusableJSONSchema:
                answers.append("refused")
        assert len(set(answers)) == 1, (schema, answers)


NESTED = ("items", "additionalProperties")


def a_schema_keywords() -> list[str]:
    rng = random.Random(0)
    return sorted({name for _ in range(300) if isinstance(made := a_schema(rng, 1), dict) for name in made})


def test_references_within_the_schema_are_followed() -> None:
    assert not told(NODE, {"value": 1, "next": {"value": 2, "next": None}})
    assert told(NODE, {"value": 1, "next": {"value": "x"}}) == "$.next.value: expected integer, got string"
    anchored = {"items": {"$ref": "#age"}, "$defs": {"a": {"$anchor": "age", "minimum": 0}}}
    assert told(anchored, [1, -1]) == "$[1]: expected at least 0"
    named = {"$id": "https://example.com/a", "items": {"$ref": "b"}, "$defs": {"b": {"$id": "b", "type": "null"}}}
    assert told(named, [1]) == "$[0]: expected null, got integer"


@pytest.mark.parametrize(
    "reference", ["https://example.com/schema.json", "file:///etc/hostname", "#/$defs/none", "#none", "other.json"]
)
def test_nothing_is_fetched(reference: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*args: Any, **kwargs: Any) -> Any:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", forbidden)
    monkeypatch.setattr(socket, "getaddrinfo", forbidden)
    for schema in ({"$ref": reference}, {"properties": {"a": {"anyOf": [{"$ref": reference}]}}}):
        error = refused(schema)
        assert error.keyword == "$ref"
        assert "Nothing is fetched" in str(error)
    assert refused({"$defs": {"a": {"x": [{"$ref": reference}]}}, "$ref": "#/$defs/a/x/0"}).keyword == "$ref"


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "http://["},
        {"$id": "http://[", "items": {"$ref": "a"}},
        {"$ref": "#/required", "required": ["a"]},
        {"$ref": "#/enum/0/a", "enum": [1]},
        {"$ref": "#/x", "x": {"minimum": "a"}},
        {"$ref": "#/x", "x": {"patternProperties": 5}},
        {"$ref": "#/x", "x": {"pattern": "(?<=a)"}},
    ],
)
def test_a_reference_to_what_is_no_schema_is_refused_before_any_value_comes(schema: Any) -> None:
    assert refused(schema).place.startswith("#")


def test_many_definitions_in_a_row_are_read() -> None:
    row = {f"a{n}": {"properties": {"b": {"$ref": f"#/$defs/a{n + 1}"}}} for n in range(1000)}
    assert told({"$ref": "#/$defs/a0", "$defs": {**row, "a1000": {}}}, {"b": {"b": 1}}) == ""


def test_the_draft_is_that_of_the_schema() -> None:
    items = {"items": [{"type": "string"}]}
    assert told({"$schema": DRAFT_7, **items}, [1]) == "$[0]: expected string, got integer"
    assert "malformed" in str(refused(items))
    assert told({"$schema": DRAFT_7, "$ref": "#/definitions/a", "minimum": 5, "definitions": {"a": {}}}, 1) == ""
    assert told({"$schema": "http://json-schema.org/draft-04/schema#", "type": "integer"}, 1.0) != ""
    draft_4 = {"$schema": "http://json-schema.org/draft-04/schema#", "minimum": 5, "exclusiveMinimum": True}
    assert told(draft_4, 5) == "$: expected more than 5"
    assert refused({"$schema": "https://example.com/mine"}).keyword == "$schema"
    assert refused({"$schema": DRAFT_7, "items": {"$schema": "https://json-schema.org/draft/2020-12/schema"}}).keyword


def test_the_replaced_keywords_hold_where_the_schema_names_its_draft() -> None:
    schema = {"$schema": DRAFT_7, "items": {"$schema": DRAFT_7, "pattern": "^a$", "multipleOf": 0.01}}
    assert told(schema, ["a\n"]) != ""
    assert told(schema, [19.99]) == ""
    assert told({"$schema": DRAFT_7, "pattern": "^a$", "items": {"$ref": "#"}}, ["a\n"]) != ""


def test_formats_are_checked() -> None:
    assert told({"format": "ipv4"}, "1.2.3.4") == ""
    assert told({"format": "ipv4"}, "1.2.3.400") == '$: expected the format "ipv4"'
    assert told({"format": "mine"}, "anything") == ""


def test_a_format_that_nothing_installed_checks_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonschema.Draft202012Validator.FORMAT_CHECKER, "checkers", {})
    error = refused({"properties": {"a": {"format": "date-time", "title": "not seen before"}}})
    assert (error.place, error.keyword) == ("#/properties/a", "format")
    assert "l0-structured[jsonschema]" in str(error)


def test_of_alternatives_the_one_that_was_meant_is_told() -> None:
    kinds = {
        "oneOf": [
            {"properties": {"kind": {"const": "a"}, "n": {"type": "integer"}}, "required": ["kind", "n"]},
            {"properties": {"kind": {"const": "b"}}, "required": ["kind"]},
            {"type": "string"},
        ]
    }
    assert told(kinds, {"kind": "a", "n": "x"}) == "$.n: expected integer, got string"
    assert told(kinds, {"kind": "secret"}) == (
        '$: matches none of the alternatives: $.kind: expected "a"; or $.kind: expected "b"; '
        "or $: expected string, got object"
    )
    assert told({"anyOf": [{"type": "string"}, {"type": ["null", "array"]}]}, 5) == (
        "$: expected array or null or string, got integer"
    )
    assert told({"oneOf": [{"minimum": 1}, {"minimum": 2}]}, 5) == "$: matches more than one of the alternatives"


@pytest.mark.parametrize(
    ("schema", "value", "expected"),
    [
        ({"required": ["a", "b"]}, {}, '$: missing "a", "b"'),
        ({"dependentRequired": {"a": ["b", "c"]}}, {"a": 1}, '$: "a" requires "b", "c"'),
        ({"not": {"type": "string"}}, "secret", "$: matches a schema that it must not match"),
        ({"properties": {"a": False}}, {"a": "secret"}, "$.a: must not be there"),
        ({"contains": {"type": "null"}}, ["secret"], "$: expected an item that matches the schema"),
        ({"contains": {"type": "string"}, "minContains": 2}, ["secret"], "$: expected at least 2 items of a kind"),
        ({"prefixItems": [{}], "items": False}, [1, "secret"], "$: expected fewer items, got 2"),
        ({"unevaluatedProperties": False}, {"a": "secret"}, "$: has properties that the schema does not describe"),
        ({"patternProperties": {"^x-": {"type": "null"}}}, {"x-a": "secret"}, '$["x-a"]: expected null, got string'),
        ({"patternProperties": {"^x-": {}}, "additionalProperties": False}, {"x-a": 1, "y": 2}, '$: unexpected "y"'),
        ({"propertyNames": {"maxLength": 1}}, {"secret": 1}, "$: expected at most 1 character, got 6"),
        ({"if": {"type": "string"}, "then": {"const": "a"}}, "secret", '$: expected "a"'),
        ({"format": "ipv6"}, "secret", '$: expected the format "ipv6"'),
        ({"multipleOf": 0.01}, 19.999, "$: expected a multiple of 0.01"),
        ({"uniqueItems": True}, [1, True, 1.0], "$: expected items that all differ"),
    ],
)
def test_a_message_says_nothing_of_the_content(schema: Any, value: Any, expected: str) -> None:
    assert told(schema, value) == expected


def test_patterns_are_those_of_the_simple_adapter() -> None:
    slug = {"pattern": "^[a-z]+$"}
    assert told(slug, "a") == ""
    assert told(slug, "a\n") != ""
    assert refused({"items": {"pattern": "(?<=a)b"}}).keyword == "pattern"
    assert refused({"patternProperties": {r"(a)\1": {}}}).keyword == "patternProperties"


@pytest.mark.parametrize(
    "schema",
    [
        {"pattern": r"^(\w+\s?)*$"},
        {"propertyNames": {"pattern": r"^(\w+\s?)*$"}},
        {"patternProperties": {r"^(\w+\s?)*$": {}}},
        {"patternProperties": {r"^(\w+\s?)*$": {}}, "additionalProperties": False},
        {"anyOf": [{"pattern": "(a|a)*$"}, {"patternProperties": {"(a|aa)+$": False}}]},
    ],
)
def test_no_text_and_no_name_is_slow(schema: Any) -> None:
    check = FullJSONSchemaAdapter().compile(schema)

    def check_text_and_name(text: str) -> None:
        check(text)
        check({text: 1})

    assert growth(check_text_and_name, "a" * 20_000 + "!", "a" * 80_000 + "!", 8) <= 8


def test_patterns_that_could_be_slow_do_not_go_with_unevaluated_properties() -> None:
    names = {r"^x-": {}, "^[a-z]+$": {}}
    assert told({"patternProperties": names, "unevaluatedProperties": False}, {"x-1": 1, "a": 1}) == ""
    slow = {"allOf": [{"patternProperties": {"^([a-z]+ ?)*$": {}}}], "unevaluatedProperties": False}
    assert refused(slow).keyword == "patternProperties"


def test_many_items_that_differ_take_linear_time() -> None:
    check = FullJSONSchemaAdapter().compile({"uniqueItems": True})

    small, large = ([{"n": number} for number in range(size)] for size in (10_000, 40_000))

    assert check(large).valid
    assert growth(check, small, large, 8) <= 8


def test_what_is_nested_too_deeply_is_an_error_of_the_value() -> None:
    value: dict[str, Any] = {"value": 1}
    for _ in range(30):
        value = {"value": 1, "next": value}
    assert told(NODE, value) == ""
    for _ in range(169):
        value = {"value": 1, "next": value}
    assert "RecursionError" not in told(NODE, value)
    for _ in range(100_000):
        value = {"value": 1, "next": value}
    assert told(NODE, value) == "$: nested deeper than 200 objects and arrays"


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"allOf": [{"$ref": "#"}]},
        {"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"not": {"$ref": "#/$defs/a"}}}, "$ref": "#/$defs/a"},
    ],
)
def test_a_schema_that_refers_to_itself_without_end_is_an_error_of_the_schema(schema: Any) -> None:
    check = FullJSONSchemaAdapter().compile(schema)
    for _ in range(2):
        with pytest.raises(UnusableJSONSchema, match="without end"):
            check({"a": 1})


def test_a_dynamic_reference_to_itself_without_end_is_no_recursion_error() -> None:
    assert "without end" in told({"$dynamicAnchor": "a", "$dynamicRef": "#a"}, 1)


def test_alternatives_that_refer_to_themselves_do_not_take_exponential_time() -> None:
    def kind(name: str) -> dict[str, Any]:
        parts = {part: {"$ref": "#/$defs/any"} for part in ("left", "right")}
        return {"properties": {"kind": {"const": name}, **parts}, "required": ["kind"], "additionalProperties": False}

    schema = {"$defs": {"any": {"anyOf": [kind(name) for name in "abcdefgh"]}}, "$ref": "#/$defs/any"}
    value: dict[str, Any] = {"kind": "h"}
    for _ in range(30):
        value = {"kind": "h", "left": value, "right": {"kind": "a"}}
    assert told(schema, value) == ""
    wrong = {"kind": "h", "left": {"kind": "b", "left": {"kind": "c", "colour": 1}}, "right": value}
    assert told(schema, wrong) == '$.left.left: unexpected "colour"'


def test_what_a_wrapped_item_refers_to_is_found_in_it() -> None:
    from l0_structured.json_schema import wrap_json_schema

    old = {"$schema": DRAFT_7, "$ref": "#/definitions/a", "definitions": {"a": {"type": "string"}}}
    assert wrap_json_schema(old).array().parse(["a"]) == ["a"]
    error = wrap_json_schema(NODE).array().safe_parse([{"value": 1}, {"next": None}])[2]
    assert str(error) == '$[1]: missing "value" (required)'


def test_no_value_makes_it_raise() -> None:
    rng = random.Random(11)
    schema = {
        "properties": {
            "a": {"multipleOf": 0.1, "format": "date-time"},
            "b": {"contains": {"minimum": 1}, "uniqueItems": True, "format": "regex"},
        },
        "patternProperties": {"^c": {"type": ["array", "string"], "format": "hostname"}},
        "dependentRequired": {"a": ["b"]},
        "unevaluatedProperties": {"anyOf": [{"type": "number"}, {"items": {"$ref": "#"}}]},
    }
    check = None
    try:
        check = FullJSONSchemaAdapter().compile(schema)
    except UnusableJSONSchema as error:
        assert error.keyword == "format"  # noqa: PT017
        pytest.skip("the formats are not installed")
    odd = [*SCALARS, float("nan"), float("inf"), 10**5000, "\ud800", (), "(" * 50, "9" * 50]
    for _ in range(2000):
        value: Any = rng.choice(odd)
        for _ in range(rng.randint(0, 3)):
            value = rng.choice([[value], {rng.choice(["a", "b", "c d"]): value}, [value, value]])
        assert check(value).valid in (True, False)
