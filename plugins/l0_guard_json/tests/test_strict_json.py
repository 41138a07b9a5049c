from __future__ import annotations

from importlib.metadata import entry_points
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from l0_guard_json import StrictJson

from l0_core import State, Violation


def judged(text: str, state: State | None = None, size: int = 5) -> Violation | None:
    context: Any = SimpleNamespace(state=state or State())
    judge: Any = StrictJson().check(context).judge
    for start in range(0, len(text), size):
        assert judge(text[start : start + size], False) is None
    found: Violation | None = judge("", True)
    return found


@pytest.mark.parametrize(
    "text",
    ["{}", "[]", ' {"a": [1.5, null, true]}\n', '[{"a":1},{"a":2}]', "[1e999]", "[" + "9" * 5000 + "]", '["NaN"]'],
)
def test_what_is_json(text: str) -> None:
    assert judged(text) is None


@pytest.mark.parametrize(
    ("text", "message", "position"),
    [
        ("", "Empty output, expected JSON", None),
        (" \n", "Empty output, expected JSON", None),
        ("Sure! Here it is", "Output does not appear to be JSON", None),
        ('42 {"a": 1}', "Output does not appear to be JSON", None),
        ("42", "JSON root must be object or array, got number", None),
        ("-1.5", "JSON root must be object or array, got number", None),
        ('"{}"', "JSON root must be object or array, got string", None),
        ("false", "JSON root must be object or array, got boolean", None),
        ("null", "JSON root must be object or array, got null", None),
        (' {"a": 1', "Invalid JSON: Expecting ',' delimiter", 8),
        ('{"a": 1} {"b": 2}', "Invalid JSON: Extra data", 9),
        ("[1,,2]", "Invalid JSON: Expecting value", 3),
        ("```json\n{}\n```", "Invalid JSON: Expecting value", 0),
        ("[NaN]", "Invalid JSON: NaN is not a JSON value", None),
        ("[-Infinity]", "Invalid JSON: -Infinity is not a JSON value", None),
        ("[" * 200_000, "Invalid JSON: nested too deeply to be parsed", None),
    ],
)
def test_what_is_not(text: str, message: str, position: int | None) -> None:
    assert judged(text, size=1000) == Violation("strict_json", message, position=position)


def test_a_tool_call_is_not_an_empty_answer() -> None:
    state = State(tool_calls=[{"id": "1", "name": "look_up", "arguments": "{}"}])

    assert judged("", state) is None
    assert judged("not json", state) is not None


@given(st.text(alphabet='{}[]",:1 \\', max_size=20), st.integers(1, 5))
def test_the_verdict_does_not_depend_on_the_cuts(text: str, size: int) -> None:
    assert judged(text, size=size) == judged(text, size=100)


def test_it_is_found_by_its_name() -> None:
    (point,) = entry_points(group="l0.guardrails", name="strict_json")

    assert point.load() is StrictJson
