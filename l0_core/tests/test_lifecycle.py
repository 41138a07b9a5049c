"""What observers are told, and in which order, for every way in which a stream can go."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import l0
import pytest
from l0 import ObservabilityEvent, ObservabilityEventType
from l0_core.guardrails import DriftViolation
from l0_core.settings import CALLBACKS
from l0_testing import ContinuingProvider, FakeProvider, Mishap
from l0_testing.virtual import run

from l0_core import hookimpl

TOKENS = ("The quick ", "brown ", "fox")
MANY = tuple(f"word {number} " for number in range(12))
FAST = l0.Retry(base_delay=0)
CONTEXT = {"request_id": "r-1", "tenant": {"name": "acme"}}
TOLD = sorted(CALLBACKS - {"on_event", "on_stream_event", "on_token"})


class Log:
    """Events and callbacks in the order in which they come, to plain or to asynchronous callbacks."""

    def __init__(self, is_async: bool = False) -> None:
        self.is_async = is_async
        self.names: list[str] = []
        self.events: list[ObservabilityEvent] = []
        self.given: dict[str, tuple[Any, ...]] = {}

    def options(self) -> dict[str, Any]:
        def event(event: ObservabilityEvent) -> None:
            self.events.append(event)
            self.names.append(event.type.value)

        return {"on_event": self.callback(event), **{name: self.noting(name) for name in TOLD}}

    def noting(self, name: str) -> Any:
        def note(*args: Any) -> None:
            self.names.append(name)
            self.given.setdefault(name, args)

        return self.callback(note)

    def callback(self, plain: Callable[..., None]) -> Any:
        async def later(*args: Any) -> None:
            await asyncio.sleep(0)
            plain(*args)

        return later if self.is_async else plain

    def meta(self, name: str) -> dict[str, Any]:
        return next(event.meta for event in self.events if event.type == name)


START = ["SESSION_START"]
BEGIN = ["ATTEMPT_START", "on_start", "STREAM_INIT", "TIMEOUT_START"]
OPEN = ["ADAPTER_WRAP_START", "ADAPTER_DETECTED", "ADAPTER_WRAP_END", "STREAM_READY"]
SPEAK = ["TIMEOUT_RESET"]
ATTEMPT = [*BEGIN, *OPEN, *SPEAK]
RETRY = ["RETRY_START", "on_retry", "RETRY_ATTEMPT"]
FALLBACK = ["FALLBACK_START", "FALLBACK_MODEL_SELECTED", "on_fallback"]
FAILED = ["on_error", "ERROR"]
REFUSED = ["NETWORK_ERROR", *FAILED]
ASKED = ["RETRY_FN_START", "RETRY_FN_RESULT"]
BROKEN = ["NETWORK_ERROR", "CONNECTION_DROPPED", *FAILED]
TIMED_OUT = ["TIMEOUT_TRIGGERED", "on_timeout", *FAILED]
RECOVERED = [*BEGIN, *OPEN, "NETWORK_RECOVERY", "CONNECTION_RESTORED", *SPEAK]
JUDGED = ["GUARDRAIL_PHASE_START", "GUARDRAIL_RULE_START", "GUARDRAIL_RULE_RESULT"]
PASSED = [*JUDGED, "GUARDRAIL_RULE_END", "GUARDRAIL_PHASE_END"]
OBJECTED = [*JUDGED, "on_violation", "GUARDRAIL_RULE_END", "GUARDRAIL_PHASE_END"]
DRIFTED = [*JUDGED[:2], "DRIFT_CHECK_RESULT", "on_drift", *OBJECTED[2:]]
COMPLETE = ["COMPLETE", "on_complete", "FINALIZATION_END"]
GIVEN_UP = ["RETRY_GIVE_UP"]
END = ["SESSION_SUMMARY", "SESSION_END"]
FELL_BACK = ["FINALIZATION_START", "FALLBACK_END", *COMPLETE, *END]
DONE = ["FINALIZATION_START", *COMPLETE, *END]
DONE_AFTER_RETRY = ["FINALIZATION_START", "RETRY_END", *COMPLETE, *END]
TOOL = ["TOOL_REQUESTED", "TOOL_START", "on_tool_call"]
CHECKPOINT = ["CHECKPOINT_SAVED", "on_checkpoint"]
LEFT = ["ABORT_COMPLETED", *END]
ABORTED = ["ABORT_REQUESTED", "on_abort", *LEFT]


def refused(status: int) -> Mishap:
    error = RuntimeError("no")
    error.status_code = status  # type: ignore[attr-defined]
    return Mishap("refuse", error=error)


def long(state: l0.State) -> list[l0.Violation]:
    return [] if len(state.content) > 12 else [l0.Violation("long", "too short")]


def slow(severity: Any, streaming: bool = False) -> l0.GuardrailRule:
    def check(state: l0.State) -> list[l0.Violation]:
        return [l0.Violation("slow", "no", severity=severity)] if "slow" in state.content else []

    return l0.GuardrailRule("slow", check, streaming=streaming)


def drifts(state: l0.State) -> list[DriftViolation]:
    found = DriftViolation("drift", "The tone shifts", types=("tone_shift",), confidence=0.9)
    return [found] if "slow" in state.content else []


DRIFTS = l0.GuardrailRule("drift", drifts, streaming=False)


class Awaited:
    """Objects to the first answer, a while after it has ended."""

    @hookimpl
    def check(self, ctx: Any) -> Any:
        async def judge(delta: str, final: bool) -> l0.Violation | None:
            await asyncio.sleep(0.1)
            return l0.Violation("awaited", "no") if final and ctx.number == 1 else None

        return judge


class CallsATool(FakeProvider):
    """Answers with a tool call, which the adapter gives whole if `at_once`, and then breaks off."""

    def __init__(self, at_once: bool = False) -> None:
        super().__init__(())
        self.at_once = at_once

    async def __call__(self) -> AsyncIterator[Any]:
        return self._answer()

    async def _answer(self) -> AsyncIterator[Any]:
        call = {"index": 0, "id": "a", "name": "pay", "arguments": '{"amount": 1}'}
        if self.at_once:
            yield l0.Event(l0.EventType.TOOL_CALL, data=call)
            raise ConnectionResetError
        yield l0.Event(l0.EventType.PROGRESS, data={"tool_call": call})


async def read(stream: l0.Stream) -> None:
    await stream.read()


async def after_a_second(stream: l0.Stream, leave: Callable[[asyncio.Task[str]], object]) -> None:
    task = asyncio.ensure_future(stream.read())
    await asyncio.sleep(1)
    leave(task)
    await asyncio.wait([task])


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
    """A way in which a stream can go: what its sources do, what it is told, who reads it, and what observers see."""

    sources: Callable[[], list[FakeProvider]]
    expected: list[str]
    options: dict[str, Any] = field(default_factory=dict)
    outcome: str = "complete"
    reading: Callable[[l0.Stream], Any] = read


def one(*mishaps: Mishap, **given: Any) -> Callable[[], list[FakeProvider]]:
    return lambda: [FakeProvider(TOKENS, mishaps, **given)]


def stalls() -> list[FakeProvider]:
    return [FakeProvider(TOKENS, [Mishap("stall", 1)])]


ONCE = l0.Retry(base_delay=0, max_retries=1)
VETO = l0.Retry(base_delay=0, should_retry=lambda *given: False)
PATIENT = l0.Retry(base_delay=5, max_delay=5, strategy="fixed")
RESUMES = {"continue_from_last_good_token": True}
RAISED_RESET = "raised ConnectionResetError"

CASES: dict[str, Case] = {
    "normal": Case(one(), [*START, *ATTEMPT, *DONE]),
    "no timeouts": Case(one(), [*START, "ATTEMPT_START", "on_start", "STREAM_INIT", *OPEN, *DONE], {"timeout": None}),
    "retry": Case(one(Mishap("raise", 2)), [*START, *ATTEMPT, *BROKEN, *RETRY, *RECOVERED, *DONE_AFTER_RETRY]),
    "two retries": Case(
        one(Mishap("raise", 1), Mishap("truncate", 2)),
        [*START, *ATTEMPT, *BROKEN, *RETRY, *RECOVERED, *BROKEN, "RETRY_END", *RETRY, *RECOVERED, *DONE_AFTER_RETRY],
    ),
    "refused before it began": Case(
        one(Mishap("refuse")), [*START, *BEGIN, *REFUSED, *RETRY, *RECOVERED, *DONE_AFTER_RETRY]
    ),
    "held back until the end": Case(
        one(Mishap("raise", 2)),
        [*START, *ATTEMPT, *REFUSED, *RETRY, *RECOVERED, *DONE_AFTER_RETRY],
        {"release": "complete"},
    ),
    "resume": Case(
        lambda: [ContinuingProvider(MANY, [Mishap("raise", 8)])],
        [
            *START, *ATTEMPT, *CHECKPOINT, *BROKEN, *RETRY,
            "ATTEMPT_START", "on_start", "CONTINUATION_START", "RESUME_START", "on_resume", *RECOVERED[2:],
            "CONTINUATION_END", *CHECKPOINT, *DONE_AFTER_RETRY,
        ],
        RESUMES,
    ),
    "a checkpoint is discarded": Case(
        lambda: [ContinuingProvider(TOKENS, [Mishap("raise", 3)], texts=[("It is a ", "slow fo", "x, and")])],
        [
            *START, *ATTEMPT, *BROKEN, *RETRY, "ATTEMPT_START", "on_start", "GUARDRAIL_RULE_RESULT", "on_violation",
            *RECOVERED[2:], "RESET", *PASSED, *DONE_AFTER_RETRY,
        ],
        {**RESUMES, "guardrails": [slow("error", streaming=True)]},
    ),
    "fallback": Case(
        lambda: [FakeProvider(TOKENS, [refused(401)]), FakeProvider(TOKENS)],
        [*START, *BEGIN, *FAILED, *FALLBACK, *ATTEMPT, "FINALIZATION_START", "FALLBACK_END", *COMPLETE, *END],
    ),
    "a second fallback": Case(
        lambda: [FakeProvider(TOKENS, [refused(401)]), FakeProvider(TOKENS, [refused(404)]), FakeProvider(TOKENS)],
        [
            *START, *BEGIN, *FAILED, *FALLBACK, *BEGIN, *FAILED, "FALLBACK_END", *FALLBACK, *ATTEMPT,
            "FINALIZATION_START", "FALLBACK_END", *COMPLETE, *END,
        ],
    ),
    "retries, and then a fallback": Case(
        lambda: [FakeProvider(TOKENS, [Mishap("refuse")] * 2), FakeProvider(TOKENS)],
        [
            *START, *BEGIN, *REFUSED, *RETRY, *BEGIN, *REFUSED, "RETRY_END", *FALLBACK, *RECOVERED,
            "FINALIZATION_START", "FALLBACK_END", *COMPLETE, *END,
        ],
        {"retry": ONCE},
    ),
    "exhausted": Case(
        one(*[Mishap("raise", 2)] * 2),
        [*START, *ATTEMPT, *BROKEN, *RETRY, *RECOVERED, *BROKEN, "RETRY_END", *GIVEN_UP, *END, RAISED_RESET],
        {"retry": ONCE},
        "error",
    ),
    "vetoed": Case(
        one(Mishap("refuse")),
        [*START, *BEGIN, *ASKED, *REFUSED, *GIVEN_UP, *END, RAISED_RESET],
        {"retry": VETO},
        "error",
    ),
    "vetoed, with a fallback": Case(
        lambda: [FakeProvider(TOKENS, [Mishap("refuse")]), FakeProvider(TOKENS)],
        [*START, *BEGIN, *ASKED, *REFUSED, *FALLBACK, *RECOVERED, *FELL_BACK],
        {"retry": VETO},
    ),
    "a veto that raises": Case(
        one(Mishap("refuse")),
        [*START, *BEGIN, ASKED[0], "RETRY_FN_ERROR", *REFUSED, *GIVEN_UP, *END, RAISED_RESET],
        {"retry": l0.Retry(base_delay=0, should_retry=lambda *given: 1 // 0)},
        "error",
    ),
    "a guardrail that is awaited": Case(
        one(),
        [
            *START, *ATTEMPT, *JUDGED[:2], "GUARDRAIL_CALLBACK_START", "GUARDRAIL_CALLBACK_END",
            "GUARDRAIL_RULE_RESULT", "on_violation", *PASSED[-2:], *FAILED, *RETRY, *ATTEMPT, *JUDGED[:2],
            "GUARDRAIL_CALLBACK_START", "GUARDRAIL_CALLBACK_END", *PASSED[-3:], *DONE_AFTER_RETRY,
        ],
        {"guardrails": [Awaited]},
    ),
    "a fatal error": Case(
        one(refused(401)), [*START, *BEGIN, *FAILED, *GIVEN_UP, *END, "raised RuntimeError"], outcome="error"
    ),
    "an interruption that is not to be mended": Case(
        one(Mishap("raise", 2)),
        [*START, *ATTEMPT, *BROKEN, *GIVEN_UP, *END, RAISED_RESET],
        {"on_interrupt": "fail"},
        "error",
    ),
    "guardrail retry": Case(
        one(texts=[("short",)]),
        [*START, *ATTEMPT, *OBJECTED, *FAILED, *RETRY, *ATTEMPT, "RESET", *PASSED, *DONE_AFTER_RETRY],
        {"guardrails": [l0.GuardrailRule("long", long, streaming=False)]},
    ),
    "guardrail retry while it speaks": Case(
        one(texts=[("The ", "slow ", "fox")]),
        [
            *START, *ATTEMPT, "GUARDRAIL_RULE_RESULT", "on_violation", *FAILED, *RETRY, *ATTEMPT, *PASSED,
            *DONE_AFTER_RETRY,
        ],
        {"guardrails": [slow("error", streaming=True)], "check_intervals": {"guardrails": 1}},
    ),
    "a warning": Case(
        one(texts=[("The ", "slow ", "fox")]), [*START, *ATTEMPT, *OBJECTED, *DONE], {"guardrails": [slow("warning")]}
    ),
    "a fatal violation": Case(
        one(texts=[("The ", "slow ", "fox")]),
        [*START, *ATTEMPT, *OBJECTED, *FAILED, *GIVEN_UP, *END, "raised GuardrailViolationError"],
        {"guardrails": [slow("fatal")]},
        "error",
    ),
    "drift": Case(
        one(texts=[("The ", "slow ", "fox")]),
        [*START, *ATTEMPT, *DRIFTED, *FAILED, *RETRY, *ATTEMPT, "RESET", *PASSED, *DONE_AFTER_RETRY],
        {"guardrails": [DRIFTS]},
    ),
    "drift in the last answer": Case(
        one(texts=[("The ", "slow ", "fox")] * 2),
        [*START, *ATTEMPT, *DRIFTED, *FAILED, *RETRY, *ATTEMPT, *DRIFTED, *DONE_AFTER_RETRY],
        {"guardrails": [DRIFTS], "retry": ONCE},
    ),
    "no first token": Case(one(Mishap("no_answer")), [*START, *BEGIN, *TIMED_OUT, *RETRY, *ATTEMPT, *DONE_AFTER_RETRY]),
    "no next token": Case(stalls, [*START, *ATTEMPT, *TIMED_OUT, *RETRY, *ATTEMPT, *DONE_AFTER_RETRY]),
    "no end in time": Case(
        stalls,
        [*START, *ATTEMPT, *TIMED_OUT, *GIVEN_UP, *END, "raised TimeoutError"],
        {"timeout": l0.Timeout(total=1000)},
        "error",
    ),
    "a limit": Case(
        one(),
        [*START, *ATTEMPT, *FAILED, *GIVEN_UP, *END, "raised OutputLimitExceeded"],
        {"limits": l0.Limits(max_output_chars=12)},
        "error",
    ),
    "cut short by the provider": Case(
        one(finish_reason="length"),
        [*START, *ATTEMPT, *OBJECTED, *DONE],
        {"guardrails": [l0.GuardrailRule("long", lambda state: [l0.Violation("long", "no")], streaming=False)]},
        "incomplete",
    ),
    "zero output": Case(one(Mishap("empty")), [*START, *BEGIN, *OPEN, *FAILED, *RETRY, *ATTEMPT, *DONE_AFTER_RETRY]),
    "a restart that says something else": Case(
        one(Mishap("raise", 2), texts=[("The slow ", "green ", "ox")]),
        [*START, *ATTEMPT, *BROKEN, *RETRY, *RECOVERED, "RESET", *DONE_AFTER_RETRY],
    ),
    "a restart without comparison": Case(
        one(Mishap("raise", 2)),
        [*START, *ATTEMPT, *BROKEN, *RETRY, *RECOVERED, "RESET", *DONE_AFTER_RETRY],
        {"on_interrupt": "reset"},
    ),
    "a tool call": Case(
        lambda: [CallsATool()], [*START, *ATTEMPT, "FINALIZATION_START", *TOOL, *COMPLETE, *END], {"adapter": "event"}
    ),
    "a tool call that is not to be repeated": Case(
        lambda: [CallsATool(at_once=True)],
        [*START, *ATTEMPT, *TOOL, *REFUSED, *GIVEN_UP, *END, RAISED_RESET],
        {"adapter": "event"},
        "error",
    ),
    "abort": Case(stalls, [*START, *ATTEMPT, *ABORTED], outcome="aborted", reading=abort),
    "abort between two attempts": Case(
        one(Mishap("refuse")), [*START, *BEGIN, *REFUSED, *RETRY, *ABORTED], {"retry": PATIENT}, "aborted", abort
    ),
    "cancel": Case(stalls, [*START, *ATTEMPT, *LEFT], outcome="aborted", reading=cancel),
    "cancel between two attempts": Case(
        one(Mishap("refuse")), [*START, *BEGIN, *REFUSED, *RETRY, *LEFT], {"retry": PATIENT}, "aborted", cancel
    ),
    "aclose": Case(one(), [*START, *ATTEMPT, *LEFT], outcome="aborted", reading=close),
    "break": Case(one(), [*START, *ATTEMPT, *LEFT], outcome="aborted", reading=leave_the_block),
}  # fmt: skip

META: dict[str, str] = {
    "SESSION_START": "",
    "ATTEMPT_START": "attempt isFallback isRetry",
    "CONTINUATION_START": "checkpointLength",
    "CONTINUATION_END": "overlapLength",
    "RESUME_START": "checkpointLength tokenCount",
    "STREAM_INIT": "",
    "STREAM_READY": "",
    "ADAPTER_WRAP_START": "streamType adapterId",
    "ADAPTER_DETECTED": "adapterId",
    "ADAPTER_WRAP_END": "adapterId",
    "TIMEOUT_START": "configuredMs timeoutType",
    "TIMEOUT_RESET": "configuredMs timeoutType tokenIndex",
    "TIMEOUT_TRIGGERED": "configuredMs elapsedMs timeoutType",
    "NETWORK_ERROR": "code error retryable willRetry",
    "NETWORK_RECOVERY": "attemptCount durationMs",
    "CONNECTION_DROPPED": "reason",
    "CONNECTION_RESTORED": "durationMs",
    "CHECKPOINT_SAVED": "tokenCount",
    "RESET": "keep",
    "GUARDRAIL_PHASE_START": "phase ruleCount",
    "GUARDRAIL_RULE_START": "index ruleId",
    "GUARDRAIL_RULE_RESULT": "passed ruleId violation",
    "GUARDRAIL_CALLBACK_START": "callbackId index ruleId",
    "GUARDRAIL_CALLBACK_END": "callbackId durationMs error index ruleId success",
    "GUARDRAIL_RULE_END": "durationMs index passed ruleId",
    "GUARDRAIL_PHASE_END": "durationMs passed phase violations",
    "DRIFT_CHECK_RESULT": "detected metrics score",
    "TOOL_REQUESTED": "toolCallId toolName",
    "TOOL_START": "toolCallId toolName",
    "ERROR": "category error errorCode failureType policy recoveryStrategy",
    "RETRY_FN_START": "attempt category defaultShouldRetry",
    "RETRY_FN_RESULT": "attempt category durationMs finalShouldRetry userResult",
    "RETRY_FN_ERROR": "attempt category durationMs error finalShouldRetry",
    "RETRY_START": "attempt maxAttempts",
    "RETRY_ATTEMPT": "attempt countsTowardLimit delay index isModelIssue isNetwork reason",
    "RETRY_END": "attempt durationMs success",
    "RETRY_GIVE_UP": "attempts lastError",
    "FALLBACK_START": "fromIndex reason toIndex",
    "FALLBACK_MODEL_SELECTED": "index",
    "FALLBACK_END": "index",
    "FINALIZATION_START": "",
    "FINALIZATION_END": "durationMs",
    "COMPLETE": "contentLength duration finishReason tokenCount",
    "ABORT_REQUESTED": "source",
    "ABORT_COMPLETED": "contentLength resourcesFreed tokenCount",
    "SESSION_SUMMARY": (
        "checkpointsCreated driftDetected endTs fallbackDepth guardrailViolations outcome retryCount startTs tokenCount"
    ),
    "SESSION_END": "outcome",
}
"""The keys of each event's `meta`, exactly."""

