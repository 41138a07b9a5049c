"""Seams: text that is continued, perhaps with its end repeated, is joined exactly; what may be either is not cut."""

from __future__ import annotations

import os
import random

import l0
import pytest
from hypothesis import given
from hypothesis import strategies as st
from l0_core.continuation import DeduplicationOptions, Seam, deduplicate_continuation, detect_overlap

DEFAULT = DeduplicationOptions()
SEEDS = int(os.environ.get("L0_SEAM_CASES", "10000"))


def join(kept: str, pieces: list[str], options: DeduplicationOptions = DEFAULT) -> str:
    seam = Seam(kept, options)
    text, decided = kept, False
    for piece in pieces:
        if decided:
            text += piece
            continue
        passed = seam.feed(piece)
        if passed is not None:
            text += passed
            decided = True
    return text if decided else text + seam.end()


def chunked(text: str, rng: random.Random) -> list[str]:
    pieces = []
    while text:
        size = rng.choice((1, 1, 2, 3, 5, 8, 40, 700))
        pieces.append(text[:size])
        text = text[size:]
    return pieces


def unique_text(rng: random.Random, size: int) -> str:
    """Text no 12 characters of which occur twice."""
    letters = "abcdefghijklmnopqrstuvwxyz" + " " * rng.choice((1, 5))
    while True:
        text = "".join(rng.choice(letters) for _ in range(size))
        if len({text[i : i + 12] for i in range(size - 11)}) == max(0, size - 11):
            return text


def test_random_seams_are_exact_for_every_tokenisation() -> None:
    """faults: a cut anywhere, an overlap of none or of 12 to 500 characters."""
    seed = random.randrange(2**32)
    rng = random.Random(seed)
    for case in range(SEEDS):
        text = unique_text(rng, rng.randrange(40, 1200))
        cut = rng.randrange(0, len(text) + 1)
        overlap = rng.choice((0, 0, 12, 13, 40, 499, 500, rng.randrange(12, 501)))
        if overlap > cut:
            overlap = 0
        pieces = chunked(text[cut - overlap :], rng)
        assert join(text[:cut], pieces) == text, (seed, case, cut, overlap)


def test_periodic_text_never_loses_a_character() -> None:
    seed = random.randrange(2**32)
    rng = random.Random(seed)
    for case in range(SEEDS // 5):
        period = "".join(rng.choice("ab .") for _ in range(rng.randrange(1, 30)))
        text = period * rng.randrange(3, 60)
        cut = rng.randrange(2 * len(period), len(text))
        end = rng.choice(("", "!", "and so on."))
        assert join(text[:cut], chunked(text[cut:] + end, rng)) == text + end, (seed, case, period, cut)


@pytest.mark.parametrize(
    ("kept", "continuation", "joined"),
    [
        ("Hello world", "world is great", "Hello world is great"),
        ("The quick brown fox", "brown fox jumps over", "The quick brown fox jumps over"),
        ("Total: 100", "00 dollars", "Total: 10000 dollars"),
        ("ha", "haha", "hahaha"),
        ("ha ha ha ", "ha ha!", "ha ha ha ha ha!"),
        ("so so", " so what", "so so so what"),
        ("The cat ", "sat on the mat", "The cat sat on the mat"),
        ("", "anything", "anything"),
        ("abc", "", "abc"),
        ("one two three four", "one two three four five", "one two three four five"),
        ("1, 2, 3, 4, 5, 6, 7", "3, 4, 5, 6, 7, 8", "1, 2, 3, 4, 5, 6, 7, 8"),
    ],
)
def test_examples_at_every_cut(kept: str, continuation: str, joined: str) -> None:
    for size in range(1, len(continuation) + 2):
        pieces = [continuation[i : i + size] for i in range(0, len(continuation), size)]
        assert join(kept, pieces) == joined


@given(st.text(max_size=40), st.text(max_size=40), st.integers(0, 2**32))
def test_the_way_a_continuation_is_cut_changes_nothing(kept: str, continuation: str, seed: int) -> None:
    assert join(kept, [continuation]) == join(kept, chunked(continuation, random.Random(seed)))


def test_what_is_removed_is_told() -> None:
    seam = Seam("The quick brown fox", DEFAULT)
    assert seam.feed("quick brown fox jumps") == " jumps"
    assert seam.removed == "quick brown fox"


def test_options_of_a_seam() -> None:
    loose = DeduplicationOptions(case_sensitive=False, normalize_whitespace=True)
    assert join("The Quick  Brown Fox", ["quick brown\nfox jumps"], loose) == "The Quick  Brown Fox jumps"
    assert join("The quick brown fox", ["quick brown fox jumps"], DeduplicationOptions(min_overlap=16)) == (
        "The quick brown foxquick brown fox jumps"
    )
    with pytest.raises(ValueError, match="min_overlap"):
        DeduplicationOptions(min_overlap=5, max_overlap=4)


def test_the_documented_utility() -> None:
    result = detect_overlap("Hello world", "world is great")
    assert (result.has_overlap, result.overlap_length) == (True, 5)
    assert (result.overlap_text, result.deduplicated) == ("world", " is great")
    assert l0.Continuation.deduplicate("Hello world", "world is great") == " is great"
    assert detect_overlap("abc", "xyz") == l0.OverlapResult(False, 0, "", "xyz")
    assert detect_overlap("", "x").has_overlap is False
    assert detect_overlap("ha", "haha").deduplicated == "ha"
    insensitive = DeduplicationOptions(case_sensitive=False, min_overlap=3)
    assert detect_overlap("Hello World", "world test", insensitive).deduplicated == " test"
    spaced = DeduplicationOptions(normalize_whitespace=True)
    assert deduplicate_continuation("hello  world", "hello world!", spaced) == "!"
    assert deduplicate_continuation("x" * 600, "x" * 600) == "x" * 100


def test_blanks_count_once_where_they_are_normalized_however_they_are_spread() -> None:
    spaced = DeduplicationOptions(normalize_whitespace=True)
    found = detect_overlap("one two three", "two \n\t three four", spaced)
    assert (found.overlap_text, found.deduplicated) == ("two \n\t three", " four")
    assert join("The quick brown fox", ["quick  ", " brown\n\n", "\n fox jumps"], spaced) == "The quick brown fox jumps"


def test_continuation_is_on_unless_it_is_switched_off() -> None:
    assert l0.ContinuationConfig.default() == l0.ContinuationConfig()
    assert l0.ContinuationConfig.default().enabled
    assert not l0.ContinuationConfig.disabled().enabled
