"""A pipeline that is cut short, by its time or from outside: what was done stays, and nothing stays open."""

from __future__ import annotations

import asyncio
import builtins
import os
import random
from typing import Any

import l0
import pytest
from l0_pipeline import (
    Pipeline,
    PipelineOptions,
    PipelineStep,
    StepContext,
    chain_pipelines,
    parallel_pipelines,
    pipe,
)
from l0_testing import FakeProvider, LeakCheck, Mishap

CASES = int(os.environ.get("L0_TEST_CASES", "400"))
QUICK = l0.Retry(attempts=9, max_retries=9, base_delay=0.5, max_delay=0.5)


def wordy(rng: random.Random, number: int) -> FakeProvider:
    """A provider that says its number and some letters, and whose first attempt may fail on the way."""
    tokens = [str(number), *"abcdefgh"[: rng.randint(0, 8)]]
    mishap = rng.choice([None, Mishap("raise", at=rng.randint(0, len(tokens))), Mishap("no_answer")])
    return FakeProvider(tokens, [mishap], pace=rng.choice([0.0, 0.1, 1.0]), steps=rng.randint(0, 3))


def relayed(provider: FakeProvider) -> Any:
    return lambda: l0.run(provider, retry=QUICK)


def steps_of(rng: random.Random, providers: list[FakeProvider]) -> list[PipelineStep[Any, Any]]:
    """Steps in two forms: one that the runtime opens, and one that is dependable in itself."""

    def step(provider: FakeProvider) -> PipelineStep[Any, Any]:
        factory = rng.choice([provider, relayed(provider)])
        return PipelineStep(provider.tokens[0], lambda text, ctx: factory)

    return [step(provider) for provider in providers]


def test_at_whatever_moment_time_is_up_what_was_done_is_kept(virtual_run: Any) -> None:
    seed = random.randrange(2**32)
    rng = random.Random(seed)
    cut_short = 0
    for case in range(CASES):
        where = f"seed {seed}, case {case}"
        providers = [wordy(rng, number) for number in range(rng.randint(1, 4))]
        options = PipelineOptions(
            timeout=rng.uniform(0.001, 20),
            stop_on_error=rng.random() < 0.5,
            retry=QUICK,
            stream_timeout=l0.Timeout(2000, 2000),
        )
        result = virtual_run(pipe(steps_of(rng, providers), "x", options))
        assert [provider.open for provider in providers] == [0] * len(providers), where
        assert [step.step_index for step in result.steps] == list(range(len(result.steps))), where
        if result.status == "success":
            assert len(result.steps) == len(providers), where
            continue
        cut_short += 1
        *done, last = result.steps
        assert (result.status, result.output) == ("error", None), where
        assert type(result.error) is builtins.TimeoutError, where
        assert (last.status, last.error) == ("error", result.error), where
        assert providers[len(done)].text.startswith(last.raw_content), where
        for step, provider in zip(done, providers, strict=False):
            assert (step.status, step.raw_content, step.output) == ("success", provider.text, provider.text), where
    assert cut_short > CASES / 10


def test_at_whatever_moment_it_is_cancelled_nothing_is_left(virtual_run: Any) -> None:
    seed = random.randrange(2**32)
    rng = random.Random(seed)
    contexts: list[StepContext] = []

    def looking(step: PipelineStep[Any, Any]) -> PipelineStep[Any, Any]:
        function = step.fn

        def looks(text: str, ctx: StepContext) -> Any:
            contexts.append(ctx)
            return function(text, ctx)

        step.fn = looks
        return step

    async def main(pipelines: list[Pipeline], seconds: float) -> bool:
        async def work() -> Any:
            if len(pipelines) == 1:
                return await pipelines[0].run("x")
            return await parallel_pipelines(pipelines, "x", lambda results: results)

        task = asyncio.get_running_loop().create_task(work())
        await asyncio.sleep(seconds)
        if task.done():
            return False
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return True

    cancelled = 0
    for case in range(CASES):
        contexts.clear()
        groups = [[wordy(rng, number) for number in range(rng.randint(1, 3))] for _ in range(rng.randint(1, 3))]
        options = PipelineOptions(retry=QUICK, timeout=100)
        pipelines = [Pipeline(map(looking, steps_of(rng, providers)), options) for providers in groups]
        if rng.random() < 0.3:
            pipelines = [chain_pipelines(*pipelines)]
        was_cancelled = virtual_run(main(pipelines, rng.uniform(0.001, 8)))
        assert not any(provider.open for providers in groups for provider in providers), f"seed {seed}, case {case}"
        if was_cancelled:
            cancelled += 1
            assert any(ctx.cancelled for ctx in contexts), f"seed {seed}, case {case}"
    assert cancelled > CASES / 10