SOMETIMES = {"GUARDRAIL_RULE_RESULT": {"index"}}
"""Keys that not every event of a type has: a violation that is found while the text arrives has no place in a phase."""

NEVER: dict[str, str] = {
    "TOKEN OUTPUT": "are for sinks that ask for tokens, and hold what has content",
    "TOOL_RESULT TOOL_ERROR TOOL_COMPLETED": "the application runs the tool, when the stream has ended",
    "DRIFT_CHECK_SKIPPED": "a stream without a drift detector has no drift check to tell of",
    "CONSENSUS_START CONSENSUS_STREAM_START CONSENSUS_STREAM_END CONSENSUS_OUTPUT_COLLECTED CONSENSUS_ANALYSIS "
    "CONSENSUS_RESOLUTION CONSENSUS_END": "belong to consensus",
    "PARSE_START PARSE_END PARSE_ERROR SCHEMA_VALIDATION_START SCHEMA_VALIDATION_END SCHEMA_VALIDATION_ERROR "
    "AUTO_CORRECT_START AUTO_CORRECT_END STRUCTURED_PARSE_START STRUCTURED_PARSE_END STRUCTURED_PARSE_ERROR "
    "STRUCTURED_VALIDATION_START STRUCTURED_VALIDATION_END STRUCTURED_VALIDATION_ERROR STRUCTURED_AUTO_CORRECT_START "
    "STRUCTURED_AUTO_CORRECT_END": "belong to structured output",
}
"""The events that a stream by itself never tells its callbacks of, and why."""


