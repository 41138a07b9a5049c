"""Drift: an answer that wanders off from what it was.

A drift detector is a guardrail whose finding is a `DriftViolation`. It is a heuristic, and must not turn an answer into
an error: a drifting attempt is made again while there are attempts, and the last one is accepted with
`state.drift_detected` set.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Protocol

from l0_core.checks import Guardrail
from l0_core.guardrails import DriftViolation
from l0_core.hookspecs import Check

if TYPE_CHECKING:
    from l0_core.hookspecs import AttemptContext, Judge

__all__ = ["DriftDetector", "drift_guardrail"]


class DriftDetector(Protocol):
    """The documented form of a drift detector: `check` is given the text so far and its newest piece.

    Its result has `detected`, `confidence` (0 to 1), and `types` (names). A detector with `open(ctx)`, which returns a
    judge, is incremental: `check` is not called then. One with `reset()` is reset for each attempt.
    """

    def check(self, content: str, delta: str | None = None) -> Any: ...


def drift_guardrail(detector: Any, interval: int) -> Guardrail:
    """The guardrail of a drift detector, which looks every `interval` tokens. Raises TypeError."""
    opened: Callable[[AttemptContext], Check | Judge | None] | None = getattr(detector, "open", None)
    if opened is None:
        if isinstance(detector, type) or not callable(getattr(detector, "check", None)):
            raise TypeError(f"drift_detector must be an object with check(content, delta), not {detector!r}")
        opened = _opener(detector)

    def open_drift(ctx: AttemptContext) -> Check | None:
        found = opened(ctx)
        if found is None:
            return None
        check = found if isinstance(found, Check) else Check(found)
        return Check(_at_interval(check.judge, ctx, interval), check.holdback, check.timeout)

    return Guardrail("drift", open_drift)


def _at_interval(judge: Judge, ctx: AttemptContext, interval: int) -> Judge:
    """Hand text on every so many tokens: at the first look of the guardrails that is due."""
    waiting: list[str] = []
    seen = 0

    def look(delta: str, final: bool) -> Any:
        nonlocal seen
        if not final:
            waiting.append(delta)
            count = ctx.state.token_count
            if 0 <= count - seen < interval:
                return None
            seen = count
        text = "".join(waiting)
        waiting.clear()
        found = judge(text, False) if text else None
        return found or (judge("", True) if final else None)

    return look


def _opener(detector: Any) -> Callable[[AttemptContext], Judge]:
    def opened(ctx: AttemptContext) -> Judge:
        # Streams that run at the same time must not share what it remembers.
        own = copy.deepcopy(detector)
        if callable(reset := getattr(own, "reset", None)):
            reset()
        said: list[str] = []

        def judge(delta: str, final: bool) -> Iterable[DriftViolation]:
            if not delta:
                return
            said.append(delta)
            result = own.check("".join(said), delta)
            if result.detected:
                yield drift_violation(result.types, result.confidence)

        return judge

    return opened


def drift_violation(types: Iterable[Any], confidence: float | None) -> DriftViolation:
    """What was found, in words that hold nothing of the answer."""
    names = tuple(str(getattr(name, "value", name)) for name in types)
    message = f"The answer drifts: {', '.join(names) or 'as the detector sees it'}"
    return DriftViolation("drift", message, types=names, confidence=confidence)
