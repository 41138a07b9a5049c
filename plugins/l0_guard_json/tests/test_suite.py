"""The promises of every guardrail, held by these two."""

from __future__ import annotations

from l0 import Guardrails
from l0_guard_json import Json, StrictJson
from l0_testing import GuardrailSuite


class TestJson(GuardrailSuite):
    name = "json"
    plugin = Json
    accepts = [
        '{"items": [1, 2, {"deep": "yes"}], "text": "a ] in a string, and a \\" too"}',
        '```json\n{"a": [1, 2]}\n```\nThat is the list.',
        "Prose with {braces, [brackets and ,, commas.",
        '{"a": 1}\n{"b": [2]}\n',
        "42",
    ]
    refuses = [
        '{"items": [1, 2, 3, 4, 5, 6, 7}',
        '{"a": 1}}',
        '["one", "two",, "three"]',
        '{"text": "this string does not come to an end',
        '[[1, 2], [3, {"a": {"b": [',
    ]


class TestStrictJson(GuardrailSuite):
    name = "strict_json"
    plugin = StrictJson
    accepts = ['{"items": [1, 2, {"deep": "yes"}]}', "[]", ' {"a": [1.5, null, true]}\n']
    refuses = ["", " \n", "Sure! Here is the JSON:", '{"items": [1, 2, 3, 4, 5', '{"a": 1} {"b": 2}', "[1,,2]", "[NaN]"]


def test_the_rule_says_how_severe_it_is_and_when_it_judges() -> None:
    rule = Guardrails.strict_json()
    assert (rule.severity, rule.streaming) == ("error", False)
