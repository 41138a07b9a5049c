"""The spans of a stream, for every way in which it can go. The recorder sees to it that what was begun is ended."""

from __future__ import annotations

import asyncio
import gc
import random
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import l0
import pytest
from l0_testing import ContinuingProvider, FakeProvider, Mishap
from l0_testing.virtual import run
from opentelemetry import propagate, trace
from opentelemetry.trace import StatusCode

TOKENS = ("The quick ", "brown ", "fox ", "jumps")
FAST = l0.Retry(base_delay=0)
ONCE = l0.Retry(base_delay=0, max_retries=1)


def refused(status: int) -> Mishap:
    error = RuntimeError("no")
    error.status_code = status  # type: ignore[attr-defined]
    return Mishap("refuse", error=error)


async def read(stream: l0.Stream) -> None:
    await stream.read()


async def after_a_second(stream: l0.Stream, leave: Callable[[asyncio.Task[str]], object]) -> None:
    task = asyncio.ensure_future(stream.read())
    await asyncio.sleep(1)
    leave(task)
    await asyncio.gather(task, return_exceptions=True)  # It may have failed before.


async def abort(stream: l0.Stream) -> None:
    await after_a_second(stream, lambda task: stream.abort())


async def cancel(stream: l0.Stream) -> None:
    await after_a_second(stream, lambda task: task.cancel())


async def close(stream: l0.Stream) -> None:
    await anext(stream)
    await stream.aclose()


async def leave_the_block(stream: l0.Stream) -> None:
    async with stream:
        async for _ in stream:
            break


@dataclass
class Case:
    sources: Callable[[], list[FakeProvider]]
    attempts: list[str]
    outcome: str = "complete"
    error: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    reading: Callable[[l0.Stream], Any] = read


def one(*mishaps: Mishap, **given: Any) -> Callable[[], list[FakeProvider]]:
    return lambda: [FakeProvider(TOKENS, mishaps, **given)]


def too_short(state: l0.State) -> list[l0.Violation]:
    return [] if len(state.content) > 12 else [l0.Violation("long", "too short")]


def fatal(state: l0.State) -> list[l0.Violation]:
    return [l0.Violation("never", "no", severity="fatal")]


def rule(check: Any) -> list[l0.GuardrailRule]:
    return [l0.GuardrailRule(check.__name__, check, streaming=False)]


CASES = {
    "complete": Case(one(), ["succeeded"]),
    "a retry": Case(one(Mishap("raise", 2)), ["failed", "succeeded"]),
    "a refusal and a truncation": Case(one(Mishap("refuse"), Mishap("truncate", 1)), ["failed", "failed", "succeeded"]),
    "a fallback": Case(lambda: [FakeProvider(TOKENS, [refused(401)]), FakeProvider(TOKENS)], ["failed", "succeeded"]),
    "cut short by the provider": Case(one(finish_reason="length"), ["succeeded"], "incomplete"),
    "a guardrail refuses": Case(
        one(texts=[("short",)]), ["failed", "succeeded"], options={"guardrails": rule(too_short)}
    ),
    "a fatal violation": Case(one(), ["failed"], "error", "GuardrailViolationError", {"guardrails": rule(fatal)}),
    "zero output": Case(one(Mishap("empty")), ["failed", "succeeded"]),
    "exhausted": Case(
        one(Mishap("raise", 1), Mishap("raise", 1)),
        ["failed", "failed"],
        "error",
        "ConnectionResetError",
        {"retry": ONCE},
    ),
    "no first token": Case(one(Mishap("no_answer")), ["failed", "succeeded"]),
    "no end in time": Case(
        one(Mishap("stall", 1)), ["failed"], "error", "TimeoutError", {"timeout": l0.Timeout(total=1000)}
    ),
    "abort": Case(one(Mishap("stall", 1)), ["aborted"], "aborted", reading=abort),
    "abort before the provider answers": Case(one(Mishap("no_answer")), ["aborted"], "aborted", reading=abort),
    "abort between two attempts": Case(
        one(Mishap("refuse")),
        ["failed"],
        "aborted",
        options={"retry": l0.Retry(base_delay=5, max_delay=5, strategy="fixed")},
        reading=abort,
    ),
    "cancel": Case(one(Mishap("stall", 1)), ["aborted"], "aborted", reading=cancel),
    "cancel before the provider answers": Case(one(Mishap("no_answer")), ["aborted"], "aborted", reading=cancel),
    "aclose": Case(one(), ["aborted"], "aborted", reading=close),
    "break": Case(one(), ["aborted"], "aborted", reading=leave_the_block),
}


