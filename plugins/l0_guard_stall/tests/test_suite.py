"""The promises of every plugin, held by this one. It judges the time between tokens, and no text."""

from __future__ import annotations

from l0 import Guardrails
from l0_guard_stall import Stall
from l0_testing import PluginSuite


class TestStall(PluginSuite):
    kind = "guardrail"
    name = "stall"
    plugin = Stall
    options = {"max_gap": 2.0}


def test_the_rule_says_how_severe_it_is_and_when_it_judges() -> None:
    rule = Guardrails.stall()
    assert (rule.severity, rule.streaming) == ("warning", True)
