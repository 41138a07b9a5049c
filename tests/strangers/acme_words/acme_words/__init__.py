"""A guardrail for words that an answer must not hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from l0_core import AttemptContext, Check, Violation, hookimpl

__all__ = ["Options", "Words"]


@dataclass(frozen=True, kw_only=True)
class Options:
    """`words` are looked for in any case; `severity` is that of a violation."""

    words: tuple[str, ...] = ()
    severity: Literal["warning", "error", "fatal"] = "error"


class Words:
    """Finds words, wherever the text is cut."""

    Options = Options

    def __init__(self, options: Options | None = None) -> None:
        self._options = options or Options()
        self._words = [word.lower() for word in self._options.words]
        self._longest = max(map(len, self._words), default=1)

    @hookimpl
    def check(self, ctx: AttemptContext) -> Check | None:
        if not self._words:
            return None
        tail = ""

        def judge(delta: str, final: bool) -> list[Violation]:
            nonlocal tail
            text = (tail + delta).lower()
            tail = text[len(text) - self._longest + 1 :]
            return [
                Violation("acme_words", f"The answer holds {word!r}", severity=self._options.severity)
                for word in self._words
                if word in text
            ]

        return Check(judge, holdback=self._longest - 1)
