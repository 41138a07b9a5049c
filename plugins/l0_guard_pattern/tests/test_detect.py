from __future__ import annotations

import re

import pytest
from l0_guard_pattern import (
    BAD_PATTERNS,
    detect_excessive_hedging,
    detect_first_last_duplicate,
    detect_format_collapse,
    detect_instruction_leakage,
    detect_meta_commentary,
    detect_placeholders,
    detect_refusal,
    find_bad_patterns,
)

from l0_core import GuardrailContext


def context(content: str, completed: bool = True) -> GuardrailContext:
    return GuardrailContext(content, completed=completed)


def test_find_bad_patterns_gives_each_match_with_its_pattern() -> None:
    found = find_bad_patterns("A fox, a Fox\nand a cat", ["fox$", re.compile("Fox|cat")])

    assert [(pattern, match.span(), match[0]) for pattern, match in found] == [
        ("fox$", (9, 12), "Fox"),
        ("Fox|cat", (9, 12), "Fox"),
        ("Fox|cat", (19, 22), "cat"),
    ]
    assert find_bad_patterns("", BAD_PATTERNS.all_patterns()) == []


@pytest.mark.parametrize(
    ("detect", "text", "rule", "severity", "recoverable"),
    [
        (detect_meta_commentary, "I'm an AI.", "pattern-meta-commentary", "error", True),
        (detect_excessive_hedging, "Certainly!\nYes.", "pattern-hedging", "warning", True),
        (detect_refusal, "I can't help with that.", "pattern-refusal", "error", False),
        (detect_instruction_leakage, "[INST] x", "pattern-instruction-leak", "error", True),
        (detect_placeholders, "Dear [Your Name]", "pattern-placeholders", "error", True),
        (detect_format_collapse, "\nHere is the JSON:", "pattern-format-collapse", "warning", True),
    ],
)
def test_each_category(detect, text: str, rule: str, severity: str, recoverable: bool) -> None:  # type: ignore[no-untyped-def]
    (found,) = detect(context(text))

    assert (found.rule, found.severity, found.recoverable) == (rule, severity, recoverable)
    assert found.context["matched"] in found.message
    assert text.startswith(found.context["matched"], found.position)
    assert detect(context("The answer is 42.")) == []


def test_hedging_counts_in_the_first_line_only() -> None:
    assert detect_excessive_hedging(context("\n\nSure!")) != []
    assert detect_excessive_hedging(context("It is so.\nSure!")) == []


def test_format_collapse_counts_in_the_first_three_lines_only() -> None:
    assert detect_format_collapse(context("a\n\nb\nHere you go")) != []
    assert detect_format_collapse(context("a\nb\nc\nHere you go")) == []


def test_placeholders_count_when_the_text_is_complete() -> None:
    assert detect_placeholders(context("[Your Name]", completed=False)) == []


LONG = "The harbour was quiet in the early morning."


@pytest.mark.parametrize(
    ("text", "position"),
    [
        (f"{LONG} Boats lay there. Nobody came to see them. {LONG}", 86),
        (f"{LONG}\n\nBoats lay there, and more of them.\n\n{LONG.upper()} Ok.", 81),
        (f"{LONG} Boats lay there. Nobody came to see them at all, not even late.", None),
        (f"{LONG} {LONG}", None),
        ("Yes. " * 30, None),
        (LONG, None),
        ("", None),
    ],
)
def test_a_last_sentence_that_is_the_first_one(text: str, position: int | None) -> None:
    found = detect_first_last_duplicate(context(text))

    assert [(one.rule, one.severity, one.position) for one in found] == (
        [] if position is None else [("pattern-first-last-duplicate", "error", position)]
    )
    assert detect_first_last_duplicate(context(text, completed=False)) == []
