"""The documented class by which an application traces what it does itself, and records what it knows."""

from __future__ import annotations

import inspect
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.metrics import Meter
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer, use_span

from l0_otel.attributes import SemanticAttributes as A
from l0_otel.spans import NoOpSpan, SpanProtocol

__all__ = ["OpenTelemetry", "OpenTelemetryConfig", "read", "telemetry_attributes", "with_opentelemetry"]


@dataclass
class OpenTelemetryConfig:
    """How spans are named and what is recorded on them.

    `trace_tokens` makes an event of each recorded token, and `record_token_content` writes its text there.
    `default_attributes` are those of every span and every measurement.
    """

    service_name: str = "l0"
    trace_tokens: bool = False
    record_token_content: bool = False
    record_guardrail_violations: bool = True
    default_attributes: dict[str, Any] = field(default_factory=dict)


class OpenTelemetry:
    """Spans and metrics of whoever calls it. Without a tracer there are no spans, without a meter no metrics.

    Errors are recorded by their type: a message may hold a part of the prompt.
    """

    def __init__(
        self, tracer: Tracer | None = None, meter: Meter | None = None, config: OpenTelemetryConfig | None = None
    ) -> None:
        self.config = config or OpenTelemetryConfig()
        self._tracer = tracer
        self._active = 0
        self._measured: dict[str, Any] = {} if meter is None else _instruments(meter)

    async def trace_stream(self, name: str, fn: Callable[..., Any], attributes: Mapping[str, Any] | None = None) -> Any:
        """Await `fn()` within a span that is current meanwhile, and return what it returns.

        `fn` is given the span if it takes an argument. Raises what `fn` raises.
        """
        span = self._span(self._named(name), SpanKind.CLIENT, attributes)
        begun = time.monotonic()
        self.stream_began()
        failure: str | None = None
        try:
            with _current(span):
                result = fn(span) if _takes_an_argument(fn) else fn()
                return await result if inspect.isawaitable(result) else result
        except Exception as error:
            failure = type(error).__name__
            self.failed(span, failure)
            raise
        finally:
            self.stream_ended((time.monotonic() - begun) * 1000, failure)
            span.end()

    def record_telemetry(self, telemetry: Any, span: SpanProtocol | None = None) -> None:
        """Record the telemetry of a stream that has ended, as `Monitor` gathers it."""
        told = telemetry_attributes(telemetry)
        if span is not None:
            span.set_attributes(told)
        self.add("l0.tokens", told.get(A.L0_TOKEN_COUNT, 0))
        self.add("l0.retries", told.get(A.L0_RETRY_COUNT, 0))
        if A.ERROR_TYPE in told:
            self.add("l0.errors", 1, {A.ERROR_TYPE: told[A.ERROR_TYPE]})
            if span is not None:
                span.set_status(Status(StatusCode.ERROR))
        for name, key in (("l0.duration", A.L0_DURATION_MS), ("l0.time_to_first_token", A.L0_TIME_TO_FIRST_TOKEN_MS)):
            if key in told:
                self.record(name, told[key])

    def record_token(self, span: SpanProtocol | None = None, content: str | None = None) -> None:
        """Count a token. With `trace_tokens` it is an event of the span; `record_token_content` adds its text."""
        self.add("l0.tokens", 1)
        if span is not None and self.config.trace_tokens:
            shown = self.config.record_token_content and content is not None
            span.add_event("token", {"l0.token.content": content} if shown else None)

    def record_retry(self, reason: str, attempt: int, span: SpanProtocol | None = None) -> None:
        """Count a retry by its reason, and add it to the span. `attempt` is the number of the attempt."""
        self.add("l0.retries", 1, {"l0.retry.reason": reason})
        if span is not None:
            span.add_event("retry", {"l0.retry.reason": reason, A.L0_ATTEMPT: attempt})

    def record_network_error(self, error: BaseException, error_type: str, span: SpanProtocol | None = None) -> None:
        """Record an error of the network: `error_type` says which kind of one, such as "econnreset"."""
        self.network_error(type(error).__name__, error_type, span)

    def record_guardrail_violation(self, violation: Any, span: SpanProtocol | None = None) -> None:
        """Record what a guardrail found: an object or a mapping with `rule`, `severity`, `recoverable`."""
        if span is None or not self.config.record_guardrail_violations:
            return
        told = {f"l0.guardrail.{key}": read(violation, key) for key in ("rule", "severity", "recoverable")}
        span.add_event("guardrail_violation", {key: value for key, value in told.items() if value is not None})

    def record_drift(self, drift_type: str, confidence: float, span: SpanProtocol | None = None) -> None:
        """Mark the span as one in which drift was found, and add an event with its type. Nothing is counted."""
        if span is not None:
            span.set_attribute(A.L0_DRIFT_DETECTED, True)
            span.add_event("drift_detected", {"l0.drift.type": drift_type, "l0.drift.confidence": confidence})

    def create_span(self, name: str, attributes: Mapping[str, Any] | None = None) -> Span | NoOpSpan:
        """A span that has begun; whoever asks for it ends it. Its name gets the service's in front."""
        span: Span | NoOpSpan = self._span(self._named(name), SpanKind.INTERNAL, attributes)
        return span

    def get_active_streams(self) -> int:
        """How many streams have begun and not ended."""
        return self._active

    # For the handler of events, too.

    def _named(self, name: str) -> str:
        service = f"{self.config.service_name}."
        return name if name.startswith(service) else service + name

    def _span(
        self, name: str, kind: SpanKind, attributes: Mapping[str, Any] | None = None, start: int | None = None
    ) -> Any:
        if self._tracer is None:
            return NoOpSpan()
        told = {**self.config.default_attributes, **(attributes or {})}
        return self._tracer.start_span(name, kind=kind, attributes=told, start_time=start)

    def stream_span(self, at: int) -> Any:
        """The span of a stream that is told of by events. `at` is in nanoseconds since the epoch."""
        return self._span(self._named("stream"), SpanKind.INTERNAL, None, at)

    def stream_began(self) -> None:
        """Count a request, and a stream that is active until `stream_ended`."""
        self._active += 1
        self.add("l0.requests", 1)
        self.add("l0.active_streams", 1)

    def stream_ended(self, milliseconds: float, failure: str | None) -> None:
        """Record how long a stream took. `failure` is the type of the error that ended it, None if none did."""
        self._active -= 1
        self.add("l0.active_streams", -1)
        self.record("l0.duration", max(0.0, milliseconds), {} if failure is None else {A.ERROR_TYPE: failure})

    def failed(self, span: SpanProtocol, failure: str) -> None:
        """Count an error by its type, and give the span that type and the status ERROR. The span is not ended."""
        self.add("l0.errors", 1, {A.ERROR_TYPE: failure})
        span.set_attribute(A.ERROR_TYPE, failure)
        span.set_status(Status(StatusCode.ERROR))

    def network_error(self, error: str, error_type: str, span: SpanProtocol | None) -> None:
        """Count an error of the network by `error_type`; `error` is the name of its class. The span's status stays."""
        self.add("l0.errors", 1, {A.ERROR_TYPE: error_type})
        if span is not None:
            span.add_event("network_error", {"exception.type": error, "l0.network_error.code": error_type})

    def add(self, name: str, count: int, attributes: Mapping[str, Any] | None = None) -> None:
        """Add to a counter, with `default_attributes`. Without a meter nothing happens."""
        if count and (instrument := self._measured.get(name)) is not None:
            instrument.add(count, {**self.config.default_attributes, **(attributes or {})})

    def record(self, name: str, value: float, attributes: Mapping[str, Any] | None = None) -> None:
        """Add a value to a histogram, with `default_attributes`. Without a meter nothing happens."""
        if (instrument := self._measured.get(name)) is not None:
            instrument.record(value, {**self.config.default_attributes, **(attributes or {})})


