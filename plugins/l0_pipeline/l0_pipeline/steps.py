"""A step of a pipeline, what its function is told, and what came of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from l0_core import Retry, State, Timeout

__all__ = ["PipelineStep", "StepContext", "StepFunction", "StepResult", "StreamSummary"]

TInput = TypeVar("TInput")
TOutput = TypeVar("TOutput")


@dataclass(frozen=True)
class StreamSummary:
    """How the stream of a step went, in plain data. The fields are those of `l0.State`."""

    outcome: str | None = None
    finish_reason: str | None = None
    model_retry_count: int = 0
    network_retry_count: int = 0
    fallback_index: int = 0
    violation_count: int = 0
    usage: dict[str, int] | None = None

    @classmethod
    def of(cls, state: State) -> StreamSummary:
        """What a stream's state says now."""
        return cls(
            state.outcome,
            state.finish_reason,
            state.model_retry_count,
            state.network_retry_count,
            state.fallback_index,
            len(state.violations),
            state.usage,
        )


@dataclass
class StepResult(Generic[TOutput]):
    """What came of a step. `status` is "success", "error" or "skipped"; a step that is skipped passes its input on.

    `raw_content` is the text before `transform`: of a step that failed or was cut short, what it had so far. Times are
    in milliseconds, `startTime` and `endTime` since the epoch. `stream` is None for a step that had none.
    """

    step_name: str
    step_index: int
    input: Any
    output: TOutput | None
    raw_content: str
    status: str
    error: Exception | None = None
    duration: int = 0
    startTime: int = 0  # noqa: N815  # documented
    endTime: int = 0  # noqa: N815
    token_count: int = 0
    stream: StreamSummary | None = None


@dataclass
class StepContext:
    """What the functions of a step are told besides its input.

    `previous_results` are those of the steps before it, those that were skipped or failed included. `metadata` is the
    pipeline's with the step's over it, as a copy. `cancelled` becomes true when the step is cut short: code that runs
    where it cannot be cancelled, such as a thread, can look at it.
    """

    step_index: int
    total_steps: int
    previous_results: list[StepResult[Any]]
    metadata: dict[str, Any]
    cancelled: bool = False


StepFunction = Callable[[Any, StepContext], Any]
"""What a step does: from its input and context to a factory of streams, a stream or a value."""


@dataclass
class PipelineStep(Generic[TInput, TOutput]):
    """One step of a pipeline.

    `fn(input, ctx)`, sync or async, returns a factory of streams, `{"stream": factory}`, a stream or a value; or it is
    an asynchronous generator of text or events. What it opens is run as by `l0.run`. A factory is called again for each
    attempt; where there is none, the function itself is. What the function raises before is the error of the step.

    `transform(content, ctx)` makes the output of the text, or of the value. With `condition(input, ctx)` false the step
    is skipped. `on_error(error, ctx)` and `on_complete(result, ctx)` follow the step. All of them may be async.

    `guardrails`, `retry` and `timeout` are those of `l0.run`, and None is what the pipeline has; `fallbacks` are
    functions like `fn`, which are asked for a stream when the ones before are exhausted.
    """

    name: str
    fn: StepFunction
    transform: Callable[[Any, StepContext], TOutput | Awaitable[TOutput]] | None = None
    condition: Callable[[TInput, StepContext], bool | Awaitable[bool]] | None = None
    on_error: Callable[[Exception, StepContext], Any] | None = None
    on_complete: Callable[[StepResult[TOutput], StepContext], Any] | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    guardrails: Sequence[Any] | None = None
    retry: Retry | None = None
    timeout: Timeout | None = None
    fallbacks: Sequence[StepFunction] | None = None
