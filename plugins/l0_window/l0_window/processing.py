"""A stream for each chunk, and what came of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, Literal, TypeVar

from l0_parallel import Executor, Task, drive_of, outcomes

from l0_core import Retry, Stream, Timeout, run
from l0_window.documents import DocumentChunk

__all__ = [
    "ChunkProcessConfig",
    "ChunkResult",
    "ChunkTask",
    "ProcessingStats",
    "Processor",
    "answer",
    "get_processing_stats",
    "merge_results",
    "process_chunks",
]

T = TypeVar("T")


@dataclass
class ChunkProcessConfig:
    """How a chunk is processed: the factory of its stream, and the options of `l0.run` by the same names.

    `guardrails` are rules, names or plugins; None means the configured ones.
    """

    stream: Any
    retry: Retry | None = None
    timeout: Timeout | None = None
    fallbacks: list[Any] | None = None
    guardrails: Sequence[Any] | None = None


@dataclass
class ChunkResult(Generic[T]):
    """What came of a chunk: the answer's text in `content`, or the type and message of an exception in `error`.

    `result` is the stream, read to its end: `result.state.outcome` is "incomplete" for an answer that the provider cut
    short. It is None after an error, and where an executor ran the stream elsewhere. `duration` is in milliseconds.
    """

    chunk: DocumentChunk
    status: Literal["success", "error"]
    result: Stream | None = None
    content: str = ""
    error: str | None = None
    duration: float = 0.0


@dataclass
class ProcessingStats:
    """How processing went. `success_rate` is from 0 to 100, durations are in milliseconds.

    `total_duration` is the sum of the durations, which overlap where chunks were processed side by side.
    """

    total: int
    successful: int
    failed: int
    success_rate: float
    avg_duration: float
    total_duration: float


Processor = Callable[[DocumentChunk], ChunkProcessConfig]
"""Says how a chunk is processed."""


async def process_chunks(
    chunks: Sequence[DocumentChunk],
    processor: Processor,
    concurrency: int,
    executor: str | Executor = "asyncio",
) -> list[ChunkResult[Any]]:
    """Process chunks, `concurrency` at a time, and return what came of each, in their order.

    The processor is called when a chunk's turn comes. What it raises is the chunk's error. Cancelled, this leaves no
    stream open. Raises ValueError for a concurrency below 1, and what `executor` is refused with.
    """
    if concurrency < 1:
        raise ValueError(f"concurrency is {concurrency!r}; it must be 1 or more")
    stays = executor == "asyncio"
    return await results_of(chunks, [ChunkTask(processor, chunk, stays) for chunk in chunks], concurrency, executor)


async def results_of(
    chunks: Sequence[DocumentChunk], tasks: Sequence[Task], concurrency: int, executor: str | Executor = "asyncio"
) -> list[ChunkResult[Any]]:
    """Run a task for each chunk, which returns its result; one that raises has failed."""
    results: list[Any] = [None] * len(chunks)
    async with outcomes(tasks, concurrency, drive_of(executor)) as found:
        async for place, value, error in found:
            results[place] = value if error is None else failed(chunks[place], error, 0.0)
    return results


@dataclass(frozen=True)
class ChunkTask:
    """The processing of one chunk. A class, since executors take it elsewhere; a stream `stays` in its event loop."""

    processor: Processor
    chunk: DocumentChunk
    stays: bool

    async def __call__(self) -> ChunkResult[Any]:
        clock = asyncio.get_running_loop().time
        began = clock()
        try:
            stream = await answer(self.processor(self.chunk))
        except Exception as error:
            return failed(self.chunk, error, clock() - began)
        result = succeeded(self.chunk, stream, clock() - began)
        return result if self.stays else replace(result, result=None)


async def answer(config: ChunkProcessConfig) -> Stream:
    """Run a chunk's stream to its end. Raises what it fails with, and leaves nothing open."""
    if not isinstance(config, ChunkProcessConfig):
        raise TypeError(f"a processor returns a ChunkProcessConfig, not a {type(config).__name__}")
    stream = await run(
        config.stream,
        fallbacks=config.fallbacks,
        retry=config.retry,
        timeout=config.timeout,
        guardrails=config.guardrails,
    )
    async with stream:
        await stream.read()
    return stream


def succeeded(chunk: DocumentChunk, stream: Stream, seconds: float) -> ChunkResult[Any]:
    return ChunkResult(chunk, "success", stream, stream.state.content, duration=seconds * 1000)


def failed(chunk: DocumentChunk, error: Exception, seconds: float) -> ChunkResult[Any]:
    return ChunkResult(chunk, "error", error=f"{type(error).__name__}: {error}", duration=seconds * 1000)


def merge_results(results: Iterable[ChunkResult[Any]], separator: str = "\n\n") -> str:
    """The answers, joined in the order of the results. Errors and answers without text are left out."""
    return separator.join(result.content for result in results if result.status == "success" and result.content)


def get_processing_stats(results: Iterable[ChunkResult[Any]]) -> ProcessingStats:
    """How processing went, in numbers; all of them 0 if nothing was processed."""
    listed = list(results)
    total = len(listed)
    successful = sum(result.status == "success" for result in listed)
    duration = sum(result.duration for result in listed)
    return ProcessingStats(
        total=total,
        successful=successful,
        failed=total - successful,
        success_rate=100 * successful / total if total else 0.0,
        avg_duration=duration / total if total else 0.0,
        total_duration=duration,
    )
