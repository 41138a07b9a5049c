"""Cutting, wrapping, padding and escaping strings."""

from __future__ import annotations

import html
import json
import re

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from l0_text.strings import (
    escape,
    escape_html,
    escape_regex,
    pad,
    remove_ansi,
    sanitize,
    truncate,
    truncate_words,
    unescape,
    unescape_html,
    wrap,
)

# Each is what a reader takes for one character, and no two of them make one together.
GRAPHEMES = (
    *("a", "Z", "1", " ", "\n", "漢", "あ", "\r\n", "é", "e\u0301", "o\u0302\u0323", "😀", "👍🏽", "❤️", "1️⃣"),
    *("👩‍👩‍👧‍👦", "🏳️‍🌈", "🇩🇪", "🇫🇷", "🏴\U000e0067\U000e0062\U000e007f", "각", "\u1100\u1161\u11a8", "नि", "क्षि", "กำ"),
    *("\ud83d\ude00", "ﾊﾟ"),
)
TEXT = st.lists(st.sampled_from(GRAPHEMES), max_size=30)


def ends(graphemes: list[str]) -> set[int]:
    """Where a grapheme ends."""
    at, found = 0, {0}
    for grapheme in graphemes:
        at += len(grapheme)
        found.add(at)
    return found


@pytest.mark.parametrize("function", [truncate, truncate_words])
@given(graphemes=TEXT, limit=st.integers(0, 40), suffix=st.sampled_from(("...", "…", "", " [cut]")))
@example(graphemes=["🇩🇪", "🇫🇷", "🇩🇪"], limit=5, suffix="")
def test_cutting_keeps_the_limit_and_graphemes_whole(function, graphemes, limit, suffix):
    text = "".join(graphemes)
    made = function(text, limit, suffix)
    assert len(made) <= limit or made == text
    assert len(made) <= limit
    if len(text) <= limit:
        assert made == text
        return
    assert made.endswith(suffix) or len(suffix) > limit
    kept = made.removesuffix(suffix) if len(suffix) <= limit else made
    assert text.startswith(kept)
    assert len(kept) in ends(graphemes)


@given(text=st.text(), limit=st.integers(0, 40))
def test_cutting_keeps_the_limit_of_any_text(text, limit):
    assert len(truncate(text, limit)) <= limit or truncate(text, limit) == text
    assert len(truncate(text, limit)) <= max(limit, 0)
    assert len(truncate_words(text, limit)) <= limit


def test_cutting_gives_as_much_as_fits():
    assert truncate("Hello World", 11) == "Hello World"
    assert truncate("Hello World", 10) == "Hello W..."
    assert truncate("Hello World", 3) == "..."
    assert truncate("Hello World", 2) == "He"
    assert truncate("Hello World", 0) == ""
    assert truncate("漢字かな混じり", 5) == "漢字..."
    assert truncate("a👩‍👩‍👧‍👦b" * 2, 6, "…") == "a…"


def test_words_are_kept_whole_if_the_first_one_fits():
    assert truncate_words("one two three", 10) == "one two..."
    assert truncate_words("one two three", 9) == "one..."
    assert truncate_words("one  two", 7) == "one..."
    assert truncate_words("extraordinary", 8) == "extra..."
    assert truncate_words("  extraordinary", 8) == "  ext..."


def test_a_negative_length_is_refused():
    for function in (truncate, truncate_words):
        with pytest.raises(ValueError, match="max_length is -1"):
            function("a", -1)


def test_wrapping():
    assert wrap("The tide rises and falls", 10) == "The tide\nrises and\nfalls"
    assert wrap("  - an item that goes on\n\nx  y", 12) == "  - an item\nthat goes on\n\nx  y"
    assert wrap("see https://example.org", 10) == "see\nhttps://ex\nample.org"
    assert wrap("漢字かな混じり文", 3) == "漢字か\nな混じ\nり文"
    assert wrap("", 5) == ""
    with pytest.raises(ValueError, match="1 or more"):
        wrap("a", 0)


@given(graphemes=TEXT, width=st.integers(1, 30))
@example(graphemes=["a", "👩‍👩‍👧‍👦"], width=3)
def test_wrapping_keeps_the_width_and_every_character_but_spaces(graphemes, width):
    text = "".join(graphemes)
    made = wrap(text, width)
    assert all(len(line) <= width for line in made.split("\n"))
    assert re.sub("[ \n]", "", made) == re.sub("[ \n]", "", text)
    assert wrap(made, width) == made


@given(graphemes=TEXT, width=st.integers(11, 30))
def test_wrapping_keeps_graphemes_whole_that_fit(graphemes, width):
    assume("\r\n" not in graphemes)
    made = wrap("".join(graphemes), width)
    for grapheme in set(graphemes) - {" ", "\n"}:
        assert made.count(grapheme) == "".join(graphemes).count(grapheme)


def test_padding():
    assert pad("ab", 5) == "ab   "
    assert pad("ab", 5, align="right") == "   ab"
    assert pad("ab", 5, "*", "center") == "*ab**"
    assert pad("abc", 2) == "abc"
    with pytest.raises(ValueError, match="one character"):
        pad("a", 3, "--")
    with pytest.raises(ValueError, match="one of left, right, center"):
        pad("a", 3, align="middle")


ANY = st.text() | st.text(st.sampled_from("\\\"'nrtu0dD8/&#;<>amplt\n\ud83d\ude00"))


@given(ANY)
def test_escaping_can_be_undone(text):
    assert unescape(escape(text)) == text
    assert unescape_html(escape_html(text)) == text


@given(ANY)
def test_what_is_escaped_fits_into_a_json_string(text):
    assert json.loads(f'"{escape(text)}"') == text


@given(ANY)
def test_unescaping_reads_what_json_writes(text):
    # Two halves of a pair that stand apart in Python are one character when they come back from JSON.
    assert unescape(json.dumps(text)[1:-1]) == json.loads(json.dumps(text))


def test_what_is_no_escape_stays():
    assert unescape(r"C:\Users\Nina \x41 \u12 \'it\'") == r"C:\Users\Nina \x41 \u12 'it'"


@given(ANY)
def test_what_is_escaped_for_html_cannot_leave_an_attribute_or_an_element(text):
    assert not set("<>\"'") & set(escape_html(text))
    assert html.unescape(escape_html(text)) == text


def test_entities():
    assert unescape_html("&eacute;&#233;&#xe9;&apos;") == "ééé'"
    assert unescape_html("?a=1&copy=2") == "?a=1&copy=2"
    assert unescape_html(f"&#{'1' * 5000};") == f"&#{'1' * 5000};"


@given(st.text())
def test_an_escaped_expression_matches_itself(text):
    assert re.fullmatch(escape_regex(text), text)


def test_control_characters_go_and_text_stays():
    assert sanitize("a\tb\r\nc\x00\x1b\x7f\x9bd é 👩‍👧 \u200f") == "a\tb\r\ncd é 👩‍👧 \u200f"


@pytest.mark.parametrize(
    "sequence",
    ["\x1b[1;31m", "\x1b[2K", "\x1b[?25l", "\x1b]0;title\x07", "\x1b]8;;http://a\x1b\\", "\x1bc", "\x9b31m", "\x1b(B"],
)
def test_sequences_of_terminals_go(sequence):
    assert remove_ansi(f"a{sequence}b") == "ab"
