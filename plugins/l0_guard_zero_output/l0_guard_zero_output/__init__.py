"""A guardrail for answers that say nothing: `ZeroOutput` finds them when the stream has ended."""

from __future__ import annotations

import unicodedata

from l0_core import AttemptContext, Judge, Violation, hookimpl

__all__ = ["ZeroOutput", "is_noise_only", "is_zero_output"]

MANY = 10
"""A single character, repeated more often than this, is noise."""

# An answer of brackets or operators alone is one, like {} or ==; among punctuation they are a part of the noise.
_NEUTRAL = frozenset("{}[]()<>=+|~$")


class ZeroOutput:
    """Finds answers that are empty, and answers of nothing but punctuation or of one repeated character."""

    streaming = False

    @hookimpl
    def check(self, ctx: AttemptContext) -> Judge:
        seen = _Seen()

        def judge(delta: str, final: bool) -> Violation | None:
            if not final:
                seen.add(delta)
                return None
            state = ctx.state
            if state.tool_calls or state.data_outputs or state.refusal:
                return None  # An answer need not be text.
            if not seen.characters:
                return Violation("zero_output", "Empty or whitespace-only output")
            if seen.is_noise:
                return Violation("zero_output", "Output appears to be noise (punctuation or repeated characters)")
            return None

        return judge


def is_zero_output(content: str) -> bool:
    """Whether a text is empty, or has only blank and invisible characters."""
    return not _Seen(content).characters


def is_noise_only(content: str) -> bool:
    """Whether a text has only punctuation, or one character over and over. An empty text is not noise."""
    return _Seen(content).is_noise


class _Seen:
    """What of a text decides whether it says anything. It is looked at until that is certain, and never kept."""

    __slots__ = ("characters", "first", "has_punctuation", "says_something", "varies")

    def __init__(self, text: str = "") -> None:
        self.characters = 0
        self.first = ""
        self.varies = self.has_punctuation = self.says_something = False
        self.add(text)

    def add(self, text: str) -> None:
        for char in text:
            if self.says_something and self.varies:
                return
            category = unicodedata.category(char)
            if char.isspace() or category in ("Cc", "Cf"):
                continue
            self.characters += 1
            self.first = self.first or char
            self.varies = self.varies or char != self.first
            if char in _NEUTRAL:
                continue
            if category[0] == "P" or category == "Sk":
                self.has_punctuation = True
            else:
                self.says_something = True

    @property
    def is_noise(self) -> bool:
        if not self.varies and self.characters > MANY:
            return True
        return self.has_punctuation and not self.says_something
