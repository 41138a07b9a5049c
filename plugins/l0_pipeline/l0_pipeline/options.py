"""What a pipeline may be told, what came of it, and presets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

from l0_core import ObservabilityEvent, Retry, Timeout
from l0_pipeline.steps import StepResult

__all__ = [
    "FAST_PIPELINE",
    "PRODUCTION_PIPELINE",
    "RELIABLE_PIPELINE",
    "PipelineOptions",
    "PipelineResult",
    "copied",
    "under",
]

TOutput = TypeVar("TOutput")


@dataclass
class PipelineResult(Generic[TOutput]):
    """What came of a pipeline.

    | status | meaning | output |
    |---|---|---|
    | `success` | every step succeeded or was skipped | the last step's |
    | `partial` | a step failed, and the next one went on with its input | the last step's, or what it would have got |
    | `error` | a step failed, or time was up: `error` says which | None; `steps` has what was done |

    Times are in milliseconds, `startTime` and `endTime` since the epoch.
    """

    name: str | None
    output: TOutput | None
    steps: list[StepResult[Any]]
    status: str
    error: Exception | None = None
    duration: int = 0
    startTime: int = 0  # noqa: N815  # documented
    endTime: int = 0  # noqa: N815
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass
class PipelineOptions:
    """What holds for a whole pipeline.

    `timeout` is the time that all of it may take, in seconds, more than 0. `on_start(input)`, `on_progress(step_index,
    total)` as a step begins, `on_error(error, step_index)` and `on_complete(result)`, whatever its status, may be
    async: they are awaited in order, and what they raise is logged.

    `retry`, `guardrails` and `stream_timeout` hold for the streams of the steps that have none of their own.
    `on_event` is told of all these streams, and `context` is theirs, with the names of pipeline and step.

    Raises ValueError for a `timeout` that is not more than 0.
    """

    name: str | None = None
    stop_on_error: bool = True
    timeout: float | None = None
    on_start: Callable[[Any], Any] | None = None
    on_complete: Callable[[PipelineResult[Any]], Any] | None = None
    on_error: Callable[[Exception, int], Any] | None = None
    on_progress: Callable[[int, int], Any] | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    retry: Retry | None = None
    guardrails: Sequence[Any] | None = None
    stream_timeout: Timeout | None = None
    on_event: Callable[[ObservabilityEvent], Any] | None = None
    context: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        if self.timeout is not None and not self.timeout > 0:
            raise ValueError(f"PipelineOptions.timeout is {self.timeout!r}; it is in seconds, more than 0")


FAST_PIPELINE = PipelineOptions(stop_on_error=True)
"""Stops at the first error."""
RELIABLE_PIPELINE = PipelineOptions(stop_on_error=False)
"""Goes on after an error."""
PRODUCTION_PIPELINE = PipelineOptions(stop_on_error=False, timeout=300.0)
"""Goes on after an error, for five minutes at most."""


def copied(options: PipelineOptions | None) -> PipelineOptions:
    """Options that can be changed without changing the given ones, which may be a preset."""
    options = options or PipelineOptions()
    return replace(options, metadata=dict(options.metadata))


def under(chain: PipelineOptions, options: PipelineOptions) -> PipelineOptions:
    """The options of a pipeline in a chain: what they leave open for the streams and their observers is the chain's."""
    open_ = {
        name: getattr(chain, name)
        for name in ("name", "retry", "guardrails", "stream_timeout", "on_event")
        if getattr(options, name) is None
    }
    metadata = {**chain.metadata, **options.metadata}
    return replace(options, **open_, metadata=metadata, context={**(chain.context or {}), **(options.context or {})})
