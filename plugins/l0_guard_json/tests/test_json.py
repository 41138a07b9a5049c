from __future__ import annotations

import asyncio
import json
import os
import random
from collections.abc import AsyncIterator, Iterable
from importlib.metadata import entry_points
from itertools import pairwise
from typing import Any

import l0
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from l0_guard_json import Json
from l0_guard_json.structure import Reader
from l0_testing import growth

from l0_core import State

Found = list[tuple[str, int | None]]
NO_CONTEXT: Any = None  # The guardrail does not ask for it.


class Stream:
    """One attempt of one stream through a plugin."""

    def __init__(self, plugin: Json) -> None:
        self.judge: Any = plugin.check(NO_CONTEXT)
        self.found: Found = []

    def feed(self, delta: str, final: bool = False) -> Stream:
        self.found += [(violation.message, violation.position) for violation in self.judge(delta, final) or ()]
        return self

    def end(self) -> Found:
        return self.feed("", final=True).found


def judged(deltas: Iterable[str]) -> Found:
    stream = Stream(Json())
    for delta in deltas:
        stream.feed(delta)
    return stream.end()


SOUND = [
    "{}",
    "[]",
    ' \n {"a": 1}\n',
    '[{"a":1},{"a":2}]',
    "[[1,2],[3,4]]",
    '{"a": "}]{[,, \\" \\\\", "b": []}',
    '{"a": "\\u005c\\\\"}',
    '{"a": 1}\n{"a": 2}\n[3]',
    '{"a": 1},\n{"a": 2}',
    '```json\n{"a": 1}\n```',
    '```json\n{"a": 1}\n```\nThe brace } closes it, "and so on',
    '{"a": 1}\n\nAs you see, the object :-] has one key.',
    "[Docs](https://example.com) say: close the block with }",
]
SILENT = [
    "",
    " \n",
    'Close the block with } and "',
    'The answer is {"a": 1',
    "42",
    '"[',
    "}",
    "``",
    "```json\n",
    "```python\n[",
    "```jsonc\n[ // don't",
]
AT_ONCE = [
    ("[}", "Too many closing braces: 1 close vs 0 open", 1),
    ("{]", "Too many closing brackets: 1 close vs 0 open", 1),
    ('{"a": 1}}}', "Too many closing braces: 2 close vs 1 open", 8),
    ('{"a": 1}\n]', "Too many closing brackets: 1 close vs 0 open", 9),
    (' {"a": [1}, 2]}', "Mismatched closing brace: '}' where ']' is due", 9),
    ('[{"a": 1]]]', "Mismatched closing bracket: ']' where '}' is due", 8),
    ("[1,,2]", "Multiple consecutive commas", 3),
    ("[1, \n,,, 2, ]]", "Multiple consecutive commas", 5),
    ("```json\n[}", "Too many closing braces: 1 close vs 0 open", 9),
]
AT_THE_END = [
    ("{", ["Missing closing braces: 1 open vs 0 close"]),
    ('{"a": {"b": 1}', ["Missing closing braces: 2 open vs 1 close"]),
    ("[[1],", ["Missing closing brackets: 2 open vs 1 close"]),
    ('{"a": 1}\n{', ["Missing closing braces: 2 open vs 1 close"]),
    ("```json\n[", ["Missing closing brackets: 1 open vs 0 close"]),
    (
        '{"a": ["b\\"]}',
        [
            "Unclosed string detected",
            "Missing closing braces: 1 open vs 0 close",
            "Missing closing brackets: 1 open vs 0 close",
        ],
    ),
]


@pytest.mark.parametrize("text", SOUND + SILENT)
def test_what_is_no_fault(text: str) -> None:
    assert judged([text]) == []


@pytest.mark.parametrize(("text", "message", "position"), AT_ONCE)
def test_what_is_found_at_once_and_only_once(text: str, message: str, position: int) -> None:
    stream = Stream(Json())

    assert stream.feed(text[:position]).found == []
    assert stream.feed(text[position:]).found == [(message, position)]
    assert stream.feed(']},,"').end() == [(message, position)]


@pytest.mark.parametrize(("text", "messages"), AT_THE_END)
def test_what_is_missing_at_the_end(text: str, messages: list[str]) -> None:
    stream = Stream(Json())

    assert stream.feed(text).found == []
    assert stream.end() == [(message, len(text)) for message in messages]


texts = st.builds(
    "".join,
    st.tuples(
        st.sampled_from(["", " ", "{", "[", "```json\n{", '[{"']),
        st.text(alphabet='{}[]",\\ \nu0`', max_size=30),
    ),
)


def pieces(text: str, cuts: Iterable[int]) -> list[str]:
    bounds = [0, *sorted(cut % (len(text) + 1) for cut in cuts), len(text)]
    return [text[start:end] for start, end in pairwise(bounds)]


