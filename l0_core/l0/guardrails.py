"""Guardrails: installed ones as documented rules, one by one and in presets, and helpers of theirs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from l0_core.guardrail_engine import (
    GuardrailConfig,
    GuardrailEngine,
    GuardrailResult,
    GuardrailResultSummary,
    GuardrailState,
    check_guardrails,
    check_guardrails_full,
    create_guardrail_engine,
    run_async_guardrail_check,
    run_guardrail_check_async,
)
from l0_core.guardrails import GuardrailContext, GuardrailRule, GuardrailViolation, Severity, Violation
from l0_core.presets import Guardrails as Presets
from l0_core.presets import rule

from l0._lazy import find, installed

if TYPE_CHECKING:
    from l0_guard_json import IncrementalJsonState as IncrementalJsonState
    from l0_guard_json import JsonAnalysis as JsonAnalysis
    from l0_guard_json import analyze_json_structure as analyze_json_structure
    from l0_guard_json import looks_like_json as looks_like_json
    from l0_guard_json import update_json_state_incremental as update_json_state_incremental
    from l0_guard_latex import LatexAnalysis as LatexAnalysis
    from l0_guard_latex import analyze_latex_structure as analyze_latex_structure
    from l0_guard_latex import looks_like_latex as looks_like_latex
    from l0_guard_markdown import MarkdownAnalysis as MarkdownAnalysis
    from l0_guard_markdown import analyze_markdown_structure as analyze_markdown_structure
    from l0_guard_markdown import looks_like_markdown as looks_like_markdown
    from l0_guard_pattern import BAD_PATTERNS as BAD_PATTERNS
    from l0_guard_pattern import BadPatterns as BadPatterns
    from l0_guard_pattern import detect_excessive_hedging as detect_excessive_hedging
    from l0_guard_pattern import detect_first_last_duplicate as detect_first_last_duplicate
    from l0_guard_pattern import detect_format_collapse as detect_format_collapse
    from l0_guard_pattern import detect_instruction_leakage as detect_instruction_leakage
    from l0_guard_pattern import detect_meta_commentary as detect_meta_commentary
    from l0_guard_pattern import detect_placeholders as detect_placeholders
    from l0_guard_pattern import detect_refusal as detect_refusal
    from l0_guard_pattern import find_bad_patterns as find_bad_patterns
    from l0_guard_repetition import detect_repetition as detect_repetition
    from l0_guard_zero_output import is_noise_only as is_noise_only
    from l0_guard_zero_output import is_zero_output as is_zero_output

_TABLE = {
    "l0_guard_json": (
        "IncrementalJsonState JsonAnalysis analyze_json_structure looks_like_json update_json_state_incremental"
    ),
    "l0_guard_latex": "LatexAnalysis analyze_latex_structure looks_like_latex",
    "l0_guard_markdown": "MarkdownAnalysis analyze_markdown_structure looks_like_markdown",
    "l0_guard_pattern": (
        "BAD_PATTERNS BadPatterns detect_excessive_hedging detect_first_last_duplicate detect_format_collapse "
        "detect_instruction_leakage detect_meta_commentary detect_placeholders detect_refusal find_bad_patterns"
    ),
    "l0_guard_repetition": "detect_repetition",
    "l0_guard_zero_output": "is_noise_only is_zero_output",
}
"""What other distributions provide."""

_HELPERS = {
    "analyze_json": "analyze_json_structure",
    "analyze_markdown": "analyze_markdown_structure",
    "analyze_latex": "analyze_latex_structure",
    "find_patterns": "find_bad_patterns",
    **{
        name: name
        for name in (
            "looks_like_json looks_like_markdown looks_like_latex is_zero_output is_noise_only detect_meta_commentary "
            "detect_excessive_hedging detect_refusal detect_instruction_leakage detect_placeholders "
            "detect_format_collapse detect_repetition detect_first_last_duplicate"
        ).split()
    },
}
"""The helpers that `Guardrails` has, by their names there."""

__all__ = [
    "JSON_ONLY_GUARDRAILS",
    "LATEX_ONLY_GUARDRAILS",
    "MARKDOWN_ONLY_GUARDRAILS",
    "MINIMAL_GUARDRAILS",
    "RECOMMENDED_GUARDRAILS",
    "STRICT_GUARDRAILS",
    "GuardrailConfig",
    "GuardrailContext",
    "GuardrailEngine",
    "GuardrailResult",
    "GuardrailResultSummary",
    "GuardrailRule",
    "GuardrailState",
    "GuardrailViolation",
    "Guardrails",
    "Severity",
    "Violation",
    "check_guardrails",
    "check_guardrails_full",
    "create_guardrail_engine",
    "custom_pattern_rule",
    "json_rule",
    "latex_rule",
    "markdown_rule",
    "minimal_guardrails",
    "pattern_rule",
    "recommended_guardrails",
    "repetition_rule",
    "run_async_guardrail_check",
    "run_guardrail_check_async",
    "stall_rule",
    "strict_guardrails",
    "strict_json_rule",
    "zero_output_rule",
]
__all__ += installed(_TABLE)

if not TYPE_CHECKING:

    def __getattr__(name):
        return find(name, globals(), _TABLE)


# Each has the documented parameters. What is left at its default is as it is configured.


def json_rule() -> GuardrailRule:
    """Brackets and strings of an answer in JSON, as it arrives."""
    return rule("json")


def strict_json_rule() -> GuardrailRule:
    """An answer that must be a JSON object or array as a whole."""
    return rule("strict_json")


def markdown_rule() -> GuardrailRule:
    """Code fences that stay open, and uneven tables."""
    return rule("markdown")


def latex_rule() -> GuardrailRule:
    """Environments and math of LaTeX that do not match."""
    return rule("latex")


def zero_output_rule() -> GuardrailRule:
    """Answers that say nothing."""
    return rule("zero_output")


def pattern_rule(
    patterns: Sequence[str] | None = None,
    *,
    include_categories: Sequence[str] | None = None,
    exclude_categories: Sequence[str] | None = None,
) -> GuardrailRule:
    """Phrases that no answer should have; `patterns` are regular expressions in the place of the built-in ones."""
    given = {
        "patterns": patterns,
        "include_categories": include_categories,
        "exclude_categories": exclude_categories,
    }
    return rule("pattern", **{name: value for name, value in given.items() if value is not None})


def custom_pattern_rule(
    patterns: Sequence[str], message: str = "Custom pattern violation", severity: Severity = "error"
) -> GuardrailRule:
    """Regular expressions of one's own."""
    return rule("custom_pattern", patterns=patterns, message=message, severity=severity)


