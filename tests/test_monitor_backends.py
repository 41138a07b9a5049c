"""What becomes of a monitor's backend is nothing to the streams: it may be down, silent, slow, or raise."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

import l0
import pytest
import sentry_sdk
from l0_testing import FakeProvider, LeakCheck, Mishap, closed_port
from l0_testing.suites.scenarios import ALL, Ended
from l0_testing.virtual import VirtualLoop, run
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor, SpanExporter
from sentry_sdk.envelope import Envelope as SentryEnvelope
from sentry_sdk.scope import use_isolation_scope, use_scope
from sentry_sdk.transport import Transport

from l0_core import Envelope, Sink, hookimpl
from l0_otel import OpenTelemetryExporter, OpenTelemetryExporterConfig, OtelMonitor
from l0_sentry import SentryMonitor

EXPORT_TIMEOUT = 1.0
"""Seconds that the exporters give their backends: less than they would by themselves, so that the tests end."""

AT_ONCE = 5.0
"""Seconds within which all scenarios are played if none waits for a backend; each would wait for EXPORT_TIMEOUT."""

SHUTDOWN = 15.0
"""Seconds within which a monitor is shut down whose backend never answers."""

Plugins = Sequence[object]
Monitor = Callable[[str], AbstractContextManager[Plugins]]
Server = Callable[[], AbstractContextManager[str]]


@contextmanager
def down() -> Iterator[str]:
    with closed_port() as url:
        yield url.removesuffix("/v1")


@contextmanager
def silent() -> Iterator[str]:
    """Connections are taken, and never answered."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        server.settimeout(SHUTDOWN)
        server.accept()[0].close()  # Somebody did wait for an answer.


@contextmanager
def otel(url: str) -> Iterator[Plugins]:
    tracer_provider = TracerProvider(shutdown_on_exit=False)
    spans = OTLPSpanExporter(f"{url}/v1/traces", timeout=EXPORT_TIMEOUT)
    tracer_provider.add_span_processor(BatchSpanProcessor(spans, schedule_delay_millis=10))
    metrics = OTLPMetricExporter(f"{url}/v1/metrics", timeout=EXPORT_TIMEOUT)
    reader = PeriodicExportingMetricReader(metrics, export_interval_millis=50)
    meter_provider = MeterProvider([reader], shutdown_on_exit=False)
    yield [OtelMonitor(tracer_provider=tracer_provider, meter_provider=meter_provider)]
    tracer_provider.shutdown()
    meter_provider.shutdown()


@contextmanager
def sentry(url: str, **options: Any) -> Iterator[Plugins]:
    client = sentry_sdk.Client(
        dsn=url.replace("//", "//public@") + "/1",
        traces_sample_rate=1.0,
        default_integrations=False,
        auto_enabling_integrations=False,
        # What the SDK does for itself, in threads that outlive their client.
        auto_session_tracking=False,
        enable_backpressure_handling=False,
        send_client_reports=False,
        **options,
    )
    with use_isolation_scope(sentry_sdk.Scope()), use_scope(sentry_sdk.Scope()) as scope:
        scope.set_client(client)
        yield [SentryMonitor()]
    client.close(timeout=EXPORT_TIMEOUT)


def played(plugins: Plugins = ()) -> tuple[list[Ended], float]:
    """How streams end that come to every end that there is, and how long they take together by their own clock."""

    async def main() -> tuple[list[Ended], float]:
        ends = [await scenario.play(plugins) for scenario in ALL]
        return ends, asyncio.get_running_loop().time()

    return run(main())


def assert_nothing_changes(plugins: Plugins) -> None:
    without, took = played()
    began = time.monotonic()
    with_them, took_with_them = played(plugins)
    assert time.monotonic() - began < AT_ONCE
    for scenario, one, other in zip(ALL, without, with_them, strict=True):
        assert not one.difference(other), scenario.what
    assert took_with_them == took


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - before:
        thread.join(SHUTDOWN)
        assert not thread.is_alive(), thread.name


