"""Many tasks: side by side, one after the other, and in batches."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, cast, overload

from l0_core import Stream
from l0_parallel.executors import Executor, drive_of
from l0_parallel.outcomes import Task, call, driven, outcomes

__all__ = [
    "DEFAULT_CONCURRENCY",
    "AggregatedTelemetry",
    "ParallelOptions",
    "ParallelResult",
    "batched",
    "parallel",
    "sequential",
]

T = TypeVar("T")
R = TypeVar("R")

Typed = Callable[[], Awaitable[T]] | Callable[[], Coroutine[Any, Any, T]]
"""A task whose value type checkers know.

The second form is a case of the first. Where there is one form only, mypy reads a lambda by it, and refuses the
`lambda d=d: f(d)` of a loop.
"""

DEFAULT_CONCURRENCY = 5


@dataclass
class AggregatedTelemetry:
    """What the streams among the results took together.

    `total_duration` is the sum of their durations and `avg_time_to_first_token` from the beginning of the task on, both
    in seconds. `avg_tokens_per_second` is that of all tokens over the time of all streams.
    """

    total_tokens: int = 0
    total_duration: float = 0.0
    total_retries: int = 0
    total_network_errors: int = 0
    total_violations: int = 0
    avg_tokens_per_second: float = 0.0
    avg_time_to_first_token: float = 0.0


@dataclass
class ParallelResult(Sequence[T | None], Generic[T]):
    """What came of tasks, in their order; as a sequence it is its `results`.

    `results` and `errors` have a place for each task, with None where there is none. Tasks that `fail_fast` left out or
    cut short are in `skipped`: they have neither succeeded nor failed. `duration` is in seconds. The telemetry is there
    if any result is a stream.
    """

    results: list[T | None]
    errors: list[Exception | None]
    success_count: int = 0
    failure_count: int = 0
    duration: float = 0.0
    aggregated_telemetry: AggregatedTelemetry | None = None
    skipped: list[int] = field(default_factory=list)

    @property
    def all_succeeded(self) -> bool:
        """Whether no task failed, and none was left out or cut short."""
        return not self.failure_count and not self.skipped

    @property
    def skipped_count(self) -> int:
        """How many tasks `fail_fast` left out or cut short."""
        return len(self.skipped)

    def successful_results(self) -> list[T]:
        """The results of the tasks that succeeded, in order."""
        left_out = set(self.skipped)
        return [
            cast("T", result)
            for index, (result, error) in enumerate(zip(self.results, self.errors, strict=True))
            if error is None and index not in left_out
        ]

    def __len__(self) -> int:
        return len(self.results)

    def __iter__(self) -> Iterator[T | None]:
        return iter(self.results)

    @overload
    def __getitem__(self, index: int) -> T | None: ...
    @overload
    def __getitem__(self, index: slice) -> list[T | None]: ...
    def __getitem__(self, index: int | slice) -> T | list[T | None] | None:
        return self.results[index]


@dataclass
class ParallelOptions:
    """The options of `parallel()`.

    The functions are called as things happen: `on_progress(done, total)`, `on_complete(result, index)`,
    `on_error(error, index)`.
    """

    concurrency: int = DEFAULT_CONCURRENCY
    fail_fast: bool = False
    on_progress: Callable[[int, int], None] | None = None
    on_complete: Callable[[Any, int], None] | None = None
    on_error: Callable[[Exception, int], None] | None = None


@overload
async def parallel(
    tasks: Sequence[Typed[T]],
    options: ParallelOptions | None = None,
    *,
    concurrency: int | None = None,
    fail_fast: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
    on_complete: Callable[[Any, int], None] | None = None,
    on_error: Callable[[Exception, int], None] | None = None,
    executor: str | Executor = "asyncio",
) -> ParallelResult[T]: ...
@overload
async def parallel(
    tasks: Sequence[Task | Typed[Any]],
    options: ParallelOptions | None = None,
    *,
    concurrency: int | None = None,
    fail_fast: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
    on_complete: Callable[[Any, int], None] | None = None,
    on_error: Callable[[Exception, int], None] | None = None,
    executor: str | Executor = "asyncio",
) -> ParallelResult[Any]: ...
async def parallel(
    tasks: Sequence[Task],
    options: ParallelOptions | None = None,
    *,
    concurrency: int | None = None,
    fail_fast: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
    on_complete: Callable[[Any, int], None] | None = None,
    on_error: Callable[[Exception, int], None] | None = None,
    executor: str | Executor = "asyncio",
) -> ParallelResult[Any]:
    """Run tasks side by side, `concurrency` at a time (5), and return what came of each, in their order.

    A task that returns a stream is done when the stream has been read to its end; the stream is its result, and
    `await stream.read()` its text. A task that fails is an entry of `errors`; with `fail_fast` the first that does
    cancels what is running and leaves out the rest. What a callback raises is logged. Cancelled from outside, it leaves
    no task and no connection behind.

    Raises ValueError for a concurrency below 1, and what `executor` is refused with. What is no task fails by itself,
    with a TypeError.
    """
    asked = options or ParallelOptions()
    limit = asked.concurrency if concurrency is None else concurrency
    fail_fast = fail_fast or asked.fail_fast
    if limit < 1:
        raise ValueError(f"concurrency is {limit!r}; it must be 1 or more")
    total, began = len(tasks), time.perf_counter()
    results: list[Any] = [None] * total
    errors: list[Exception | None] = [None] * total
    left, first_tokens = set(range(total)), _FirstTokens(drive_of(executor))
    async with outcomes([first_tokens.noting(task) for task in tasks], limit) as found:
        async for index, value, error in found:
            left.discard(index)
            results[index], errors[index] = value, error
            if error is None:
                call(on_complete or asked.on_complete, value, index)
            else:
                call(on_error or asked.on_error, error, index)
            call(on_progress or asked.on_progress, total - len(left), total)
            if error is not None and fail_fast:
                break
    failures = sum(error is not None for error in errors)
    return ParallelResult(
        results,
        errors,
        success_count=total - failures - len(left),
        failure_count=failures,
        duration=time.perf_counter() - began,
        aggregated_telemetry=_telemetry(results, first_tokens.waits),
        skipped=sorted(left),
    )


@overload
async def sequential(tasks: Sequence[Typed[T]]) -> list[T]: ...
@overload
async def sequential(tasks: Sequence[Task | Typed[Any]]) -> list[Any]: ...
async def sequential(tasks: Sequence[Task]) -> list[Any]:
    """Run tasks one after the other, and return their results. Raises what one of them raises, and runs no other."""
    return [await driven(task) for task in tasks]


async def batched(
    items: Sequence[T],
    handler: Callable[[T], Awaitable[R]],
    batch_size: int = 10,
    *,
    on_progress: Callable[[int, int], None] | None = None,
    executor: str | Executor = "asyncio",
) -> list[R]:
    """Handle items in batches, those of a batch side by side, and return the results in the order of the items.

    `on_progress(done, total)` is called after each batch. Raises the first exception of a handler when what else is
    running of its batch is cancelled and over; ValueError for a batch size below 1.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size!r}; it must be 1 or more")
    drive = drive_of(executor)
    done: list[R] = []
    for start in range(0, len(items), batch_size):
        batch = [_Handling(handler, item) for item in items[start : start + batch_size]]
        results: list[Any] = [None] * len(batch)
        async with outcomes(batch, drive=drive) as found:
            async for index, value, error in found:
                if error is not None:
                    raise error
                results[index] = value
        done += results
        call(on_progress, len(done), len(items))
    return done