async def play(case: Case, is_async: bool = False, **options: Any) -> tuple[Log, l0.Stream]:
    log = Log(is_async)
    primary, *fallbacks = case.sources()
    chosen = {
        "retry": FAST,
        "timeout": l0.Timeout(initial_token=2000, inter_token=1500),
        "adapter": primary,
        "context": CONTEXT,
        **case.options,
        **options,
    }
    stream = await l0.run(primary, fallbacks=fallbacks, **log.options(), **chosen)
    try:
        await case.reading(stream)
    except Exception as error:
        log.names.append(f"raised {type(error).__name__}")
    return log, stream


@pytest.mark.parametrize("is_async", [False, True], ids=["plain", "async"])
@pytest.mark.parametrize("name", CASES)
def test_the_order_of_a_life(name: str, is_async: bool) -> None:
    case = CASES[name]

    async def main() -> None:
        log, stream = await play(case, is_async)
        assert log.names == case.expected
        assert stream.state.outcome == case.outcome

    run(main())


@pytest.mark.parametrize("name", CASES)
def test_what_every_event_says(name: str) -> None:
    async def main() -> None:
        log, stream = await play(CASES[name])
        for event in log.events:
            optional = SOMETIMES.get(event.type.value, set())
            assert set(event.meta) - optional == set(META[event.type.value].split()), event
            assert event.context == CONTEXT
            with pytest.raises(TypeError):
                event.context["request_id"] = "mine"  # type: ignore[index]
        assert {event.stream_id for event in log.events} == {stream._session.stream_id}
        stamps = [event.ts for event in log.events]
        assert stamps == sorted(stamps)
        summary, end = log.meta("SESSION_SUMMARY"), log.meta("SESSION_END")
        assert (summary["outcome"], summary["tokenCount"]) == (stream.state.outcome, stream.state.token_count)
        assert end == {"outcome": stream.state.outcome}

    run(main())


