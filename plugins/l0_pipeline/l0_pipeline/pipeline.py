"""Pipelines: `pipe()` runs steps once, a `Pipeline` as often as it is asked to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from l0_parallel import Executor, drive_of, outcomes

from l0_pipeline.options import PipelineOptions, PipelineResult, copied
from l0_pipeline.runs import Drive, Run, StepsRun
from l0_pipeline.steps import PipelineStep
from l0_pipeline.streams import awaited

__all__ = ["Pipeline", "create_pipeline", "parallel_pipelines", "pipe"]


async def pipe(
    steps: Iterable[PipelineStep[Any, Any]],
    input: Any,
    options: PipelineOptions | None = None,
    *,
    executor: str | Executor = "asyncio",
) -> PipelineResult[Any]:
    """Run steps one after the other, each with the output of the one before, and return what came of them.

    Errors of steps are in the result. Cancelled from outside, it is over when the stream of the step that was running
    is closed. With another executor the functions and streams of steps run where that takes them, a step a task, and
    everything else here.

    Raises TypeError for what is no step, and what `executor` is refused with.
    """
    return await Pipeline(steps, options).run(input, executor=executor)


class Pipeline:
    """Steps and options, to be run any number of times, also side by side.

    The options are a copy of those given; changing them holds for later runs.
    """

    def __init__(
        self, steps: Iterable[PipelineStep[Any, Any]] | None = None, options: PipelineOptions | None = None
    ) -> None:
        self._steps: list[PipelineStep[Any, Any]] = []
        self._options = copied(options)
        for step in steps or ():
            self.add_step(step)

    @property
    def name(self) -> str | None:
        """What the options call it; None without a name."""
        return self._options.name

    @property
    def steps(self) -> list[PipelineStep[Any, Any]]:
        """The steps, in their order. Changing the list holds for later runs."""
        return self._steps

    @property
    def options(self) -> PipelineOptions:
        """The pipeline's own copy. Changing it holds for later runs."""
        return self._options

    async def run(self, input: Any, *, executor: str | Executor = "asyncio") -> PipelineResult[Any]:
        """Run it, as `pipe()` does."""
        return await self._begin(input, drive_of(executor)).whole()

    def add_step(self, step: PipelineStep[Any, Any]) -> Pipeline:
        """Add a step at the end, and return the pipeline. Raises TypeError for what is no step."""
        if not isinstance(step, PipelineStep):
            raise TypeError(f"a pipeline is made of steps, PipelineStep(name, fn), and not of a {type(step).__name__}")
        self._steps.append(step)
        return self

    def remove_step(self, name: str) -> Pipeline:
        """Take out the steps of a name, if there are any, and return the pipeline."""
        self._steps[:] = [step for step in self._steps if step.name != name]
        return self

    def get_step(self, name: str) -> PipelineStep[Any, Any] | None:
        """The first step of a name, or None."""
        return next((step for step in self.steps if step.name == name), None)

    def clone(self) -> Pipeline:
        """A pipeline like this one: changing it, its options or its steps leaves this one as it is."""
        return Pipeline([replace(step, metadata=dict(step.metadata)) for step in self._steps], self._options)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}: {', '.join(step.name for step in self.steps)}>"

    def _begin(
        self,
        value: Any,
        drive: Drive,
        options: PipelineOptions | None = None,
        above: Run | None = None,
        offset: int = 0,
    ) -> Run:
        return StepsRun(list(self._steps), options or self._options, value, drive, above, offset)


def create_pipeline(
    steps: Iterable[PipelineStep[Any, Any]] | None = None, options: PipelineOptions | None = None
) -> Pipeline:
    """A pipeline of steps."""
    return Pipeline(steps, options)


async def parallel_pipelines(
    pipelines: Sequence[Pipeline],
    input: Any,
    combiner: Callable[[list[PipelineResult[Any]]], Any],
    *,
    executor: str | Executor = "asyncio",
) -> Any:
    """Run pipelines side by side with the same input; returns what `combiner(results)`, sync or async, makes of them.

    The results are in the order of the pipelines, and say of each whether it failed. Cancelled, it leaves nothing
    running. Raises what `combiner` raises, and what `pipe` does.
    """
    results: list[Any] = [None] * len(pipelines)
    async with outcomes([partial(pipeline.run, input, executor=executor) for pipeline in pipelines]) as found:
        async for index, result, error in found:
            if error is not None:
                raise error
            results[index] = result
    return await awaited(combiner(results))
