"""The places where paragraphs, sentences and words of a document end and the next ones begin."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Protocol

from l0_window.graphemes import Graphemes

__all__ = ["Boundaries", "Places"]

_LINE_END = r"(?>\r\n?|\n)"
_PARAGRAPH_END = re.compile(rf"{_LINE_END}(?:[^\S\r\n]*+{_LINE_END})++|\u2029")
"""A line's end, and blank lines. The indentation of what follows belongs to that."""

_CLOSERS = r"""["'”’»)\]」』】）》]*+"""
_SENTENCE_END = re.compile(
    rf"(?<=[.!?…؟।]){_CLOSERS}\s++|(?<=[。！？｡]){_CLOSERS}\s*+(?![。！？｡…])",
)
"""A mark, quotes and brackets that it closes, and blanks. Chinese and Japanese have none between sentences."""

_IDEOGRAPH = "\u2e80-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_WORD_BEGIN = re.compile(rf"(?<=\s)(?=\S)|(?<=[{_IDEOGRAPH}])(?=[^\s、。，．：；！？）」』】》〉”’…ー])")
"""What follows blanks; in Chinese and Japanese any character that may begin a line."""

_WINDOW = 64
"""So many characters are searched first for the last word, and four times as many each time that there is none."""


class Places(Protocol):
    """Places of a document, in order. Each is between two graphemes; its ends are none."""

    def last(self, low: int, high: int) -> int | None:
        """The last one after `low` and up to `high`."""
        ...

    def first(self, low: int, high: int) -> int | None:
        """The first one from `low` on and before `high`."""
        ...


class Boundaries:
    """The boundaries of paragraphs, sentences and words. Each kind is found when it is first asked for."""

    def __init__(self, document: str, graphemes: Graphemes) -> None:
        self._document = document
        self._graphemes = graphemes

    @cached_property
    def paragraphs(self) -> Places:
        """What blank lines separate."""
        return _Listed(self._ends_of(_PARAGRAPH_END))

    @cached_property
    def sentences(self) -> Places:
        """What ends in a full stop and its like. The end of a paragraph ends a sentence."""
        return _Listed(sorted({*self._ends_of(_SENTENCE_END), *self._ends_of(_PARAGRAPH_END)}))

    @cached_property
    def words(self) -> Places:
        """What blanks separate; in Chinese and Japanese single characters."""
        return _Searched(self._document, _WORD_BEGIN, self._graphemes.is_between)

    def _ends_of(self, pattern: re.Pattern[str]) -> list[int]:
        ends = (found.end() for found in pattern.finditer(self._document))
        return [end for end in ends if 0 < end < len(self._document) and self._graphemes.is_between(end)]


class _Listed:
    """Places that are few enough to be listed."""

    def __init__(self, places: list[int]) -> None:
        self._places = places

    def last(self, low: int, high: int) -> int | None:
        index = bisect_right(self._places, high) - 1
        return self._places[index] if index >= 0 and self._places[index] > low else None

    def first(self, low: int, high: int) -> int | None:
        index = bisect_left(self._places, low)
        return self._places[index] if index < len(self._places) and self._places[index] < high else None


class _Searched:
    """Places that are searched for where they are needed."""

    def __init__(self, document: str, pattern: re.Pattern[str], accepts: Callable[[int], bool]) -> None:
        self._document, self._pattern, self._accepts = document, pattern, accepts

    def last(self, low: int, high: int) -> int | None:
        window, end = _WINDOW, high + 1
        while end > low + 1:
            begin = max(low + 1, end - window)
            found = [place for place in self._between(begin, end) if self._accepts(place)]
            if found:
                return found[-1]
            window, end = 4 * window, begin
        return None

    def first(self, low: int, high: int) -> int | None:
        return next((place for place in self._between(low, high) if self._accepts(place)), None)

    def _between(self, low: int, high: int) -> Iterator[int]:
        return (found.start() for found in self._pattern.finditer(self._document, low, high))
