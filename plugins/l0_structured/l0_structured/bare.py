"""Values without quotes: literals and numbers of other languages, and words."""

from __future__ import annotations

import re

from l0_structured.corrections import CorrectionType
from l0_structured.lookahead import QUOTES, begins_key, blank_end
from l0_structured.strings import escaped

__all__ = ["Bare", "bare_end", "bare_value", "incomplete"]

Bare = tuple[CorrectionType | None, str]
"""The JSON for a bare token, and what kind of correction makes it; None if it is JSON as it is."""

_LITERALS = {
    "true": "true",
    "false": "false",
    "null": "null",
    "none": "null",
    "nil": "null",
    "undefined": "null",
    "nan": "null",
    "infinity": "null",
}
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?")
_HEX = re.compile(r"([+-]?)0[xX]([0-9a-fA-F]{1,16})")
_OTHER_NUMBER = re.compile(r"([+-]?)([0-9]++(?:_[0-9]++)*+)?(?:\.([0-9]*+))?([eE][+-]?[0-9]++)?")
_CUT_NUMBER = re.compile(r"[+-]?(?:[0-9]++(?:\.[0-9]*+)?(?:[eE][+-]?)?|\.)?")

_ATOM = re.compile(r"[+-]?(?:[0-9.][\w.+-]*+|[A-Za-z]++)")
_AFTER_ATOM = re.compile(r"[,;}\])\"'“‘`{\[(]|//|/\*|#|```|~~~|\.\.\.|…|\Z")
_WORDS_STOP = re.compile(r"[,;}\]()\n\"'“‘/#`]")


def bare_end(text: str, at: int, in_object: bool) -> int:
    """Where the bare token ends that begins at `at`: at a comma, a closing bracket, a line break or the next item."""
    atom = _ATOM.match(text, at)
    if atom is not None and _is_atom(atom[0]) and _ends_atom(text, atom.end(), in_object):
        return atom.end()
    at += 1
    parentheses = 0
    while (stop := _WORDS_STOP.search(text, at)) is not None:
        at = stop.start()
        char = text[at]
        if char in "}]\n" or (char == ")" and not parentheses and not in_object):
            return at
        if char in "()":
            parentheses += 1 if char == "(" else -1
        elif char in ",;":
            after = blank_end(text, at + 1)
            if not in_object or not text[after : after + 1] or text[after] in ",}]" or begins_key(text, after):
                return at
        elif text[at - 1] in " \t" and (
            text.startswith(("//", "/*", "#", "```"), at) or (char in QUOTES and _opens_item(text, at, in_object))
        ):
            return at
        at += 1
    return len(text)


def bare_value(token: str) -> Bare:
    """What a bare token is as JSON."""
    if token in ("true", "false", "null") or _NUMBER.fullmatch(token):
        return None, token
    if (literal := _LITERALS.get(token.lstrip("+-").lower())) is not None:
        return "fix_literal", literal
    if found := _HEX.fullmatch(token):
        return "fix_number", found[1].strip("+") + str(int(found[2], 16))
    if number := _json_number(token):
        return "fix_number", number
    if token[-1] in QUOTES and token.find(token[-1]) == len(token) - 1 > 0:
        # Only the quote that opened it is missing.
        token = token[:-1]
    return "quote_value", f'"{escaped(token)}"'


def incomplete(token: str) -> Bare | None:
    """What a token is that the text ends with, if it is only the beginning of one; None if it may be complete.

    The beginning of a literal is that literal; of a number that ends with a sign, a point or an exponent nothing is
    left, which is an empty string.
    """
    for literal in ("true", "false", "null", "True", "False", "None", "undefined", "NaN", "Infinity"):
        if token != literal and literal.startswith(token):
            return "fix_literal", _LITERALS[literal.lower()]
    if not _NUMBER.fullmatch(token) and _CUT_NUMBER.fullmatch(token) and token[-1] not in "0123456789":
        return "remove_incomplete", ""
    return None


def _json_number(token: str) -> str | None:
    """A number as other languages have it, as JSON has it. With leading zeros it is not a number, but a name."""
    found = _OTHER_NUMBER.fullmatch(token)
    if found is None or not (found[2] or found[3]):
        return None
    whole = (found[2] or "0").replace("_", "")
    fraction = f".{found[3]}" if found[3] else ""
    number = f"{found[1].strip('+')}{whole}{fraction}{found[4] or ''}"
    return number if _NUMBER.fullmatch(number) else None


def _is_atom(token: str) -> bool:
    return token.lstrip("+-").lower() in _LITERALS or _NUMBER.fullmatch(token) is not None or bool(_json_number(token))


def _ends_atom(text: str, at: int, in_object: bool) -> bool:
    """Whether what follows a number or literal is not a part of the same value."""
    after = blank_end(text, at)
    if _AFTER_ATOM.match(text, after):
        # "1,000" is neither a number and a key nor, for certain, one number.
        return not (in_object and text[at : at + 1] == "," and text[at + 1 : at + 2].isdigit())
    if after == at:
        return False
    if in_object:
        return begins_key(text, after)
    atom = _ATOM.match(text, after)
    return "\n" in text[at:after] or (atom is not None and _is_atom(atom[0]))


def _opens_item(text: str, at: int, in_object: bool) -> bool:
    return begins_key(text, at) if in_object else text[at] == '"'
