from __future__ import annotations

import asyncio
import importlib
import os
import random
import re
import tomllib
from collections.abc import AsyncIterator, Iterable
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import l0
import pytest
from hypothesis import given
from hypothesis import strategies as st
from l0_core.checks import rule_of
from l0_guard_repetition import Repetition, detect_repetition
from l0_testing import growth

from l0_core import GuardrailContext, State

HERE = Path(__file__).parents[1]
CASES = int(os.environ.get("L0_TEST_GUARD_CASES", "10000"))
LOOPING = re.compile(r"Repetitive output detected \((\d+)% character similarity\)")

Found = list[tuple[str, int | None]]

PROSE = (
    "A stream stalls, drops, repeats and truncates, and then it says that it is finished. The layer in between knows "
    "one fault from another, and bounds every wait. What your code has received is never repeated, nor withdrawn. "
    "Whoever leaves early closes the connection; whoever stays gets the whole text, character for character. "
)


class Stream:
    """One attempt of one stream through a plugin."""

    def __init__(self, plugin: Repetition | None = None) -> None:
        self.state = State()
        context: Any = SimpleNamespace(state=self.state)
        self.judge: Any = (plugin or Repetition()).check(context).judge
        self.found: Found = []

    def feed(self, delta: str, final: bool = False) -> Stream:
        for violation in self.judge(delta, final) or ():
            assert (violation.rule, violation.severity, violation.recoverable) == ("repetition", "error", True)
            self.found.append((violation.message, violation.position))
        return self

    def end(self) -> Found:
        return self.feed("", final=True).found


def judged(deltas: Iterable[str], **options: Any) -> Found:
    stream = Stream(Repetition(Repetition.Options(**options)))
    for delta in deltas:
        stream.feed(delta)
    return sorted(stream.end())


def loops(text: str, **options: Any) -> Found:
    return judged([text], sentence_check=False, **options)


LOOPS = {
    "a letter": "a",
    "a syllable": "ha ",
    "two words": "hello world ",
    "ten letters": "abcdefghij",
    "a phrase": "and so on, and so forth, ",
    "a line": "The quick brown fox jumps over the lazy dog\n",
    "a sentence": "I am sorry, I cannot say more about this. ",
    "a window": "It was a long sentence of exactly a hundred characters, that came again as often as it liked, ok? ",
    "two windows": PROSE[:230],
    "a paragraph": PROSE,
    "Chinese": "我不知道该怎么办，",
    "Hindi": "यह एक परीक्षण है ",
    "quoted": '"No," he said. ',
}


