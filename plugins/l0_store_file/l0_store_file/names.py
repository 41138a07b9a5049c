"""What a stream is called on the disk: any text as a name of lower-case letters, digits, `-` and `_`, and back.

Lower-case letters, digits and `-` stand for themselves, every other byte of the UTF-8 for `_` and two hexadecimal
digits: two ids never share a name, whatever a file system does to case and accents. `s-` stands before it, so that no
name is a device's, hidden or empty. An id that would be too long is named `h-` and its SHA-256.
"""

from __future__ import annotations

import re
from hashlib import sha256

__all__ = ["escaped", "folder_name", "stem_of", "stream_id_of", "unescaped"]

LONGEST = 200
"""Bytes of an escaped id. File systems allow 255, and suffixes come after it."""

_ESCAPES = tuple(
    chr(byte) if chr(byte) in "abcdefghijklmnopqrstuvwxyz0123456789-" else f"_{byte:02x}" for byte in range(256)
)
_ESCAPED = re.compile("(?:[a-z0-9-]|_[0-9a-f]{2})*")


def escaped(text: str) -> str:
    """Any text, lone surrogates too, in letters that are the same to every file system."""
    return "".join([_ESCAPES[byte] for byte in text.encode("utf-8", "surrogatepass")])


def unescaped(name: str) -> str:
    """The text that `escaped` made a name of. Raises ValueError for a name that it never makes."""
    if not _ESCAPED.fullmatch(name):
        raise ValueError(f"{name!r} is no escaped text")
    raw = re.sub("_(..)", lambda found: chr(int(found[1], 16)), name).encode("latin-1")
    text = raw.decode("utf-8", "surrogatepass")
    if escaped(text) != name:
        raise ValueError(f"{name!r} is not how {text!r} is escaped")
    return text


def stem_of(stream_id: str) -> str:
    """The name of the files of a stream, without a suffix."""
    name = escaped(stream_id)
    return f"s-{name}" if len(name) <= LONGEST else f"h-{sha256(name.encode('ascii')).hexdigest()}"


def stream_id_of(stem: str) -> str | None:
    """The stream whose files have this name; None if only the file can say. Raises ValueError for another's name."""
    if re.fullmatch("h-[0-9a-f]{64}", stem):
        return None
    if not stem.startswith("s-") or len(stem) > LONGEST + 2:
        raise ValueError(f"{stem!r} is not the name of a stream")
    return unescaped(stem[2:])


def folder_name(prefix: str) -> str:
    """The name of the folder of a prefix. Raises ValueError for a prefix that is too long."""
    name = escaped(prefix) or "_"
    if len(name) > LONGEST:
        raise ValueError(f"the prefix {prefix[:40]!r}... is too long for the name of a folder: shorten it")
    return name
