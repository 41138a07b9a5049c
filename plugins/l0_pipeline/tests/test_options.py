"""The options of the runtime, by step and for all steps; and what observers of the streams are told."""

from __future__ import annotations

import asyncio
from typing import Any

import l0
import pytest
from l0_pipeline import Pipeline, PipelineOptions, PipelineStep, StepContext, chain_pipelines, pipe
from l0_testing import FakeProvider, Mishap

NEVER = l0.Retry(attempts=0, max_retries=0)
NOW = l0.Retry(attempts=3, max_retries=6, base_delay=0, max_delay=0)


def no_a(state: Any) -> list[Any]:
    if "a" not in state.content:
        return []
    return [l0.GuardrailViolation(rule="no_a", message="an a", severity="error", recoverable=True)]


NO_A = l0.GuardrailRule(name="no_a", check=no_a)


def refusing(times: int = 99) -> FakeProvider:
    return FakeProvider("xyz", [Mishap("refuse")] * times)


def run(virtual_run: Any, step: PipelineStep[Any, Any], **options: Any) -> Any:
    return virtual_run(pipe([step], "x", PipelineOptions(**options)))


@pytest.mark.parametrize(("own", "all_", "calls"), [(None, NOW, 7), (NEVER, NOW, 1), (NOW, NEVER, 7), (NEVER, None, 1)])
def test_a_retry_is_the_steps_or_the_pipelines(own: Any, all_: Any, calls: int, virtual_run: Any) -> None:
    provider = refusing()
    result = run(virtual_run, PipelineStep("s", lambda text, ctx: provider, retry=own), retry=all_)
    assert (result.status, provider.opened) == ("error", calls)


@pytest.mark.parametrize(("own", "all_", "calls"), [(None, [NO_A], 4), ([NO_A], None, 4), ([], [NO_A], 1)])
def test_guardrails_are_the_steps_or_the_pipelines(own: Any, all_: Any, calls: int, virtual_run: Any) -> None:
    provider = FakeProvider("bad")
    result = run(virtual_run, PipelineStep("s", lambda t, c: provider, guardrails=own), guardrails=all_, retry=NOW)
    assert (result.status, provider.opened) == ("error" if calls > 1 else "success", calls)
    if calls > 1:
        assert isinstance(result.error, l0.GuardrailViolationError)
        assert result.steps[0].stream.violation_count == 1


@pytest.mark.parametrize("own", [None, l0.Timeout(100, 100)])
def test_a_timeout_is_the_steps_or_the_pipelines(own: Any, virtual_run: Any) -> None:
    provider = FakeProvider("abc", [Mishap("stall", at=1)])

    async def main() -> Any:
        step = PipelineStep("s", lambda text, ctx: provider, timeout=own)
        result = await pipe([step], "x", PipelineOptions(retry=NOW, stream_timeout=l0.Timeout(100, 3000)))
        return result, asyncio.get_running_loop().time()

    result, took = virtual_run(main())
    assert result.output == "abc"
    assert took == pytest.approx(0.1 if own else 3.0, abs=0.01)


@pytest.mark.parametrize("judged", ["bad", "good"])
def test_text_is_judged_where_there_are_guardrails_and_asked_for_again(judged: str, virtual_run: Any) -> None:
    texts = [judged, "good"]
    step = PipelineStep("s", lambda text, ctx: texts.pop(0), guardrails=[NO_A])
    result = run(virtual_run, step, retry=NOW)
    assert (result.output, result.steps[0].raw_content, len(texts)) == ("good", "good", 0 if judged == "bad" else 1)
    assert result.steps[0].stream.model_retry_count == (judged == "bad")


async def generated(text: str, ctx: StepContext) -> Any:
    for letter in text:
        yield letter


