"""Pipelines one after the other, as one pipeline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from l0_pipeline.options import PipelineOptions, under
from l0_pipeline.pipeline import Pipeline
from l0_pipeline.runs import Drive, Run
from l0_pipeline.steps import PipelineStep, StepResult

__all__ = ["chain_pipelines"]


def chain_pipelines(*pipelines: Pipeline) -> Pipeline:
    """Pipelines one after the other, as one whose name is theirs, joined by " -> ".

    Each keeps its options, with its callbacks and its timeout; those of the chain, which can be set afterwards, hold
    for all of it. An error that stops one of them stops the chain, unless its `stop_on_error` is off. The steps of the
    result are those of all pipelines, numbered through. The pipelines are copied.
    """
    names = [pipeline.name for pipeline in pipelines if pipeline.name]
    options = PipelineOptions(name=" -> ".join(names) or None)
    return _Chain([pipeline.clone() for pipeline in pipelines], options) if pipelines else Pipeline(options=options)


class _Chain(Pipeline):
    """One of at least one pipeline. What is added to it is added to the last."""

    def __init__(self, pipelines: Sequence[Pipeline], options: PipelineOptions) -> None:
        super().__init__(options=options)
        self._pipelines = pipelines

    @property
    def steps(self) -> list[PipelineStep[Any, Any]]:
        return [step for pipeline in self._pipelines for step in pipeline.steps]

    def add_step(self, step: PipelineStep[Any, Any]) -> Pipeline:
        self._pipelines[-1].add_step(step)
        return self

    def remove_step(self, name: str) -> Pipeline:
        for pipeline in self._pipelines:
            pipeline.remove_step(name)
        return self

    def clone(self) -> Pipeline:
        return _Chain([pipeline.clone() for pipeline in self._pipelines], self._options)

    def _begin(
        self,
        value: Any,
        drive: Drive,
        options: PipelineOptions | None = None,
        above: Run | None = None,
        offset: int = 0,
    ) -> Run:
        return _ChainRun(list(self._pipelines), options or self._options, value, drive, above, offset)


class _ChainRun(Run):
    """The run of a chain: those of its pipelines, and where their steps stand in the whole."""

    def __init__(
        self,
        pipelines: Sequence[Pipeline],
        options: PipelineOptions,
        value: Any,
        drive: Drive,
        above: Run | None = None,
        offset: int = 0,
    ) -> None:
        super().__init__(options, value, sum(len(pipeline.steps) for pipeline in pipelines), above, offset)
        self._pipelines, self._drive = pipelines, drive
        self._parts: list[tuple[int, Run]] = []

    @property
    def results(self) -> list[StepResult[Any]]:
        return [
            replace(result, step_index=first + result.step_index)
            for first, part in self._parts
            for result in part.results
        ]

    async def work(self) -> None:
        first = 0
        for pipeline in self._pipelines:
            options = under(self.options, pipeline.options)
            part = pipeline._begin(self.value, self._drive, options, self, first)
            self._parts.append((first, part))
            first += part.total
            result = await part.whole()
            if result.status != "error":
                self.value = result.output
            if result.status == "partial":
                self.status, self.error = "partial", self.error or result.error
            elif result.error is not None:
                self.fail(result.error)
            if self.status == "error":
                break

    async def cut_short(self, error: Exception) -> None:
        if self._parts:
            await self._parts[-1][1].cut_short(error)
        else:
            await self.failed(error, 0)
