"""Text that goes round in circles, found as it arrives: the same characters again, one period later."""

from __future__ import annotations

from typing import NamedTuple

from l0_guard_repetition.words import is_in_words

__all__ = ["Loop", "Loops"]

FAR = 8
"""The longest period, in windows."""

RARELY = 12
"""Only at every so many places a loop of a long period is looked for."""

PATIENCE = 10
"""What is not made of words must repeat so many times as long: rules, empty cells and rows of zeros are meant."""

PROBE = 24
"""How many characters are looked for first: hardly any text has so many twice within a window."""


class Loop(NamedTuple):
    """A stretch that repeats what stands one period before it.

    `similarity` is its share of two windows, at most 1.0, `position` the offset in characters where it begins.
    """

    similarity: float
    position: int


class Loops:
    """Follows one answer, and finds the first stretch in which it goes round in circles.

    Of such a stretch every character equals the one that stands one period before. It is a loop when it is more than
    `threshold` of two windows, and two periods long: then the same has been said three times. It is looked for at
    places that are counted from the beginning of the answer and lie so close together that each loop has one. A place
    is looked at when what follows it is there too: so nothing depends on how the text is cut.
    """

    __slots__ = ("_ahead", "_far", "_keep", "_least", "_next", "_offset", "_probe", "_stride", "_text", "_window")

    def __init__(self, window: int, threshold: float) -> None:
        self._window = window
        self._least = int(2 * window * threshold) + 1
        self._probe = min(PROBE, (self._least + 1) // 2)
        self._stride = self._least - self._probe + 1
        # The last place in a loop has no more of it behind it.
        self._ahead = self._stride - 1
        # The longest stretch that is ever compared, and a period before it.
        self._keep = max(PATIENCE * self._least, 2 * FAR * window) + FAR * window
        self._text = ""
        self._offset = 0
        """Where the text that is still kept begins in the answer."""
        self._next = self._stride
        """The next place to look at, in the text that is still kept."""
        self._far = RARELY * self._stride
        """The next place from which a loop of a long period is looked for."""

    def feed(self, delta: str, final: bool = False) -> Loop | None:
        """Read on, to the first loop or to the end of `delta`."""
        text = self._text = self._text + delta
        end = len(text) if final else len(text) - self._ahead
        at, far, stride, find, probe = self._next, self._far, self._stride, text.find, self._probe
        near = probe + self._window
        while at <= end:
            # Of most texts no more is done than this search: nothing of the latest is found in the window before it.
            if find(text[at - probe : at], at - near if at > near else 0, at - 1) != -1 and (
                loop := self._loop(at, self._window, self._probe, self._least)
            ):
                return loop
            if at >= far:
                far = at + RARELY * stride
                if loop := self._loop(at, FAR * self._window, 2 * probe, max(2 * self._window, self._least)):
                    return loop
            at += stride
        self._next, self._far = at, far
        gone = len(text) - self._keep - self._ahead - stride
        if gone > self._keep:
            self._text = text[gone:]
            self._offset += gone
            self._next -= gone
            self._far -= gone
        return None

    def _loop(self, at: int, reach: int, probe: int, least: int) -> Loop | None:
        """The loop of a period up to `reach` that is `least` characters long, and `probe` of them before a place."""
        text, end, known = self._text, at - 1, self._known(at)
        latest, first = text[max(0, at - probe) : at], max(0, at - probe - reach)
        while (found := text.rfind(latest, first, end)) != -1:
            period = at - len(latest) - found
            enough = max(least, 2 * period)
            before = _backwards(text, at, period, len(latest), min(enough, at - period))
            start, behind = at - before, at - before + enough
            if behind <= known and _repeats(text, at, behind, period):
                if is_in_words(text[start - period : behind]):
                    return self._measured(at, period)
                patient = max(enough, PATIENCE * self._least)
                if at >= patient + period and _repeats(text, at - patient, at, period):
                    return self._measured(at, period)
                if reach < enough:
                    # It is longer than any period that is looked for, so none of those says more than this one.
                    return None
                start = at - _backwards(text, at, period, before, min(patient, at - period))
            # Within this stretch the latest is found again and again, and nothing is learnt from it.
            end = start - period + len(latest) - 1
        return None

    def _measured(self, at: int, period: int) -> Loop:
        """The loop of a known period around a place: what of it can be seen from there."""
        text, seen, known = self._text, 2 * self._window, self._known(at)
        before = _backwards(text, at, period, 0, min(seen, at - period))
        behind = at
        while behind < known and text[behind] == text[behind - period]:
            behind += 1
        start = at - before
        return Loop(min(behind - start, seen) / seen, self._offset + start)

    def _known(self, at: int) -> int:
        """The end of what is known at a place, however much more of the text is there already."""
        return min(len(self._text), at + self._ahead)


def _backwards(text: str, at: int, period: int, least: int, most: int) -> int:
    """How many characters before `at`, of `most`, equal those one period before them: `least` of them do."""
    if _repeats(text, at - most, at, period):
        return most
    while least < most:
        middle = (least + most) // 2
        if _repeats(text, at - middle - 1, at, period):
            least = middle + 1
        else:
            most = middle
    return least


def _repeats(text: str, start: int, end: int, period: int) -> bool:
    """Whether a stretch equals what stands one period before it."""
    return text.startswith(text[start - period : end - period], start)
