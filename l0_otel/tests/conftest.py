"""A recorder of what is exported, of the real SDK."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from opentelemetry import context
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider

from l0_core import Envelope, ObservabilityEvent, ObservabilityEventType, State
from l0_otel import OtelMonitor


class Recorder(SpanProcessor):
    """Providers of its own, and what came of them."""

    def __init__(self) -> None:
        self.started = 0
        self.ended: list[ReadableSpan] = []
        self.tracer_provider = TracerProvider(shutdown_on_exit=False)
        self.tracer_provider.add_span_processor(self)
        self._reader = InMemoryMetricReader()
        self.meter_provider = MeterProvider([self._reader], shutdown_on_exit=False)

    def on_start(self, span: Span, parent_context: context.Context | None = None) -> None:
        self.started += 1

    def on_end(self, span: ReadableSpan) -> None:
        self.ended.append(span)

    def monitor(self, **options: Any) -> OtelMonitor:
        return OtelMonitor(
            OtelMonitor.Options(**options), tracer_provider=self.tracer_provider, meter_provider=self.meter_provider
        )

    @property
    def operations(self) -> list[ReadableSpan]:
        return [span for span in self.ended if span.name.startswith("chat")]

    @property
    def operation(self) -> ReadableSpan:
        (only,) = self.operations
        return only

    def attempts(self, operation: ReadableSpan | None = None) -> list[ReadableSpan]:
        """The attempts of an operation, in order."""
        parent = (operation or self.operation).context.span_id
        mine = [s for s in self.ended if s.name.startswith("attempt") and s.parent and s.parent.span_id == parent]
        return sorted(mine, key=lambda span: span.attributes["l0.attempt"])

    def points(self, name: str) -> list[Any]:
        """The data points of a metric."""
        data = self._reader.get_metrics_data()
        scopes = [scope for resource in data.resource_metrics for scope in resource.scope_metrics] if data else []
        return [
            point
            for scope in scopes
            for metric in scope.metrics
            if metric.name == name
            for point in metric.data.data_points
        ]

    def everything(self) -> str:
        """All that was exported, as text."""
        data = self._reader.get_metrics_data()
        return "\n".join([*(span.to_json() for span in self.ended), data.to_json() if data else ""])


@pytest.fixture
def fed() -> Callable[..., None]:
    """Hands a monitor the events of a stream, pairs of a type and its `meta`, in one batch, a second apart."""

    def feed(monitor: OtelMonitor, *events: tuple[str, dict[str, Any]], state: State | None = None) -> None:
        ctx: Any = SimpleNamespace(stream_id="s-1", context={}, state=state or State(), clock=time.monotonic)
        now = time.time() * 1000
        batch = [
            Envelope(
                "s-1", place, ObservabilityEvent(ObservabilityEventType(kind), now + 1000 * place, "s-1", {}, meta)
            )
            for place, (kind, meta) in enumerate(events)
        ]
        monitor.store_event(ctx).write(batch)

    return feed


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    recorder = Recorder()
    yield recorder
    assert recorder.started == len(recorder.ended)
    recorder.meter_provider.shutdown()
