"""Streams with a canary in whatever must not leave, and every monitor on: the program of `test_canaries.py`.

It plays every case, exports all that there is to export, and writes a JSON object for each case: what became of it, and
which canaries were there to be found. A JSON object on its stdin, not in its arguments, which are exported too, tells
it `stem` and `places`, of which canaries are made; `otlp`, `dsn` and `folder`, where exports go; `names` and `ways`,
the faults and the ways in which they are met; `sentry`, options of `sentry_sdk.init`; `disabled`, integrations of that
SDK; `level`, that of the logger `l0`; and `leaks`, whether a monitor that leaks is on.

It is a process of its own because it is an application: it sets OpenTelemetry's global providers, and it initialises
Sentry's SDK with the integrations that patch the interpreter. Neither can be undone.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any

from l0_testing import wire

TOLD: dict[str, Any] = json.load(sys.stdin)


def canary(place: str, case: int = 0) -> str:
    """What stands at a place, and tells it: nothing but letters and digits, so that no encoding changes it."""
    return f"{TOLD['stem']}{TOLD['places'][place]}{case:03}"


# The error bodies of the fault server get a canary before its faults are made of them.
_plain = wire.error_body
wire.error_body = lambda message, *more: _plain(f"{message} ({canary('error')})", *more)

import l0  # noqa: E402
import openai  # noqa: E402
import sentry_sdk  # noqa: E402
from l0_monitor import Monitor, TelemetryExporter, TelemetryMonitor, combine_events  # noqa: E402
from l0_testing import Fault, FaultServer, Script, ToolCall  # noqa: E402
from l0_testing.faults import FAULTS  # noqa: E402
from opentelemetry import metrics, trace  # noqa: E402
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter  # noqa: E402
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: E402
from opentelemetry.sdk.metrics import MeterProvider  # noqa: E402
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader  # noqa: E402
from opentelemetry.sdk.trace import TracerProvider  # noqa: E402
from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: E402
from sentry_sdk.integrations import iter_default_integrations  # noqa: E402

from l0_core import DriftViolation  # noqa: E402
from l0_otel import create_opentelemetry_handler  # noqa: E402
from l0_sentry import create_sentry_handler  # noqa: E402

AT = 5
SIZES = {"huge": 20_000, "flood": 1 << 20, "gzipbomb": 1 << 20}
"""Characters, where the catalogue has megabytes: what leaves does not depend on it."""


async def _html(reply: Any) -> None:
    page = f"<!doctype html><title>Sign in</title><h1>502 {canary('error')}</h1>\n".encode()
    await reply.status(200, page, {"content-type": "text/html; charset=utf-8"})


async def _plain_text(reply: Any) -> None:
    await reply.until(reply.fault.at)
    await reply.write(f"event: error\ndata: upstream {canary('error')}\n\n".encode(), last=True)


FAULTS["html200"] = replace(FAULTS["html200"], act=_html)
FAULTS["err_event_notok"] = replace(FAULTS["err_event_notok"], act=_plain_text)


# How a stream is read.


async def read(stream: l0.Stream) -> None:
    with suppress(Exception):
        await stream.read()


async def abort(stream: l0.Stream) -> None:
    async for event in stream:
        if event.is_token:
            stream.abort()


async def cancel(stream: l0.Stream) -> None:
    async def consume() -> None:
        async for event in stream:
            if event.is_token:
                task.cancel()

    task = asyncio.ensure_future(consume())
    await asyncio.wait([task])


async def leave(stream: l0.Stream) -> None:
    async with stream:
        async for event in stream:
            if event.is_token:
                break


async def close(stream: l0.Stream) -> None:
    await anext(stream)
    await stream.aclose()


# What objects to it, with all that was said in what it says.


def _objection(severity: Any, kind: type[l0.Violation] = l0.Violation, **more: Any) -> dict[str, Any]:
    def rule(state: l0.State) -> list[l0.Violation]:
        said = f"It says {state.content}"
        more_said = {"suggestion": said, "context": {"text": said}}
        return [kind("rule", said, severity=severity, **more_said, **more)] if state.content else []

    return {"guardrails": [l0.GuardrailRule("rule", rule, streaming=False)]}


class Breaks:
    """A plugin that raises, with the text in the message of what it raises."""

    @l0.hookimpl
    def on_token(self, ctx: Any) -> Any:
        def take(text: str) -> None:
            raise ValueError(f"unexpected: {text}")

        return take


@dataclass(frozen=True, kw_only=True)
class Case:
    """A stream. `faults` are those of its first attempts, with the primary source."""

    name: str
    way: str = "wrap"
    faults: tuple[str, ...] = ()
    outcome: str | None = None
    reading: Callable[[l0.Stream], Awaitable[None]] = read
    options: Mapping[str, Any] = field(default_factory=dict)
    pace: float = 0.0


OUTCOMES = (
    Case(name="complete", outcome="complete"),
    Case(name="incomplete", faults=("len",), outcome="incomplete"),
    Case(name="abort", outcome="aborted", reading=abort, pace=0.1),
    Case(name="cancel", outcome="aborted", reading=cancel, pace=0.1),
    Case(name="left early", outcome="aborted", reading=leave, pace=0.1),
    Case(name="closed", outcome="aborted", reading=close, pace=0.1),
    Case(name="a guardrail warns", outcome="complete", options=_objection("warning")),
    Case(name="a guardrail refuses", outcome="error", options=_objection("error")),
    Case(name="a guardrail halts", outcome="error", options=_objection("fatal")),
    Case(name="drift", outcome="complete", options=_objection("error", DriftViolation, types=("tone_shift",))),
    Case(name="a plugin raises", outcome="complete", options={"extra": (Breaks,)}),
    Case(name="a limit", outcome="error", options={"limits": l0.Limits(max_output_chars=20)}),
    Case(
        name="continuation",
        way="run and continue",
        faults=("rst_mid",),
        outcome="complete",
        options={"continue_from_last_good_token": True},
    ),
    Case(name="fallback", way="run", faults=("401",) * 9, outcome="complete", options={"fallback": True}),
    Case(name="exhausted", faults=("rst_mid",) * 9, outcome="error"),
    Case(name="refused", faults=("401",) * 9, outcome="error"),
    Case(name="late", faults=("no_headers",) * 9, outcome="error", options={"timeout": l0.Timeout(total=1500)}),
)


def by_fault() -> Iterator[list[Case]]:
    """A stream for every fault of the campaign, way by way."""
    for way in TOLD["ways"]:
        more = {"continue_from_last_good_token": "continue" in way}
        yield [Case(name=name, way=way, faults=(name,), options=more) for name in TOLD["names"]]


class Application:
    """An application that has every monitor on, at its default settings."""

    def __init__(self) -> None:
        self.folder = Path(TOLD["folder"])
        self.telemetry: list[Any] = []
        self.numbers = count(1)
        self._log()
        self._trace()
        # Of a queue of the usual size, some of so many streams at once would be dropped, and be told to nobody.
        queue = {"transport_queue_size": 100_000}
        disabled = [each for each in iter_default_integrations(True) if each.identifier in TOLD["disabled"]]
        more = {"disabled_integrations": disabled, **queue, **TOLD["sentry"]}
        sentry_sdk.init(TOLD["dsn"], traces_sample_rate=1.0, **more)
        by_event = Monitor(on_complete=self.telemetry.append)
        self.by_event = combine_events(
            create_opentelemetry_handler(trace.get_tracer("app"), metrics.get_meter("app")),
            create_sentry_handler(sentry_sdk),
            by_event.handle_event,
        )
        to_a_file = TelemetryMonitor.Options(path=str(self.folder / "telemetry.jsonl"))
        self.plugins = ["otel", "sentry", "metrics", TelemetryMonitor(to_a_file, on_complete=self.telemetry.append)]

    def _log(self) -> None:
        handler = logging.FileHandler(self.folder / "l0.log")
        handler.setLevel(logging.INFO)
        handler.setFormatter(_Everything())
        logging.getLogger("l0").addHandler(handler)
        logging.getLogger("l0").setLevel(TOLD["level"])

    def _trace(self) -> None:
        spans = TracerProvider()
        exporter = OTLPSpanExporter(f"{TOLD['otlp']}/v1/traces")
        spans.add_span_processor(BatchSpanProcessor(exporter, max_queue_size=100_000))
        trace.set_tracer_provider(spans)
        reader = PeriodicExportingMetricReader(OTLPMetricExporter(f"{TOLD['otlp']}/v1/metrics"))
        measured = MeterProvider([reader])
        metrics.set_meter_provider(measured)
        self._providers = (spans, measured)

    async def play(self, case: Case, server: FaultServer, shared: openai.AsyncOpenAI) -> dict[str, Any]:
        """One stream, and what is known of it when it has ended."""
        number = next(self.numbers)
        prompt, key, header, query, said = (
            canary(place, number) for place in ("prompt", "key", "header", "query", "completion")
        )
        model = f"m{number}"
        faults = [Fault(name, at=AT, size=SIZES.get(name)) for name in case.faults]
        call = ToolCall(f"call_{number}", "pay", json.dumps({"to": canary("tool", number)}))
        script = Script(
            [f"{said} word{place} " for place in range(12)],
            faults=faults,
            tool_calls=(call,),
            reasoning=canary("reasoning", number),
            refusal=canary("refusal", number) if number % 2 else "",
            pace=case.pace,
        )
        server.add(model, script)
        server.add(f"{model}-other", replace(script, faults=()))
        client = shared.with_options(
            api_key=f"sk-{key}", default_headers={"X-Secret": header}, default_query={"trace": query}
        )
        messages = [{"role": "user", "content": prompt}]
        with sentry_sdk.isolation_scope():
            stream = await self._open(case, client, model, messages)
            await case.reading(stream)
            # What the application reports itself has the breadcrumbs of all that happened before.
            sentry_sdk.capture_event({"message": "the application's own", "threads": {"values": []}})
        requests = [each for each in server.requests if each.model.partition("-")[0] == model]
        return {
            "case": case.name,
            "way": case.way,
            "number": number,
            "fault": requests[0].fault,
            "expected": case.outcome,
            "outcome": stream.state.outcome,
            "planted": sorted(_planted(stream, requests, number)),
        }

    async def _open(self, case: Case, client: openai.AsyncOpenAI, model: str, messages: list[Any]) -> l0.Stream:
        more = dict(case.options)
        extra, falls_back = more.pop("extra", ()), more.pop("fallback", False)
        options: dict[str, Any] = {
            "timeout": l0.Timeout(initial_token=2000, inter_token=1000),
            "retry": l0.Retry(base_delay=0.01),
            "limits": l0.Limits(max_output_chars=50_000),
            "plugins": [*self.plugins, *extra],
            "on_event": self.by_event,
            "context": {"model": model, "gen_ai.input.messages": messages},
            **more,
        }
        request = {"model": model, "messages": messages, "stream": True}
        if case.way.startswith("wrap"):
            stream: l0.Stream = await l0.wrap(client, **options).chat.completions.create(**request)
            return stream
        quiet = client.with_options(max_retries=0)

        def source(named: str) -> Callable[[Any], Any]:
            def factory(attempt: Any) -> Any:
                kept = [{"role": "assistant", "content": attempt.kept}] if attempt.kept else []
                return quiet.chat.completions.create(**{**request, "model": named, "messages": [*messages, *kept]})

            return factory

        fallbacks = [source(f"{model}-other")] if falls_back else []
        return await l0.run(source(model), fallbacks=fallbacks, **options)

    def export(self) -> None:
        """Send and write what has not left yet."""
        for provider in self._providers:
            provider.force_flush()
            provider.shutdown()
        sentry_sdk.flush(30)
        sentry_sdk.get_client().close(timeout=0)
        known, write = self.telemetry, TelemetryExporter
        for name, text in {
            "all.jsonl": write.to_jsonl(known),
            "all.csv": write.to_csv(known),
            "all.json": "\n".join(map(write.to_json, known)),
            "all.log": "\n".join(map(write.to_log_format, known)),
            "all.prom": "\n".join(map(write.to_metrics, known)),
            "metrics.json": json.dumps(l0.get_global_metrics().to_dict()),
        }.items():
            (self.folder / name).write_text(text)


class _Everything(logging.Formatter):
    """A record with all that is in it, as handlers for structured logs write it."""

    def format(self, record: logging.LogRecord) -> str:
        return f"{super().format(record)} {record.__dict__!r}"


def _planted(stream: l0.Stream, requests: list[Any], number: int) -> Iterator[str]:
    """The places at which canaries were: at the server, in the state, and in the errors."""
    state, errors = stream.state, stream.errors
    seen = {
        "prompt": [request.body for request in requests],
        "key": [request.headers.get("authorization") for request in requests],
        "header": [request.headers.get("x-secret") for request in requests],
        "completion": [request.text for request in requests],
        "reasoning": state.reasoning,
        "refusal": state.refusal,
        "tool": state.tool_calls,
        "error": [*map(str, errors), *(error.__dict__ for error in errors)],
        "query": [str(error.request.url) for error in errors if hasattr(error, "request")],
    }
    for place, what in seen.items():
        if canary(place, 0 if place == "error" else number) in repr(what):
            yield place


class Leaks:
    """A monitor that tells everybody what was said: what is to be seen if a real one does."""

    def __init__(self) -> None:
        self.tracer, self.log = trace.get_tracer("leaks"), logging.getLogger("l0")
        self.counter = metrics.get_meter("leaks").create_counter("said")

    @l0.hookimpl
    def store_event(self, ctx: Any) -> l0.Sink:
        def write(batch: Any) -> None:
            for text in (text for envelope in batch for text in envelope.event.meta.get("tokens", ())):
                self.log.info("said %s", text)
                self.tracer.start_span("said", attributes={"text": text}).end()
                self.counter.add(1, {"text": text})
                sentry_sdk.add_breadcrumb(message=text)
            if batch[-1].event.type is l0.ObservabilityEventType.SESSION_END:
                # Harmless as it looks: the SDK adds the frames of whoever reads the stream, with their variables.
                sentry_sdk.capture_event({"message": "the end"})

        return l0.Sink(write, tokens=True)


async def main() -> None:
    application = Application()
    if TOLD["leaks"]:
        application.plugins.append(Leaks())
    with FaultServer.in_thread() as server:
        async with openai.AsyncOpenAI(api_key="none", base_url=server.base_url) as client:
            # The first stream is alone: late imports would hold up the others.
            for cases in (OUTCOMES[:1], OUTCOMES[1:], *by_fault()):
                for result in await asyncio.gather(*(application.play(case, server, client) for case in cases)):
                    sys.stdout.write(json.dumps(result) + "\n")
    if TOLD["leaks"]:
        application.telemetry[0].model = canary("completion")
    await asyncio.to_thread(application.export)


if __name__ == "__main__":
    asyncio.run(main())