@dataclass(frozen=True)
class _Handling(Generic[T, R]):
    """The handling of one item, as a task. A class, since executors take it elsewhere."""

    handler: Callable[[T], Awaitable[R]]
    item: T

    def __call__(self) -> Awaitable[R]:
        return self.handler(self.item)


class _FirstTokens:
    """How long the streams of tasks took to their first token, in seconds."""

    def __init__(self, drive: Callable[[Task], Any]) -> None:
        self.waits: list[float] = []
        self._drive = drive

    def noting(self, task: Task) -> Task:
        async def run() -> Any:
            began = time.time()
            value = await self._drive(task)
            if isinstance(value, Stream) and (first := value.state.first_token_at) is not None:
                self.waits.append(max(0.0, first - began))
            return value

        return run


def _telemetry(results: Sequence[Any], waits: Sequence[float]) -> AggregatedTelemetry | None:
    states = [result.state for result in results if isinstance(result, Stream)]
    if not states:
        return None
    tokens = sum(state.token_count for state in states)
    duration = sum(state.duration or 0.0 for state in states)
    return AggregatedTelemetry(
        total_tokens=tokens,
        total_duration=duration,
        total_retries=sum(state.model_retry_count + state.network_retry_count for state in states),
        total_network_errors=sum(state.network_retry_count for state in states),
        total_violations=sum(len(state.violations) for state in states),
        avg_tokens_per_second=tokens / duration if duration else 0.0,
        avg_time_to_first_token=sum(waits) / len(waits) if waits else 0.0,
    )