def test_every_event_and_every_callback_is_told_of_or_accounted_for() -> None:
    async def main() -> None:
        told: set[str] = set()
        for case in CASES.values():
            log, _ = await play(case)
            told.update(log.names)
        never = {name for names in NEVER for name in names.split()}
        assert {kind.value for kind in ObservabilityEventType} - told == never
        assert set(META) == {kind.value for kind in ObservabilityEventType} & told
        assert set(TOLD) <= told

    run(main())


@pytest.mark.parametrize(
    ("name", "event", "says"),
    [
        ("retry", "ATTEMPT_START", {"attempt": 1, "isRetry": False, "isFallback": False}),
        ("retry", "NETWORK_ERROR", {"code": "econnreset", "error": "ConnectionResetError", "willRetry": True}),
        ("retry", "RETRY_ATTEMPT", {"index": 0, "isNetwork": True, "isModelIssue": False, "countsTowardLimit": False}),
        ("retry", "RETRY_END", {"attempt": 2, "success": True}),
        ("retry", "ERROR", {"category": "network", "failureType": "network", "recoveryStrategy": "retry"}),
        ("resume", "ERROR", {"recoveryStrategy": "continue"}),
        ("resume", "CHECKPOINT_SAVED", {"tokenCount": 5}),
        ("resume", "CONTINUATION_END", {"overlapLength": 0}),
        ("resume", "RESUME_START", {"checkpointLength": len("".join(MANY[:8])), "tokenCount": 8}),
        ("fallback", "ERROR", {"category": "fatal", "recoveryStrategy": "fallback"}),
        ("fallback", "FALLBACK_START", {"fromIndex": 0, "toIndex": 1, "reason": "previous_failed"}),
        ("exhausted", "RETRY_GIVE_UP", {"attempts": 2, "lastError": "ConnectionResetError"}),
        ("vetoed", "ERROR", {"recoveryStrategy": "halt"}),
        ("guardrail retry", "GUARDRAIL_PHASE_END", {"phase": "post", "passed": False, "violations": 1}),
        ("guardrail retry", "ERROR", {"errorCode": "GUARDRAIL_VIOLATION", "category": "content"}),
        ("guardrail retry", "RETRY_ATTEMPT", {"reason": "guardrail_violation", "countsTowardLimit": True}),
        ("no first token", "TIMEOUT_TRIGGERED", {"timeoutType": "initial", "elapsedMs": 2000, "configuredMs": 2000}),
        ("no next token", "TIMEOUT_TRIGGERED", {"timeoutType": "inter", "elapsedMs": 1500, "configuredMs": 1500}),
        ("no end in time", "TIMEOUT_TRIGGERED", {"timeoutType": "total", "configuredMs": 1000}),
        ("no end in time", "ERROR", {"failureType": "timeout", "recoveryStrategy": "halt"}),
        ("zero output", "ERROR", {"failureType": "zero_output"}),
        ("zero output", "RETRY_ATTEMPT", {"reason": "zero_output", "countsTowardLimit": False}),
        ("cut short by the provider", "COMPLETE", {"finishReason": "length", "tokenCount": 3}),
        ("cut short by the provider", "SESSION_SUMMARY", {"outcome": "incomplete", "guardrailViolations": 1}),
        ("a restart that says something else", "RESET", {"keep": len("The ")}),
        ("a tool call", "TOOL_REQUESTED", {"toolName": "pay", "toolCallId": "a"}),
        ("abort", "ABORT_REQUESTED", {"source": "user"}),
        ("abort", "ABORT_COMPLETED", {"tokenCount": 1, "contentLength": len(TOKENS[0]), "resourcesFreed": True}),
    ],
)
def test_what_an_event_says_of_its_case(name: str, event: str, says: dict[str, Any]) -> None:
    log, _ = run(play(CASES[name]))
    meta = log.meta(event)
    assert {key: meta[key] for key in says} == says


