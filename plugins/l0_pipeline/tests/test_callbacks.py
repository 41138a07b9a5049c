"""Callbacks may be async, are awaited in their order, and change nothing by what they raise."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from l0_pipeline import PipelineOptions, PipelineStep, StepContext, create_branch_step, pipe
from l0_testing import FakeProvider

SECRET = "a secret of the prompt"


def broken(text: Any, ctx: StepContext) -> Any:
    raise ValueError("broken")


def everywhere(callback: Any) -> tuple[list[PipelineStep[Any, Any]], PipelineOptions]:
    """Steps and options with one callback in every place, of which one step fails."""
    steps = [
        PipelineStep("a", lambda text, ctx: FakeProvider("abc"), on_complete=callback, on_error=callback),
        PipelineStep("b", broken, on_complete=callback, on_error=callback),
    ]
    return steps, PipelineOptions(on_start=callback, on_complete=callback, on_error=callback, on_progress=callback)


def raises(*args: Any) -> None:
    raise KeyError(SECRET)


async def raises_later(*args: Any) -> None:
    await asyncio.sleep(0)
    raise KeyError(SECRET)


async def cancels_itself(*args: Any) -> None:
    raise asyncio.CancelledError


@pytest.mark.parametrize(
    ("callback", "name"), [(raises, "KeyError"), (raises_later, "KeyError"), (cancels_itself, "CancelledError")]
)
def test_what_callbacks_raise_is_logged_by_its_type_and_changes_nothing(
    callback: Any, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "l0")
    steps, options = everywhere(callback)
    result = asyncio.run(pipe(steps, "x", options))
    assert (result.status, str(result.error)) == ("error", "broken")
    assert [(step.status, step.raw_content) for step in result.steps] == [("success", "abc"), ("error", "")]
    messages = [record.getMessage() for record in caplog.records if "callback" in record.getMessage()]
    assert messages == [f"a callback of a pipeline raised {name}; the pipeline goes on"] * 7
    assert SECRET not in caplog.text


def test_async_callbacks_are_awaited_before_the_pipeline_goes_on(virtual_run: Any) -> None:
    told: list[Any] = []

    async def slowly(*args: Any) -> None:
        told.append("begins")
        await asyncio.sleep(1)
        told.append("ends")

    steps, options = everywhere(slowly)
    virtual_run(pipe(steps, "x", options))
    assert told == ["begins", "ends"] * 7


def test_async_conditions_and_transforms_are_awaited() -> None:
    async def no(text: str, ctx: StepContext) -> bool:
        return False

    async def upper(text: str, ctx: StepContext) -> str:
        return text.upper()

    steps = [
        PipelineStep("a", broken, condition=no),
        PipelineStep("b", lambda text, ctx: FakeProvider("abc"), transform=upper),
        create_branch_step("c", no, broken, lambda text, ctx: text + "!"),
    ]
    result = asyncio.run(pipe(steps, "x"))
    assert (result.output, [step.status for step in result.steps]) == ("ABC!", ["skipped", "success", "success"])


@pytest.mark.parametrize(
    "step",
    [
        PipelineStep("s", lambda text, ctx: text, condition=broken),
        PipelineStep("s", lambda text, ctx: text, transform=broken),
        create_branch_step("s", broken, lambda text, ctx: text, lambda text, ctx: text),
    ],
    ids=["condition", "transform", "branch"],
)
def test_what_conditions_and_transforms_raise_is_an_error_of_the_step(step: Any) -> None:
    result = asyncio.run(pipe([step], "x"))
    assert (result.status, str(result.error), result.steps[0].status) == ("error", "broken", "error")


def test_a_transform_that_raises_leaves_the_content() -> None:
    result = asyncio.run(pipe([PipelineStep("s", lambda text, ctx: FakeProvider("abc"), transform=broken)], "x"))
    step = result.steps[0]
    assert (step.status, step.output, step.raw_content, step.token_count) == ("error", None, "abc", 3)


def test_a_callback_can_cancel_the_pipeline() -> None:
    provider = FakeProvider("abc")

    async def main() -> None:
        task = asyncio.current_task()
        assert task is not None
        options = PipelineOptions(on_progress=lambda index, total: task.cancel(), on_start=cancels_itself)
        await pipe([PipelineStep("s", lambda text, ctx: provider)], "x", options)

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(main())
    assert provider.open == 0