async def play(recorder: Any, case: Case, **options: Any) -> None:
    primary, *fallbacks = case.sources()
    chosen = {
        "retry": FAST,
        "timeout": l0.Timeout(initial_token=2000, inter_token=1500),
        "adapter": primary,
        "plugins": [recorder.monitor()],
        **case.options,
        **options,
    }
    stream = await l0.run(primary, fallbacks=fallbacks, **chosen)
    with pytest.raises(Exception) if case.outcome == "error" else nullcontext():
        await case.reading(stream)


@pytest.mark.parametrize("name", CASES)
def test_every_outcome_ends_the_spans_with_the_right_status(recorder: Any, name: str) -> None:
    case = CASES[name]
    run(play(recorder, case))
    operation, attempts = recorder.operation, recorder.attempts()
    assert operation.attributes["l0.outcome"] == case.outcome
    assert operation.attributes.get("error.type") == case.error
    assert operation.status.status_code is (StatusCode.ERROR if case.outcome == "error" else StatusCode.UNSET)
    assert [span.attributes["l0.attempt.outcome"] for span in attempts] == case.attempts
    assert [span.status.status_code is StatusCode.ERROR for span in attempts] == [
        outcome == "failed" for outcome in case.attempts
    ]
    assert [("error.type" in span.attributes) for span in attempts] == [
        outcome == "failed" for outcome in case.attempts
    ]
    assert all(span.status.description is None for span in recorder.ended)
    assert len(recorder.ended) == 1 + len(attempts)


@pytest.mark.parametrize("name", CASES)
def test_attempts_lie_within_the_operation_and_link_to_the_one_before(recorder: Any, name: str) -> None:
    run(play(recorder, CASES[name]))
    operation, attempts = recorder.operation, recorder.attempts()
    assert operation.kind is trace.SpanKind.CLIENT
    for number, span in enumerate(attempts, 1):
        assert (span.name, span.attributes["l0.attempt"]) == (f"attempt {number}", number)
        assert operation.start_time <= span.start_time <= span.end_time <= operation.end_time
        before = [attempts[number - 2].context] if number > 1 else []
        assert [link.context for link in span.links] == before
    for earlier, later in pairwise(attempts):
        assert earlier.end_time <= later.start_time + 1_000_000  # Two readings of the clock lie between the two.


def test_spans_take_as_long_as_what_they_tell_of(recorder: Any) -> None:
    retry = l0.Retry(base_delay=5, max_delay=5, strategy="fixed")
    provider = FakeProvider(TOKENS, [Mishap("raise", 2)], pace=1)

    async def main() -> None:
        stream = await l0.run(provider, adapter=provider, retry=retry, plugins=[recorder.monitor()])
        await stream.read()

    run(main())
    first, second = recorder.attempts()
    seconds = [(span.end_time - span.start_time) / 1e9 for span in (first, second, recorder.operation)]
    assert seconds == pytest.approx([2, 5, 12], abs=0.1)


def test_what_happens_is_an_event_of_the_span_where_it_happens(recorder: Any) -> None:
    case = Case(
        lambda: [
            FakeProvider(TOKENS, [Mishap("raise", 2), Mishap("refuse")], texts=[TOKENS, TOKENS]),
            FakeProvider(("Something ", "else")),
        ],
        [],
        options={"retry": ONCE, "guardrails": rule(too_short)},
    )
    run(play(recorder, case))
    told = [[event.name for event in span.events] for span in (recorder.operation, *recorder.attempts())]
    assert told == [
        ["l0.retry", "l0.fallback"],
        ["l0.network_error"],
        ["l0.network_error"],
        ["l0.reset", "l0.guardrail.result"],
    ]
    retry, fallback = recorder.operation.events
    assert retry.attributes["l0.retry.number"] == 1
    assert fallback.attributes == {"l0.fallback.from": 0, "l0.fallback.index": 1}
    assert recorder.attempts()[2].events[0].attributes == {"l0.reset.keep": 0}
    summary = recorder.operation.attributes
    assert (summary["l0.retry.count"], summary["l0.fallback.index"], summary["l0.token_count"]) == (1, 1, 2)


