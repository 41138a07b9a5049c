"""What a monitor has told and logged, and what is to be found in it."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from l0_testing.suites.canaries import secret

__all__ = ["context_value", "counts", "excerpt", "logged", "text_of_told", "unlogged"]


def text_of_told(told: Any) -> str:
    """What was told, as one text. Raises TypeError for what is no text, no bytes, and no list of them."""
    if isinstance(told, str):
        return told
    if isinstance(told, bytes):
        return told.decode("utf-8", "replace")
    if not isinstance(told, Iterable):
        raise TypeError(f"told() must return text, bytes, or a list of them, not {told!r}")
    return "\n".join(map(text_of_told, told))


def counts(told: str, words: Iterable[str]) -> dict[str, int]:
    """How often each word is told, in whatever case, for those that are."""
    told = told.lower()
    return {word: count for word in words if (count := told.count(word.lower()))}


def excerpt(told: str, word: str) -> str:
    """What is told around a word, where it is told last."""
    at = told.lower().rindex(word.lower())
    return f"...{told[max(0, at - 80) : at + len(word) + 20]}..."


def context_value(key: str) -> tuple[str, Any]:
    """What a caller may have in the context under a key, and the word in it."""
    word = secret(f"the context {key}")
    if key.endswith("messages"):
        return word, [{"role": "user", "content": word}]
    return word, {"nested": {"authorization": word}} if key in ("headers", "metadata") else word


@contextmanager
def logged() -> Iterator[list[str]]:
    """What is logged in the block from INFO up, by whichever logger."""
    log: list[str] = []
    handler, root = _Keeper(log), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(min(level, logging.INFO))
    try:
        yield log
    finally:
        root.setLevel(level)
        root.removeHandler(handler)


@contextmanager
def unlogged() -> Iterator[None]:
    """Nothing is logged in the block."""
    before = logging.root.manager.disable
    logging.disable()
    try:
        yield
    finally:
        logging.disable(before)


class _Keeper(logging.Handler):
    def __init__(self, log: list[str]) -> None:
        super().__init__(logging.INFO)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        self._log.append(self.format(record))
