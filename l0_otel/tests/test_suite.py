"""The promises of every monitor, held by this one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from l0_testing import MonitorSuite
from opentelemetry.context import Context
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import Span, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from l0_otel import OtelMonitor


class Processor(SimpleSpanProcessor):
    """Counts the spans that are begun."""

    begun = 0

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        self.begun += 1


class TestOtel(MonitorSuite):
    name = "otel"
    plugin = OtelMonitor
    options = {"semconv": "latest", "capture_content": False}
    told_context = {"model", "provider"}

    @pytest.fixture(autouse=True)
    def _providers(self) -> Iterator[None]:
        self._exporter, self._reader = InMemorySpanExporter(), InMemoryMetricReader()
        self._processor, self._finished = Processor(self._exporter), 0
        self._tracers, self._meters = TracerProvider(shutdown_on_exit=False), MeterProvider([self._reader])
        self._tracers.add_span_processor(self._processor)
        yield
        self._meters.shutdown()

    def told(self) -> list[str]:
        measured = self._reader.get_metrics_data()
        return [
            *(span.to_json() for span in self._exporter.get_finished_spans()),
            *([measured.to_json()] if measured else []),
        ]

    def make(self) -> OtelMonitor:
        return self._monitor(**self.options)

    def make_capturing(self) -> OtelMonitor:
        return self._monitor(capture_content=True)

    def open(self) -> int:
        return self._processor.begun - self._finished - len(self._exporter.get_finished_spans())

    def forget(self) -> None:
        self._finished += len(self._exporter.get_finished_spans())
        self._exporter.clear()

    def _monitor(self, **options: Any) -> OtelMonitor:
        return OtelMonitor(OtelMonitor.Options(**options), tracer_provider=self._tracers, meter_provider=self._meters)
