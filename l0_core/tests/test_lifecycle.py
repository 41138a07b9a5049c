"""What observers are told, and in which order, for every way in which a stream can go."""

from __future__ import annotations

import asyncio
from typing import Any

import l0
import pytest
from l0 import ObservabilityEvent
from l0_testing import ContinuingProvider, FakeProvider, Mishap
from l0_testing.virtual import run

from l0_core import Envelope, Sink, hookimpl

TOKENS = ("The quick ", "brown ", "fox")
FAST = l0.Retry(base_delay=0)
CALLBACKS = (
    "on_start on_complete on_error on_violation on_retry on_fallback on_resume on_timeout on_abort on_tool_call".split()
)


class Log:
    """Events and callbacks in the order in which they come."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.events: list[ObservabilityEvent] = []

    def options(self) -> dict[str, Any]:
        def event(event: ObservabilityEvent) -> None:
            self.events.append(event)
            self.names.append(event.type.value)

        return {"on_event": event, **{name: self.callback(name) for name in CALLBACKS}}

    def callback(self, name: str) -> Any:
        return lambda *args: self.names.append(name)

    def meta(self, name: str) -> dict[str, Any]:
        return next(event.meta for event in self.events if event.type == name)


START = ["SESSION_START"]
BEGIN = ["ATTEMPT_START", "on_start", "STREAM_INIT", "TIMEOUT_START"]
OPEN = ["ADAPTER_WRAP_START", "ADAPTER_DETECTED", "ADAPTER_WRAP_END", "STREAM_READY"]
SPEAK = ["TIMEOUT_RESET"]
ATTEMPT = [*BEGIN, *OPEN, *SPEAK]
RETRY = ["RETRY_START", "on_retry", "RETRY_ATTEMPT"]
BROKEN = ["NETWORK_ERROR", "CONNECTION_DROPPED", "on_error", "ERROR"]
RECOVERED = [*BEGIN, *OPEN, "NETWORK_RECOVERY", "CONNECTION_RESTORED", *SPEAK]
COMPLETE = ["COMPLETE", "on_complete", "FINALIZATION_END"]
END = ["SESSION_SUMMARY", "SESSION_END"]


def refused(status: int) -> Mishap:
    error = RuntimeError("no")
    error.status_code = status  # type: ignore[attr-defined]
    return Mishap("refuse", error=error)


def long(state: l0.State) -> list[l0.Violation]:
    return [] if len(state.content) > 12 else [l0.Violation("long", "too short")]


async def play(provider: FakeProvider, **options: Any) -> tuple[Log, l0.Stream]:
    log = Log()
    timeout = l0.Timeout(initial_token=2000, inter_token=1000)
    stream = await l0.run(provider, adapter=provider, **{"retry": FAST, "timeout": timeout, **log.options(), **options})
    try:
        await stream.read()
    except Exception as error:
        log.names.append(f"raised {type(error).__name__}")
    return log, stream


JUDGED = ["GUARDRAIL_PHASE_START", "GUARDRAIL_RULE_START", "GUARDRAIL_RULE_RESULT"]
CASES: dict[str, tuple[Any, dict[str, Any], list[str]]] = {
    "normal": (lambda: FakeProvider(TOKENS), {}, [*START, *ATTEMPT, "FINALIZATION_START", *COMPLETE, *END]),
    "retry": (
        lambda: FakeProvider(TOKENS, [Mishap("raise", 2)]),
        {},
        [*START, *ATTEMPT, *BROKEN, *RETRY, *RECOVERED, "FINALIZATION_START", "RETRY_END", *COMPLETE, *END],
    ),
    "refused before it began": (
        lambda: FakeProvider(TOKENS, [Mishap("refuse")]),
        {},
        [
            *START, *BEGIN, "NETWORK_ERROR", "on_error", "ERROR", *RETRY, *RECOVERED,
            "FINALIZATION_START", "RETRY_END", *COMPLETE, *END,
        ],
    ),
    "resume": (
        lambda: ContinuingProvider(TOKENS, [Mishap("raise", 2)]),
        {"continue_from_last_good_token": True},
        [
            *START, *ATTEMPT, *BROKEN, *RETRY,
            "ATTEMPT_START", "on_start", "CONTINUATION_START", "RESUME_START", "on_resume", *RECOVERED[2:],
            "FINALIZATION_START", "RETRY_END", *COMPLETE, *END,
        ],
    ),
    "fallback": (
        lambda: FakeProvider(TOKENS, [refused(401)]),
        {"fallbacks": 1},
        [
            *START, *BEGIN, "on_error", "ERROR", "FALLBACK_START", "FALLBACK_MODEL_SELECTED", "on_fallback",
            *ATTEMPT, "FINALIZATION_START", "FALLBACK_END", *COMPLETE, *END,
        ],
    ),
    "guardrail retry": (
        lambda: FakeProvider(TOKENS, texts=[("short",)]),
        {"guardrails": [l0.GuardrailRule("long", long, streaming=False)]},
        [
            *START, *ATTEMPT, *JUDGED, "on_violation", "GUARDRAIL_RULE_END", "GUARDRAIL_PHASE_END",
            "on_error", "ERROR", *RETRY, *ATTEMPT, "RESET", *JUDGED, "GUARDRAIL_RULE_END", "GUARDRAIL_PHASE_END",
            "FINALIZATION_START", "RETRY_END", *COMPLETE, *END,
        ],
    ),
    "fatal": (
        lambda: FakeProvider(TOKENS, [refused(400)]),
        {},
        [*START, *BEGIN, "on_error", "ERROR", "RETRY_GIVE_UP", *END, "raised RuntimeError"],
    ),
    "timeout": (
        lambda: FakeProvider(TOKENS, [Mishap("stall", 1)]),
        {},
        [
            *START, *ATTEMPT, "TIMEOUT_TRIGGERED", "on_timeout", "on_error", "ERROR", *RETRY, *ATTEMPT,
            "FINALIZATION_START", "RETRY_END", *COMPLETE, *END,
        ],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_the_order_of_a_life(name: str) -> None:
    make, options, expected = CASES[name]

    async def main() -> None:
        provider = make()
        chosen = dict(options)
        if chosen.pop("fallbacks", None):
            chosen["fallbacks"] = [FakeProvider(TOKENS)]
        log, stream = await play(provider, **chosen)
        assert log.names == expected
        assert len({event.stream_id for event in log.events}) == 1
        stamps = [event.ts for event in log.events]
        assert stamps == sorted(stamps)
        summary = log.meta("SESSION_SUMMARY")
        assert (summary["outcome"], summary["tokenCount"]) == (stream.state.outcome, stream.state.token_count)

    run(main())


@pytest.mark.parametrize("door", ["abort", "cancel"])
def test_the_order_of_leaving(door: str) -> None:
    async def main() -> None:
        log = Log()
        provider = FakeProvider(TOKENS, [Mishap("stall", 1)])
        stream = await l0.run(provider, adapter=provider, **log.options())
        task = asyncio.ensure_future(stream.read())
        await asyncio.sleep(1)
        stream.abort() if door == "abort" else task.cancel()
        await asyncio.wait([task])
        begun = [*START, *BEGIN[:3], *OPEN]
        asked = ["ABORT_REQUESTED", "on_abort"] if door == "abort" else []
        assert log.names == [*begun, *asked, "ABORT_COMPLETED", *END]

    run(main())


def test_a_tool_call_and_the_answers_of_callbacks() -> None:
    async def source() -> Any:
        fragment = {"index": 0, "id": "a", "name": "pay", "arguments": '{"amount": 1}'}
        yield l0.Event(l0.EventType.PROGRESS, data={"tool_call": fragment})

    async def main() -> None:
        log = Log()
        await (await l0.run(source, **log.options())).read()
        at = log.names.index("TOOL_REQUESTED")
        assert log.names[at : at + 4] == ["TOOL_REQUESTED", "TOOL_START", "on_tool_call", "COMPLETE"]

    run(main())


def test_meta_is_camel_case_and_holds_no_content() -> None:
    async def main() -> None:
        secret = "the secret of the prompt"
        error = RuntimeError(secret)
        error.status_code = 503  # type: ignore[attr-defined]
        provider = ContinuingProvider([f"{secret} "] * 3, [Mishap("raise", 2, error), Mishap("refuse", error=error)])
        log, _ = await play(provider, continue_from_last_good_token=True)
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


def test_every_event_of_the_consumers_can_be_watched() -> None:
    async def main() -> None:
        seen: list[l0.Event] = []
        provider = FakeProvider(TOKENS, [Mishap("raise", 2)])
        stream = await l0.run(provider, adapter=provider, retry=FAST, on_stream_event=seen.append)
        got = [event async for event in stream]
        assert seen == got
        provider = FakeProvider(TOKENS, [Mishap("stall", 1)])
        stream = await l0.run(
            provider, adapter=provider, retry=l0.Retry(max_retries=0), on_stream_event=seen.append,
            timeout=l0.Timeout(inter_token=1000),
        )  # fmt: skip
        with pytest.raises(l0.TimeoutError):
            await stream.read()
        provider = FakeProvider(TOKENS, pace=0.1)
        async with await l0.run(provider, adapter=provider, on_stream_event=seen.append) as stream:
            async for _ in stream:
                break
        assert provider.open == 0

    run(main())


def test_a_sink_gets_every_event_numbered_and_all_the_text() -> None:
    got: list[Envelope] = []
    sizes: list[int] = []

    class Store:
        @hookimpl
        def store_event(self) -> Sink:
            async def write(batch: Any) -> None:
                await asyncio.sleep(0)
                sizes.append(len(batch))
                got.extend(batch)

            return Sink(write, tokens=True)

    async def main() -> None:
        tokens = [f"{i} " for i in range(500)]
        provider = FakeProvider(tokens, texts=[tokens[:100], tokens])
        provider.mishaps = (Mishap("raise", 100),)
        stream = await l0.run(provider, adapter=provider, retry=FAST, plugins=[Store])
        await stream.read()
        assert [envelope.seq for envelope in got] == list(range(len(got)))
        assert {envelope.stream_id for envelope in got} == {stream._session.stream_id}
        text, place = "", 0
        for envelope in got:
            if envelope.event.type == "TOKEN":
                assert envelope.event.meta["index"] == place
                assert len(envelope.event.meta["tokens"]) <= 60
                place += len(envelope.event.meta["tokens"])
                text += "".join(envelope.event.meta["tokens"])
        assert text == stream.state.content == "".join(tokens)
        assert got[-1].event.type == "SESSION_END"

    run(main())


def test_a_sink_without_tokens_gets_no_text() -> None:
    got: list[Envelope] = []

    class Store:
        @hookimpl
        def store_event(self) -> Sink:
            return Sink(got.extend)

    async def main() -> None:
        provider = FakeProvider(TOKENS)
        await (await l0.run(provider, adapter=provider, plugins=[Store])).read()
        assert "TOKEN" not in [envelope.event.type.value for envelope in got]
        assert not any(token in repr(got) for token in TOKENS)

    run(main())
