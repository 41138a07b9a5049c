from __future__ import annotations

import pytest
from l0_guard_markdown import MarkdownAnalysis, analyze_markdown_structure, looks_like_markdown

UNCLOSED = "Unclosed code fence"


@pytest.mark.parametrize(
    ("content", "analysis"),
    [
        ("", MarkdownAnalysis(True, False, 0, 0, [], 0, False)),
        ("```python\nx\n```\n~~~\n~~~", MarkdownAnalysis(True, False, 2, 2, ["python"], 0, False)),
        ("```sh -x\nls", MarkdownAnalysis(False, True, 1, 0, ["sh"], 0, False, [UNCLOSED])),
        ("````md\n```py\n```\n````", MarkdownAnalysis(True, False, 1, 1, ["md"], 0, False)),
        ("> ```\n\ntext", MarkdownAnalysis(True, True, 1, 0, [], 0, False)),
        ("a|b\n-|-\n1|2\n\nc|d\n-|-\n", MarkdownAnalysis(True, False, 0, 0, [], 3, False)),
        (
            "|a|b|\n|-|-|\n|1|\n|1|2|\n",
            MarkdownAnalysis(True, False, 0, 0, [], 3, True, ["Inconsistent table columns at line 3"]),
        ),
    ],
)
def test_the_analysis_of_a_whole_text(content: str, analysis: MarkdownAnalysis) -> None:
    assert analyze_markdown_structure(content) == analysis


@pytest.mark.parametrize(
    "content",
    ["# Title", "a\n```\n", "~~~", "- item", "1. item", "> quote", "|a|b|\n|-|-|\n", "a **b**", "`code`", "[a](b)"],
)
def test_what_looks_like_markdown(content: str) -> None:
    assert looks_like_markdown(content)


@pytest.mark.parametrize("content", ["", "Plain text.", "1.5 - 2 = -0.5", "#hashtag", "a * b", '{"a": [1]}', "[1] (2)"])
def test_what_does_not(content: str) -> None:
    assert not looks_like_markdown(content)
