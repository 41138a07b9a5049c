"""Chunks of random documents: whole, within their size, overlapping, none too many, and the document again."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from l0_window import DocumentChunk, WindowConfig, chunk_document, estimate_tokens, merge_chunks

sys.path.insert(0, str(Path(__file__).parent))
from random_documents import CASES, SEED, Document, random_document

STRATEGIES = ("token", "char", "paragraph", "sentence")

ESTIMATORS: dict[str, Callable[[str], int]] = {
    "rounded down": lambda text: len(text) // 4,
    "rounded up": lambda text: -(-len(text) // 3),
    "words": lambda text: len(text.split()),
    "bytes": lambda text: len(text.encode(errors="surrogatepass")),
    "begun blocks": lambda text: 5 * (-(-len(text) // 17)),
    "nothing": lambda text: 0,
}


@dataclass
class Case:
    """A document, and how it is cut. Its `repr` says what to try again."""

    document: Document
    config: WindowConfig

    def weight(self, text: str) -> int:
        if self.config.strategy == "char":
            return len(text)
        return (self.config.estimate_tokens or estimate_tokens)(text)


def random_case(seed: int) -> Case:
    rng = random.Random(seed)
    document = random_document(rng)
    size = rng.choice((1, 2, 3, 5, 8, 13, 20, 34, 55, 100, 400))
    overlap = rng.choice((0, 0, 1, size // 10, size // 4, size // 2, size - 1))
    estimator = rng.choice((None, None, *ESTIMATORS.values()))
    config = WindowConfig(
        size,
        min(overlap, size - 1),
        rng.choice(STRATEGIES),
        estimator,
        preserve_paragraphs=rng.random() < 0.6,
        preserve_sentences=rng.random() < 0.4,
    )
    return Case(document, config)


def check_merging(case: Case, chunks: list[DocumentChunk], rng: random.Random) -> None:
    text = case.document.text
    assert merge_chunks(chunks) == text
    assert merge_chunks(rng.sample(chunks, len(chunks))) == text
    assert merge_chunks(chunks, preserve_overlap=True) == "".join(chunk.content for chunk in chunks)
    if chunks:
        first, last = sorted((rng.randrange(len(chunks)), rng.randrange(len(chunks))))
        some = chunks[first : last + 1]
        assert merge_chunks(rng.sample(some, len(some))) == text[some[0].start_pos : some[-1].end_pos]


def check_places(case: Case, chunks: list[DocumentChunk]) -> None:
    text = case.document.text
    for index, chunk in enumerate(chunks):
        assert chunk.content == text[chunk.start_pos : chunk.end_pos]
        assert {chunk.start_pos, chunk.end_pos} <= case.document.joints
        assert (chunk.index, chunk.total_chunks, chunk.char_count) == (index, len(chunks), len(chunk.content))
        assert (chunk.is_first, chunk.is_last) == (index == 0, index == len(chunks) - 1)
        assert chunk.token_count == (case.config.estimate_tokens or estimate_tokens)(chunk.content)
    assert [chunk.start_pos for chunk in chunks[:1]] == [0] * bool(text)
    assert [chunk.end_pos for chunk in chunks[-1:]] == [len(text)] * bool(text)
    for one, next_one in pairwise(chunks):
        assert one.start_pos < next_one.start_pos <= one.end_pos < next_one.end_pos, "one of them is too many"


def check_sizes(case: Case, chunks: list[DocumentChunk]) -> None:
    for chunk in chunks:
        if case.weight(chunk.content) > case.config.size:
            assert not any(chunk.start_pos < joint < chunk.end_pos for joint in case.document.joints)
    for one, next_one in pairwise(chunks):
        shared = case.document.text[next_one.start_pos : one.end_pos]
        if case.config.estimate_tokens in (None, ESTIMATORS["bytes"]):
            # Elsewhere a text can weigh more than its parts.
            assert case.weight(shared) <= case.config.overlap


def check_overlaps(case: Case, chunks: list[DocumentChunk]) -> None:
    """There is an overlap wherever the last grapheme of a chunk fits into it, and into the next chunk."""
    if case.config.overlap == 0 or case.config.estimate_tokens not in (None, ESTIMATORS["bytes"]):
        return
    joints = sorted(case.document.joints)
    before = dict(pairwise(joints[::-1]))
    for one, next_one in pairwise(chunks):
        if next_one.start_pos == one.end_pos:
            begin = before[one.end_pos]
            last = case.document.text[begin : one.end_pos]
            with_last = case.document.text[begin : next_one.end_pos]
            assert (
                begin == one.start_pos
                or case.weight(last) > case.config.overlap
                or (case.weight(with_last) > case.config.size)
            )


def test_chunks_of_random_documents():
    for number in range(CASES):
        case = random_case(SEED + number)
        chunks = chunk_document(case.document.text, case.config)
        try:
            check_merging(case, chunks, random.Random(number))
            check_places(case, chunks)
            check_sizes(case, chunks)
            check_overlaps(case, chunks)
        except AssertionError as error:
            spans = [(chunk.start_pos, chunk.end_pos) for chunk in chunks]
            error.add_note(f"random_case({SEED + number}): {case.document.text!r}, {case.config}, {spans}")
            raise


@given(
    document=st.text(max_size=300),
    size=st.integers(1, 30),
    overlap=st.integers(0, 29),
    strategy=st.sampled_from(STRATEGIES),
)
def test_chunks_of_any_text_make_it_again(document, size, overlap, strategy):
    chunks = chunk_document(document, WindowConfig(size, min(overlap, size - 1), strategy))
    assert merge_chunks(chunks) == document
    for one, next_one in pairwise(chunks):
        assert one.start_pos < next_one.start_pos <= one.end_pos < next_one.end_pos


def is_held(begin: int, end: int, chunks: list[DocumentChunk]) -> bool:
    return any(chunk.start_pos <= begin and end <= chunk.end_pos for chunk in chunks)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("kind", ["paragraphs", "sentences"])
def test_what_is_preserved_is_whole_in_a_chunk_if_it_fits(strategy, kind):
    for seed in range(SEED, SEED + CASES // 5):
        rng = random.Random(seed)
        parts: list[str] = []
        for _ in range(rng.randint(1, 30)):
            words = ["".join(rng.choices("abcdeżλשم", k=rng.randint(1, 9))) for _ in range(rng.randint(1, 20))]
            parts.append(" ".join(words) + rng.choice(".!?") + ("\n\n" if kind == "paragraphs" else " "))
        size = rng.choice((10, 30, 60, 100))
        overlap = rng.choice((0, 1, size // 5, size // 2))
        config = WindowConfig(
            size,
            overlap,
            strategy,
            preserve_paragraphs=kind == "paragraphs",
            preserve_sentences=kind == "sentences",
        )
        case = Case(Document("".join(parts), set()), config)
        chunks = chunk_document(case.document.text, config)
        room = size if strategy in ("paragraph", "sentence") else size - overlap
        begin = 0
        for part in parts:
            if case.weight(part) <= room:
                assert is_held(begin, begin + len(part), chunks), (seed, part, config)
            begin += len(part)


def spans(document: str, *args: object, **options: object) -> list[str]:
    return [chunk.content for chunk in chunk_document(document, WindowConfig(*args, **options))]


def test_characters_are_counted_as_characters():
    assert spans("abcdefghij", 4, 1, "char") == ["abcd", "defg", "ghij"]
    assert spans("漢字かな混じり文", 4, 0, "char") == ["漢字かな", "混じり文"]


def test_tokens_are_cut_between_words():
    assert spans("one two ten for six now ", 3, 1) == ["one two ten ", "ten for six ", "six now "]
    assert spans("one two three four ", 3, 1) == ["one two ", "two three ", "ree four "]
    assert spans("漢字かな混じり文", 4, 1) == ["漢字かな", "な混じり", "り文"]


def test_no_chunk_is_in_the_one_before_it():
    assert [len(text) for text in spans("x" * 1000, 200, 40)] == [800, 360]
    assert [len(text) for text in spans("x" * 900, 1000, 800)] == [900]
    assert len(spans("x" * 2000, 60, 50)) == 45


def test_paragraphs_are_packed_and_the_last_of_a_chunk_overlaps():
    first, second, third = ("One. Two.\n\n", "Three.\n\n", "Four. Five.\n\n")
    assert spans(first + second + third, 6, 2, "paragraph") == [first + second, second + third]


def test_an_overlap_makes_room_for_a_paragraph():
    first, second = "One two three.\n\n", "Four five six seven. Eight. A"
    assert spans(first + second, 8, 4, "paragraph") == [first, ".\n\n" + second]
    assert spans(first + second, 8, 4, "token") == [first + "Four five six ", "Four five six seven. Eight. A"]


def test_a_paragraph_that_does_not_fit_is_cut_at_sentences_and_those_at_words():
    text = "A short one. Then there is a longer one. " + "and on " * 5 + "x" * 30
    assert spans(text, 8, 0, "paragraph") == [
        "A short one. ",
        "Then there is a longer one. and ",
        "on and on and on and on and on ",
        "x" * 30,
    ]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_paragraph_is_whole_before_one_that_is_cut(strategy):
    first = "one two three four\n\n"
    size = len(first) if strategy == "char" else len(first) // 4
    assert spans(first + " " + "x" * 60, size, 0, strategy)[0] == first


def test_blank_lines_and_indentation():
    text = "def f():\r\n    pass\r\n\r\n \t\r\n    indented = 1\r\n"
    assert spans(text, 7, 0, "paragraph") == ["def f():\r\n    pass\r\n\r\n \t\r\n", "    indented = 1\r\n"]


def test_sentences_end_after_quotes_and_in_chinese_without_blanks():
    assert spans('"Is it?" he said. (Yes.) ', 3, 0, "sentence") == ['"Is it?" ', "he said. ", "(Yes.) "]
    assert spans("今日は。「明日は？」また！", 7, 0, "sentence") == ["今日は。", "「明日は？」", "また！"]
    assert spans("Pi is 3.14 or so. Well... no.", 5, 0, "sentence") == ["Pi is 3.14 or so. ", "Well... no."]


def test_a_grapheme_is_never_cut():
    family = "👩‍👩‍👧‍👦"
    assert spans(family * 3, 3, 1, "char") == [family] * 3
    assert spans("ab\r\n" * 3, 3, 0, "char") == ["ab", "\r\na", "b\r\n", "ab", "\r\n"]
    assert spans("🇩🇪🇫🇷🇩🇪", 3, 0, "char") == ["🇩🇪", "🇫🇷", "🇩🇪"]


def test_an_empty_document_has_no_chunks():
    assert spans("") == []
    assert merge_chunks([]) == ""


def test_metadata_is_copied_to_every_chunk():
    metadata = {"source": "a.txt"}
    one, other = chunk_document("abcdefgh", WindowConfig(1, 0, metadata=metadata))
    assert one.metadata == other.metadata == metadata
    assert one.metadata is not metadata
    assert one.metadata is not other.metadata


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (WindowConfig(0, 0), "size is 0; a chunk must have room for 1 or more"),
        (WindowConfig(10, -1), "overlap is -1; it must be 0, for no overlap, or more"),
        (WindowConfig(50, 60), "overlap is 60 and size is 50; .* pass an overlap below the size, such as overlap=5"),
        (WindowConfig(50, 50), "overlap is 50 and size is 50"),
        (WindowConfig(strategy="word"), "strategy is 'word'; it must be one of token, char, paragraph, sentence"),
    ],
)
def test_what_cannot_be_meant_is_refused(config, message):
    with pytest.raises(ValueError, match=message):
        chunk_document("abc", config)
