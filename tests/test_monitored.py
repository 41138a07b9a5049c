"""A thousand streams with every monitor on: what each of them says is what the consumers and the server have seen."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import random
import resource
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import httpx2 as httpx
import l0
import openai
import pytest
import sentry_sdk
from l0_monitor import Metrics, MetricsMonitor, Telemetry, TelemetryMonitor
from l0_monitor.recording import Recording
from l0_otel.operation import Operation
from l0_sentry.report import Report
from l0_testing import Fault, FaultServer, LeakCheck, Script
from l0_testing.wire import RequestLog
from openai import AsyncOpenAI
from opentelemetry.context import Context
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from sentry_sdk.envelope import Envelope
from sentry_sdk.scope import use_isolation_scope, use_scope
from sentry_sdk.transport import Transport

from l0_otel import OtelMonitor
from l0_sentry import SentryMonitor

CROWD = 1_000
SPARE_FILES = 200
PATIENCE = 10.0
"""Seconds after which something that should be over is taken for lost."""

TOKENS = tuple(f"word{number} " for number in range(10))
OTHERWISE = (*TOKENS[:3], "word3x ", "and ", "then ", "no ", "more")
"""An answer that differs from the other in the middle of a token."""

MET_BEFORE = "rst_before fin_before 500 503 529 429 html200 json200".split()
MET_MIDWAY = "rst_mid fin_mid trunc_clean trunc_done err_data badchunk".split()

End = Literal["complete", "incomplete", "error", "aborted", "unread"]
Way = Literal["read", "leave", "abort", "drop", "cancel", "close unread", "drop unread"]


@dataclass(frozen=True)
class Fate:
    """What becomes of some of the streams: what the model does, what the consumer does, and how it must end.

    A retry costs 5 of the 500 that the budget of each of the two servers holds. All the retries of half of these
    streams stay below that, so that none is refused, whichever streams come first.
    """

    count: int
    end: End = "complete"
    faults: tuple[Fault | None, ...] = ()
    texts: tuple[Any, ...] = ()
    way: Way = "read"
    falls_back: bool = False


FATES: dict[str, Fate] = {
    **{kind: Fate(6, faults=(Fault(kind),)) for kind in MET_BEFORE},
    **{kind: Fate(6, faults=(Fault(kind, at=6),)) for kind in MET_MIDWAY},
    "twice": Fate(6, faults=(Fault("500"), Fault("rst_mid", at=6))),
    "says otherwise": Fate(6, faults=(Fault("rst_mid", at=6),), texts=(None, OTHERWISE)),
    "empty": Fate(3, faults=(Fault("zero"),)),
    "falls back": Fate(4, faults=(Fault("401"),), falls_back=True),
    "cut short": Fate(4, "incomplete", (Fault("len", at=6),)),
    "refused": Fate(4, "error", (Fault("400"),)),
    "fails": Fate(6, "error", tuple(Fault("rst_mid", at=at) for at in (3, 5, 8))),
    "left": Fate(6, "aborted", way="leave"),
    "aborted": Fate(6, "aborted", way="abort"),
    "dropped": Fate(6, "aborted", way="drop"),
    "cancelled": Fate(6, "aborted", (Fault("stall_mid", at=3),), way="cancel"),
    "cancelled while it waits": Fate(6, "aborted", (Fault("no_headers"),), way="cancel"),
    "closed unread": Fate(6, "unread", way="close unread"),
    "dropped unread": Fate(6, "unread", way="drop unread"),
}
FATES["healthy"] = Fate(CROWD - sum(fate.count for fate in FATES.values()))


ENDED = {"unread": "aborted"}
LAST_ATTEMPT = {"complete": "succeeded", "incomplete": "succeeded", "error": "failed", "aborted": "aborted"}
STATUS = {"complete": "ok", "incomplete": "ok", "aborted": "cancelled"}


@dataclass
class Got:
    """What one consumer has, counted by itself."""

    fate: Fate
    stream: str
    """The stream's id."""
    state: l0.State
    caller: int
    """The span that was current when the stream was made."""
    model: str
    tokens: list[str] = field(default_factory=list)

    def take(self, event: l0.Event) -> None:
        if event.is_token:
            self.tokens.append(event.text or "")
        elif event.is_reset:
            kept: list[str] = []
            left = (event.data or {})["keep"]
            for token in self.tokens:
                if left > 0:
                    kept.append(token[:left])
                left -= len(token)
            self.tokens = kept

    @property
    def text(self) -> str:
        return "".join(self.tokens)