def stall_rule(max_gap: float = 5.0) -> GuardrailRule:
    """Silences of more than `max_gap` seconds."""
    return rule("stall", **({} if max_gap == 5.0 else {"max_gap": max_gap}))


def repetition_rule(
    window: int = 100, threshold: float = 0.5, *, sentence_check: bool = True, sentence_repeat_count: int = 3
) -> GuardrailRule:
    """Answers that repeat themselves. `window` is in characters, `threshold` a share of them from 0 to 1."""
    given = {
        "window": window,
        "threshold": threshold,
        "sentence_check": sentence_check,
        "sentence_repeat_count": sentence_repeat_count,
    }
    default = {"window": 100, "threshold": 0.5, "sentence_check": True, "sentence_repeat_count": 3}
    return rule("repetition", **({} if given == default else given))


class _Helping(type(Presets)):  # type: ignore[misc]  # the metaclass that finds guardrails by name
    """Helpers of other distributions are loaded when they are first used."""

    def __getattr__(cls, name: str) -> Any:
        if name in _HELPERS:
            return find(_HELPERS[name], globals(), _TABLE)
        return super().__getattr__(name)

    def __dir__(cls) -> list[str]:
        return sorted({*super().__dir__(), *_HELPERS})


class Guardrails(Presets, metaclass=_Helping):
    """Every installed guardrail by its name, the documented ones with their parameters; presets; and helpers."""

    json = staticmethod(json_rule)
    strict_json = staticmethod(strict_json_rule)
    markdown = staticmethod(markdown_rule)
    latex = staticmethod(latex_rule)
    zero_output = staticmethod(zero_output_rule)
    pattern = staticmethod(pattern_rule)
    custom_pattern = staticmethod(custom_pattern_rule)
    stall = staticmethod(stall_rule)
    repetition = staticmethod(repetition_rule)

    create_engine = staticmethod(create_guardrail_engine)
    check = staticmethod(check_guardrails)
    check_full = staticmethod(check_guardrails_full)
    run_async_check = staticmethod(run_async_guardrail_check)
    run_check_async = staticmethod(run_guardrail_check_async)

    if TYPE_CHECKING:
        analyze_json = staticmethod(analyze_json_structure)
        analyze_markdown = staticmethod(analyze_markdown_structure)
        analyze_latex = staticmethod(analyze_latex_structure)
        looks_like_json = staticmethod(looks_like_json)
        looks_like_markdown = staticmethod(looks_like_markdown)
        looks_like_latex = staticmethod(looks_like_latex)
        is_zero_output = staticmethod(is_zero_output)
        is_noise_only = staticmethod(is_noise_only)
        find_patterns = staticmethod(find_bad_patterns)
        detect_meta_commentary = staticmethod(detect_meta_commentary)
        detect_excessive_hedging = staticmethod(detect_excessive_hedging)
        detect_refusal = staticmethod(detect_refusal)
        detect_instruction_leakage = staticmethod(detect_instruction_leakage)
        detect_placeholders = staticmethod(detect_placeholders)
        detect_format_collapse = staticmethod(detect_format_collapse)
        detect_repetition = staticmethod(detect_repetition)
        detect_first_last_duplicate = staticmethod(detect_first_last_duplicate)


minimal_guardrails = MINIMAL_GUARDRAILS = Guardrails.minimal
recommended_guardrails = RECOMMENDED_GUARDRAILS = Guardrails.recommended
strict_guardrails = STRICT_GUARDRAILS = Guardrails.strict
JSON_ONLY_GUARDRAILS = Guardrails.json_only
MARKDOWN_ONLY_GUARDRAILS = Guardrails.markdown_only
LATEX_ONLY_GUARDRAILS = Guardrails.latex_only