def test_no_task_timer_or_connection_outlives_a_pipeline_that_is_cut_short(virtual_run: Any) -> None:
    async def main() -> None:
        async with LeakCheck():
            for pace in (0.0, 1.0):
                provider = FakeProvider("abc", [Mishap("stall", at=2)], pace=pace, steps=3)
                await pipe([PipelineStep("s", lambda text, ctx: provider)], "x", PipelineOptions(timeout=10))  # noqa: B023
                assert provider.open == 0

    virtual_run(main())


def test_what_a_transform_was_given_is_kept_when_time_is_up_within_it(virtual_run: Any) -> None:
    async def never(text: str, ctx: StepContext) -> Any:
        await asyncio.get_running_loop().create_future()

    step = PipelineStep("s", lambda text, ctx: FakeProvider("abc"), transform=never)
    result = virtual_run(pipe([step], "x", PipelineOptions(timeout=1)))
    assert (result.status, result.steps[0].raw_content, result.steps[0].output) == ("error", "abc", None)
    assert result.steps[0].token_count == 3


def test_a_step_in_a_thread_is_told_that_it_is_cut_short(virtual_run: Any) -> None:
    seen: list[bool] = []

    async def step(text: str, ctx: StepContext) -> Any:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            seen.append(ctx.cancelled)

    virtual_run(pipe([PipelineStep("s", step)], "x", PipelineOptions(timeout=1)))
    assert seen == [True]


def test_callbacks_are_told_of_the_time_being_up(virtual_run: Any) -> None:
    told: list[Any] = []
    step = PipelineStep(
        "s", lambda text, ctx: FakeProvider("abc", pace=1), on_error=lambda error, ctx: told.append(("step", error))
    )
    options = PipelineOptions(
        timeout=1.5,
        stop_on_error=False,
        on_error=lambda error, index: told.append((index, error)),
        on_complete=lambda result: told.append(("complete", result.error)),
    )
    result = virtual_run(pipe([step, step], "x", options))
    assert result.status == "error"
    assert told == [("step", result.error), (0, result.error), ("complete", result.error)]


def test_time_that_is_up_between_steps_is_an_error_too(virtual_run: Any) -> None:
    told: list[int] = []

    async def lasts(index: int, total: int) -> None:
        await asyncio.sleep(2 * index)

    options = PipelineOptions(timeout=1, on_progress=lasts, on_error=lambda error, index: told.append(index))
    result = virtual_run(pipe([PipelineStep(name, lambda text, ctx: text) for name in "ab"], "x", options))
    assert (result.status, str(result.error)) == ("error", "Pipeline timeout after 1s")
    assert [step.status for step in result.steps] == ["success"]
    assert told == [0]


def test_an_error_of_the_step_itself_is_no_timeout_of_the_pipeline() -> None:
    def step(text: str, ctx: StepContext) -> Any:
        raise TimeoutError("mine")

    result = asyncio.run(pipe([PipelineStep("s", step)], "x", PipelineOptions(timeout=60)))
    assert (result.status, str(result.error), result.steps[0].status) == ("error", "mine", "error")


@pytest.mark.parametrize(("chain", "part", "message"), [(3.5, 9, "3.5s"), (9, 1.5, "1.5s"), (1.5, 1.5, "1.5s")])
def test_a_chain_and_its_pipelines_have_time_of_their_own(
    chain: float, part: float, message: str, virtual_run: Any
) -> None:
    providers = [FakeProvider("abc", pace=1.0, finish_reason="stop") for _ in range(3)]
    told: list[Any] = []

    def pipeline(name: str, *steps: FakeProvider, **options: Any) -> Pipeline:
        made = [PipelineStep(name, lambda text, ctx, provider=step: provider) for step in steps]
        return Pipeline(made, PipelineOptions(name, **options))

    first = pipeline("p", FakeProvider("12"))
    second = pipeline("q", *providers, timeout=part, on_complete=lambda result: told.append(result.status))
    chained = chain_pipelines(first, second, pipeline("r", FakeProvider("z")))
    chained.options.timeout = chain
    chained.options.on_error = lambda error, index: told.append(index)

    result = virtual_run(chained.run("x"))
    assert (result.status, str(result.error)) == ("error", f"Pipeline timeout after {message}")
    assert [(step.step_index, step.status, step.raw_content) for step in result.steps] == [
        (0, "success", "12"),
        (1, "error", "abc" if chain == 3.5 else "a"),
    ]
    assert [provider.open for provider in providers] == [0, 0, 0]
    # Whose time is not up is cancelled, and has no result.
    assert told == ([1, "error"] if part < chain else [1])