class Counting(SpanProcessor):
    def __init__(self) -> None:
        self.started = self.ended = 0

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        self.started += 1

    def on_end(self, span: ReadableSpan) -> None:
        self.ended += 1


class Sent(Transport):
    """What Sentry would be sent."""

    def __init__(self) -> None:
        super().__init__({})
        self.issues: list[dict[str, Any]] = []
        self.transactions: list[dict[str, Any]] = []
        self.spans: list[dict[str, Any]] = []
        """Those below the transactions: in them, or beside them where the SDK sends them so."""

    def capture_envelope(self, envelope: Envelope) -> None:
        for item in envelope.items:
            payload = json.loads(item.payload.get_bytes())
            if item.type == "event":
                self.issues.append(payload)
            elif item.type == "transaction":
                self.transactions.append(payload)
                self.spans += payload.get("spans", ())
            elif item.type == "span":
                self.spans += payload["items"]


@contextmanager
def a_client_of_sentrys(transport: Transport) -> Iterator[None]:
    """Scopes of one's own, with a client of one's own: the global ones are left alone."""
    client = sentry_sdk.Client(
        dsn="http://public@127.0.0.1:9/1",
        transport=transport,
        traces_sample_rate=1.0,
        default_integrations=False,
        auto_enabling_integrations=False,
    )
    everybodys = sentry_sdk.Scope.get_global_scope().client
    with use_isolation_scope(sentry_sdk.Scope()), use_scope(sentry_sdk.Scope()) as scope:
        scope.set_client(client)
        yield
    client.close(timeout=0)
    assert sentry_sdk.Scope.get_global_scope().client is everybodys


class Watched:
    """Every monitor, each with a backend in memory."""

    def __init__(self) -> None:
        self.counted, self._spans, self._reader = Counting(), InMemorySpanExporter(), InMemoryMetricReader()
        self.tracer_provider = TracerProvider(shutdown_on_exit=False)
        self.tracer_provider.add_span_processor(self.counted)
        self.tracer_provider.add_span_processor(SimpleSpanProcessor(self._spans))
        self.meter_provider = MeterProvider([self._reader], shutdown_on_exit=False)
        self.tracer = self.tracer_provider.get_tracer("caller")
        self.metrics = Metrics()
        self.sent = Sent()
        self._telemetry = TelemetryMonitor(TelemetryMonitor.Options(buffer_size=2 * CROWD))
        self.plugins: list[Any] = [
            OtelMonitor(tracer_provider=self.tracer_provider, meter_provider=self.meter_provider),
            MetricsMonitor(self.metrics),
            self._telemetry,
            SentryMonitor(),
        ]

    def operations(self) -> dict[str, Any]:
        """The operations' spans, by the ids of their streams."""
        spans: list[Any] = [span for span in self._spans.get_finished_spans() if span.name == "chat"]
        found = {span.attributes["l0.session_id"]: span for span in spans}
        assert len(found) == len(spans)
        return found

    def attempts(self) -> dict[int, list[Any]]:
        """The attempts' spans, in order, by the spans that they lie below."""
        spans: list[Any] = [span for span in self._spans.get_finished_spans() if span.name.startswith("attempt")]
        found: dict[int, list[Any]] = defaultdict(list)
        for span in spans:
            found[span.parent.span_id].append(span)
        return {parent: sorted(each, key=lambda span: span.attributes["l0.attempt"]) for parent, each in found.items()}

    def telemetry(self) -> dict[str, Telemetry]:
        return {each.stream_id: each for each in self._telemetry.monitor.get_all_telemetry()}

    def points(self, name: str) -> list[Any]:
        """The data points of a metric of OpenTelemetry's."""
        data: Any = self._reader.get_metrics_data()
        return [
            point
            for resource_ in data.resource_metrics
            for scope in resource_.scope_metrics
            for metric in scope.metrics
            if metric.name == name
            for point in metric.data.data_points
        ]

    def shutdown(self) -> None:
        self.tracer_provider.shutdown()
        self.meter_provider.shutdown()


async def traced(request: httpx.Request) -> None:
    """As the instrumentation of an HTTP library does it."""
    TraceContextTextMapPropagator().inject(request.headers)
    request.headers["sentry-trace"] = sentry_sdk.get_traceparent() or ""


