"""Whatever form a step gives its stream, the runtime is behind it: faults are recovered, and no text comes twice."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator, Callable
from typing import Any

import l0
import pytest
from l0_pipeline import PipelineOptions, PipelineStep, StepContext, create_step, pipe
from l0_testing import ContinuingProvider, FakeProvider, LeakCheck, Mishap

TOKENS = ("The ", "tide ", "is ", "the ", "moon's.")
TEXT = "".join(TOKENS)
NOW = l0.Retry(attempts=5, max_retries=9, base_delay=0, max_delay=0)
NEVER = l0.Retry(attempts=0, max_retries=0)
CASES = int(os.environ.get("L0_TEST_CASES", "1000"))
OPTIONS = PipelineOptions(retry=NOW, stream_timeout=l0.Timeout(1000, 1000))


async def text_of(provider: FakeProvider) -> AsyncIterator[str]:
    stream = await provider()
    try:
        async for chunk in stream:
            if isinstance(chunk, str):
                yield chunk
    finally:
        await stream.aclose()


async def events_of(provider: FakeProvider) -> AsyncIterator[l0.Event]:
    async for text in text_of(provider):
        yield l0.Event(l0.EventType.TOKEN, text)


def dependable(provider: FakeProvider) -> Any:
    return l0.run(provider, retry=NOW, timeout=l0.Timeout(1000, 1000))


def as_factory(provider: FakeProvider) -> PipelineStep[Any, Any]:
    async def step(text: str, ctx: StepContext) -> Any:
        return provider

    return PipelineStep("s", step)


def as_factory_of_a_sync_step(provider: FakeProvider) -> PipelineStep[Any, Any]:
    return PipelineStep("s", lambda text, ctx: lambda: provider())


def as_dict(provider: FakeProvider) -> PipelineStep[Any, Any]:
    return PipelineStep("s", lambda text, ctx: {"stream": provider})


def as_raw_stream(provider: FakeProvider) -> PipelineStep[Any, Any]:
    async def step(text: str, ctx: StepContext) -> Any:
        return await provider()

    return PipelineStep("s", step)


def as_generator_of_text(provider: FakeProvider) -> PipelineStep[Any, Any]:
    async def step(text: str, ctx: StepContext) -> AsyncIterator[str]:
        async for piece in text_of(provider):
            yield piece

    return PipelineStep("s", step)


def as_generator_of_events(provider: FakeProvider) -> PipelineStep[Any, Any]:
    async def step(text: str, ctx: StepContext) -> AsyncIterator[l0.Event]:
        async for event in events_of(provider):
            yield event

    return PipelineStep("s", step)


def as_dependable_stream(provider: FakeProvider) -> PipelineStep[Any, Any]:
    async def step(text: str, ctx: StepContext) -> Any:
        return await dependable(provider)

    return PipelineStep("s", step)


def as_factory_of_dependable_streams(provider: FakeProvider) -> PipelineStep[Any, Any]:
    return PipelineStep("s", lambda text, ctx: lambda: dependable(provider))


def as_generator_that_passes_events_on(provider: FakeProvider) -> PipelineStep[Any, Any]:
    async def step(text: str, ctx: StepContext) -> AsyncIterator[l0.Event]:
        async with await dependable(provider) as stream:
            async for event in stream:
                yield event

    return PipelineStep("s", step)


def as_prompted(provider: FakeProvider) -> PipelineStep[Any, Any]:
    return create_step("s", lambda text: text, lambda prompt: provider())


LAZY = [
    as_factory,
    as_factory_of_a_sync_step,
    as_dict,
    as_generator_of_text,
    as_generator_of_events,
    as_dependable_stream,
    as_factory_of_dependable_streams,
    as_generator_that_passes_events_on,
    as_prompted,
]
PROVED = [form for form in LAZY if form not in (as_generator_of_text, as_generator_of_events)]
"""Those of which the end is proved: what a generator of one's own yields ends when it ends."""
DEPENDABLE = [as_dependable_stream, as_factory_of_dependable_streams, as_generator_that_passes_events_on]

Form = Callable[[FakeProvider], PipelineStep[Any, Any]]


def done(virtual_run: Any, form: Form, provider: FakeProvider, options: PipelineOptions = OPTIONS) -> Any:
    async def main() -> Any:
        async with LeakCheck():
            result = await pipe([form(provider)], "x", options)
        assert provider.open == 0
        return result

    return virtual_run(main())


@pytest.mark.parametrize("form", [*LAZY, as_raw_stream])
def test_every_form_has_the_text(form: Form, virtual_run: Any) -> None:
    provider = FakeProvider(TOKENS)
    result = done(virtual_run, form, provider)
    assert result.error is None
    step = result.steps[0]
    assert (step.output, step.raw_content, step.token_count, step.stream.outcome) == (TEXT, TEXT, 5, "complete")
    assert provider.opened == 1


@pytest.mark.parametrize("kind", ["refuse", "no_answer", "raise", "stall", "ping", "empty"])
@pytest.mark.parametrize("form", LAZY)
def test_every_form_recovers_from_faults(form: Form, kind: Any, virtual_run: Any) -> None:
    provider = FakeProvider(TOKENS, [Mishap(kind, at=3), None])
    result = done(virtual_run, form, provider)
    assert result.error is None
    assert (result.output, provider.opened) == (TEXT, 2)


@pytest.mark.parametrize("form", [*PROVED, as_raw_stream])
def test_a_truncated_stream_is_not_taken_for_whole(form: Form, virtual_run: Any) -> None:
    provider = FakeProvider(TOKENS, [Mishap("truncate", at=3)])
    assert done(virtual_run, form, provider).output == TEXT
    assert provider.opened == 2