def test_drift_and_timeouts_are_events(recorder: Any) -> None:
    def drifts(state: l0.State) -> list[Any]:
        from l0_core import DriftViolation

        found = DriftViolation("drift", "The tone shifts", types=("tone_shift",), confidence=0.9)
        return [found] if "fox" in state.content else []

    case = Case(one(Mishap("stall", 1), texts=[TOKENS, TOKENS, ("Another ", "answer")]), [])
    run(play(recorder, case, guardrails=rule(drifts)))
    first, second, _ = recorder.attempts()
    assert first.events[0].name == "l0.timeout"
    assert first.events[0].attributes["l0.timeout.type"] == "inter"
    (drift,) = [event for event in second.events if event.name == "l0.drift"]
    assert drift.attributes == {"l0.drift.detected": True, "l0.drift.score": 0.9}


def test_a_continuation_says_how_much_it_continues_and_how_much_it_repeats(recorder: Any) -> None:
    tokens = tuple(f"word {number} " for number in range(12))
    case = Case(lambda: [ContinuingProvider(tokens, [Mishap("raise", 8)], overlap=20)], [])
    run(play(recorder, case, continue_from_last_good_token=True))
    first, second = recorder.attempts()
    kept = len("".join(tokens[:8]))
    assert (first.attributes["l0.continuation.length"], second.attributes["l0.continuation.length"]) == (0, kept)
    assert [event.attributes for event in second.events if event.name == "l0.continuation"] == [
        {"l0.continuation.length": kept}
    ]
    assert recorder.operation.attributes["l0.continuation.overlap_length"] == 20


def test_the_operation_is_a_child_of_what_was_current_when_the_stream_was_made(recorder: Any) -> None:
    tracer = recorder.tracer_provider.get_tracer("test")
    provider = FakeProvider(TOKENS)

    async def main() -> None:
        with tracer.start_as_current_span("made") as made:
            stream = await l0.run(provider, adapter=provider, plugins=[recorder.monitor()])
        with tracer.start_as_current_span("read"):
            await stream.read()
        assert recorder.operation.parent.span_id == made.get_span_context().span_id

    run(main())


def test_the_attempt_is_current_while_its_source_is_opened_and_not_for_the_consumer(recorder: Any) -> None:
    provider = FakeProvider(TOKENS, [Mishap("refuse"), Mishap("raise", 1)])
    tracer = recorder.tracer_provider.get_tracer("http")
    headers: list[dict[str, str]] = []

    async def factory() -> Any:
        await asyncio.sleep(0)
        with tracer.start_as_current_span("POST"):
            headers.append({})
            propagate.inject(headers[-1])
            return await provider()

    async def main() -> None:
        stream = await l0.run(factory, adapter=provider, retry=FAST, plugins=[recorder.monitor()])
        async for _ in stream:
            assert not trace.get_current_span().get_span_context().is_valid

    run(main())
    requests = {span.context.span_id: span for span in recorder.ended if span.name == "POST"}
    attempts = {span.context.span_id for span in recorder.attempts()}
    assert len(headers) == len(requests) == len(attempts) == 3
    assert {span.parent.span_id for span in requests.values()} == attempts
    for sent in headers:
        _, trace_id, span_id, _ = sent["traceparent"].split("-")
        assert int(trace_id, 16) == recorder.operation.context.trace_id
        assert int(span_id, 16) in requests


def test_a_stream_that_is_dropped_ends_its_spans(recorder: Any) -> None:
    provider = FakeProvider(TOKENS)

    async def main() -> None:
        stream = await l0.run(provider, adapter=provider, plugins=[recorder.monitor()])
        await anext(stream)
        del stream
        gc.collect()
        await asyncio.sleep(1)

    run(main())
    assert recorder.operation.attributes["l0.outcome"] == "aborted"


@pytest.mark.parametrize("closes", [False, True])
def test_a_stream_that_nobody_reads_makes_no_span_and_no_measurement(recorder: Any, closes: bool) -> None:
    provider = FakeProvider(TOKENS)

    async def main() -> None:
        stream = await l0.run(provider, adapter=provider, plugins=[recorder.monitor()])
        if closes:
            await stream.aclose()

    run(main())
    assert recorder.started == 0
    assert recorder.points("gen_ai.client.inference.duration") == []


