"""Gates: what stands before a restarted attempt whose consumer has text of an earlier one."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import zip_longest

__all__ = ["Gate", "Passed"]


@dataclass
class Passed:
    """What a gate lets through: `text`, after all but the first `keep` delivered characters are withdrawn."""

    text: str
    keep: int | None = None


class Gate:
    """Stands before one channel of a restarted attempt.

    New text is withheld while it equals what was delivered. At the first difference the rest of what was delivered is
    withdrawn. `verify=False` withdraws everything at the first new text.
    """

    __slots__ = ("_at", "_delivered")

    def __init__(self, delivered: str, verify: bool = True) -> None:
        self._delivered = delivered
        self._at = 0 if verify else -1

    def feed(self, text: str) -> Passed | None:
        """New text: what passes and opens the gate, or None while it is withheld."""
        if self._at < 0:
            return Passed(text, 0)
        expected = self._delivered[self._at : self._at + len(text)]
        if text.startswith(expected):
            self._at += len(expected)
            if self._at < len(self._delivered):
                return None
            return Passed(text[len(expected) :])
        same = next(i for i, (old, new) in enumerate(zip_longest(expected, text)) if old != new)
        return Passed(text[same:], self._at + same)

    def end(self) -> Passed:
        """The new text has ended before the gate opened: it was shorter than what was delivered, or there was none."""
        return Passed("", max(0, self._at))