@given(texts, st.lists(st.integers(0, 40)))
@example('["\\\\', [3])
@example('["\\u00e9\\""', [3, 4, 5, 6, 7, 8, 9])
def test_the_verdict_does_not_depend_on_the_cuts(text: str, cuts: list[int]) -> None:
    whole = judged([text])

    assert judged(pieces(text, cuts)) == whole
    assert judged(text) == whole


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)
documents = st.builds(
    json.dumps,
    st.lists(values, max_size=4) | st.dictionaries(st.text(max_size=4), values, max_size=4),
    ensure_ascii=st.booleans(),
    indent=st.none() | st.just(2),
    separators=st.none() | st.just((",", ":")),
)


@given(documents)
def test_what_json_loads_accepts_is_sound_and_each_of_its_truncations_is_not(document: str) -> None:
    assert judged(document) == []
    for end in range(1, len(document)):
        stream = Stream(Json()).feed(document[:end])
        assert stream.found == []
        assert stream.end() != []


def test_two_streams_through_one_plugin_do_not_meet() -> None:
    plugin = Json()
    first, second, prose = Stream(plugin), Stream(plugin), Stream(plugin)
    for one, two, three in zip('{"a": ["x"]}', '[1, {"b": "]', "Close with }", strict=True):
        first.feed(one)
        second.feed(two)
        prose.feed(three)

    assert first.end() == []
    assert [message for message, _ in second.end()] == [
        "Unclosed string detected",
        "Missing closing braces: 1 open vs 0 close",
        "Missing closing brackets: 1 open vs 0 close",
    ]
    assert prose.end() == []


def test_nesting_deeper_than_is_remembered_is_counted() -> None:
    depth = 5000

    assert judged(["[" * depth + "]" * depth]) == []
    assert judged(["[" * depth + "]" * (depth - 1)]) == [
        (f"Missing closing brackets: {depth} open vs {depth - 1} close", 2 * depth - 1)
    ]
    assert judged(["[" * depth + "]" * (depth + 1)]) == [
        (f"Too many closing brackets: {depth + 1} close vs {depth} open", 2 * depth)
    ]


@pytest.mark.parametrize("pattern", ['{"a": "b"},', '"\\\\\\"', "[1, ", "   \n", ",   ", '{} ""', "a"])
@pytest.mark.parametrize("size", [1, 60, 10**9], ids=["by character", "in batches", "at once"])
def test_time_grows_with_the_text_and_not_faster(pattern: str, size: int) -> None:
    def deltas(length: int) -> list[str]:
        text = "[" + (pattern * length)[:length]
        return [text[start : start + size] for start in range(0, len(text), size)]

    # Four times the text takes four times as long, and would take sixteen times as long if it were read again.
    length = 80_000 if size == 1 else 640_000
    assert growth(judged, deltas(length // 4), deltas(length), 8) <= 8


def test_it_is_found_by_its_name() -> None:
    (point,) = entry_points(group="l0.guardrails", name="json")

    assert point.load() is Json


def test_in_a_stream_a_broken_answer_is_asked_for_again() -> None:
    answers = iter(['{"a": [1}', '{"a": [1]}'])

    async def model() -> AsyncIterator[str]:
        for token in next(answers):
            yield token

    async def read() -> tuple[str, State]:
        stream = await l0.run(model, guardrails=["json"], retry=l0.Retry(base_delay=0))
        return await stream.read(), stream.state

    text, state = asyncio.run(read())

    assert text == '{"a": [1]}'
    assert [(found.rule, found.severity, found.position) for found in state.violations] == [("json", "error", 8)]


def test_as_a_documented_rule() -> None:
    rule = l0.Guardrails.json()

    assert rule.name == "json"
    assert rule.check(State('{"a": 1')) == []
    assert [found.message for found in rule.check(State('{"a": 1', completed=True))] == [
        "Missing closing braces: 1 open vs 0 close"
    ]


CASES = int(os.environ.get("L0_TEST_GUARD_CASES", "10000"))
PIECES = [
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    '"',
    "\\",
    '\\"',
    '"a"',
    '"a, b"',
    '"[x"',
    "1",
    "true",
    " ",
    "\n",
    "é",
    "a b",
    "```",
]


def test_many_random_texts_are_judged_alike_however_they_are_cut() -> None:
    """`L0_TEST_GUARD_CASES=100000 ./dev test plugins` runs the full size."""
    seed = random.randrange(2**32)
    rng = random.Random(seed)
    for _ in range(CASES):
        text = rng.choice(("[", "{", "")) + "".join(rng.choices(PIECES, k=rng.randrange(40)))
        whole = found([text])
        cuts = sorted(rng.randrange(len(text) + 1) for _ in range(rng.randrange(12)))
        assert found([text[a:b] for a, b in pairwise([0, *cuts, len(text)])]) == whole, (seed, text, cuts)


def found(deltas: list[str]) -> list[tuple[str, int]]:
    reader = Reader()
    faults = [fault for delta in deltas for fault in reader.feed(delta)]
    return [tuple(fault) for fault in [*faults, *reader.end()]]
