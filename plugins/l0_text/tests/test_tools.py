"""Tools as models read them, and calls as models write them."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from l0_text.tools import (
    FunctionCall,
    Tool,
    ToolFormatOptions,
    ToolParameter,
    create_parameter,
    create_tool,
    format_function_arguments,
    format_tool,
    format_tools,
    parse_function_call,
    validate_tool,
)

SEARCH = create_tool(
    "search",
    "Search the web",
    [
        create_parameter("limit", "integer", "Most results", default=10),
        create_parameter("query", "string", "What for", required=True),
        create_parameter("kind", "string", enum=["new", "old"]),
        create_parameter("sites", "array", items={"type": "string"}),
        create_parameter("place", "object", properties={"city": {"type": "string"}}),
    ],
)
EVERYTHING = ToolFormatOptions(include_examples=True)
HOSTILE = st.lists(
    st.sampled_from(("*/", "*", "/", "</description>", '"', "<", "\n", "Parameters:", "  - x (string)", "=" * 50, "a"))
).map("".join)


def test_json_schema():
    formatted = format_tool(SEARCH, EVERYTHING)
    assert list(formatted["parameters"]["properties"].values()) == [
        {"type": "integer", "description": "Most results", "default": 10},
        {"type": "string", "description": "What for"},
        {"type": "string", "enum": ["new", "old"]},
        {"type": "array", "items": {"type": "string"}},
        {"type": "object", "properties": {"city": {"type": "string"}}},
    ]
    assert formatted["parameters"]["examples"] == [{"limit": 10, "query": "text"}]
    bare = format_tool(SEARCH, {"include_description": False, "include_types": False})
    assert set(bare) == {"name", "parameters"}
    assert bare["parameters"]["properties"]["query"] == {}


def test_typescript():
    assert format_tool(SEARCH, ToolFormatOptions("typescript", include_examples=True)) == (
        "/**\n * Search the web\n * @param limit Most results\n * @param query What for\n */\n"
        '// Example: search({"limit": 10, "query": "text"})\n'
        'function search(query: string, limit?: number, kind?: "new" | "old", sites?: string[], '
        'place?: { "city"?: string })'
    )
    assert format_tool(Tool("now"), {"style": "typescript"}) == "function now()"
    untyped = ToolFormatOptions("typescript", include_description=False, include_types=False)
    assert format_tool(SEARCH, untyped) == "function search(query, limit?, kind?, sites?, place?)"


def test_natural():
    assert format_tool(SEARCH, ToolFormatOptions("natural", include_examples=True)) == (
        "Tool: search\nDescription: Search the web\nParameters:\n"
        "  - limit (integer, optional, default 10): Most results\n"
        "  - query (string, required): What for\n"
        '  - kind (string, optional, one of "new", "old")\n'
        "  - sites (array, optional)\n"
        "  - place (object, optional)\n"
        'Example: search({"limit": 10, "query": "text"})'
    )


def test_xml():
    root = ET.fromstring(format_tool(SEARCH, ToolFormatOptions("xml", include_examples=True)))
    assert (root.tag, root.attrib, root.findtext("description")) == ("tool", {"name": "search"}, "Search the web")
    limit, query, kind, *_ = root.iter("parameter")
    assert limit.attrib == {"name": "limit", "type": "integer", "required": "false", "default": "10"}
    assert (query.get("required"), query.text) == ("true", "What for")
    assert json.loads(kind.get("enum")) == ["new", "old"]
    assert root.findtext("example") == 'search({"limit": 10, "query": "text"})'


@given(description=HOSTILE)
def test_no_description_ends_what_it_stands_in(description):
    tool = Tool("t", description, [ToolParameter("p", "string", description, default=description)])
    root = ET.fromstring(format_tool(tool, {"style": "xml"}))
    assert [root.findtext("description") or "", root.find("parameters")[0].text or ""] == [
        description if description.strip() else "",
        description,
    ]
    assert format_tool(tool, {"style": "typescript"}).count("*/") == (1 if description.strip() else 0)
    lines = format_tool(tool, {"style": "natural"}).split("\n")
    described = [line for line in lines if line and not line.startswith("  ")]
    assert described == ["Tool: t", *[line for line in described if line.startswith("Description: ")], "Parameters:"]
    separated = format_tools([tool, tool], {"style": "natural"}).split("\n")
    assert separated.count("=" * 50) == 1


def test_several_tools_are_a_list_or_text_with_rules():
    assert format_tools([SEARCH]) == [format_tool(SEARCH)]
    assert format_tools([]) == []
    assert format_tools([Tool("a"), Tool("b")], {"style": "natural"}) == f"Tool: a\n{'=' * 50}\nTool: b"
    assert format_tools([], {"style": "xml"}) == ""
    with pytest.raises(ValueError, match="one of json-schema, typescript, natural, xml"):
        format_tool(SEARCH, {"style": "yaml"})


def test_a_sound_tool_is_valid():
    assert validate_tool(SEARCH) == []


@pytest.mark.parametrize(
    ("tool", "error"),
    [
        (Tool("a b", "x"), "must be of 1 to 64 letters"),
        (Tool("a\n", "x"), "must be of 1 to 64 letters"),
        (Tool("", "x"), "must be of 1 to 64 letters"),
        (Tool("a", " "), "no description"),
        (Tool("a", "x", [ToolParameter("", "string")]), "has no name"),
        (Tool("a", "x", [ToolParameter("p", "string")] * 2), "there twice"),
        (Tool("a", "x", [ToolParameter("p", "text")]), "has the type 'text'"),
        (Tool("a", "x", [ToolParameter("p", "string", enum=[])]), "empty enum"),
        (Tool("a", "x", [ToolParameter("p", "integer", default=True)]), "is no integer"),
        (Tool("a", "x", [ToolParameter("p", "string", enum=["b"], default="c")]), "not in its enum"),
    ],
)
def test_what_is_wrong_with_a_tool_is_said(tool, error):
    (said,) = validate_tool(tool)
    assert error in said


@pytest.mark.parametrize(
    ("output", "name", "arguments"),
    [
        ('search({"q": "a"})', "search", {"q": "a"}),
        ('I call:\n```\nsearch( {"q": [1, {"a": ")"}]} )\n```', "search", {"q": [1, {"a": ")"}]}),
        (
            'search(q="a, b)", n=3, exact=True, since=null)',
            "search",
            {"q": "a, b)", "n": 3, "exact": True, "since": None},
        ),
        (r"search(q='it\'s', m = fast, x=[1, 2])", "search", {"q": "it's", "m": "fast", "x": [1, 2]}),
        ("get_time()", "get_time", {}),
        ("Let me see.\n  get_time( )\n", "get_time", {}),
        ("files.list-all(n=1.5)", "files.list-all", {"n": 1.5}),
        ('{"name": "search", "arguments": {"q": "f(x=1)"}}', "search", {"q": "f(x=1)"}),
        ('[{"name": "search", "arguments": "{\\"q\\": 1}"}]', "search", {"q": 1}),
        ('Of f(x) and print(), I take search(q="a")', "search", {"q": "a"}),
        ('{"thought": "hm"} search(q="a")', "search", {"q": "a"}),
        ('create({"name": "Bob", "arguments": {}})', "create", {"name": "Bob", "arguments": {}}),
    ],
)
def test_a_call_is_found(output, name, arguments):
    assert parse_function_call(output) == FunctionCall(name, arguments)


@pytest.mark.parametrize(
    "output",
    [
        *("", "no call", "use print() for that", "f(x)", "f(1, 2)", "f(a=1", "f(a=)", 'f({"a": 1)', 'f({"a": 1}, 2)'),
        *('f(a="b)', "f(a=b c)", '{"name": "f"}', '{"name": "f", "arguments": "x"}', "a (b=1)", "f([1])", "f(a=NaN"),
    ],
)
def test_what_is_no_call_is_none(output):
    assert parse_function_call(output) is None


NAMES = st.from_regex(r"[a-z_][a-z0-9_]{0,8}", fullmatch=True)
VALUES = st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.integers() | st.text(), max_size=3)


@given(name=NAMES, arguments=st.dictionaries(NAMES, VALUES, max_size=4))
def test_what_is_written_as_a_call_is_read_as_one(name, arguments):
    call = FunctionCall(name, arguments)
    assert parse_function_call(f"{name}({format_function_arguments(arguments)})") == call
    assert parse_function_call(f"{name}({format_function_arguments(arguments, pretty=True)})") == call
    pairs = ", ".join(f"{key}={json.dumps(value)}" for key, value in arguments.items())
    assert parse_function_call(f"{name}({pairs})") == call


def test_arguments_are_json_or_refused():
    assert format_function_arguments({"a": "é"}) == '{"a": "é"}'
    assert format_function_arguments({"a": 1}, pretty=True) == '{\n  "a": 1\n}'
    with pytest.raises(ValueError):
        format_function_arguments({"a": float("nan")})
    with pytest.raises(TypeError):
        format_function_arguments({"a": object()})
