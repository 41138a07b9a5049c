"""Tasks side by side, and what comes of them as it comes: what everything here is made of.

A task is a function without arguments that returns a value, an awaitable of one, or a stream. What is begun within
`outcomes` is over when it is left, by whatever door: what is not done is cancelled, awaited, and its streams closed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from l0_core import Stream

__all__ = ["Drive", "Outcome", "Task", "call", "driven", "gone", "outcome_of", "outcomes"]

logger = logging.getLogger("l0")

Task = Callable[[], Any]
"""A function without arguments that returns a value, an awaitable of one, or a stream."""

Drive = Callable[[Task], Any]
"""What runs a task: a coroutine function of it."""


class Outcome(NamedTuple):
    """What came of a task: its value, or the exception that it raised."""

    place: int
    value: Any
    error: Exception | None


async def driven(task: Task, read: Callable[[Stream], Awaitable[Any]] = Stream.read) -> Any:
    """Run a task. What it returns is awaited; a stream is read to its end, or as `read` says, and closed if that fails.

    Raises TypeError for what is no task.
    """
    if not callable(task):
        if hasattr(task, "close"):
            task.close()  # A coroutine that nobody is going to await.
        raise TypeError(f"a task is a function that is called when its turn comes, not a {type(task).__name__}")
    value = task()
    if hasattr(value, "__await__"):
        value = await value
    if isinstance(value, Stream):
        try:
            await read(value)
        except BaseException:
            await value.aclose()
            raise
    return value


@asynccontextmanager
async def outcomes(
    tasks: Sequence[Task], concurrency: int | None = None, drive: Drive = driven
) -> AsyncIterator[AsyncIterator[Outcome]]:
    """Run tasks side by side, `concurrency` of them at a time, and iterate over what comes of them as it comes.

        async with outcomes(tasks, 3) as results:
            async for index, value, error in results:
                if error is None:
                    break    # the others are cancelled, and gone when the block is left

    Tasks are begun in order. What a task raises is its outcome; cancellation that nobody asked for is one as well.
    """
    ready: asyncio.Queue[Outcome] = asyncio.Queue()
    turns = iter(range(len(tasks)))

    async def work() -> None:
        for index in turns:
            ready.put_nowait(await outcome_of(index, tasks[index], drive))

    loop = asyncio.get_running_loop()
    workers = [loop.create_task(work()) for _ in range(min(concurrency or len(tasks), len(tasks)))]
    try:
        yield _Results(ready, len(tasks))
    finally:
        await gone(workers)


class _Results(AsyncIterator[Outcome]):
    """What is ready, as often as there are tasks. No generator: one that is left would have to be closed."""

    def __init__(self, ready: asyncio.Queue[Outcome], count: int) -> None:
        self._ready, self._left = ready, count

    async def __anext__(self) -> Outcome:
        if not self._left:
            raise StopAsyncIteration
        self._left -= 1
        return await self._ready.get()


async def gone(tasks: Sequence[asyncio.Future[Any]]) -> None:
    """Cancel tasks, and wait until they are over: also if this wait is cancelled, which is raised when they are."""
    for task in tasks:
        task.cancel()
    held: asyncio.CancelledError | None = None
    while pending := [task for task in tasks if not task.done()]:
        try:
            await asyncio.wait(pending)
        except asyncio.CancelledError as error:
            held = error
    if held is not None:
        raise held


async def outcome_of(index: int, task: Task, drive: Drive) -> Outcome:
    """What comes of a task. Raises nothing but the cancellation of the task that it runs in."""
    try:
        return Outcome(index, await drive(task), None)
    except asyncio.CancelledError as error:
        current = asyncio.current_task()
        if current is None or current.cancelling():
            raise
        lone = RuntimeError("it raised CancelledError, and nobody had cancelled it")
        lone.__cause__ = error
        return Outcome(index, None, lone)
    except Exception as error:
        return Outcome(index, None, error)


def call(callback: Callable[..., Any] | None, *args: Any) -> None:
    """Call a caller's function. What it raises is logged, and is nobody's outcome."""
    if callback is None:
        return
    try:
        callback(*args)
    except Exception as error:
        logger.warning("a callback of parallel work raised %s; the work goes on", type(error).__name__)
        logger.debug("a callback of parallel work raised", exc_info=error)
