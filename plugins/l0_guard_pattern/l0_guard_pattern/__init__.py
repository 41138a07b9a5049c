"""Guardrails that look for patterns: `Pattern` for phrases of models, `CustomPattern` for patterns of your own."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from typing import Literal

from l0_core import AttemptContext, Check, Violation, hookimpl
from l0_guard_pattern.detect import (
    detect_excessive_hedging,
    detect_first_last_duplicate,
    detect_format_collapse,
    detect_instruction_leakage,
    detect_meta_commentary,
    detect_placeholders,
    detect_refusal,
    find_bad_patterns,
)
from l0_guard_pattern.matchers import matcher
from l0_guard_pattern.phrases import BAD_PATTERNS, CATEGORIES, BadPatterns
from l0_guard_pattern.scan import Found, Plan

__all__ = [
    "BAD_PATTERNS",
    "BadPatterns",
    "CustomPattern",
    "Pattern",
    "detect_excessive_hedging",
    "detect_first_last_duplicate",
    "detect_format_collapse",
    "detect_instruction_leakage",
    "detect_meta_commentary",
    "detect_placeholders",
    "detect_refusal",
    "find_bad_patterns",
]


class Pattern:
    """Finds phrases that models say instead of answering, and records a warning for each."""

    severity = "warning"

    @dataclass(frozen=True, kw_only=True)
    class Options:
        """`patterns` replaces the built-in ones. Categories are those of `BadPatterns`, in any case."""

        patterns: Sequence[str | re.Pattern[str]] | None = None
        include_categories: Sequence[str] | None = None
        exclude_categories: Sequence[str] | None = None

        def __post_init__(self) -> None:
            if self.patterns is not None:
                _plan(tuple(_require_patterns("pattern", self.patterns)))
                if self.include_categories is not None or self.exclude_categories is not None:
                    raise ValueError(
                        "pattern: patterns replaces the built-in ones, and only those have categories: give one of both"
                    )
            for name in ("include_categories", "exclude_categories"):
                for category in _require_list("pattern", name, getattr(self, name) or ()):
                    _require_category(name, category)

    def __init__(self, options: Options | None = None) -> None:
        self.options = options or self.Options()
        self._plan = _plan(_chosen(self.options))

    @hookimpl
    def check(self, ctx: AttemptContext) -> Check:
        return self._plan.open(_unwanted)


class CustomPattern:
    """Finds patterns of your own. A pattern that could take too long is refused when the guardrail is made."""

    @dataclass(frozen=True, kw_only=True)
    class Options:
        """`severity` is "warning", "error" or "fatal". `message` is what a violation says before what it found."""

        patterns: Sequence[str | re.Pattern[str]]
        message: str = "Custom pattern violation"
        severity: Literal["warning", "error", "fatal"] = "error"

        def __post_init__(self) -> None:
            if not _require_patterns("custom_pattern", self.patterns):
                raise ValueError("custom_pattern: patterns is empty; give the patterns that it is to find")
            if self.severity not in ("warning", "error", "fatal"):
                raise ValueError(
                    f'custom_pattern: severity must be "warning", "error" or "fatal", not {self.severity!r}'
                )
            _plan(tuple(self.patterns))  # Here its errors are errors of the options.

    def __init__(self, options: Options | None = None) -> None:
        self.options = options
        self.severity = "error" if options is None else options.severity
        self._plan = None if options is None else _plan(tuple(options.patterns))

    @hookimpl
    def check(self, ctx: AttemptContext) -> Check:
        options, plan = self.options, self._plan
        if options is None or plan is None:
            raise ValueError(
                "custom_pattern has no patterns: give it some, as in CustomPattern.Options(patterns=[...]), "
                "or as patterns = [...] under [guardrail.custom_pattern] in l0.toml"
            )

        def violation(found: Found) -> Violation:
            return Violation(
                "custom_pattern",
                f"{options.message}: {found.text}",
                options.severity,
                position=found.position,
                context={"matched": found.text},
            )

        return plan.open(violation)


def _unwanted(found: Found) -> Violation:
    return Violation(
        "pattern",
        f"Matched unwanted pattern: {found.text}",
        "warning",
        position=found.position,
        context={"matched": found.text},
    )


@lru_cache(16)
def _plan(patterns: tuple[str | re.Pattern[str], ...]) -> Plan:
    return Plan([matcher(pattern) for pattern in patterns])


def _chosen(options: Pattern.Options) -> tuple[str | re.Pattern[str], ...]:
    if options.patterns is not None:
        return tuple(options.patterns)
    included = [name.upper() for name in options.include_categories or CATEGORIES]
    excluded = [name.upper() for name in options.exclude_categories or ()]
    return tuple(
        pattern
        for category in CATEGORIES
        if category in included and category not in excluded
        for pattern in getattr(BAD_PATTERNS, category)
    )


def _require_list(rule: str, name: str, given: object) -> Sequence[object]:
    if isinstance(given, str | re.Pattern) or not isinstance(given, Sequence):
        raise ValueError(f"{rule}: {name} must be a list, not {given!r}; put it into brackets")
    return given


def _require_patterns(rule: str, given: object) -> list[str | re.Pattern[str]]:
    patterns: list[str | re.Pattern[str]] = []
    for pattern in _require_list(rule, "patterns", given):
        if not isinstance(pattern, str | re.Pattern):
            raise ValueError(f"{rule}: a pattern must be a string or what re.compile returns, not {pattern!r}")
        patterns.append(pattern)
    return patterns


def _require_category(name: str, category: object) -> None:
    known = [item.lower() for item in CATEGORIES]
    if isinstance(category, str) and category.lower() in known:
        return
    near = get_close_matches(str(category).lower(), known, 1)
    hint = f"Did you mean {near[0]!r}?" if near else f"There are {', '.join(known)}."
    raise ValueError(f"pattern: {name} names no category {category!r}. {hint}")
