"""The telemetry of a stream as contexts of Sentry's."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

__all__ = ["contexts_of", "violation_of"]

_TIMING = "started_at completed_at duration time_to_first_token"
_METRICS = (
    "token_count tokens_per_second time_to_first_token avg_inter_token_latency p50_inter_token_latency "
    "p90_inter_token_latency p99_inter_token_latency"
)
_RETRIES = "attempt max_attempts model_retries network_retries total_retries last_error_category"


def contexts_of(telemetry: Any, pii: bool) -> dict[str, dict[str, Any]]:
    """The contexts `l0_telemetry`, `l0_timing`, ... of a Telemetry, or of whatever has some of its fields.

    The messages of errors and violations, a stack and the caller's metadata may hold content: they are in it if `pii`.
    """
    guardrails, error = getattr(telemetry, "guardrails", None), getattr(telemetry, "error", None)
    contexts = {
        "l0_telemetry": _fields(telemetry, "stream_id session_id model content_length completed aborted"),
        "l0_timing": _fields(getattr(telemetry, "timing", None), _TIMING),
        "l0_metrics": _fields(getattr(telemetry, "metrics", None), _METRICS),
        "l0_retries": _fields(getattr(telemetry, "retries", None), _RETRIES + " last_error" * pii),
        "l0_guardrails": _fields(guardrails, "rules_checked passed"),
        "l0_error": {},
        "l0_metadata": _mapping(getattr(telemetry, "metadata", None)) if pii else {},
    }
    violations = _sequence(getattr(guardrails, "violations", None))
    if violations:
        contexts["l0_guardrails"]["violations"] = [violation_of(violation, pii) for violation in violations]
    if getattr(error, "occurred", False):
        contexts["l0_error"] = _fields(error, "occurred category code recoverable" + " message stack" * pii)
    return {name: context for name, context in contexts.items() if context}


def violation_of(violation: Any, pii: bool) -> dict[str, Any]:
    """A violation's rule, severity and whether it may be mended; its message if `pii`. It may be a dict."""
    names = "rule severity recoverable" + " message" * pii
    if isinstance(violation, dict):
        found = {name: violation[name] for name in names.split() if name in violation}
        return {"rule": violation.get("rule_id", violation.get("ruleId")), **found}
    return _fields(violation, names)


def _fields(holder: Any, names: str) -> dict[str, Any]:
    found = {name: getattr(holder, name, None) for name in names.split()}
    return {name: value for name, value in found.items() if value is not None}


def _mapping(value: Any) -> dict[str, Any]:
    return dict(value) if isinstance(value, dict) else {}


def _sequence(value: Any) -> Iterable[Any]:
    return value if isinstance(value, list | tuple) else ()
