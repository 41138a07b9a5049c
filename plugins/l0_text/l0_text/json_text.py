"""Finding JSON in a text, in one pass however the text goes wrong, and without recursion."""

from __future__ import annotations

import json
import re
from typing import Any

__all__ = ["OPENING", "loads", "scan"]

OPENING = re.compile(r"[{\[]")
"""What an object or an array begins with."""

_TOKEN = re.compile(
    r"[ \t\n\r]*+(?:[{}\[\],:]"
    r'|"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*+"'
    r"|-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?+(?:[eE][+-]?[0-9]++)?+|true|false|null)"
)
_VALUE = '{["v'
_AFTER = {"{": ",}", "[": ",]"}


def scan(text: str, start: int) -> tuple[int, bool]:
    """Read the object or array that begins at `start`: where it ends, and whether it is whole.

    If it is not, that is where it goes wrong. Nothing that begins before there and is still open can be whole.
    """
    at, expected = start, "{["
    stack: list[str] = []
    while found := _TOKEN.match(text, at):
        kind = found[0].lstrip(" \t\n\r")[:1]
        kind = kind if kind in '{}[],:"' else "v"
        if kind not in expected:
            break
        at = found.end()
        if kind in "{[":
            stack.append(kind)
            expected = '"}' if kind == "{" else _VALUE + "]"
        elif kind in "}]":
            stack.pop()
            if not stack:
                return at, True
            expected = _AFTER[stack[-1]]
        elif kind == ":":
            expected = _VALUE
        elif kind == ",":
            expected = '"' if stack[-1] == "{" else _VALUE
        elif expected in ('"', '"}'):
            expected = ":"
        else:
            expected = _AFTER[stack[-1]]
    return at, False


def loads(text: str) -> Any:
    """Read JSON, and only that: no NaN, no infinity. Raises ValueError, also for what is nested too deeply."""
    try:
        return json.loads(text, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("nested too deeply to be read") from None


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")
