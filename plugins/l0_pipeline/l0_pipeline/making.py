"""Steps that are made of functions: a prompt and who answers it, and one of two ways."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any

from l0_pipeline.steps import PipelineStep, StepContext, StepFunction
from l0_pipeline.streams import awaited

__all__ = ["create_branch_step", "create_step", "taken"]

# What they are made of are classes, since executors take functions elsewhere.


@dataclass(frozen=True)
class _Prompted:
    """A step's function that makes a prompt, and has it answered."""

    prompt_fn: Callable[..., Any]
    stream_factory: Callable[..., Any]

    async def __call__(self, input: Any, ctx: StepContext) -> Callable[..., Any]:
        given = (input, ctx) if _needs_two(self.prompt_fn) else (input,)
        return partial(self.stream_factory, await awaited(self.prompt_fn(*given)))


def _needs_two(function: Callable[..., Any]) -> bool:
    """Whether a function cannot be called with one argument."""
    try:
        inspect.signature(function).bind(None)
    except TypeError:
        return True
    except ValueError:  # Functions written in C may have no signature.
        return False
    return False


def create_step(
    name: str,
    prompt_fn: Callable[..., Any],
    stream_factory: Callable[..., Any],
    transform: Callable[[Any, StepContext], Any] | None = None,
) -> PipelineStep[Any, Any]:
    """A step that asks a model.

    `prompt_fn(input)` or `prompt_fn(input, ctx)` returns the prompt, and `stream_factory(prompt)` opens a stream of the
    answer, or returns a factory of it. Each attempt calls `stream_factory` again with the same prompt.
    """
    return PipelineStep(name, _Prompted(prompt_fn, stream_factory), transform)


@dataclass(frozen=True)
class _Branch:
    """A step's function that is one of two."""

    condition: Callable[[Any, StepContext], bool | Awaitable[bool]]
    if_true: PipelineStep[Any, Any] | StepFunction
    if_false: PipelineStep[Any, Any] | StepFunction

    async def choose(self, input: Any, ctx: StepContext) -> PipelineStep[Any, Any] | StepFunction:
        return self.if_true if await awaited(self.condition(input, ctx)) else self.if_false

    async def __call__(self, input: Any, ctx: StepContext) -> Any:
        chosen = await self.choose(input, ctx)
        function = chosen.fn if isinstance(chosen, PipelineStep) else chosen
        return await awaited(function(input, ctx))


def create_branch_step(
    name: str,
    condition: Callable[[Any, StepContext], bool | Awaitable[bool]],
    if_true: PipelineStep[Any, Any] | StepFunction,
    if_false: PipelineStep[Any, Any] | StepFunction,
) -> PipelineStep[Any, Any]:
    """A step that is one of two, steps or functions of steps, as `condition(input, ctx)` says.

    It keeps its name whichever it is. What the chosen step has of its own (`transform`, callbacks, `condition`, options
    of its stream) holds; what it leaves open is as this one has it.
    """
    return PipelineStep(name, _Branch(condition, if_true, if_false))


async def taken(step: PipelineStep[Any, Any], input: Any, ctx: StepContext) -> PipelineStep[Any, Any]:
    """The step that a branch comes to; any other step is itself. Raises what the conditions of branches raise."""
    if not isinstance(step.fn, _Branch):
        return step
    chosen = await step.fn.choose(input, ctx)
    if not isinstance(chosen, PipelineStep):
        return replace(step, fn=chosen, condition=None)
    own = {field.name: value for field in fields(chosen) if (value := getattr(chosen, field.name)) is not None}
    own |= {"name": step.name, "metadata": {**step.metadata, **chosen.metadata}, "condition": chosen.condition}
    return replace(step, **own)
