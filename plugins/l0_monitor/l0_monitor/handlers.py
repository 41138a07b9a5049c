"""Handlers of events, put together: what `on_event` of a run takes.

What a handler raises goes to the logger `l0`, and neither to the stream nor to another handler.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from typing import Any

from l0_core import ObservabilityEvent, ObservabilityEventType
from l0_monitor.calling import call, plain
from l0_monitor.timed import Batched, Debounced

__all__ = [
    "BatchEventHandler",
    "EventHandler",
    "Monitoring",
    "batch_events",
    "combine_events",
    "debounce_events",
    "exclude_events",
    "filter_events",
    "sample_events",
    "tap_events",
]

EventHandler = Callable[[ObservabilityEvent], object]
"""A plain function of one event."""

BatchEventHandler = Callable[[list[ObservabilityEvent]], object]
"""A plain function of a list of events, in order."""

Types = ObservabilityEventType | str | Iterable[ObservabilityEventType | str]


def combine_events(*handlers: EventHandler) -> EventHandler:
    """A handler that gives each event to all of them, in order."""
    called = tuple(plain(handler) for handler in handlers)

    def handle(event: ObservabilityEvent) -> None:
        for handler in called:
            call(handler, event)

    return handle


def filter_events(types: Types, handler: EventHandler) -> EventHandler:
    """A handler that gives on the events of these types. Raises ValueError for a type that there is not."""
    return _when(_types(types).__contains__, handler)


def exclude_events(types: Types, handler: EventHandler) -> EventHandler:
    """A handler that gives on the events of all types but these. Raises ValueError for a type that there is not."""
    excluded = _types(types)
    return _when(lambda kind: kind not in excluded, handler)


def debounce_events(seconds: float, handler: EventHandler) -> Debounced:
    """A handler that gives on the latest event, once none has come for `seconds`; those before it are dropped.

    `close()` gives on the one that is held back: call it when there will be no more, or use the handler in a `with`.
    """
    return Debounced(seconds, handler)


def batch_events(size: int, max_wait_seconds: float, handler: BatchEventHandler) -> Batched:
    """A handler that gives on lists of `size` events, or of fewer, `max_wait_seconds` after the first of them.

    `close()` gives on what is held back: call it when there will be no more, or use the handler in a `with`.
    """
    return Batched(size, max_wait_seconds, handler)


def sample_events(rate: float, handler: EventHandler) -> EventHandler:
    """A handler that gives on each event with the probability `rate`: to keep whole streams, see `SamplingConfig`.

    Raises ValueError for a rate that is not from 0 to 1.
    """
    if not 0 <= rate <= 1:
        raise ValueError(f"the rate is from 0 to 1, not {rate!r}")
    return _when(lambda kind: random.random() < rate, handler)


def tap_events(handler: EventHandler) -> EventHandler:
    """A handler that gives on every event; what it raises is logged."""
    return combine_events(handler)


def _when(wanted: Callable[[ObservabilityEventType], bool], handler: EventHandler) -> EventHandler:
    called = plain(handler)

    def handle(event: ObservabilityEvent) -> None:
        if wanted(event.type):
            call(called, event)

    return handle


def _types(types: Types) -> frozenset[ObservabilityEventType]:
    several = [types] if isinstance(types, str) else types
    return frozenset(ObservabilityEventType(kind) for kind in several)


class Monitoring:
    """The handlers under one name, and those of other packages, which are imported when they are asked for."""

    combine = staticmethod(combine_events)
    filter = staticmethod(filter_events)
    exclude = staticmethod(exclude_events)
    debounce = staticmethod(debounce_events)
    batch = staticmethod(batch_events)
    sample = staticmethod(sample_events)
    tap = staticmethod(tap_events)

    @staticmethod
    def opentelemetry(
        tracer: Any = None,
        meter: Any = None,
        *,
        service_name: str = "l0",
        trace_tokens: bool = False,
        record_token_content: bool = False,
        record_guardrail_violations: bool = True,
        default_attributes: Mapping[str, Any] | None = None,
    ) -> EventHandler:
        """A handler that makes spans and metrics. Raises ImportError without the package l0-otel."""
        otel = _package("l0_otel", "Monitoring.opentelemetry")
        config = otel.OpenTelemetryConfig(
            service_name=service_name,
            trace_tokens=trace_tokens,
            record_token_content=record_token_content,
            record_guardrail_violations=record_guardrail_violations,
            default_attributes=dict(default_attributes or {}),
        )
        handler: EventHandler = otel.create_opentelemetry_handler(tracer, meter, config)
        return handler

    @staticmethod
    def sentry(
        sentry: Any,
        *,
        capture_network_errors: bool = True,
        capture_guardrail_violations: bool = True,
        min_guardrail_severity: str = "error",
        breadcrumbs_for_tokens: bool = False,
        enable_tracing: bool = True,
        tags: Mapping[str, str] | None = None,
        environment: str | None = None,
    ) -> EventHandler:
        """A handler that tells Sentry. Raises ImportError without the package l0-sentry."""
        package = _package("l0_sentry", "Monitoring.sentry")
        config = package.SentryConfig(
            capture_network_errors=capture_network_errors,
            capture_guardrail_violations=capture_guardrail_violations,
            min_guardrail_severity=min_guardrail_severity,
            breadcrumbs_for_tokens=breadcrumbs_for_tokens,
            enable_tracing=enable_tracing,
            tags=dict(tags or {}),
            environment=environment,
        )
        handler: EventHandler = package.create_sentry_handler(sentry, config)
        return handler


def _package(name: str, wanted: str) -> Any:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        distribution = name.replace("_", "-")
        raise ImportError(f"{wanted} needs the package {distribution}: pip install {distribution}", name=name) from None