def test_the_summary_takes_its_times_from_the_clock_of_the_events() -> None:
    log, _ = run(play(CASES["retry"]))
    summary = log.meta("SESSION_SUMMARY")
    assert summary["startTs"] <= log.events[0].ts
    assert log.events[-1].ts == pytest.approx(summary["endTs"], abs=1)


@pytest.mark.parametrize(
    ("name", "callback", "given"),
    [
        ("retry", "on_start", (1, False, False)),
        ("retry", "on_retry", (1, "scripted")),
        ("fallback", "on_fallback", (0, "previous_failed")),
        ("resume", "on_resume", ("".join(MANY[:8]), 8)),
        ("resume", "on_checkpoint", ("".join(MANY[:5]), 5)),
        ("drift", "on_drift", (["tone_shift"], 0.9)),
        ("no first token", "on_timeout", ("initial_token", 2.0)),
        ("no next token", "on_timeout", ("inter_token", 1.5)),
        ("no end in time", "on_timeout", ("total", 1.0)),
        ("abort", "on_abort", (1, len(TOKENS[0]))),
        ("a tool call", "on_tool_call", ("pay", "a", {"amount": 1})),
    ],
)
def test_what_a_callback_is_given(name: str, callback: str, given: tuple[Any, ...]) -> None:
    log, _ = run(play(CASES[name]))
    assert log.given[callback] == given


