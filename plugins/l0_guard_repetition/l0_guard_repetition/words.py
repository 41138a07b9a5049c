"""What is said in words, and what is code, data or drawing: there the same thing again is often meant."""

from __future__ import annotations

import re
import unicodedata

__all__ = ["is_in_words", "is_line", "is_sentence"]

_LETTER = re.compile(r"[^\W\d_]")
# Letters and digits, joined as in "and/or", "e.g.", "don't", "3.5"; in scripts without spaces by any punctuation.
_WORD = re.compile(
    r"""[-"'(“‘«¿¡*$€£]{0,2}+[^\W_]++(?:[-.'’/:,，、。！？：；][^\W_]++)*+[-.,;:!?%)"'”’»*…，、。！？：；।،؟]*+""",
)
_PLAIN = re.compile(r"[-*• ]*[^\W\d_](?:[^\W_]|[ ,'’-])*")
_MARKS = frozenset("-–—*•&…")
_CLOSERS = "\"'”’»)*"
_ENDS = (".", "!", "?", "。", "！", "？", "…")


def is_in_words(text: str) -> bool:
    """Whether a text is made of words: of letters for the most part, punctuated as prose is, and not indented."""
    if "  " in text or "\t" in text or (text.isascii() and text.lower() == text.upper()):
        return False
    text = _without_accents(text)
    tokens = text.split()
    if 2 * len(_LETTER.findall(text)) <= sum(map(len, tokens)):
        return False
    return all(_WORD.fullmatch(token) or token in _MARKS for token in tokens)


def is_sentence(text: str) -> bool:
    """Whether a text is made of words and has its full stop, be it before a closing quote or bracket."""
    return text.rstrip(_CLOSERS).endswith(_ENDS) and is_in_words(text)


def is_line(text: str) -> bool:
    """Whether a line without a full stop says something all the same: four words, and nothing else but commas."""
    return text.count(" ") >= 3 and _PLAIN.fullmatch(_without_accents(text)) is not None


def _without_accents(text: str) -> str:
    """A text without the marks that combine with letters: for regular expressions they are no part of a word."""
    if text.isascii():
        return text
    return "".join(char for char in text if unicodedata.category(char)[0] != "M")
