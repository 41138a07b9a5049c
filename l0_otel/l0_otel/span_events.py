"""What becomes an event of a span, and which of its values leave the process: those that are listed, and no other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from opentelemetry.util.types import AttributeValue

from l0_core import ObservabilityEventType as E

__all__ = ["SPAN_EVENTS", "SpanEvent"]

_NUMBER = (int, float)


class SpanEvent(NamedTuple):
    """An event of the operation's span if `whole`, of the attempt's otherwise.

    `keys` are the keys of `meta` that are told, each with the name of its attribute and the type that it must have.
    """

    name: str
    keys: Mapping[str, tuple[str, type | tuple[type, ...]]] = {}
    whole: bool = False

    def attributes(self, meta: Mapping[str, Any]) -> dict[str, AttributeValue]:
        found = meta.get("violation")
        flat = {**meta, **found} if isinstance(found, Mapping) else meta
        return {attribute: flat[key] for key, (attribute, kind) in self.keys.items() if isinstance(flat.get(key), kind)}


_RULE = {
    "ruleId": ("l0.guardrail.rule", str),
    "passed": ("l0.guardrail.passed", bool),
    "severity": ("l0.guardrail.severity", str),
    "recoverable": ("l0.guardrail.recoverable", bool),
}

SPAN_EVENTS: Mapping[E, SpanEvent] = {
    E.CONTINUATION_START: SpanEvent("l0.continuation", {"checkpointLength": ("l0.continuation.length", int)}),
    E.CONTINUATION_END: SpanEvent("l0.seam", {"overlapLength": ("l0.continuation.overlap_length", int)}),
    E.RESET: SpanEvent("l0.reset", {"keep": ("l0.reset.keep", int)}),
    E.GUARDRAIL_RULE_RESULT: SpanEvent("l0.guardrail.result", _RULE),
    E.DRIFT_CHECK_RESULT: SpanEvent(
        "l0.drift", {"detected": ("l0.drift.detected", bool), "score": ("l0.drift.score", _NUMBER)}
    ),
    E.TIMEOUT_TRIGGERED: SpanEvent(
        "l0.timeout", {"timeoutType": ("l0.timeout.type", str), "configuredMs": ("l0.timeout.configured_ms", _NUMBER)}
    ),
    E.NETWORK_ERROR: SpanEvent("l0.network_error", {"code": ("l0.network_error.code", str)}),
    E.RETRY_ATTEMPT: SpanEvent(
        "l0.retry",
        {
            "attempt": ("l0.retry.number", int),
            "reason": ("l0.retry.reason", str),
            "delay": ("l0.retry.delay", _NUMBER),
            "isNetwork": ("l0.retry.is_network", bool),
        },
        whole=True,
    ),
    E.FALLBACK_START: SpanEvent(
        "l0.fallback",
        {"fromIndex": ("l0.fallback.from", int), "toIndex": ("l0.fallback.index", int)},
        whole=True,
    ),
    E.RETRY_GIVE_UP: SpanEvent("l0.gave_up", {"attempts": ("l0.attempts", int)}, whole=True),
    E.ABORT_REQUESTED: SpanEvent("l0.abort", whole=True),
}