def test_a_stream_within_a_stream_lies_within_the_attempt_that_made_it(recorder: Any) -> None:
    monitor, provider = recorder.monitor(), FakeProvider(TOKENS)

    async def inner() -> Any:
        return await l0.run(provider, adapter=provider, plugins=[monitor], context={"model": "inner"})

    async def main() -> None:
        stream = await l0.run(inner, plugins=[monitor], context={"model": "outer"})
        assert await stream.read() == "".join(TOKENS)

    run(main())
    spans = {span.name: span for span in recorder.operations}
    (attempt,) = recorder.attempts(spans["chat outer"])
    assert spans["chat inner"].parent.span_id == attempt.context.span_id


def test_an_attempt_that_never_opens_its_source_has_a_span(recorder: Any) -> None:
    class Broken:
        @l0.hookimpl
        def check(self, ctx: Any) -> Any:
            raise RuntimeError("no")

    provider = FakeProvider(TOKENS)

    async def main() -> None:
        stream = await l0.run(provider, adapter=provider, guardrails=[Broken()], plugins=[recorder.monitor()])
        with pytest.raises(Exception, match="Broken"):
            await stream.read()

    run(main())
    (attempt,) = recorder.attempts()
    assert (attempt.attributes["l0.attempt.outcome"], attempt.attributes["error.type"]) == ("failed", "PluginError")
    assert recorder.operation.attributes["error.type"] == "PluginError"


def test_two_hundred_streams_at_once_each_have_their_own_spans(recorder: Any) -> None:
    monitor, chance = recorder.monitor(), random.Random(7)
    kinds = ["raise", "refuse", "truncate", "empty", "stall", "no_answer", None, None]
    ways = [read, read, read, abort, cancel, close]
    tracer = recorder.tracer_provider.get_tracer("caller")
    parents: dict[str, int] = {}

    async def one_stream(number: int) -> None:
        chosen = [chance.choice(kinds) for _ in range(4)]
        mishaps = [Mishap(kind, chance.randrange(4)) if kind else None for kind in chosen]
        provider = FakeProvider(TOKENS, mishaps, pace=chance.random(), steps=chance.randrange(3))
        model, way = f"model-{number}", chance.choice(ways)
        with tracer.start_as_current_span(f"caller {number}") as caller:
            parents[model] = caller.get_span_context().span_id
            stream = await l0.run(
                provider,
                adapter=provider,
                retry=ONCE if chance.random() < 0.3 else FAST,
                timeout=l0.Timeout(initial_token=2000, inter_token=1500),
                plugins=[monitor],
                context={"model": model},
            )
            try:
                await way(stream)
            except (Exception, StopAsyncIteration):
                assert stream.state.outcome == "error"
        (mine,) = [span for span in recorder.operations if span.attributes["gen_ai.request.model"] == model]
        assert mine.attributes["l0.outcome"] == stream.state.outcome
        assert [span.attributes["l0.attempt"] for span in recorder.attempts(mine)] == [*range(1, provider.opened + 1)]

    async def main() -> None:
        async with asyncio.TaskGroup() as streams:
            for number in range(200):
                streams.create_task(one_stream(number))

    run(main())
    assert len(recorder.operations) == len(parents) == 200
    for operation in recorder.operations:
        assert operation.parent.span_id == parents[operation.attributes["gen_ai.request.model"]]
    (duration,) = {sum(point.count for point in recorder.points("gen_ai.client.inference.duration"))}
    assert duration == 200
    assert {span.attributes["l0.outcome"] for span in recorder.operations} == {"complete", "error", "aborted"}


def test_spans_end_though_something_that_is_told_cannot_be_told(recorder: Any, fed: Any) -> None:
    class Unspeakable(Exception):
        def __str__(self) -> str:
            raise ValueError("never")

    monitor = recorder.monitor(capture_content=True)
    with pytest.raises(ValueError, match="never"):
        fed(monitor, ("ATTEMPT_START", {"attempt": 1}), ("OUTPUT", {"error": Unspeakable()}), ("SESSION_END", {}))
    assert recorder.started == len(recorder.ended) == 2


def test_an_attempt_that_is_followed_by_another_without_an_error_is_abandoned(recorder: Any, fed: Any) -> None:
    fed(
        recorder.monitor(),
        ("ATTEMPT_START", {"attempt": 1}),
        ("ATTEMPT_START", {"attempt": 2}),
        ("FINALIZATION_START", {}),
        ("SESSION_END", {"outcome": "complete"}),
    )
    assert [span.attributes["l0.attempt.outcome"] for span in recorder.attempts()] == ["abandoned", "succeeded"]