class Crowd:
    """The streams of one run, over two servers."""

    def __init__(self, servers: list[FaultServer], watched: Watched, at_once: int) -> None:
        self.servers, self.watched = servers, watched
        self.got: list[Got] = []
        self.logged: list[str] = []
        """What L0 complained of: a monitor that raised, a retry that the budget refused."""
        self.most_at_once = self._at_once = 0
        self._room = asyncio.Semaphore(at_once)

    @property
    def requests(self) -> list[RequestLog]:
        return [log for server in self.servers for log in server.requests]

    @property
    def read(self) -> list[Got]:
        """Those of the streams that somebody read."""
        return [got for got in self.got if got.fate.end != "unread"]

    def of(self, end: End) -> list[Got]:
        return [got for got in self.got if got.fate.end == end]

    def asked(self, got: Got) -> list[RequestLog]:
        """The requests that a stream made, in order."""
        return self._by_model[got.model] + self._by_model[f"instead of {got.model}"]

    def retries(self, got: Got) -> int:
        return len(self.asked(got)) - 1 - got.fate.falls_back

    @cached_property
    def _by_model(self) -> dict[str, list[RequestLog]]:
        found: dict[str, list[RequestLog]] = defaultdict(list)
        for log in self.requests:
            found[log.model].append(log)
        return found

    async def run(self) -> None:
        names = [name for name, fate in FATES.items() for _ in range(fate.count)]
        random.Random(7).shuffle(names)
        one, two = (self._client(server) for server in self.servers)
        async with one, two, LeakCheck(settle=PATIENCE):
            tasks = [
                asyncio.create_task(self._one(number, name, *((one, two)[number % 2], self.servers[number % 2])))
                for number, name in enumerate(names)
            ]
            stuck = [task for task, name in zip(tasks, names, strict=True) if FATES[name].way == "cancel"]
            await asyncio.gather(*(task for task in tasks if task not in stuck))
            await until(self._all_is_stuck)
            for task in stuck:
                task.cancel()
            for end in await asyncio.gather(*stuck, return_exceptions=True):
                assert isinstance(end, asyncio.CancelledError)
            await until(lambda: len(asyncio.all_tasks()) == 1)
            await asyncio.gather(*(server.idle(PATIENCE) for server in self.servers))
            del tasks, stuck
            await one.close()
            await two.close()

    def _all_is_stuck(self) -> bool:
        """Whether all that is left are streams that wait for what never comes."""
        waiting = [got for got in self.got if got.fate.way == "cancel"]
        stalled = [got for got in waiting if got.fate.faults == (Fault("stall_mid", at=3),)]
        unanswered = sum(log.ended_at is None for log in self.requests)
        return unanswered == len(waiting) and all(len(got.tokens) == 3 for got in stalled)

    @staticmethod
    def _client(server: FaultServer) -> AsyncOpenAI:
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
        http = httpx.AsyncClient(limits=limits, timeout=60, event_hooks={"request": [traced]})
        return AsyncOpenAI(base_url=server.base_url, api_key="none", max_retries=0, http_client=http)

    async def _one(self, number: int, name: str, sdk: AsyncOpenAI, server: FaultServer) -> None:
        async with self._room:
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
            try:
                await self._stream(number, name, sdk, server)
            finally:
                self._at_once -= 1

    async def _stream(self, number: int, name: str, sdk: AsyncOpenAI, server: FaultServer) -> None:
        fate, model = FATES[name], f"{name} {number}"
        server.add(model, Script(TOKENS, faults=fate.faults, texts=fate.texts))
        server.add(f"instead of {model}", Script(TOKENS))
        client = l0.wrap(
            sdk,
            fallbacks=[lambda: ask(sdk, f"instead of {model}")] if fate.falls_back else [],
            retry=l0.Retry(base_delay=0, max_retries=2),
            timeout=l0.Timeout(60_000, 60_000),
            plugins=self.watched.plugins,
        )
        with self.watched.tracer.start_as_current_span("caller") as caller:
            stream = await ask(client, model)
            span = caller.get_span_context().span_id
            got = Got(fate, stream.stream_id, stream.state, span, model)
            self.got.append(got)
            await consume(stream, got)


async def ask(client: Any, model: str) -> Any:
    return await client.chat.completions.create(
        model=model, messages=[], stream=True, stream_options={"include_usage": True}
    )


async def consume(stream: l0.Stream, got: Got) -> None:
    """Read a stream as it is its fate."""
    way = got.fate.way
    if way == "close unread":
        await stream.aclose()
    if way.endswith("unread"):
        return
    try:
        async for event in stream:
            got.take(event)
            if len(got.tokens) < 3 or way in ("read", "cancel"):
                continue
            if way == "leave":
                await stream.aclose()
            elif way == "abort":
                stream.abort()
            break
    except (openai.OpenAIError, httpx.HTTPError):
        assert got.fate.end == "error"


