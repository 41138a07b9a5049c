"""What a collector gets, by the SDK's own exporter over a socket, and collectors that are down, slow or silent."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from typing import Any
from urllib.request import Request, urlopen

import l0
import pytest
from l0_testing import Fault, FaultServer, OtlpCollector, Script, closed_port
from l0_testing.virtual import run
from opentelemetry import propagate
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from l0_otel import OtelMonitor

CONTEXT = {"model": "gpt-4o", "provider": "acme"}
FAST = l0.Retry(base_delay=0)
PATIENCE = 0.3
"""Seconds that an exporter has for an export."""


class Exporting:
    """Providers that export to a collector, as an application sets them up, and a monitor that uses them."""

    def __init__(self, url: str) -> None:
        self.tracer_provider = TracerProvider(shutdown_on_exit=False)
        spans = OTLPSpanExporter(f"{url}/v1/traces", timeout=PATIENCE)
        self.tracer_provider.add_span_processor(BatchSpanProcessor(spans))
        self._reader = PeriodicExportingMetricReader(
            OTLPMetricExporter(f"{url}/v1/metrics", timeout=PATIENCE), export_interval_millis=float("inf")
        )
        self.meter_provider = MeterProvider([self._reader], shutdown_on_exit=False)
        self.monitor = OtelMonitor(tracer_provider=self.tracer_provider, meter_provider=self.meter_provider)

    def flush(self) -> None:
        self.tracer_provider.force_flush()
        self.meter_provider.force_flush()


@pytest.fixture
def exporting() -> Iterator[Callable[[str], Exporting]]:
    """`exporting(url)` exports there, until the test ends."""
    with ExitStack() as stack:

        def made(url: str) -> Exporting:
            exporting = Exporting(url)
            stack.callback(exporting.tracer_provider.shutdown)
            stack.callback(exporting.meter_provider.shutdown)
            return exporting

        yield made


@pytest.fixture
def collector() -> Iterator[OtlpCollector]:
    with OtlpCollector() as collector:
        yield collector


class Model:
    """Answers in 3 s, a second for each token, and is broken off after the first two of them as often as it is told."""

    def __init__(self, failures: int) -> None:
        self.failures = failures

    async def __call__(self) -> AsyncIterator[l0.Event]:
        self.failures -= 1
        return self._answer(self.failures >= 0)

    async def _answer(self, breaks: bool) -> AsyncIterator[l0.Event]:
        for number, token in enumerate(("The quick ", "brown ", "fox")):
            if breaks and number == 2:
                raise ConnectionResetError("a secret of the provider's")
            await asyncio.sleep(1)
            yield l0.Event(l0.EventType.TOKEN, token)
        data = {"finish_reason": "stop"}
        yield l0.Event(l0.EventType.COMPLETE, usage={"input_tokens": 7, "output_tokens": 3}, data=data)


async def play(to: Exporting, failures: int, **options: Any) -> l0.Stream:
    with to.tracer_provider.get_tracer("caller").start_as_current_span("caller"):
        options = {"retry": FAST, "context": CONTEXT, **options}
        stream = await l0.run(Model(failures), adapter="event", plugins=[to.monitor], **options)
    try:
        await stream.read()
    except ConnectionResetError:
        assert stream.state.outcome == "error"
    return stream


def test_a_collector_gets_the_spans_of_a_stream_that_is_retried(collector: OtlpCollector, exporting: Any) -> None:
    to = exporting(collector.url)
    stream = run(play(to, 1))
    to.flush()
    spans = {span.name: span for span in collector.spans}
    assert sorted(spans) == ["attempt 1", "attempt 2", "caller", "chat gpt-4o"]
    caller, operation, first, second = (
        spans[name] for name in ("caller", "chat gpt-4o", "attempt 1", "attempt 2")
    )  # fmt: skip
    assert {span.trace_id for span in spans.values()} == {caller.trace_id}
    assert [span.parent_id for span in (caller, operation, first, second)] == [
        None,
        caller.span_id,
        operation.span_id,
        operation.span_id,
    ]
    assert [span.links for span in (operation, first, second)] == [(), (), ((first.trace_id, first.span_id),)]
    assert [span.kind for span in (operation, first, second)] == ["client", "internal", "internal"]
    assert [(span.status, span.status_message) for span in (operation, first, second)] == [
        ("unset", ""),
        ("error", ""),
        ("unset", ""),
    ]
    assert {span.scope for span in (operation, first, second)} == {"l0_otel"}
    told = operation.attributes
    assert told.pop("gen_ai.response.time_to_first_chunk") == pytest.approx(1, abs=0.1)
    assert told == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "acme",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.request.stream": True,
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.usage.input_tokens": 7,
        "gen_ai.usage.output_tokens": 3,
        "l0.session_id": stream.stream_id,
        "l0.outcome": "complete",
        "l0.token_count": 3,
        "l0.retry.count": 1,
        "l0.fallback.index": 0,
        "l0.guardrail.violation_count": 0,
        "l0.drift.detected": False,
    }
    assert [name for name, _ in operation.events] == ["l0.retry"]
    assert first.attributes["error.type"] == "ConnectionResetError"
    assert [each.attributes["l0.attempt.outcome"] for each in (first, second)] == ["failed", "succeeded"]
    assert [(each.end - each.start) / 1e9 for each in (first, second)] == pytest.approx([2, 3], abs=0.1)


def test_a_collector_gets_the_measurements(collector: OtlpCollector, exporting: Any) -> None:
    to = exporting(collector.url)
    for failures in (0, 1):
        run(play(to, failures))
    run(play(to, 1, retry=l0.Retry(max_retries=0)))
    to.flush()
    kinds = {metric.name: (metric.kind, metric.unit) for metric in collector.metrics}
    assert kinds == {
        "gen_ai.client.inference.duration": ("histogram", "s"),
        "gen_ai.client.inference.time_to_first_chunk": ("histogram", "s"),
        "gen_ai.client.inference.usage.input_tokens": ("sum", "{token}"),
        "gen_ai.client.inference.usage.output_tokens": ("sum", "{token}"),
        "l0.time_per_output_token": ("histogram", "s"),
    }
    labels = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "acme", "gen_ai.request.model": "gpt-4o"}
    durations = collector.points("gen_ai.client.inference.duration")
    by_outcome = {point.attributes["l0.outcome"]: point for point in durations}
    assert by_outcome["complete"].attributes == {**labels, "l0.outcome": "complete"}
    assert by_outcome["error"].attributes == {**labels, "l0.outcome": "error", "error.type": "ConnectionResetError"}
    assert {outcome: point.count for outcome, point in by_outcome.items()} == {"complete": 2, "error": 1}
    assert [by_outcome[name].value for name in ("complete", "error")] == pytest.approx([3 + 5, 2], abs=0.1)
    complete = by_outcome["complete"]
    filled = [(complete.bounds[place - 1], count) for place, count in enumerate(complete.buckets) if count]
    assert filled == [(2.56, 2)]  # 3 s and 5 s, both above that and below 5.12
    usage = {
        side: [
            (point.value, point.attributes["l0.attempt.outcome"])
            for point in collector.points(f"gen_ai.client.inference.usage.{side}_tokens")
        ]
        for side in ("input", "output")
    }
    assert usage == {"input": [(14, "succeeded"), (0, "failed")], "output": [(6, "succeeded"), (0, "failed")]}


def test_a_failed_stream_is_an_error_at_the_collector(collector: OtlpCollector, exporting: Any) -> None:
    to = exporting(collector.url)
    run(play(to, 9, retry=l0.Retry(max_retries=0)))
    to.flush()
    (operation,) = [span for span in collector.spans if span.kind == "client"]
    assert (operation.status, operation.status_message) == ("error", "")
    assert operation.attributes["error.type"] == "ConnectionResetError"
    assert operation.attributes["l0.outcome"] == "error"
    assert collector.bodies
    assert not [body for body in collector.bodies if b"secret" in body]


def test_the_provider_is_told_which_attempt_asks(
    collector: OtlpCollector, exporting: Any, fault_server: FaultServer
) -> None:
    """`traceparent`, as instrumentation of an HTTP client injects it, has the id of the attempt's span."""
    to = exporting(collector.url)
    fault_server.add("m", Script("The answer.", faults=[Fault("rst_before"), Fault("503")]))

    def ask(headers: dict[str, str]) -> bytes:
        body = b'{"model": "m", "messages": [{"role": "user", "content": "hi"}]}'
        with urlopen(Request(f"{fault_server.base_url}/chat/completions", body, headers)) as response:
            answer: bytes = response.read()
            return answer

    async def provider() -> AsyncIterator[l0.Event]:
        headers: dict[str, str] = {}
        propagate.inject(headers)
        answer = await asyncio.to_thread(ask, headers)

        async def tell() -> AsyncIterator[l0.Event]:
            yield l0.Event(l0.EventType.TOKEN, answer.decode())
            yield l0.Event(l0.EventType.COMPLETE)

        return tell()

    async def main() -> None:
        stream = await l0.run(provider, adapter="event", retry=FAST, plugins=[to.monitor])
        assert "The answer." in await stream.read()

    asyncio.run(main())
    to.flush()
    attempts = {span.attributes["l0.attempt"]: span for span in collector.spans if "l0.attempt" in span.attributes}
    told = [request.headers["traceparent"].split("-")[1:3] for request in fault_server.requests]
    assert told == [[attempts[number].trace_id, attempts[number].span_id] for number in (1, 2, 3)]
    assert len({span.span_id for span in attempts.values()}) == 3


@pytest.mark.parametrize("how", [{"status": 503}, {"delay": 10.0}, {"silent": True}, None])
def test_a_collector_that_fails_changes_nothing_for_a_stream(how: dict[str, Any] | None, exporting: Any) -> None:
    """It refuses, is late, never answers, or is not there: the text is whole, and nobody waits for it."""
    with ExitStack() as stack:
        collector = None if how is None else stack.enter_context(OtlpCollector(**how))
        url = stack.enter_context(closed_port()).removesuffix("/v1") if collector is None else collector.url
        to = exporting(url)
        to.tracer_provider.get_tracer("before").start_span("before").end()
        begun = time.monotonic()
        for _ in range(3):
            assert run(play(to, 1)).state.content == "The quick brown fox"
        took = time.monotonic() - begun
        to.flush()
        if collector is not None:
            collector.wait(1)
    assert took < 2
