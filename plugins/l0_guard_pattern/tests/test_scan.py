"""Matches that are found piece by piece are those of `re` over the whole text, wherever it is cut."""

from __future__ import annotations

import os
import random
import re
import sys
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from l0_guard_pattern import BAD_PATTERNS
from l0_guard_pattern.literals import fold
from l0_guard_pattern.matchers import FLAGS, Matcher, bounded, matcher
from l0_guard_pattern.scan import Found, Plan
from l0_testing import growth

from .test_pattern import UNWANTED

CASES = int(os.environ.get("L0_TEST_GUARD_CASES", "10000"))
SEED = int(os.environ.get("L0_GUARD_SEED", "20240607"))

CUSTOM: list[str | re.Pattern[str]] = [
    *(r"\bab+\b", r"a+b", r"abc|ab", r"\w+@a", r"\ba+@b\b", r"^ab", r"a$", r"(?<!b)a", r"a(?!b)", r"@\s*a", r"\s+$"),
    *(r"(a)b\1", r"\bcase\b", r"b{2,3}?a", r"[^a]b", r"\Ba", "ſa", "ka", r"(?i:K)b(?-i:A)", r"(?P<x>b)\s(?P=x)"),
    *(r"a(?=\s+b)", r"(?<=a\b)\s", r"\Aa+", "^a.*@$", r"(?>a+)b", r"\d\w+|é", r"@(a|bb|c)\b", r"[b-d]{3}"),
    *(re.compile("aB"), re.compile(r"\Aab"), re.compile(r"a\Z"), re.compile("b$"), re.compile("a.b", re.DOTALL)),
    *(re.compile(r"\bc\w", re.ASCII), re.compile("a + b # a comment", re.VERBOSE)),
]
CUSTOM_MATCHERS = [matcher(pattern) for pattern in CUSTOM]
BUILT_IN = BAD_PATTERNS.all_patterns()
BUILT_IN_PLAN = Plan([matcher(pattern) for pattern in BUILT_IN])


def scanned(plan: Plan, pieces: Iterable[str]) -> list[Found]:
    found: list[Found] = []
    keep: Any = found.append
    judge: Any = plan.open(keep).judge
    for piece in pieces:
        judge(piece, False)
    judge("", True)
    return sorted(found)


def expected(patterns: Sequence[str | re.Pattern[str]], text: str) -> list[Found]:
    """What `re` finds in the whole text, with patterns as they were given."""
    compiled = [re.compile(pattern, FLAGS) if isinstance(pattern, str) else pattern for pattern in patterns]
    return sorted(
        Found(match.start(), index, match.end(), match[0])
        for index, pattern in enumerate(compiled)
        for match in pattern.finditer(text)
    )


def pieces_of(text: str, cuts: Iterable[int]) -> list[str]:
    bounds = [0, *sorted(cut % (len(text) + 1) for cut in cuts), len(text)]
    return [text[start:end] for start, end in pairwise(bounds)]


@given(
    st.lists(st.integers(0, len(CUSTOM) - 1), min_size=1, max_size=3, unique=True),
    st.text(alphabet="aab bc@\nſKéA1", max_size=40),
    st.lists(st.integers(0, 40)),
)
def test_custom_patterns_match_as_in_the_whole_text(indexes: list[int], text: str, cuts: list[int]) -> None:
    plan = Plan([CUSTOM_MATCHERS[index] for index in indexes])

    assert scanned(plan, pieces_of(text, cuts)) == expected([CUSTOM[index] for index in indexes], text)


