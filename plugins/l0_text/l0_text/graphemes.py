"""Where a text may be cut: between graphemes, which are what a reader takes for one character."""

from __future__ import annotations

import unicodedata

__all__ = ["cut"]

_ZWJ = "\u200d"
_JOINS_WHAT_IS_BEFORE = frozenset("\u200c\u200d\u0e33\u0eb3\uff9e\uff9f") | frozenset(
    map(chr, (*range(0x1F3FB, 0x1F400), *range(0xE0020, 0xE0080)))
)
"""Joiners, vowel and voice signs that are no combining marks; the skin tones and tags of emoji."""

_VIRAMA = 9
"""The combining class of the sign that joins two consonants."""


def cut(text: str, start: int, end: int) -> int:
    """The last place after `start` and up to `end` that is between two graphemes; `start` if there is none.

    After Unicode Standard Annex 29, and sooner too long a grapheme than half of one: whatever follows a joiner or a
    virama belongs to it.
    """
    if end >= len(text):
        return len(text)
    while end > start and _is_within(text, start, end):
        end -= 1
    return end


def _is_within(text: str, start: int, at: int) -> bool:
    """Whether `at` is inside of a grapheme. One begins at `start`."""
    before, after = text[at - 1], text[at]
    if before < "\x7f" and after < "\x7f":
        return before == "\r" and after == "\n"
    if unicodedata.category(before) == "Cc":
        return False
    return (
        before == _ZWJ
        or after in _JOINS_WHAT_IS_BEFORE
        or unicodedata.category(after) in ("Mn", "Mc", "Me")
        or (unicodedata.combining(before) == _VIRAMA and unicodedata.category(after) == "Lo")
        or _is_one_syllable(before, after)
        or ("\ud800" <= before <= "\udbff" and "\udc00" <= after <= "\udfff")
        or (_is_regional(before) and _is_regional(after) and _regionals(text, start, at) % 2 == 1)
    )


def _is_one_syllable(before: str, after: str) -> bool:
    """Whether two Hangul letters belong to one syllable."""
    if _is_leading(before):
        return _is_leading(after) or _is_vowel_or_trailing(after) or _is_syllable(after)
    return _is_vowel_or_trailing(after) and (_is_vowel_or_trailing(before) or _is_syllable(before))


def _is_leading(char: str) -> bool:
    return "\u1100" <= char <= "\u115f" or "\ua960" <= char <= "\ua97c"


def _is_vowel_or_trailing(char: str) -> bool:
    return "\u1160" <= char <= "\u11ff" or "\ud7b0" <= char <= "\ud7fb"


def _is_syllable(char: str) -> bool:
    return "\uac00" <= char <= "\ud7a3"


def _is_regional(char: str) -> bool:
    """Whether two of these make a flag."""
    return "\U0001f1e6" <= char <= "\U0001f1ff"


def _regionals(text: str, start: int, at: int) -> int:
    """How many regional indicators end at `at`. Two and two of them belong together."""
    first = at
    while first > start and _is_regional(text[first - 1]):
        first -= 1
    return at - first
