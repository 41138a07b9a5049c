"""A document that is four times as long takes four times as long to cut, whatever is in it."""

from __future__ import annotations

from itertools import cycle, islice

import pytest
from l0_testing import growth
from l0_testing.measuring import seconds
from l0_window import DocumentWindow, WindowConfig, chunk_document, merge_chunks

SIZE = 200_000
MOST = 8
"""Four is what is to be expected, and sixteen what is to be found out."""

PATTERNS = {
    "paragraphs": "The tide rises and falls twice a day. And again, the next day.\n\n" * 3,
    "one paragraph": "The tide rises and falls twice a day. ",
    "one sentence": "the tide rises and falls ",
    "one word": "a",
    "words too long": "w " + "b" * 20_000 + " ",
    "blanks": " ",
    "line ends": "\n",
    "carriage returns": "\r\n",
    "blank lines": " \n",
    "marks": ".",
    "marks and quotes": '."',
    "ideographs": "潮汐每天涨落两次，因为地球在旋转。",
    "ideographic marks": "。",
    "families": "👩‍👩‍👧‍👦",
    "flags": "\U0001f1e6",
    "accents": "\u0301",
    "syllables": "\u1100",
    "viramas": "\u094d\u0915",
}


def grown(small: str, large: str, config: WindowConfig) -> float:
    return growth(lambda document: chunk_document(document, config), small, large, MOST)


def repeated(pattern: str, size: int) -> str:
    return "".join(islice(cycle(pattern), size))


@pytest.mark.parametrize("strategy", ["token", "char", "paragraph", "sentence"])
def test_time_grows_with_the_length_of_a_document(strategy):
    configs = (WindowConfig(strategy=strategy), WindowConfig(100, 90, strategy, lambda text: len(text) // 4))
    found = {
        name: max(grown(repeated(text, SIZE // 4), repeated(text, SIZE), config) for config in configs)
        for name, text in PATTERNS.items()
    }
    assert {name: round(times, 1) for name, times in found.items() if times > MOST} == {}


@pytest.mark.parametrize("strategy", ["token", "char", "paragraph", "sentence"])
@pytest.mark.parametrize("name", PATTERNS)
def test_an_estimator_is_given_a_document_a_few_times_and_in_pieces(strategy, name):
    document = repeated(PATTERNS[name], SIZE)
    given: list[int] = []

    def count(text: str) -> int:
        given.append(len(text))
        return len(text) // 4

    chunks = chunk_document(document, WindowConfig(2000, 200, strategy, count))
    assert merge_chunks(chunks) == document
    assert sum(given) < 8 * len(document)
    if len(chunks) > 1:  # One accent upon another is a single grapheme.
        assert max(given) < 40_000


def test_searching_and_statistics_are_linear():
    window = DocumentWindow(repeated("The tide rises. ", SIZE), WindowConfig(10, 5))

    def search() -> None:
        assert len(window.find_chunks("tide")) == len(window)
        assert window.get_stats().total_chars == SIZE

    assert seconds(search, 20) < 20
