"""Traces and metrics of L0's streams by OpenTelemetry."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from l0_otel.plugin import OtelMonitor

if TYPE_CHECKING:
    from l0_otel.attributes import SemanticAttributes
    from l0_otel.exporter import OpenTelemetryExporter, OpenTelemetryExporterConfig
    from l0_otel.handler import create_opentelemetry_handler
    from l0_otel.spans import NoOpSpan, SpanProtocol
    from l0_otel.telemetry import OpenTelemetry, OpenTelemetryConfig, with_opentelemetry

__all__ = [
    "NoOpSpan",
    "OpenTelemetry",
    "OpenTelemetryConfig",
    "OpenTelemetryExporter",
    "OpenTelemetryExporterConfig",
    "OtelMonitor",
    "SemanticAttributes",
    "SpanProtocol",
    "create_opentelemetry_handler",
    "with_opentelemetry",
]

_ROOM = {
    "NoOpSpan": "spans",
    "OpenTelemetry": "telemetry",
    "OpenTelemetryConfig": "telemetry",
    "OpenTelemetryExporter": "exporter",
    "OpenTelemetryExporterConfig": "exporter",
    "SemanticAttributes": "attributes",
    "SpanProtocol": "spans",
    "create_opentelemetry_handler": "handler",
    "with_opentelemetry": "telemetry",
}


def __getattr__(name: str) -> Any:
    # The API of OpenTelemetry takes its time to be imported, and whoever looks for plugins needs none of it.
    if name not in _ROOM:
        raise AttributeError(f"module 'l0_otel' has no attribute {name!r}")
    return getattr(import_module(f"l0_otel.{_ROOM[name]}"), name)
