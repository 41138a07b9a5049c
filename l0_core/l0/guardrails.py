"""Guardrails: installed ones as documented rules, one by one and in presets, and helpers of theirs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

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
from l0_core.presets import Guardrails

from l0._lazy import find, installed

if TYPE_CHECKING:
    from l0_guard_json import IncrementalJsonState as IncrementalJsonState
    from l0_guard_json import JsonAnalysis as JsonAnalysis
    from l0_guard_json import analyze_json_structure as analyze_json_structure
    from l0_guard_json import looks_like_json as looks_like_json
    from l0_guard_json import update_json_state_incremental as update_json_state_incremental
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
        "detect_instruction_leakage detect_meta_commentary detect_placeholders detect_refusal "
        "detect_repetition find_bad_patterns"
    ),
    "l0_guard_zero_output": "is_noise_only is_zero_output",
}
"""What other distributions provide."""

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


# The older names of what `Guardrails` has.


def json_rule() -> GuardrailRule:
    """`Guardrails.json()`"""
    return cast("GuardrailRule", Guardrails.json())


def strict_json_rule() -> GuardrailRule:
    """`Guardrails.strict_json()`"""
    return cast("GuardrailRule", Guardrails.strict_json())


def markdown_rule() -> GuardrailRule:
    """`Guardrails.markdown()`"""
    return cast("GuardrailRule", Guardrails.markdown())


def latex_rule() -> GuardrailRule:
    """`Guardrails.latex()`"""
    return cast("GuardrailRule", Guardrails.latex())


def zero_output_rule() -> GuardrailRule:
    """`Guardrails.zero_output()`"""
    return cast("GuardrailRule", Guardrails.zero_output())


def pattern_rule(
    patterns: Sequence[str] | None = None,
    *,
    include_categories: Sequence[str] | None = None,
    exclude_categories: Sequence[str] | None = None,
) -> GuardrailRule:
    """`Guardrails.pattern()`"""
    given = {
        "patterns": patterns,
        "include_categories": include_categories,
        "exclude_categories": exclude_categories,
    }
    chosen = {name: value for name, value in given.items() if value is not None}
    return cast("GuardrailRule", Guardrails.pattern(**chosen))


def custom_pattern_rule(
    patterns: Sequence[str], message: str = "Custom pattern violation", severity: Severity = "error"
) -> GuardrailRule:
    """`Guardrails.custom_pattern()`"""
    return cast("GuardrailRule", Guardrails.custom_pattern(patterns=patterns, message=message, severity=severity))


def stall_rule(max_gap: float = 5.0) -> GuardrailRule:
    """`Guardrails.stall()`; the gap is in seconds."""
    return cast("GuardrailRule", Guardrails.stall(max_gap=max_gap))


def repetition_rule(
    window: int = 100, threshold: float = 0.5, *, sentence_check: bool = True, sentence_repeat_count: int = 3
) -> GuardrailRule:
    """`Guardrails.repetition()`; the window is in characters."""
    return cast(
        "GuardrailRule",
        Guardrails.repetition(
            window=window,
            threshold=threshold,
            sentence_check=sentence_check,
            sentence_repeat_count=sentence_repeat_count,
        ),
    )


def minimal_guardrails() -> list[GuardrailRule]:
    """`Guardrails.minimal()`"""
    return Guardrails.minimal()


def recommended_guardrails() -> list[GuardrailRule]:
    """`Guardrails.recommended()`"""
    return Guardrails.recommended()


def strict_guardrails() -> list[GuardrailRule]:
    """`Guardrails.strict()`"""
    return Guardrails.strict()


def JSON_ONLY_GUARDRAILS() -> list[GuardrailRule]:  # noqa: N802  # a documented name
    """`Guardrails.json_only()`"""
    return Guardrails.json_only()


def MARKDOWN_ONLY_GUARDRAILS() -> list[GuardrailRule]:  # noqa: N802
    """`Guardrails.markdown_only()`"""
    return cast("list[GuardrailRule]", Guardrails.markdown_only())


def LATEX_ONLY_GUARDRAILS() -> list[GuardrailRule]:  # noqa: N802
    """`Guardrails.latex_only()`"""
    return cast("list[GuardrailRule]", Guardrails.latex_only())


MINIMAL_GUARDRAILS = minimal_guardrails
RECOMMENDED_GUARDRAILS = recommended_guardrails
STRICT_GUARDRAILS = strict_guardrails