@pytest.mark.parametrize(
    ("name", "will_retry", "will_fall_back"),
    [("retry", True, False), ("fallback", False, True), ("vetoed", False, False), ("a fatal violation", False, False)],
)
def test_what_follows_is_known_when_an_error_is_told(name: str, will_retry: bool, will_fall_back: bool) -> None:
    log, stream = run(play(CASES[name]))
    error, *follows = log.given["on_error"]
    assert follows == [will_retry, will_fall_back]
    assert type(error) is type(stream.errors[0])


def test_meta_is_camel_case_and_holds_no_content() -> None:
    async def main() -> None:
        secret = "the secret of the prompt"
        error = RuntimeError(secret)
        error.status_code = 503  # type: ignore[attr-defined]
        provider = ContinuingProvider([f"{secret} "] * 3, [Mishap("raise", 2, error), Mishap("refuse", error=error)])
        log, _ = await play(Case(lambda: [provider], []), continue_from_last_good_token=True)
        assert log.names[-1] == "SESSION_END"
        for event in log.events:
            assert secret not in repr(event.meta)
            assert all("_" not in key for key in event.meta), event
        error_meta = log.meta("ERROR")
        assert error_meta["recoveryStrategy"] == "continue"
        assert error_meta["failureType"] == "model"
        assert error_meta["policy"] == {
            "retryEnabled": True,
            "fallbackEnabled": False,
            "maxRetries": 6,
            "maxFallbacks": 0,
            "attempt": 1,
            "fallbackIndex": 0,
        }

    run(main())


def test_an_event_bus_hands_on_what_it_is_told(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[ObservabilityEvent] = []
    bus = l0.EventBus(seen.append, {"user": 1})
    bus.emit(ObservabilityEventType.SESSION_START, attempt=1)
    bus.emit(ObservabilityEventType.SESSION_END)
    assert [(event.type.value, event.meta) for event in seen] == [
        ("SESSION_START", {"attempt": 1}),
        ("SESSION_END", {}),
    ]
    assert {event.stream_id for event in seen} == {bus.stream_id}
    assert all(event.context == {"user": 1} for event in seen)
    assert seen[0].context is not seen[1].context

    def broken(event: ObservabilityEvent) -> None:
        raise ValueError("secret")

    l0.EventBus(broken).emit(ObservabilityEventType.SESSION_START)
    assert "an event handler raised ValueError at test_lifecycle.py" in caplog.text
    assert "secret" not in caplog.text
    l0.EventBus().emit(ObservabilityEventType.SESSION_START)
