from __future__ import annotations

import pytest
from l0_guard_latex import LatexAnalysis, analyze_latex_structure, looks_like_latex


@pytest.mark.parametrize(
    ("content", "analysis"),
    [
        ("", LatexAnalysis(True, [], True, True, True)),
        (r"\begin{a} $x$ \( y \) $$z$$ \end{a}", LatexAnalysis(True, [], True, True, True)),
        (r"\begin{a}\begin{b}", LatexAnalysis(False, ["a", "b"], True, True, True, ["Unclosed environments: a, b"])),
        ("$x", LatexAnalysis(False, [], True, False, True, ["Unbalanced inline math ($)"])),
        ("It costs $5", LatexAnalysis(True, [], True, True, True)),
        ("$$ x", LatexAnalysis(False, [], False, True, True, ["Unbalanced display math ($$)"])),
        (r"\( x", LatexAnalysis(False, [], True, True, False, [r"Unbalanced bracket math (\[ \], \( \))"])),
        (r"\end{a}", LatexAnalysis(False, [], True, True, True, [r"Unexpected \end{a}: no environment is open"])),
        (
            r"\begin{a}\end{b}",
            LatexAnalysis(False, [], True, True, True, [r"Mismatched environment: \begin{a} ends with \end{b}"]),
        ),
    ],
)
def test_the_analysis_of_a_whole_text(content: str, analysis: LatexAnalysis) -> None:
    assert analyze_latex_structure(content) == analysis


@pytest.mark.parametrize(
    "content",
    [
        *(r"\begin{a}", r"\end{a}", "$$x$$", r"\[x\]", r"x \]", r"\frac{1}{2}", r"\sum_i", r"\int_0", r"\alpha"),
        *(r"\beta", r"\gamma", r"\documentclass{article}", r"\usepackage{x}", "`code` \\alpha"),
    ],
)
def test_what_looks_like_latex(content: str) -> None:
    assert looks_like_latex(content)


@pytest.mark.parametrize("content", ["", "$5", "$x$", r"\(x\)", "`\\alpha`", "```\n$$\n```", r"\\alpha", r"\summary"])
def test_what_does_not(content: str) -> None:
    assert not looks_like_latex(content)
