"""What monitors send, received on loopback: decoded, kept whole, and answered as badly as it is asked for."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
import sys
import threading
import time
import zlib
from collections.abc import Callable
from contextlib import ExitStack, closing
from types import SimpleNamespace
from typing import Any

import pytest
from l0_testing import LeakCheck, OtlpCollector, SentryReceiver
from l0_testing.loopback_receiver import Receiver
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import Link, SpanKind, Status, StatusCode

PROTOBUF = {"Content-Type": "application/x-protobuf"}
ENVELOPE = b'{"event_id":"1"}\n{"type":"event"}\n{"message":"one"}\n{"type":"event","length":18}\n{"message":\n"two"}'
SENT: dict[type[Receiver], tuple[str, dict[str, str], bytes]] = {
    OtlpCollector: ("/v1/traces", PROTOBUF, ExportTraceServiceRequest(resource_spans=[{}]).SerializeToString()),
    SentryReceiver: ("/api/1/envelope/", {}, ENVELOPE),
}
"""A request that each receiver takes."""


@pytest.fixture(params=SENT, ids=lambda kind: kind.__name__)
def kind(request: pytest.FixtureRequest) -> type[Receiver]:
    return request.param  # type: ignore[no-any-return]


def post(
    receiver: Receiver,
    path: str,
    headers: dict[str, str],
    body: Any,
    *,
    timeout: float = 5.0,
    method: str = "POST",
) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(receiver.url.removeprefix("http://"), timeout=timeout)
    with closing(connection):
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        return response.status, response.read()


@pytest.mark.parametrize("compression", [Compression.NoCompression, Compression.Gzip, Compression.Deflate])
def test_spans_arrive_as_the_sdk_has_them(compression: Compression) -> None:
    with OtlpCollector() as collector:
        provider = TracerProvider(resource=Resource({"service.name": "acme"}), shutdown_on_exit=False)
        exporter = OTLPSpanExporter(f"{collector.url}/v1/traces", compression=compression)
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        tracer = provider.get_tracer("acme.scope")
        with tracer.start_as_current_span("outer", kind=SpanKind.CLIENT) as outer:
            inner = tracer.start_span("inner", links=[Link(outer.get_span_context())])
            inner.set_attributes({"text": "t", "flag": True, "count": 2, "share": 0.5, "many": ["a", "b"]})
            inner.add_event("happened", {"when": 1})
            inner.set_status(Status(StatusCode.ERROR, "so"))
            inner.end()
        provider.shutdown()
        first, second = collector.spans
        assert (collector.refused, len(collector.bodies)) == ([], 2)
    assert (second.name, second.kind, second.status, second.parent_id, second.links) == (
        "outer", "client", "unset", None, (),
    )  # fmt: skip
    assert (first.name, first.kind, first.status, first.status_message) == ("inner", "internal", "error", "so")
    assert (first.trace_id, first.parent_id) == (second.trace_id, second.span_id)
    assert first.links == ((second.trace_id, second.span_id),)
    assert first.attributes == {"text": "t", "flag": True, "count": 2, "share": 0.5, "many": ["a", "b"]}
    assert first.events == (("happened", {"when": 1}),)
    assert (first.scope, first.resource["service.name"]) == ("acme.scope", "acme")
    assert second.start <= first.start <= first.end <= second.end <= time.time_ns()


def test_metrics_arrive_as_the_sdk_has_them() -> None:
    with OtlpCollector() as collector:
        exporter = OTLPMetricExporter(f"{collector.url}/v1/metrics")
        reader = PeriodicExportingMetricReader(exporter, export_interval_millis=float("inf"))
        provider = MeterProvider([reader], shutdown_on_exit=False)
        meter = provider.get_meter("acme")
        counter = meter.create_counter("calls", "{call}")
        times = meter.create_histogram("times", "s", explicit_bucket_boundaries_advisory=[1, 2])
        meter.create_gauge("heat").set(3.5)
        for seconds in (0.5, 5):
            counter.add(1, {"model": "m"})
            times.record(seconds)
            provider.force_flush()
        provider.shutdown()
        kinds = {metric.name: (metric.kind, metric.unit, metric.scope) for metric in collector.metrics}
    assert kinds == {
        "calls": ("sum", "{call}", "acme"),
        "times": ("histogram", "s", "acme"),
        "heat": ("gauge", "", "acme"),
    }
    (calls,), (took,), (heat,) = map(collector.points, ("calls", "times", "heat"))
    assert (calls.value, calls.attributes, calls.count) == (2, {"model": "m"}, None)
    assert (took.value, took.count, took.bounds, took.buckets) == (5.5, 2, (1, 2), (1, 0, 1))
    assert heat.value == 3.5
    assert collector.points("nothing") == ()


def test_logs_are_taken() -> None:
    body = ExportLogsServiceRequest(resource_logs=[{}]).SerializeToString()
    with OtlpCollector() as collector:
        assert post(collector, "/v1/logs", PROTOBUF, body) == (200, b"")
    assert (collector.bodies, collector.spans, collector.metrics) == ([body], [], [])


def test_envelopes_are_taken_apart() -> None:
    packed = gzip.compress(ENVELOPE)
    with SentryReceiver() as receiver:
        assert receiver.dsn == f"{receiver.url}/1".replace("//", "//public@")
        assert post(receiver, "/api/1/envelope/", {}, ENVELOPE) == (200, b'{"id": "1"}')
        assert post(receiver, "/api/1/envelope/", {"Content-Encoding": "gzip"}, packed)[0] == 200
    assert receiver.bodies == [ENVELOPE] * 2
    assert receiver.items("event") == [{"message": "one"}, {"message": "two"}] * 2
    assert [item.type for item in receiver.envelopes[0].items] == ["event", "event"]
    assert (receiver.envelopes[0].headers, receiver.items("transaction")) == ({"event_id": "1"}, [])


def test_a_body_in_chunks_is_put_together(kind: type[Receiver]) -> None:
    path, headers, body = SENT[kind]
    with kind() as receiver:
        assert post(receiver, path, headers, iter([body[:3], body[3:]]))[0] == 200
    assert receiver.bodies == [body]


def test_brotli_is_unpacked_by_whoever_has_it(kind: type[Receiver], monkeypatch: pytest.MonkeyPatch) -> None:
    path, headers, body = SENT[kind]
    with kind() as receiver:
        monkeypatch.setitem(sys.modules, "brotli", None)
        status, said = post(receiver, path, {**headers, "Content-Encoding": "br"}, b"?")
        assert status == 415
        assert b"pip install brotli" in said
        fake = SimpleNamespace(decompress=zlib.decompress, error=zlib.error)
        monkeypatch.setitem(sys.modules, "brotli", fake)
        assert post(receiver, path, {**headers, "Content-Encoding": "br"}, zlib.compress(body))[0] == 200
        assert post(receiver, path, {**headers, "Content-Encoding": "br"}, b"?")[0] == 400
    assert receiver.bodies == [body]


def test_a_refusal_is_kept_and_not_decoded(kind: type[Receiver]) -> None:
    path, headers, body = SENT[kind]
    with kind(status=503) as receiver:
        assert post(receiver, path, headers, body)[0] == 503
        assert decoded(receiver) == []
        receiver.status = 200
        assert post(receiver, path, headers, body)[0] == 200
    assert (receiver.bodies, receiver.refused) == ([body] * 2, [])
    if isinstance(receiver, SentryReceiver):
        assert len(decoded(receiver)) == 1


def decoded(receiver: Receiver) -> list[Any]:
    return receiver.envelopes if isinstance(receiver, SentryReceiver) else receiver.spans  # type: ignore[attr-defined]


def test_an_answer_may_be_late_or_never_come(kind: type[Receiver]) -> None:
    path, headers, body = SENT[kind]
    with kind(delay=0.1) as receiver:
        begun = time.monotonic()
        assert post(receiver, path, headers, body)[0] == 200
        assert time.monotonic() - begun >= 0.1
        receiver.silent = True
        with pytest.raises(TimeoutError):
            post(receiver, path, headers, body, timeout=0.1)
    assert len(receiver.bodies) == 2


@pytest.fixture
def threads() -> Callable[[], set[threading.Thread]]:
    before = set(threading.enumerate())
    return lambda: set(threading.enumerate()) - before


def test_the_end_leaves_no_thread_and_no_socket(kind: type[Receiver], threads: Callable[..., Any]) -> None:
    path, headers, body = SENT[kind]
    with LeakCheck():
        with ExitStack() as stack:
            receiver = stack.enter_context(kind(silent=True))
            address = ("127.0.0.1", int(receiver.url.rpartition(":")[2]))
            with socket.create_connection(address) as idle, socket.create_connection(address) as half:
                half.sendall(b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\n")
                waiting = threading.Thread(target=waits, args=(receiver, path, headers, body))
                waiting.start()
                receiver.wait(1)
                begun = time.monotonic()
                stack.close()
                assert time.monotonic() - begun < 1
                waiting.join(5)
                assert threads() == set()
                assert idle.recv(1) == b""
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address)


def waits(receiver: Receiver, path: str, headers: dict[str, str], body: bytes) -> None:
    with pytest.raises(ConnectionError):
        post(receiver, path, headers, body)


@pytest.mark.parametrize(
    ("path", "headers", "body", "status", "why"),
    [
        ("/v1/nothing", PROTOBUF, b"", 404, "nothing is collected at /v1/nothing"),
        ("/v1/traces", {"Content-Type": "application/json"}, b"{}", 415, "only protobuf"),
        ("/v1/traces", PROTOBUF, b"\xff\xff", 400, "no export"),
        ("/v1/traces", {**PROTOBUF, "Content-Encoding": "gzip"}, b"not gzip", 400, "no gzip"),
        ("/v1/traces", {**PROTOBUF, "Content-Encoding": "gzip"}, gzip.compress(b"")[:-1], 400, "ends too early"),
        ("/v1/traces", {**PROTOBUF, "Content-Encoding": "zstd"}, b"?", 415, "'zstd' is not known"),
        ("/v1/traces", {**PROTOBUF, "Content-Encoding": "gzip"}, gzip.compress(b"x" * 5000), 413, "more came"),
        ("/v1/traces", PROTOBUF, b"x" * 5000, 413, "more came"),
    ],
)
def test_what_a_collector_does_not_take_is_said(
    path: str, headers: dict[str, str], body: bytes, status: int, why: str
) -> None:
    with OtlpCollector(limit=4096) as collector:
        answered, said = post(collector, path, headers, body)
    assert answered == status
    assert why in json.loads(said)["error"]["message"]
    assert collector.spans == []
    (refused,) = collector.refused
    assert why in refused


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/api/1/store/", ENVELOPE, 404),
        ("/api/1/envelope/", b"{", 400),
        ("/api/1/envelope/", b"{}\n{}\n\n", 400),
        ("/api/1/envelope/", b"{}\n[]\n\n", 400),
        ("/api/1/envelope/", ENVELOPE[:-1], 400),
    ],
)
def test_what_is_no_envelope_is_said(path: str, body: bytes, status: int) -> None:
    with SentryReceiver() as receiver:
        assert post(receiver, path, {}, body)[0] == status
    assert (len(receiver.refused), receiver.envelopes) == (1, [])


def test_a_get_is_not_taken(kind: type[Receiver]) -> None:
    with kind() as receiver:
        assert post(receiver, SENT[kind][0], {}, None, method="GET")[0] == 405
    assert receiver.requests == []


def test_waiting_is_bounded_and_says_what_came(kind: type[Receiver]) -> None:
    path, headers, body = SENT[kind]
    with kind() as receiver:
        post(receiver, path, headers, body)
        receiver.wait(1)
        with pytest.raises(AssertionError, match=r"1 of 2 requests came in 0\.01 s"):
            receiver.wait(2, 0.01)


def test_a_collector_without_protobuf_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.proto.collector.trace.v1.trace_service_pb2", None)
    with pytest.raises(ImportError, match=r"pip install l0-testing\[otlp\]"):
        OtlpCollector()
