"""What a guardrail finds (`GuardrailViolation`), and the form of a guardrail as a plain function (`GuardrailRule`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from l0_core.hookspecs import AttemptContext, Check, Judge
    from l0_core.state import State

__all__ = ["DriftViolation", "GuardrailContext", "GuardrailRule", "GuardrailViolation", "Severity", "Violation"]

Severity = Literal["warning", "error", "fatal"]


@dataclass(slots=True)
class GuardrailViolation:
    """What a guardrail objects to.

    A `warning` is recorded. An `error` ends the attempt, which is retried if `recoverable`; otherwise it halts, as a
    `fatal` one always does. `position` is an offset in characters into the answer, `timestamp` is in seconds since the
    epoch.
    """

    rule: str
    message: str
    severity: Severity = "error"
    recoverable: bool = True
    position: int | None = None
    timestamp: float | None = None
    context: dict[str, Any] | None = None
    suggestion: str | None = None

    @property
    def halts(self) -> bool:
        """Whether nothing more is tried: no retry and no fallback."""
        return self.severity == "fatal" or (self.severity == "error" and not self.recoverable)

    @property
    def _identity(self) -> tuple[object, ...]:
        return (self.rule, self.message, self.severity, self.position)


Violation = GuardrailViolation


@dataclass(slots=True)
class DriftViolation(GuardrailViolation):
    """What a drift detector finds: which kinds of drift, and how sure it is, from 0 to 1.

    The attempt is made again while there are attempts; the last one is accepted, with `state.drift_detected` set.
    """

    types: tuple[str, ...] = ()
    confidence: float | None = None


@dataclass(slots=True)
class GuardrailRule:
    """A guardrail as a function of the state: `check(state)` returns the violations it finds, or an empty list.

    `streaming=False` asks for one call, at the end. `severity` and `recoverable` describe the rule to people; what
    counts is what each violation says.

    A rule that has `open` is incremental: the runtime calls `open(ctx)` for each attempt and feeds text to what it
    returns, instead of calling `check` over the whole text again and again.
    """

    name: str
    check: Callable[[State], list[GuardrailViolation]]
    description: str | None = None
    streaming: bool = True
    severity: Severity = "error"
    recoverable: bool = True
    open: Callable[[AttemptContext], Check | Judge | None] | None = field(default=None, repr=False, compare=False)


@dataclass(slots=True)
class GuardrailContext:
    """A text to be judged outside a stream, and what is known of it.

    `completed` says that the text is whole; `delta` is its newest piece. `token_count` counts tokens, `checkpoint` is a
    part of it that was accepted before.
    """

    content: str
    completed: bool = False
    checkpoint: str | None = None
    delta: str | None = None
    token_count: int = 0
    metadata: dict[str, Any] | None = None
    previous_violations: list[GuardrailViolation] | None = None
