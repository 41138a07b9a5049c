"""One run of a pipeline: its steps one after the other, within its time, and what came of them so far at any moment."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from typing import Any

from l0_parallel import Task, outcomes

from l0_pipeline.making import taken
from l0_pipeline.options import PipelineOptions, PipelineResult
from l0_pipeline.steps import PipelineStep, StepContext, StepResult
from l0_pipeline.streams import StepOutput, StepTask, awaited

__all__ = ["Drive", "Run", "Running", "StepsRun", "watcher"]

logger = logging.getLogger("l0")

Drive = Callable[[Task], Any]

watcher: ContextVar[Callable[[Running], None] | None] = ContextVar("watcher", default=None)
"""Who is shown the steps of the pipelines that run in this context."""


class Stopwatch:
    """When something began, and how long it has taken, in the documented milliseconds."""

    def __init__(self) -> None:
        self._start, self._began = int(time.time() * 1000), time.perf_counter()

    def times(self) -> dict[str, int]:
        duration = int((time.perf_counter() - self._began) * 1000)
        return {"duration": duration, "startTime": self._start, "endTime": self._start + duration}


@dataclass(eq=False)
class Running:
    """A step at work. `result` is there when it is done."""

    pipeline: str | None
    step: PipelineStep[Any, Any]
    input: Any
    ctx: StepContext
    watch: Stopwatch
    task: StepTask | None = None
    made: StepOutput | None = None
    output: Any = None
    skipped: bool = False
    result: StepResult[Any] | None = None

    @property
    def tokens(self) -> int:
        """The tokens so far."""
        if self.result is not None:
            return self.result.token_count
        return 0 if self.task is None else self.task.token_count

    @property
    def milliseconds(self) -> int:
        """How long it has taken."""
        return self.watch.times()["duration"] if self.result is None else self.result.duration

    @property
    def status(self) -> str:
        """That of its result; "running" or "cancelled" where it has none."""
        if self.result is not None:
            return self.result.status
        return "cancelled" if self.ctx.cancelled else "running"

    def finish(self, error: Exception | None) -> StepResult[Any]:
        """Say what came of the step: a success, unless it was skipped or `error` ended it."""
        made = self.made or self._so_far(error)
        status = "error" if error is not None else "skipped" if self.skipped else "success"
        self.result = StepResult(
            self.step.name,
            self.ctx.step_index,
            self.input,
            None if error is not None else self.output,
            made.raw_content,
            status,
            error,
            token_count=made.token_count,
            stream=made.stream,
            **self.watch.times(),
        )
        return self.result

    def _so_far(self, error: Exception | None) -> StepOutput:
        """What a step had that was not finished. An error from elsewhere brings the text with it (`partial`)."""
        made = StepOutput(None) if self.task is None else self.task.so_far()
        partial_text = getattr(error, "partial", None)
        if made.stream is None and isinstance(partial_text, str):
            return StepOutput(None, partial_text)
        return made


class Run:
    """A run of a pipeline, or of a chain of them: what both have. Subclasses do the work.

    `above` is the run of the chain that it is a part of, and `offset` the number of steps before it there.
    """

    def __init__(
        self, options: PipelineOptions, value: Any, total: int, above: Run | None = None, offset: int = 0
    ) -> None:
        self.options, self.value, self.total = options, value, total
        self.status = "success"
        self.error: Exception | None = None
        self._above, self._offset = above, offset
        self._cancelled = 0

    @property
    def results(self) -> list[StepResult[Any]]:
        """What came of the steps so far."""
        raise NotImplementedError

    async def work(self) -> None:
        """Do the steps."""
        raise NotImplementedError

    async def cut_short(self, error: Exception) -> None:
        """Time was up, and whatever was running is over: keep what it had, and tell of the error."""
        raise NotImplementedError

    async def whole(self) -> PipelineResult[Any]:
        """The run, from beginning to end. Raises nothing but cancellation."""
        options, watch = self.options, Stopwatch()
        task = asyncio.current_task()
        self._cancelled = 0 if task is None else task.cancelling()
        try:
            async with asyncio.timeout(options.timeout):
                await self.tell(options.on_start, self.value)
                await self.work()
        except TimeoutError:
            error = TimeoutError(f"Pipeline timeout after {options.timeout:g}s")
            await self.cut_short(error)
            self.status, self.error = "error", error
        output = None if self.status == "error" else self.value
        result = PipelineResult(
            options.name, output, self.results, self.status, self.error,
            metadata=dict(options.metadata), **watch.times(),
        )  # fmt: skip
        await self.tell(options.on_complete, result)
        return result

    def fail(self, error: Exception) -> None:
        """A part of it failed."""
        self.error = self.error or error
        self.status = "error" if self.options.stop_on_error else "partial"

    async def progressed(self, index: int) -> None:
        """A step begins."""
        await self.tell(self.options.on_progress, index, self.total)
        if self._above is not None:
            await self._above.progressed(self._offset + index)

    async def failed(self, error: Exception, index: int) -> None:
        """A step failed."""
        await self.tell(self.options.on_error, error, index)
        if self._above is not None:
            await self._above.failed(error, self._offset + index)

    async def tell(self, callback: Callable[..., Any] | None, *args: Any) -> None:
        """Call a caller's function, and await it if it is async. What it raises is logged: it changes nothing."""
        if callback is None:
            return
        try:
            await awaited(callback(*args))
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling() > self._cancelled:
                raise
            _log(error)
        except Exception as error:
            _log(error)


