"""The promises of every guardrail, held by this one."""

from __future__ import annotations

from l0 import Guardrails
from l0_guard_zero_output import ZeroOutput
from l0_testing import GuardrailSuite


class TestZeroOutput(GuardrailSuite):
    name = "zero_output"
    plugin = ZeroOutput
    accepts = ["It is noon.", "{}", "42", "👍", '"yes"', "... and so it goes on, for ever and ever."]
    refuses = ["", " \n", "...", "?!", "aaaaaaaaaaa", "- - - - - - - - - - - - - - - -"]


def test_the_rule_says_how_severe_it_is_and_when_it_judges() -> None:
    rule = Guardrails.zero_output()
    assert (rule.severity, rule.streaming) == ("error", False)
