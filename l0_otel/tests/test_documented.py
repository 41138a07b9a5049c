"""The documented classes: what an application records by itself, the handler of events, and the exporter."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import l0
import pytest
from l0 import ObservabilityEvent, ObservabilityEventType
from l0_testing import FakeProvider, Mishap
from l0_testing.virtual import run
from opentelemetry import trace
from opentelemetry.trace import StatusCode

from l0_otel import (
    NoOpSpan,
    OpenTelemetry,
    OpenTelemetryConfig,
    OpenTelemetryExporter,
    OpenTelemetryExporterConfig,
    SemanticAttributes,
    SpanProtocol,
    create_opentelemetry_handler,
    exporter,
    handler,
    with_opentelemetry,
)

CANARY = "canary-77aa"
FAST = l0.Retry(base_delay=0)

TELEMETRY = SimpleNamespace(
    stream_id="s-1",
    session_id=None,
    model="gpt-4o",
    completed=False,
    content_length=40,
    timing=SimpleNamespace(started_at=1000.0, completed_at=1002.5, duration=2.5, time_to_first_token=0.5),
    retries=SimpleNamespace(total_retries=3, model_retries=1, network_retries=2, last_error=CANARY),
    guardrails=SimpleNamespace(violations=[{"message": CANARY}], passed=False),
    error=SimpleNamespace(occurred=True, message=CANARY, category="network", code=None, stack=CANARY),
    metrics=SimpleNamespace(token_count=10, tokens_per_second=4.0),
    metadata={"user": CANARY},
)


@pytest.fixture
def signals(recorder: Any) -> tuple[Any, Any]:
    return recorder.tracer_provider.get_tracer("test"), recorder.meter_provider.get_meter("test")


def total(recorder: Any, name: str) -> float:
    return sum(point.value for point in recorder.points(name))


# What an application records by itself.


def test_what_is_awaited_within_a_span_is_counted_and_timed(recorder: Any, signals: Any) -> None:
    telemetry = OpenTelemetry(*signals, OpenTelemetryConfig(default_attributes={"team": "a"}))

    async def work(span: Any) -> str:
        assert trace.get_current_span() is span
        assert telemetry.get_active_streams() == 1
        return "done"

    assert asyncio.run(telemetry.trace_stream("answer", work, {"key": "value"})) == "done"
    (span,) = recorder.ended
    assert (span.name, span.kind) == ("l0.answer", trace.SpanKind.CLIENT)
    assert span.attributes == {"team": "a", "key": "value"}
    assert telemetry.get_active_streams() == total(recorder, "l0.active_streams") == 0
    assert total(recorder, "l0.requests") == 1
    (duration,) = recorder.points("l0.duration")
    assert (duration.count, duration.attributes) == (1, {"team": "a"})


@pytest.mark.parametrize("error", [ValueError(CANARY), asyncio.CancelledError(CANARY)])
def test_what_raises_ends_its_span_and_raises_on(recorder: Any, signals: Any, error: BaseException) -> None:
    async def work() -> None:
        raise error

    with pytest.raises(type(error)):
        asyncio.run(with_opentelemetry(*signals, work))
    (span,) = recorder.ended
    failed = isinstance(error, Exception)
    assert span.name == "l0.stream"
    assert span.attributes == ({"error.type": "ValueError"} if failed else {})
    assert span.status.status_code is (StatusCode.ERROR if failed else StatusCode.UNSET)
    assert total(recorder, "l0.active_streams") == 0
    assert CANARY not in recorder.everything()


def test_what_is_recorded_is_on_the_span_and_in_the_metrics(recorder: Any, signals: Any) -> None:
    telemetry = OpenTelemetry(*signals, OpenTelemetryConfig(trace_tokens=True))
    span = telemetry.create_span("mine")
    telemetry.record_token(span, CANARY)
    telemetry.record_retry("network_error", 2, span)
    telemetry.record_network_error(ConnectionError(CANARY), "econnreset", span)
    telemetry.record_guardrail_violation(l0.Violation("tone", CANARY), span)
    telemetry.record_drift("tone_shift", 0.9, span)
    telemetry.record_telemetry(TELEMETRY, span)
    span.end()
    (ended,) = recorder.ended
    names = ["token", "retry", "network_error", "guardrail_violation", "drift_detected"]
    assert [event.name for event in ended.events] == names
    assert ended.attributes[SemanticAttributes.L0_DURATION_MS] == 2500
    assert ended.attributes[SemanticAttributes.L0_TIME_TO_FIRST_TOKEN_MS] == 500
    assert ended.attributes[SemanticAttributes.L0_NETWORK_ERROR_COUNT] == 2
    assert ended.attributes["error.type"] == "network"
    assert (total(recorder, "l0.tokens"), total(recorder, "l0.retries"), total(recorder, "l0.errors")) == (11, 4, 2)
    assert recorder.points("l0.duration")[0].sum == 2500
    assert CANARY not in recorder.everything()


def test_the_text_of_tokens_is_told_to_those_who_ask_for_it(recorder: Any, signals: Any) -> None:
    telemetry = OpenTelemetry(*signals, OpenTelemetryConfig(trace_tokens=True, record_token_content=True))
    with telemetry.create_span("mine") as span:
        telemetry.record_token(span, "some text")
    assert recorder.ended[0].events[0].attributes == {"l0.token.content": "some text"}


def test_without_a_tracer_and_a_meter_everything_is_taken_and_nothing_kept() -> None:
    telemetry = OpenTelemetry()
    span = telemetry.create_span("mine")
    assert isinstance(span, NoOpSpan)
    assert isinstance(span, SpanProtocol)
    assert not span.is_recording()
    telemetry.record_token(span, "text")
    telemetry.record_telemetry(TELEMETRY, span)
    assert asyncio.run(telemetry.trace_stream("answer", lambda: "plain")) == "plain"


# The handler.


def event(kind: str, stream_id: str = "s-1", ts: float = 1_000_000.0, **meta: Any) -> ObservabilityEvent:
    return ObservabilityEvent(ObservabilityEventType(kind), ts, stream_id, {"user": CANARY}, meta)


STYLES = {
    "snake": [
        event("ATTEMPT_START", attempt=2, is_retry=True, is_fallback=False),
        event("RETRY_ATTEMPT", attempt=1, reason="timeout"),
        event("NETWORK_ERROR", error=CANARY + " and more", code="econnreset"),
        event("GUARDRAIL_RULE_RESULT", rule_id="tone", violations=[{"severity": "error", "message": CANARY}]),
        event("DRIFT_CHECK_RESULT", detected=True, types=["tone_shift"], confidence=0.9),
        event("COMPLETE", ts=1_002_000.0, token_count=5, content_length=20),
    ],
    "camel": [
        event("ATTEMPT_START", attempt=2, isRetry=True, isFallback=False),
        event("RETRY_ATTEMPT", attempt=1, reason="timeout"),
        event("NETWORK_ERROR", error="ConnectionResetError", code="econnreset"),
        event("GUARDRAIL_RULE_RESULT", ruleId="tone", passed=False, violation={"severity": "error"}),
        event("DRIFT_CHECK_RESULT", detected=True, metrics={"tone_shift": True}, score=0.9),
        event("COMPLETE", ts=1_002_000.0, tokenCount=5, contentLength=20),
    ],
}


@pytest.mark.parametrize("style", STYLES)
def test_the_handler_reads_both_styles_of_keys(recorder: Any, signals: Any, style: str) -> None:
    handle = create_opentelemetry_handler(*signals)
    for each in [event("SESSION_START"), *STYLES[style], event("SESSION_END", outcome="complete")]:
        handle(each)
    (span,) = recorder.ended
    expected = {
        "l0.session_id": "s-1",
        "l0.attempt": 2,
        "l0.is_retry": True,
        "l0.is_fallback": False,
        "l0.drift.detected": True,
        "l0.token_count": 5,
        "l0.content_length": 20,
        "l0.outcome": "complete",
        "l0.stream.completed": True,
        "l0.retry.count": 1,
        "l0.network.error_count": 1,
        "l0.guardrail.violation_count": 1,
        "l0.duration_ms": 2000,
    }
    assert span.attributes == expected
    assert (span.end_time - span.start_time) / 1e9 == 2
    names = ["retry", "network_error", "guardrail_violation", "drift_detected"]
    assert [each.name for each in span.events] == names
    assert total(recorder, "l0.tokens") == 5
    assert recorder.points("l0.duration")[0].sum == 2000
    assert CANARY not in recorder.everything()


@pytest.mark.parametrize(
    ("last", "outcome", "error"),
    [
        (event("ERROR", error=CANARY + ": it failed", code="invalid_prompt"), "error", "invalid_prompt"),
        (event("ERROR", error=ValueError(CANARY), recovery_strategy="halt"), "error", "ValueError"),
        (event("RETRY_GIVE_UP", last_error="TimeoutError"), "error", "TimeoutError"),
        (event("ABORT_COMPLETED", token_count=2), "aborted", None),
        (event("COMPLETE", state=l0.State("some text")), "complete", None),
    ],
)
def test_events_made_by_hand_end_the_span_without_a_session_end(
    recorder: Any, signals: Any, last: Any, outcome: str, error: str | None
) -> None:
    handle = create_opentelemetry_handler(*signals)
    handle(event("SESSION_START"))
    handle(event("ERROR", error="ConnectionError", recovery_strategy="retry"))
    assert recorder.ended == []
    handle(last)
    (span,) = recorder.ended
    assert (span.attributes["l0.outcome"], span.attributes.get("error.type")) == (outcome, error)
    assert CANARY not in recorder.everything()


def test_the_handler_follows_real_streams_at_once_and_each_ends(recorder: Any, signals: Any) -> None:
    handle = create_opentelemetry_handler(*signals)
    ends = ["complete", "error", "aborted"]

    async def one_stream(number: int) -> None:
        end = ends[number % 3]
        mishap = {"complete": Mishap("raise", 1), "error": Mishap("refuse"), "aborted": Mishap("stall", 1)}[end]
        provider = FakeProvider(("one ", "two "), [mishap], pace=0.1)
        retry = l0.Retry(max_retries=0) if end == "error" else FAST
        stream = await l0.run(
            provider, adapter=provider, retry=retry, timeout=l0.Timeout(inter_token=9000), on_event=handle
        )
        reading = asyncio.ensure_future(stream.read())
        await asyncio.sleep(1)
        stream.abort()
        await asyncio.gather(reading, return_exceptions=True)
        assert stream.state.outcome == end

    async def main() -> None:
        async with asyncio.TaskGroup() as streams:
            for number in range(60):
                streams.create_task(one_stream(number))

    run(main())
    assert len(recorder.ended) == 60
    outcomes = [span.attributes["l0.outcome"] for span in recorder.ended]
    assert {end: outcomes.count(end) for end in ends} == dict.fromkeys(ends, 20)
    failed = {span.attributes.get("error.type") for span in recorder.ended if span.status.status_code.name == "ERROR"}
    assert failed == {"ConnectionResetError"}
    assert total(recorder, "l0.active_streams") == 0
    assert total(recorder, "l0.tokens") == 60
    assert recorder.points("l0.time_to_first_token")[0].count == 40


def test_streams_whose_end_is_never_told_do_not_pile_up(
    recorder: Any, signals: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handler, "MOST_STREAMS", 10)
    handle = create_opentelemetry_handler(*signals)
    for number in range(30):
        handle(event("SESSION_START", f"s-{number}"))
    assert len(recorder.ended) == 20
    assert {span.attributes["l0.outcome"] for span in recorder.ended} == {"abandoned"}
    for number in range(20, 30):
        handle(event("COMPLETE", f"s-{number}"))


# The exporter.


@pytest.fixture
def exporting(recorder: Any, monkeypatch: pytest.MonkeyPatch) -> OpenTelemetryExporter:
    monkeypatch.setattr(exporter, "_tracer_provider", lambda config: recorder.tracer_provider)
    monkeypatch.setattr(exporter, "_meter_provider", lambda config: recorder.meter_provider)
    return OpenTelemetryExporter(OpenTelemetryExporterConfig())


def test_a_telemetry_is_exported_as_a_span_and_metrics_in_seconds(recorder: Any, exporting: Any) -> None:
    exporting.export(TELEMETRY)
    (span,) = recorder.ended
    assert (span.name, span.start_time, span.end_time) == ("l0.stream", 1_000_000_000_000, 1_002_500_000_000)
    assert span.status.status_code is StatusCode.ERROR
    assert span.attributes["gen_ai.request.model"] == "gpt-4o"
    names = ("l0.tokens", "l0.retries", "l0.errors", "l0.guardrail_violations")
    assert [total(recorder, name) for name in names] == [10, 3, 1, 1]
    names = ("l0.duration", "l0.ttft", "l0.tokens_per_second")
    assert [recorder.points(name)[0].sum for name in names] == [2.5, 0.5, 4.0]
    assert CANARY not in recorder.everything()
    exporting.create_span("mine", key="value").end()
    assert (recorder.ended[-1].name, recorder.ended[-1].attributes) == ("mine", {"key": "value"})


def test_a_handler_without_a_tracer_does_nothing(caplog: pytest.LogCaptureFixture) -> None:
    provider = FakeProvider(("a", "b"))

    async def main() -> None:
        stream = await l0.run(provider, adapter=provider, on_event=create_opentelemetry_handler())
        assert await stream.read() == "ab"

    run(main())
    assert not caplog.records


def test_an_exporter_that_is_off_does_nothing_and_needs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk", None)
    off = OpenTelemetryExporter(OpenTelemetryExporterConfig(enabled=False))
    off.export(TELEMETRY)
    assert isinstance(off.create_span("mine"), NoOpSpan)
    off.shutdown()


def test_an_exporter_without_the_sdk_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk", None)
    with pytest.raises(ImportError, match=r"pip install l0-otel\[sdk\]"):
        OpenTelemetryExporter(OpenTelemetryExporterConfig())


def test_the_sdk_is_not_loaded_by_those_who_only_import_the_package() -> None:
    code = "import sys, l0_otel; sys.exit(any(name.startswith(('opentelemetry.sdk', 'grpc')) for name in sys.modules))"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("batch", [True, False])
def test_the_exporters_providers_are_its_own(batch: bool) -> None:
    pytest.importorskip("opentelemetry.exporter.otlp.proto.grpc")
    config = OpenTelemetryExporterConfig(
        endpoint="http://127.0.0.1:9", headers={"k": "v"}, insecure=True, batch_export=batch, metrics_enabled=False
    )
    mine = OpenTelemetryExporter(config)
    mine.shutdown()
    assert isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)


def test_the_exporter_is_configured_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)
    assert OpenTelemetryExporterConfig.from_env() == OpenTelemetryExporterConfig()
    monkeypatch.setenv("OTEL_SERVICE_NAME", "mine")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4317")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Basic%20abc, tenant=a")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_INSECURE", "true")
    config = OpenTelemetryExporterConfig.from_env()
    assert config == OpenTelemetryExporterConfig(
        service_name="mine",
        endpoint="http://collector:4317",
        headers={"authorization": "Basic abc", "tenant": "a"},
        insecure=True,
    )
    assert "abc" not in repr(config)
