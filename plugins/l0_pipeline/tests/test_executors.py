"""With another executor the functions and streams of steps run there, and plain data comes back."""

from __future__ import annotations

import asyncio
import pickle
import threading
from collections.abc import Callable
from typing import Any

import l0
import pytest
from l0_pipeline import (
    PipelineOptions,
    PipelineStep,
    StepContext,
    create_branch_step,
    create_pipeline,
    create_step,
    parallel_pipelines,
    pipe,
)
from l0_testing import FakeProvider, Mishap

ONCE = l0.Retry(attempts=0, max_retries=0)
NOW = l0.Retry(base_delay=0, max_delay=0)


class Elsewhere:
    """Takes tasks to an event loop of another thread, and brings back what comes of them: as bytes both ways."""

    def __init__(self) -> None:
        self.taken: list[str] = []
        self.brought_back: list[Any] = []

    async def run(self, task: Callable[[], Any]) -> Any:
        self.taken.append(type(task).__name__)
        there = pickle.dumps(task)
        value, error = pickle.loads(await asyncio.to_thread(work, there))
        if error is not None:
            raise error
        self.brought_back.append(value)
        return value


def work(task: bytes) -> bytes:
    async def main() -> Any:
        return await pickle.loads(task)()

    try:
        return pickle.dumps((asyncio.run(main()), None))
    except Exception as error:
        return pickle.dumps((None, error))


class Waits:
    """Never brings anything back."""

    async def run(self, task: Callable[[], Any]) -> Any:
        await asyncio.get_running_loop().create_future()


# Steps by their names, as executors need them.


def shouts(text: str, ctx: StepContext) -> FakeProvider:
    assert threading.current_thread() is not threading.main_thread()
    return FakeProvider([*text.upper(), "!"], [Mishap("raise", at=1)])


async def breaks(text: str, ctx: StepContext) -> Any:
    yield "some "
    yield "text"
    raise ValueError("broken there")


def says(text: str) -> Any:
    return FakeProvider([text])()


def counted(number: int, ctx: StepContext) -> int:
    return number + len(ctx.previous_results)


def is_long(text: str, ctx: StepContext) -> bool:
    return len(text) > 3


def test_each_step_is_one_task_and_plain_data_comes_back() -> None:
    elsewhere, here = Elsewhere(), threading.current_thread()
    told: list[Any] = []

    def length(text: str, ctx: StepContext) -> int:
        assert threading.current_thread() is here
        return len(text)

    steps = [
        PipelineStep("shout", shouts, transform=length, on_complete=lambda result, ctx: told.append(result.output)),
        PipelineStep("skipped", shouts, condition=lambda number, ctx: False),
        PipelineStep("count", counted),
    ]
    result = asyncio.run(pipe(steps, "abc", PipelineOptions(retry=NOW), executor=elsewhere))
    assert (result.error, result.status, result.output, told) == (None, "success", 6, [4])
    first = result.steps[0]
    assert (first.raw_content, first.token_count, first.stream.network_retry_count) == ("ABC!", 4, 1)
    assert first.stream.outcome == "complete"
    assert elsewhere.taken == ["StepTask"] * 2
    assert not any(isinstance(value, l0.Stream) for value in elsewhere.brought_back)


def test_what_steps_are_made_of_can_be_taken_elsewhere() -> None:
    branch = create_branch_step("branch", is_long, PipelineStep("long", shouts), PipelineStep("short", says_short))
    steps = [create_step("said", str.strip, says), branch]
    results = [
        asyncio.run(pipe(steps, text, PipelineOptions(retry=NOW), executor=Elsewhere())).output
        for text in (" long text ", " x ")
    ]
    assert results == ["LONG TEXT!", "short x"]


def says_short(text: str, ctx: StepContext) -> str:
    return f"short {text}"


def test_an_error_from_elsewhere_brings_what_there_was() -> None:
    result = asyncio.run(pipe([PipelineStep("s", breaks, retry=ONCE)], "x", executor=Elsewhere()))
    assert (type(result.error), str(result.error)) == (ValueError, "broken there")
    assert (result.steps[0].status, result.steps[0].raw_content) == ("error", "some text")


def test_time_is_up_for_steps_elsewhere_too(virtual_run: Any) -> None:
    steps = [PipelineStep("s", shouts)]
    result = virtual_run(pipe(steps, "x", PipelineOptions(timeout=1), executor=Waits()))
    assert (result.status, str(result.error)) == ("error", "Pipeline timeout after 1s")
    assert [(step.status, step.raw_content) for step in result.steps] == [("error", "")]


def test_pipelines_side_by_side_share_an_executor() -> None:
    elsewhere = Elsewhere()
    pipelines = [create_pipeline([PipelineStep(name, shouts)], PipelineOptions(name, retry=NOW)) for name in "pq"]
    outputs = asyncio.run(
        parallel_pipelines(pipelines, "x", lambda results: [result.output for result in results], executor=elsewhere)
    )
    assert (outputs, elsewhere.taken) == (["X!", "X!"], ["StepTask"] * 2)


def test_an_executor_that_is_not_installed_is_refused_before_anything_runs() -> None:
    told: list[Any] = []
    options = PipelineOptions(on_start=told.append)
    with pytest.raises(ValueError, match="no executor named 'nowhere' is installed"):
        asyncio.run(pipe([PipelineStep("s", shouts)], "x", options, executor="nowhere"))
    assert told == []
