"""What JSON is: RFC 8259, of which nothing is refused but what Python has no value for."""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

import orjson

__all__ = ["MAX_DEPTH", "is_valid_json", "loads", "too_deep", "value_end"]

MAX_DEPTH = 200
"""How many arrays and objects may be open at once."""

_LONG_NUMBER = re.compile(r"[0-9]{19}")
_SURROGATE = re.compile(r"[\ud800-\udfff]|\\u[dD][89a-fA-F]")


def loads(text: str) -> Any:
    """The value of a JSON text. Integers are exact; of equal keys in an object, the last one holds.

    Raises `json.JSONDecodeError` for what is not JSON (NaN and Infinity are not), for what is nested deeper than
    `MAX_DEPTH`, for half a surrogate pair (`"\\ud800"`, which no encoding can hold), and for integers of more digits
    than Python converts (4,300).
    """
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        value = _decoded(text)
    else:
        # orjson makes floats of integers that exceed 64 bits.
        if _LONG_NUMBER.search(text):
            value = _decoded(text)
    if text.count("[") + text.count("{") > MAX_DEPTH and _is_deep(value):
        raise too_deep(text)
    return value


def is_valid_json(text: str) -> bool:
    """Whether `text` is JSON as it is: whether `loads` accepts it."""
    try:
        loads(text)
    except ValueError:
        return False
    return True


def value_end(text: str, at: int) -> int | None:
    """Where the JSON value that begins at `at` ends, whatever follows it; None if none begins there."""
    try:
        _, end = _DECODER.raw_decode(text, at)
    except (ValueError, RecursionError):
        return None
    return end if is_valid_json(text[at:end]) else None


def too_deep(text: str, at: int = 0) -> json.JSONDecodeError:
    """The error of a text that is nested too deeply."""
    return json.JSONDecodeError(f"Nested deeper than {MAX_DEPTH} arrays and objects", text, at)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a JSON value")


_DECODER = json.JSONDecoder(parse_constant=_refuse)


def _decoded(text: str) -> Any:
    """What the standard library makes of a text that orjson does not take, or takes inexactly."""
    try:
        value = _DECODER.decode(text)
    except RecursionError:
        raise too_deep(text) from None
    except json.JSONDecodeError:
        raise
    except ValueError as error:
        raise json.JSONDecodeError(str(error), text, 0) from None
    if _SURROGATE.search(text) and not _is_deep(value):
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise json.JSONDecodeError("Half a surrogate pair", text, 0) from None
    return value


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            child
            for parent in level
            if isinstance(parent, dict | list)
            for child in (parent.values() if isinstance(parent, dict) else parent)
        ]
        if not level:
            return False
    return any(isinstance(value, dict | list) for value in level)