@pytest.mark.parametrize("said", LOOPS.values(), ids=LOOPS)
@pytest.mark.parametrize("before", ["", "Well: ", PROSE])
def test_what_is_said_again_and_again_is_found_at_its_beginning(said: str, before: str) -> None:
    # Long periods are looked for at fewer places.
    ((message, position),) = loops(before + said * (250 // len(said) + (12 if len(said) > 100 else 3)))

    assert LOOPING.fullmatch(message)
    # The first time is not a repetition; characters of the beginning may happen to be there before it.
    assert position is not None
    assert len(before) <= position + 3
    if len(said) <= 100:
        assert position <= len(before) + len(said)


@pytest.mark.parametrize("said", ["a", "ha ", "hello world ", "abcdefghij"])
def test_it_is_found_soon_and_while_the_stream_goes_on(said: str) -> None:
    stream = Stream()
    stream.feed(PROSE)
    text, read = said * 600, 0
    while not stream.found and read < 500:
        stream.feed(text[read : read + 4])
        read += 4

    assert stream.found
    assert stream.state.drift_detected


ROWS = {
    "objects": "".join(f'{{"id": {n}, "name": "Widget", "active": true, "tags": ["a", "b"]}},\n' for n in range(100)),
    "a table": "| name | passed | duration | branch |\n|---|---|---|---|\n"
    + "".join(f"| task {n} | passed | 0.{n:03} s | main |\n" for n in range(100)),
    "a wide table": ("| " + " " * 90) * 6 + "|\n" + ("|" + "-" * 90) * 6 + "|\n" + ("| " + " " * 90) * 6 + "|\n",
    "a rule": "-" * 200 + "\n" + "=" * 200 + "\n" + "- " * 150,
    "empty cells": "<td></td>" * 30,
    "zeros": "[" + "0, " * 64 + "]\n" + "0x00, " * 64 + "\n" + "0.000000e+00 " * 32,
    "blank lines": " " * 300 + "\n" * 200,
    "code": "".join(f"def f{n}(x: int) -> int:\n    if x is None:\n        raise ValueError\n\n\n" for n in range(50)),
    "the same calls": "        transport.sendto(data)\n" * 6 + "        lock.release()\n" * 8,
    "a log": "".join(f"2024-05-01 12:{n:02}:31 INFO worker: the job is done and was stored\n" for n in range(60)),
    "numbers": "".join(f"{n}, " for n in range(300)),
    "a numbered list": "".join(f"{n}. Check step {n} of the list\n" for n in range(1, 60)),
    "a box": ("+" + "-" * 40 + "+\n" + ("|" + " " * 40 + "|\n") * 6) * 2,
    "hexadecimal": "".join(f"{n * 7919 % 65536:04x} " for n in range(300)),
    "a song": "Row, row, row your boat, gently down the stream\nMerrily, merrily, merrily\nLife is a dream\n\n" * 2,
    "laughter": "ha ha ha " * 4 + "no no no no no! ",
}


@pytest.mark.parametrize("text", ROWS.values(), ids=ROWS)
def test_what_has_a_form_is_no_loop(text: str) -> None:
    assert judged([PROSE + text]) == []
    assert judged([text]) == []


@pytest.mark.parametrize("said", ["-", "| ", "0, ", "<td></td>", " \n", "!", "😂", "        lock.release()\n"])
def test_what_has_a_form_is_a_loop_when_it_does_not_end(said: str) -> None:
    ((message, position),) = loops(PROSE + said * (1300 // len(said)))

    assert message == "Repetitive output detected (100% character similarity)"
    assert position is not None
    assert len(PROSE) < position < len(PROSE) + 1300


@pytest.mark.parametrize("period", [1, 2, 4, 5, 10, 20, 25, 50])
@pytest.mark.parametrize("size", [15, 60])
def test_exact_loops_that_the_documented_rule_finds_are_found(period: int, size: int) -> None:
    def documented(text: str) -> bool:
        latest, before = text[-100:], text[-200:-100]
        return len(before) == 100 and sum(map(str.__eq__, latest, before)) > 50

    rng = random.Random(period)
    for _ in range(40):
        said = "".join(rng.choices("abcdefgh", k=period))
        start, length = rng.randrange(120), rng.randrange(150, 400)
        text = PROSE[:start] + (said * length)[:length] + PROSE[150:]
        if any(documented(text[:end]) for end in range(0, len(text), size)):
            assert loops(text), (period, start, length)


def stretches(text: str, window: int, least: int) -> set[tuple[int, int]]:
    """Where a text repeats what stands up to a window before it, and for how long, if that is long enough."""
    found = set()
    for period in range(1, window + 1):
        start = at = period
        while start < len(text):
            while at < len(text) and text[at] == text[at - period]:
                at += 1
            if at - start >= max(least, 2 * period):
                found.add((start, at - start))
            start = at = at + 1
    return found


@given(st.data())
def test_a_loop_of_letters_is_found_just_when_there_is_one(data: st.DataObject) -> None:
    window = data.draw(st.integers(10, 16))
    threshold = data.draw(st.sampled_from([0.25, 0.5, 0.75]))
    pieces = st.builds(
        lambda said, times: (said * times)[:80], st.text("abcd", min_size=1, max_size=12), st.integers(1, 30)
    )
    text = "".join(data.draw(st.lists(pieces, max_size=6)))
    expected = stretches(text, window, int(2 * window * threshold) + 1)

    found = loops(text, window=window, threshold=threshold)

    if expected:
        assert found
    for message, position in found:
        matched = LOOPING.fullmatch(message)
        assert matched is not None
        assert int(matched[1]) >= 100 * threshold - 1
        assert position is not None
        assert any(
            start <= position < start + length for start, length in stretches(text, 8 * window, 2 * window) | expected
        )


def pieces(text: str, cuts: Iterable[int]) -> list[str]:
    bounds = [0, *sorted(cut % (len(text) + 1) for cut in cuts), len(text)]
    return [text[start:end] for start, end in pairwise(bounds)]


def composed(rng: random.Random) -> str:
    """A text of sentences, lines, rules and loops, some of them again and again."""
    sentences = [
        "The same sentence comes again and again. ",
        "THE SAME  sentence comes again and again! ",
        "Is that what you wanted to know? ",
        "a line without any stop at its end\n",
        "再说一遍，这句话已经说过很多次了，真的很多次了。",
        "Straße, Groß und Klein ist hier egal. ",
        "  - an item that is longer than most.\n",
        '"quoted" - and (so) on... ',
        "Short. ",
        "-" * 30,
        " " * 7,
        "\t\n",
        "x" * 400 + " ",
        "0, 1, ",
        "ab",
    ]
    few = rng.sample(sentences, rng.randint(1, 5))
    return "".join(
        rng.choice(few) * rng.choice((1, 1, 1, 2, 5, 40)) if rng.random() < 0.7 else rng.choice(PROSE.split(" ")) + " "
        for _ in range(rng.randint(1, 14))
    )


def test_the_verdict_does_not_depend_on_the_cuts() -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")  # noqa: T201
    rng = random.Random(seed)
    objections = 0
    for _ in range(CASES):
        text = composed(rng)
        window = rng.choice((10, 30, 100))
        whole = judged([text], window=window)
        objections += bool(whole)
        size = rng.choice((1, 7, 60, 350))
        assert judged(
            pieces(text, [rng.randrange(len(text) + 1) for _ in range(len(text) // size)]), window=window
        ) == (whole), (seed, text)
    assert CASES < 1000 or 0.1 * CASES < objections < 0.95 * CASES


@given(st.text(alphabet="ab. !\n。é", max_size=200), st.lists(st.integers(0, 200)))
def test_nor_in_texts_of_few_characters(text: str, cuts: list[int]) -> None:
    assert judged(pieces(text, cuts), window=10) == judged([text], window=10) == judged(text, window=10)


AGAIN = "The answer to this is forty-two. "


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (AGAIN * 3, [("Sentence repeated 3 times", 2 * len(AGAIN))]),
        (f"Hello! {AGAIN}But why is that so? {AGAIN.upper()}\n  {AGAIN}", [("Sentence repeated 3 times", 96)]),
        (AGAIN.strip() + "\n" + AGAIN + "\n\n" + AGAIN.strip(), [("Sentence repeated 3 times", 68)]),
        (f"1. {AGAIN}2. {AGAIN}3. {AGAIN}", [("Sentence repeated 3 times", 75)]),
        ("“The answer is forty-two (really).”\n" * 3, [("Sentence repeated 3 times", 72)]),
        ("这个句子一共有超过二十个汉字，所以每一次都会被数到。" * 3, [("Sentence repeated 3 times", 52)]),
        ("- one two three four five\n" * 6, [("Sentence repeated 6 times", 130)]),
        (AGAIN * 2, []),
        ("Twenty characters .. " * 4, []),
        ("See above for all. " * 5, []),
        ("- one two three four five\n" * 5, []),
        ("    raise NotImplementedError\n\n" * 5, []),
        ("from __future__ import annotations\n" * 5, []),
        ('print("The same text again.")\n' * 5, []),
        (AGAIN + "".join(f"This is sentence number {n} of them. {AGAIN * (n == 9)}" for n in range(19)) + AGAIN, []),
    ],
)
def test_sentences(text: str, found: Found) -> None:
    assert judged([text], threshold=1) == found


def test_how_often_a_sentence_may_come_is_for_the_user_to_say() -> None:
    assert judged([AGAIN * 4], threshold=1, sentence_repeat_count=5) == []
    assert judged([AGAIN * 5], threshold=1, sentence_repeat_count=5) == [("Sentence repeated 5 times", 4 * len(AGAIN))]
    assert judged([AGAIN * 9], threshold=1, sentence_check=False) == []


def test_a_higher_threshold_takes_more_of_the_same() -> None:
    text = PROSE + "so and so " * 18 + PROSE

    assert loops(text, threshold=0.5)
    assert not loops(text, threshold=0.9)
    assert not loops("a" * 1000, threshold=1.0)


def test_a_larger_window_sees_longer_periods() -> None:
    text = PROSE * 5

    assert loops(text[: 3 * len(PROSE)], window=400)
    assert not loops(PROSE * 5, window=20, threshold=0.9)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"window": 9}, "window is 9"),
        ({"threshold": 1.5}, "threshold is 1.5"),
        ({"threshold": float("nan")}, "threshold is nan"),
        ({"sentence_repeat_count": 1}, "sentence_repeat_count is 1"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Repetition.Options(**options)


def test_two_streams_through_one_plugin_do_not_meet() -> None:
    plugin = Repetition()
    first, second = Stream(plugin), Stream(plugin)
    for char in "hello world " * 30:
        first.feed(char)
        second.feed(PROSE[:60])

    assert len(first.found) == 1
    assert not second.state.drift_detected or second.found
    assert first.state.drift_detected


def test_no_more_than_a_bounded_part_is_remembered() -> None:
    stream = Stream()
    rng = random.Random(1)
    stream.feed("".join(chr(rng.randrange(0x4E00, 0x9000)) for _ in range(1_000_000)))
    stream.feed("".join(f"This is sentence {n}. " for n in range(10_000)))

    held = [cell.cell_contents for cell in stream.judge.__closure__]
    (circles,) = [item for item in held if type(item).__name__ == "Loops"]
    (sentences,) = [item for item in held if type(item).__name__ == "Sentences"]
    assert len(circles._text) < 10_000
    assert len(sentences._begun) <= 1000
    assert len(sentences._last) < 100


@pytest.mark.parametrize("size", [1, 60, 10**9], ids=["by character", "in batches", "at once"])
@pytest.mark.parametrize(
    "row", ["-" * 900, "0, " * 300, "the same words as in the row before ", "a.b", "x" * 900 + ". "]
)
def test_time_grows_with_the_text_and_not_faster(row: str, size: int) -> None:
    def deltas(length: int) -> list[str]:
        rng = random.Random(1)
        text = "".join(f"{row}{rng.randrange(10**9)}\n" for _ in range(length // len(row) + 1))[:length]
        return [text[start : start + size] for start in range(0, len(text), size)]

    # Four times the text takes four times as long, and would take sixteen times as long if it were read again.
    length = 100_000 if size == 1 else 800_000
    assert growth(judged, deltas(length // 4), deltas(length), 8) <= 8


def test_in_a_stream_a_loop_is_asked_for_again() -> None:
    answers = iter([PROSE + "and so on " * 500, PROSE])
    said = 0

    async def model() -> AsyncIterator[str]:
        nonlocal said
        text = next(answers)
        for start in range(0, len(text), 4):
            said += 4
            yield text[start : start + 4]

    async def read() -> tuple[str, State]:
        stream = await l0.run(model, guardrails=[Repetition()], retry=l0.Retry(base_delay=0))
        return await stream.read(), stream.state

    text, state = asyncio.run(read())

    assert text == PROSE
    assert said < 3 * len(PROSE) + 800
    (violation,) = state.violations
    assert LOOPING.fullmatch(violation.message)


def test_as_a_documented_rule() -> None:
    rule = rule_of(Repetition(), "repetition")
    state = State("abcdefghij" * 20)

    assert [bool(LOOPING.fullmatch(found.message)) for found in rule.check(state)] == [True]
    assert state.drift_detected
    assert rule.check(State(PROSE, completed=True)) == []
    assert [found.message for found in rule.check(State(AGAIN * 3))] == ["Sentence repeated 3 times"]
    assert [found.message for found in rule.check(State((AGAIN * 3).strip(), completed=True))] == [
        "Sentence repeated 3 times"
    ]


def test_the_helper_judges_a_whole_text() -> None:
    text = f"So: {AGAIN}Something else. " * 3

    (found,) = detect_repetition(GuardrailContext(text, completed=True))
    assert (found.rule, found.severity, found.message, found.position) == (
        "pattern-repetition",
        "error",
        "Sentence repeated 3 times",
        0,
    )
    assert detect_repetition(GuardrailContext(text)) == []
    assert detect_repetition(GuardrailContext(text, completed=True), threshold=3) == []
    assert detect_repetition(GuardrailContext("import unittest as tests\n    pass\n" * 9, completed=True), 9) == []


def test_its_entry_point_is_the_plugin() -> None:
    points = tomllib.loads((HERE / "pyproject.toml").read_text("utf-8"))["project"]["entry-points"]["l0.guardrails"]
    module, _, name = points["repetition"].partition(":")

    assert getattr(importlib.import_module(module), name) is Repetition


def code_blocks() -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", (HERE / "README.md").read_text("utf-8"), re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("code", code_blocks())
def test_the_code_of_the_readme_runs(code: str) -> None:
    exec(compile(code, "README.md", "exec", dont_inherit=True), {})
