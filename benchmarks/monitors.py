"""What monitors cost: how much more a stream takes with them than without, in times that a bare stream takes.

Every case is run in turn, the order reversed each round, and what is reported is the median of the rounds. Backends are
in memory: OpenTelemetry's spans go through a BatchSpanProcessor, its metrics to a real meter, and Sentry's events, all
of them traced, to a transport that drops them. What the SDKs do in the event loop's thread is part of the cost; the
rows of an SDK alone say how much: they tell it as much of a stream as the monitor does, by hand and without L0.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import sentry_sdk
from l0_core.hookspecs import Sink
from l0_monitor import Metrics, MetricsMonitor, TelemetryMonitor
from opentelemetry.context import attach, detach
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import set_span_in_context
from sentry_sdk.envelope import Envelope
from sentry_sdk.scope import use_isolation_scope, use_scope
from sentry_sdk.transport import Transport

import l0_core
from benchmarks.in_process import TIMEOUT, Case, raw, streaming, timed
from l0_otel import OtelMonitor
from l0_sentry import SentryMonitor

SIZES = (200, 2_000, 20_000)


class Empty:
    """What the runtime itself takes to tell somebody what happens."""

    @l0_core.hookimpl
    def store_event(self) -> Sink:
        return Sink(lambda batch: None)


class Dropping(Transport):
    def capture_envelope(self, envelope: Envelope) -> None:
        """Drop it."""


@contextmanager
def a_client_of_sentrys() -> Iterator[None]:
    client = sentry_sdk.Client(
        dsn="http://public@127.0.0.1:9/1",
        transport=Dropping(),
        traces_sample_rate=1.0,
        default_integrations=False,
        auto_enabling_integrations=False,
    )
    with use_isolation_scope(sentry_sdk.Scope()), use_scope(sentry_sdk.Scope()) as scope:
        scope.set_client(client)
        yield
    client.close(timeout=0)


def otel_alone(tracer_provider: TracerProvider, meter_provider: MeterProvider) -> Callable[[], None]:
    tracer, meter = tracer_provider.get_tracer("alone"), meter_provider.get_meter("alone")
    histograms = [meter.create_histogram(f"histogram.{number}") for number in range(3)]
    counters = [meter.create_counter(f"counter.{number}") for number in range(2)]

    def tell() -> None:
        whole = tracer.start_span("chat", attributes={"operation": "chat", "id": "s-1", "stream": True})
        begun = {"attempt": 1, "source": 0, "continues": 0}
        attempt = tracer.start_span("attempt 1", set_span_in_context(whole), attributes=begun)
        token = attach(set_span_in_context(attempt))
        detach(token)
        attempt.set_attributes({"is_retry": False, "is_fallback": False, "adapter": "event", "outcome": "succeeded"})
        attempt.end()
        whole.set_attributes({f"count {number}": number for number in range(5)})
        whole.set_attributes({"operation": "chat", "outcome": "complete", "first_chunk": 0.1})
        here = set_span_in_context(whole)
        for histogram in histograms:
            histogram.record(0.1, {"operation": "chat", "outcome": "complete"}, here)
        for counter in counters:
            counter.add(0, {"operation": "chat", "modality": "unknown", "outcome": "succeeded"}, here)
        whole.end()

    return tell


def sentry_alone() -> None:
    with sentry_sdk.new_scope() as scope:
        whole = scope.start_transaction(op="gen_ai.chat", name="chat")
        attempt = whole.start_child(op="gen_ai.attempt")
        scope.span = attempt
        attempt.set_data("attempt", 1)
        attempt.set_data("source", 0)
        attempt.finish()
        for number in range(11):
            whole.set_data(f"said {number}", number)
        whole.finish(scope)


def and_then(tell: Callable[[], None]) -> Case:
    """A stream without monitors, of which somebody else tells."""
    stream = streaming(timeout=TIMEOUT)

    async def case(n: int) -> None:
        await stream(n)
        tell()

    return case


@contextmanager
def monitored() -> Iterator[tuple[dict[str, Case], InMemorySpanExporter]]:
    """The cases by name, `without` the first of them, and where OpenTelemetry's spans go."""
    spans = InMemorySpanExporter()
    tracer_provider = TracerProvider(shutdown_on_exit=False)
    tracer_provider.add_span_processor(BatchSpanProcessor(spans, max_queue_size=100_000))
    meter_provider = MeterProvider([InMemoryMetricReader()], shutdown_on_exit=False)
    otel = OtelMonitor(tracer_provider=tracer_provider, meter_provider=meter_provider)
    sentry, metrics, telemetry = SentryMonitor(), MetricsMonitor(Metrics()), TelemetryMonitor()
    timing = TelemetryMonitor(TelemetryMonitor.Options(inter_token_latency=True))
    monitors: dict[str, list[Any]] = {
        "without": [],
        "an empty sink": [Empty()],
        "two empty sinks": [Empty(), Empty()],
        "metrics": [metrics],
        "telemetry": [telemetry],
        "telemetry, inter_token_latency": [timing],
        "otel": [otel],
        "sentry": [sentry],
        "otel, sentry": [otel, sentry],
        "otel, sentry, metrics, telemetry": [otel, sentry, metrics, telemetry],
    }
    cases = {name: streaming(timeout=TIMEOUT, plugins=plugins) for name, plugins in monitors.items()}
    cases["OpenTelemetry's SDK alone"] = and_then(otel_alone(tracer_provider, meter_provider))
    cases["Sentry's SDK alone"] = and_then(sentry_alone)
    with a_client_of_sentrys():
        yield cases, spans
    tracer_provider.shutdown()
    meter_provider.shutdown()


async def more(
    cases: dict[str, Case], spans: InMemorySpanExporter, n: int, times: int, rounds: int
) -> dict[str, tuple[float, float]]:
    """How much more a stream of `n` tokens takes in each case than in the first: in times of raw, and in seconds."""
    named = [("raw", raw), *cases.items()]
    without = next(iter(cases))
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in cases}
    for _, case in named:
        await timed(case, n, max(1, times // 5))
    for round_ in range(rounds):
        took = {}
        for name, case in named if round_ % 2 == 0 else named[::-1]:
            spans.clear()
            gc.collect()
            took[name] = await timed(case, n, times)
        for name in cases:
            seconds = took[name] - took[without]
            found[name].append((seconds / took["raw"], seconds))
    return {
        name: (statistics.median(ratio for ratio, _ in values), statistics.median(seconds for _, seconds in values))
        for name, values in found.items()
    }


def main(quick: bool) -> None:
    rounds = 5 if quick else 11
    with monitored() as (cases, spans):
        columns = [
            asyncio.run(more(cases, spans, n, max(1, (10_000 if quick else 20_000) // n), rounds)) for n in SIZES
        ]
        one = asyncio.run(more(cases, spans, 1, 200 if quick else 500, rounds))
    print(f"\n{'monitors, x raw more than without':<36}" + "".join(f"{n:>10,}" for n in SIZES) + f"{'µs a stream':>14}")
    for name in list(cases)[1:]:
        ratios = "".join(f"{column[name][0]:>10.2f}" for column in columns)
        print(f"{name:<36}{ratios}{one[name][1] * 1e6:>14.0f}")


if __name__ == "__main__":
    main("--quick" in sys.argv)
