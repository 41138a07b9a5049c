"""Line breaks, whitespace and indentation."""

from __future__ import annotations

import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st
from l0_text.normalize import (
    NormalizeOptions,
    Text,
    WhitespaceOptions,
    count_lines,
    dedent,
    ensure_trailing_newline,
    get_line,
    indent,
    is_whitespace_only,
    normalize_for_model,
    normalize_indentation,
    normalize_newlines,
    normalize_text,
    normalize_whitespace,
    remove_trailing_whitespace,
    replace_line,
    trim_text,
)

LINES = st.text(st.sampled_from(" \t\r\nab\u00a0"))


def test_line_breaks():
    assert normalize_newlines("a\r\nb\rc\nd") == "a\nb\nc\nd"


def test_collapsing_keeps_indentation():
    assert normalize_whitespace("  a \t b\n\tc   d", collapse_spaces=True) == "  a b\n\tc d"


def test_lines_are_trimmed_and_left_out():
    text = "  a  \r\n \r\n\r\n b\n"
    assert normalize_whitespace(text) == text
    assert normalize_whitespace(text, trim_lines=True) == "a\r\n\r\n\r\nb\n"
    assert normalize_whitespace(text, remove_empty_lines=True) == "  a  \r\n b"
    assert normalize_whitespace(text, WhitespaceOptions(trim_lines=True, remove_empty_lines=True)) == "a\r\nb"
    assert normalize_whitespace(" \n", remove_empty_lines=True) == ""


def test_tabs_reach_to_tab_stops():
    assert normalize_indentation("\ta\n \tb\n   c\n\td\te") == "  a\n  b\n   c\n  d\te"
    assert normalize_indentation("    a\n   b\n\tc", "tabs", 4) == "\ta\n   b\n\tc"
    assert normalize_indentation("   a", "tabs") == "\t a"


def test_what_is_no_indentation_is_refused():
    with pytest.raises(ValueError, match="one of spaces, tabs"):
        normalize_indentation("a", "both")
    with pytest.raises(ValueError, match="1 or more"):
        normalize_indentation("a", "tabs", 0)


@given(LINES)
def test_dedenting_is_that_of_the_standard_library(text):
    text = normalize_newlines(text).replace("\u00a0", "c")
    assert dedent(text) == textwrap.dedent(text)


@given(LINES.map(normalize_newlines), st.integers(1, 4))
def test_what_is_indented_can_be_dedented(text, width):
    assert dedent(indent(dedent(text), width)) == dedent(text)


def test_indenting_leaves_blank_lines_alone():
    assert indent("a\n\nb") == "  a\n\n  b"
    assert indent("a\r\nb", "> ") == "> a\r\n> b"


def test_normalizing_does_what_it_is_told_in_order():
    text = "\r\n    a  b  \r\n\tc\r\n"
    assert normalize_text(text) == "\n    a  b  \n\tc\n"
    assert normalize_text(text, newlines=False) == text
    assert normalize_text("  a  b  \n    c", whitespace=True, dedent_text=True, indentation="tabs") == "a b\n\tc"
    options = NormalizeOptions(whitespace=True, indentation="spaces", spaces_per_tab=4, dedent=True, trim=True)
    assert normalize_text("\n\n\ta  b\n\t\tc\n", options) == "a b\n    c"


def test_for_a_model_the_shape_of_code_stays():
    assert normalize_for_model("  \r\ndef f(x):\r\n    return   x  \r\n") == "def f(x):\n    return x"


@given(LINES)
def test_normalizing_twice_is_normalizing_once(text):
    for function in (normalize_newlines, normalize_for_model, dedent, remove_trailing_whitespace, trim_text):
        assert function(function(text)) == function(text)


def test_ends():
    assert ensure_trailing_newline("a") == ensure_trailing_newline("a\n") == "a\n"
    assert ensure_trailing_newline("a\r\n") == "a\r\n"
    assert remove_trailing_whitespace("a \r\n\t\n b\t") == "a\r\n\n b"
    assert is_whitespace_only(" \n\u00a0")
    assert is_whitespace_only("")
    assert not is_whitespace_only(" a ")


@given(LINES)
def test_there_are_as_many_lines_as_can_be_got_and_replaced(text):
    count = count_lines(text)
    assert [get_line(text, i) for i in (-1, count)] == [None, None]
    for i in range(count):
        line = get_line(text, i)
        assert line is not None
        assert replace_line(text, i, line) == text
        assert get_line(replace_line(text, i, "new"), i) == "new"
        assert count_lines(replace_line(text, i, "new")) == count
    assert replace_line(text, count, "new") == replace_line(text, -1, "new") == text


def test_count_lines():
    assert [count_lines(text) for text in ("", "a", "a\n", "a\r\nb\rc")] == [1, 1, 2, 3]


def test_text_has_the_functions_under_short_names():
    assert Text.normalize(" a ", trim=True) == Text.trim(" a ") == Text.for_model(" a ") == "a"
