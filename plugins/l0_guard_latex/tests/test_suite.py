r"""The promises of every guardrail, held by this one."""

from __future__ import annotations

from l0_guard_latex import Latex
from l0_testing import GuardrailSuite


class TestLatex(GuardrailSuite):
    name = "latex"
    plugin = Latex
    accepts = [
        "It costs $5, and that is all.",
        "\\begin{align}a &= b\\end{align} and $x + 1$.",
        "$$\\frac{1}{2}$$ and \\[x\\]",
    ]
    refuses = [
        "\\begin{align}a &= b",
        "\\begin{a}\\begin{b}\\end{a}\\end{b}",
        "\\frac{1}{2} and $$x + 1",
    ]
