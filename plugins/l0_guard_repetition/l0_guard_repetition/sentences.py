"""Sentences that come again, counted as a text arrives."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from l0_guard_repetition.words import is_line, is_sentence

__all__ = ["Again", "Sentences", "normalised", "split_sentences", "with_starts"]

SHORT = 20
"""A sentence of no more characters than this may come again as often as it likes."""

LONG = 1000
"""A sentence of more characters than this is not one. No more is remembered while its end is awaited."""

NEARBY = 6
"""How many sentences later a sentence must come again to be counted on: what returns after more of them is no loop."""

REMEMBERED = 64
"""How many sentences are remembered: those that count no longer are forgotten when there are more."""

LINES = 2
"""A line without a full stop must come so many times as often: songs, lists and forms have lines that return."""

_WIDE_ENDS = ("。", "！", "？")


class Again(NamedTuple):
    """A sentence that has come once too often: how often, and the offset in characters where it did."""

    times: int
    position: int


def split_sentences(text: str) -> list[str]:
    """The sentences of a text, as they stand. A sentence ends with its line, and at .!? before a space."""
    text = text.replace(". ", ".\n")
    if "!" in text:
        text = text.replace("! ", "!\n")
    if "?" in text:
        text = text.replace("? ", "?\n")
    if not text.isascii():
        for end in _WIDE_ENDS:
            text = text.replace(end, end + "\n")
    return text.split("\n")


def with_starts(parts: Iterable[str]) -> Iterator[tuple[int, str]]:
    """The parts of a text that was split, each with the offset of its first character that is not blank."""
    end = 0
    for part in parts:
        yield end + len(part) - len(part.lstrip()), part
        # What ends a sentence is a part of it, and one character of white space is lost behind all but the wide ones.
        end += len(part) + (not part.endswith(_WIDE_ENDS))


def normalised(sentence: str) -> str:
    """A sentence without the white space around it, and without regard to case."""
    return sentence.strip().casefold()


class Sentences:
    """Counts the sentences of one answer as it arrives, and finds the first that comes `limit` times.

    Each time must be within `NEARBY` sentences of the one before; only sentences that are long enough count.
    """

    __slots__ = ("_begun", "_is_whole", "_last", "_limit", "_number", "_offset", "_times")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._begun = ""
        self._is_whole = True
        """Whether all of the sentence that has begun is there, and not only its end."""
        self._offset = 0
        self._number = 0
        self._last: dict[str, int] = {}
        """When each sentence has come last, as a number."""
        self._times: dict[str, int] = {}
        """How often a sentence has come, if that is more than once."""

    def feed(self, delta: str, final: bool = False) -> Again | None:
        """Read on, to the first sentence that comes too often or to the end of `delta`."""
        text = self._begun + delta
        parts = split_sentences(text)
        begun = "" if final else parts.pop()
        last, number = self._last, self._number
        for part in parts if self._is_whole else parts[1:]:
            if SHORT < len(part) <= LONG:
                sentence = normalised(part)
                number += 1
                if sentence in last and (times := self._again(sentence, number)):
                    start = next(start for start, other in with_starts(parts) if other is part)
                    return Again(times, self._offset + start)
                last[sentence] = number
                if len(last) > REMEMBERED:
                    last = self._forget(number)
        self._number = number
        self._is_whole = self._is_whole or bool(parts)
        if len(begun) > LONG:
            # Only its end is needed: a full stop there may be followed by the space.
            self._is_whole, begun = False, begun[-1:]
        self._offset += len(text) - len(begun)
        self._begun = begun
        return None

    def _again(self, sentence: str, number: int) -> int:
        """Count a sentence that was there before. Returns how often it has come, if that is too often."""
        nearby = number - self._last[sentence] <= NEARBY
        times = self._times[sentence] = self._times.get(sentence, 1) + 1 if nearby else 1
        if times < self._limit or len(sentence) <= SHORT:
            return 0
        return times if is_sentence(sentence) or (times >= LINES * self._limit and is_line(sentence)) else 0

    def _forget(self, number: int) -> dict[str, int]:
        """Forget the sentences that would not be counted on if they came again now. Returns the others."""
        last = self._last = {sentence: at for sentence, at in self._last.items() if number - at < NEARBY}
        self._times = {sentence: times for sentence, times in self._times.items() if sentence in last}
        return last