def cut_anyhow(text: str, rng: random.Random) -> list[str]:
    return pieces_of(text, [rng.randrange(len(text) + 1) for _ in range(rng.choice((0, 1, 3, len(text) // 4 + 1)))])


def test_custom_patterns_in_many_random_texts() -> None:
    rng = random.Random(SEED)
    print("seed", SEED)  # noqa: T201
    for _ in range(CASES):
        text = "".join(rng.choices("aab bc@\nſKéA1", k=rng.randrange(50)))
        indexes = rng.sample(range(len(CUSTOM)), rng.randrange(1, 4))
        pieces = cut_anyhow(text, rng)
        plan = Plan([CUSTOM_MATCHERS[index] for index in indexes])

        assert scanned(plan, pieces) == expected([CUSTOM[index] for index in indexes], text), (text, pieces, indexes)


def any_pattern(rng: random.Random, depth: int = 4) -> str:
    """A pattern made at random."""
    kind = rng.random() if depth else 0
    if kind < 0.35:
        return rng.choice([*"abck1 .é", "[ab]", "[^a]", "[a-c]", r"\w", r"\s", r"\d", r"\W", r"[^\s]", "ab"])
    one, other = any_pattern(rng, depth - 1), any_pattern(rng, depth - 1)
    if kind < 0.55:
        return one + other
    if kind < 0.7:
        return f"(?:{one}|{other})"
    if kind < 0.92:
        return f"({one}){rng.choice(['*', '+', '?', '{2}', '{1,3}', '*?', '+?', '{2,}', '??'])}"
    return rng.choice(
        [rf"\b{one}", rf"{one}\b", f"^{one}", f"{one}$", f"(?={other}){one}", f"(?<!a){one}", f"{one}(?!{other})"]
    )


def test_any_pattern_that_is_accepted_matches_as_in_the_whole_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "re2", None)
    rng, tried = random.Random(SEED), 0
    print("seed", SEED)  # noqa: T201
    for _ in range(CASES // 10):
        pattern = re.compile(any_pattern(rng), rng.choice((FLAGS, re.RegexFlag(0), re.IGNORECASE, re.ASCII, re.DOTALL)))
        try:
            plan = Plan([matcher(pattern)])
        except ValueError:
            continue
        tried += 1
        for _ in range(5):
            text = "".join(rng.choices("aaabbbc k1sSéKſ\n", k=rng.randrange(16)))
            pieces = cut_anyhow(text, rng)
            assert scanned(plan, pieces) == expected([pattern], text), (pattern, text, pieces)
    assert tried > CASES // 20


FRAGMENTS = [
    *(text for texts in UNWANTED.values() for text in texts),
    *("As an AI", " language model", ", ", "I", "I'm", "I’m", " am", " can", "not", "'t", " help", " you", " with"),
    *(" that", "sorry", "but ", ". ", "\n", "sure", "!", "Certainly", "[", "Your ", "Name", "]", "<|", "im_end", "|>"),
    *("### ", "Instruction", ":", "Here", " is", " the ", "JSON", "let me ", " for you", "your_key", "_here", "Lorem "),
    *("...", " rest of", " the code", "my ", "system prompt", "helpful", "You are a ", " assistant", "é", "ſ", "İ"),
]


def test_the_built_in_patterns_in_many_random_texts() -> None:
    rng = random.Random(SEED)
    print("seed", SEED)  # noqa: T201
    met = set()
    for _ in range(CASES):
        text = "".join(rng.choices(FRAGMENTS, k=rng.randrange(1, 30)))
        pieces = cut_anyhow(text, rng)
        found = scanned(BUILT_IN_PLAN, pieces)
        met |= {one.pattern for one in found}

        assert found == expected(BUILT_IN, text), (text, pieces)
    assert len(met) > 30


@pytest.mark.parametrize(
    "pattern", [r"a+b", r"\ba+b\b", r"\s+$", r"\w+@\w+", "^a.*@$", r"a\w*", r"<[^>]+>", r"(?:a|b)+@"]
)
def test_what_has_no_end_is_cut_the_same_way_everywhere(pattern: str) -> None:
    rng = random.Random(SEED)
    plan, whole = Plan([matcher(pattern)]), bounded(pattern)
    for _ in range(60):
        text = "".join(rng.choice("aab @<>\n") * rng.choice((1, 2, 150, 300)) for _ in range(9))
        assert scanned(plan, cut_anyhow(text, rng)) == sorted(
            Found(match.start(), 0, match.end(), match[0]) for match in whole.finditer(text)
        )


def test_a_match_of_128_characters_is_a_match() -> None:
    text = "x" * 128 + "@y"

    assert scanned(Plan([matcher(r"\w+@y")]), [text]) == [Found(0, 0, 130, text)]


def test_a_fold_keeps_the_length_and_joins_what_ignoring_case_joins() -> None:
    for code in range(0x11000):
        char = chr(code)
        assert len(fold(char)) == 1
        for letter in "abcdefghijklmnopqrstuvwxyz":
            if re.fullmatch(letter, char, re.IGNORECASE):
                assert fold(char) == letter


def test_memory_and_work_do_not_grow_with_the_text() -> None:
    class Spy:
        longest = 0

        def __init__(self, inner: Matcher) -> None:
            self.inner = inner

        def __call__(self, text: str, start: int, end: int) -> tuple[int, int] | None:
            Spy.longest = max(Spy.longest, len(text))
            return self.inner.search(text, start, end)

    made = matcher(r"secret\w{3}x")
    plan = Plan([Matcher(made.source, Spy(made), made.width, made.before, made.after, made.words)])

    assert scanned(plan, ["a secret abc "] * 20_000) == []
    assert 0 < Spy.longest < 1000


def test_a_delta_of_megabytes_takes_linear_time() -> None:
    text = "It was a bright morning, and nobody was there. "

    def judged(delta: str) -> None:
        judge: Any = BUILT_IN_PLAN.open(lambda found: pytest.fail(str(found))).judge
        judge(delta, False)
        judge("", True)

    small, large = (text * (size // len(text)) for size in (500_000, 2_000_000))
    assert growth(judged, small, large, 5) <= 5