class StepsRun(Run):
    """The run of the steps of one pipeline."""

    def __init__(
        self,
        steps: Sequence[PipelineStep[Any, Any]],
        options: PipelineOptions,
        value: Any,
        drive: Drive,
        above: Run | None = None,
        offset: int = 0,
    ) -> None:
        super().__init__(options, value, len(steps), above, offset)
        self._steps, self._drive = steps, drive
        self._results: list[StepResult[Any]] = []
        self._running: Running | None = None

    @property
    def results(self) -> list[StepResult[Any]]:
        return self._results

    async def work(self) -> None:
        for index, step in enumerate(self._steps):
            await self.progressed(index)
            await self._do(step, index)
            if self.status == "error":
                break

    async def cut_short(self, error: Exception) -> None:
        if self._running is not None:
            await self._over(self._running, error)
        else:
            await self.failed(error, max(0, len(self._results) - 1))

    async def _do(self, step: PipelineStep[Any, Any], index: int) -> None:
        """One step, and what follows from what came of it."""
        metadata = {**self.options.metadata, **step.metadata}
        ctx = StepContext(index, self.total, list(self._results), metadata)
        running = self._running = Running(self.options.name, step, self.value, ctx, Stopwatch())
        if (watch := watcher.get()) is not None:
            watch(running)
        # In a task of its own, so that a CancelledError that nobody asked for is an error like any other.
        async with outcomes([partial(self._make, running)]) as made:
            try:
                _, _, error = await anext(made)
            except asyncio.CancelledError:
                ctx.cancelled = True
                raise
        await self._over(running, error)

    async def _make(self, running: Running) -> None:
        """What a step does, up to its output."""
        input, ctx = running.input, running.ctx
        if await self._is_skipped(running):
            running.skipped, running.output = True, input
            return
        step = running.step
        running.task = StepTask(step.fn, input, ctx, tuple(step.fallbacks or ()), self._stream_options(step))
        made = running.made = await self._drive(running.task)
        running.output = made.value if step.transform is None else await awaited(step.transform(made.value, ctx))

    async def _is_skipped(self, running: Running) -> bool:
        """Whether a condition says so: the step's own, or that of the step that it comes to."""
        input, ctx = running.input, running.ctx
        while True:
            step = running.step
            if step.condition is not None and not await awaited(step.condition(input, ctx)):
                return True
            running.step = await taken(step, input, ctx)
            if running.step is step:
                return False
            ctx.metadata.update(running.step.metadata)

    def _stream_options(self, step: PipelineStep[Any, Any]) -> dict[str, Any]:
        options = self.options
        names = {"step": step.name} if options.name is None else {"pipeline": options.name, "step": step.name}
        chosen = {
            "guardrails": options.guardrails if step.guardrails is None else step.guardrails,
            "retry": step.retry or options.retry,
            "timeout": step.timeout or options.stream_timeout,
            "on_event": options.on_event,
            "context": {**(options.context or {}), **names},
        }
        return {name: value for name, value in chosen.items() if value is not None}

    async def _over(self, running: Running, error: Exception | None) -> None:
        """A step is over: keep what came of it, and tell whoever asked."""
        self._running = None
        result = running.finish(error)
        self._results.append(result)
        step, ctx = running.step, running.ctx
        if error is not None:
            self.fail(error)
            await self.tell(step.on_error, error, ctx)
            await self.failed(error, ctx.step_index)
            return
        self.value = result.output
        if result.status == "success":
            await self.tell(step.on_complete, result, ctx)


def _log(error: BaseException) -> None:
    logger.warning("a callback of a pipeline raised %s; the pipeline goes on", type(error).__name__)
