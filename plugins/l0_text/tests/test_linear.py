"""What is four times as long takes about four times as long, whatever it is: what is quadratic takes sixteen."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from itertools import cycle, islice

import pytest
from l0_testing import growth
from l0_text import calls, comparison, context, memory, normalize, output, similarity, strings

SIZE = int(os.environ.get("L0_TEST_LINEAR_SIZE", "50000"))
"""Characters of a text. At 200,000, which is the full size, it takes a minute."""

MOST = 8.0
"""Between linear, which is 4, and quadratic, which is 16."""

UNORDERED = comparison.ObjectComparisonOptions(ignore_array_order=True, ignore_extra_fields=True)

PATTERNS = {
    "spaces": " ",
    "spaces and a letter": " " * 1000 + "x",
    "tabs": "\t",
    "line breaks": "\n",
    "carriage returns": "\r",
    "blank lines": " \n",
    "letters": "a",
    "words": "word ",
    "rules": "=",
    "rules in lines": "===x\n",
    "hyphens": "-",
    "ticks": "`",
    "fences": "```\n",
    "backslashes": "\\",
    "line and backslashes": "\n" + "\\" * 50,
    "hashes": "\n#",
    "brackets": "[",
    "bracket lines": "[\n",
    "braces": "{",
    "nested": '{"a":[',
    "closed": "[]",
    "numbers": "1",
    "numbers in arrays": "[1,",
    "quotes": '"',
    "open strings": '["a',
    "escaped quotes": '["\\"',
    "objects": '{"a":1} ',
    "commas": ",",
    "ampersands": "&",
    "entities": "&#1",
    "tags": "<a",
    "escapes": "\x1b",
    "operating system commands": "\x1b]0;",
    "8-bit commands": "\x9d0;",
    "parameters": "\x1b[0;",
    "marks": "\u0301",
    "letters with marks": "a" + "\u0301" * 300,
    "joiners": "\u200d",
    "flags": "\U0001f1e6",
    "jamo": "\u1100",
    "emoji": "👩‍👩‍👧",
    "ideographs": "漢",
    "calls": "f(",
    "empty calls": "f() ",
    "empty calls in lines": "f()\n",
    "names": "f.a-",
    "calls with strings": 'f(a="',
    "calls with other strings": "f(a='\\",
    "calls with arrays": 'f(a=["f(b=[1","',
    "calls with pairs": "f(a=1,b=2,",
    "calls and spaces": "f(" + " " * 100,
    "calls with objects": 'f({"a":[',
    "agreements": "Sure! ",
    "announcements": "Here is ",
    "escaped units": "\\ud83d",
}

FUNCTIONS: dict[str, Callable[[str], object]] = {
    **{
        f"escape_delimiters {delimiter}": lambda text, delimiter=delimiter: context.unescape_delimiters(
            context.escape_delimiters(text, delimiter), delimiter
        )
        for delimiter in ("xml", "markdown", "brackets")
    },
    "format_context": context.format_context,
    "label": lambda text: context.format_context("x", label=text),
    "custom delimiters": lambda text: context.format_context(
        text, custom_delimiter_start="<<", custom_delimiter_end=text[:1] * 3 if text[:1] not in "\\\n" else "<<"
    ),
    "format_memory": lambda text: memory.format_memory([memory.MemoryEntry("user", text)]),
    "extract_json_from_output": output.extract_json_from_output,
    "validate_json_output": output.validate_json_output,
    "clean_output": output.clean_output,
    "parse_function_call": calls.parse_function_call,
    "truncate": lambda text: strings.truncate(text, len(text) - 1),
    "truncate_words": lambda text: strings.truncate_words(text, len(text) - 1),
    "wrap narrow": lambda text: strings.wrap(text, 7),
    "wrap wide": lambda text: strings.wrap(text, 500),
    "escape": lambda text: strings.unescape(strings.escape(text)),
    "unescape": strings.unescape,
    "escape_html": lambda text: strings.unescape_html(strings.escape_html(text)),
    "unescape_html": strings.unescape_html,
    "sanitize": strings.sanitize,
    "remove_ansi": strings.remove_ansi,
    "normalize_for_model": normalize.normalize_for_model,
    "normalize_whitespace": lambda text: normalize.normalize_whitespace(
        text, collapse_spaces=True, trim_lines=True, remove_empty_lines=True
    ),
    "normalize_indentation": lambda text: normalize.normalize_indentation(text, "tabs", 4),
    "dedent": normalize.dedent,
    "indent": normalize.indent,
    "replace_line": lambda text: normalize.replace_line(text, 1, "a"),
    "levenshtein_distance in one place": lambda text: similarity.levenshtein_distance(
        f"{text}a{text}", f"{text}b{text}"
    ),
    "jaro_winkler_similarity": lambda text: similarity.jaro_winkler_similarity(text, text[1:] + "x"),
    "cosine_similarity": lambda text: similarity.cosine_similarity(text, text[1:] + "x"),
}


def repeated(pattern: str, size: int) -> str:
    return "".join(islice(cycle(pattern), size))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_time_grows_with_the_length_of_a_text(name):
    grown = {
        pattern: growth(FUNCTIONS[name], repeated(text, SIZE // 4), repeated(text, SIZE), MOST)
        for pattern, text in PATTERNS.items()
    }
    assert {pattern: round(times, 1) for pattern, times in grown.items() if times > MOST} == {}


ARRAYS: dict[str, Callable[[int], tuple[list[object], list[object]]]] = {
    "equal": lambda n: ([1] * n, [1] * n),
    "reversed": lambda n: (list(range(n)), list(range(n))[::-1]),
    "all different": lambda n: (list(range(n)), [i + 0.5 for i in range(n)]),
    "objects": lambda n: ([{"a": i} for i in range(n)], [{"a": i + 0.5, "b": [i]} for i in range(n)][::-1]),
    "nothing in common": lambda n: ([[i] for i in range(n)], [str(i) for i in range(n)]),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_time_grows_with_the_length_of_an_array(name):
    small, large = ARRAYS[name](2000), ARRAYS[name](8000)
    assert len(json.dumps(large)) < 600_000
    for options in (None, UNORDERED):
        times = growth(lambda arrays, options=options: comparison.compare_values(*arrays, options), small, large, MOST)
        assert times <= MOST
    assert growth(lambda arrays: comparison.deep_equal(*arrays), small, large, MOST) <= MOST
