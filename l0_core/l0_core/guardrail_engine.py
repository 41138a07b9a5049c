"""Guardrails outside a stream: a text is judged by documented rules, and the verdict is a `GuardrailResult`.

A stream does not go this way: it feeds its guardrails incrementally (`checks.py`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from l0_core.guardrails import GuardrailContext, GuardrailRule, GuardrailViolation
from l0_core.log import log_raised
from l0_core.state import State

__all__ = [
    "GuardrailConfig",
    "GuardrailEngine",
    "GuardrailResult",
    "GuardrailResultSummary",
    "GuardrailState",
    "check_guardrails",
    "check_guardrails_full",
    "create_guardrail_engine",
    "run_async_guardrail_check",
    "run_guardrail_check_async",
]

SMALL = 5000
"""Characters of text that are judged at once; longer ones in a later turn of the event loop."""


@dataclass(slots=True)
class GuardrailResultSummary:
    """How many violations there are, by severity."""

    total: int
    fatal: int
    errors: int
    warnings: int


@dataclass(slots=True)
class GuardrailResult:
    """A verdict. `passed` means no violation at all; `should_halt` that nothing more is to be tried."""

    passed: bool
    violations: list[GuardrailViolation]
    should_retry: bool
    should_halt: bool
    summary: GuardrailResultSummary


@dataclass(slots=True)
class GuardrailState:
    """What an engine has found so far. `last_check_time` is in seconds since the epoch."""

    violations: list[GuardrailViolation] = field(default_factory=list)
    violations_by_rule: dict[str, list[GuardrailViolation]] = field(default_factory=dict)
    has_fatal_violations: bool = False
    has_error_violations: bool = False
    violation_count: int = 0
    last_check_time: float | None = None


@dataclass(slots=True)
class GuardrailConfig:
    """What an engine runs. Without `enable_streaming` only whole texts are judged; `check_interval` is in tokens."""

    rules: list[GuardrailRule] = field(default_factory=list)
    stop_on_fatal: bool = True
    enable_streaming: bool = True
    check_interval: int = 100
    on_violation: Callable[[GuardrailViolation], None] | None = None


class GuardrailEngine:
    """Judges texts by rules, and remembers what was found. One engine is for one text that may grow."""

    def __init__(self, config: GuardrailConfig | None = None) -> None:
        self._config = config or GuardrailConfig()
        self._rules = list(self._config.rules)
        self._state = GuardrailState()
        self._seen: set[tuple[object, ...]] = set()

    def check(self, context: GuardrailContext) -> GuardrailResult:
        """Judge the whole of a text. A rule that raises is a warning of its own."""
        found: list[GuardrailViolation] = []
        for rule in self._rules:
            if not context.completed and not (rule.streaming and self._config.enable_streaming):
                continue
            violations = _judged(rule, context)
            found += violations
            if self._config.stop_on_fatal and any(violation.severity == "fatal" for violation in violations):
                break
        for violation in found:
            self._remember(violation)
        self._state.last_check_time = time.time()
        return _result(found)

    def _remember(self, violation: GuardrailViolation) -> None:
        if violation._identity in self._seen:
            return
        self._seen.add(violation._identity)
        state = self._state
        state.violations.append(violation)
        state.violations_by_rule.setdefault(violation.rule, []).append(violation)
        state.has_fatal_violations |= violation.severity == "fatal"
        state.has_error_violations |= violation.severity == "error"
        state.violation_count += 1
        if self._config.on_violation is not None:
            try:
                self._config.on_violation(violation)
            except Exception as error:
                log_raised("on_violation of a guardrail engine", error, "the others are told")

    def get_state(self) -> GuardrailState:
        """What was found so far. It changes with further checks."""
        return self._state

    def reset(self) -> None:
        """Forget what was found."""
        self._state = GuardrailState()
        self._seen.clear()

    def add_rule(self, rule: GuardrailRule) -> None:
        """Add a rule after the others, for the checks that follow."""
        self._rules.append(rule)

    def remove_rule(self, rule_name: str) -> bool:
        """Remove the rules of that name; return whether there was one."""
        before = len(self._rules)
        self._rules = [rule for rule in self._rules if rule.name != rule_name]
        return len(self._rules) < before

    def get_violations_by_rule(self, rule_name: str) -> list[GuardrailViolation]:
        """What the rules of that name found so far, as a list of the caller's own."""
        return list(self._state.violations_by_rule.get(rule_name, ()))

    def get_all_violations(self) -> list[GuardrailViolation]:
        """What was found so far, in the order in which it was, as a list of the caller's own."""
        return list(self._state.violations)

    def has_violations(self) -> bool:
        """Whether anything was found so far, warnings included."""
        return self._state.violation_count > 0

    def has_fatal_violations(self) -> bool:
        """Whether anything fatal was found so far: nothing more is to be tried."""
        return self._state.has_fatal_violations

    def has_error_violations(self) -> bool:
        """Whether anything of severity "error" was found so far; what is fatal does not count."""
        return self._state.has_error_violations