@pytest.mark.parametrize(
    "fallback",
    [
        lambda text, ctx: FakeProvider(["said ", text]),
        lambda text, ctx: {"stream": FakeProvider(["said ", text])},
        lambda text, ctx: f"said {text}",
        lambda text, ctx: generated(f"said {text}", ctx),
        lambda text, ctx: l0.run(lambda: generated(f"said {text}", ctx)),
    ],
)
def test_fallbacks_are_step_functions_of_every_form(fallback: Any, virtual_run: Any) -> None:
    provider, second = FakeProvider("xyz", [Mishap("raise", at=2)]), refusing()
    step = PipelineStep("s", lambda text, ctx: provider, fallbacks=[lambda text, ctx: second, fallback], retry=NEVER)
    result = run(virtual_run, step)
    assert (result.error, result.output) == (None, "said x")
    assert result.steps[0].stream.fallback_index == 2
    assert (provider.opened, second.opened, provider.open, second.open) == (1, 1, 0, 0)


def test_a_failing_step_has_what_its_last_source_had(virtual_run: Any) -> None:
    async def breaks(text: str, ctx: StepContext) -> Any:
        yield l0.Event(l0.EventType.TOKEN, "from ")
        yield l0.Event(l0.EventType.TOKEN, ctx.metadata["name"])
        raise ConnectionResetError("gone")

    def plain(text: str, ctx: StepContext) -> FakeProvider:
        return FakeProvider(["plain ", "text"], [Mishap("raise", at=1)] * 9)

    for functions, content in (((breaks, plain), "plain "), ((plain, breaks), "from it")):
        first, second = functions
        step = PipelineStep("s", first, fallbacks=[second], retry=NEVER, metadata={"name": "it"})
        assert run(virtual_run, step).steps[0].raw_content == content


def test_what_cannot_be_run_is_an_error_of_the_step_and_closed(virtual_run: Any) -> None:
    provider = FakeProvider("abc")

    async def step(text: str, ctx: StepContext) -> Any:
        return await provider()

    result = run(virtual_run, PipelineStep("s", step, guardrails=["no such guardrail"]))
    assert result.status == "error"
    assert "no such guardrail" in str(result.error)
    assert (provider.opened, provider.open) == (1, 0)


# Observers.


class Told:
    """Keeps what `on_event` is told."""

    def __init__(self) -> None:
        self.events: list[l0.ObservabilityEvent] = []

    def __call__(self, event: l0.ObservabilityEvent) -> None:
        self.events.append(event)

    def contexts(self) -> list[Any]:
        return [dict(event.context) for event in self.events if event.type.value == "SESSION_START"]


def test_observers_of_streams_see_pipeline_and_step(virtual_run: Any) -> None:
    told = Told()
    steps = [PipelineStep(name, lambda text, ctx: FakeProvider("abc")) for name in "ab"]
    options = PipelineOptions("p", on_event=told, context={"user": 7, "step": "?"})
    virtual_run(pipe(steps, "x", options))
    assert told.contexts() == [{"user": 7, "pipeline": "p", "step": name} for name in "ab"]
    assert options.context == {"user": 7, "step": "?"}


def test_a_pipeline_without_a_name_has_none_in_the_context(virtual_run: Any) -> None:
    told = Told()
    virtual_run(pipe([PipelineStep("a", lambda text, ctx: FakeProvider("abc"))], "x", PipelineOptions(on_event=told)))
    assert told.contexts() == [{"step": "a"}]


def test_the_streams_of_a_chain_have_what_is_open_from_the_chain(virtual_run: Any) -> None:
    told, own = Told(), Told()

    def part(name: str | None, **options: Any) -> Pipeline:
        return Pipeline([PipelineStep("s", lambda t, c: refusing(1))], PipelineOptions(name, retry=NOW, **options))

    chain = chain_pipelines(part("p", context={"k": "own"}), part("q", on_event=own), part(None))
    chain.options.on_event, chain.options.context = told, {"k": "chain"}
    assert virtual_run(chain.run("x")).status == "success"
    assert told.contexts() == [
        {"k": "own", "pipeline": "p", "step": "s"},
        {"k": "chain", "pipeline": "p -> q", "step": "s"},
    ]
    assert own.contexts() == [{"k": "chain", "pipeline": "q", "step": "s"}]
