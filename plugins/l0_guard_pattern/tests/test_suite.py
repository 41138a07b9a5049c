"""The promises of every guardrail, held by these two."""

from __future__ import annotations

import pytest
from l0 import GuardrailRule, Guardrails
from l0_guard_pattern import CustomPattern, Pattern
from l0_testing import GuardrailSuite


class TestPattern(GuardrailSuite):
    name = "pattern"
    plugin = Pattern
    accepts = ["The lake freezes in December.", "As an AI researcher she built models.", "Of course it rains here."]
    refuses = [
        "As an AI language model, I cannot say.",
        "The lake is cold. I cannot help with that.",
        "[insert name here]",
    ]


@pytest.mark.parametrize(
    ("rule", "severity"),
    [
        (Guardrails.pattern(), "warning"),
        (Guardrails.custom_pattern(["x"]), "error"),
        (Guardrails.custom_pattern(["x"], severity="fatal"), "fatal"),
    ],
)
def test_a_rule_says_how_severe_it_is(rule: GuardrailRule, severity: str) -> None:
    assert (rule.severity, rule.streaming) == (severity, True)


class TestCustomPattern(GuardrailSuite):
    name = "custom_pattern"
    plugin = CustomPattern
    options = {"patterns": [r"\bsecret\b", r"\d{4}-\d{4}"]}
    skips = {"test_it_works_without_configuration": "there are no patterns of one's own that it could have by itself"}
    accepts = ["Nothing to see.", "secretly, 123-4567"]
    refuses = ["It is a secret here.", "Call 1234-5678 now."]
