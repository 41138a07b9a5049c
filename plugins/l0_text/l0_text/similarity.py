"""How similar two strings are, from 0 to 1."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from math import sqrt
from typing import Literal, get_args

from l0_text.options import one_of

__all__ = [
    "StringComparisonOptions",
    "common_prefix",
    "compare_strings",
    "cosine_similarity",
    "jaro_winkler_similarity",
    "levenshtein_distance",
    "levenshtein_similarity",
]

Algorithm = Literal["levenshtein", "jaro-winkler", "cosine"]

STRIP = 8192
"""So many characters of one string are compared at a time with one of the other."""


@dataclass
class StringComparisonOptions:
    """The keywords of `compare_strings`."""

    case_sensitive: bool = True
    normalize_whitespace: bool = True
    algorithm: Algorithm = "levenshtein"


def compare_strings(
    a: str,
    b: str,
    options: StringComparisonOptions | None = None,
    *,
    case_sensitive: bool = True,
    normalize_whitespace: bool = True,
    algorithm: Algorithm = "levenshtein",
) -> float:
    """How similar two strings are.

    `normalize_whitespace` takes any run of whitespace for one space, and none at the ends. `options`, if given, stand
    for the keywords. Raises ValueError for another algorithm.
    """
    given = options or StringComparisonOptions(case_sensitive, normalize_whitespace, algorithm)
    one_of("compare_strings: algorithm", given.algorithm, get_args(Algorithm))
    if not given.case_sensitive:
        a, b = a.casefold(), b.casefold()
    if given.normalize_whitespace:
        a, b = " ".join(a.split()), " ".join(b.split())
    if given.algorithm == "levenshtein":
        return levenshtein_similarity(a, b)
    return jaro_winkler_similarity(a, b) if given.algorithm == "jaro-winkler" else cosine_similarity(a, b)


def levenshtein_distance(a: str, b: str) -> int:
    """How many characters must be inserted, deleted or replaced to make one string the other.

    Linear in memory, and in time where only a stretch of text differs; beside that the time goes with the product of
    the lengths of what differs. The bits of whole numbers stand for a column of the table, after Myers (1999) and
    Hyyrö (2003).
    """
    start = common_prefix(a, b)
    a, b = a[start:], b[start:]
    end = common_prefix(a[::-1], b[::-1])
    a, b = a[: len(a) - end], b[: len(b) - end]
    if len(a) > len(b):
        a, b = b, a
    if not a:
        return len(b)
    # By how much each column of the table is more at its end than the one before it: all by one above the first row.
    steps = [1] * len(b)
    for first in range(0, len(a), STRIP):
        _compare_strip(a[first : first + STRIP], b, steps)
    return len(a) + sum(steps)


def common_prefix(a: str, b: str) -> int:
    """How many characters two strings have in common at the beginning."""
    low, high = 0, min(len(a), len(b))
    while low < high:
        middle = (low + high + 1) // 2
        if a[low:middle] == b[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _compare_strip(strip: str, b: str, steps: list[int]) -> None:
    """Take the steps along the upper edge of a strip of the table to those along its lower edge."""
    positions: defaultdict[str, int] = defaultdict(int)
    for i, char in enumerate(strip):
        positions[char] |= 1 << i
    places = positions.get
    last = 1 << (len(strip) - 1)
    every = 2 * last - 1
    up, down = every, 0  # Where the table grows by one from row to row, and where it shrinks.
    for column, char in enumerate(b):
        step = steps[column]
        equal = places(char, 0)
        falls = equal | down
        if step < 0:
            equal |= 1
        same = (((equal & up) + up) ^ up) | equal
        right = down | (every & ~(same | up))
        left = up & same
        steps[column] = 1 if right & last else -1 if left & last else 0
        right, left = (right << 1) & every | (step > 0), (left << 1) & every | (step < 0)
        up = left | (every & ~(falls | right))
        down = right & falls


def levenshtein_similarity(a: str, b: str) -> float:
    """1 less the share of the longer string that must be changed."""
    longer = max(len(a), len(b))
    return 1 - levenshtein_distance(a, b) / longer if longer else 1.0


def jaro_winkler_similarity(a: str, b: str) -> float:
    """The share of characters that both have in about the same place and order, and more for a common beginning.

    After Winkler (1990): up to four characters in common at the beginning count, by 0.1 each.
    """
    if a == b:
        return 1.0
    matching, moved = _matches(a, b)
    if not matching:
        return 0.0
    jaro = (matching / len(a) + matching / len(b) + (matching - moved // 2) / matching) / 3
    return jaro + common_prefix(a[:4], b[:4]) * 0.1 * (1 - jaro)


def _matches(a: str, b: str) -> tuple[int, int]:
    """How many characters have a partner no farther than half the longer string, and how many are out of order."""
    reach = max(0, max(len(a), len(b)) // 2 - 1)
    places: defaultdict[str, list[int]] = defaultdict(list)
    for place in range(len(b) - 1, -1, -1):
        places[b[place]].append(place)
    of_a: list[str] = []
    taken: list[int] = []
    for i, char in enumerate(a):
        left = places.get(char)
        # What is too far behind for this one is so for all that follow.
        while left and left[-1] < i - reach:
            left.pop()
        if left and left[-1] <= i + reach:
            taken.append(left.pop())
            of_a.append(char)
    of_b = [b[place] for place in sorted(taken)]
    return len(taken), sum(one != other for one, other in zip(of_a, of_b, strict=True))


def cosine_similarity(a: str, b: str) -> float:
    """The cosine between the counts of the words, which are what stands between whitespace."""
    of_a, of_b = Counter(a.split()), Counter(b.split())
    if of_a == of_b:
        return 1.0
    shared = sum(number * of_b[word] for word, number in of_a.items() if word in of_b)
    squares = sum(number**2 for number in of_a.values()) * sum(number**2 for number in of_b.values())
    return min(1.0, shared / sqrt(squares)) if shared else 0.0
