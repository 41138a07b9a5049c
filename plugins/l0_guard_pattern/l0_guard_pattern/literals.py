"""The plain words that a pattern cannot match without, and one search for all of them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from math import prod

from l0_guard_pattern.syntax import Anchor, Chars, Choice, Group, Look, Node, Repeat, Sequence, flat

__all__ = ["KEY", "LONGEST", "fold", "keys_of", "needed", "prefixes", "search_for"]

LONGEST = 24
"""Of a longer word so many characters are looked for."""
MOST = 40
"""A pattern that needs one of more words than this is searched for by itself."""


def fold(text: str) -> str:
    """A text in lower case, of the same length. What `re.IGNORECASE` takes for an ASCII letter is that letter."""
    if text.isascii():
        return text.lower()
    return text.replace("\u0130", "i").lower().replace("\u0131", "i").replace("\u017f", "s")


def needed(sequence: Sequence) -> tuple[str, ...]:
    """Words, folded, one of which is in every match; none if no such are known.

    A pattern that begins with `^` needs the line break before it, which a text is taken to have before its beginning.
    """
    best: tuple[str, ...] = ()
    runs = {""}
    for node in flat(sequence):
        if runs == {""} and isinstance(node, Anchor) and node.kind == "line":
            runs = {"\n"}
            continue
        said = _said(node)
        if said is not None and len(runs) * len(said) <= MOST:
            runs = {run + word for run in runs for word in said}
            continue
        best = _better(best, runs)
        runs = {""} if said is None else said
        if isinstance(node, Repeat) and node.least:
            best = _better(best, set(needed(node.item)))
        elif isinstance(node, Choice) and all(options := [needed(option) for option in node.options]):
            best = _better(best, {word for option in options for word in option})
    return _better(best, runs)


def prefixes(sequence: Sequence) -> set[str]:
    """All the words, folded, that a match can begin with, as far as they are known and few."""
    runs = {""}
    for node in flat(sequence):
        said = _said(node)
        if said is None or len(runs) * len(said) > MOST:
            break
        runs = {run + word for run in runs for word in said}
    return runs


def _said(node: Node) -> set[str] | None:
    """All that a part of a pattern may match, folded; None if that is much, or not known."""
    if isinstance(node, Anchor | Look):
        return {""}
    if isinstance(node, Chars):
        return set(node.chars) or None
    if isinstance(node, Choice):
        options = [_all_said(option) for option in node.options]
        known = [option for option in options if option is not None]
        words = {word for option in known for word in option}
        return words if len(known) == len(options) and len(words) <= MOST else None
    if isinstance(node, Repeat) and node.most == 1:
        item = _all_said(node.item)
        return None if item is None else item | ({""} if node.least == 0 else set())
    return _all_said(node.item) if isinstance(node, Group) else None


def _all_said(sequence: Sequence) -> set[str] | None:
    runs = {""}
    for node in sequence:
        said = _said(node)
        if said is None or len(runs) * len(said) > MOST:
            return None
        runs = {run + word for run in runs for word in said}
    return runs


def _better(one: tuple[str, ...], other: set[str]) -> tuple[str, ...]:
    words = tuple(sorted({word[:LONGEST] for word in other}))
    if not words or len(words) > MOST or any(len(word) < 2 and word in _FREQUENT for word in words):
        return one
    return words if not one or _likely(words) < _likely(one) else one


# How common characters are in English and in code, in thousandths: a search stops seldom at words that begin with a
# rare one.
_COMMON = {
    **dict(zip(" etaoinsrhldcum", (180, 102, 75, 65, 62, 57, 57, 53, 50, 50, 33, 33, 23, 23, 23), strict=True)),
    **dict(zip("fpgwybvkxjqz", (20, 16, 16, 19, 19, 12, 8, 6, 2, 2, 1, 1), strict=True)),
    **dict(zip(".,:\"'-_(", (25, 25, 25, 40, 12, 15, 15, 10), strict=True)),
}
_RARE = 4
_FREE = "jxqz"
_FREQUENT = {"", "\n", "0", "1", *" etaoinsrhldcumfpgwybvkxjqz.,:"}
KEY = 8
_SHORTEST_KEY = 4


def _likely(words: Iterable[str]) -> float:
    """How often one of the words is met: a number to compare, and no more."""
    return sum(prod(0.3 if _COMMON.get(char, 0) > _RARE else 0.05 for char in word) for word in words)


def keys_of(words: Iterable[str]) -> dict[str, list[str]]:
    """For each word a piece of it, such that a search for all the pieces begins with few and rare characters.

    Returns the words by their piece. No piece is in another one.
    """
    words = set(words)
    firsts = {char for char in _FREE if any(char in _starts(word) for word in words)}
    for _, word in sorted(((min(map(_rarity, _starts(word))), word) for word in words), reverse=True):
        if firsts.isdisjoint(_starts(word)):
            firsts.add(min(_starts(word), key=_rarity))
    keys: set[str] = set()
    for word in sorted(words, key=len):
        if not any(key in word for key in keys):
            pieces = [word[at : at + KEY] for at, first in enumerate(_starts(word)) if first in firsts]
            keys.add(min(pieces, key=lambda piece: _likely((piece,))))
    keys = {key for key in keys if not any(other != key and other in key for other in keys)}
    by_key: dict[str, list[str]] = {key: [] for key in sorted(keys)}
    for word in sorted(words):
        by_key[next(key for key in by_key if key in word)].append(word)
    return by_key


def _starts(word: str) -> str:
    """The characters that a piece of a word may begin with."""
    return word[: max(1, len(word) - _SHORTEST_KEY + 1)]


def _rarity(char: str) -> tuple[int, str]:
    # Python is slower to look for a set of characters that are not all among the first 256.
    return _COMMON.get(char, _RARE) if char.isascii() else 1000, char


def search_for(keys: Iterable[str]) -> re.Pattern[str]:
    """A search for any of several strings, of which none begins with another."""
    return re.compile(_any_of(sorted(keys)))


def _any_of(keys: list[str]) -> str:
    by_first: dict[str, list[str]] = {}
    for key in keys:
        by_first.setdefault(key[0], []).append(key[1:])
    options = [
        re.escape(first) + (re.escape(rest[0]) if len(rest) == 1 else f"(?:{_any_of(rest)})")
        for first, rest in by_first.items()
    ]
    return "|".join(options)
