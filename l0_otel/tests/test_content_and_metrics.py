"""What leaves the process: names, numbers and times, and content only for those who ask for it."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import l0
import pytest
from l0_testing import FakeProvider, Mishap
from l0_testing.virtual import run
from opentelemetry import trace

from l0_otel import OtelMonitor, plugin

CANARY = "canary-5f1d"
VARIABLE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
FAST = l0.Retry(base_delay=0)


class Talkative:
    """Speaks of everything that there is, and a canary is in all of it. The first two attempts fail."""

    def __init__(self) -> None:
        self.opened = 0

    async def __call__(self) -> AsyncIterator[Any]:
        self.opened += 1
        if self.opened == 1:
            raise ConnectionError(f"https://{CANARY}@host/v1?key={CANARY} refused")
        return self._answer()

    async def _answer(self) -> AsyncIterator[Any]:
        call = {"index": 0, "id": CANARY, "name": CANARY, "arguments": json.dumps({"to": CANARY})}
        yield l0.Event(l0.EventType.REASONING, f"I think of {CANARY}. ")
        yield l0.Event(l0.EventType.TOKEN, f"The answer is {CANARY}. ")
        yield l0.Event(l0.EventType.TOKEN, "That is all. ")
        if self.opened == 2:
            raise RuntimeError(f"invalid prompt: {CANARY}")
        yield l0.Event(l0.EventType.REFUSAL, f"I will not say {CANARY}. ")
        yield l0.Event(l0.EventType.PROGRESS, data={"tool_call": call})
        yield l0.Event(
            l0.EventType.COMPLETE,
            usage={"input_tokens": 7, "output_tokens": 11},
            data={"finish_reason": "stop"},
        )


def objects(state: l0.State) -> list[l0.Violation]:
    return [l0.Violation("tone", f"It says {CANARY}", severity="warning", suggestion=CANARY, context={"t": CANARY})]


CONTEXT = {
    "model": "gpt-4o",
    "provider": "acme",
    "user": CANARY,
    "headers": {"authorization": CANARY},
    "gen_ai.input.messages": [{"role": "user", "parts": [{"type": "text", "content": f"What of {CANARY}?"}]}],
}


async def talk(monitor: OtelMonitor) -> None:
    stream = await l0.run(
        Talkative(),
        adapter="event",
        retry=FAST,
        context=CONTEXT,
        guardrails=[l0.GuardrailRule("tone", objects, streaming=False)],
        plugins=[monitor],
    )
    await stream.read()


@pytest.mark.parametrize("semconv", ["latest", "v1_36"])
def test_no_content_leaves_by_default(recorder: Any, caplog: Any, semconv: str) -> None:
    caplog.set_level(logging.INFO)
    run(talk(recorder.monitor(semconv=semconv)))
    assert len(recorder.attempts()) == 3
    assert CANARY not in recorder.everything()
    assert CANARY not in caplog.text


def test_no_content_of_a_stream_that_fails_leaves_by_default(recorder: Any) -> None:
    async def main() -> None:
        provider = FakeProvider((CANARY, CANARY), [Mishap("raise", 1, ConnectionError(CANARY))])
        stream = await l0.run(
            provider, adapter=provider, retry=l0.Retry(max_retries=0), context=CONTEXT, plugins=[recorder.monitor()]
        )
        with pytest.raises(ConnectionError):
            await stream.read()

    run(main())
    assert recorder.operation.attributes["error.type"] == "ConnectionError"
    assert CANARY not in recorder.everything()


@pytest.mark.parametrize("by", ["option", "variable"])
def test_content_is_on_the_operations_span_for_those_who_ask_for_it(
    recorder: Any, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    if by == "variable":
        monkeypatch.setenv(VARIABLE, "true")
    run(talk(recorder.monitor(capture_content=True) if by == "option" else recorder.monitor()))
    told = recorder.operation.attributes
    prompt, answer = (json.loads(told[f"gen_ai.{side}.messages"]) for side in ("input", "output"))
    assert prompt == CONTEXT["gen_ai.input.messages"]
    (message,) = answer
    assert (message["role"], message["finish_reason"]) == ("assistant", "stop")
    assert [part["type"] for part in message["parts"]] == ["reasoning", "text", "text", "tool_call"]
    assert message["parts"][1]["content"] == f"The answer is {CANARY}. That is all. "
    assert message["parts"][3]["arguments"] == json.dumps({"to": CANARY})
    errors = [event for span in recorder.attempts() for event in span.events if event.name == "exception"]
    assert [event.attributes["exception.type"] for event in errors] == ["ConnectionError", "RuntimeError"]
    assert f"invalid prompt: {CANARY}" in errors[1].attributes["exception.message"]


def test_an_option_goes_before_the_environment(recorder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "true")
    run(talk(recorder.monitor(capture_content=False)))
    assert CANARY not in recorder.everything()


def test_what_a_plugin_tells_of_itself_stays_here_but_for_what_is_listed(recorder: Any, fed: Any) -> None:
    fed(
        recorder.monitor(),
        ("ATTEMPT_START", {"attempt": 1, "note": CANARY}),
        ("GUARDRAIL_RULE_RESULT", {"ruleId": "tone", "passed": False, "text": CANARY, "violation": {"text": CANARY}}),
        ("RESET", {"keep": CANARY}),
        ("TOOL_REQUESTED", {"toolName": CANARY}),
        ("SESSION_END", {"outcome": "complete"}),
    )
    assert CANARY not in recorder.everything()


def test_the_latest_names_are_those_of_the_pinned_conventions(recorder: Any) -> None:
    run(talk(recorder.monitor()))
    told = recorder.operation.attributes
    assert recorder.operation.name == "chat gpt-4o"
    assert told["gen_ai.operation.name"] == "chat"
    assert told["gen_ai.request.model"] == "gpt-4o"
    assert told["gen_ai.provider.name"] == "acme"
    assert told["gen_ai.request.stream"] is True
    assert told["gen_ai.response.finish_reasons"] == ("stop",)
    assert (told["gen_ai.usage.input_tokens"], told["gen_ai.usage.output_tokens"]) == (7, 11)
    assert told["gen_ai.response.time_to_first_chunk"] >= 0
    for side, count in (("input", 7), ("output", 11)):
        (point,) = recorder.points(f"gen_ai.client.inference.usage.{side}_tokens")
        assert point.value == count
        assert point.attributes == {
            "gen_ai.operation.name": "chat",
            "gen_ai.request.model": "gpt-4o",
            "gen_ai.provider.name": "acme",
            "gen_ai.token.modality": "unknown",
            "l0.attempt.outcome": "succeeded",
        }
    assert recorder.points("gen_ai.client.token.usage") == []


def test_the_names_of_1_36_are_those_of_that_version(recorder: Any) -> None:
    run(talk(recorder.monitor(semconv="v1_36")))
    told = recorder.operation.attributes
    assert told["gen_ai.system"] == "acme"
    newer = {"gen_ai.provider.name", "gen_ai.request.stream", "gen_ai.response.time_to_first_chunk"}
    assert not newer & set(told)
    sums = {point.attributes["gen_ai.token.type"]: point.sum for point in recorder.points("gen_ai.client.token.usage")}
    assert sums == {"input": 7, "output": 11}
    assert [point.count for point in recorder.points("gen_ai.client.operation.duration")] == [1]
    assert [point.count for point in recorder.points("l0.time_to_first_token")] == [1]
    assert recorder.points("gen_ai.client.inference.duration") == []


def test_attempts_have_no_attribute_by_which_they_would_count_as_operations(recorder: Any) -> None:
    run(talk(recorder.monitor(capture_content=True)))
    keys = {key for span in recorder.attempts() for key in span.attributes}
    assert not [key for key in keys if key.startswith("gen_ai.")]


def test_durations_are_measured_in_seconds_of_the_stream(recorder: Any) -> None:
    provider = FakeProvider(("one ", "two ", "three "), pace=2)

    async def main() -> None:
        stream = await l0.run(provider, adapter=provider, plugins=[recorder.monitor()])
        await stream.read()

    run(main())
    measured = {
        name: recorder.points(name)[0]
        for name in (
            "gen_ai.client.inference.duration",
            "gen_ai.client.inference.time_to_first_chunk",
            "l0.time_per_output_token",
        )
    }
    assert all(point.count == 1 for point in measured.values())
    assert [point.sum for point in measured.values()] == pytest.approx([8, 2, 3], abs=0.1)
    assert measured["gen_ai.client.inference.duration"].attributes == {
        "gen_ai.operation.name": "chat",
        "l0.outcome": "complete",
    }
    assert measured["gen_ai.client.inference.duration"].explicit_bounds[:3] == (0.01, 0.02, 0.04)


def test_a_failure_is_measured_with_its_type(recorder: Any) -> None:
    provider = FakeProvider(("one ", "two "), [Mishap("refuse")])

    async def main() -> None:
        stream = await l0.run(provider, adapter=provider, retry=l0.Retry(max_retries=0), plugins=[recorder.monitor()])
        with pytest.raises(ConnectionResetError):
            await stream.read()

    run(main())
    (point,) = recorder.points("gen_ai.client.inference.duration")
    assert point.attributes["error.type"] == "ConnectionResetError"
    assert recorder.points("gen_ai.client.inference.time_to_first_chunk") == []


def test_the_usage_of_a_failed_attempt_is_counted_and_labeled_where_it_is_known(recorder: Any, fed: Any) -> None:
    fed(
        recorder.monitor(),
        ("ATTEMPT_START", {"attempt": 1}),
        ("ERROR", {"error": "GuardrailViolationError", "usage": {"input_tokens": 5, "output_tokens": 3}}),
        ("ATTEMPT_START", {"attempt": 2}),
        ("FINALIZATION_START", {}),
        ("SESSION_END", {"outcome": "complete"}),
        state=l0.State(usage={"input_tokens": 5, "output_tokens": 4}),
    )
    points = recorder.points("gen_ai.client.inference.usage.output_tokens")
    assert {point.attributes["l0.attempt.outcome"]: point.value for point in points} == {"failed": 3, "succeeded": 4}


def test_a_stream_that_is_taken_up_has_no_time_to_a_first_token(recorder: Any, fed: Any) -> None:
    fed(
        recorder.monitor(),
        ("ATTEMPT_START", {"attempt": 2}),
        ("FINALIZATION_START", {}),
        ("SESSION_END", {"outcome": "complete"}),
        state=l0.State("text ", first_token_at=1.0, last_token_at=2.0, token_count=9),
    )
    assert "gen_ai.response.time_to_first_chunk" not in recorder.operation.attributes
    assert recorder.points("l0.time_per_output_token") == []


def test_a_version_that_there_is_not_is_refused() -> None:
    with pytest.raises(ValueError, match="must be one of latest, v1_36"):
        OtelMonitor.Options(semconv="v9")  # type: ignore[arg-type]


def test_an_application_without_a_tracer_provider_is_told_so_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)
    plugin._say_that_nothing_is_traced.cache_clear()
    provider = FakeProvider(("one ", "two "), [Mishap("refuse")])

    async def main() -> None:
        for _ in range(2):
            stream = await l0.run(provider, adapter=provider, retry=FAST, plugins=[OtelMonitor])
            assert await stream.read() == "one two "

    run(main())
    assert caplog.text.count("no tracer provider is set") == 1
    caplog.clear()
    plugin._say_that_nothing_is_traced.cache_clear()
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    run(main())
    assert caplog.text == ""