def _judged(rule: GuardrailRule, context: GuardrailContext) -> list[GuardrailViolation]:
    state = State(
        content=context.content,
        checkpoint=context.checkpoint or "",
        token_count=context.token_count,
        completed=context.completed,
        violations=list(context.previous_violations or ()),
    )
    try:
        found = list(rule.check(state))
    except Exception as error:
        log_raised(f"the guardrail {rule.name!r}", error, "its verdict is a warning")
        message = f"Rule execution failed: {type(error).__name__}"
        found = [GuardrailViolation(rule.name, message, severity="warning")]
    for violation in found:
        violation.timestamp = violation.timestamp or time.time()
    return found


def _result(found: Sequence[GuardrailViolation]) -> GuardrailResult:
    fatal, errors, warnings = (
        sum(violation.severity == severity for violation in found) for severity in ("fatal", "error", "warning")
    )
    return GuardrailResult(
        passed=not found,
        violations=list(found),
        should_retry=any(violation.recoverable and violation.severity != "warning" for violation in found),
        should_halt=any(violation.halts for violation in found),
        summary=GuardrailResultSummary(len(found), fatal, errors, warnings),
    )


def create_guardrail_engine(
    rules: Iterable[GuardrailRule],
    *,
    stop_on_fatal: bool = True,
    enable_streaming: bool = True,
    check_interval: int = 100,
    on_violation: Callable[[GuardrailViolation], None] | None = None,
) -> GuardrailEngine:
    """A `GuardrailEngine` of these rules. The options are those of `GuardrailConfig`."""
    return GuardrailEngine(GuardrailConfig(list(rules), stop_on_fatal, enable_streaming, check_interval, on_violation))


def check_guardrails(state: State, rules: Iterable[GuardrailRule]) -> list[GuardrailViolation]:
    """What the rules find in a state, in their order. Raises what a rule raises."""
    return [violation for rule in rules for violation in rule.check(state)]


def check_guardrails_full(context: GuardrailContext, rules: Iterable[GuardrailRule]) -> GuardrailResult:
    """The verdict of the rules on a text."""
    return create_guardrail_engine(rules).check(context)


def run_async_guardrail_check(
    engine: GuardrailEngine, context: GuardrailContext, on_complete: Callable[[GuardrailResult], None]
) -> GuardrailResult | None:
    """Judge a short text now; a long one in a later turn of the event loop, and tell `on_complete`.

    Returns the verdict, or None where `on_complete` is going to be called. A text counts as short up to 5,000
    characters.
    """
    if len(context.content) <= SMALL:
        return engine.check(context)
    asyncio.get_running_loop().call_soon(lambda: on_complete(engine.check(context)))
    return None


async def run_guardrail_check_async(engine: GuardrailEngine, context: GuardrailContext) -> GuardrailResult:
    """Judge a text in a later turn of the event loop."""
    await asyncio.sleep(0)
    return engine.check(context)
