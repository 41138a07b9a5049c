"""An OTLP collector on loopback: what is exported to it is decoded, and can be compared."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from l0_testing.loopback_receiver import LIMIT, Receiver, RefusedError, Request

__all__ = ["CollectedMetric", "CollectedPoint", "CollectedSpan", "OtlpCollector"]


@dataclass(frozen=True, slots=True)
class CollectedSpan:
    """A span. Ids are in hex; `start` and `end` are nanoseconds since the epoch.

    `kind` is "internal", "client" and so on, `status` is "unset", "ok" or "error". `events` are pairs of a name and
    attributes, `links` pairs of a trace and a span id.
    """

    name: str
    trace_id: str
    span_id: str
    parent_id: str | None
    kind: str
    status: str
    status_message: str
    start: int
    end: int
    attributes: dict[str, Any]
    events: tuple[tuple[str, dict[str, Any]], ...]
    links: tuple[tuple[str, str], ...]
    scope: str
    resource: dict[str, Any]


@dataclass(frozen=True, slots=True)
class CollectedPoint:
    """A data point of a metric. The `value` of a histogram is its sum; `count`, `bounds` and `buckets` are of one."""

    attributes: dict[str, Any]
    value: float
    count: int | None
    bounds: tuple[float, ...]
    buckets: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class CollectedMetric:
    """A metric as one export told it. `kind` is "sum", "gauge", "histogram" or another that OTLP has."""

    name: str
    unit: str
    kind: str
    points: tuple[CollectedPoint, ...]
    scope: str
    resource: dict[str, Any]


class OtlpCollector(Receiver):
    """Takes OTLP over HTTP, in protobuf, at `url` + "/v1/traces", "/v1/metrics" and "/v1/logs".

    `with OtlpCollector() as collector:` serves it from a thread. How it misbehaves is said as to every `Receiver`:
    `status`, `delay`, `silent`. Logs are read, and kept in `bodies` alone.

    Raises:
        ImportError: opentelemetry-proto is not installed.
    """

    media = "application/x-protobuf"

    def __init__(self, *, status: int = 200, delay: float = 0.0, silent: bool = False, limit: int = LIMIT) -> None:
        super().__init__(status=status, delay=delay, silent=silent, limit=limit)
        self._messages = _messages()
        self.spans: list[CollectedSpan] = []
        """Every span, in the order in which they were exported."""
        self.metrics: list[CollectedMetric] = []
        """Every metric of every export, in order."""

    def points(self, name: str) -> tuple[CollectedPoint, ...]:
        """The data points of a metric as its last export told them; none if it never came."""
        return next((metric.points for metric in reversed(self.metrics) if metric.name == name), ())

    def keep(self, request: Request) -> bytes:
        """Decode an export."""
        if request.path not in self._messages:
            raise RefusedError(404, f"nothing is collected at {request.path}")
        if request.headers.get("content-type") != self.media:
            raise RefusedError(415, "only protobuf is collected")
        try:
            message = self._messages[request.path].FromString(request.body)
        except import_module("google.protobuf.message").DecodeError as error:
            raise RefusedError(400, f"this is no export: {error}") from error
        if request.path == "/v1/traces":
            self.spans += _spans(message)
        elif request.path == "/v1/metrics":
            self.metrics += _metrics(message)
        return b""  # nothing was left out


def _messages() -> dict[str, Any]:
    """The type of message that each path takes."""
    try:
        from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
        from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
    except ImportError as error:
        raise ImportError("OtlpCollector needs opentelemetry-proto: pip install l0-testing[otlp]") from error
    return {
        "/v1/traces": ExportTraceServiceRequest,
        "/v1/metrics": ExportMetricsServiceRequest,
        "/v1/logs": ExportLogsServiceRequest,
    }


def _spans(message: Any) -> Iterator[CollectedSpan]:
    for resource in message.resource_spans:
        for scope in resource.scope_spans:
            for span in scope.spans:
                kind = span.DESCRIPTOR.fields_by_name["kind"].enum_type.values_by_number[span.kind].name
                codes = span.status.DESCRIPTOR.fields_by_name["code"].enum_type.values_by_number
                yield CollectedSpan(
                    name=span.name,
                    trace_id=span.trace_id.hex(),
                    span_id=span.span_id.hex(),
                    parent_id=span.parent_span_id.hex() or None,
                    kind=kind.removeprefix("SPAN_KIND_").lower(),
                    status=codes[span.status.code].name.removeprefix("STATUS_CODE_").lower(),
                    status_message=span.status.message,
                    start=span.start_time_unix_nano,
                    end=span.end_time_unix_nano,
                    attributes=_mapping(span.attributes),
                    events=tuple((event.name, _mapping(event.attributes)) for event in span.events),
                    links=tuple((link.trace_id.hex(), link.span_id.hex()) for link in span.links),
                    scope=scope.scope.name,
                    resource=_mapping(resource.resource.attributes),
                )


def _metrics(message: Any) -> Iterator[CollectedMetric]:
    for resource in message.resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                kind = metric.WhichOneof("data")
                yield CollectedMetric(
                    name=metric.name,
                    unit=metric.unit,
                    kind=kind,
                    points=tuple(map(_point, getattr(metric, kind).data_points)),
                    scope=scope.scope.name,
                    resource=_mapping(resource.resource.attributes),
                )


def _point(point: Any) -> CollectedPoint:
    fields = point.DESCRIPTOR.fields_by_name
    return CollectedPoint(
        attributes=_mapping(point.attributes),
        value=point.sum if "sum" in fields else getattr(point, point.WhichOneof("value")),
        count=point.count if "count" in fields else None,
        bounds=tuple(point.explicit_bounds) if "explicit_bounds" in fields else (),
        buckets=tuple(point.bucket_counts) if "bucket_counts" in fields else (),
    )


def _mapping(pairs: Iterable[Any]) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    if kind == "array_value":
        return [_value(each) for each in value.array_value.values]
    if kind == "kvlist_value":
        return _mapping(value.kvlist_value.values)
    return getattr(value, kind)
