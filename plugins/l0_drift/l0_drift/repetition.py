"""Repetition: sentences that come again and again, and text that goes in a circle."""

from __future__ import annotations

import re

__all__ = ["Repetition"]

REMEMBERED = 128
"""How many sentences and list items are remembered."""

SENTENCE = 20
"""A sentence of no more characters than this may come again."""

TAIL = 4096
"""How many of the latest characters are searched for a circle."""

PROBE = 48
LEAST_PROSE = 120
LEAST_DATA = 480
COPIES_OF_DATA = 6
"""Lines of code, tables and data are often alike. So many copies of them are a circle."""

_ITEM = re.compile(r"(?:[-*+•]|\d+[.)])\s+")
_NOT_PROSE = frozenset("=(){}[]<>_|\\/*#@$^~;`")


class Repetition:
    """Follows one text by its sentences and by blocks."""

    __slots__ = ("_before", "_copies", "_last", "_sentences", "_starts", "_tail", "_window")

    def __init__(self, copies: int, window: int) -> None:
        self._copies = copies
        self._window = window
        self._sentences: list[str] = []
        self._starts: list[int] = []
        self._before: list[int] = []
        self._last: dict[str, int] = {}
        self._tail = ""

    def sentence(self, text: str, start: int, plain: bool) -> bool:
        """Take the next sentence or line of prose. Whether it comes once too often in a stretch of text.

        What is not `plain` may be an item of a list: those count only if they follow one another.
        """
        if len(text) <= SENTENCE:
            return False
        if not plain:
            marker = _ITEM.match(text)
            if marker is not None:
                text = text[marker.end() :]
        sentences = self._sentences
        if len(sentences) == 2 * REMEMBERED:
            self._forget()
        index = len(sentences)
        before = self._last.get(text, -1)
        sentences.append(text)
        self._starts.append(start)
        self._before.append(before)
        self._last[text] = index
        return before >= 0 and self._is_once_too_often(index, plain)

    def _is_once_too_often(self, index: int, plain: bool) -> bool:
        text, start, last = self._sentences[index], self._starts[index], index
        for _ in range(self._copies - 1):
            index = self._before[index]
            if index < 0:
                return False
        if start - self._starts[index] > self._window or len(text) <= SENTENCE or not _reads_as_prose(text):
            return False
        follow_one_another = last - index == self._copies - 1
        return follow_one_another or (plain and text[-1] in ".!?…")

    def _forget(self) -> None:
        gone = len(self._sentences) - REMEMBERED
        del self._sentences[:gone], self._starts[:gone]
        self._before = [max(index - gone, -1) for index in self._before[gone:]]
        self._last = {sentence: index for index, sentence in enumerate(self._sentences)}

    def block(self, block: str, prose: bool) -> bool:
        """Take the next block of text. Whether the text ends with several copies of one piece."""
        tail = self._tail = (self._tail + block)[-TAIL:]
        size = len(tail)
        at = tail.rfind(tail[-PROBE:], 0, size - 1)
        if at < 0 or size < LEAST_PROSE:
            return False
        period = size - PROBE - at
        piece = tail[-period:]
        if prose and _reads_as_prose(piece):
            span = max(LEAST_PROSE, self._copies * period)
        else:
            span = max(LEAST_DATA, max(COPIES_OF_DATA, self._copies) * period)
        return span <= size and tail[-span:-period] == tail[period - span :] and _has_letters(piece)


def _has_letters(text: str) -> bool:
    return sum(map(str.isalpha, text)) > 1


def _reads_as_prose(text: str) -> bool:
    """Whether a text is of words, and not of code or data."""
    if not _NOT_PROSE.isdisjoint(text):
        return False
    letters = sum(map(str.isalpha, text))
    return letters * 10 >= len("".join(text.split())) * 8
