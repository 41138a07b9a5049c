"""Pipelines one after the other, and side by side."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from l0_pipeline import (
    Pipeline,
    PipelineOptions,
    PipelineStep,
    StepContext,
    chain_pipelines,
    create_pipeline,
    parallel_pipelines,
)
from l0_testing import FakeProvider


def asks(question: str) -> Any:
    """A step that asks a model, which answers with what it was asked."""
    return lambda text, ctx: FakeProvider([f"{question}(", *text, ")"])


def broken(text: Any, ctx: StepContext) -> Any:
    raise ValueError("broken")


def named(name: str, *questions: str, **options: Any) -> Pipeline:
    steps = [PipelineStep(question, broken if question == "!" else asks(question)) for question in questions]
    return create_pipeline(steps, PipelineOptions(name, **options))


def test_a_chain_is_one_pipeline() -> None:
    chain = chain_pipelines(named("p", "a", "b"), named("q", "c"))
    assert chain.name == "p -> q"
    assert [step.name for step in chain.steps] == ["a", "b", "c"]
    result = asyncio.run(chain.run("x"))
    assert (result.name, result.output, result.status) == ("p -> q", "c(b(a(x)))", "success")
    assert [(step.step_name, step.step_index) for step in result.steps] == [("a", 0), ("b", 1), ("c", 2)]


def test_the_options_of_each_pipeline_of_a_chain_hold() -> None:
    told: list[Any] = []
    first = named("p", "!", "a", stop_on_error=False, on_progress=lambda *args: told.append(("p", *args)))
    second = named("q", "b", "!", "c", on_error=lambda error, index: told.append(("q", index)))
    third = named("r", "d")
    chain = chain_pipelines(first, second, third)
    chain.options.on_progress = lambda *args: told.append(("chain", *args))
    chain.options.on_error = lambda error, index: told.append(("chain", index))

    result = asyncio.run(chain.run("x"))
    assert result.status == "error"
    assert [(step.step_name, step.status, step.step_index) for step in result.steps] == [
        ("!", "error", 0),
        ("a", "success", 1),
        ("b", "success", 2),
        ("!", "error", 3),
    ]
    assert told == [
        ("p", 0, 2), ("chain", 0, 6), ("chain", 0), ("p", 1, 2), ("chain", 1, 6),
        ("chain", 2, 6), ("chain", 3, 6), ("q", 1), ("chain", 3),
    ]  # fmt: skip

    chain.options.stop_on_error = False
    result = asyncio.run(chain.run("x"))
    assert (result.status, result.output) == ("partial", "d(a(x))")
    assert [step.step_index for step in result.steps] == [0, 1, 2, 3, 5]


def test_a_chain_is_changed_like_a_pipeline_and_its_parts_are_copies() -> None:
    first, second = named("p", "a", "b"), named("q", "c")
    chain = chain_pipelines(first, second)
    chain.remove_step("a")
    chain.add_step(PipelineStep("d", asks("d")))
    clone = chain.clone()
    clone.remove_step("b")
    assert asyncio.run(chain.run("x")).output == "d(c(b(x)))"
    assert asyncio.run(clone.run("x")).output == "d(c(x))"
    assert chain.get_step("c") is not None
    assert [step.name for step in (*first.steps, *second.steps)] == ["a", "b", "c"]


def test_chains_can_be_chained() -> None:
    chain = chain_pipelines(chain_pipelines(named("p", "a"), named("q", "b")), named("r", "c"))
    result = asyncio.run(chain.run("x"))
    assert (chain.name, result.output) == ("p -> q -> r", "c(b(a(x)))")
    assert [step.step_index for step in result.steps] == [0, 1, 2]


def test_a_chain_of_nothing_passes_its_input_on() -> None:
    assert asyncio.run(chain_pipelines().run("x")).output == "x"


@pytest.mark.parametrize("asynchronous", [False, True])
def test_pipelines_side_by_side_are_combined_in_their_order(asynchronous: bool, virtual_run: Any) -> None:
    def paced(name: str, pace: float) -> Pipeline:
        return create_pipeline([PipelineStep(name, lambda text, ctx: FakeProvider([name, text], pace=pace))])

    def combine(results: list[Any]) -> Any:
        return [result.output for result in results]

    async def combine_later(results: list[Any]) -> Any:
        return combine(results)

    async def main() -> tuple[Any, float]:
        pipelines = [paced("a", 3.0), paced("b", 1.0), named("c", "!")]
        combined = await parallel_pipelines(pipelines, "x", combine_later if asynchronous else combine)
        return combined, asyncio.get_running_loop().time()

    combined, took = virtual_run(main())
    assert combined == ["ax", "bx", None]
    assert took < 10  # 9 alone, 12 one after the other
