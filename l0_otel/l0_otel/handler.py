"""The documented handler of events: a span and metrics for each stream, for `l0.run(..., on_event=handler)`.

Events of the runtime have camelCase keys in their `meta`, documented ones that are made by hand snake_case: both are
read. Streams are told apart by `stream_id`, and every end is an end: a success, a failure, an abort.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from opentelemetry.metrics import Meter
from opentelemetry.trace import Tracer

from l0_core import ObservabilityEvent
from l0_core import ObservabilityEventType as E
from l0_otel.attributes import SemanticAttributes as A
from l0_otel.telemetry import OpenTelemetry, OpenTelemetryConfig, read

__all__ = ["create_opentelemetry_handler"]

MOST_STREAMS = 10_000
"""Streams that are followed at once. Events made by hand may lack an end: beyond this, the oldest is ended."""

_OPENING = frozenset((E.SESSION_START, E.ATTEMPT_START, E.STREAM_INIT, E.STREAM_READY))
_SURVIVED = frozenset(("retry", "fallback", "continue"))


@dataclass(slots=True)
class _Followed:
    span: Any
    since: float
    spoke: bool = False
    retries: int = 0
    network_errors: int = 0
    violations: int = 0


def create_opentelemetry_handler(
    tracer: Tracer | None = None, meter: Meter | None = None, config: OpenTelemetryConfig | None = None
) -> Callable[[ObservabilityEvent], None]:
    """A handler for `on_event`. One handler follows many streams at once."""
    return _Handler(OpenTelemetry(tracer, meter, config)).handle


class _Handler:
    def __init__(self, telemetry: OpenTelemetry) -> None:
        self._telemetry = telemetry
        self._followed: dict[str, _Followed] = {}

    def handle(self, event: ObservabilityEvent) -> None:
        stream = self._followed.get(event.stream_id)
        if stream is None:
            if event.type not in _OPENING:
                return
            stream = self._follow(event)
        meta, kind = event.meta, event.type
        if kind == E.ATTEMPT_START:
            names = {"attempt": A.L0_ATTEMPT, "is_retry": A.L0_IS_RETRY, "is_fallback": A.L0_IS_FALLBACK}
            stream.span.set_attributes(_told(meta, names))
        elif kind == E.TIMEOUT_RESET:
            self._first_token(stream, event)
        elif kind == E.RETRY_ATTEMPT:
            stream.retries += 1
            reason = _said(meta, "reason") or _said(meta, "category") or "unknown"
            self._telemetry.record_retry(_name(reason), _said(meta, "attempt") or stream.retries, stream.span)
        elif kind == E.FALLBACK_START:
            stream.span.set_attributes(_told(meta, {"to_index": A.L0_FALLBACK_INDEX}))
        elif kind == E.NETWORK_ERROR:
            stream.network_errors += 1
            code = _said(meta, "code") or _said(meta, "error_type")
            self._telemetry.network_error(_error_type(meta), _name(code), stream.span)
        elif kind == E.GUARDRAIL_RULE_RESULT:
            for violation in _violations(meta):
                stream.violations += 1
                self._telemetry.record_guardrail_violation(violation, stream.span)
        elif kind == E.DRIFT_CHECK_RESULT and meta.get("detected"):
            self._drifted(stream, meta)
        elif kind in (E.COMPLETE, E.ERROR, E.RETRY_GIVE_UP, E.ABORT_COMPLETED, E.SESSION_END):
            self._may_end(stream, event)

    def _follow(self, event: ObservabilityEvent) -> _Followed:
        while len(self._followed) >= MOST_STREAMS:
            oldest = next(iter(self._followed))
            self._end(oldest, self._followed[oldest], event.ts, "abandoned")
        span = self._telemetry.stream_span(int(event.ts * 1_000_000))
        span.set_attribute(A.L0_SESSION_ID, event.stream_id)
        self._telemetry.stream_began()
        stream = self._followed[event.stream_id] = _Followed(span, event.ts)
        return stream

    def _first_token(self, stream: _Followed, event: ObservabilityEvent) -> None:
        if stream.spoke:
            return
        stream.spoke, took = True, max(0.0, event.ts - stream.since)
        stream.span.set_attribute(A.L0_TIME_TO_FIRST_TOKEN_MS, took)
        self._telemetry.record("l0.time_to_first_token", took)

    def _drifted(self, stream: _Followed, meta: Mapping[str, Any]) -> None:
        types = meta.get("types") or meta.get("metrics") or ()
        kinds = sorted(map(str, types)) if isinstance(types, Iterable) and not isinstance(types, str) else []
        score = _said(meta, "score") or _said(meta, "confidence") or 0.0
        self._telemetry.record_drift(", ".join(kinds) or "unknown", score, stream.span)

    def _may_end(self, stream: _Followed, event: ObservabilityEvent) -> None:
        meta, kind = event.meta, event.type
        if kind == E.ERROR and _said(meta, "recovery_strategy") in _SURVIVED:
            return
        outcome = {E.COMPLETE: "complete", E.ABORT_COMPLETED: "aborted", E.SESSION_END: "ended"}.get(kind, "error")
        if kind == E.SESSION_END:
            outcome = str(meta.get("outcome") or outcome)
        names = {"token_count": A.L0_TOKEN_COUNT, "content_length": A.L0_CONTENT_LENGTH}
        told = {**_of_state(meta.get("state")), **_told(meta, names)}
        stream.span.set_attributes(told)
        self._telemetry.add("l0.tokens", told.get(A.L0_TOKEN_COUNT, 0))
        self._end(event.stream_id, stream, event.ts, outcome, _error_type(meta) if outcome == "error" else None)

    def _end(self, stream_id: str, stream: _Followed, ts: float, outcome: str, failure: str | None = None) -> None:
        del self._followed[stream_id]
        took = max(0.0, ts - stream.since)
        stream.span.set_attributes(
            {
                A.L0_OUTCOME: outcome,
                A.L0_STREAM_COMPLETED: outcome in ("complete", "incomplete"),
                A.L0_RETRY_COUNT: stream.retries,
                A.L0_NETWORK_ERROR_COUNT: stream.network_errors,
                A.L0_GUARDRAIL_VIOLATION_COUNT: stream.violations,
                A.L0_DURATION_MS: took,
            }
        )
        if failure is not None:
            self._telemetry.failed(stream.span, failure)
        self._telemetry.stream_ended(took, failure)
        stream.span.end(int((stream.since + took) * 1_000_000))


def _said(meta: Mapping[str, Any], key: str) -> Any:
    """A value of either key style; `key` is the snake_case one."""
    first, *rest = key.split("_")
    value = meta.get(key)
    return meta.get(first + "".join(word.title() for word in rest)) if value is None else value


def _told(meta: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    values = {name: _said(meta, key) for key, name in names.items()}
    return {name: value for name, value in values.items() if isinstance(value, bool | int | float)}


def _of_state(state: Any) -> dict[str, Any]:
    """What a COMPLETE event that was made by hand says by a state."""
    if state is None:
        return {}
    return {A.L0_TOKEN_COUNT: read(state, "token_count") or 0, A.L0_CONTENT_LENGTH: len(read(state, "content") or "")}


def _violations(meta: Mapping[str, Any]) -> list[Any]:
    many, one = meta.get("violations"), meta.get("violation")
    found = many if isinstance(many, list | tuple) else [one] if one else []
    rule = _said(meta, "rule_id")
    return [{"rule": rule, **each} if isinstance(each, Mapping) and rule else each for each in found]


def _error_type(meta: Mapping[str, Any]) -> str:
    """Which error it was: its code, its type, or its category. A message is none of them, and is not told."""
    error = meta.get("error") or _said(meta, "last_error")
    if isinstance(error, BaseException):
        return type(error).__name__
    for value in (error, _said(meta, "error_code"), meta.get("code"), meta.get("category")):
        if (name := _name(value)) != "_OTHER":
            return name
    return "_OTHER"


def _name(value: Any) -> str:
    value = getattr(value, "value", value)
    return value if isinstance(value, str) and value.isidentifier() else "_OTHER"
