"""Strings as models write them: any quotes, quotes within quotes, line breaks, escapes that JSON does not have."""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import NamedTuple

from l0_structured.corrections import Edit
from l0_structured.lookahead import QUOTES, closes_string, is_key_at

__all__ = ["Ending", "String", "escaped", "read_string"]


class Ending(Enum):
    """How a string ends: with a quote, without one where the next item begins, or with the text."""

    CLOSED = auto()
    UNCLOSED = auto()
    CUT = auto()


class String(NamedTuple):
    """Where a string ends, and how. In JSON the offset is that behind the quote."""

    end: int
    ending: Ending


_NO_JSON = "\\\\\x00-\x1f\ud800-\udfff"
_STOPS = {opener: re.compile(f'[{_NO_JSON}"{closers}]') for opener, closers in QUOTES.items()}
_CONTROLS = re.compile(r"[\x00-\x1f][\x00-\x20]*")
_SURROGATES = re.compile("[\ud800-\udfff]+")
_NOT_IN_JSON = re.compile(f'[{_NO_JSON}"]')

_ESCAPE = re.compile(
    r'\\(?:["\\/bfnrt]|u(?![dD][89a-fA-F])[0-9a-fA-F]{4}|u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})'
)
_CUT_ESCAPE = re.compile(r"\\(?:u[0-9a-fA-F]{0,3}|u[dD][89abAB][0-9a-fA-F]{2}(?:\\(?:u[0-9a-fA-F]{0,3})?)?)?\Z")
_HALF_PAIR = re.compile(r"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")
_HEX_ESCAPE = re.compile(r"\\x([0-9a-fA-F]{2})")
_NULL_ESCAPE = re.compile(r"\\0(?![0-9])")
_LINE_ESCAPE = re.compile(r"\\(?:\r\n|[\r\n])")

# No string of JSON begins so: behind an empty one, no word follows.
_TWICE = re.compile(r"([\"'])\1\w[^\"'\n]{0,256}+\1\1(?=\s*+(?:[,:}\]]|\Z))")

_SHORT = {"\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r", " ": " ", '"': '\\"', "\\": "\\\\"}


def escaped(text: str) -> str:
    """`text` as it stands in a JSON string."""
    return _NOT_IN_JSON.sub(lambda found: _escape(found[0]), text)


def _escape(char: str) -> str:
    if "\ud800" <= char <= "\udfff":
        return "\ufffd"
    return _SHORT.get(char) or f"\\u{ord(char):04x}"


def read_string(text: str, at: int, edits: list[Edit], *, key: bool, in_object: bool, depth: int) -> String:
    """Read the string that begins at `at` with any quote, and add the edits that make it JSON.

    A string that is cut gets no closing quote: what has to follow is the caller's to say.
    """
    opening, mark = at, len(edits)
    several = _several_quotes(text, at)
    if text[at] != '"' or several > 1:
        edits.append(Edit("fix_quotes", at, several, '"'))
    stops, closers, several_closers = _STOPS[text[at]], QUOTES[text[at]], text[at] * several
    at += several
    while (stop := stops.search(text, at)) is not None:
        at = stop.start()
        char = text[at]
        if char == "\\":
            if _CUT_ESCAPE.match(text, at):
                return String(at, Ending.CUT)
            at = _read_escape(text, at, edits)
        elif char in closers and (
            text.startswith(several_closers, at) if several > 1 else key or closes_string(text, at, in_object, depth)
        ):
            if char != '"' or several > 1:
                edits.append(Edit("fix_quotes", at, several, '"'))
            return String(at + several, Ending.CLOSED)
        elif char < " ":
            run = _CONTROLS.match(text, at)
            assert run is not None
            if not key and "\n" in run[0] and _item_follows(text, at, run.end(), in_object, depth):
                return _unclosed(at - (text[at - 1] == "," and at - 1 > opening), edits, mark)
            edits.append(Edit("escape_control_chars", at, len(run[0]), "".join(map(_escape_or_keep, run[0]))))
            at = run.end()
        elif half := _SURROGATES.match(text, at):
            edits.append(Edit("replace_surrogate", at, len(half[0]), "\ufffd" * len(half[0])))
            at = half.end()
        else:
            if char in closers and (end := _missed_end(text, opening, at, in_object, depth)) is not None:
                return _unclosed(end, edits, mark)
            if char == '"':
                edits.append(Edit("escape_quotes", at, 0, "\\"))
            at += 1
    return String(len(text), Ending.CUT)


def _several_quotes(text: str, at: int) -> int:
    """How many quotes at `at` open a string that as many close: three as in Python, two, or one."""
    three = text[at] * 3
    if text.startswith(three, at) and text.find(three, at + 3) >= 0:
        return 3
    return 2 if _TWICE.match(text, at) else 1


def _escape_or_keep(char: str) -> str:
    return char if char == " " else _escape(char)


def _read_escape(text: str, at: int, edits: list[Edit]) -> int:
    """Mend the escape at `at`, if it needs it. A backslash that escapes nothing is a backslash."""
    if found := _ESCAPE.match(text, at):
        return found.end()
    if found := _HALF_PAIR.match(text, at):
        edits.append(Edit("replace_surrogate", at, 6, "\\ufffd"))
    elif found := _HEX_ESCAPE.match(text, at):
        edits.append(Edit("fix_escape", at, 4, f"\\u00{found[1]}"))
    elif found := _NULL_ESCAPE.match(text, at):
        edits.append(Edit("fix_escape", at, 2, "\\u0000"))
    elif found := _LINE_ESCAPE.match(text, at):
        edits.append(Edit("fix_escape", at, len(found[0]), ""))
    elif text[at + 1] in QUOTES:
        edits.append(Edit("fix_escape", at, 1, ""))
        return at + 2
    else:
        edits.append(Edit("fix_escape", at, 0, "\\"))
        return at + 1
    return found.end()


def _missed_end(text: str, opening: int, at: int, in_object: bool, depth: int) -> int | None:
    """Where the string ended without a quote, if the quote at `at` opens the next item behind a comma."""
    before = at - 1
    while text[before] in " \t\n\r":
        before -= 1
    if before <= opening or text[before] != ",":
        return None
    return before if _is_item(text, at, in_object, depth) else None


def _item_follows(text: str, at: int, after: int, in_object: bool, depth: int) -> bool:
    """Whether the next line, at `after`, begins with the next item of the object or array; a line ended at `at`."""
    return (in_object or text[at - 1] == ",") and _is_item(text, after, in_object, depth)


def _is_item(text: str, at: int, in_object: bool, depth: int) -> bool:
    if in_object:
        return is_key_at(text, at)
    quote = text[at : at + 1]
    if quote not in QUOTES:
        return False
    close = _NEXT_QUOTE[quote].match(text, at + 1)
    return close is not None and closes_string(text, close.end(), in_object, depth)


_NEXT_QUOTE = {quote: re.compile(rf"[^{closers}\n]{{0,256}}+(?=[{closers}])") for quote, closers in QUOTES.items()}


def _unclosed(end: int, edits: list[Edit], mark: int) -> String:
    """End a string at `end`, without a quote. What was edited behind it is not a part of it."""
    edits[mark:] = [edit for edit in edits[mark:] if edit.offset < end]
    edits.append(Edit("close_string", end, 0, '"'))
    return String(end, Ending.UNCLOSED)
