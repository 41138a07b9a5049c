"""An operation pool: streams that wait for one of a few workers, with options that they share."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Generic, TypeVar

from l0_core import GuardrailRule, ObservabilityEvent, Retry, State, Timeout, run
from l0_parallel.outcomes import gone

__all__ = ["OperationPool", "PoolOptions", "PoolStats", "PooledOperation", "create_pool"]

T = TypeVar("T")


@dataclass
class PoolOptions:
    """What the operations of a pool have unless they say otherwise."""

    shared_retry: Retry | None = None
    shared_timeout: Timeout | None = None
    shared_guardrails: list[GuardrailRule] | None = None
    on_event: Callable[[ObservabilityEvent], None] | None = None
    context: dict[str, Any] | None = None


@dataclass
class PoolStats:
    """What a pool has done. `total_duration` is the time that its workers spent on operations, in seconds."""

    total_executed: int = 0
    total_succeeded: int = 0
    total_failed: int = 0
    total_duration: float = 0.0


@dataclass
class PooledOperation:
    """An operation that waits, or is at work. Made within the running event loop."""

    stream: Any
    fallbacks: Sequence[Any] | None = None
    guardrails: Sequence[Any] | None = None
    retry: Retry | None = None
    timeout: Timeout | None = None
    future: asyncio.Future[State] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class OperationPool(Generic[T]):
    """Runs streams, as many at a time as it has workers.

        async with OperationPool(3) as pool:
            states = await asyncio.gather(*(pool.execute(ask(question)) for question in questions))

    Workers begin with the first operation. Leaving the block waits for what was asked for, and stops them. Cancelling
    what `execute` returns stops its operation and closes its stream, and no other.

    Raises ValueError for less than one worker.
    """

    def __init__(self, worker_count: int = 3, options: PoolOptions | None = None) -> None:
        if worker_count < 1:
            raise ValueError(f"worker_count is {worker_count!r}; it must be 1 or more")
        self._worker_count = worker_count
        self._options = options or PoolOptions()
        self._stats = PoolStats()
        self._waiting: asyncio.Queue[PooledOperation] = asyncio.Queue()
        self._workers: list[asyncio.Task[None]] = []
        self._active = 0
        self._draining = 0

    @property
    def worker_count(self) -> int:
        """How many streams run at a time, at most."""
        return self._worker_count

    def execute(
        self,
        stream: Any,
        *,
        fallbacks: Iterable[Any] | None = None,
        guardrails: Sequence[Any] | None = None,
        retry: Retry | None = None,
        timeout: Timeout | None = None,
    ) -> asyncio.Future[State]:
        """Ask for a stream to be run; returns a future of its state. The parameters are those of `l0.run`.

        Raises RuntimeError while the pool is draining.
        """
        if self._draining:
            raise RuntimeError("Cannot execute operations while pool is draining")
        shared = self._options
        operation = PooledOperation(
            stream,
            None if fallbacks is None else [*fallbacks],
            shared.shared_guardrails if guardrails is None else guardrails,
            retry or shared.shared_retry,
            timeout or shared.shared_timeout,
        )
        self._waiting.put_nowait(operation)
        if not self._workers:
            loop = asyncio.get_running_loop()
            self._workers = [loop.create_task(self._work()) for _ in range(self._worker_count)]
        return operation.future

    async def drain(self) -> None:
        """Wait until every operation is done. New ones are refused meanwhile."""
        self._draining += 1
        try:
            await self._waiting.join()
        finally:
            self._draining -= 1

    async def shutdown(self) -> None:
        """Drain the pool and stop its workers; `execute` begins anew. Cancelled, it cancels what is left."""
        try:
            await self.drain()
        finally:
            await self._stop()

    async def _stop(self) -> None:
        """Stop the workers at once, and cancel what nobody has begun."""
        workers, self._workers = self._workers, []
        try:
            await gone(workers)
        finally:
            while not self._waiting.empty():
                self._waiting.get_nowait().future.cancel()
                self._waiting.task_done()

    async def __aenter__(self) -> OperationPool[T]:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            await self.shutdown()
        else:
            await self._stop()

    def get_queue_length(self) -> int:
        """How many operations wait for a worker."""
        return self._waiting.qsize()

    def get_active_workers(self) -> int:
        """How many workers are at work."""
        return self._active

    def get_stats(self) -> PoolStats:
        """What was done so far, as a copy. Operations that were cancelled have neither succeeded nor failed."""
        stats = self._stats
        return PoolStats(stats.total_executed, stats.total_succeeded, stats.total_failed, stats.total_duration)

    async def _work(self) -> None:
        while True:
            operation = await self._waiting.get()
            try:
                if not operation.future.done():
                    await self._run(operation)
            finally:
                self._waiting.task_done()

    async def _run(self, operation: PooledOperation) -> None:
        """Run an operation in a task of its own, so that what cancels it leaves the worker alone."""
        future = operation.future
        running = asyncio.get_running_loop().create_task(self._read(operation))
        future.add_done_callback(lambda future: running.cancel() if future.cancelled() else None)
        began = time.perf_counter()
        self._active += 1
        self._stats.total_executed += 1
        try:
            await asyncio.wait((running,))
        except asyncio.CancelledError:
            future.cancel()
            await gone((running,))
            raise
        finally:
            self._active -= 1
            self._stats.total_duration += time.perf_counter() - began
        self._settle(future, running)

    async def _read(self, operation: PooledOperation) -> State:
        shared = self._options
        stream = await run(
            operation.stream,
            fallbacks=operation.fallbacks,
            guardrails=operation.guardrails,
            retry=operation.retry,
            timeout=operation.timeout,
            on_event=shared.on_event,
            context=shared.context,
        )
        async with stream:
            await stream.read()
        return stream.state

    def _settle(self, future: asyncio.Future[State], running: asyncio.Task[State]) -> None:
        """Hand over what came of an operation."""
        error = None if running.cancelled() else running.exception()
        if future.cancelled():
            return
        if running.cancelled():
            error = RuntimeError("it raised CancelledError, and nobody had cancelled it")
        if error is None:
            self._stats.total_succeeded += 1
            future.set_result(running.result())
        else:
            self._stats.total_failed += 1
            future.set_exception(error)


def create_pool(
    worker_count: int = 3,
    *,
    shared_retry: Retry | None = None,
    shared_timeout: Timeout | None = None,
    shared_guardrails: list[GuardrailRule] | None = None,
    on_event: Callable[[ObservabilityEvent], None] | None = None,
    context: dict[str, Any] | None = None,
) -> OperationPool[Any]:
    """A pool, with the options that its operations share."""
    return OperationPool(worker_count, PoolOptions(shared_retry, shared_timeout, shared_guardrails, on_event, context))