async def with_opentelemetry(
    tracer: Tracer | None,
    meter: Meter | None,
    fn: Callable[..., Awaitable[Any]],
    name: str = "l0.stream",
    config: OpenTelemetryConfig | None = None,
) -> Any:
    """Await `fn()` within a span, and return what it returns: `OpenTelemetry.trace_stream` for once."""
    return await OpenTelemetry(tracer, meter, config).trace_stream(name, fn)


def telemetry_attributes(telemetry: Any) -> dict[str, Any]:
    """What a telemetry says, as attributes. Times there are in seconds. Messages and metadata are left out."""
    timing, retries, metrics = (read(telemetry, key) for key in ("timing", "retries", "metrics"))
    error, violations = read(telemetry, "error"), read(read(telemetry, "guardrails"), "violations")
    told: dict[str, Any] = {
        A.L0_SESSION_ID: read(telemetry, "session_id") or read(telemetry, "stream_id"),
        A.GEN_AI_REQUEST_MODEL: read(telemetry, "model"),
        A.L0_STREAM_COMPLETED: read(telemetry, "completed"),
        A.L0_CONTENT_LENGTH: read(telemetry, "content_length"),
        A.L0_TOKEN_COUNT: read(metrics, "token_count"),
        A.L0_TOKENS_PER_SECOND: read(metrics, "tokens_per_second"),
        A.L0_RETRY_COUNT: read(retries, "total_retries")
        or (read(retries, "model_retries") or 0) + (read(retries, "network_retries") or 0),
        A.L0_NETWORK_ERROR_COUNT: read(retries, "network_retries"),
        A.L0_GUARDRAIL_VIOLATION_COUNT: None if violations is None else len(violations),
        A.L0_DURATION_MS: _milliseconds(read(timing, "duration")),
        A.L0_TIME_TO_FIRST_TOKEN_MS: _milliseconds(read(timing, "time_to_first_token")),
    }
    if read(error, "occurred"):
        kind = read(error, "code") or read(error, "category")
        told[A.ERROR_TYPE] = str(getattr(kind, "value", kind) or "_OTHER")
    return {key: value for key, value in told.items() if value is not None}


def read(source: Any, key: str) -> Any:
    """A key of a mapping or an attribute of an object; None where there is none."""
    return source.get(key) if isinstance(source, Mapping) else getattr(source, key, None)


def _current(span: Any) -> AbstractContextManager[Any]:
    if not isinstance(span, Span):
        return nullcontext()
    return use_span(span, record_exception=False, set_status_on_exception=False)


def _milliseconds(seconds: Any) -> float | None:
    return None if seconds is None else seconds * 1000


def _takes_an_argument(fn: Callable[..., Any]) -> bool:
    try:
        inspect.signature(fn).bind(None)
    except (TypeError, ValueError):
        return False
    return True


def _instruments(meter: Meter) -> dict[str, Any]:
    return {
        "l0.requests": meter.create_counter("l0.requests", "{request}", "Streams that have begun."),
        "l0.tokens": meter.create_counter("l0.tokens", "{token}", "Tokens as L0 counts them."),
        "l0.retries": meter.create_counter("l0.retries", "{retry}", "Attempts after a failed one."),
        "l0.errors": meter.create_counter("l0.errors", "{error}", "Failures, survived ones of the network included."),
        "l0.duration": meter.create_histogram("l0.duration", "ms", "Time of a stream."),
        "l0.time_to_first_token": meter.create_histogram("l0.time_to_first_token", "ms", "Time to the first token."),
        "l0.active_streams": meter.create_up_down_counter("l0.active_streams", "{stream}", "Streams under way."),
    }
