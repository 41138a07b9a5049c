"""Where a document may be cut: between graphemes, which are what a reader takes for one character."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right

__all__ = ["Graphemes"]

_ZWJ = "\u200d"
_JOINS_WHAT_IS_BEFORE = frozenset("\u200c\u200d\u0e33\u0eb3\uff9e\uff9f") | frozenset(
    map(chr, (*range(0x1F3FB, 0x1F400), *range(0xE0020, 0xE0080)))
)
"""Joiners, vowel and voice signs that are no combining marks; the skin tones and tags of emoji."""

_JOINS_WHAT_FOLLOWS = frozenset(
    "\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\u0d4e\u1cf5\u1cf6"
    "\U000110bd\U000110cd\U000111c2\U000111c3\U0001193f\U00011941\U00011a3a\U00011a84\U00011a85\U00011a86"
    "\U00011a87\U00011a88\U00011a89\U00011d46\U00011f02"
)
"""Signs that are written around the characters after them."""

_VIRAMA = 9
"""The combining class of the sign that joins two consonants."""

_FLAGS = re.compile("[\U0001f1e6-\U0001f1ff]{3,}")
"""Runs of letters that make a flag two by two. Of two letters there is only one way to make one."""


class Graphemes:
    """The graphemes of a document.

    After Unicode Standard Annex 29, and sooner too long a grapheme than half of one: whatever follows a joiner or a
    virama belongs to it. The halves of a surrogate pair stay together.
    """

    def __init__(self, document: str) -> None:
        self._text = document
        runs = [] if document.isascii() else [run.span() for run in _FLAGS.finditer(document)]
        self._flags_from = [start for start, _ in runs]
        self._flags_to = [end for _, end in runs]

    def last(self, low: int, at: int) -> int:
        """The last place after `low` and up to `at` that is between two graphemes; `low` if there is none."""
        while at > low and not self.is_between(at):
            at -= 1
        return max(at, low)

    def first(self, at: int, high: int) -> int:
        """The first place from `at` on that is between two graphemes; `high` if there is none before it."""
        while at < high and not self.is_between(at):
            at += 1
        return at

    def after(self, at: int) -> int:
        """Where the grapheme ends that begins at `at`."""
        end = len(self._text)
        return self.first(at + 1, end) if at < end else end

    def is_between(self, at: int) -> bool:
        """Whether a place is between two graphemes, or an end of the document."""
        text = self._text
        if not 0 < at < len(text):
            return True
        before, after = text[at - 1], text[at]
        if before < "\x7f" and after < "\x7f":
            return before != "\r" or after != "\n"
        if unicodedata.category(before) == "Cc":
            return True
        return not (
            before == _ZWJ
            or before in _JOINS_WHAT_FOLLOWS
            or after in _JOINS_WHAT_IS_BEFORE
            or unicodedata.category(after) in ("Mn", "Mc", "Me")
            or (unicodedata.category(after) == "Lo" and self._follows_virama(at))
            or _is_one_syllable(before, after)
            or ("\ud800" <= before <= "\udbff" and "\udc00" <= after <= "\udfff")
            or (_is_regional(before) and _is_regional(after) and self._is_within_flag(at))
        )

    def _follows_virama(self, at: int) -> bool:
        """Whether a virama is among the marks that end at a place."""
        while at > 0:
            at -= 1
            if unicodedata.combining(self._text[at]) == _VIRAMA:
                return True
            if unicodedata.category(self._text[at]) != "Mn" and self._text[at] not in _JOINS_WHAT_IS_BEFORE:
                return False
        return False

    def _is_within_flag(self, at: int) -> bool:
        """Whether a place between two letters of flags is within one."""
        run = bisect_right(self._flags_from, at) - 1
        if run < 0 or at >= self._flags_to[run]:
            return True  # Of two letters alone.
        return (at - self._flags_from[run]) % 2 == 1


def _is_one_syllable(before: str, after: str) -> bool:
    """Whether two Hangul letters belong to one syllable."""
    if _is_leading(before):
        return _is_leading(after) or _is_vowel_or_trailing(after) or "\uac00" <= after <= "\ud7a3"
    return _is_vowel_or_trailing(after) and (_is_vowel_or_trailing(before) or "\uac00" <= before <= "\ud7a3")


def _is_leading(char: str) -> bool:
    return "\u1100" <= char <= "\u115f" or "\ua960" <= char <= "\ua97c"


def _is_vowel_or_trailing(char: str) -> bool:
    return "\u1160" <= char <= "\u11ff" or "\ud7b0" <= char <= "\ud7fb"


def _is_regional(char: str) -> bool:
    return "\U0001f1e6" <= char <= "\U0001f1ff"
