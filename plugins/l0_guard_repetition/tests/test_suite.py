"""The promises of every guardrail, held by this one."""

from __future__ import annotations

from l0_guard_repetition import Repetition
from l0_testing import GuardrailSuite

LINE = "The same words come once more, and they are the same. "


class TestRepetition(GuardrailSuite):
    name = "repetition"
    plugin = Repetition
    accepts = ["A short answer.", " ".join(f"Line {number} says {number * 7}." for number in range(60))]
    refuses = [LINE * 12, "It begins well enough, as most of them do. " + LINE * 9]
