"""A guardrail for answers with LaTeX: `Latex` finds environments and math that are not closed, or closed wrongly."""

from __future__ import annotations

from l0_core import AttemptContext, Judge, Violation, hookimpl
from l0_guard_latex.structure import LatexAnalysis, Reader, analyze_latex_structure, looks_like_latex

__all__ = ["Latex", "LatexAnalysis", "analyze_latex_structure", "looks_like_latex"]


class Latex:
    """Finds environments that do not match, and math that is not closed, in a text that looks like LaTeX."""

    @hookimpl
    def check(self, ctx: AttemptContext) -> Judge:
        reader = Reader()

        def judge(delta: str, final: bool) -> list[Violation] | None:
            faults = reader.end() if final else reader.feed(delta)
            if not faults:
                return None
            return [Violation("latex", message, position=position) for message, position in faults]

        return judge