@pytest.mark.parametrize("server", [down, silent])
@pytest.mark.parametrize("monitor", [otel, sentry])
def test_a_backend_that_does_not_answer_changes_nothing(monitor: Monitor, server: Server) -> None:
    with LeakCheck(settle=SHUTDOWN), server() as url:
        with ExitStack() as stack:
            assert_nothing_changes(stack.enter_context(monitor(url)))
            began = time.monotonic()
        assert time.monotonic() - began < SHUTDOWN


@pytest.mark.parametrize("server", [down, silent])
def test_the_exporter_is_shut_down_though_its_collector_does_not_answer(server: Server) -> None:
    with server() as url:
        config = OpenTelemetryExporterConfig(endpoint=url, insecure=True, timeout=EXPORT_TIMEOUT, export_interval=0.05)
        exporter = OpenTelemetryExporter(config)
        began = time.monotonic()
        exporter.export({"stream_id": "s-1", "metrics": {"token_count": 3}})
        exporter.shutdown()
        assert time.monotonic() - began < SHUTDOWN


# A backend that raises.


def fails(*_: Any, **__: Any) -> Any:
    raise OSError("the backend is gone")


class FailsAtTheBeginning(SpanProcessor):
    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        fails()


class FailsAtTheEnd(SpanProcessor):
    def on_end(self, span: ReadableSpan) -> None:
        fails()


class FailingExporter(SpanExporter):
    export = fails


class FailingTransport(Transport):
    capture_envelope = fails


class NoTransport(Transport):
    def capture_envelope(self, envelope: SentryEnvelope) -> None:
        """Nothing is sent."""


def tracing_with(processor: SpanProcessor) -> OtelMonitor:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(processor)
    return OtelMonitor(tracer_provider=provider)


@pytest.mark.parametrize(
    "processor",
    [FailsAtTheBeginning(), FailsAtTheEnd(), SimpleSpanProcessor(FailingExporter())],
    ids=["at the beginning", "at the end", "in export"],
)
def test_a_span_processor_that_raises_changes_nothing(processor: SpanProcessor) -> None:
    assert_nothing_changes([tracing_with(processor)])


@pytest.mark.parametrize("hook", ["transport", "before_send", "before_send_transaction", "before_breadcrumb"])
def test_a_hook_of_sentrys_that_raises_changes_nothing(hook: str) -> None:
    given = FailingTransport() if hook == "transport" else fails
    with sentry("http://127.0.0.1:9", **{"transport": NoTransport(), hook: given}) as plugins:
        assert_nothing_changes(plugins)


# A sink that keeps the event loop from running.


MINUTE = 60.0


def blocks(seconds: float) -> None:
    """As `time.sleep` does, by the loop's own clock."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    loop._advance(loop.time() + seconds)


class Blocking:
    """A monitor that takes a minute for whatever it does."""

    @hookimpl
    def store_event(self) -> Sink:
        @contextmanager
        def around(attempt: l0.AttemptContext) -> Iterator[None]:
            blocks(MINUTE)
            yield
            blocks(MINUTE)

        def write(batch: Sequence[Envelope]) -> None:
            blocks(MINUTE)

        return Sink(write, tokens=True, around=around)


def test_time_that_a_sink_takes_is_not_the_providers() -> None:
    async def main() -> None:
        provider = FakeProvider([f"word{number} " for number in range(100)], [Mishap("raise", 50)], pace=0.01)
        stream = await l0.run(
            provider,
            adapter=provider,
            plugins=[Blocking],
            retry=l0.Retry(base_delay=0),
            timeout=l0.Timeout(1000, 1000, 10_000),
        )
        assert await stream.read() == provider.text
        assert [type(error) for error in stream.errors] == [ConnectionResetError]
        assert asyncio.get_running_loop().time() > 5 * MINUTE

    run(main())
