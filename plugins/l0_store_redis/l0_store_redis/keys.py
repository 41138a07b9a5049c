"""The names of streams in Redis: any text is an id, and no two ids or prefixes share a key.

A key is `prefix:kind:{id}`. What is in the braces decides about the hash slot, so a cluster keeps all that belongs to a
stream in one place. In the prefix and the id the braces are written as `%7B` and `%7D`, and `%` as `%25`: the first
brace ends the prefix.
"""

from __future__ import annotations

import re

__all__ = ["encode", "find_id", "make_key", "make_pattern"]

_ESCAPES = {ord(sign): f"%{ord(sign):02X}" for sign in "%{}"}

_EMPTY = "%"
"""The id without characters, as Redis takes empty braces for no hash tag. No other id is written so."""


def make_key(prefix: str, kind: str, stream_id: str) -> str:
    """The key of what is kept of a stream."""
    return f"{_head(prefix, kind)}{stream_id.translate(_ESCAPES) or _EMPTY}}}"


def make_pattern(prefix: str, kind: str, beginning: str) -> bytes:
    """The glob by which SCAN finds the streams whose ids begin so."""
    literal = encode(_head(prefix, kind) + beginning.translate(_ESCAPES))
    return re.sub(rb"([*?\[\]\\])", rb"\\\1", literal) + b"*}"


def find_id(prefix: str, kind: str, key: bytes) -> str | None:
    """The id of the stream whose key it is; None for a key that is somebody else's."""
    try:
        written = key.decode("utf-8", "surrogatepass")[len(_head(prefix, kind)) : -1]
    except UnicodeDecodeError:
        return None
    stream_id = "" if written == _EMPTY else re.sub("%(25|7B|7D)", lambda found: chr(int(found[1], 16)), written)
    return stream_id if encode(make_key(prefix, kind, stream_id)) == key else None


def encode(key: str) -> bytes:
    """A key as bytes. Halves of surrogate pairs, which have no UTF-8, stay what they are."""
    return key.encode("utf-8", "surrogatepass")


def _head(prefix: str, kind: str) -> str:
    return f"{prefix.translate(_ESCAPES)}:{kind}:{{"
