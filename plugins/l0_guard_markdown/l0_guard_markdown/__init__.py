"""A guardrail for answers in Markdown: `Markdown` finds code fences that stay open, and tables with uneven rows."""

from __future__ import annotations

from l0_core import AttemptContext, Judge, Violation, hookimpl
from l0_guard_markdown.structure import MarkdownAnalysis, Reader, analyze_markdown_structure, looks_like_markdown

__all__ = ["Markdown", "MarkdownAnalysis", "analyze_markdown_structure", "looks_like_markdown"]


class Markdown:
    """Finds a code fence that is not closed at the end, and tables whose rows differ in their number of cells."""

    @hookimpl
    def check(self, ctx: AttemptContext) -> Judge:
        reader = Reader()

        def judge(delta: str, final: bool) -> list[Violation] | None:
            faults = reader.end() if final else reader.feed(delta)
            if not faults:
                return None
            return [Violation("markdown", message, severity, position=at) for message, at, severity in faults]

        return judge
