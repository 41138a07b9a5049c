"""Function calls in the output of a model that writes them as text."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from l0_text.json_text import OPENING, loads, scan
from l0_text.strings import unescape

__all__ = ["FunctionCall", "format_function_arguments", "parse_function_call"]

_BEGINNING = re.compile(r"(?<![\w.-])([A-Za-z_][\w.-]*+)\(|[{\[]")
_CLOSED = re.compile(r"\s*+\)")
_LINE_ENDS = re.compile(r"[ \t]*+(?=[\r\n]|\Z)")
_OBJECT = re.compile(r"\s*+(?=\{)")
_KEY = re.compile(r"\s*+([A-Za-z_]\w*+)\s*+=\s*+")
_NEXT = re.compile(r"\s*+([,)])")
_VALUE = re.compile(r"""("(?:[^"\\]|\\.)*+"|'(?:[^'\\]|\\.)*+')|[^\s,()\[\]{}"'=\\]++""", re.DOTALL)
_PYTHON = {"True": True, "False": False, "None": None}


@dataclass
class FunctionCall:
    """A function, and what it is called with."""

    name: str
    arguments: dict[str, Any]


class _NoCallError(Exception):
    """Something that looked like a call is none, from this place on."""

    def __init__(self, at: int) -> None:
        self.at = at


def parse_function_call(output: str) -> FunctionCall | None:
    """The first function call in an output; None if there is none.

    A call is `name({...})` with a JSON object; `name(key=value, ...)`, with JSON, a quoted string or a bare word for
    each value; `name()` on a line of its own; or a JSON object with `name` and `arguments`, these as an object or as
    the JSON of one, alone or in an array.
    """
    at = 0
    while found := _BEGINNING.search(output, at):
        try:
            if found[1] is None:
                at, call = _json_call(output, found.start())
                if call is not None:
                    return call
            else:
                return FunctionCall(found[1], _arguments(output, found.start(), found.end()))
        except _NoCallError as none:
            at = max(none.at, found.end())
    return None


def _json_call(text: str, start: int) -> tuple[int, FunctionCall | None]:
    """Where the JSON that begins at `start` ends, and the first call that it is or has in it."""
    value, end = _json_value(text, start)
    calls = map(_called, value if isinstance(value, list) else [value])
    return end, next((call for call in calls if call is not None), None)


def _called(value: Any) -> FunctionCall | None:
    if not isinstance(value, dict):
        return None
    name, arguments = value.get("name"), value.get("arguments")
    if isinstance(arguments, str):
        try:
            arguments = loads(arguments)
        except ValueError:
            return None
    return FunctionCall(name, arguments) if isinstance(name, str) and isinstance(arguments, dict) else None


def _json_value(text: str, start: int) -> tuple[Any, int]:
    """The object or array that begins at `start`, and where it ends."""
    end, whole = scan(text, start)
    if not whole:
        raise _NoCallError(end)
    try:
        return loads(text[start:end]), end
    except ValueError:
        raise _NoCallError(end) from None


def _arguments(text: str, start: int, at: int) -> dict[str, Any]:
    """What is in the parenthesis that opens before `at`, of a call that begins at `start`."""
    if closed := _CLOSED.match(text, at):
        while start and text[start - 1] in " \t":
            start -= 1
        # Prose speaks of functions by such names: "use print()".
        if (start and text[start - 1] not in "\r\n") or not _LINE_ENDS.match(text, closed.end()):
            raise _NoCallError(closed.end())
        return {}
    if opened := _OBJECT.match(text, at):
        value, end = _json_value(text, opened.end())
        if not _CLOSED.match(text, end):
            raise _NoCallError(end)
        return dict(value)
    arguments: dict[str, Any] = {}
    while True:
        key = _KEY.match(text, at)
        if key is None:
            raise _NoCallError(at)
        arguments[key[1]], at = _value(text, key.end())
        following = _NEXT.match(text, at)
        if following is None:
            raise _NoCallError(at)
        if following[1] == ")":
            return arguments
        at = following.end()


def _value(text: str, at: int) -> tuple[Any, int]:
    if OPENING.match(text, at):
        return _json_value(text, at)
    found = _VALUE.match(text, at)
    if found is None:
        raise _NoCallError(at)
    word = found[0]
    if found[1] is not None:
        return unescape(word[1:-1]), found.end()
    if word in _PYTHON:
        return _PYTHON[word], found.end()
    try:
        return loads(word), found.end()
    except ValueError:
        return word, found.end()


def format_function_arguments(arguments: dict[str, Any], pretty: bool = False) -> str:
    """Arguments as JSON, indented if `pretty`. Raises ValueError or TypeError for what JSON cannot say."""
    return json.dumps(arguments, ensure_ascii=False, allow_nan=False, indent=2 if pretty else None)
