"""What comes next in a broken JSON text. Every question looks at a bounded stretch, blanks aside."""

from __future__ import annotations

import re

__all__ = ["QUOTES", "begins_key", "blank_end", "closes_string", "is_key_at"]

QUOTES = {
    '"': '"',
    "'": "'",
    "`": "`´",
    "´": "´",
    "“": '”“"',
    "”": '”"',
    "„": '“”"',
    "«": "»",
    "‘": "’‘'",
    "’": "’'",
}
"""The characters that open a string, and those that may close it."""

_REACH = 256
"""How many characters a key may have to be looked for."""

_BLANK = re.compile(r"[\s\u200b\u2060\ufeff]*+")
_KEYS = {
    opener: re.compile(
        rf"{opener}(?:[^\\{closers}]|\\.){{0,{_REACH}}}+[{closers}]([\s\u200b\u2060\ufeff]*+)(.?)", re.DOTALL
    )
    for opener, closers in QUOTES.items()
}
_BARE_KEY = re.compile(r"[\w$.-]{1,64}+[\"'”’]?\s*+(?::(?!//)|=|\Z)")
_BARE_ITEM = re.compile(r"[\w$.+-]{1,64}+\s*+(?:[,\]})]|//|/\*|\Z)")
_COMMENT = re.compile(r"//|/\*|\.\.\.|…|```|~~~")
_LITERAL = re.compile(r"-?(?:true|false|null|None|True|False|undefined|NaN|Infinity)\b")
# What follows a bracket on its line and belongs to a string: words up to a quote, or only that quote.
_QUOTED_REST = re.compile(r"[}\])][ \t]*+(?:[^\s\"{\[,][^\"\n]{0,200}+)?\"\s*+[}\],]")
_DOUBLED = re.compile(r"([\"'])\1(?:\s*+(?:[,}\])]|\Z))|''\w")
_LAST_QUOTE = re.compile(r"[\"'`”’]\s*+(?:[,}\])]|\Z)")


def blank_end(text: str, at: int) -> int:
    """Where the blanks end that begin at `at`."""
    found = _BLANK.match(text, at)
    assert found is not None
    return found.end()


def is_key_at(text: str, at: int) -> bool:
    """Whether a quoted key and a colon stand at `at`."""
    if (pattern := _KEYS.get(text[at : at + 1])) is None:
        return False
    found = pattern.match(text, at)
    return found is not None and found[2] == ":"


def begins_key(text: str, at: int) -> bool:
    """Whether what stands at `at` can be a key, and what precedes it a value that is complete."""
    if (pattern := _KEYS.get(text[at : at + 1])) is None:
        return _BARE_KEY.match(text, at) is not None
    found = pattern.match(text, at)
    # Too long to tell, or cut off.
    if found is None or not found[2]:
        return True
    return found[2] in ":=}/#" or (bool(found[1]) and _is_value(text, found.end(1)))


def _begins_element(text: str, at: int) -> bool:
    """Whether what stands at `at` can be an element of an array, and what precedes it one that is complete."""
    return _is_value(text, at) or _BARE_ITEM.match(text, at) is not None


def closes_string(text: str, at: int, in_object: bool, depth: int) -> bool:
    """Whether the quote at `at` ends a value, rather than being a part of it.

    It does in JSON, always: there a comma, a closing bracket or the end of the text follows.
    """
    after = blank_end(text, at + 1)
    char = text[after : after + 1]
    if not char:
        return True
    if char in ",;":
        return _goes_on(text, blank_end(text, after + 1), in_object, depth)
    if char in "}]" or (char == ")" and not in_object):
        return _ends(text, after, in_object, depth)
    if _DOUBLED.match(text, at):
        return False
    if text.find(text[at], at + 1) < 0:
        return True
    blank = after > at + 1
    if _COMMENT.match(text, after) or (char == "#" and blank):
        return True
    if in_object:
        return (char in QUOTES or "\n" in text[at + 1 : after]) and begins_key(text, after)
    if char in QUOTES or char == ":":
        return True
    return blank and (_is_value(text, after) or ("\n" in text[at + 1 : after] and _begins_element(text, after)))


def _goes_on(text: str, at: int, in_object: bool, depth: int) -> bool:
    """Whether an object or array goes on at `at`, behind a comma."""
    char = text[at : at + 1]
    if char and char in "}])":
        return _ends(text, at, in_object, depth)
    if not char or char in ",;#" or _COMMENT.match(text, at):
        return True
    return begins_key(text, at) or (char == "{" and not in_object) if in_object else _begins_element(text, at)


def _ends(text: str, at: int, in_object: bool, depth: int) -> bool:
    """Whether the bracket at `at` closes something, rather than being a part of a string."""
    if depth == 1 and in_object == (text[at] == "}"):
        # The root: whatever follows it.
        return _QUOTED_REST.match(text, at) is None
    after = blank_end(text, at + 1)
    char = text[after : after + 1]
    if not char or "\n" in text[at + 1 : after]:
        return True
    if char in QUOTES:
        return depth > 1 and _LAST_QUOTE.match(text, after) is None
    return char in ",;}])" or (depth > 1 and char in "{[`~/#")


def _is_value(text: str, at: int) -> bool:
    char = text[at : at + 1]
    return not char or char in QUOTES or char in "{[(-.0123456789" or _LITERAL.match(text, at) is not None
