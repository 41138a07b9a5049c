from __future__ import annotations

import asyncio
import os
import random
import re
from collections.abc import AsyncIterator, Iterable
from importlib.metadata import entry_points
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import l0
import pytest
from hypothesis import given
from hypothesis import strategies as st
from l0_guard_zero_output import ZeroOutput, is_noise_only, is_zero_output

from l0_core import Event, EventType, State

README = Path(__file__).parents[1] / "README.md"

EMPTY = "Empty or whitespace-only output"
NOISE = "Output appears to be noise (punctuation or repeated characters)"


def opened(plugin: ZeroOutput, state: State | None = None) -> Any:
    context: Any = SimpleNamespace(state=state or State())
    return plugin.check(context)


def judged(deltas: Iterable[str], state: State | None = None) -> str | None:
    judge = opened(ZeroOutput(), state)
    for delta in deltas:
        assert judge(delta, False) is None
    found = judge("", True)
    if found is None:
        return None
    assert (found.rule, found.severity, found.recoverable) == ("zero_output", "error", True)
    message: str = found.message
    return message


NOTHING = ["", " ", "\n\t \r\n", "\u00a0\u3000", "\u200b\ufeff\x00"]
ANSWERS = [
    *("{}", "[]", "()", "[{}]", "==", "<=", "+", "$"),
    *("0", "42", "-1", "1.", "I.", '"yes"', "`x`", "(a)", "是", "é!"),
    *("👍", "👍🏽", "👍👍!", "→", "€", "✓"),
    *("010101010101", "hahahahahaha", "aaaaaaaaaa", "1 000 000 000 000"),
]
NOISES = [
    *(".", "...", "…", "?!", "!!!", "---", "***", "```", '""', "''", "。。", "- - -", ". , ; :", "!@#$%^&*()", ":)"),
    *("aaaaaaaaaaa", "a a a a a a a a a a a", "00000000000", "{{{{{{{{{{{", "==============", "👍" * 11),
]


@pytest.mark.parametrize("text", NOTHING)
def test_what_is_empty(text: str) -> None:
    assert judged([text]) == EMPTY
    assert is_zero_output(text)
    assert not is_noise_only(text)


@pytest.mark.parametrize("text", NOISES)
def test_what_is_noise(text: str) -> None:
    assert judged([text]) == judged([f"\n{text} "]) == NOISE
    assert is_noise_only(text)
    assert not is_zero_output(text)


@pytest.mark.parametrize("text", ANSWERS)
def test_what_is_an_answer(text: str) -> None:
    assert judged([text]) is None
    assert judged([f"\n{text} "]) is None
    assert not is_noise_only(text)
    assert not is_zero_output(text)


@pytest.mark.parametrize(
    "fields", [{"tool_calls": [{"name": "look_up"}]}, {"data_outputs": ["an image"]}, {"refusal": "I cannot."}]
)
@pytest.mark.parametrize("text", ["", " ", "..."])
def test_an_answer_need_not_be_text(fields: dict[str, Any], text: str) -> None:
    assert judged([text], State(**fields)) is None


@given(st.lists(st.text(alphabet=" \n.{}=0a👍\u200b", max_size=8)))
def test_the_verdict_does_not_depend_on_the_cuts(deltas: list[str]) -> None:
    text = "".join(deltas)

    assert judged(deltas) == judged([text]) == judged(text)


@given(st.text(min_size=1))
def test_a_word_more_makes_an_answer_of_anything(text: str) -> None:
    assert judged([text, " word"]) is None


def test_two_streams_through_one_plugin_do_not_meet() -> None:
    plugin = ZeroOutput()
    words, dots = opened(plugin), opened(plugin)
    for word in ("It", " is", " noon"):
        words(word, False)
        dots(".", False)

    assert words("", True) is None
    assert dots("", True).message == NOISE


def test_no_more_is_kept_than_decides() -> None:
    class Text(str):
        read = 0

        def __iter__(self) -> Any:
            for char in str.__iter__(self):
                Text.read += 1
                yield char

    assert judged([Text("Well, "), *[Text("well, ")] * 1000]) is None
    assert Text.read < 1100


def test_it_is_found_by_its_name() -> None:
    (point,) = entry_points(group="l0.guardrails", name="zero_output")

    assert point.load() is ZeroOutput


def read(*attempts: list[Event | str]) -> tuple[str, State]:
    answers = iter(attempts)

    async def model() -> AsyncIterator[Event | str]:
        for item in next(answers):
            yield item

    async def main() -> tuple[str, State]:
        stream = await l0.run(model, guardrails=["zero_output"], retry=l0.Retry(base_delay=0))
        return await stream.read(), stream.state

    return asyncio.run(main())


def test_in_a_stream_noise_is_asked_for_again() -> None:
    text, state = read(["..."], ["It is ", "noon."])

    assert text == "It is noon."
    assert [found.message for found in state.violations] == [NOISE]


def test_in_a_stream_a_tool_call_is_an_answer() -> None:
    call = {"index": 0, "id": "1", "name": "look_up", "arguments": "{}"}
    text, state = read([Event(EventType.PROGRESS, data={"tool_call": call})])

    assert text == ""
    assert len(state.tool_calls) == 1
    assert state.violations == []


def test_as_a_documented_rule() -> None:
    rule = l0.Guardrails.zero_output()

    assert rule.name == "zero_output"
    assert rule.check(State("...")) == []
    assert [found.message for found in rule.check(State("...", completed=True))] == [NOISE]


def code_blocks() -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", README.read_text("utf-8"), re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("code", code_blocks())
def test_the_code_of_the_readme_runs(code: str) -> None:
    exec(compile(code, "README.md", "exec", dont_inherit=True), {})


CASES = int(os.environ.get("L0_TEST_GUARD_CASES", "10000"))


def test_many_random_texts_are_judged_alike_however_they_are_cut() -> None:
    """`L0_TEST_GUARD_CASES=100000 ./dev test plugins` runs the full size."""
    seed = random.randrange(2**32)
    rng = random.Random(seed)
    for _ in range(CASES):
        text = "".join(rng.choices(" \n\u200b.!-{}aaé…", k=rng.randrange(16)))
        cuts = sorted(rng.randrange(len(text) + 1) for _ in range(rng.randrange(6)))
        pieces = [text[a:b] for a, b in pairwise([0, *cuts, len(text)])]
        assert found(pieces) == found([text]), (seed, text, cuts)


def found(deltas: list[str]) -> str | None:
    judge: Any = ZeroOutput().check(SimpleNamespace(state=State()))
    for delta in deltas:
        assert judge(delta, False) is None
    violation = judge("", True)
    return None if violation is None else violation.message
