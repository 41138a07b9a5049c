"""Four times the text takes about four times as long, and 10 ms per kB at most, whatever the text is."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from l0_structured import auto_correct_json, extract_json, extract_json_from_markdown
from l0_testing import growth
from l0_testing.measuring import seconds

Generator = Callable[[int], str]

SECONDS_PER_KB = 0.010

MOST = 8.0
"""Between linear, which is 4, and quadratic, which is 16."""

LONG = 0.004
"""Seconds that a text should take, so that times can be compared."""

ADVERSARIES: dict[str, Generator] = {
    "a fence and blanks": lambda n: "```json" + " " * n,
    "fences": lambda n: "```" * n,
    "fences, each on a line": lambda n: "```json\n" * n,
    "empty blocks": lambda n: "```\n```\n" * n,
    "backticks": lambda n: "`" * n,
    "introductions": lambda n: "Here is " * n,
    "blanks": lambda n: " " * n + "x",
    "blanks in an object": lambda n: '{"a":' + " " * n,
    "lines in an object": lambda n: '{"a": 1' + "\n " * n + "x",
    "braces": lambda n: "{" * n,
    "brackets": lambda n: "[" * n,
    "braces and blanks": lambda n: "{ " * n,
    "braces that are no objects": lambda n: "{x " * n,
    "brackets that are no arrays": lambda n: "[x](y) " * n,
    "numbers in brackets": lambda n: "[1] " * n,
    "pairs of braces": lambda n: "{}" * n,
    "pairs of braces in an array": lambda n: "[" + "{}" * n,
    "half as many closed as opened": lambda n: "[" * 150 + "]}" * n,
    "closing braces": lambda n: "[" + "}," * n,
    "wrong brackets": lambda n: "[" * 199 + "1},{" * n,
    "open, close, open": lambda n: '[{"a": [' + '1}, {"a": [' * n,
    "commas": lambda n: "[" + "," * n,
    "commas and blanks": lambda n: '{"a": 1' + ", " * n,
    "quotes": lambda n: '{"a": ' + '"' * n,
    "quotes and commas": lambda n: '{"a": "' + '", ' * n,
    "quotes and words": lambda n: '{"a": "' + '"b ' * n,
    "quotes and words in an array": lambda n: '["' + '"b, ' * n,
    "quotes and blanks": lambda n: '["a' + '"   b' * n,
    "quotes of every kind": lambda n: '{"a": \'' + "\"'`“”‘’«" * n,
    "keys without quotes at the end": lambda n: '{"a: ' * n,
    "keys in turn without quotes": lambda n: "{" + "\"a: {'b: {" * n,
    "keys without values": lambda n: "{" + '"a", ' * n,
    "keys without commas": lambda n: '{"a": 1 ' + '"a": 1 ' * n,
    "bare keys": lambda n: "{" + "a: b, " * n,
    "bare words": lambda n: "[" + "a b " * n,
    "bare words and commas": lambda n: '{"a": x' + ", y" * n,
    "bare words and quotes": lambda n: '{"a": x' + ' "y' * n,
    "one long word": lambda n: '{"a": ' + "x" * n,
    "one long bare key": lambda n: "{" + "x" * n,
    "backslashes": lambda n: '{"a": "' + "\\" * (2 * n + 1),
    "bad escapes": lambda n: '{"a": "' + "\\d" * n,
    "half escapes": lambda n: '{"a": "' + "\\u12" * n,
    "half pairs": lambda n: '{"a": "' + "\\ud83d" * n,
    "surrogates": lambda n: '{"a": "' + "\ud83dx" * n,
    "control characters": lambda n: '{"a": "' + "\x01" * n,
    "line breaks in a string": lambda n: '{"a": "' + "x\n" * n,
    "line breaks and quotes": lambda n: '{"a": "' + 'x,\n"' * n,
    "blank lines in a string": lambda n: '{"a": "' + "\n " * n,
    "fences in a string": lambda n: '{"a": "' + "\n```" * n,
    "line comments": lambda n: '{"a": 1' + "//\n" * n,
    "comments": lambda n: "[" + "/**/" * n,
    "open comments": lambda n: "{/*" * n,
    "stars": lambda n: "[/*" + "*" * n,
    "digits": lambda n: "[" + "1" * n,
    "a long number and a word": lambda n: "[" + "1" * n + "x",
    "points": lambda n: "[" + "1." * n,
    "underscores": lambda n: "[1" + "_1" * n + "_",
    "ellipses": lambda n: "[" + "..., " * n,
    "values without commas": lambda n: "[" + "1 " * n,
    "colons": lambda n: '["a"' + ":" * n,
    "strings and colons": lambda n: '[1, "a"' + ': "a"' * n,
    "doubled braces": lambda n: "{{" * 100 + '"a": 1' + "}" * n,
    "escaped JSON": lambda n: '{\\"a\\": ' + '\\"b\\", ' * n,
    "zero-width blanks": lambda n: "[" + "\u200b1" * n,
    "one open string": lambda n: '"' + "a b " * n,
    "closing brackets in a string": lambda n: '{"a": "' + "}" * n,
    "many documents": lambda n: '{"a": 1} ' * n,
    "broken lines": lambda n: '{"a": "x", }\n' * n,
}


@pytest.mark.parametrize("name", ADVERSARIES)
def test_time_grows_with_the_length_of_the_text(name: str) -> None:
    make = ADVERSARIES[name]
    for function in (auto_correct_json, extract_json, extract_json_from_markdown):
        size = 2_000
        while size < 60_000 and seconds(lambda: function(make(size)), LONG, 2) < LONG:  # noqa: B023
            size *= 2
        text, longer = make(size), make(4 * size)
        ratio = growth(function, text, longer, MOST)
        assert ratio <= MOST, (function.__name__, size, ratio)
        limit = SECONDS_PER_KB * len(longer) / 1000
        long = seconds(lambda: function(longer), limit)  # noqa: B023
        assert long <= limit, (function.__name__, len(longer), long)
