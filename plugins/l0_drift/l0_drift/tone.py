"""Tone shift: a text that goes from one register to the other."""

from __future__ import annotations

import re
from collections import deque

__all__ = ["Tone"]

MANY = 3
"""So many words of the other register in one stretch of text are a shift, if the text so far would let expect none."""

BEFORE = 300
"""A text has no tone before it has so many characters."""

APART = 12
"""Words that follow closer than this many characters are listed, or are one exclamation. They count as one."""

INFORMAL = frozenset(
    "gonna wanna gotta kinda sorta dunno gimme lemme yeah yep yup nope nah lol lmao omg haha hahaha dude bro bruh "
    "y'all y’all ain't ain’t ok okay".split()
)
WEAK = frozenset(("ok", "okay"))
"""These are said in any register. They count only beside others."""
FORMAL = frozenset(
    "therefore thus hence moreover furthermore consequently nevertheless notwithstanding accordingly whereby".split()
)
# As they come out of str.split().
_MARKED = frozenset(
    form + sign
    for word in INFORMAL | FORMAL
    for form in (word, word.capitalize(), word.upper())
    for sign in ("", ",", ".", "!", "?")
)
_WORD = re.compile(
    rf"(?<![\w*_`('‘’/-])(?:{'|'.join(sorted(INFORMAL | FORMAL, reverse=True))})(?=[\s,.!?]|\Z)", re.IGNORECASE
)
# What is quoted is someone else's tone.
_QUOTED = re.compile(r'"[^"]*"?|“[^”]*”?|`[^`]*`?')


class Tone:
    """Follows the prose of one text by its sentences."""

    __slots__ = ("_formal", "_informal", "_informal_total", "_latest", "_window")

    def __init__(self, window: int) -> None:
        self._window = window
        self._informal: deque[tuple[int, str]] = deque(maxlen=MANY)
        self._formal: deque[int] = deque(maxlen=MANY)
        self._informal_total = 0
        self._latest = -APART

    def sentence(self, text: str, start: int) -> int | None:
        """Take the next sentence. Where the other register has set in, if it has: an offset in characters."""
        if _MARKED.isdisjoint(text.split()):
            return None
        unquoted = _QUOTED.sub(lambda quoted: " " * len(quoted[0]), text)
        for found in _WORD.finditer(unquoted):
            at, word = start + found.start(), found[0].lower()
            shifted = self._is_informal(at, word) if word in INFORMAL else self._is_formal(at)
            if shifted:
                return at
        return None

    def _is_informal(self, at: int, word: str) -> bool:
        informal = self._informal
        latest, self._latest = self._latest, at
        if at - latest < APART:
            return False
        informal.append((at, word))
        self._informal_total += 1
        first, words = informal[0][0], {word for _, word in informal}
        if len(informal) < MANY or first < max(BEFORE, at - self._window) or len(words - WEAK) < 2:
            return False
        expected = (self._informal_total - MANY) / first * self._window
        return expected * MANY < 1

    def _is_formal(self, at: int) -> bool:
        formal = self._formal
        formal.append(at)
        first = formal[0]
        if len(formal) < MANY or first < max(BEFORE, at - self._window) or self._informal_total < MANY:
            return False
        return self._informal[-1][0] < first and self._informal_total / first * self._window >= 1
