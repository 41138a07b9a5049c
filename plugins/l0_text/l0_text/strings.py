"""Strings: trimming, cutting, wrapping, padding, escaping. All lengths are in characters (Unicode code points)."""

from __future__ import annotations

import html
import json
import re
from typing import Literal, get_args

from l0_text.graphemes import cut
from l0_text.options import one_of

__all__ = [
    "Alignment",
    "escape",
    "escape_html",
    "escape_regex",
    "pad",
    "remove_ansi",
    "sanitize",
    "trim",
    "truncate",
    "truncate_words",
    "unescape",
    "unescape_html",
    "wrap",
]

Alignment = Literal["left", "right", "center"]
"""Where the text stands among what it is padded with."""

_ESCAPED = re.compile(
    r"\\(?:u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|([\"'\\/bfnrt]))"
)
_CHARACTERS = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}

# Only with the semicolon: `?a=1&copy=2` is an address, and no copyright sign.
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")

_CONTROLS = dict.fromkeys({*range(0x20), *range(0x7F, 0xA0)} - {ord(char) for char in "\t\n\r"})

_ANSI = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*+[ -/]*+[@-~]"  # CSI: colours, cursor
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x80-\x9f]*+(?:\x07|\x1b\\|\x9c)"  # OSC: titles, links
    r"|\x1b[ -/]*+[0-~]"
)

_WORD = re.compile(r"[^ \t]++")


def trim(s: str) -> str:
    """Without the whitespace at both ends."""
    return s.strip()


def truncate(s: str, max_length: int, suffix: str = "...") -> str:
    """At most `max_length` characters, and the suffix in place of what is cut off.

    Graphemes are kept whole or left out. Where there is no room for the suffix, there is none. Raises ValueError for a
    negative length.
    """
    if len(s) <= _checked(max_length):
        return s
    suffix = suffix if len(suffix) <= max_length else ""
    return s[: cut(s, 0, max_length - len(suffix))] + suffix


def truncate_words(s: str, max_length: int, suffix: str = "...") -> str:
    """Like `truncate`, but cut after a word, if the first one fits."""
    if len(s) <= _checked(max_length):
        return s
    suffix = suffix if len(suffix) <= max_length else ""
    end = max_length - len(suffix)
    # The word ends at `end` if it is followed by whitespace there.
    while end > 0 and not s[end].isspace():
        end -= 1
    kept = s[:end].rstrip()
    return kept + suffix if kept.strip() else truncate(s, max_length, suffix)


def _checked(max_length: int) -> int:
    if max_length < 0:
        raise ValueError(f"truncate: max_length is {max_length}; it must be 0 or more")
    return max_length


def wrap(s: str, width: int) -> str:
    """Break lines between words, so that none has more than `width` characters.

    A line that fits stays as it is. A word of more than `width` characters is broken between graphemes. Raises
    ValueError for a width below 1.
    """
    if width < 1:
        raise ValueError(f"wrap: width is {width}; it must be 1 or more")
    return "\n".join(line if len(line) <= width else _wrapped(line, width) for line in s.split("\n"))


def _wrapped(line: str, width: int) -> str:
    lines: list[str] = []
    start = end = 0  # The line that is being filled.
    for found in _WORD.finditer(line):
        word, after = found.span()
        if after - start <= width:
            end = after
            continue
        if end > start:
            lines.append(line[start:end])
        while after - word > width:
            # A grapheme that is wider than the line cannot be kept whole.
            piece = cut(line, word, word + width)
            piece = piece if piece > word else word + width
            lines.append(line[word:piece])
            word = piece
        start, end = word, after
    return "\n".join([*lines, line[start:end]])


def pad(s: str, length: int, char: str = " ", align: Alignment = "left") -> str:
    """Fill up to `length` characters. `align` is where the text stands: "left" fills on the right.

    Raises ValueError if `char` is not one character.
    """
    one_of("pad: align", align, get_args(Alignment))
    if len(char) != 1:
        raise ValueError(f"pad: char is {char!r}; it must be one character")
    missing = max(0, length - len(s))
    left = {"left": 0, "right": missing, "center": missing // 2}[align]
    return char * left + s + char * (missing - left)


def escape(s: str) -> str:
    """As it is written inside the quotation marks of a JSON string: `"`, backslashes and control characters."""
    return json.dumps(s, ensure_ascii=False)[1:-1]


def unescape(s: str) -> str:
    """What `escape` was given. Any escape of JSON is known, and `\\'`; what is none stays as it is."""
    return _ESCAPED.sub(_unescaped, s)


def _unescaped(found: re.Match[str]) -> str:
    high, low, code, char = found.groups()
    if high:
        return chr(0x10000 + ((int(high, 16) & 0x3FF) << 10) + (int(low, 16) & 0x3FF))
    return chr(int(code, 16)) if code else _CHARACTERS.get(char, char)


def escape_html(s: str) -> str:
    """For HTML and XML, between tags and within quoted attributes."""
    return html.escape(s)


def unescape_html(s: str) -> str:
    """What `escape_html` was given. Any entity of HTML is known, if it ends with a semicolon."""
    return _ENTITY.sub(lambda found: html.unescape(found[0]), s)


def escape_regex(s: str) -> str:
    """A regular expression that matches just this."""
    return re.escape(s)


def sanitize(s: str) -> str:
    """Without control characters (C0, DEL and C1), but for tabs and line breaks."""
    return s.translate(_CONTROLS)


def remove_ansi(s: str) -> str:
    """Without the escape sequences of terminals."""
    return _ANSI.sub("", s)
