"""The examples of the documentation, as they stand there."""

from __future__ import annotations

from l0_text import Compare, Format, Text


def test_context():
    context = Format.context("User manual content here", label="documentation", delimiter="xml")
    assert context == "<documentation>\nUser manual content here\n</documentation>"

    contexts = Format.contexts([{"content": "Doc 1", "label": "doc1"}, {"content": "Doc 2", "label": "doc2"}])
    assert contexts == "<doc1>\nDoc 1\n</doc1>\n\n<doc2>\nDoc 2\n</doc2>"

    document = Format.document("The figures.", {"title": "Report", "author": "User"})
    assert document == "<report>\nTitle: Report\nAuthor: User\n\nThe figures.\n</report>"

    instructions = Format.instructions("You are a helpful assistant")
    assert instructions == "<instructions>\nYou are a helpful assistant\n</instructions>"


def test_memory():
    memory = [
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Hi there!"},
        {"role": "user", "content": "How are you?"},
    ]
    formatted = Format.memory(memory, {"style": "conversational", "max_entries": 10})
    assert formatted == "User: Hello\nAssistant: Hi there!\nUser: How are you?"

    entry = Format.memory_entry("user", "New message")
    assert (entry.role, entry.content) == ("user", "New message")
    assert entry.timestamp is not None

    assert [entry.content for entry in Format.filter_memory(memory, "user")] == ["Hello", "How are you?"]
    assert [entry.content for entry in Format.last_n_entries(memory, 2)] == ["Hi there!", "How are you?"]
    assert Format.memory_size(memory) == 26
    assert [entry.content for entry in Format.truncate_memory(memory, max_size=21)] == ["Hi there!", "How are you?"]


def test_output():
    assert "JSON only" in Format.json_output({"strict": True, "schema": "..."})
    assert "YAML only" in Format.structured_output("yaml", {"strict": True})
    assert Format.output_constraints({"max_length": 500, "format": "bullet_points"}) == (
        "Constraints:\n- Format: bullet points\n- Maximum length: 500 characters"
    )
    assert Format.clean_output("Sure! Here's the JSON: {...}") == "{...}"
    assert Format.extract_json('It is {"a": [1]}, I think.') == '{"a": [1]}'
    is_valid, error = Format.validate_json('{"a": 1')
    assert not is_valid
    assert error is not None
    assert "line 1 column 8" in error


def test_tools():
    tool = Format.create_tool(
        "search",
        "Search the web for information",
        [
            Format.parameter("query", "string", "Search query", required=True),
            Format.parameter("limit", "integer", "Max results", default=10),
        ],
    )
    formatted = Format.tool(tool, {"style": "json-schema"})
    assert formatted == {
        "name": "search",
        "description": "Search the web for information",
        "parameters": {
            "type": "object",
            "properties": {
                "query": {"type": "string", "description": "Search query"},
                "limit": {"type": "integer", "description": "Max results", "default": 10},
            },
            "required": ["query"],
        },
    }
    assert Format.tools([tool, tool]) == [formatted, formatted]

    call = Format.parse_function_call('I will look it up: search({"query": "tides", "limit": 3})')
    assert call
    assert (call.name, call.arguments) == ("search", {"query": "tides", "limit": 3})


def test_strings():
    assert Format.trim("  hello  ") == "hello"
    assert Format.truncate("Hello World", 8) == "Hello..."
    assert Format.truncate_words("Hello World", 8) == "Hello..."
    assert Format.wrap("Long text...", 80) == "Long text..."
    assert Format.pad("hello", 10, align="center") == "  hello   "
    assert Format.escape("Hello\nWorld") == "Hello\\nWorld"
    assert Format.unescape("Hello\\nWorld") == "Hello\nWorld"
    assert Format.escape_html("<div>") == "&lt;div&gt;"
    assert Format.unescape_html("&lt;div&gt;") == "<div>"
    assert Format.escape_regex("foo.*bar") == "foo\\.\\*bar"
    assert Format.sanitize("text\x00here") == "texthere"
    assert Format.remove_ansi("\x1b[31mred\x1b[0m") == "red"


def test_the_classes_serve_as_objects_too():
    assert Format().trim(" a ") == "a"
    assert Text().indent("a") == "  a"
    assert Compare().levenshtein("a", "a") == 1.0