@pytest.mark.parametrize("form", [*LAZY, as_raw_stream])
def test_text_that_is_withdrawn_within_a_step_is_not_in_its_content(form: Form, virtual_run: Any) -> None:
    other = ("The ", "sea ", "rises.")
    provider = FakeProvider(TOKENS, [Mishap("raise", at=3)], texts=[TOKENS, other, other])
    result = done(virtual_run, form, provider)
    assert (result.output, result.steps[0].raw_content) == ("The sea rises.", "The sea rises.")


def test_whatever_fails_and_restarts_the_content_is_the_last_answer(virtual_run: Any) -> None:
    seed = random.randrange(2**32)
    rng = random.Random(seed)
    kinds = ("refuse", "raise", "stall", "empty")
    for _ in range(CASES):
        form = rng.choice(LAZY)
        texts = [tuple(rng.choices(("a ", "b ", "c ", "dd "), k=rng.randint(1, 8))) for _ in range(9)]
        faults = rng.randint(0, 3)
        mishaps: list[Any] = [Mishap(rng.choice(kinds), at=rng.randint(0, len(text))) for text in texts[:faults]]
        provider = FakeProvider((), mishaps, texts=texts, steps=rng.randint(0, 2))
        result = virtual_run(pipe([form(provider)], "x", OPTIONS))
        assert provider.open == 0
        # A generator that passes on a stream's events cannot go on where text was withdrawn, and is asked again.
        assert result.output == "".join(texts[provider.opened - 1]), f"seed {seed}: {form.__name__} {mishaps} {texts}"


@pytest.mark.parametrize("form", LAZY)
def test_a_stream_that_is_slow_and_not_silent_keeps_its_deadlines(form: Form, virtual_run: Any) -> None:
    provider = FakeProvider(TOKENS, pace=0.6)
    assert done(virtual_run, form, provider).output == TEXT
    assert provider.opened == 1


@pytest.mark.parametrize("form", [*LAZY, as_raw_stream])
def test_a_step_that_fails_for_good_has_the_error_and_what_it_had(form: Form, virtual_run: Any) -> None:
    error = ConnectionResetError("gone")
    provider = FakeProvider(TOKENS, [Mishap("raise", at=2, error=error)] * 100)
    result = done(virtual_run, form, provider)
    assert (result.status, result.error) == ("error", error)
    assert (result.steps[0].raw_content, result.steps[0].output) == ("The tide ", None)


@pytest.mark.parametrize("form", [*PROVED, as_raw_stream])
def test_an_answer_that_the_provider_cut_short_says_so(form: Form, virtual_run: Any) -> None:
    result = done(virtual_run, form, FakeProvider(TOKENS, finish_reason="length"))
    step = result.steps[0]
    assert (step.status, step.output) == ("success", TEXT)
    assert (step.stream.outcome, step.stream.finish_reason) == ("incomplete", "length")


def test_a_stream_that_was_aborted_is_no_success(virtual_run: Any) -> None:
    async def step(text: str, ctx: StepContext) -> Any:
        stream = await l0.run(FakeProvider(TOKENS, pace=1.0))
        asyncio.get_running_loop().call_later(2.5, stream.abort)
        return stream

    result = virtual_run(pipe([PipelineStep("s", step, retry=NEVER)], "x"))
    assert result.status == "error"
    assert isinstance(result.error, l0.Truncated)
    assert result.steps[0].raw_content == "The tide "


def test_a_factory_may_take_the_attempt(virtual_run: Any) -> None:
    provider = ContinuingProvider(TOKENS, [Mishap("raise", at=4)])
    assert done(virtual_run, as_factory, provider).output == TEXT
    assert provider.kept == ["", ""]


# Values.


@pytest.mark.parametrize("value", ["text", "", 7, 0, ["a"], {"a": 1}, False])
@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_value_is_the_output_as_it_is(value: Any, asynchronous: bool) -> None:
    async def later(text: str, ctx: StepContext) -> Any:
        return value

    result = asyncio.run(pipe([PipelineStep("s", later if asynchronous else lambda text, ctx: value)], "x"))
    step = result.steps[0]
    assert (result.status, result.output, step.token_count, step.stream) == ("success", value, 0, None)
    assert step.raw_content == (value if isinstance(value, str) else "")


@pytest.mark.parametrize(
    ("value", "what"),
    [
        (None, "returned nothing; it returns a factory"),
        ((text for text in "ab"), "returned a synchronous generator; it returns a factory"),
        ({"stream": "text"}, "is a str, not a factory"),
    ],
)
def test_what_cannot_be_meant_is_an_error_of_the_step(value: Any, what: str) -> None:
    result = asyncio.run(pipe([PipelineStep("s", lambda text, ctx: value)], "x"))
    assert type(result.error) is TypeError
    assert what in str(result.error)


def test_what_a_function_raises_is_the_error_of_the_step_at_once() -> None:
    calls: list[str] = []

    async def step(text: str, ctx: StepContext) -> Any:
        calls.append(text)
        raise ConnectionResetError("before any stream")

    result = asyncio.run(pipe([PipelineStep("s", step)], "x", OPTIONS))
    assert (str(result.error), calls) == ("before any stream", ["x"])


def test_a_cancellation_that_nobody_asked_for_is_an_error_of_the_step() -> None:
    async def step(text: str, ctx: StepContext) -> Any:
        raise asyncio.CancelledError

    result = asyncio.run(pipe([PipelineStep("s", step), PipelineStep("t", step)], "x", PipelineOptions(retry=NOW)))
    assert (result.status, type(result.error)) == ("error", RuntimeError)
