"""The promises of every guardrail, held by this one."""

from __future__ import annotations

from l0_drift import DriftGuard
from l0_testing import GuardrailSuite

GOOD = "The lake lies between two hills. In winter it freezes, and people walk across it to the far shore. "


class TestDrift(GuardrailSuite):
    name = "drift"
    plugin = DriftGuard
    skips = {"test_its_options_are_a_frozen_dataclass": "DriftConfig is documented, and may be made by position"}
    accepts = [GOOD, "Two and two are four."]
    refuses = [GOOD + "As an AI language model, I cannot see the lake. " + GOOD]