async def until(is_so: Callable[[], bool]) -> None:
    begun = time.monotonic()
    while not is_so():
        assert time.monotonic() - begun < PATIENCE
        await asyncio.sleep(0)


@contextmanager
def complaints(found: list[str]) -> Iterator[None]:
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: found.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("l0")
    logger.addHandler(handler)
    yield
    logger.removeHandler(handler)


@pytest.fixture(scope="module")
def crowd() -> Iterator[Crowd]:
    """A thousand streams at once, or as many at once as there may be open files, over two servers in this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * CROWD + SPARE_FILES
    allowed = wanted if soft == resource.RLIM_INFINITY else max(soft, min(wanted, hard))
    with ExitStack() as stack:
        if allowed > soft:
            resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
            stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        watched = Watched()
        stack.callback(watched.shutdown)
        stack.enter_context(a_client_of_sentrys(watched.sent))
        servers = [stack.enter_context(FaultServer.in_thread()) for _ in range(2)]
        crowd = Crowd(servers, watched, (allowed - SPARE_FILES) // 2)
        with complaints(crowd.logged):
            asyncio.run(crowd.run())
        yield crowd


def test_the_streams_ended_as_they_had_to(crowd: Crowd) -> None:
    assert len(crowd.got) == CROWD
    assert crowd.most_at_once >= 200
    assert not crowd.logged
    for got in crowd.got:
        assert got.state.outcome == (None if got.fate.way == "drop unread" else ENDED.get(got.fate.end, got.fate.end))
        assert got.text == got.state.content
        if got.fate.end == "complete":
            assert got.text == "".join(OTHERWISE if got.fate.texts else TOKENS)
    assert sum(len(crowd.asked(got)) for got in crowd.got) == len(crowd.requests)
    assert len(crowd.requests) > len(crowd.read)


def test_every_span_that_is_started_is_ended(crowd: Crowd) -> None:
    counted = crowd.watched.counted
    callers, operations, attempts = CROWD, len(crowd.read), len(crowd.requests)
    assert counted.started == counted.ended == callers + operations + attempts


def test_each_stream_has_an_operation_below_its_caller(crowd: Crowd) -> None:
    operations = crowd.watched.operations()
    assert operations.keys() == {got.stream for got in crowd.read}
    for got in crowd.read:
        span = operations[got.stream]
        assert span.parent.span_id == got.caller
        assert span.attributes["l0.outcome"] == got.state.outcome
        assert span.attributes["l0.token_count"] == len(got.tokens)
        assert span.attributes["l0.retry.count"] == crowd.retries(got)
        assert span.attributes["l0.fallback.index"] == got.fate.falls_back
        assert span.status.status_code is (StatusCode.ERROR if got.fate.end == "error" else StatusCode.UNSET)


def test_each_request_was_made_within_the_span_of_its_attempt(crowd: Crowd) -> None:
    """What the server was told of the trace is the span of that very attempt, which links to the one before."""
    operations, attempts = crowd.watched.operations(), crowd.watched.attempts()
    for got in crowd.read:
        operation = operations[got.stream].context
        mine = attempts.pop(operation.span_id)
        told = [log.headers["traceparent"].split("-")[1:3] for log in crowd.asked(got)]
        assert [[f"{operation.trace_id:032x}", f"{span.context.span_id:016x}"] for span in mine] == told
        assert [span.attributes["l0.attempt"] for span in mine] == [*range(1, len(mine) + 1)]
        links = [[link.context.span_id for link in span.links] for span in mine]
        assert links == [[], *([span.context.span_id] for span in mine[:-1])]
        outcomes = [span.attributes["l0.attempt.outcome"] for span in mine]
        assert outcomes == ["failed"] * (len(mine) - 1) + [LAST_ATTEMPT[got.fate.end]]
    assert not attempts


def test_the_counters_count_what_there_was(crowd: Crowd) -> None:
    read, failed = crowd.read, crowd.of("error")
    fallbacks = sum(got.fate.falls_back for got in read)
    assert crowd.watched.metrics.to_dict() == {
        "requests": len(read),
        "tokens": sum(len(got.tokens) for got in read),
        "retries": len(crowd.requests) - len(read) - fallbacks,
        "network_retry_count": sum(got.state.network_retry_count for got in read),
        "errors": len(crowd.requests) - len(read) + len(failed),
        "violations": 0,
        "drift_detections": 0,
        "fallbacks": fallbacks,
        "completions": len(crowd.of("complete")),
        "timeouts": 0,
    }


def test_opentelemetry_measured_each_stream_once(crowd: Crowd) -> None:
    def count(name: str) -> Counter[str]:
        found: Counter[str] = Counter()
        for point in crowd.watched.points(name):
            found[point.attributes["l0.outcome"]] += point.count
        return found

    prefix = "gen_ai.client.inference."
    assert count(prefix + "duration") == Counter(got.state.outcome for got in crowd.read)
    spoke = [got for got in crowd.read if got.tokens]
    assert count(prefix + "time_to_first_chunk") == Counter(got.state.outcome for got in spoke)
    timed = [got for got in spoke if got.state.token_count > 1]
    assert count("l0.time_per_output_token") == Counter(got.state.outcome for got in timed)
    points = crowd.watched.points(prefix + "usage.output_tokens")
    used = sum(point.value for point in points if point.attributes["l0.attempt.outcome"] == "succeeded")
    assert used == sum((got.state.usage or {}).get("output_tokens", 0) for got in crowd.read)


def test_there_is_telemetry_of_each_stream(crowd: Crowd) -> None:
    telemetry = crowd.watched.telemetry()
    assert telemetry.keys() == {got.stream for got in crowd.got if got.fate.way != "drop unread"}
    for got in crowd.read:
        known = telemetry[got.stream]
        assert known.metrics.token_count == len(got.tokens)
        assert known.content_length == len(got.text)
        assert (known.retries.total_retries, known.retries.fallbacks) == (crowd.retries(got), got.fate.falls_back)
        assert known.retries.attempt == len(crowd.asked(got))
        assert known.completed == (got.fate.end == "complete")
        assert known.aborted == (got.fate.end == "aborted")
        assert known.error.occurred == (got.fate.end == "error")


def test_sentry_has_an_issue_of_each_stream_that_failed_and_no_other(crowd: Crowd) -> None:
    failed = {got.stream: got for got in crowd.of("error")}
    told = [issue["contexts"]["l0"] for issue in crowd.watched.sent.issues]
    assert sorted(each["stream_id"] for each in told) == sorted(failed)
    for each in told:
        got = failed[each["stream_id"]]
        assert (each["attempts"], each["retries"]) == (len(crowd.asked(got)), crowd.retries(got))
        assert each["token_count"] == len(got.tokens)
    for issue in crowd.watched.sent.issues:
        noted = {crumb["data"]["stream_id"] for crumb in issue["breadcrumbs"]["values"]}
        assert noted == {issue["contexts"]["l0"]["stream_id"]}


def test_sentry_has_a_transaction_of_each_stream_and_a_span_of_each_request(crowd: Crowd) -> None:
    issues, transactions = crowd.watched.sent.issues, crowd.watched.sent.transactions
    traces = [each["contexts"]["trace"] for each in transactions]
    by_id = {trace["trace_id"]: trace for trace in traces if trace["data"]["l0.attempts"]}
    assert len(by_id) == len(crowd.read)
    assert len(traces) - len(by_id) <= sum(got.fate.way == "close unread" for got in crowd.got)
    attempts: dict[str, set[str]] = defaultdict(set)
    for span in crowd.watched.sent.spans:
        assert span["parent_span_id"] == by_id[span["trace_id"]]["span_id"]
        attempts[span["trace_id"]].add(span["span_id"])
    assert len(crowd.watched.sent.spans) == len(crowd.requests)
    for got in crowd.read:
        told = [log.headers["sentry-trace"].split("-") for log in crowd.asked(got)]
        (trace_id,) = {trace_id for trace_id, *_ in told}
        assert {span_id for _, span_id, _ in told} == attempts[trace_id]
        trace = by_id[trace_id]
        assert trace["status"] == STATUS.get(got.fate.end, trace["status"])
        assert trace["data"]["l0.token_count"] == len(got.tokens)
        assert trace["data"]["l0.attempts"] == len(told)
        if got.fate.end == "error":
            (issue,) = (each for each in issues if each["contexts"]["l0"]["stream_id"] == got.stream)
            assert issue["contexts"]["trace"]["trace_id"] == trace_id


def test_nothing_is_kept_of_streams_that_have_ended(crowd: Crowd) -> None:
    gc.collect()
    assert not [kept for kept in gc.get_objects() if type(kept) in (Operation, Report, Recording)]
