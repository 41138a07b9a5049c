"""The documented exporter: sends the telemetry of streams to a collector, with providers of its own.

It needs the SDK and its OTLP exporter, `pip install l0-otel[sdk]`, which are loaded with the first exporter. The
providers of the application are not touched.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import unquote

from opentelemetry.trace import Status, StatusCode

from l0_otel.attributes import SemanticAttributes as A
from l0_otel.spans import NoOpSpan
from l0_otel.telemetry import read, telemetry_attributes

__all__ = ["OpenTelemetryExporter", "OpenTelemetryExporterConfig"]


@dataclass
class OpenTelemetryExporterConfig:
    """Where telemetry goes, by OTLP over gRPC, and how. `timeout` and `export_interval` are in seconds.

    Without an `endpoint` it is the exporter's own: a collector at port 4317 of this machine.
    """

    service_name: str = "l0"
    endpoint: str | None = None
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    insecure: bool = False
    timeout: float = 30.0
    resource_attributes: dict[str, Any] = field(default_factory=dict)
    enabled: bool = True
    trace_enabled: bool = True
    metrics_enabled: bool = True
    batch_export: bool = True
    export_interval: float = 5.0

    @classmethod
    def from_env(cls) -> OpenTelemetryExporterConfig:
        """Of OTEL_SERVICE_NAME and OTEL_EXPORTER_OTLP_ENDPOINT, _HEADERS (`key=value,...`) and _INSECURE."""
        prefix, read = "OTEL_EXPORTER_OTLP_", os.environ.get
        pairs = (pair.partition("=") for pair in read(prefix + "HEADERS", "").split(",") if "=" in pair)
        return cls(
            service_name=read("OTEL_SERVICE_NAME") or "l0",
            endpoint=read(prefix + "ENDPOINT") or None,
            headers={unquote(key).strip(): unquote(value).strip() for key, _, value in pairs},
            insecure=read(prefix + "INSECURE", "").strip().lower() == "true",
        )


class OpenTelemetryExporter:
    """Exports the telemetry of streams that have ended. Raises ImportError without the SDK."""

    def __init__(self, config: OpenTelemetryExporterConfig) -> None:
        self.config = config
        self._traces: Any = _tracer_provider(config) if config.enabled and config.trace_enabled else None
        self._metrics: Any = _meter_provider(config) if config.enabled and config.metrics_enabled else None
        self._tracer = None if self._traces is None else self._traces.get_tracer("l0_otel")
        self._measured = {} if self._metrics is None else _instruments(self._metrics.get_meter("l0_otel"))

    def export(self, telemetry: Any) -> None:
        """Send one stream's telemetry, as `Monitor` gathers it: a span `l0.stream`, and metrics."""
        told = telemetry_attributes(telemetry)
        if self._tracer is not None:
            timing = read(telemetry, "timing")
            span = self._tracer.start_span(
                "l0.stream", attributes=told, start_time=_nanoseconds(read(timing, "started_at"))
            )
            if A.ERROR_TYPE in told:
                span.set_status(Status(StatusCode.ERROR))
            span.end(_nanoseconds(read(timing, "completed_at")))
        self._measure(told)

    def _measure(self, told: dict[str, Any]) -> None:
        model = {A.GEN_AI_REQUEST_MODEL: told[A.GEN_AI_REQUEST_MODEL]} if A.GEN_AI_REQUEST_MODEL in told else {}
        for name, (instrument, key, unit) in self._measured.items():
            value = told.get(key)
            if value is None:
                continue
            if name == "l0.errors":
                instrument.add(1, {**model, A.ERROR_TYPE: value})
            elif hasattr(instrument, "add"):
                instrument.add(value, model)
            else:
                instrument.record(value * unit, model)

    def create_span(self, name: str, **attributes: Any) -> Any:
        """A span that has begun; whoever asks for it ends it."""
        return NoOpSpan() if self._tracer is None else self._tracer.start_span(name, attributes=attributes)

    def shutdown(self) -> None:
        """Send what is left, and end. Blocks for `timeout` seconds at most, per signal."""
        for provider in (self._traces, self._metrics):
            if provider is not None:
                provider.shutdown()
        self._tracer, self._traces, self._metrics, self._measured = None, None, None, {}


def _tracer_provider(config: OpenTelemetryExporterConfig) -> Any:
    _need_the_sdk()
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor

    provider = TracerProvider(resource=_resource(config))
    exporter = OTLPSpanExporter(**_connection(config))
    provider.add_span_processor(
        BatchSpanProcessor(exporter, schedule_delay_millis=config.export_interval * 1000)
        if config.batch_export
        else SimpleSpanProcessor(exporter)
    )
    return provider


def _meter_provider(config: OpenTelemetryExporterConfig) -> Any:
    _need_the_sdk()
    from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

    exporter = OTLPMetricExporter(**_connection(config))
    reader = PeriodicExportingMetricReader(exporter, export_interval_millis=config.export_interval * 1000)
    return MeterProvider([reader], resource=_resource(config))


def _need_the_sdk() -> None:
    try:
        import opentelemetry.exporter.otlp.proto.grpc
        import opentelemetry.sdk  # noqa: F401
    except ImportError as error:
        raise ImportError("OpenTelemetryExporter needs the SDK: pip install l0-otel[sdk]") from error


def _connection(config: OpenTelemetryExporterConfig) -> dict[str, Any]:
    # Whether a connection without an endpoint is encrypted, the exporter decides by its own settings.
    insecure = None if config.endpoint is None and not config.insecure else config.insecure
    return {
        "endpoint": config.endpoint,
        "headers": tuple(config.headers.items()) or None,
        "insecure": insecure,
        "timeout": config.timeout,
    }


def _resource(config: OpenTelemetryExporterConfig) -> Any:
    from opentelemetry.sdk.resources import Resource

    return Resource.create({"service.name": config.service_name, **config.resource_attributes})


def _instruments(meter: Any) -> dict[str, tuple[Any, str, float]]:
    """The instruments by name, each with the attribute that it measures and what that is multiplied with."""
    return {
        "l0.tokens": (meter.create_counter("l0.tokens", "{token}"), A.L0_TOKEN_COUNT, 1),
        "l0.retries": (meter.create_counter("l0.retries", "{retry}"), A.L0_RETRY_COUNT, 1),
        "l0.errors": (meter.create_counter("l0.errors", "{error}"), A.ERROR_TYPE, 1),
        "l0.guardrail_violations": (
            meter.create_counter("l0.guardrail_violations", "{violation}"),
            A.L0_GUARDRAIL_VIOLATION_COUNT,
            1,
        ),
        "l0.duration": (meter.create_histogram("l0.duration", "s"), A.L0_DURATION_MS, 0.001),
        "l0.ttft": (meter.create_histogram("l0.ttft", "s"), A.L0_TIME_TO_FIRST_TOKEN_MS, 0.001),
        "l0.tokens_per_second": (
            meter.create_histogram("l0.tokens_per_second", "{token}/s"),
            A.L0_TOKENS_PER_SECOND,
            1,
        ),
    }


def _nanoseconds(moment: Any) -> int | None:
    """A time in seconds since the epoch, or a datetime, as spans have it."""
    if isinstance(moment, datetime):
        moment = moment.timestamp()
    return None if moment is None else int(moment * 1e9)
